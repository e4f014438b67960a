//! The operator's listener: metrics, health and, in embedded mode, the captured mail.
//!
//! It has no passwords: it is bound on loopback unless the operator says otherwise, and then refuses
//! requests that a web page elsewhere made a browser send here under another name (DNS rebinding).

use std::net::IpAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use super::health::{self, AskHealth};
use super::mail::{self, MailSource};
use super::page;

/// The Prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the operator's listener needs.
#[derive(Clone)]
pub struct Admin {
    /// Renders the metrics. Whoever made it also runs its upkeep.
    pub metrics: PrometheusHandle,
    pub health: AskHealth,
    /// The captured mail, in embedded mode.
    pub capture: Option<MailSource>,
    /// The address that the listener is bound on; on loopback, `Host` is checked.
    pub bound: IpAddr,
    /// A name, without port, under which a proxy on this machine may ask beside `localhost`.
    pub name: Option<String>,
    /// Routes of other parts that belong on this listener and behind its checks: `POST /events`.
    pub also: Router,
}

/// The routes of the operator's listener: `/metrics`, `/health` (200 or 503), `/health/live` (200 while the
/// process answers) and the pages of [`mail`].
pub fn router(admin: Admin) -> Router {
    let mail = admin.capture.clone().map(mail::router).unwrap_or_default();
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(async |State(admin): State<Admin>| health::report(&admin.health).await))
        .route("/health/live", get("ok"))
        .with_state(admin.clone())
        .merge(mail)
        .merge(admin.also.clone())
        .layer(middleware::from_fn_with_state(admin, known_host))
        .layer(middleware::map_response(page::harden))
}

async fn metrics(State(admin): State<Admin>) -> Response {
    ([(CONTENT_TYPE, METRICS_TYPE)], admin.metrics.render()).into_response()
}

async fn known_host(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if admin.bound.to_canonical().is_loopback() && !is_known(request.headers(), admin.name.as_deref()) {
        let text =
            "This listener answers to localhost only. Behind a proxy, configure the name it asks for.\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    next.run(request).await
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
