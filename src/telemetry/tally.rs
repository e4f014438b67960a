//! What is counted for looking back at, beside the metrics: figures in slots of five minutes of the worker's clock, which
//! `app::figures` takes every few seconds and adds to the database.
//!
//! It is for looking: a worker that crashes loses what was not taken, and what an operator does by hand (cancel, retry, erase)
//! is in the audit log instead. The tables are the truth. Until a worker has begun, nothing is counted: the commands that use
//! the same code leave no figures.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::domain::figures::{Figure, Kind, Trouble, slot};
use crate::domain::message::Message;
use crate::domain::verdict::Reason;

/// What happened, as it is counted: in words of closed lists, which cost no memory of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct What {
    kind: Kind,
    channel: &'static str,
    word: &'static str,
    /// Why; empty where there is no reason.
    reason: &'static str,
}

impl What {
    fn text(&self) -> String {
        match self.reason {
            "" => self.word.to_owned(),
            reason => format!("{}:{reason}", self.word),
        }
    }
}

/// Counted together, to be added at once: a batch takes the lock once.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "what is counted must be added"]
pub struct Batch(BTreeMap<String, BTreeMap<What, i64>>);

impl Batch {
    /// An entry has begun.
    pub(super) fn begun(&mut self, rule: &str) {
        self.add(rule, What { kind: Kind::Entries, channel: "", word: "begun", reason: "" });
    }

    /// An entry was not begun.
    pub(super) fn skipped(&mut self, rule: &str, reason: Reason) {
        self.add(rule, What { kind: Kind::Entries, channel: "", word: reason.as_str(), reason: "" });
    }

    /// A message is in this state now.
    pub(super) fn message(&mut self, message: &Message) {
        let reason = message.reason.map_or("", Reason::as_str);
        let (channel, word) = (message.channel.as_str(), message.state.as_str());
        self.add(&message.rule, What { kind: Kind::Messages, channel, word, reason });
    }

    /// A promo code was issued.
    pub(super) fn code(&mut self, rule: &str) {
        self.add(rule, What { kind: Kind::Codes, channel: "", word: "issued", reason: "" });
    }

    /// So many events came in.
    pub(super) fn events(&mut self, word: &'static str, count: u64) {
        let what = What { kind: Kind::Events, channel: "", word, reason: "" };
        self.add_many("", what, i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn add(&mut self, rule: &str, what: What) {
        self.add_many(rule, what, 1);
    }

    fn add_many(&mut self, rule: &str, what: What, count: i64) {
        // Rules are few and known already: no name is copied but the first time.
        match self.0.get_mut(rule) {
            Some(counts) => *counts.entry(what).or_default() += count,
            None => _ = self.0.insert(rule.to_owned(), BTreeMap::from([(what, count)])),
        }
    }

    fn add_all(&mut self, more: Self) {
        for (rule, counts) in more.0 {
            counts.into_iter().for_each(|(what, count)| self.add_many(&rule, what, count));
        }
    }
}

/// All that is counted in this process and not yet taken.
#[derive(Debug)]
struct Tally {
    /// The worker's, once it has begun.
    clock: Option<Clock>,
    slots: BTreeMap<DateTime<Utc>, Batch>,
    /// Taken, and not written.
    kept: Vec<Figure>,
    /// What is wrong at present.
    troubles: BTreeSet<Trouble>,
}

impl Tally {
    const fn new() -> Self {
        Self { clock: None, slots: BTreeMap::new(), kept: Vec::new(), troubles: BTreeSet::new() }
    }

    fn begin(&mut self, clock: Clock) {
        self.clock = Some(clock);
        let version = What { kind: Kind::Started, channel: "", word: env!("CARGO_PKG_VERSION"), reason: "" };
        if let Some(now) = self.now() {
            now.add("", version);
        }
    }

    /// What is counted in the present slot.
    fn now(&mut self) -> Option<&mut Batch> {
        let now = self.clock.as_ref()?.now();
        Some(self.slots.entry(slot(now)).or_default())
    }

    fn count(&mut self, batch: Batch) {
        if let Some(now) = self.now() {
            now.add_all(batch);
        }
    }

    fn note(&mut self, trouble: Trouble, lasts: bool) {
        if lasts {
            self.troubles.insert(trouble);
        } else {
            self.troubles.remove(&trouble);
        }
    }

    fn second(&mut self) {
        let troubles = self.troubles.clone();
        let Some(now) = self.now().filter(|_| !troubles.is_empty()) else { return };
        for trouble in troubles {
            now.add("", What { kind: Kind::Trouble, channel: "", word: trouble.as_str(), reason: "" });
        }
    }

    fn take(&mut self) -> Vec<Figure> {
        if !self.kept.is_empty() {
            return mem::take(&mut self.kept);
        }
        let figures = mem::take(&mut self.slots).into_iter().flat_map(|(slot, Batch(rules))| {
            rules.into_iter().flat_map(move |(rule, counts)| {
                counts.into_iter().map(move |(what, count)| Figure {
                    slot,
                    kind: what.kind,
                    rule: rule.clone(),
                    channel: what.channel.to_owned(),
                    what: what.text(),
                    count,
                })
            })
        });
        figures.collect()
    }
}

static TALLY: Mutex<Tally> = Mutex::new(Tally::new());

/// Counts are right whatever happened to whoever held the lock.
fn tally() -> MutexGuard<'static, Tally> {
    TALLY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker begins, and counts from now on, in the slots of its clock.
pub fn begin(clock: Clock) {
    tally().begin(clock);
}

/// Adds what has happened.
pub fn count(batch: Batch) {
    if !batch.0.is_empty() {
        tally().count(batch);
    }
}

/// Something is wrong from now on, or no longer.
pub fn note(trouble: Trouble, lasts: bool) {
    tally().note(trouble, lasts);
}

/// A second has passed, which counts for whatever is wrong.
pub fn second() {
    tally().second();
}

/// What was counted since it was taken last, or what was taken then and kept; empty when there is nothing more.
pub fn take() -> Vec<Figure> {
    tally().take()
}

/// Keeps what was taken and could not be written, for the next time. What is counted meanwhile is summed up beside it, so a
/// database that is away for long costs little.
pub fn keep(figures: Vec<Figure>) {
    tally().kept.extend(figures);
}
