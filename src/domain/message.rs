//! Messages: what the outbox holds, and the states they go through.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::consent::Channel;
use super::hex;
use super::trace::Trace;
use super::verdict::Reason;

/// Where a message's context holds the purpose that its link confirms.
pub const CONFIRMS: &str = "confirm";

/// One e-mail or SMS to one customer, identified by (entry, step id, channel). It holds what is needed to
/// render the message, not the rendered body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Derived from its identity, so that a replay makes the same message: 32 hexadecimal digits.
    pub id: String,
    pub customer_id: String,
    pub rule: String,
    pub version: String,
    pub occurrence: String,
    pub step: String,
    pub channel: Channel,
    pub purpose: String,
    pub template: String,
    /// The instant that the rule asks for; the clock may be past it when the message is sent.
    pub planned_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub state: MessageState,
    pub reason: Option<Reason>,
    pub detail: Option<String>,
    /// The event and the promo code that the template is given beside the customer. Shared by all copies.
    pub context: Arc<Value>,
    pub promo_code: Option<String>,
    /// When a sender may take it: the planned instant, later after a refusal that asks to try again.
    pub due_at: DateTime<Utc>,
    /// Hand-overs tried so far.
    pub attempts: u32,
    /// Content hash of the template it is pinned to since its first render.
    pub template_hash: Option<String>,
    pub locale: Option<String>,
    /// The address it was, or was to be, sent to.
    pub address: Option<String>,
    /// What the provider answered last.
    pub reply: Option<String>,
    pub sent_at: Option<DateTime<Utc>>,
    /// How urgent it is beside others.
    #[serde(default)]
    pub lane: Lane,
    /// The rule's: who goes first where a frequency cap leaves room for one. Higher is more important.
    #[serde(default)]
    pub priority: i32,
    /// The template of the other channel, to be used when this one turns out not to be possible.
    #[serde(default)]
    pub fallback: Option<String>,
    /// The instant that counts for frequency caps: when it was admitted to its hand-over, as long as it may have
    /// reached its reader.
    #[serde(default)]
    pub slot_at: Option<DateTime<Utc>>,
    /// The trace that it belongs to, however much later it is sent: its entry's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

/// Who goes first when there is more to send than can be sent: nobody waits for their welcome behind a newsletter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Part of a contract: a receipt, a password.
    Transactional,
    /// Caused by what the customer did or did not do.
    #[default]
    Event,
    /// Anniversaries and schedules, which come for many at once.
    Bulk,
}

impl Lane {
    /// As stored: the lower, the sooner.
    pub fn rank(self) -> i64 {
        match self {
            Self::Transactional => 0,
            Self::Event => 1,
            Self::Bulk => 2,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Committed and waiting for its instant or for a sender.
    Pending,
    /// Not now: outside the hours of its channel, or a frequency cap is full. `reason` says which.
    Deferred,
    /// Its rule is paused; when that is over it waits again as before.
    Paused,
    /// Leased by a sender that has not begun the hand-over: safe to reclaim.
    Claimed,
    /// The hand-over may have begun: never taken back blindly.
    Sending,
    Sent,
    /// The provider says that it reached the telephone.
    Delivered,
    /// It came back, or a report that it did not arrive.
    Bounced,
    /// Its reader called it unwanted.
    Complained,
    Suppressed,
    Failed,
    Expired,
    /// The provider may have accepted it, and nobody knows.
    Uncertain,
}

impl MessageState {
    pub const ALL: &[Self] = &[
        Self::Pending,
        Self::Deferred,
        Self::Paused,
        Self::Claimed,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Bounced,
        Self::Complained,
        Self::Suppressed,
        Self::Failed,
        Self::Expired,
        Self::Uncertain,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Deferred => "deferred",
            Self::Paused => "paused",
            Self::Claimed => "claimed",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Suppressed => "suppressed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Uncertain => "uncertain",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.as_str() == text)
    }

    /// Whether nothing more will happen to the message by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Deferred | Self::Paused | Self::Claimed | Self::Sending)
    }
}

impl Message {
    /// The message on the other channel that takes this one's place, where its step wants one and this one is certain
    /// not to reach its reader. Under an identity of its own, so that falling back twice is falling back once.
    pub fn fall_back(&self, now: DateTime<Utc>) -> Option<Self> {
        let certain = matches!(
            self.state,
            MessageState::Suppressed | MessageState::Failed | MessageState::Expired | MessageState::Bounced
        );
        // Another channel must not become a way round a cap; and what is set aside can be put back.
        let held = matches!(self.reason, Some(Reason::FrequencyCap | Reason::CannotBeProcessed));
        // What its entry's end or an operator has stopped is not wanted on any channel.
        let ended = matches!(
            self.reason,
            Some(
                Reason::CustomerDeleted
                    | Reason::Cancelled
                    | Reason::Exited
                    | Reason::Restarted
                    | Reason::RuleDeleted
                    | Reason::RuleDisabled
                    | Reason::RuleChanged
            )
        );
        if !certain || held || ended || now > self.expires_at {
            return None;
        }
        let (channel, id) = self.on_the_other_channel();
        Some(Self {
            id,
            channel,
            template: self.fallback.clone()?,
            state: MessageState::Pending,
            reason: None,
            detail: None,
            due_at: now,
            attempts: 0,
            template_hash: None,
            locale: None,
            address: None,
            reply: None,
            sent_at: None,
            fallback: None,
            slot_at: None,
            ..self.clone()
        })
    }

    /// The other channel, and the id that this message has on it.
    pub fn on_the_other_channel(&self) -> (Channel, String) {
        let channel = match self.channel {
            Channel::Email => Channel::Sms,
            Channel::Sms => Channel::Email,
        };
        (channel, message_id(&self.rule, &self.customer_id, &self.occurrence, &self.step, channel))
    }
}

/// 128 bits of SHA-256 over a message's identity: (entry, step, channel).
pub fn message_id(rule: &str, customer: &str, occurrence: &str, step: &str, channel: Channel) -> String {
    let mut hash = Sha256::new();
    for part in [rule, customer, occurrence, step, channel.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}
