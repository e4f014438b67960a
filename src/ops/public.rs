//! The public listener: the page behind unsubscribe links, and nothing else.
//!
//! A link is fetched by mail scanners and previews long before its reader sees it, so `GET` and `HEAD`
//! change nothing; only a `POST` that says it means it withdraws (RFC 8058 one-click, or the page's own
//! button). The page never shows an address: whoever was forwarded the mail learns nothing from it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::page::{self, Lang, Page, escape};
use crate::domain::consent::Channel;
use crate::domain::token::Unsubscribe;

const CSS: &str = include_str!("public.css");
const POLICY: &str = "form-action 'self'; frame-ancestors 'none'";
/// What RFC 8058 §3.1 puts in a body takes 30 bytes, some 200 as multipart.
const MAX_BODY_BYTES: usize = 4 * 1024;
/// How much of a header goes into the proof: a caller must not fill the ledger.
const MAX_PROOF_CHARS: usize = 300;
/// What a mail provider is told to wait when the withdrawal could not be kept, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("60");

/// Records a withdrawal: what the link says, and the proof (`source`, `method`, and where known `ip`,
/// `forwarded_for` and `user_agent`). It answers after the commit; the error is words for the log and holds
/// no address. Called again for the same link, it must succeed again.
pub type Withdraw =
    Arc<dyn Fn(Unsubscribe, Map<String, Value>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What the public listener needs.
#[derive(Clone)]
pub struct Public {
    /// The secret that links were sealed with.
    pub secret: Arc<[u8]>,
    /// The shop's name as its customers know it; asked for at each request, since the policy may be reloaded.
    pub shop_name: Arc<dyn Fn() -> String + Send + Sync>,
    pub withdraw: Withdraw,
}

/// The routes of the public listener. For the caller's IP in the proof, serve it with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
///
/// | request | answer |
/// | --- | --- |
/// | `GET`, `HEAD /u/{token}` | 200, a page with a button; 404 if the token is not ours |
/// | `POST /u/{token}` | 200 when withdrawn; 400 if the body does not ask for it; 404; 413; 503 with `Retry-After` if it could not be kept |
/// | anything else | 404, 405 |
pub fn router(public: Public) -> Router {
    Router::new()
        .route("/u/{token}", get(ask).post(withdraw))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::map_response(page::harden))
        .with_state(public)
}

async fn ask(
    State(public): State<Public>,
    token: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let lang = Lang::of(&headers);
    match open(&public, token) {
        Some(link) => question(lang, &public, &link, StatusCode::OK),
        None => invalid_link(lang, &public),
    }
}

async fn withdraw(
    State(public): State<Public>,
    token: Result<Path<String>, PathRejection>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let lang = Lang::of(&headers);
    let Some(link) = open(&public, token) else { return invalid_link(lang, &public) };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return question(lang, &public, &link, rejection.status()),
    };
    let Some(method) = asked_by(&headers, &body) else {
        return question(lang, &public, &link, StatusCode::BAD_REQUEST);
    };
    match (public.withdraw)(link.clone(), proof(method, &extensions, &headers)).await {
        Ok(()) => withdrawn(lang, &public, &link),
        Err(error) => {
            tracing::error!(message_id = link.message_id, %error, "a withdrawal could not be recorded");
            unavailable(lang, &public)
        }
    }
}

async fn not_found(State(public): State<Public>, headers: HeaderMap) -> Response {
    let lang = Lang::of(&headers);
    let title = lang.pick("Page introuvable", "Page not found");
    let text = lang.pick("Il n’y a rien à cette adresse.", "There is nothing at this address.");
    respond(lang, &public, StatusCode::NOT_FOUND, title, format!("<p>{text}</p>"))
}

fn open(public: &Public, token: Result<Path<String>, PathRejection>) -> Option<Unsubscribe> {
    Unsubscribe::open(&token.ok()?.0, &public.secret)
}

/// How the body asks for the withdrawal, as the proof names it; none if it does not.
fn asked_by(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let fields = match boundary(content_type) {
        Some(boundary) => multipart_fields(body, &boundary),
        // Neither name nor value holds a character that a form would encode.
        None => String::from_utf8_lossy(body)
            .trim()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    };
    let has = |name: &str, value: &str| fields.iter().any(|(n, v)| n == name && v == value);
    if has("List-Unsubscribe", "One-Click") {
        Some("one_click")
    } else {
        has("confirm", "yes").then_some("page")
    }
}

