//! What the pages share: language, escaping, the document's frame and the headers that keep it harmless.

use axum::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// What is not a page of ours (a refusal by the framework, JSON, text) may do nothing in a browser.
const BARE_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The languages that the pages speak; French when the reader asks for neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    Fr,
    En,
}

impl Lang {
    /// The reader's choice by `Accept-Language` (RFC 9110 §12.5.4); on equal wishes French.
    pub fn of(headers: &HeaderMap) -> Self {
        let wishes = headers
            .get_all(ACCEPT_LANGUAGE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let (mut french, mut english) = (0.0, 0.0);
        for wish in wishes {
            let mut parts = wish.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default();
            let weight = parts
                .find_map(|p| p.strip_prefix("q="))
                .map_or(1.0, |q| q.parse().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0));
            match tag.split('-').next().map(str::to_ascii_lowercase).as_deref() {
                Some("fr") => french = f32::max(french, weight),
                Some("en") => english = f32::max(english, weight),
                _ => {}
            }
        }
        if english > french { Self::En } else { Self::Fr }
    }

    /// The language of a customer's locale, where it is one that the pages speak.
    pub fn of_locale(locale: Option<&str>) -> Option<Self> {
        match locale?.split(['-', '_']).next()?.to_ascii_lowercase().as_str() {
            "fr" => Some(Self::Fr),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// As in `lang` attributes.
    pub fn code(self) -> &'static str {
        self.pick("fr", "en")
    }

    /// The wording in this language.
    pub fn pick<T>(self, french: T, english: T) -> T {
        match self {
            Self::Fr => french,
            Self::En => english,
        }
    }
}

/// Text made harmless in HTML, between tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A page. `title` is escaped here; `body` is HTML, in which the caller has escaped what is not its own.
pub struct Page {
    pub lang: Lang,
    pub title: String,
    pub css: &'static str,
    /// Directives for the Content-Security-Policy beside `default-src 'none'` and the style's hash.
    pub policy: &'static str,
    pub body: String,
}

impl Page {
    /// The whole document, under a policy that lets it load nothing but what it names.
    pub fn respond(self, status: StatusCode) -> Response {
        let Self { lang, title, css, policy, body } = self;
        let hash = STANDARD.encode(Sha256::digest(css));
        let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; {policy}");
        let document = format!(
            "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>{css}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n",
            lang = lang.code(),
            title = escape(&title),
        );
        let mut response = (status, Html(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(lang.code()));
        headers.insert(VARY, HeaderValue::from_static("accept-language"));
        headers.insert(CONTENT_SECURITY_POLICY, header_value(&policy));
        response
    }
}

/// A header made of our own words; empty if they hold what a header cannot, which the tests would show.
pub fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// Adds to every answer of a listener what no page may lack. For `axum::middleware::map_response`.
pub async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(BARE_POLICY);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_french_unless_english_is_wished_for_more() {
        let cases = [
            ("", Lang::Fr),
            ("fr-FR,fr;q=0.9,en;q=0.8", Lang::Fr),
            ("en-GB,en;q=0.9,fr;q=0.8", Lang::En),
            ("en, fr", Lang::Fr),
            ("de-DE, de;q=0.9, en;q=0.5", Lang::En),
            ("de", Lang::Fr),
            ("*", Lang::Fr),
            ("EN-us ; q=0.3", Lang::En),
            ("en;q=nonsense", Lang::Fr),
            ("en;q=NaN", Lang::Fr),
            ("en;q=0", Lang::Fr),
        ];
        for (wishes, expected) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, HeaderValue::from_static(wishes))]);
            assert_eq!(Lang::of(&headers), expected, "{wishes}");
        }
    }

    #[test]
    fn escapes_what_html_reads() {
        assert_eq!(escape(r#"<a b="c" d='e'>&é"#), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;é");
    }
}
