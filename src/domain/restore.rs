//! What nobody knows after a database was restored to an earlier point: which messages had gone out since.
//!
//! Asked by the gate (`admit`), and once by `declic restored` about all that waits. Ids and planned instants are derived
//! from facts, so an event that comes again makes the same message, and what holds for one holds for the other.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::message::{Message, MessageState};
use super::rules::Basis;
use super::verdict::Reason;

/// What was to go within (`after`, `until`] may have gone, before the database forgot it.
///
/// There is no other lower end than what a list of sent messages gives: an event that was late when it first came makes
/// a message that was planned before the back-up and sent after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    pub after: DateTime<Utc>,
    /// When the restored database was told of its restore: no message of before can have been due later.
    pub until: DateTime<Utc>,
}

impl Fence {
    pub fn holds(&self, at: DateTime<Utc>) -> bool {
        self.after < at && at <= self.until
    }
}

/// How far before its last line a list of sent messages is taken to have gaps: what was handed over and not yet told
/// when the database was lost. Messages leave within seconds of being due unless there is a backlog.
pub const LIST_LAGS: TimeDelta = TimeDelta::minutes(5);

/// What a list kept outside of the database says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Sent(DateTime<Utc>),
    /// The list itself does not know.
    Uncertain,
}

/// The list, by message id.
pub type List = BTreeMap<String, Told>;

/// The message as a restore leaves it, when it went or may have gone already; none where it may still go.
///
/// A contract's message goes again under its Message-ID unless it is known to have gone: two receipts are better than none.
pub fn gone(message: &Message, basis: Basis, fences: &[Fence], told: Option<Told>) -> Option<Message> {
    let unsure = basis != Basis::Contract && fences.iter().any(|fence| fence.holds(message.due_at));
    match told {
        Some(told) => Some(settle(message.clone(), Some(told))),
        None if unsure => Some(settle(message.clone(), None)),
        None => None,
    }
}

/// The message in the state that it ends in: sent, as told, or nobody knows. It counts for frequency caps, for it may
/// have reached its reader.
pub fn settle(mut message: Message, told: Option<Told>) -> Message {
    message.detail = None;
    match told {
        Some(Told::Sent(at)) => {
            message.state = MessageState::Sent;
            message.reason = None;
            message.sent_at = Some(at);
            message.slot_at = Some(at);
        }
        Some(Told::Uncertain) | None => {
            message.state = MessageState::Uncertain;
            message.reason = Some(Reason::Restored);
            message.slot_at = Some(message.due_at);
        }
    }
    message
}
