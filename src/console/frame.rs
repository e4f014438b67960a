//! What all pages of the console share: the visit they are for, the frame around them, times and small parts.

use std::fmt::Write as _;

use axum::extract::{Extension, Request};
use axum::http::header::{CONTENT_TYPE, HeaderValue, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;

use super::Console;
use super::entrance::cookie;
use super::session::{self, Operator};
use crate::domain::explain::Language;
use crate::ops::page::{Lang, Page, escape};

const CSS: &str = include_str!("console.css");
const SCRIPT: &str = include_str!("console.js");
const POLICY: &str = "script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; \
    frame-ancestors 'none'; form-action 'self'";

/// The cookie of the language, and that of what the last act came to.
pub(super) const LANGUAGE: &str = "declic_language";
const SAID: &str = "declic_said";

/// The mark: a button and what it sets off.
const MARK: &str = "<svg viewBox=\"0 0 26 26\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.4\" \
    stroke-linecap=\"round\" aria-hidden=\"true\"><circle cx=\"13\" cy=\"15.5\" r=\"5.5\" \
    fill=\"currentColor\" stroke=\"none\"/><path d=\"M13 6V2M5.9 9 3 6.1M20.1 9 23 6.1\"/></svg>";

/// The places of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Rules,
    Messages,
    Customers,
    DeadLetters,
    Providers,
    Audit,
    Mail,
}

impl Place {
    const ALL: [Self; 8] = [
        Self::Overview,
        Self::Rules,
        Self::Messages,
        Self::Customers,
        Self::DeadLetters,
        Self::Providers,
        Self::Audit,
        Self::Mail,
    ];

    fn link(self, lang: Lang) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("/", lang.pick("Vue d’ensemble", "Overview")),
            Self::Rules => ("/rules", lang.pick("Règles", "Rules")),
            Self::Messages => ("/messages", "Messages"),
            Self::Customers => ("/customers", lang.pick("Clients", "Customers")),
            Self::DeadLetters => ("/dead-letters", lang.pick("Rejets", "Dead letters")),
            Self::Providers => ("/providers", lang.pick("Fournisseurs", "Providers")),
            Self::Audit => ("/audit", lang.pick("Journal", "Audit")),
            Self::Mail => ("/mail", lang.pick("Courrier capturé", "Captured mail")),
        }
    }
}

/// One visit of an operator to a page.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub operator: Operator,
    pub lang: Lang,
    /// The policy's zone: where the shop is at home.
    pub zone: Tz,
    /// The path and query asked for.
    pub path: String,
    captures: bool,
    /// What the last act came to, shown once.
    said: Option<String>,
}

