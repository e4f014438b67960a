//! Messages: what the outbox holds, and the states they go through.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::consent::Channel;
use super::verdict::Reason;

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
    /// The event and the promo code that the template is given beside the customer.
    pub context: Value,
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Committed and waiting for its instant or for a sender.
    Pending,
    /// Leased by a sender that has not begun the hand-over: safe to reclaim.
    Claimed,
    /// The hand-over may have begun: never taken back blindly.
    Sending,
    Sent,
    Suppressed,
    Failed,
    Expired,
    /// The provider may have accepted it, and nobody knows.
    Uncertain,
}

impl MessageState {
    pub const ALL: &[Self] = &[
        Self::Pending,
        Self::Claimed,
        Self::Sending,
        Self::Sent,
        Self::Suppressed,
        Self::Failed,
        Self::Expired,
        Self::Uncertain,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Sending => "sending",
            Self::Sent => "sent",
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
        !matches!(self, Self::Pending | Self::Claimed | Self::Sending)
    }
}
