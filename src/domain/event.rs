//! Events: CloudEvents 1.0 objects about one customer, parsed or refused, never half-understood.

use std::sync::Arc;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::trace::{TRACEPARENT, Trace};

/// The media type of an event as one JSON object (CloudEvents JSON format 1.0 §3).
pub const CLOUDEVENT: &str = "application/cloudevents+json";

/// The largest event accepted, in bytes. Bigger ones would let one producer fill memory and tables.
pub const MAX_EVENT_BYTES: usize = 256 * 1024;

/// How far ahead of now an event's time may lie before it is taken for a broken clock.
pub const MAX_AHEAD: Duration = Duration::hours(24);

/// The longest id, source, type or subject accepted, in bytes (they are index keys).
const MAX_ATTRIBUTE_BYTES: usize = 512;

/// A fact about one customer. (`source`, `id`) identifies it (CloudEvents 1.0 §3.1.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: String,
    pub source: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The customer's id.
    pub subject: String,
    /// When the fact happened, to the microsecond (what both databases keep).
    pub time: DateTime<Utc>,
    /// Shared by all copies: what begins an entry stands in its messages too.
    #[serde(default)]
    pub data: Arc<Value>,
    /// The trace it came in, which says nothing about the customer: neither conditions nor templates see it.
    #[serde(skip)]
    pub trace: Option<Trace>,
}

/// An event's place in the order in which facts are folded, whatever their order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    pub time: DateTime<Utc>,
    pub source: String,
    pub id: String,
}

/// A [`Stamp`] for comparing, without copies.
pub type Place<'a> = (DateTime<Utc>, &'a str, &'a str);

/// Why an event cannot be used: a closed list, written to the dead-letter queue's reason header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnusableReason {
    TooLarge,
    NotJson,
    NotCloudEvent,
    MissingAttribute,
    InvalidAttribute,
    TimeTooFarAhead,
    /// The event is well formed but processing it fails every time.
    Poison,
}

impl UnusableReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotJson => "not_json",
            Self::NotCloudEvent => "not_cloud_event",
            Self::MissingAttribute => "missing_attribute",
            Self::InvalidAttribute => "invalid_attribute",
            Self::TimeTooFarAhead => "time_too_far_ahead",
            Self::Poison => "poison",
        }
    }
}

/// An event that cannot be used, with the words for whoever must mend its producer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {detail}", .reason.as_str())]
pub struct Unusable {
    pub reason: UnusableReason,
    pub detail: String,
}

fn unusable(reason: UnusableReason, detail: impl Into<String>) -> Unusable {
    Unusable { reason, detail: detail.into() }
}

impl Stamp {
    pub fn place(&self) -> Place<'_> {
        (self.time, &self.source, &self.id)
    }
}

impl Event {
    pub fn stamp(&self) -> Stamp {
        Stamp { time: self.time, source: self.source.clone(), id: self.id.clone() }
    }

    /// Where it stands in the order of facts: compares as its stamp does.
    pub fn place(&self) -> Place<'_> {
        (self.time, &self.source, &self.id)
    }

    /// Reads a structured-mode event: one JSON object (CloudEvents JSON format 1.0 §3).
    pub fn from_json(bytes: &[u8], now: DateTime<Utc>) -> Result<Self, Unusable> {
        if bytes.len() > MAX_EVENT_BYTES {
            return Err(too_large(bytes.len()));
        }
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|e| unusable(UnusableReason::NotJson, format!("the body is not JSON: {e}")))?;
        Self::from_value(value, now)
    }

    /// Reads a structured-mode event that is already parsed as JSON (one item of a batch).
    pub fn from_value(value: Value, now: DateTime<Utc>) -> Result<Self, Unusable> {
        let Value::Object(mut object) = value else {
            return Err(unusable(UnusableReason::NotCloudEvent, "the body is JSON but not an object"));
        };
        let data = object.remove("data").unwrap_or(Value::Null);
        if object.contains_key("data_base64") {
            return Err(unusable(
                UnusableReason::InvalidAttribute,
                "data_base64 is not understood here: send the data as JSON in `data`",
            ));
        }
        Self::from_attributes(object, data, now)
    }

    /// Builds an event from its attributes and its data: the common end of structured and binary mode.
    pub fn from_attributes(
        mut attributes: Map<String, Value>,
        data: Value,
        now: DateTime<Utc>,
    ) -> Result<Self, Unusable> {
        let version = text(&mut attributes, "specversion")?;
        if !(version == "1.0" || version.starts_with("1.")) {
            return Err(unusable(
                UnusableReason::NotCloudEvent,
                format!("specversion is `{version}`; CloudEvents 1.0 is expected"),
            ));
        }
        let time_text = text(&mut attributes, "time")?;
        let time = DateTime::parse_from_rfc3339(&time_text)
            .map_err(|e| {
                unusable(
                    UnusableReason::InvalidAttribute,
                    format!(
                        "time `{time_text}` is not RFC 3339 ({e}); write it like 2026-11-22T10:00:00+01:00"
                    ),
                )
            })?
            .with_timezone(&Utc)
            .trunc_subsecs(6);
        if time - now > MAX_AHEAD {
            return Err(unusable(
                UnusableReason::TimeTooFarAhead,
                format!("time {time_text} lies more than {} h ahead of now", MAX_AHEAD.num_hours()),
            ));
        }
        if holds_nul(&data) {
            return Err(unusable(
                UnusableReason::InvalidAttribute,
                "the data holds the character U+0000, which PostgreSQL cannot keep",
            ));
        }
        // Never a reason to refuse: it is about the road, not about the fact.
        let trace = attributes.get(TRACEPARENT).and_then(Value::as_str).and_then(Trace::parse);
        Ok(Self {
            id: text(&mut attributes, "id")?,
            source: text(&mut attributes, "source")?,
            kind: text(&mut attributes, "type")?,
            subject: text(&mut attributes, "subject")?,
            time,
            data: data.into(),
            trace,
        })
    }
}

/// The refusal of a body over [`MAX_EVENT_BYTES`].
pub fn too_large(bytes: usize) -> Unusable {
    unusable(UnusableReason::TooLarge, format!("{bytes} bytes; at most {MAX_EVENT_BYTES} are accepted"))
}

/// Takes out an attribute that must be text.
fn text(attributes: &mut Map<String, Value>, name: &str) -> Result<String, Unusable> {
    match attributes.remove(name) {
        None | Some(Value::Null) => {
            Err(unusable(UnusableReason::MissingAttribute, format!("`{name}` is missing")))
        }
        Some(Value::String(s)) if s.is_empty() => {
            Err(unusable(UnusableReason::InvalidAttribute, format!("`{name}` is empty")))
        }
        Some(Value::String(s)) if s.len() > MAX_ATTRIBUTE_BYTES => Err(unusable(
            UnusableReason::InvalidAttribute,
            format!("`{name}` is {} bytes long; at most {MAX_ATTRIBUTE_BYTES} are accepted", s.len()),
        )),
        // NUL cannot be kept by PostgreSQL in text; other control characters are never an identifier.
        Some(Value::String(s)) if s.chars().any(char::is_control) => {
            Err(unusable(UnusableReason::InvalidAttribute, format!("`{name}` holds a control character")))
        }
        Some(Value::String(s)) => Ok(s),
        Some(other) => {
            // The value itself is not quoted: it can be long, and it can be somebody's address.
            let kind = type_name(&other);
            Err(unusable(UnusableReason::InvalidAttribute, format!("`{name}` must be a string, not {kind}")))
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Refused here rather than found by the database, which would fail the whole batch.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, v)| name.contains('\0') || holds_nul(v)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
