//! A customer's word as the event that it becomes: `consent.changed`, taken in like any other.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::domain::consent::{Channel, ConsentStatus};
use crate::domain::event::Event;
use crate::domain::rules::book::CONSENT_CHANGED;

/// What the customer behind a link said of one channel and purpose.
pub(super) struct Word<'a> {
    /// The source of the event; below `/declic/`, so that the shop is told of it.
    pub(super) source: &'static str,
    pub(super) customer_id: &'a str,
    /// The message that carried the link.
    pub(super) message_id: &'a str,
    pub(super) channel: Channel,
    pub(super) purpose: &'a str,
    pub(super) status: ConsentStatus,
    pub(super) proof: Map<String, Value>,
}

impl Word<'_> {
    /// The event. The instant is part of its id: the customer may agree again and withdraw again by the same link.
    /// `apart` keeps several of one instant from being taken for one.
    pub(super) fn event(self, apart: &str, now: DateTime<Utc>) -> Event {
        let mut data = self.proof;
        data.insert("channel".to_owned(), self.channel.as_str().into());
        data.insert("purpose".to_owned(), self.purpose.into());
        data.insert("status".to_owned(), self.status.as_str().into());
        data.insert("message_id".to_owned(), self.message_id.into());
        Event {
            id: format!("{}-{}{apart}", self.message_id, now.timestamp_micros()),
            source: self.source.to_owned(),
            kind: CONSENT_CHANGED.to_owned(),
            subject: self.customer_id.to_owned(),
            time: now,
            data: Value::Object(data).into(),
            trace: None,
        }
    }
}
