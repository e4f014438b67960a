//! The active rules, every older version that an entry is still pinned to, and an index by event type.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::restore::Fence;
use super::super::snapshot::Seen;
use super::{OnChange, Op, ReEntry, Rule, RuleSet, Trigger, Wait};

/// Profile-changing event types that are built in.
pub const SIGNED_UP: &str = "customer.signed_up";
pub const UPDATED: &str = "customer.updated";
pub const DELETED: &str = "customer.deleted";
pub const CONSENT_CHANGED: &str = "consent.changed";

/// Everything about rules that a decision may look at.
#[derive(Debug, Clone)]
pub struct Book {
    pub active: RuleSet,
    /// Seeds what would elsewhere be random: promo codes.
    pub secret: Vec<u8>,
    /// What may have gone out before the database was restored.
    pub fences: Vec<Fence>,
    /// Since when each rule has been in force without a break; a rule that is not here, always.
    in_force: BTreeMap<String, DateTime<Utc>>,
    /// Versions no longer active, by (rule, version).
    pinned: BTreeMap<(String, String), Arc<Rule>>,
    /// Names of the rules to fold anew, by the type of the event that came.
    touched_by: BTreeMap<String, BTreeSet<String>>,
    /// Names of the rules that an event of a type can begin.
    begun_by: BTreeMap<String, BTreeSet<String>>,
}

/// Clocks that differ by more are not out of step, but wrong: what they say is no reason to date anything.
const LARGEST_CLOCK_ERROR: TimeDelta = TimeDelta::hours(1);

/// The facts that the shell must load before a decision about some events can be taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Rules whose entries, ended ones too, are looked at.
    pub rules: BTreeSet<String>,
    /// Event types whose past is looked at.
    pub kinds: BTreeSet<String>,
    /// How far back.
    pub since: Option<DateTime<Utc>>,
}

impl Book {
    pub fn new(active: RuleSet, pinned: impl IntoIterator<Item = Arc<Rule>>, secret: Vec<u8>) -> Self {
        let mut touched_by: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut begun_by: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for rule in active.rules.values() {
            if let Trigger::Event { kind, .. } | Trigger::Absent { kind, .. } = &rule.trigger {
                begun_by.entry(kind.clone()).or_default().insert(rule.name.clone());
            }
            for kind in kinds_that_touch(rule) {
                touched_by.entry(kind).or_default().insert(rule.name.clone());
            }
        }
        let mut book = Self {
            active,
            secret,
            fences: Vec::new(),
            in_force: BTreeMap::new(),
            pinned: BTreeMap::new(),
            touched_by,
            begun_by,
        };
        pinned.into_iter().for_each(|rule| book.pin(rule));
        book
    }

    /// This book, with the instants from which its rules are in force.
    pub fn in_force_since(mut self, since: BTreeMap<String, DateTime<Utc>>) -> Self {
        self.in_force = since;
        self
    }

    /// This book, with what its database has forgotten.
    pub fn fenced(mut self, fences: Vec<Fence>) -> Self {
        self.fences = fences;
        self
    }

    /// Whether what we knew at `known_at`, and what would have started at `start`, was before the rule was in force.
    pub fn came_before(&self, rule: &str, known_at: DateTime<Utc>, start: DateTime<Utc>) -> bool {
        self.in_force.get(rule).is_some_and(|since| known_at < *since && start < *since)
    }

