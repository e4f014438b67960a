//! What is remembered of one customer's runs through rules: the entries.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::event::{Event, Stamp};
use super::trace::Trace;
use super::verdict::Reason;

/// One customer's run through one rule, identified by (rule, customer, occurrence).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub customer_id: String,
    pub rule: String,
    /// What caused it: `SOURCE#ID` of an event, a year for an anniversary, a local tick for a schedule.
    pub occurrence: String,
    /// What keeps two entries of one customer apart; empty without a `key`.
    pub key: String,
    /// The version of the rule that it is pinned to.
    pub version: String,
    /// The event that caused it; none for anniversaries and schedules.
    pub trigger: Option<Event>,
    pub started_at: DateTime<Utc>,
    pub status: EntryStatus,
    /// Index into the rule's program of the operation to run next.
    pub position: usize,
    /// The planned instant reached so far: what the next wait counts from.
    pub planned: DateTime<Utc>,
    /// When the scheduler must look at it again; none once it has ended.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether a message of it (sent or refused) has been written: from then on its past stands.
    pub committed: bool,
    /// The exit or restart that ends it, once its planned instant reaches that time.
    pub exit: Option<Exit>,
    /// The id of a `promo_code` step waiting for the send that will carry the code.
    pub promo_step: Option<String>,
    /// Why it ended, or why it never began.
    pub reason: Option<Reason>,
    /// The words that go with `reason`, such as the missing field's name.
    pub detail: Option<String>,
    /// The trace of the event that caused it, for the messages to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

impl Entry {
    /// Where its trigger stands in the order of facts.
    pub fn stamp(&self) -> Stamp {
        match &self.trigger {
            Some(event) => event.stamp(),
            None => Stamp { time: self.started_at, source: String::new(), id: self.occurrence.clone() },
        }
    }

    pub fn is_active(&self) -> bool {
        self.status != EntryStatus::Ended
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryStatus {
    /// Has steps to run.
    Active,
    /// Stands at a `send` that waits for a grant (`wait_for_consent`).
    AwaitingConsent,
    /// Came to its end, exited, or was recorded as not begun.
    Ended,
}

impl EntryStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::AwaitingConsent => "awaiting_consent",
            Self::Ended => "ended",
        }
    }
}

/// The end that facts have set for an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub at: DateTime<Utc>,
    pub reason: Reason,
    /// The type of the event that ended it.
    pub by: String,
}

impl Exit {
    /// Whether this one ends the entry when both would: the sooner, and of two at one instant always the same,
    /// whichever arrived first.
    pub fn precedes(&self, other: &Self) -> bool {
        (self.at, self.reason, &self.by) < (other.at, other.reason, &other.by)
    }
}
