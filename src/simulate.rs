//! What a history of events would send: the worker's core on a clock that jumps from instant to instant.
//!
//! Called by `declic simulate` and by rule tests. Sends nothing, and has no rules of its own. A [`Simulation`] keeps
//! everything in memory; `story` and `crowd` cut a long history into as many as it takes.

pub mod crowd;
pub mod difference;
mod journal;
mod outbox;
pub mod spill;
pub mod story;
pub mod tally;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

pub use journal::{Note, Noted};
use outbox::Outbox;

use crate::active::Active;
use crate::domain::decide::{self, Tick};
use crate::domain::event::Event;
use crate::domain::message::MessageState;
use crate::domain::promo;
use crate::domain::rules::timing::month_days_kept_on;
use crate::domain::rules::{Rule, Trigger};
use crate::domain::snapshot::{Snapshot, Verdicts};
use crate::domain::ticks::{Scope, next_tick};
use tally::Tally;

/// One message as it would be sent, or the reason why it would not. A stable interface (`--format json`). `at` is its
/// planned instant, or when it leaves after it was put off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Line {
    pub at: DateTime<Utc>,
    pub customer: String,
    pub rule: String,
    pub step: String,
    pub channel: &'static str,
    pub template: String,
    pub locale: Option<String>,
    pub to: Option<String>,
    pub status: &'static str,
    pub reason: Option<&'static str>,
    pub promo_code: Option<String>,
    pub subject: Option<String>,
    pub text: Option<String>,
    /// The words that go with `reason`, for people.
    #[serde(skip)]
    pub detail: Option<String>,
    /// The version of the template that a mail is made by: of a change to the HTML alone, only this tells.
    #[serde(skip)]
    pub version: Option<String>,
    /// What its entry came of: by that the same message is known under other rules.
    #[serde(skip)]
    pub occurrence: String,
}

impl Line {
    /// Whether somebody gets it.
    pub fn is_sent(&self) -> bool {
        self.status == MessageState::Sent.as_str()
    }
}

/// When a rule's next tick comes in a scope, and its local name.
type NextTick = (DateTime<Utc>, String, Scope, String);

/// A shop's customers and their timers at one instant of the simulation.
pub struct Simulation<'a> {
    active: &'a Active,
    now: DateTime<Utc>,
    customers: BTreeMap<String, Snapshot>,
    /// The events taken in, by customer, source and id.
    seen: HashSet<(String, String, String)>,
    /// Timers, soonest first. One that no longer holds finds nothing due.
    timers: BinaryHeap<Reverse<(DateTime<Utc>, String)>>,
    ticks: BinaryHeap<Reverse<NextTick>>,
    zones: BTreeSet<String>,
    /// Who may have an anniversary on a day, by attribute and `MM-DD`; under no day, dates that are written otherwise.
    /// Nobody is taken out: the core has the last word, and most have no birthday today.
    dates: BTreeMap<(&'a str, String), BTreeSet<String>>,
    outbox: Outbox<'a>,
    lines: Vec<Line>,
    tally: Tally,
    /// Kept only where it is asked for: that of a long history would fill the memory.
    journal: Option<Vec<Note>>,
}

impl<'a> Simulation<'a> {
    /// A simulation that begins at `start`: earlier anniversaries and ticks do not come.
    pub fn new(active: &'a Active, public_url: &'a str, start: DateTime<Utc>) -> Self {
        let mut simulation = Self {
            active,
            now: start,
            customers: BTreeMap::new(),
            seen: HashSet::new(),
            timers: BinaryHeap::new(),
            ticks: BinaryHeap::new(),
            zones: BTreeSet::new(),
            dates: BTreeMap::new(),
            outbox: Outbox::new(active, public_url),
            lines: Vec::new(),
            tally: Tally::default(),
            journal: None,
        };
        let everywhere: Vec<_> =
            simulation.scheduled().filter_map(|rule| Some((rule, Scope::of_rule(rule)?))).collect();
        for (rule, scope) in everywhere {
            simulation.await_tick(rule, scope, start);
        }
        simulation
    }

    /// This simulation, with a journal of what its rules do.
    pub fn with_journal(mut self) -> Self {
        self.journal = Some(Vec::new());
        self
    }

