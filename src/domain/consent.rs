//! Consent: a customer's word per channel and purpose, an append-only ledger.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a message reaches a customer. Consent is given for each channel on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }
}

/// What the customer said. Declared in rising strictness: on equal times the strictest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentStatus {
    Granted,
    /// Asked for and not yet confirmed (double opt-in).
    Pending,
    Denied,
    Withdrawn,
}

impl ConsentStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Pending => "pending",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentFact {
    pub channel: Channel,
    pub purpose: String,
    pub status: ConsentStatus,
    /// The time of the event that carried it.
    pub at: DateTime<Utc>,
    /// The `source` and `id` of that event.
    pub event_source: String,
    pub event_id: String,
    /// The proof that came with it (form, wording version, IP, user agent), as it was given.
    #[serde(default)]
    pub proof: serde_json::Map<String, serde_json::Value>,
}

impl ConsentFact {
    /// Whether both are the same word of the same event, whatever is known of its proof.
    pub fn is_same(&self, other: &Self) -> bool {
        self.event_id == other.event_id
            && self.event_source == other.event_source
            && self.channel == other.channel
            && self.purpose == other.purpose
    }
}

/// All of a customer's consent facts, in any order: every answer is a maximum over them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger(pub Vec<ConsentFact>);

impl Ledger {
    /// The ledger of somebody of whom all is forgotten that happened until `until`: their agreement is, too, but not what
    /// they have refused.
    pub fn after_forgetting(mut self, until: Option<DateTime<Utc>>) -> Self {
        if let Some(until) = until {
            self.0.retain(|fact| fact.at > until || fact.status > ConsentStatus::Pending);
        }
        self
    }

    /// The word that held at `at`: the newest by event time, the strictest on a tie.
    pub fn at(&self, channel: Channel, purpose: &str, at: DateTime<Utc>) -> Option<&ConsentFact> {
        self.0
            .iter()
            .filter(|f| f.channel == channel && f.purpose == purpose && f.at <= at)
            .max_by_key(|f| (f.at, f.status))
    }

    /// The newest word known.
    pub fn latest(&self, channel: Channel, purpose: &str) -> Option<&ConsentFact> {
        self.at(channel, purpose, DateTime::<Utc>::MAX_UTC)
    }

    /// The first instant in (`after`, `until`] from which a grant holds.
    pub fn first_grant(
        &self,
        channel: Channel,
        purpose: &str,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let mut instants: Vec<_> = self
            .0
            .iter()
            .filter(|f| f.channel == channel && f.purpose == purpose && f.at > after && f.at <= until)
            .map(|f| f.at)
            .collect();
        instants.sort_unstable();
        instants
            .into_iter()
            .find(|at| self.at(channel, purpose, *at).is_some_and(|f| f.status == ConsentStatus::Granted))
    }
}
