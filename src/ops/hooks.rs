//! What providers tell of their own accord, on the public listener: reports on SMS, customers' replies, mails that came back.
//!
//! Whether a request comes from the provider, and what it says, is decided by the closure; here are the route, the
//! bound on what is read, and the answers. Success is said only after the content has been kept, so that a
//! provider that repeats what failed loses nothing.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::future::BoxFuture;

use crate::domain::consent::Channel;

/// Some hundred reports on SMS at once; a single one takes less than 2 KB.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Providers of e-mail gather more: SendGrid sends up to 768 KB.
const MAX_EMAIL_BYTES: usize = 1024 * 1024;
/// What a provider is told to wait when its report could not be kept, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("60");

/// One request.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Path and query, as they came: signatures cover them.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookAnswer {
    /// Kept for good. The type and text of the answer are what the provider reads.
    Kept { content_type: String, text: String },
    /// Nothing is expected there.
    Unknown,
    /// It does not show that it comes from the provider.
    Forbidden,
    /// It comes from the provider and cannot be read: repeating it is of no use. The words hold nothing of it.
    Malformed(String),
    /// Not kept, and worth repeating. The words are for the log and hold nothing of it.
    Later(String),
}

/// Takes in one request. Called again for the same one, it must succeed again.
pub type Receive = Arc<dyn Fn(Hook) -> BoxFuture<'static, HookAnswer> + Send + Sync>;

/// A closure, and whose provider it hears.
#[derive(Clone)]
struct Hooks {
    receive: Receive,
    channel: Channel,
}

/// Routes of the SMS provider, to be merged into the public listener's.
///
/// | request | answer |
/// | --- | --- |
/// | `POST /sms/status`, `POST /sms/inbound`, each also with a key after it | 200 when kept; 400 if it cannot be read; 403 if it does not come from the provider; 404; 413; 503 with `Retry-After` if it could not be kept |
pub fn sms(receive: Receive) -> Router {
    Router::new()
        .route("/sms/status", post(take))
        .route("/sms/status/{key}", post(take))
        .route("/sms/inbound", post(take))
        .route("/sms/inbound/{key}", post(take))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Hooks { receive, channel: Channel::Sms })
}

/// The route of the provider of e-mail, likewise: `POST /email/KEY`, with the same answers.
pub fn email(receive: Receive) -> Router {
    Router::new()
        .route("/email/{key}", post(take))
        .layer(DefaultBodyLimit::max(MAX_EMAIL_BYTES))
        .with_state(Hooks { receive, channel: Channel::Email })
}

async fn take(
    State(Hooks { receive, channel }): State<Hooks>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => {
            count(channel, "unread");
            return rejection.status().into_response();
        }
    };
    let target = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    match receive(Hook { target, headers, body }).await {
        HookAnswer::Kept { content_type, text } => {
            count(channel, "kept");
            let content_type = HeaderValue::from_str(&content_type);
            let content_type = content_type.unwrap_or(HeaderValue::from_static("text/plain"));
            ([(CONTENT_TYPE, content_type)], text).into_response()
        }
        HookAnswer::Unknown => StatusCode::NOT_FOUND.into_response(),
        HookAnswer::Forbidden => {
            count(channel, "forbidden");
            StatusCode::FORBIDDEN.into_response()
        }
        HookAnswer::Malformed(words) => {
            count(channel, "malformed");
            tracing::warn!(words, channel = channel.as_str(), "the provider's report cannot be read");
            (StatusCode::BAD_REQUEST, words).into_response()
        }
        HookAnswer::Later(error) => {
            count(channel, "not_kept");
            tracing::error!(
                error,
                channel = channel.as_str(),
                "the provider's report could not be kept; it is asked to repeat it"
            );
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY_AFTER_SECONDS)]).into_response()
        }
    }
}

fn count(channel: Channel, outcome: &'static str) {
    match channel {
        Channel::Email => metrics::counter!("declic_email_webhooks_total", "outcome" => outcome),
        Channel::Sms => metrics::counter!("declic_sms_webhooks_total", "outcome" => outcome),
    }
    .increment(1);
}
