//! The operator's listener: metrics, health, and what the composition root adds: the intake over HTTP, the console.
//!
//! On loopback it refuses requests that a web page elsewhere made a browser send here under another name (DNS rebinding).
//! Bound elsewhere, or where a token is set, it asks for that (RFC 6750), but for probes, which are then told yes or no.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hmac::{Hmac, Mac as _};
use metrics_exporter_prometheus::PrometheusHandle;
use sha2::Sha256;

use super::health::{self, AskHealth};
use super::page;

/// The Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the operator's listener needs.
#[derive(Clone)]
pub struct Admin {
    /// Renders the metrics. Whoever made it also runs its upkeep.
    pub metrics: PrometheusHandle,
    pub health: AskHealth,
    /// The address that the listener is bound on; on loopback, `Host` is checked.
    pub bound: IpAddr,
    /// What requests must bring; without one, nobody is let in from other machines.
    pub token: Option<Arc<[u8]>>,
    /// A name, without port, under which a proxy on this machine may ask beside `localhost`.
    pub name: Option<String>,
    /// Routes of other parts that belong on this listener and behind its token: `POST /events`.
    pub also: Router,
    /// Routes that ask for the token in a way of their own: the console's, which browsers visit.
    pub console: Router,
}

impl Admin {
    fn is_local(&self) -> bool {
        self.bound.to_canonical().is_loopback()
    }

    /// Whether a request may see everything.
    fn admits(&self, headers: &HeaderMap) -> bool {
        match &self.token {
            Some(token) => bearer(headers).is_some_and(|given| is_same(token, given.as_bytes())),
            None => self.is_local(),
        }
    }
}

/// The routes of the operator's listener: `/metrics`, `/health` (200 or 503), `/health/live` (200 while the
/// process answers), which platforms ask before they know any token, and those that were given.
pub fn router(admin: Admin) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .with_state(admin.clone())
        .merge(admin.also.clone())
        .layer(middleware::from_fn_with_state(admin.clone(), admitted));
    Router::new()
        .route("/health", get(health))
        .route("/health/live", get("ok"))
        .with_state(admin.clone())
        .merge(guarded)
        .merge(admin.console.clone())
        .layer(middleware::from_fn_with_state(admin, called_by_its_name))
        .layer(middleware::map_response(page::harden))
}

async fn metrics(State(admin): State<Admin>) -> Response {
    ([(CONTENT_TYPE, METRICS_TYPE)], admin.metrics.render()).into_response()
}

async fn health(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    health::report(&admin.health, admin.admits(&headers)).await
}

async fn called_by_its_name(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if admin.is_local() && !is_known(request.headers(), admin.name.as_deref()) {
        let text =
            "This listener answers to localhost only. Behind a proxy, configure the name it asks for.\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    next.run(request).await
}

async fn admitted(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if !admin.admits(request.headers()) {
        let text = "This listener asks for the token of `[admin] token`, as `Authorization: Bearer TOKEN`.\n";
        let challenge = [(WWW_AUTHENTICATE, "Bearer realm=\"declic\"")];
        return (StatusCode::UNAUTHORIZED, challenge, text).into_response();
    }
    next.run(request).await
}

/// The token of a request (RFC 6750 §2.1); several headers say nothing.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
}

/// Compares in a time that tells nothing of where they differ, nor of how long the token is: by a code of each, under the
/// token as the key.
pub fn is_same(token: &[u8], given: &[u8]) -> bool {
    let code = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).map(|mac| mac.chain_update(b"declic admin"));
    match (code(token), code(given)) {
        (Ok(expected), Ok(given)) => expected.verify(&given.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

/// Whether each `Host` names this machine. Without one (HTTP/1.0 probes) it was no browser, so no rebinding.
fn is_known(headers: &HeaderMap, name: Option<&str>) -> bool {
    headers.get_all(HOST).iter().all(|value| {
        let Ok(host) = value.to_str() else { return false };
        let host = without_port(host);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.is_ok_and(|address| address.is_loopback())
            || host.eq_ignore_ascii_case("localhost")
            || name.is_some_and(|name| host.eq_ignore_ascii_case(name))
    })
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
