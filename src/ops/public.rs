//! The public listener: the pages behind the links of messages, and nothing else.
//!
//! A link is fetched by mail scanners and previews long before its reader sees it, so `GET` and `HEAD`
//! change nothing; only a `POST` that says it means it does (RFC 8058 one-click, or a page's own button). The
//! sealed token is the only key. No page shows an address or a customer's id: whoever was forwarded the mail
//! learns nothing from it. No cookies, no redirects, no scripts.

mod confirmation;
mod form;
mod frame;
pub mod limit;
mod preferences;
mod unsubscribe;
mod word;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{Extensions, HeaderMap};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use super::page::{self, Lang};
use crate::domain::consent::{Channel, Ledger};
use crate::domain::event::Event;
use crate::domain::rules::Policy;
use crate::domain::token::Keys;
use limit::Limit;

/// A form with a checkbox for each of a hundred purposes takes less; what RFC 8058 §3.1 asks for, 200 bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// What the pages show of a customer.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// As the profile says it.
    pub locale: Option<String>,
    /// The channels on which there is an address.
    pub channels: Vec<Channel>,
    pub consents: Ledger,
    pub erased: bool,
    /// The channel whose address the link's message went to, where the customer still has that address: whoever has the link
    /// has shown that it is theirs.
    pub reached_by: Option<Channel>,
}

/// Looks a customer up by id, with the message that carried the link; one that nobody knows is as good as one of whom nothing
/// is known. The error is words for the log and holds no address.
pub type Ask = Arc<dyn Fn(String, String) -> BoxFuture<'static, Result<Known, String>> + Send + Sync>;

/// Takes in what a customer said, all of it or nothing. It answers after the commit; the error is words for the log and
/// holds no address. Called again with the same, it must succeed again.
pub type Tell = Arc<dyn Fn(Vec<Event>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What the public listener needs. Policy and clock are asked at each request, since both may be replaced.
#[derive(Clone)]
pub struct Public {
    /// What links were sealed with.
    pub keys: Keys,
    pub policy: Arc<dyn Fn() -> Policy + Send + Sync>,
    pub now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    pub ask: Ask,
    pub tell: Tell,
    pub limit: Arc<Limit>,
}

/// The routes of the public listener. For the caller's address, in proofs and for the limit, serve it with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
///
/// | request | answer |
/// | --- | --- |
/// | `GET`, `HEAD` of `/u/`, `/p/`, `/c/{token}` | 200, the page of an unsubscribe, preference or confirmation link |
/// | `POST` to one of these | 200 when done; 400 if the body does not ask for anything; 409 on a page that others have overtaken |
/// | both | 404 if the token is not ours; 410 if its link can do nothing any more; 413; 429, 503 with `Retry-After` |
/// | anything else | 404, 405 |
pub fn router(public: Public) -> Router {
    Router::new()
        .route("/u/{token}", get(unsubscribe::show).post(unsubscribe::act))
        .route("/p/{token}", get(preferences::show).post(preferences::act))
        .route("/c/{token}", get(confirmation::show).post(confirmation::act))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(page::harden))
        .with_state(public)
}

async fn not_found(State(public): State<Public>, extensions: Extensions, headers: HeaderMap) -> Response {
    let lang = Lang::of(&headers);
    limited(&public, lang, &extensions, &headers).unwrap_or_else(|| frame::not_found(lang, &public))
}

type Token = Result<Path<String>, PathRejection>;

/// The token of a path, as far as it is one.
fn text(token: &Token) -> &str {
    token.as_ref().map_or("", |Path(token)| token.as_str())
}

/// The refusal of a client that asks too often. Asked before each page is shown and after each token that is not ours; a
/// `POST` whose token opens is never refused: a mailbox provider sends the one-click requests of all its customers from a
/// few addresses, and each of them is a withdrawal.
fn limited(public: &Public, lang: Lang, extensions: &Extensions, headers: &HeaderMap) -> Option<Response> {
    let client = limit::client(extensions, headers)?;
    let wait = public.limit.refuses(client)?;
    Some(frame::too_many(lang, public, wait))
}

/// The answer to a token that is not ours.
fn invalid(public: &Public, lang: Lang, extensions: &Extensions, headers: &HeaderMap) -> Response {
    limited(public, lang, extensions, headers).unwrap_or_else(|| frame::invalid_link(lang, public))
}

#[cfg(test)]
mod tests;
