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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-23T{time}Z").parse().unwrap()
    }

    fn events(count: u64) -> Batch {
        let mut batch = Batch::default();
        batch.events("new", count);
        batch
    }

    /// What is taken, but for the start.
    fn told(figures: &[Figure]) -> Vec<String> {
        figures.iter().filter(|f| f.kind != Kind::Started).map(ToString::to_string).collect()
    }

    #[test]
    fn what_happens_is_counted_in_the_slot_of_the_clock() {
        let clock = Clock::manual(at("10:04:59"));
        let mut tally = Tally::new();
        tally.count(events(100));
        assert_eq!(tally.take(), [], "nobody has begun, and nothing grows");
        tally.begin(clock.clone());
        tally.count(events(2));
        clock.set(at("10:05:00"));
        tally.count(events(3));
        let mut batch = events(4);
        batch.begun("cart");
        batch.skipped("cart", Reason::NotInForce);
        batch.skipped("cart", Reason::NotInForce);
        batch.code("cart");
        tally.count(batch);
        let figures = tally.take();
        let started = concat!("2026-11-23T10:00Z started //", env!("CARGO_PKG_VERSION"), " 1");
        assert!(figures.iter().any(|figure| figure.to_string() == started), "{figures:?}");
        assert_eq!(
            told(&figures),
            [
                "2026-11-23T10:00Z events //new 2",
                "2026-11-23T10:05Z events //new 7",
                "2026-11-23T10:05Z entries cart//begun 1",
                "2026-11-23T10:05Z entries cart//not_in_force 2",
                "2026-11-23T10:05Z codes cart//issued 1",
            ]
        );
        assert_eq!(tally.take(), []);
    }

    #[test]
    fn what_could_not_be_written_comes_first_and_once() {
        let mut tally = Tally::new();
        tally.begin(Clock::manual(at("10:00:00")));
        tally.count(events(1));
        let figures = tally.take();
        tally.count(events(2));
        tally.kept.extend(figures.clone());
        tally.count(events(3));
        assert_eq!(tally.take(), figures);
        assert_eq!(told(&tally.take()), ["2026-11-23T10:00Z events //new 5"]);
        assert_eq!(tally.take(), []);
    }

    #[test]
    fn what_is_wrong_counts_by_the_second_for_as_long_as_it_lasts() {
        let clock = Clock::manual(at("10:04:58"));
        let mut tally = Tally::new();
        // Told before the worker begins: rules may be wrong from the start.
        tally.note(Trouble::Rules, true);
        tally.begin(clock.clone());
        for second in 58..63 {
            clock.set(at("10:04:00") + chrono::TimeDelta::seconds(second));
            if second == 60 {
                tally.note(Trouble::Rules, false);
                tally.note(Trouble::Broker, true);
                tally.note(Trouble::Broker, true);
            }
            tally.second();
        }
        let figures = tally.take();
        assert_eq!(
            told(&figures),
            ["2026-11-23T10:00Z trouble //rules 2", "2026-11-23T10:05Z trouble //broker 3"]
        );
        tally.note(Trouble::Broker, false);
        tally.second();
        assert_eq!(tally.take(), []);
    }
}
