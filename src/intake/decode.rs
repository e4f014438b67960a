//! From bytes and headers to an [`Event`], the same way for every source.
//!
//! CloudEvents 1.0 in structured mode (the body is the event) and in binary mode (the attributes are
//! headers, the body is the data), as in the AMQP and HTTP protocol bindings, with the `cloudEvents:` and
//! `cloudEvents_` prefixes that producers on AMQP 0-9-1 use. What an event must hold is checked by
//! [`Event`]; here it is only found. An event that brings no trace of its own has that of the transport, whose header
//! `traceparent` says which hop it came by (docs/tracing.md). Pure: the sources and `declic dead-letters replay` call it.

use chrono::{DateTime, SecondsFormat, Utc};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, ShortString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::domain::event::{CLOUDEVENT, Event, MAX_EVENT_BYTES, Unusable, UnusableReason, too_large};
use crate::domain::trace::{TRACEPARENT, Trace};
use crate::telemetry;

/// An array of structured-mode events; HTTP only, as the AMQP binding has no batches.
pub const CLOUDEVENTS_BATCH: &str = "application/cloudevents-batch+json";
/// One structured-mode event a line.
pub const NDJSON: &str = "application/x-ndjson";
/// What most producers say about JSON of any kind.
pub const JSON: &str = "application/json";

/// What marks a header as an attribute, lower-cased: AMQP's two and HTTP's.
const PREFIXES: [&str; 3] = ["cloudevents:", "cloudevents_", "ce-"];

/// How deep headers may nest before the rest is left out: nothing that we look for is nested at all.
const MAX_DEPTH: usize = 16;

/// Headers in which a quorum queue counts its attempts: a letter delivered again is the same letter.
const COUNTS: [&str; 2] = ["x-delivery-count", "x-acquired-count"];

/// Reads one AMQP delivery.
pub fn delivery(properties: &BasicProperties, body: &[u8], now: DateTime<Utc>) -> Result<Event, Unusable> {
    if body.len() > MAX_EVENT_BYTES {
        return Err(too_large(body.len()));
    }
    let content_type = properties.content_type().as_ref().map(|t| t.as_str());
    // The common case, without a copy of the headers.
    if content_type.is_some_and(|t| media_type(t) == CLOUDEVENT) && properties.content_encoding().is_none() {
        let event = structured_mode(body, now)?;
        let header = || properties.headers().as_ref()?.inner().get(&ShortString::from(TRACEPARENT)).cloned();
        return Ok(traced(event, || header().map(|value| to_json(&value, MAX_DEPTH))));
    }
    message(&delivery_headers(properties), body, now)
}

/// Reads a parked event again, from the headers and the body of its letter.
pub fn dead_letter(headers: &Value, body: &[u8], now: DateTime<Utc>) -> Result<Event, Unusable> {
    let none = Map::new();
    message(headers.as_object().unwrap_or(&none), body, now)
}

/// Reads one message from its headers (`content-type` among them) and its body.
pub fn message(headers: &Map<String, Value>, body: &[u8], now: DateTime<Utc>) -> Result<Event, Unusable> {
    if body.len() > MAX_EVENT_BYTES {
        return Err(too_large(body.len()));
    }
    let encoding = header(headers, "content-encoding").unwrap_or_default();
    if !matches!(encoding.to_ascii_lowercase().as_str(), "" | "identity" | "utf-8" | "utf8") {
        let detail = format!("content-encoding `{encoding}` is not understood: send the body as it is");
        return Err(Unusable { reason: UnusableReason::NotJson, detail });
    }
    let kind = header(headers, "content-type").map(media_type).unwrap_or_default();
    let attributes = attributes(headers);
    let event = match kind.as_str() {
        CLOUDEVENT => structured_mode(body, now),
        _ if attributes.contains_key("specversion") => binary(attributes, &kind, body, now),
        "" | JSON => structured_mode(body, now),
        other => Err(Unusable {
            reason: UnusableReason::NotCloudEvent,
            detail: format!(
                "content type `{other}` is not understood here; send {CLOUDEVENT}, {JSON}, or binary mode"
            ),
        }),
    };
    Ok(traced(event?, || headers.get(TRACEPARENT).cloned()))
}

/// Reads one structured-mode event, and says where its `traceparent` is none.
pub fn structured_mode(body: &[u8], now: DateTime<Utc>) -> Result<Event, Unusable> {
    let event = Event::from_json(body, now)?;
    if event.trace.is_none() && std::str::from_utf8(body).is_ok_and(|text| text.contains(TRACEPARENT)) {
        note_broken(&event, body);
    }
    Ok(event)
}

