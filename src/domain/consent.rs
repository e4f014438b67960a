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
    pub const ALL: &[Self] = &[Self::Email, Self::Sms];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|channel| channel.as_str() == text)
    }

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

/// What the proof says where a grant was confirmed by a link in a message of ours, or by a shop that has done the same: the
/// word that a purpose with double opt-in asks for.
pub const CONFIRMED: (&str, &str) = ("source", "confirmation-link");

/// The source of the events that such links make: what the shop hears of them, and may tell again after a restore.
pub const CONFIRMATION: &str = "/declic/confirmation";

/// Where the proof says that the grant was given behind a link in a message to the very address it is about: a confirmation,
/// too.
pub const BY_LINK: &str = "by_link";

/// Where an event says when the words were shown that the customer agreed to, in RFC 3339.
pub const SHOWN_AT: &str = "shown_at";

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
    /// When the words were shown that the customer agreed to, where that is known: a refusal that came between them and
    /// the grant stands, in whatever order the two become known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_at: Option<DateTime<Utc>>,
    /// What the event said, where the policy reads it as something else: a grant that nothing confirms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<ConsentStatus>,
    /// The proof that came with it (form, wording version, IP, user agent), as it was given.
    #[serde(default)]
    pub proof: serde_json::Map<String, serde_json::Value>,
}

impl ConsentFact {
    /// The fact as the policy lets it be read: a grant of a purpose with double opt-in that nothing confirms is pending,
    /// and says what it was. Asked when it comes, with its proof.
    pub fn read(mut self, double_opt_in: bool) -> Self {
        let (field, word) = CONFIRMED;
        let source = self.proof.get(field).and_then(|source| source.as_str());
        let by_link = self.proof.get(BY_LINK).and_then(|by_link| by_link.as_bool()) == Some(true);
        let confirmed = by_link || source.is_some_and(|source| source == word || source == CONFIRMATION);
        if double_opt_in && self.status == ConsentStatus::Granted && !confirmed {
            self.said = Some(self.status);
            self.status = ConsentStatus::Pending;
        }
        self
    }

    /// Whether it is a grant that was read as pending. One who has confirmed and is only told of again (a profile that the
    /// shop sends anew, a second sign-up) stays confirmed.
    fn repeats(&self) -> bool {
        self.status == ConsentStatus::Pending && self.said == Some(ConsentStatus::Granted)
    }

    /// The instant from which it outdoes a refusal: of a grant, when its words were shown.
    fn weighs_from(&self) -> DateTime<Utc> {
        let shown = self.shown_at.filter(|_| self.status == ConsentStatus::Granted);
        shown.map_or(self.at, |shown| shown.min(self.at))
    }

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

    /// The word that held at `at`: the newest by event time, the strictest on a tie. A grant counts from when its words
    /// were shown, and is not undone by one that only repeats it.
    pub fn at(&self, channel: Channel, purpose: &str, at: DateTime<Utc>) -> Option<&ConsentFact> {
        let about = || self.0.iter().filter(|f| f.channel == channel && f.purpose == purpose && f.at <= at);
        let pending = |f: &&ConsentFact| f.status == ConsentStatus::Pending;
        let decided = about().filter(|f| !pending(f)).max_by_key(|f| (f.weighs_from(), f.status, f.at));
        let asked = about().filter(pending).max_by_key(|f| f.at);
        let (Some(decided), Some(asked)) = (decided, asked) else { return decided.or(asked) };
        let decided_holds = if decided.status == ConsentStatus::Granted {
            about().filter(pending).filter(|f| !f.repeats()).all(|meant| meant.at < decided.at)
        } else {
            decided.at >= asked.at
        };
        Some(if decided_holds { decided } else { asked })
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

#[cfg(test)]
mod tests;