/// The boundary of `multipart/form-data` (RFC 7578 §4.1).
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// Just enough of RFC 7578 for short text fields.
fn multipart_fields(body: &[u8], boundary: &str) -> Vec<(String, String)> {
    String::from_utf8_lossy(body)
        .split(&format!("--{boundary}"))
        .filter_map(|part| {
            let (head, value) = part.split_once("\r\n\r\n")?;
            let (_, name) = head.split_once("name=\"")?;
            let (name, _) = name.split_once('"')?;
            Some((name.to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// What shows later where the withdrawal came from.
fn proof(method: &str, extensions: &Extensions, headers: &HeaderMap) -> Map<String, Value> {
    let mut proof = Map::new();
    proof.insert("source".to_owned(), "unsubscribe-link".into());
    proof.insert("method".to_owned(), method.into());
    if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() {
        proof.insert("ip".to_owned(), peer.ip().to_canonical().to_string().into());
    }
    // Behind a proxy `ip` is the proxy's. What it forwards is a claim, so it is kept apart.
    let claims = [("forwarded_for", HeaderName::from_static("x-forwarded-for")), ("user_agent", USER_AGENT)];
    for (field, header) in claims {
        if let Some(value) = headers.get(header) {
            let text =
                String::from_utf8_lossy(value.as_bytes()).chars().take(MAX_PROOF_CHARS).collect::<String>();
            proof.insert(field.to_owned(), text.into());
        }
    }
    proof
}

fn question(lang: Lang, public: &Public, link: &Unsubscribe, status: StatusCode) -> Response {
    let title = lang.pick("Vous désinscrire ?", "Unsubscribe?");
    let text = lang.pick("Vous ne recevrez plus", "You will no longer receive");
    let note = lang.pick(
        "Rien ne change tant que vous n’avez pas cliqué. Vos autres choix restent les mêmes.",
        "Nothing changes until you click. Your other choices stay as they are.",
    );
    let body = format!(
        "<p>{text} {what}.</p>\n{form}\n<p class=\"quiet\">{note}</p>",
        what = what(lang, public, link),
        form = form(lang.pick("Me désinscrire", "Unsubscribe")),
    );
    respond(lang, public, status, title, body)
}

fn withdrawn(lang: Lang, public: &Public, link: &Unsubscribe) -> Response {
    let title = lang.pick("C’est fait", "Done");
    let text = lang.pick("Vous ne recevrez plus", "You will no longer receive");
    let note = lang.pick(
        "Un message déjà en route peut encore vous parvenir. Vous pouvez fermer cette page.",
        "A message already on its way may still reach you. You can close this page.",
    );
    let body = format!("<p>{text} {}.</p>\n<p class=\"quiet\">{note}</p>", what(lang, public, link));
    respond(lang, public, StatusCode::OK, title, body)
}

fn invalid_link(lang: Lang, public: &Public) -> Response {
    let title = lang.pick("Ce lien n’est pas valable", "This link is not valid");
    let (why, help) = lang.pick(
        (
            "Il a sans doute été coupé ou modifié en chemin. Rien n’a changé.",
            "Ouvrez-le de nouveau depuis l’e-mail, en entier. S’il ne marche toujours pas, répondez à l’e-mail : \
             nous vous désinscrirons.",
        ),
        (
            "It was probably cut short or altered on its way. Nothing has changed.",
            "Open it again from the e-mail, in full. If it still does not work, reply to the e-mail and we will \
             unsubscribe you.",
        ),
    );
    respond(lang, public, StatusCode::NOT_FOUND, title, format!("<p>{why}</p>\n<p>{help}</p>"))
}

fn unavailable(lang: Lang, public: &Public) -> Response {
    let title = lang.pick("Un instant…", "One moment…");
    let text = lang.pick(
        "Votre demande n’a pas pu être enregistrée. Veuillez réessayer dans une minute.",
        "Your request could not be recorded. Please try again in a minute.",
    );
    let body = format!("<p>{text}</p>\n{}", form(lang.pick("Réessayer", "Try again")));
    let mut response = respond(lang, public, StatusCode::SERVICE_UNAVAILABLE, title, body);
    response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    response
}

/// A button that posts to the page's own address.
fn form(label: &str) -> String {
    format!("<form method=\"post\"><button name=\"confirm\" value=\"yes\">{label}</button></form>")
}

/// What the link is about, as HTML: « les e-mails commerciaux de Maison Lumen ».
fn what(lang: Lang, public: &Public, link: &Unsubscribe) -> String {
    let channel = match link.channel {
        Channel::Email => lang.pick("e-mails", "e-mails"),
        Channel::Sms => lang.pick("SMS", "text messages"),
    };
    let what = match (lang, link.purpose.as_str()) {
        (Lang::Fr, "marketing") => format!("les {channel} commerciaux"),
        (Lang::En, "marketing") => format!("marketing {channel}"),
        (Lang::Fr, "service") => format!("les {channel} de service"),
        (Lang::En, "service") => format!("service {channel}"),
        (Lang::Fr, "transactional") => format!("les {channel} sur vos commandes"),
        (Lang::En, "transactional") => format!("{channel} about your orders"),
        (Lang::Fr, own) => format!("les {channel} « {} »", escape(own)),
        (Lang::En, own) => format!("“{}” {channel}", escape(own)),
    };
    let shop = (public.shop_name)();
    let from = if shop.is_empty() {
        String::new()
    } else {
        format!(" {} {}", lang.pick("de", "from"), escape(&shop))
    };
    format!("<strong>{what}</strong>{from}")
}

fn respond(lang: Lang, public: &Public, status: StatusCode, title: &str, body: String) -> Response {
    let shop = (public.shop_name)();
    let head =
        if shop.is_empty() { String::new() } else { format!("<p class=\"shop\">{}</p>\n", escape(&shop)) };
    let page_title = if shop.is_empty() { title.to_owned() } else { format!("{title} – {shop}") };
    let body = format!("<main>\n{head}<h1>{title}</h1>\n{body}\n</main>");
    Page { lang, title: page_title, css: CSS, policy: POLICY, refresh: None, body }.respond(status)
}

#[cfg(test)]
mod tests;