impl Visit {
    pub fn of(console: &Console, request: &Request, operator: Operator) -> Self {
        let headers = request.headers();
        let said = session::cookie(headers, SAID)
            .and_then(|value| URL_SAFE_NO_PAD.decode(value).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .filter(|said| !said.is_empty());
        Self {
            operator,
            lang: language(headers),
            zone: console.shelf.get().book.active.policy.default_timezone,
            path: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            captures: console.capture.is_some(),
            said,
        }
    }

    #[cfg(test)]
    pub fn in_english() -> Self {
        let operator = Operator { name: "eve".to_owned(), code: "code".to_owned() };
        let path = "/".to_owned();
        Self { operator, lang: Lang::En, zone: Tz::UTC, path, captures: true, said: None }
    }

    /// A page of the console; `main` is HTML.
    pub fn page(&self, place: Place, title: &str, main: &str) -> Response {
        self.respond(place, title, main, StatusCode::OK)
    }

    /// A page that says that something is not there.
    pub fn missing(&self, place: Place, words: &str) -> Response {
        let title = self.lang.pick("Introuvable", "Not found");
        let main = format!("<h1>{title}</h1>\n<p class=\"lead\">{words}</p>");
        self.respond(place, title, &main, StatusCode::NOT_FOUND)
    }

    fn respond(&self, place: Place, title: &str, main: &str, status: StatusCode) -> Response {
        let lang = self.lang;
        let mut links = String::new();
        for each in Place::ALL.into_iter().filter(|each| *each != Place::Mail || self.captures) {
            let (to, name) = each.link(lang);
            let current = if each == place { " aria-current=\"page\"" } else { "" };
            let _ = write!(links, "<a href=\"{to}\"{current}>{name}</a>");
        }
        let said = self.said.as_deref().map_or(String::new(), |said| {
            format!("<p class=\"said\" role=\"status\">{}</p>\n", escape(said))
        });
        let body = format!(
            "<a class=\"skip\" href=\"#main\">{skip}</a>\n<div class=\"wrap console\">\n<header class=\"top\"><a href=\"/\">{MARK}Declic</a>\
             <span class=\"note\" id=\"live\" hidden data-live-on=\"{live}\" data-live-off=\"{dead}\"></span></header>\n\
             <nav class=\"places\" aria-label=\"{places}\">{links}</nav>\n<main id=\"main\" tabindex=\"-1\">\n{captured}{said}{main}\n</main>\n\
             <footer>{zone}{language}<form method=\"post\" action=\"/leave\"><span>{who}</span> <button class=\"quiet\">{leave}</button></form></footer>\n</div>\n\
             <script src=\"/console.js\" defer></script>",
            captured = self.captured(),
            skip = lang.pick("Aller au contenu", "Skip to the content"),
            live = lang.pick("en direct", "live"),
            dead = lang.pick("Declic ne répond pas", "the worker does not answer"),
            places = lang.pick("Pages", "Pages"),
            zone = format_args!(
                "<span>{}{}</span>",
                lang.pick("Fuseau\u{a0}: ", "Times in "),
                escape(self.zone.name())
            ),
            language = format_args!(
                "<a href=\"/language?to={}&amp;back={}\" lang=\"{0}\" hreflang=\"{0}\">{}</a>",
                lang.pick("en", "fr"),
                in_query(&self.path),
                lang.pick("English", "Français"),
            ),
            who = escape(&self.operator.name),
            leave = lang.pick("Se déconnecter", "Leave"),
        );
        let title = format!("{title} – Declic");
        let page = Page { lang, title, css: CSS, policy: POLICY, body };
        let mut response = page.respond(status);
        if self.said.is_some() {
            // Said once.
            response.headers_mut().append(SET_COOKIE, cookie(SAID, "", TimeDelta::zero(), &HeaderMap::new()));
        }
        response
    }

    /// Says on each page that what is called sent has not left this machine.
    fn captured(&self) -> String {
        if !self.captures {
            return String::new();
        }
        let words = self.lang.pick(
            "Ce qui n’a pas de fournisseur est capturé : « envoyé » veut dire ici que rien n’a quitté cette machine.",
            "What has no provider is captured: “sent” means here that nothing has left this machine.",
        );
        format!("<p class=\"captured\">{words}</p>\n")
    }

    /// The language that stories are told in.
    pub fn language(&self) -> Language {
        self.lang.pick(Language::French, Language::English)
    }

    /// An instant, by the shop's clock.
    pub fn time(&self, at: DateTime<Utc>) -> String {
        let local = at.with_timezone(&self.zone);
        format!("<time datetime=\"{}\">{} {}</time>", at.to_rfc3339(), self.day(at), local.format("%H:%M:%S"))
    }

    /// « 23 nov. », “23 Nov”, by the shop's calendar.
    pub fn day(&self, at: DateTime<Utc>) -> String {
        const MONTHS: [[&str; 12]; 2] = [
            [
                "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.",
                "déc.",
            ],
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        ];
        let day = at.with_timezone(&self.zone).date_naive();
        format!("{} {}", day.day(), MONTHS[self.lang.pick(0, 1)][day.month0() as usize])
    }

    /// The hour and minute, by the shop's clock.
    pub fn hour(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone).format("%H:%M").to_string()
    }

