//! What a rule waits for, and the ticks that have come and begun nothing.

use chrono::{DateTime, Utc};

use super::Teller;
use super::story::{Considered, Item, Outcome, RuleState, Standing, Ticked, WaitsFor, What};
use crate::domain::decide::{self, Tick};
use crate::domain::rules::{Condition, ReEntry, Rule, Trigger};
use crate::domain::snapshot::{Snapshot, Verdicts};
use crate::domain::ticks::{Scope, next_tick};
use crate::domain::verdict::Reason;

/// How many days are looked through for the next anniversary: 29 February comes within eight years.
const DAYS_AHEAD: usize = 8 * 366;

impl Teller<'_> {
    /// What a rule is to the customer at present.
    pub(super) fn standing(&self, name: &str) -> Item {
        let rule = self.book.active.rules.get(name);
        let mine = || self.record.snapshot.entries.iter().filter(|entry| entry.rule == name);
        let once = |rule: &Rule| match &rule.trigger {
            Trigger::Event { key: None, .. } => rule.re_entry == ReEntry::Never,
            _ => false,
        };
        let standing = Standing {
            rule: name.to_owned(),
            state: match rule {
                None => RuleState::Deleted,
                Some(rule) if rule.enabled => RuleState::InForce,
                Some(_) => RuleState::Disabled,
            },
            since: self.record.rules_since.get(name).copied(),
            under_way: mine().filter(|e| e.is_active()).map(|e| e.occurrence.clone()).collect(),
            over: rule.is_some_and(|rule| once(rule)) && mine().next().is_some(),
            waits_for: rule.map(|rule| self.waits_for(rule)),
        };
        Item { at: self.now, what: What::Rule(standing) }
    }

    fn waits_for(&self, rule: &Rule) -> WaitsFor {
        let source = |condition: &Condition| condition.source().to_owned();
        match &rule.trigger {
            Trigger::Event { kind, condition, .. } => WaitsFor::Event {
                event: kind.clone(),
                condition: condition.as_ref().map(source),
                last: self.last(kind),
            },
            Trigger::Absent { kind, after, condition, .. } => WaitsFor::Absence {
                event: kind.clone(),
                condition: condition.as_ref().map(source),
                last: self.last(kind),
                due: self.last(kind).map(|last| last + *after),
            },
            Trigger::Anniversary { attribute, .. } => WaitsFor::Anniversary {
                attribute: attribute.clone(),
                date: self.record.snapshot.profile.get(attribute).cloned(),
                next: self.next_anniversary(rule),
            },
            Trigger::Schedule { audience, .. } => {
                let scope = self.scope(rule);
                let next = next_tick(rule, &scope, &self.book.active.policy, self.now);
                let about = || serde_json::json!({ "rule": rule.name });
                WaitsFor::Schedule {
                    next: next.map(|(_, at)| at),
                    audience: audience.as_ref().map(|a| self.seen.explain(a, None, about, self.now)),
                }
            }
        }
    }

    /// When the last event of a type happened.
    fn last(&self, kind: &str) -> Option<DateTime<Utc>> {
        self.facts().iter().rev().find(|fact| fact.event.kind == kind).map(|fact| fact.event.time)
    }

    fn scope(&self, rule: &Rule) -> Scope {
        Scope::of_rule(rule).unwrap_or_else(|| Scope::of_customer(&self.record.snapshot.profile))
    }

    /// The first day to come that the customer has this anniversary on.
    fn next_anniversary(&self, rule: &Rule) -> Option<DateTime<Utc>> {
        let (scope, policy) = (self.scope(rule), &self.book.active.policy);
        let mut after = self.now;
        for _ in 0..DAYS_AHEAD {
            let (local, planned) = next_tick(rule, &scope, policy, after)?;
            let tick = Tick { rule: rule.name.clone(), local, planned };
            if self.passed_over(&tick).is_none() {
                return Some(planned);
            }
            after = planned;
        }
        None
    }

    fn passed_over(&self, tick: &Tick) -> Option<Verdicts> {
        let Snapshot { customer_id, profile, .. } = &self.record.snapshot;
        decide::passed_over(self.book, customer_id, profile, tick)
    }

    /// A tick that has come and begun nothing for the customer; none where it did, or was not about them.
    pub(super) fn tick(&self, tick: &Tick, expired: bool) -> Option<Item> {
        let rule = self.book.active.rules.get(&tick.rule)?;
        // Before that nobody knew them.
        let known_since = self.facts().iter().map(|fact| fact.received_at).min()?;
        let mine = self.record.snapshot.entries.iter().filter(|entry| entry.rule == tick.rule);
        let passed_over = self.passed_over(tick);
        let (audience, is_theirs) = match &rule.trigger {
            Trigger::Schedule { audience, .. } => (audience.as_ref(), true),
            // Each day is somebody's birthday.
            _ => (None, passed_over.is_none()),
        };
        if !is_theirs
            || tick.planned < known_since
            || mine.into_iter().any(|entry| entry.started_at == tick.planned)
        {
            return None;
        }
        let outcome = match passed_over {
            _ if expired => Outcome::NotBegun { reason: Reason::Expired, detail: None },
            _ if !rule.enabled => Outcome::NotBegun { reason: Reason::RuleDisabled, detail: None },
            Some(verdicts) => match verdicts.skipped.into_iter().next() {
                Some(skip) => Outcome::NotBegun { reason: skip.reason, detail: skip.detail },
                None => Outcome::NotBegun { reason: Reason::ConditionFalse, detail: None },
            },
            None => Outcome::WouldBegin,
        };
        let about = || serde_json::json!({ "rule": rule.name, "occurrence": tick.local });
        let since = self.record.rules_since.get(&rule.name).copied();
        let considered = Considered {
            rule: tick.rule.clone(),
            occurrence: tick.local.clone(),
            outcome,
            condition: audience.map(|audience| self.seen.explain(audience, None, about, tick.planned)),
            judged_by_rule_since: since.filter(|since| *since > tick.planned),
        };
        let what = What::Tick(Ticked { tick: tick.local.clone(), considered });
        Some(Item { at: tick.planned, what })
    }
}
