//! The page of `declic preview --open`: a template at two widths, by day and by night, anew after each save.
//!
//! It is on the marketer's own machine, for them alone: other hosts' names are refused, so that no web site reaches it
//! by a name that leads here. Mails are shown in sandboxed frames, as captured ones are; nothing is fetched from
//! elsewhere unless pictures are asked for. The one script of our pages is here: it loads the page anew.

mod view;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use serde::Deserialize;

use super::page::{Lang, harden};
use crate::domain::preview::Preview;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(500);

const SCRIPT: &str = "\"use strict\";\n\
    const { version } = document.querySelector(\"main\").dataset;\n\
    new EventSource(`/changes?since=${version}`).onmessage = () => location.reload();\n";

const FRAME: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; \
     frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
);
const FRAME_WITH_PICTURES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; \
     frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
);

/// What the page shows.
#[derive(Debug, Clone)]
pub struct Look {
    pub preview: Preview,
    /// What `check` finds, as on a terminal; empty when nothing.
    pub findings: String,
    /// Differs when the files do.
    pub version: u64,
}

/// Where the page finds it.
#[derive(Clone)]
pub struct Source {
    /// The files as they are now, rendered.
    pub look: Arc<dyn Fn() -> Look + Send + Sync>,
    /// The version of the files as they are now: cheap enough to ask twice a second.
    pub version: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Whether mails may load pictures from their hosts.
    pub pictures: bool,
}

/// `/` (`?locale=`), `/frame/{locale}/{scheme}` (a mail alone, `light` or `dark`), `/changes` (server-sent events).
pub fn router(source: Source) -> Router {
    Router::new()
        .route("/", get(show))
        .route("/frame/{locale}/{scheme}", get(frame))
        .route("/changes", get(changes))
        .route("/reload.js", get(script))
        .with_state(source)
        .layer(map_response(harden))
        .layer(from_fn(only_here))
}

/// Refuses requests for any other host than this machine.
async fn only_here(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    match name {
        "127.0.0.1" | "localhost" | "[::1]" => next.run(request).await,
        _ => (StatusCode::MISDIRECTED_REQUEST, "this page is for this machine only\n").into_response(),
    }
}

#[derive(Deserialize)]
struct Chosen {
    locale: Option<String>,
}

async fn show(State(source): State<Source>, Query(chosen): Query<Chosen>, headers: HeaderMap) -> Response {
    view::page(Lang::of(&headers), &(source.look)(), chosen.locale.as_deref())
}

async fn frame(
    State(source): State<Source>,
    Path((locale, scheme)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let look = (source.look)();
    let version = look.preview.versions.into_iter().find(|version| version.locale == locale);
    let Some(Ok(mail)) = version.and_then(|version| version.email) else {
        return view::nothing(Lang::of(&headers));
    };
    let policy = if source.pictures { FRAME_WITH_PICTURES } else { FRAME };
    ([(CONTENT_SECURITY_POLICY, policy)], Html(view::framed(&mail.html, scheme == "dark"))).into_response()
}

async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"))], SCRIPT)
}

#[derive(Deserialize)]
struct Since {
    since: u64,
}

/// One event when the files are no longer those of the version that the reader has.
async fn changes(State(source): State<Source>, Query(Since { since }): Query<Since>) -> impl IntoResponse {
    let changed = stream::unfold(false, move |told| {
        let source = source.clone();
        async move {
            while told || (source.version)() == since {
                tokio::time::sleep(EVERY).await;
            }
            Some((Ok::<_, Infallible>(Event::default().data("changed")), true))
        }
    });
    Sse::new(changed).keep_alive(KeepAlive::default())
}
