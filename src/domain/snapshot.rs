//! All that one decision may see of one customer, and what a decision changes of it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::consent::{Channel, ConsentFact, Ledger};
use super::customer::Profile;
use super::event::Event;
use super::memory::{Entry, EntryStatus, Exit};
use super::message::Message;
use super::rules::condition::{Judged, Scope, Truth};
use super::rules::{Condition, Discount};
use super::trace::Trace;
use super::verdict::Reason;

/// One customer as the core sees them. The shell loads exactly what [`super::rules::book::Book::needs`] asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    pub customer_id: String,
    pub profile: Profile,
    pub consents: Ledger,
    /// The channels on which the customer's present address is never to be written to again.
    pub suppressed: BTreeSet<Channel>,
    /// The customer has been erased: nothing may begin, unless they sign up again.
    pub erased: bool,
    /// Nothing that happened until then is known any more, or to be taken in.
    pub forgotten_until: Option<DateTime<Utc>>,
    /// Entries that have not ended, and all those of the rules concerned.
    pub entries: Vec<Entry>,
    /// The past events that the rules concerned may look at, in any order; none from the time that is forgotten.
    pub history: Vec<Fact>,
}

/// An event and when it reached us: what was known too late to begin is judged by the latter.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    pub event: Event,
    pub received_at: DateTime<Utc>,
}

/// What one decision changes. Applying it twice is the same as once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdicts {
    /// The whole profile, when it changed.
    pub profile: Option<Profile>,
    pub consents: Vec<ConsentFact>,
    /// Entries that are new or changed.
    pub entries: Vec<Entry>,
    /// Occurrences (rule, occurrence) that a late fact has made void.
    pub dropped: Vec<(String, String)>,
    pub messages: Vec<Message>,
    pub promo_codes: Vec<PromoCode>,
    /// What was considered and not begun, for metrics and explanations.
    pub skipped: Vec<Skip>,
    /// Which way each `if` step went, for explanations.
    pub turns: Vec<Turn>,
    /// The customer is erased, with all that happened until then; whatever else is in here came after it.
    pub erased: Option<DateTime<Utc>>,
    /// When the customer signed up, if that is among the news.
    pub signed_up: Option<DateTime<Utc>>,
}

impl Verdicts {
    /// The trace of the entry that a code was made for.
    pub fn trace_of(&self, code: &PromoCode) -> Option<Trace> {
        let is_of = |entry: &&Entry| entry.rule == code.rule && entry.occurrence == code.occurrence;
        self.entries.iter().find(is_of)?.trace
    }
}

/// A rule that an event might have started, or a step that might have chosen, and why it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    pub rule: String,
    pub occurrence: String,
    /// The `if` step that ran neither branch; none where the rule was not begun.
    pub step: Option<String>,
    pub reason: Reason,
    pub detail: Option<String>,
}

/// The way that an `if` step went: `then`, or else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub rule: String,
    pub step: String,
    pub then: bool,
}

/// A code given to one customer by one step of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoCode {
    pub code: String,
    pub customer_id: String,
    pub rule: String,
    pub occurrence: String,
    pub step: String,
    pub discount: Discount,
    pub valid_from: DateTime<Utc>,
    pub valid_until: DateTime<Utc>,
}

impl PromoCode {
    /// What a code belongs to, for ever: customer, rule, occurrence, step.
    pub fn owner(&self) -> (&str, &str, &str, &str) {
        (&self.customer_id, &self.rule, &self.occurrence, &self.step)
    }

    /// What a template and the shop are told about the code.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "code": self.code,
            "discount": self.discount,
            "valid_from": self.valid_from,
            "valid_until": self.valid_until,
        })
    }
}

/// What the parts of one decision look at: a snapshot, together with what the events at hand say. Borrowed, because
/// most events change little and a customer's past is long.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    pub customer_id: &'a str,
    pub profile: &'a Profile,
    pub consents: &'a Ledger,
    pub suppressed: &'a BTreeSet<Channel>,
    pub erased: bool,
    pub entries: Vec<&'a Entry>,
    pub history: &'a [Fact],
}