    /// Takes over what an event says of its customer, as known before the story begins: no rule hears of it.
    pub fn know(&mut self, event: &Event) {
        let id = event.subject.clone();
        let snapshot = snapshot_of(&mut self.customers, &id);
        let heard = decide::on_events(&self.active.book, snapshot, std::slice::from_ref(event), self.now);
        let known = Verdicts {
            profile: heard.profile,
            consents: heard.consents,
            erased: heard.erased,
            ..Verdicts::default()
        };
        self.apply(&id, &known);
        self.know_days_of(&id);
    }

    /// Takes over a customer as they are when the story begins.
    pub fn know_customer(&mut self, customer: Snapshot) {
        let id = customer.customer_id.clone();
        self.customers.insert(id.clone(), customer);
        self.know_days_of(&id);
    }

    /// Lets time pass until the event's, then takes it in. Events come in order of time; a late one is taken in late.
    pub fn event(&mut self, event: Event) {
        self.run_before(event.time);
        self.now = self.now.max(event.time);
        if !self.seen.insert((event.subject.clone(), event.source.clone(), event.id.clone())) {
            return;
        }
        let id = event.subject.clone();
        let snapshot = snapshot_of(&mut self.customers, &id);
        snapshot.remember(&event, self.now);
        let verdicts = decide::on_events(&self.active.book, snapshot, &[event], self.now);
        self.apply(&id, &verdicts);
        self.know_days_of(&id);
    }

    /// Lets time pass until `until`, that instant included.
    pub fn run_until(&mut self, until: DateTime<Utc>) {
        self.run_before(until + TimeDelta::microseconds(1));
        self.now = self.now.max(until);
    }

    /// Follows all that is under way to its end. Nothing comes by the calendar any more: a weekly offer would never end.
    pub fn finish(&mut self) {
        self.ticks.clear();
        // Each timer may set the next one.
        while let Some(last) = self.last_timer() {
            self.run_until(last);
        }
    }

    /// When the last of the timers and messages now waiting is due.
    fn last_timer(&self) -> Option<DateTime<Utc>> {
        let timers = self.timers.iter().map(|Reverse((due, _))| *due);
        timers.chain(self.outbox.last_due()).max()
    }

    /// All messages so far, in the order of the output.
    pub fn into_lines(mut self) -> (Vec<Line>, Tally) {
        self.lines.extend(self.outbox.into_lines());
        self.lines.sort();
        (self.lines, self.tally)
    }

    /// All messages, and the journal in the order in which things were decided: empty where none was asked for.
    pub fn into_journal(mut self) -> (Vec<Line>, Vec<Note>) {
        let journal = self.journal.take().unwrap_or_default();
        (self.into_lines().0, journal)
    }

    fn run_before(&mut self, limit: DateTime<Utc>) {
        loop {
            let timer = self.timers.peek().map(|Reverse((due, _))| *due);
            let tick = self.ticks.peek().map(|Reverse((due, ..))| *due);
            let due = self.outbox.next_due();
            let first = timer.into_iter().chain(tick).chain(due).min();
            let Some(next) = first.filter(|next| *next < limit) else { return };
            self.now = self.now.max(next);
            // Messages last, so that all that are due at one instant are there to compete for a cap.
            if tick == Some(next) {
                self.pop_tick();
            } else if timer != Some(next) {
                let line = self.outbox.hand_over(&self.customers, self.now);
                self.lines.extend(line);
            } else if let Some(Reverse((_, id))) = self.timers.pop() {
                let Some(snapshot) = self.customers.get(&id) else { continue };
                let verdicts = decide::on_timer(&self.active.book, snapshot, self.now);
                self.apply(&id, &verdicts);
            }
        }
    }

    fn pop_tick(&mut self) {
        let Some(Reverse((planned, name, scope, local))) = self.ticks.pop() else { return };
        let Some(rule) = self.active.book.active.rules.get(&name) else { return };
        let tick = Tick { rule: name, local, planned };
        let mut concerned = self.concerned(rule, &tick);
        concerned.retain(|id| scope.covers(&self.customers[id].profile));
        for id in concerned {
            let verdicts = decide::on_tick(&self.active.book, &self.customers[&id], &tick, self.now);
            self.apply(&id, &verdicts);
        }
        self.await_tick(rule, scope, self.now);
    }