    /// What stands between a name and what is said of it: French wants a no-break space before the colon.
    pub fn colon(&self) -> &'static str {
        self.lang.pick("\u{a0}: ", ": ")
    }

    /// Somebody's words.
    pub fn quoted(&self, words: &str) -> String {
        let (open, close) = self.lang.pick(("«\u{a0}", "\u{a0}»"), ("“", "”"));
        format!("{open}{}{close}", escape(words))
    }

    /// A whole number with its thousands set apart.
    pub fn number(&self, n: i64) -> String {
        let digits = n.unsigned_abs().to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
        let sign = if n < 0 { "−" } else { "" };
        // A narrow no-break space in French, a comma in English.
        format!("{sign}{}", groups.join(self.lang.pick("\u{202f}", ",")))
    }

    /// The hidden fields of a form that does something: what, to what, and where to come back to.
    pub fn doing(&self, what: &str, target: &str) -> String {
        format!(
            "<input type=\"hidden\" name=\"code\" value=\"{}\"><input type=\"hidden\" name=\"do\" value=\"{what}\">\
             <input type=\"hidden\" name=\"target\" value=\"{}\"><input type=\"hidden\" name=\"back\" value=\"{}\">",
            escape(&self.operator.code),
            escape(target),
            escape(&self.path),
        )
    }

    /// The form that pauses something, after a second thought; `words` say what follows.
    pub fn pausing(&self, target: &str, words: &str) -> String {
        let pause = self.lang.pick("Mettre en pause", "Pause");
        self.considered("pause", target, [pause, words, pause], true)
    }

    /// A form that does one thing after a second thought: what opens it, what follows from it, and the button. Where it
    /// `asks_why`, the reason is written down.
    pub fn considered(
        &self,
        what: &str,
        target: &str,
        [summary, words, button]: [&str; 3],
        asks_why: bool,
    ) -> String {
        let why = match asks_why {
            true => format!(
                "<label>{}<input name=\"why\" maxlength=\"200\"></label>",
                self.lang.pick("Pourquoi", "Why")
            ),
            false => String::new(),
        };
        format!(
            "<details class=\"switch\"><summary>{summary}</summary><form class=\"stack\" method=\"post\" action=\"/act\">{}\
             <p>{words}</p>{why}<button class=\"danger\">{button}</button></form></details>",
            self.doing(what, target)
        )
    }

    /// A button that does one thing.
    pub fn button(&self, what: &str, target: &str, label: &str, class: &str) -> String {
        format!(
            "<form class=\"inline\" method=\"post\" action=\"/act\">{}<button class=\"{class}\">{label}</button></form>",
            self.doing(what, target)
        )
    }
}

/// A page for somebody who is not in.
pub(super) fn outside(lang: Lang, title: &str, main: &str, status: StatusCode) -> Response {
    let body = format!(
        "<div class=\"wrap narrow\">\n<header class=\"top\"><a href=\"/\">{MARK}Declic</a></header>\n\
         <main id=\"main\">\n{main}\n</main>\n</div>"
    );
    Page { lang, title: format!("{title} – Declic"), css: CSS, policy: POLICY, body }.respond(status)
}

/// A page that there is none of.
pub(super) async fn nowhere(Extension(visit): Extension<Visit>) -> Response {
    visit.missing(Place::Overview, visit.lang.pick("Il n’y a pas de page ici.", "There is no page here."))
}

/// The script that keeps open pages up to date.
pub(super) async fn script() -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    ([(CONTENT_TYPE, kind)], SCRIPT).into_response()
}

/// The language chosen on a page, else the browser's.
pub(super) fn language(headers: &HeaderMap) -> Lang {
    Lang::of_locale(session::cookie(headers, LANGUAGE)).unwrap_or_else(|| Lang::of(headers))
}

/// Whether a form comes from a page of this host, as far as the browser says (Fetch Metadata).
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// The cookie that has the next page say what an act came to.
pub(super) fn says(words: &str, headers: &HeaderMap) -> HeaderValue {
    // A header has room for some lines.
    let words: String = words.chars().take(600).collect();
    cookie(SAID, &URL_SAFE_NO_PAD.encode(words), TimeDelta::minutes(1), headers)
}

/// A text as a value in a query (RFC 3986 §2.3).
pub(super) fn in_query(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

/// A place in a list that goes by an instant and an id, as a value in a query.
pub(super) fn place(at: DateTime<Utc>, id: &str) -> String {
    in_query(&format!("{}_{id}", at.to_rfc3339_opts(SecondsFormat::Micros, true)))
}

/// The place that [`place`] has written.
pub(super) fn read_place(text: &str) -> Option<(DateTime<Utc>, String)> {
    let (at, id) = text.split_once('_')?;
    Some((at.parse().ok()?, id.to_owned()))
}

/// One choice of a `<select>`.
pub(super) fn option(value: &str, label: &str, chosen: bool) -> String {
    let chosen = if chosen { " selected" } else { "" };
    format!("<option value=\"{}\"{chosen}>{}</option>", escape(value), escape(label))
}

/// A table that scrolls by itself where the window is narrow, by keyboard too; `heads` are plain words, `rows` are HTML.
pub(super) fn table(title: &str, heads: &[&str], rows: &str) -> String {
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    format!(
        "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table><thead><tr>{heads}</tr></thead>\
         <tbody>{rows}</tbody></table></div>"
    )
}

/// A link with text.
pub(super) fn link(to: &str, text: &str) -> String {
    format!("<a href=\"{}\">{}</a>", escape(to), escape(text))
}

/// A path below a page, its last part a name from outside.
pub(super) fn below(page: &str, name: &str) -> String {
    format!("{page}/{}", in_query(name))
}
