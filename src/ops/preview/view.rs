//! The page of a preview, as HTML. Everything that is not its own words is escaped.

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;

use super::Look;
use crate::domain::compose::FinishedSms;
use crate::domain::preview::Version;
use crate::domain::templates::Rendered;
use crate::ops::page::{Lang, Page, escape};

const CSS: &str = include_str!("../preview.css");
const POLICY: &str = "frame-src 'self'; script-src 'self'; connect-src 'self'; form-action 'none'; \
    frame-ancestors 'none'";

pub(super) fn page(lang: Lang, look: &Look, chosen: Option<&str>) -> Response {
    let preview = &look.preview;
    let shown = preview.versions.iter().find(|version| Some(version.locale.as_str()) == chosen);
    let shown = shown.or(preview.versions.first());
    let sent_by = match &preview.rule {
        Some(rule) => format!("{} <b>{}</b>", lang.pick("règle", "rule"), escape(rule)),
        None => lang.pick("aucune règle ne l’envoie encore", "no rule sends it yet").to_owned(),
    };
    let mut body = format!(
        "<main data-version=\"{}\">\n<h1>{}</h1>\n<p class=\"lead\">{sent_by} · {} <b>{}</b></p>\n",
        look.version,
        escape(&preview.template),
        lang.pick("finalité", "purpose"),
        escape(&preview.purpose),
    );
    body.push_str(&findings(lang, look, shown));
    if let Some(version) = shown {
        body.push_str(&tabs(lang, look, version));
        body.push_str(&mail(lang, version));
        body.push_str(&sms(lang, version));
    }
    body.push_str("</main>\n<script src=\"/reload.js\"></script>");
    let title = format!("{} – Declic", preview.template);
    Page { lang, title, css: CSS, policy: POLICY, body }.respond(StatusCode::OK)
}

/// The answer for a frame whose mail is not, or no longer, there.
pub(super) fn nothing(lang: Lang) -> Response {
    let title = lang.pick("Rien à montrer", "Nothing to show").to_owned();
    let body = format!("<main><p class=\"lead\">{title}</p></main>");
    Page { lang, title, css: CSS, policy: "frame-ancestors 'self'", body }.respond(StatusCode::NOT_FOUND)
}

/// The mail for a frame: by day or by night whatever the reader's own screen, its links in new tabs.
pub(super) fn framed(html: &str, dark: bool) -> String {
    let (scheme, holds) = if dark { ("dark", "min-width: 0") } else { ("light", "max-width: 0") };
    let html = html
        .replace("(prefers-color-scheme: dark)", &format!("({holds})"))
        .replace("(prefers-color-scheme:dark)", &format!("({holds})"));
    let head = html.find("<head").and_then(|start| Some(start + html[start..].find('>')? + 1));
    let Some(at) = head else { return html };
    // The mail's own `:root { color-scheme: light dark }` would follow the screen.
    let forced =
        format!("<base target=\"_blank\"><style>:root {{ color-scheme: {scheme} !important; }}</style>");
    format!("{}{forced}{}", &html[..at], &html[at..])
}

/// What is wrong: in the files, and with the message that is shown.
fn findings(lang: Lang, look: &Look, shown: Option<&Version>) -> String {
    let errors: Vec<&str> = shown.into_iter().flat_map(Version::errors).collect();
    if look.findings.is_empty() && errors.is_empty() {
        let words =
            lang.pick("Rien à redire : declic check ne trouve rien.", "declic check finds nothing wrong.");
        return format!("<p class=\"fine\">{words}</p>\n");
    }
    let mut text = errors.iter().map(|error| format!("error: {error}\n\n")).collect::<String>();
    text.push_str(&look.findings);
    format!("<pre class=\"findings\" role=\"alert\">{}</pre>\n", escape(text.trim_end()))
}

fn tabs(lang: Lang, look: &Look, shown: &Version) -> String {
    let label = lang.pick("Langues", "Languages");
    let mut tabs = format!("<nav class=\"tabs\" aria-label=\"{label}\">");
    for Version { locale, .. } in &look.preview.versions {
        let current = if *locale == shown.locale { " aria-current=\"page\"" } else { "" };
        let locale = escape(locale);
        let _ = write!(tabs, "<a href=\"/?locale={locale}\"{current}>{locale}</a>");
    }
    tabs + "</nav>\n"
}

fn mail(lang: Lang, version: &Version) -> String {
    let Some(Ok(Rendered { subject, text, .. })) = &version.email else { return String::new() };
    let locale = escape(&version.locale);
    let mut frames = String::new();
    let widths =
        [("phone", 375, lang.pick("Téléphone", "Telephone")), ("desk", 800, lang.pick("Bureau", "Desk"))];
    for (class, width, device) in widths {
        let schemes = [("light", lang.pick("clair", "light")), ("dark", lang.pick("sombre", "dark"))];
        for (scheme, words) in schemes {
            let _ = writeln!(
                frames,
                "<figure><figcaption>{device}, {words} · {width} px</figcaption><iframe class=\"{class} {scheme}\" \
                 src=\"/frame/{locale}/{scheme}\" title=\"{device}, {words}\" \
                 sandbox=\"allow-popups allow-popups-to-escape-sandbox\"></iframe></figure>",
            );
        }
    }
    format!(
        "<p class=\"subject\"><span>{}</span> <bdi>{}</bdi></p>\n<div class=\"frames\">\n{frames}</div>\n\
         <details><summary>{}</summary><pre>{}</pre></details>\n",
        lang.pick("Objet", "Subject"),
        escape(subject),
        lang.pick("Version texte", "Text version"),
        escape(text),
    )
}

fn sms(lang: Lang, version: &Version) -> String {
    let Some(Ok(FinishedSms { text, segments, encoding, sender })) = &version.sms else {
        return String::new();
    };
    let alphabet = encoding.name();
    let from = sender.as_deref().unwrap_or(lang.pick("le numéro du prestataire", "the provider's number"));
    format!(
        "<h2>SMS</h2>\n<p class=\"lead\">{} <b>{}</b> · {segments} {} · {alphabet} · {} {}</p>\n\
         <p class=\"bubble\"><bdi>{}</bdi></p>\n",
        lang.pick("de", "from"),
        escape(from),
        if *segments == 1 { "segment" } else { "segments" },
        text.chars().count(),
        lang.pick("caractères", "characters"),
        escape(text),
    )
}
