//! Why a customer was written to, or was not: what is recorded of them, made into a story of typed items.
//!
//! There is no second engine. What began nothing is folded again, an entry's steps are walked again, and what waits is
//! asked of the gate again, by the functions that the worker calls. What is recorded stands: where the core would say
//! otherwise by what is known today, the item says so. Holds no words (see [`tell`]). Called by `declic explain`.

mod entries;
mod events;
mod messages;
mod standing;
pub mod story;
pub mod tell;
mod words;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::consent::{ConsentFact, Ledger};
use super::decide::Tick;
use super::event::Event;
use super::memory::Entry;
use super::message::Message;
use super::rules::book::{Book, DELETED};
use super::snapshot::{Fact, Seen, Snapshot};
use story::{Customer, Item, What};
pub use words::Language;

/// All that is recorded of one customer.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// With all entries and all events at hand, these in the order of their stamps.
    pub snapshot: Snapshot,
    /// What is left of events from the time that is forgotten, in the order of their stamps.
    pub forgotten: Vec<Fact>,
    pub messages: Vec<Message>,
    /// The ticks that have come where the customer lives, of the rule that is asked about; those that were missed for
    /// longer than the policy catches up are marked as expired.
    pub ticks: Vec<(Tick, bool)>,
    /// Since when each active rule has had the meaning that it has, as far as that is known.
    pub rules_since: BTreeMap<String, DateTime<Utc>>,
}

/// What the story is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Only this rule, and what it waits for.
    pub rule: Option<&'a str>,
    /// Only the message of this id, and what it came from.
    pub message: Option<&'a str>,
}

/// What the parts of a story are made from.
struct Teller<'a> {
    book: &'a Book,
    record: &'a Record,
    seen: Seen<'a>,
    now: DateTime<Utc>,
}

/// Tells the story, the newest first, after what is known of the customer. `book` holds the versions that entries are
/// pinned to, as far as they are kept.
pub fn explain(book: &Book, record: &Record, asked: Asked<'_>, now: DateTime<Utc>) -> Vec<Item> {
    let teller = Teller { book, record, seen: Seen::from(&record.snapshot), now };
    let mut items: Vec<Item> = teller.events();
    items.extend(teller.consents_of_no_event());
    items.extend(record.snapshot.entries.iter().map(|entry| teller.entry(entry)));
    items.extend(record.messages.iter().map(|message| teller.message(message)));
    items.extend(record.ticks.iter().filter_map(|(tick, expired)| teller.tick(tick, *expired)));
    let message = asked.message.and_then(|id| record.messages.iter().find(|message| message.id == id));
    items.retain_mut(|item| match (message, asked.rule) {
        (Some(message), _) => item.what.is_of_message(message),
        (None, Some(rule)) => item.what.is_of_rule(rule),
        (None, None) => true,
    });
    items.sort_by_key(|item| Reverse((item.at, item.what.rank())));
    let standing = asked.rule.filter(|_| message.is_none()).map(|rule| teller.standing(rule));
    let head = [Item { at: now, what: What::Customer(teller.customer()) }].into_iter().chain(standing);
    head.chain(items).collect()
}

impl<'a> Teller<'a> {
    fn customer(&self) -> Customer {
        let Snapshot { customer_id, profile, consents, suppressed, erased, .. } = &self.record.snapshot;
        Customer {
            id: customer_id.clone(),
            erased: *erased,
            timezone: super::steps::zone_of(profile.get("timezone"), &self.book.active.policy).name(),
            profile: profile.current(),
            consents: latest(consents),
            suppressed: suppressed.iter().copied().collect(),
        }
    }

    /// The customer's facts, in the order of their stamps.
    fn facts(&self) -> &'a [Fact] {
        &self.record.snapshot.history
    }

    /// Those too of which only type and time are left.
    fn all_facts(&self) -> impl Iterator<Item = &'a Fact> {
        self.record.forgotten.iter().chain(self.facts())
    }

    fn entry_of(&self, rule: &str, occurrence: &str) -> Option<&'a Entry> {
        self.record.snapshot.entries.iter().find(|e| e.rule == rule && e.occurrence == occurrence)
    }

    fn event_of(&self, fact: &ConsentFact) -> Option<&'a Event> {
        let mut events = self.all_facts().map(|known| &known.event);
        events.find(|event| event.source == fact.event_source && event.id == fact.event_id)
    }

    /// Until when all that came in was forgotten; none where nothing was.
    fn forgotten_until(&self) -> Option<DateTime<Utc>> {
        let erasures = self.all_facts().filter(|fact| fact.event.kind == DELETED);
        erasures.map(|fact| fact.received_at).max()
    }

    /// Consents whose event is no longer at hand.
    fn consents_of_no_event(&self) -> impl Iterator<Item = Item> {
        let facts = self.record.snapshot.consents.0.iter().filter(|fact| self.event_of(fact).is_none());
        facts.map(|fact| Item { at: fact.at, what: What::Consent(fact.clone()) })
    }
}

/// The word that holds for each channel and purpose.
fn latest(ledger: &Ledger) -> Vec<ConsentFact> {
    let mut about: Vec<_> = ledger.0.iter().map(|fact| (fact.channel, fact.purpose.as_str())).collect();
    about.sort_unstable();
    about.dedup();
    about.iter().filter_map(|(channel, purpose)| ledger.latest(*channel, purpose).cloned()).collect()
}
