//! Events over HTTP: `POST /events`, answered after the commit.
//!
//! Speaks the CloudEvents 1.0 HTTP binding (structured, batched and binary mode) and NDJSON. One answer for
//! the request and one for each event in it, in order. It knows nothing about who may call: the composition
//! root puts it where it can be reached, and what is asked of callers around it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::domain::event::{CLOUDEVENT, Event, MAX_EVENT_BYTES, Unusable, UnusableReason, too_large};
use crate::domain::trace::TRACEPARENT;

use super::{Accepted, BATCH_SIZE, DeadLetter, Origin, Settled, Sink, decode, settle, short};

/// The largest request body accepted, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// The most events in one request: half a million empty ones would still be a small body.
pub const MAX_EVENTS: usize = 10_000;
/// What a caller is told to wait when the database is away, in seconds.
const RETRY_AFTER_SECONDS: &str = "5";
/// How much of request bodies may be worked on at once, in KiB. Parsed JSON takes several times its text.
const BUDGET_KIB: usize = 4 * MAX_BODY_BYTES / 1024;

/// The route `POST /events`.
///
/// | status | means |
/// | --- | --- |
/// | 200 | committed; `results` has one answer per event, some of which may be `refused` |
/// | 400 | every event was refused, or there was none |
/// | 413 | the body is over 16 MiB, or holds over 10,000 events |
/// | 415 | the content type is none of those in `accepted` |
/// | 503 | the database is away: send the same request again after `Retry-After`; what was committed of it already will count as `duplicate` |
pub fn router(sink: Sink, clock: Clock) -> Router {
    let intake =
        Arc::new(Intake { sink, clock, budget: Semaphore::new(BUDGET_KIB), away: AtomicBool::new(false) });
    Router::new()
        .route("/events", post(receive))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(intake)
}

struct Intake {
    sink: Sink,
    clock: Clock,
    budget: Semaphore,
    /// Whether the last commit found no database: its going and coming back are logged, not each request.
    away: AtomicBool,
}

/// The answer for one event.
#[derive(Debug, Serialize)]
struct Answer {
    /// Null when not even that could be read.
    id: Option<String>,
    /// `accepted`, `duplicate` or `refused`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// One event of a request, as far as it could be read.
struct Item {
    id: Option<String>,
    read: Result<Event, Unusable>,
    /// The text to park; empty while the event is usable.
    body: Vec<u8>,
}

async fn receive(
    State(intake): State<Arc<Intake>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail =
                format!("the body is over {MAX_BODY_BYTES} bytes: send the events in smaller batches");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, &detail);
        }
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    let cost = u32::try_from(body.len() / 1024 + 1).unwrap_or(u32::MAX);
    let Ok(_permit) = intake.budget.acquire_many(cost).await else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    };
    let now = intake.clock.now();
    let Some(items) = read_body(&headers, &body, now) else {
        return unsupported(&headers);
    };
    if items.len() > MAX_EVENTS {
        let detail = format!("over {MAX_EVENTS} events in one request: send them in smaller batches");
        return problem(StatusCode::PAYLOAD_TOO_LARGE, &detail);
    }
    if items.is_empty() {
        return problem(StatusCode::BAD_REQUEST, "the body holds no event");
    }
    answer(&intake, &headers, items, now).await
}

/// The events of a body; none when its content type is not one of ours.
fn read_body(headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Option<Vec<Item>> {
    let kind = headers
        .get(CONTENT_TYPE)
        .map(|v| decode::media_type(&String::from_utf8_lossy(v.as_bytes())))
        .unwrap_or_default();
    if headers.contains_key(CONTENT_ENCODING) {
        let read = decode::message(&flat(headers), body, now);
        return Some(vec![item(read, body)]);
    }
    let items = match kind.as_str() {
        decode::CLOUDEVENTS_BATCH => read_array(body, now),
        decode::NDJSON | "application/ndjson" | "application/jsonl" => read_lines(body, now),
        CLOUDEVENT => vec![item(decode::structured_mode(body, now), body)],
        _ if headers.contains_key("ce-specversion") => {
            return Some(vec![item(decode::message(&flat(headers), body, now), body)]);
        }
        decode::JSON => vec![item(decode::structured_mode(body, now), body)],
        _ => return None,
    };
    let Some(trace) = headers.get(TRACEPARENT) else { return Some(items) };
    let told = Value::String(String::from_utf8_lossy(trace.as_bytes()).into_owned());
    Some(items.into_iter().map(|item| item.traced(&told)).collect())
}

impl Item {
    /// With the trace of the request, where the event has none of its own.
    fn traced(self, told: &Value) -> Self {
        Self { read: self.read.map(|event| decode::traced(event, || Some(told.clone()))), ..self }
    }
}

fn item(read: Result<Event, Unusable>, body: &[u8]) -> Item {
    match read {
        Ok(event) => Item { id: Some(event.id.clone()), read: Ok(event), body: Vec::new() },
        Err(refusal) => {
            let id = if body.len() > MAX_EVENT_BYTES { None } else { peek_id(body) };
            Item { id, read: Err(refusal), body: body.to_vec() }
        }
    }
}

/// The id of an event that cannot be used, so that its sender can tell which one it was.
fn peek_id(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("id").and_then(Value::as_str).map(short)
}

fn read_array(body: &[u8], now: DateTime<Utc>) -> Vec<Item> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = reader.deserialize_seq(Elements { now }).and_then(|items| reader.end().map(|()| items));
    read.unwrap_or_else(|e| {
        let detail = format!("the body is not a JSON array: {e}");
        vec![item(Err(Unusable { reason: UnusableReason::NotJson, detail }), body)]
    })
}

