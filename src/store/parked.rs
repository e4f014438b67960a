//! What a dead letter stands for that is no event: work that always fails for one customer, set aside so that the others'
//! goes on.
//!
//! Such a letter holds keys only. What they name stays in its own table, where it can be mended, and is erased there.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::dead_letters::DeadLetter;
use crate::domain::event::{CLOUDEVENT, Event, UnusableReason};
use crate::domain::hex;

/// The longest detail kept, in characters: enough to know what it is about.
const MAX_DETAIL: usize = 500;

/// Work set aside, by its keys. The variant is the letter's origin, the fields are its headers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "origin", rename_all = "snake_case")]
pub enum Parked {
    /// An entry whose timer was due. Its column `due_at` is empty until it is put back.
    Timer { customer: String, rule: String, occurrence: String, due_at: DateTime<Utc> },
    /// A customer of a sweep, who was passed over.
    Tick { customer: String, rule: String, tick: String, zone: String, planned_at: DateTime<Utc> },
    /// A message, `failed` by `cannot_be_processed` or, after a hand-over that nobody knows the end of, `uncertain`.
    Message { customer: String, message: String },
    /// An outcome that the broker does not take; marked as published.
    Outcome { customer: String, outcome: String },
}

impl Parked {
    pub fn origin(&self) -> &'static str {
        match self {
            Self::Timer { .. } => "timer",
            Self::Tick { .. } => "tick",
            Self::Message { .. } => "message",
            Self::Outcome { .. } => "outcome",
        }
    }

    pub fn customer(&self) -> &str {
        match self {
            Self::Timer { customer, .. }
            | Self::Tick { customer, .. }
            | Self::Message { customer, .. }
            | Self::Outcome { customer, .. } => customer,
        }
    }

    /// The letter for it; the same work makes the same letter, however often it fails.
    pub fn letter(&self, detail: &str, now: DateTime<Utc>) -> DeadLetter {
        let headers = Value::Object(self.headers());
        letter(self.origin(), &headers.to_string(), headers, Vec::new(), detail, now)
    }

    /// What a letter stands for; none when it is an event, or when its headers do not say.
    pub fn of(letter: &DeadLetter) -> Option<Self> {
        let mut headers = letter.headers.as_object()?.clone();
        headers.insert("origin".to_owned(), Value::from(letter.origin.as_str()));
        serde_json::from_value(Value::Object(headers)).ok()
    }

    fn headers(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut headers)) => {
                headers.remove("origin");
                headers
            }
            _ => Map::new(),
        }
    }
}

impl DeadLetter {
    /// The letter of a well-formed event that processing always fails for.
    pub fn of_event(origin: &str, event: &Event, detail: &str, now: DateTime<Utc>) -> Self {
        let body = json!({
            "specversion": "1.0", "id": event.id, "source": event.source, "type": event.kind,
            "subject": event.subject, "time": event.time, "data": event.data,
        });
        let key = json!([event.source, event.id, event.subject]).to_string();
        let headers = json!({ "content-type": CLOUDEVENT });
        letter(origin, &key, headers, body.to_string().into_bytes(), detail, now)
    }
}

fn letter(
    origin: &str,
    key: &str,
    headers: Value,
    body: Vec<u8>,
    detail: &str,
    now: DateTime<Utc>,
) -> DeadLetter {
    let mut hash = Sha256::new();
    hash.update(origin);
    hash.update(key);
    DeadLetter {
        id: hex::encode(&hash.finalize()[..16]),
        received_at: now,
        origin: origin.to_owned(),
        reason: UnusableReason::Poison,
        detail: detail.chars().take(MAX_DETAIL).collect(),
        headers,
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_what_it_stands_for_and_nothing_else_does() {
        let at = DateTime::UNIX_EPOCH;
        let (customer, rule) = ("c-1".to_owned(), "birthday".to_owned());
        let all = [
            Parked::Timer {
                customer: customer.clone(),
                rule: rule.clone(),
                occurrence: "2026".into(),
                due_at: at,
            },
            Parked::Tick {
                customer: customer.clone(),
                rule,
                tick: "2026-11-22".into(),
                zone: "".into(),
                planned_at: at,
            },
            Parked::Message { customer: customer.clone(), message: "m-1".into() },
            Parked::Outcome { customer, outcome: "m-1-sent".into() },
        ];
        for parked in &all {
            let letter = parked.letter(&"é".repeat(600), at);
            assert_eq!(Parked::of(&letter).as_ref(), Some(parked));
            assert_eq!(letter.id, parked.letter("other words", at).id);
            assert_eq!(letter.detail.chars().count(), MAX_DETAIL);
            let event = DeadLetter { origin: "amqp".into(), ..letter };
            assert_eq!(Parked::of(&event), None);
        }
        assert_ne!(all[2].letter("", at).id, all[3].letter("", at).id);
    }
}
