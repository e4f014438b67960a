//! How events come in: from RabbitMQ ([`amqp`]), over HTTP ([`http`]) and from files ([`mod@file`]).
//!
//! All three decode what they are given ([`decode`]), hand whole batches to one [`Sink`] and answer for them
//! (an acknowledgement, a response, a count) only after the sink has committed. What cannot be used is
//! parked, with a reason, so that it neither blocks what stands behind it nor gets lost. The intake never
//! decides anything about a customer and never touches the database itself. The composition root builds
//! the sink and starts the sources.

pub mod amqp;
mod brake;
pub mod decode;
pub mod file;
pub mod http;
mod settle;
mod status;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::domain::event::{Event, MAX_EVENT_BYTES, Unusable, UnusableReason};
use crate::domain::hex;
use crate::telemetry;

pub use brake::Brake;
pub use settle::Settled;
pub(crate) use settle::settle;
pub use status::{Counts, Status};

/// The most events handed to the sink at once by the sources that choose for themselves (HTTP, files).
pub const BATCH_SIZE: usize = 500;

/// The longest `detail` kept of a refusal, in bytes: it travels in a header, and a header must fit a frame.
const MAX_DETAIL_BYTES: usize = 500;

/// What became of an event that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    New,
    /// An event of this (`source`, `id`) was there before; nothing was changed.
    Duplicate,
}

/// Why a batch was not committed. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The database is away: the same batch may pass later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The batch fails because of what is in it, and will fail again. Only for what is surely about the
    /// data (a value the database refuses): it ends with events parked one by one, which is no answer to a
    /// missing table or a bug, and those are `Unavailable`.
    #[error("the batch cannot be processed: {0}")]
    Poison(String),
}

type Accept = dyn Fn(Vec<Event>) -> BoxFuture<'static, Result<Vec<Accepted>, AcceptError>> + Send + Sync;
type Park = dyn Fn(Vec<DeadLetter>) -> BoxFuture<'static, Result<(), AcceptError>> + Send + Sync;
type Ready = dyn Fn() -> BoxFuture<'static, Result<(), AcceptError>> + Send + Sync;

/// Where the intake hands its batches to. Cheap to clone.
///
/// Invariant: all three are safe to call again after an error or a lost answer. The intake drops their
/// futures when they take too long and redelivers what it cannot be sure of.
#[derive(Clone)]
pub struct Sink {
    /// Commits all the events in one transaction and answers for each, in the order given.
    pub accept: Arc<Accept>,
    /// Keeps events that cannot be used, for `declic dead-letters`. [`DeadLetter::fingerprint`] tells a
    /// letter that was parked before.
    pub park: Arc<Park>,
    /// Whether `accept` has a chance at present: asked, after an `Unavailable`, before deliveries are taken
    /// from the broker again, because each time they are taken counts towards the queue's delivery limit.
    pub ready: Arc<Ready>,
    /// Slows all sources down while the outbox is too long.
    pub brake: Brake,
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

/// The sources of events, as dead letters and metrics name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Amqp,
    Http,
    File,
}

impl Origin {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amqp => "amqp",
            Self::Http => "http",
            Self::File => "file",
        }
    }
}

/// An event that cannot be used, as it came, with the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    pub reason: UnusableReason,
    /// In words, for whoever must mend the producer. At most 500 bytes.
    pub detail: String,
    /// What was received. Of a body over [`MAX_EVENT_BYTES`] only the beginning, to recognise it by: it is
    /// over the limit on replay, too.
    pub body: Vec<u8>,
    /// A flat JSON object: `content-type` and the headers that came along, by name. File letters have `file`
    /// and `line`. [`decode::dead_letter`] reads body and headers again.
    pub headers: Value,
    pub received_at: DateTime<Utc>,
    /// `amqp`, `http` or `file`.
    pub origin: &'static str,
}

impl DeadLetter {
    pub(crate) fn new(
        origin: Origin,
        refusal: &Unusable,
        body: &[u8],
        headers: Map<String, Value>,
        received_at: DateTime<Utc>,
    ) -> Self {
        Self {
            reason: refusal.reason,
            detail: short(&refusal.detail),
            body: body[..body.len().min(MAX_EVENT_BYTES)].to_vec(),
            headers: storable(Value::Object(headers)),
            received_at,
            origin: origin.as_str(),
        }
    }

    /// 32 hexadecimal digits that are the same for the same letter, however often it is delivered.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for part in
            [self.origin.as_bytes(), self.reason.as_str().as_bytes(), self.headers.to_string().as_bytes()]
        {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(&self.body);
        hex::encode(&hash.finalize()[..16])
    }
}

/// Cuts a detail to what a header may hold, on a character boundary, without what databases cannot keep.
pub(crate) fn short(detail: &str) -> String {
    let mut end = detail.len().min(MAX_DETAIL_BYTES);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    detail[..end].replace('\0', "\u{fffd}")
}

/// PostgreSQL's jsonb cannot hold U+0000, and a dead letter must always find room.
fn storable(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => Value::Array(items.into_iter().map(storable).collect()),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(name, v)| (name.replace('\0', "\u{fffd}"), storable(v))).collect(),
        ),
        other => other,
    }
}

/// Adds a settled batch to the counters that dashboards and alarms look at.
pub(crate) fn count(origin: Origin, counts: &Counts) {
    telemetry::events_settled(origin.as_str(), counts.accepted, counts.duplicates, counts.refused);
}

#[cfg(test)]
mod tests;