impl<'a> From<&'a Snapshot> for Seen<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self {
            customer_id: &snapshot.customer_id,
            profile: &snapshot.profile,
            consents: &snapshot.consents,
            suppressed: &snapshot.suppressed,
            erased: snapshot.erased,
            entries: snapshot.entries.iter().collect(),
            history: &snapshot.history,
        }
    }
}

impl Seen<'_> {
    /// The customer's attributes at an instant, with their id, as conditions see them.
    pub fn customer_as_of(&self, at: DateTime<Utc>) -> Map<String, Value> {
        let mut customer = self.profile.as_of(at);
        customer.insert("id".to_owned(), self.customer_id.into());
        customer
    }

    /// Judges a condition by what was known of the customer at `at`. `about` describes the entry, and is asked only
    /// when the condition is about that.
    pub fn judge(
        &self,
        condition: &Condition,
        event: Option<&Event>,
        about: impl FnOnce() -> Value,
        at: DateTime<Utc>,
    ) -> Truth {
        self.within_scope(condition, event, about, at, |scope| condition.eval(scope))
    }

    /// The same with what it read and which part decided.
    pub fn explain(
        &self,
        condition: &Condition,
        event: Option<&Event>,
        about: impl FnOnce() -> Value,
        at: DateTime<Utc>,
    ) -> Judged {
        self.within_scope(condition, event, about, at, |scope| condition.explain(scope))
    }

    fn within_scope<T>(
        &self,
        condition: &Condition,
        event: Option<&Event>,
        about: impl FnOnce() -> Value,
        at: DateTime<Utc>,
        ask: impl FnOnce(&Scope<'_>) -> T,
    ) -> T {
        let customer = if condition.names("customer") { self.customer_as_of(at) } else { Map::new() };
        let entry = if condition.names("entry") { about() } else { Value::Null };
        ask(&Scope::new(event, &customer, &entry, at))
    }
}

impl Snapshot {
    /// The next memory: this one with the verdicts applied.
    pub fn evolve(&mut self, verdicts: &Verdicts) {
        if let Some(until) = verdicts.erased {
            *self = self.forgotten(until);
        }
        if let Some(profile) = &verdicts.profile {
            self.profile = profile.clone();
            self.erased &= profile.attributes.is_empty();
        }
        self.consents.0.extend(verdicts.consents.iter().cloned());
        self.entries
            .retain(|e| !verdicts.dropped.iter().any(|(rule, occ)| e.rule == *rule && e.occurrence == *occ));
        for entry in &verdicts.entries {
            match self.entries.iter_mut().find(|e| e.rule == entry.rule && e.occurrence == entry.occurrence) {
                Some(known) => *known = entry.clone(),
                None => self.entries.push(entry.clone()),
            }
        }
    }

    /// The customer once all that happened until `until` is forgotten: everything there was.
    pub fn forgotten(&self, until: DateTime<Utc>) -> Self {
        let forgotten_until = self.forgotten_until.max(Some(until));
        let mut history = self.history.clone();
        history.retain(|fact| fact.event.time > until);
        let customer_id = self.customer_id.clone();
        let consents = self.consents.clone().after_forgetting(Some(until));
        Self { customer_id, consents, erased: true, forgotten_until, history, ..Self::default() }
    }

    /// Adds an event to the past, unless it belongs to what is forgotten.
    pub fn remember(&mut self, event: &Event, received_at: DateTime<Utc>) {
        if self.remembers(event) {
            self.history.push(Fact { event: event.clone(), received_at });
        }
    }

    /// Whether an event is about what may still be known of the customer.
    pub fn remembers(&self, event: &Event) -> bool {
        self.forgotten_until.is_none_or(|until| event.time > until)
    }

    /// The exit of the entry that a message belongs to.
    pub fn exit_of(&self, message: &Message) -> Option<&Exit> {
        let entry =
            self.entries.iter().find(|e| e.rule == message.rule && e.occurrence == message.occurrence);
        entry?.exit.as_ref()
    }

    /// When the customer's next timer is due.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.entries.iter().filter(|e| e.status != EntryStatus::Ended).filter_map(|e| e.due_at).min()
    }
}
