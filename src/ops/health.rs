//! Health: what each part of the worker says about itself, as one answer for whoever restarts or alarms.
//!
//! It asks and adds up; it mends nothing and caches nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use futures_util::future::BoxFuture;
use serde::Serialize;

/// How long the parts may take to answer. A probe that hangs tells less than one that says no.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one part says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The part, for instance `database`.
    pub name: String,
    pub ok: bool,
    /// Words for the operator; no secrets, no addresses.
    pub detail: String,
}

impl Check {
    pub fn new(name: impl Into<String>, ok: bool, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok, detail: detail.into() }
    }
}

/// Asks all parts at once.
pub type AskHealth = Arc<dyn Fn() -> BoxFuture<'static, Vec<Check>> + Send + Sync>;

#[derive(Serialize)]
struct Report {
    /// `ok` or `failing`.
    status: &'static str,
    /// None for whoever may only know whether all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Vec<Check>>,
}

/// `{status, checks}`: 200 when all is well, 503 when any part is not or they do not answer in time. The checks only `in_detail`.
pub(super) async fn report(ask: &AskHealth, in_detail: bool) -> Response {
    report_within(ask, PATIENCE, in_detail).await
}

pub(super) async fn report_within(ask: &AskHealth, patience: Duration, in_detail: bool) -> Response {
    let checks = tokio::time::timeout(patience, ask()).await.unwrap_or_else(|_| {
        vec![Check::new("health", false, format!("no answer within {} s", patience.as_secs_f32()))]
    });
    let ok = checks.iter().all(|check| check.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks = in_detail.then_some(checks);
    (status, Json(Report { status: if ok { "ok" } else { "failing" }, checks })).into_response()
}