/// Says of a structured-mode event without a trace whether it has one that is broken. It reads the text again, which is why
/// the word is looked for first.
fn note_broken(event: &Event, body: &[u8]) {
    #[derive(Deserialize)]
    struct Told {
        traceparent: Option<Value>,
    }
    let told = serde_json::from_slice::<Told>(body).ok().and_then(|told| told.traceparent);
    if let Some(told) = told {
        telemetry::broken_trace(event, &told);
    }
}

/// The event with the transport's trace, where it has none of its own. The event's own is of whoever caused it, the
/// transport's only of who passed it on (CloudEvents, Distributed Tracing extension: "the starting trace information").
pub fn traced(mut event: Event, transport: impl FnOnce() -> Option<Value>) -> Event {
    if event.trace.is_none()
        && let Some(told) = transport()
    {
        event.trace = told.as_str().and_then(Trace::parse);
        if event.trace.is_none() {
            telemetry::broken_trace(&event, &told);
        }
    }
    event
}

fn binary(
    attributes: Map<String, Value>,
    kind: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Event, Unusable> {
    if !(kind.is_empty() || kind == JSON || kind == "text/json" || kind.ends_with("+json")) {
        return Err(Unusable {
            reason: UnusableReason::InvalidAttribute,
            detail: format!("the data's content type is `{kind}`; only JSON data is understood"),
        });
    }
    let data = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(body).map_err(|e| Unusable {
            reason: UnusableReason::NotJson,
            detail: format!("the data is not JSON: {e}"),
        })?
    };
    let told = attributes.get(TRACEPARENT).cloned();
    let event = Event::from_attributes(attributes, data, now)?;
    if let Some(told) = told.filter(|_| event.trace.is_none()) {
        telemetry::broken_trace(&event, &told);
    }
    Ok(event)
}

/// The CloudEvents attributes among the headers; names are lower case (CloudEvents 1.0 §3).
fn attributes(headers: &Map<String, Value>) -> Map<String, Value> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let attribute = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
            Some((attribute.to_owned(), value.clone()))
        })
        .collect()
}

fn header<'a>(headers: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(Value::as_str)
}

/// `Application/JSON; charset=utf-8` → `application/json`.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A delivery's properties and headers as one flat JSON object, as a dead letter keeps them.
pub fn delivery_headers(properties: &BasicProperties) -> Map<String, Value> {
    let mut all = Map::new();
    if let Some(table) = properties.headers() {
        for (name, value) in table {
            if COUNTS.contains(&name.as_str()) {
                continue;
            }
            all.insert(name.to_string(), to_json(value, 0));
        }
    }
    let named = [
        ("content-type", properties.content_type()),
        ("content-encoding", properties.content_encoding()),
        ("message-id", properties.message_id()),
        ("app-id", properties.app_id()),
        ("type", properties.kind()),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            all.insert(name.to_owned(), Value::String(value.to_string()));
        }
    }
    all
}

fn to_json(value: &AMQPValue, depth: usize) -> Value {
    match value {
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) if depth >= MAX_DEPTH => Value::Null,
        AMQPValue::Boolean(v) => json!(v),
        AMQPValue::ShortShortInt(v) => json!(v),
        AMQPValue::ShortShortUInt(v) => json!(v),
        AMQPValue::ShortInt(v) => json!(v),
        AMQPValue::ShortUInt(v) => json!(v),
        AMQPValue::LongInt(v) => json!(v),
        AMQPValue::LongUInt(v) => json!(v),
        AMQPValue::LongLongInt(v) => json!(v),
        AMQPValue::Float(v) => json!(v),
        AMQPValue::Double(v) => json!(v),
        AMQPValue::DecimalValue(v) => json!(f64::from(v.value) / 10f64.powi(i32::from(v.scale))),
        AMQPValue::ShortString(v) => json!(v.as_str()),
        AMQPValue::LongString(v) => json!(String::from_utf8_lossy(v.as_bytes())),
        AMQPValue::FieldArray(v) => v.as_slice().iter().map(|v| to_json(v, depth + 1)).collect(),
        // Seconds since the epoch; a `time` attribute sent as AMQP's own type reads like any other.
        AMQPValue::Timestamp(v) => i64::try_from(*v)
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .map_or(Value::Null, |at| json!(at.to_rfc3339_opts(SecondsFormat::Secs, true))),
        AMQPValue::FieldTable(v) => {
            v.into_iter().map(|(name, value)| (name.to_string(), to_json(value, depth + 1))).collect()
        }
        AMQPValue::ByteArray(v) => json!(String::from_utf8_lossy(v.as_slice())),
        AMQPValue::Void => Value::Null,
    }
}

/// An event as the structured-mode object that [`Event::from_json`] reads.
pub fn structured(event: &Event) -> Value {
    let mut object = json!({
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.kind,
        "subject": event.subject,
        "time": event.time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "data": event.data,
    });
    if let Some(trace) = event.trace {
        object[TRACEPARENT] = trace.to_string().into();
    }
    object
}