    /// When what is taken in at `now` counts as known: no sooner than these rules came into force, for they are there to
    /// hear of it, even where the clock of the worker that put them in force ran ahead of ours.
    pub fn known_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let ahead = self.in_force.values().filter(|since| **since - now <= LARGEST_CLOCK_ERROR);
        ahead.copied().chain([now]).max().unwrap_or(now)
    }

    /// The rule in exactly this version, active or not.
    pub fn version(&self, rule: &str, version: &str) -> Option<&Arc<Rule>> {
        self.active
            .rules
            .get(rule)
            .filter(|r| r.version == version)
            .or_else(|| self.pinned.get(&(rule.to_owned(), version.to_owned())))
    }

    /// The rules to fold anew when events of these types arrive, for a customer with this past. Of a thousand rules that a
    /// new profile may concern, only those are named of which there is something to fold: an event that begins them, or an
    /// entry.
    pub fn touched<'a>(&'a self, kinds: &[&str], seen: &Seen<'a>) -> BTreeSet<&'a str> {
        let past: BTreeSet<&str> = seen.history.iter().map(|fact| fact.event.kind.as_str()).collect();
        let begun = past.iter().filter_map(|kind| self.begun_by.get(*kind)).flatten().map(String::as_str);
        let entered = seen.entries.iter().map(|entry| entry.rule.as_str());
        let touched_by: Vec<_> = kinds.iter().filter_map(|kind| self.touched_by.get(*kind)).collect();
        let is_touched = |name: &&str| touched_by.iter().any(|touched| touched.contains(*name));
        begun.chain(entered).filter(is_touched).collect()
    }

    /// Whether an event of this type means something to a rule, or to a profile.
    pub fn waits_for(&self, kind: &str) -> bool {
        [SIGNED_UP, UPDATED, DELETED, CONSENT_CHANGED].contains(&kind) || self.touched_by.contains_key(kind)
    }

    /// What must be loaded to decide about events of these types at `now`.
    pub fn needs<'a>(&self, kinds: impl IntoIterator<Item = &'a str>, now: DateTime<Utc>) -> Needs {
        let mut needs = Needs::default();
        let touched: BTreeSet<&String> =
            kinds.into_iter().filter_map(|kind| self.touched_by.get(kind)).flatten().collect();
        for name in touched {
            needs.rules.insert(name.to_owned());
            for rule in self.versions(name) {
                if let Trigger::Event { kind, .. } | Trigger::Absent { kind, .. } = &rule.trigger {
                    needs.kinds.insert(kind.clone());
                }
                needs.kinds.extend(rule.exit_on.iter().cloned());
                let since = now - look_back(rule, self.active.policy.max_age);
                needs.since = Some(needs.since.map_or(since, |s| s.min(since)));
            }
        }
        needs
    }

    /// The versions that these entries are pinned to and that this book does not hold.
    pub fn missing<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a super::super::memory::Entry>,
    ) -> BTreeSet<(String, String)> {
        entries
            .into_iter()
            .filter(|e| e.is_active() && self.version(&e.rule, &e.version).is_none())
            .map(|e| (e.rule.clone(), e.version.clone()))
            .collect()
    }

    /// All versions of a rule that are at hand, the active one first.
    fn versions<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Rule> {
        let pinned = self.pinned.range((name.to_owned(), String::new())..);
        let pinned = pinned.take_while(move |((of, _), _)| of == name).map(|(_, rule)| rule);
        self.active.rules.get(name).into_iter().chain(pinned).map(AsRef::as_ref)
    }

    /// Adds a version that an entry is pinned to. What ends an entry of that version touches the rule from now on.
    pub fn pin(&mut self, rule: Arc<Rule>) {
        // A rule that is no longer active is not folded: its entries end.
        if self.active.rules.contains_key(&rule.name) {
            for kind in &rule.exit_on {
                self.touched_by.entry(kind.clone()).or_default().insert(rule.name.clone());
            }
        }
        self.pinned.insert((rule.name.clone(), rule.version.clone()), rule);
    }

    /// What `on_change` of the active rule asks of entries of another version.
    pub fn on_change(&self, rule: &str) -> Option<OnChange> {
        self.active.rules.get(rule).map(|r| r.on_change)
    }
}

fn kinds_that_touch(rule: &Rule) -> Vec<String> {
    let mut kinds = rule.exit_on.clone();
    if let Trigger::Event { kind, condition, .. } | Trigger::Absent { kind, condition, .. } = &rule.trigger {
        kinds.push(kind.clone());
        // A profile that becomes known late may make the condition of an event already seen true.
        if condition.as_ref().is_some_and(super::Condition::reads_customer) {
            kinds.extend([SIGNED_UP.to_owned(), UPDATED.to_owned()]);
        }
    }
    kinds
}

/// How old an event may be and still matter to this rule.
pub fn look_back(rule: &Rule, max_age: TimeDelta) -> TimeDelta {
    let before_start = match rule.trigger {
        Trigger::Absent { after, .. } => after,
        _ => TimeDelta::zero(),
    };
    let between = match rule.re_entry {
        ReEntry::After(time) => time,
        _ => TimeDelta::zero(),
    };
    let steps: TimeDelta = rule
        .program
        .iter()
        .map(|op| match op {
            Op::Wait { wait: Wait::For(time), .. } => *time,
            // A local day is at most 25 hours long.
            Op::Wait { wait: Wait::Until(_), .. } => TimeDelta::hours(25),
            Op::Send(send) => send.wait_for_consent.unwrap_or_default(),
            Op::Branch { .. } | Op::Jump(_) | Op::PromoCode(_) => TimeDelta::zero(),
        })
        .sum();
    before_start + between + steps + max_age
}
