//! The captured mail and SMS of embedded mode: a list, a message, and its parts.
//!
//! A mail is somebody's data in somebody's markup: everything is escaped, and the HTML part is only ever
//! shown in a sandbox whose policy forbids scripts, forms and all network but images. Nothing here can
//! send, change or delete a mail.

mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::frame::Visit;
use crate::ops::page::header_value;

/// Mails on one page of the list.
const PER_PAGE: usize = 100;

/// Policy of the HTML part. Links open in a new tab, outside the sandbox, so that they can be tried.
pub(super) const PART_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; form-action 'none'; \
     base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
);

/// What the list shows of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSummary {
    /// Its identity here: counts up with each captured mail.
    pub seq: u64,
    pub at: DateTime<Utc>,
    pub to: String,
    pub from: String,
    /// The subject, or the text of an SMS.
    pub subject: String,
    pub sms: bool,
    pub rule: String,
    pub locale: String,
    pub customer_id: String,
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub summary: MailSummary,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// `raw`: the bytes that SMTP would have carried.
    Email {
        html: String,
        text: String,
        raw: Vec<u8>,
    },
    Sms {
        text: String,
        parts: u32,
        encoding: &'static str,
    },
}

/// Where the pages find the mail.
#[derive(Clone)]
pub struct MailSource {
    /// All mails kept, in any order.
    pub list: Arc<dyn Fn() -> Vec<MailSummary> + Send + Sync>,
    /// The mail numbered so, while it is kept.
    pub get: Arc<dyn Fn(u64) -> Option<Mail> + Send + Sync>,
    /// Whether mails are still coming, as in a demo under way: the list then loads itself anew.
    pub live: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// `/mail` (the list, `?page=`), `/mail/{seq}`, `/mail/{seq}/html` (the part alone) and `/mail/{seq}/raw` (`.eml`).
pub(super) fn router(source: MailSource) -> Router {
    Router::new()
        .route("/mail", get(list))
        .route("/mail/{seq}", get(show))
        .route("/mail/{seq}/html", get(html_part))
        .route("/mail/{seq}/raw", get(raw))
        .with_state(source)
}

#[derive(Deserialize)]
struct Place {
    page: Option<usize>,
}

async fn list(
    State(source): State<MailSource>,
    Extension(visit): Extension<Visit>,
    place: Result<Query<Place>, QueryRejection>,
) -> Response {
    let mut mails = (source.list)();
    mails.sort_unstable_by_key(|mail| std::cmp::Reverse(mail.seq));
    let page = place.ok().and_then(|Query(place)| place.page).unwrap_or(1).max(1);
    view::list(&visit, &mails, page, (source.live)())
}

async fn show(
    State(source): State<MailSource>,
    Extension(visit): Extension<Visit>,
    Path(seq): Path<u64>,
) -> Response {
    let Some(mail) = (source.get)(seq) else { return view::gone(&visit) };
    let older = seq.checked_sub(1).filter(|seq| (source.get)(*seq).is_some());
    let newer = seq.checked_add(1).filter(|seq| (source.get)(*seq).is_some());
    view::mail(&visit, &mail, older, newer)
}

async fn html_part(
    State(source): State<MailSource>,
    Extension(visit): Extension<Visit>,
    Path(seq): Path<u64>,
) -> Response {
    let Some(mail) = (source.get)(seq) else { return view::gone(&visit) };
    let Content::Email { html, .. } = mail.content else { return view::gone(&visit) };
    ([(CONTENT_SECURITY_POLICY, PART_POLICY)], Html(with_links_in_new_tabs(&html))).into_response()
}

async fn raw(
    State(source): State<MailSource>,
    Extension(visit): Extension<Visit>,
    Path(seq): Path<u64>,
) -> Response {
    let Some(mail) = (source.get)(seq) else { return view::gone(&visit) };
    let Content::Email { raw, .. } = mail.content else { return view::gone(&visit) };
    let disposition = header_value(&format!("attachment; filename=\"mail-{seq}.eml\""));
    let kind = HeaderValue::from_static("message/rfc822");
    ([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition)], raw).into_response()
}

/// Links in the sandboxed frame would load inside it, where most sites refuse to be shown.
pub(super) fn with_links_in_new_tabs(html: &str) -> String {
    let head = html.find("<head").and_then(|start| Some(start + html[start..].find('>')? + 1));
    // Without a head there is none to put it in: in front of a doctype it would change how all is laid out.
    let Some(at) = head else { return html.to_owned() };
    format!("{}<base target=\"_blank\">{}", &html[..at], &html[at..])
}

#[cfg(test)]
mod tests;
