//! The way in and out: the token is asked for once, and given up again.

use axum::extract::{Form, Query, Request, State};
use axum::http::header::{ACCEPT, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde::Deserialize;

use super::frame::{self, LANGUAGE};
use super::session::{LASTS, LONGEST_NAME, NAME};
use super::{Clock, Console};
use crate::ops::page::{Lang, escape, header_value};

/// How long a wrong token waits for its answer: whoever guesses has time.
const AFTER_A_WRONG_ONE: std::time::Duration = std::time::Duration::from_millis(500);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    token: String,
    name: String,
    back: String,
}

/// What somebody gets who is not in: the way in for a browser, a refusal for a program.
pub(super) fn turn_away(console: &Console, request: &Request) -> Response {
    if console.token.is_none() {
        return closed(frame::language(request.headers()));
    }
    let wants_page = |accept: &HeaderValue| accept.to_str().is_ok_and(|accept| accept.contains("text/html"));
    let shown = request.method().is_safe() && request.headers().get(ACCEPT).is_some_and(wants_page);
    let uri = request.uri();
    if !shown {
        return (StatusCode::UNAUTHORIZED, "The console asks for the token of `[admin] token`.\n")
            .into_response();
    }
    // A link with the token in it, as the worker prints it.
    let given = Query::<Asked>::try_from_uri(uri).map(|Query(asked)| asked).unwrap_or_default();
    if !given.token.is_empty() {
        return begin(console, &given.token, "console", &without_token(uri), request.headers())
            .unwrap_or_else(|| form(frame::language(request.headers()), "/", Some("console")));
    }
    let back = uri.path_and_query().map_or("/", |path| path.as_str());
    seen_at(&format!("/enter?back={}", frame::in_query(back)))
}

/// The place that a link with the token leads to.
fn without_token(uri: &Uri) -> String {
    let rest = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("token="));
    let rest: Vec<&str> = rest.filter(|pair| !pair.is_empty()).collect();
    if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), rest.join("&")) }
}

/// Asks for the token.
pub(super) async fn ask(
    State(console): State<Console>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let lang = frame::language(&headers);
    if console.token.is_none() { closed(lang) } else { form(lang, &asked.back, None) }
}

/// Takes the token.
pub(super) async fn enter(
    State(console): State<Console>,
    headers: HeaderMap,
    Form(asked): Form<Asked>,
) -> Response {
    if !frame::is_from_here(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let name: String = asked.name.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let name = if name.is_empty() { "console" } else { &name };
    if let Some(inside) = begin(&console, &asked.token, name, &asked.back, &headers) {
        return inside;
    }
    tokio::time::sleep(AFTER_A_WRONG_ONE).await;
    form(frame::language(&headers), &asked.back, Some(name))
}

/// Gives the session up.
pub(super) async fn leave(headers: HeaderMap) -> Response {
    if !frame::is_from_here(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response = seen_at("/enter");
    response.headers_mut().append(SET_COOKIE, cookie(NAME, "", TimeDelta::zero(), &headers));
    response
}

#[derive(Debug, Deserialize)]
pub(super) struct Language {
    to: String,
    #[serde(default)]
    back: String,
}

/// Remembers which language the pages are read in.
pub(super) async fn language(Query(wish): Query<Language>, headers: HeaderMap) -> Response {
    let lang = if wish.to == "en" { Lang::En } else { Lang::Fr };
    let mut response = seen_at(local(&wish.back));
    response.headers_mut().append(SET_COOKIE, cookie(LANGUAGE, lang.code(), TimeDelta::days(365), &headers));
    response
}

fn begin(console: &Console, token: &str, name: &str, back: &str, headers: &HeaderMap) -> Option<Response> {
    let sessions = console.sessions().filter(|sessions| sessions.opens(token))?;
    let mut response = seen_at(local(back));
    let value = sessions.begin(name, Clock::Real.wall());
    response.headers_mut().append(SET_COOKIE, cookie(NAME, &value, LASTS, headers));
    Some(response)
}

/// A path on this host: a link must not lead out of it.
pub(super) fn local(back: &str) -> &str {
    let stays = back.starts_with('/') && !back.starts_with("//") && !back.contains(['\\', '\r', '\n']);
    if stays { back } else { "/" }
}

/// Sends the browser on, with what was asked for left out of its history (RFC 9110 §15.4.4).
pub(super) fn seen_at(place: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, header_value(place))]).into_response()
}

/// A cookie of ours; behind a proxy that speaks TLS it is never sent without.
pub(super) fn cookie(name: &str, value: &str, lasts: TimeDelta, headers: &HeaderMap) -> HeaderValue {
    let seconds = lasts.num_seconds();
    let https = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if https { "; Secure" } else { "" };
    header_value(&format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"))
}

fn form(lang: Lang, back: &str, refused: Option<&str>) -> Response {
    let (title, lead) = lang.pick(
        ("Console", "Le jeton est celui de <code>[admin] token</code> dans la configuration."),
        ("Console", "The token is that of <code>[admin] token</code> in the configuration."),
    );
    let wrong = refused.map_or("", |_| {
        lang.pick(
            "<p class=\"bad\" role=\"alert\">Ce n’est pas le jeton.</p>",
            "<p class=\"bad\" role=\"alert\">This is not the token.</p>",
        )
    });
    let body = format!(
        "<h1>{title}</h1>\n<p class=\"lead\">{lead}</p>\n{wrong}<form class=\"card stack\" method=\"post\" action=\"/enter\">\
         <input type=\"hidden\" name=\"back\" value=\"{back}\">\
         <label>{name}<input name=\"name\" maxlength=\"{LONGEST_NAME}\" autocomplete=\"username\" value=\"{given}\"></label>\
         <label>{token}<input name=\"token\" type=\"password\" required autocomplete=\"current-password\"></label>\
         <button>{enter}</button></form>",
        back = escape(local(back)),
        name = lang.pick("Votre nom, pour le journal", "Your name, for the audit log"),
        given = escape(refused.unwrap_or_default()),
        token = lang.pick("Jeton", "Token"),
        enter = lang.pick("Entrer", "Enter"),
    );
    let status = if refused.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    frame::outside(lang, title, &body, status)
}

fn closed(lang: Lang) -> Response {
    let (title, words) = lang.pick(
        (
            "La console est fermée",
            "Elle s’ouvre avec un jeton : donnez-en un de 16 caractères ou plus par <code>[admin] token</code> \
             (<code>DECLIC_ADMIN__TOKEN</code> ; <code>openssl rand -base64 32</code> en fait un), et relancez.",
        ),
        (
            "The console is closed",
            "It opens with a token: give one of 16 characters or more as <code>[admin] token</code> \
             (<code>DECLIC_ADMIN__TOKEN</code>; <code>openssl rand -base64 32</code> makes one), and start again.",
        ),
    );
    let body = format!("<h1>{title}</h1>\n<p class=\"lead\">{words}</p>");
    frame::outside(lang, title, &body, StatusCode::FORBIDDEN)
}