/// Reads the elements of a batch one by one, and keeps no more than one over the limit.
struct Elements {
    now: DateTime<Utc>,
}

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<Item>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() <= MAX_EVENTS
            && let Some(value) = elements.next_element::<Value>()?
        {
            items.push(read_element(value, self.now));
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }
}

fn read_element(value: Value, now: DateTime<Utc>) -> Item {
    // The limit is on the text of the event; written anew it is that text without white space.
    let text = value.to_string();
    if text.len() > MAX_EVENT_BYTES {
        return item(Err(too_large(text.len())), text.as_bytes());
    }
    item(Event::from_value(value, now), text.as_bytes())
}

fn read_lines(body: &[u8], now: DateTime<Utc>) -> Vec<Item> {
    body.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .take(MAX_EVENTS + 1)
        .map(|line| item(decode::structured_mode(line, now), line))
        .collect()
}

async fn answer(intake: &Intake, headers: &HeaderMap, items: Vec<Item>, now: DateTime<Utc>) -> Response {
    let kept_headers = flat(headers);
    let mut answers = Vec::with_capacity(items.len());
    let mut refused_all = true;
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        let mut read = Vec::new();
        let mut kept = Vec::new();
        for item in items.by_ref().take(BATCH_SIZE) {
            let poisoned = item.read.as_ref().ok().map(decode::structured);
            kept.push((item.id, item.body, poisoned));
            read.push(item.read);
        }
        let letter = |index: usize, refusal: &Unusable| match &kept[index].2 {
            // Usable, but processing it failed: parked in a form that can be read again by itself.
            Some(event) => {
                let mut headers = kept_headers.clone();
                headers.insert("content-type".into(), CLOUDEVENT.into());
                DeadLetter::new(Origin::Http, refusal, event.to_string().as_bytes(), headers, now)
            }
            None => DeadLetter::new(Origin::Http, refusal, &kept[index].1, kept_headers.clone(), now),
        };
        let settled = match settle(&intake.sink, Origin::Http, read, letter).await {
            Ok(settled) => {
                if intake.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("events over HTTP are accepted again");
                }
                settled
            }
            Err(unavailable) => {
                if !intake.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(error = unavailable.0, "events over HTTP are turned away: no database");
                }
                let detail = "the database is not available: send the same request again later";
                let retry_after = [(RETRY_AFTER, RETRY_AFTER_SECONDS)];
                return (retry_after, problem(StatusCode::SERVICE_UNAVAILABLE, detail)).into_response();
            }
        };
        for (outcome, (id, _, _)) in settled.into_iter().zip(kept) {
            refused_all &= matches!(outcome, Settled::Refused(_));
            answers.push(Answer::new(id, outcome));
        }
    }
    let status = if refused_all { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    (status, Json(json!({ "results": answers }))).into_response()
}

impl Answer {
    fn new(id: Option<String>, outcome: Settled) -> Self {
        let (status, refusal) = match outcome {
            Settled::Accepted(Accepted::New) => ("accepted", None),
            Settled::Accepted(Accepted::Duplicate) => ("duplicate", None),
            Settled::Refused(refusal) => ("refused", Some(refusal)),
        };
        Self {
            id,
            status,
            reason: refusal.as_ref().map(|r| r.reason.as_str()),
            detail: refusal.map(|r| short(&r.detail)),
        }
    }
}

/// What a dead letter keeps of the headers: what the event was read by, and never credentials.
fn flat(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .iter()
        .filter(|(name, _)| {
            **name == CONTENT_TYPE
                || **name == CONTENT_ENCODING
                || name.as_str() == TRACEPARENT
                || name.as_str().starts_with("ce-")
        })
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let text = if name.as_str().starts_with("ce-") { percent_decoded(&text) } else { text.into() };
            (name.as_str().to_owned(), Value::String(text))
        })
        .collect()
}

/// Header values are percent-encoded where they are not printable ASCII (CloudEvents HTTP binding §3.1.3.2).
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes
            .get(at + 1..at + 3)
            .filter(|hex| bytes[at] == b'%' && hex.iter().all(u8::is_ascii_hexdigit))
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn problem(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "error": detail }))).into_response()
}

fn unsupported(headers: &HeaderMap) -> Response {
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or_else(|| "none".into(), |v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let accepted = [CLOUDEVENT, decode::CLOUDEVENTS_BATCH, decode::NDJSON, decode::JSON];
    let error = format!("content type not understood: {}", short(&kind));
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, Json(json!({ "error": error, "accepted": accepted })))
        .into_response()
}