    /// Whom a tick may be for.
    fn concerned(&self, rule: &'a Rule, tick: &Tick) -> BTreeSet<String> {
        let Trigger::Anniversary { attribute, leap_day, .. } = &rule.trigger else {
            return self.customers.keys().cloned().collect();
        };
        let mut days =
            tick.local.parse().map_or_else(|_| Vec::new(), |date| month_days_kept_on(date, *leap_day));
        days.push(String::new());
        let known = days.into_iter().filter_map(|day| self.dates.get(&(attribute.as_str(), day)));
        known.flatten().cloned().collect()
    }

    fn scheduled(&self) -> impl Iterator<Item = &'a Rule> + use<'a> {
        let active = self.active;
        active.book.active.rules.values().map(AsRef::as_ref).filter(|r| {
            r.enabled && matches!(r.trigger, Trigger::Anniversary { .. } | Trigger::Schedule { .. })
        })
    }

    fn await_tick(&mut self, rule: &Rule, scope: Scope, after: DateTime<Utc>) {
        let policy = &self.active.book.active.policy;
        if let Some((local, at)) = next_tick(rule, &scope, policy, after) {
            self.ticks.push(Reverse((at, rule.name.clone(), scope, local)));
        }
    }

    /// Takes note of the days that are a customer's own. The first customer of a zone starts its ticks.
    fn know_days_of(&mut self, id: &str) {
        let Some(customer) = self.customers.get(id) else { return };
        for rule in self.active.book.active.rules.values() {
            let Trigger::Anniversary { attribute, .. } = &rule.trigger else { continue };
            for version in customer.profile.attributes.get(attribute).into_iter().flatten() {
                let Some(date) = version.value.as_str() else { continue };
                let whom = self.dates.entry((attribute, month_day(date).to_owned())).or_default();
                if !whom.contains(id) {
                    whom.insert(id.to_owned());
                }
            }
        }
        let scope = Scope::of_customer(&customer.profile);
        if !self.zones.insert(scope.zone().to_owned()) {
            return;
        }
        let local: Vec<_> = self.scheduled().filter(|rule| Scope::of_rule(rule).is_none()).collect();
        for rule in local {
            // A tick of this very instant is for this customer as it would be for the second of the zone.
            self.await_tick(rule, scope.clone(), self.now - TimeDelta::microseconds(1));
        }
    }

    fn apply(&mut self, id: &str, verdicts: &Verdicts) {
        let Some(snapshot) = self.customers.get_mut(id) else { return };
        for entry in journal::begun(snapshot, verdicts, self.now) {
            *self.tally.begun.entry(entry.rule.clone()).or_default() += 1;
        }
        if let Some(journal) = &mut self.journal {
            journal.extend(journal::notes(snapshot, verdicts, self.now));
        }
        snapshot.evolve(verdicts);
        if let Some(due) = snapshot.next_due() {
            self.timers.push(Reverse((due.max(self.now), id.to_owned())));
        }
        for skip in &verdicts.skipped {
            *self.tally.skipped.entry((skip.rule.clone(), skip.reason)).or_default() += 1;
        }
        for message in &verdicts.messages {
            self.lines.extend(self.outbox.put(message));
        }
    }
}

fn snapshot_of<'c>(customers: &'c mut BTreeMap<String, Snapshot>, id: &str) -> &'c mut Snapshot {
    let new = || Snapshot { customer_id: id.to_owned(), ..Snapshot::default() };
    customers.entry(id.to_owned()).or_insert_with(new)
}

/// The `MM-DD` of a plain `YYYY-MM-DD`; nothing of a date that is written otherwise, which is for the core to read.
fn month_day(date: &str) -> &str {
    let plain =
        date.len() == 10 && date.is_ascii() && date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-';
    if plain { &date[5..] } else { "" }
}

/// The secret of a simulation when none is given: its promo codes are of the right shape and are nobody's.
pub fn stand_in_secret() -> Vec<u8> {
    promo::keyed_hash(b"declic", "simulation", &[], 0).to_vec()
}
