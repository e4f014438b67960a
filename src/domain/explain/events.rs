//! Events: what they changed, and which rules they began, ended, or did not begin.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::Teller;
use super::story::{Change, Considered, Happened, Item, Outcome, What};
use crate::domain::event::Event;
use crate::domain::fold::{self, occurrence_of};
use crate::domain::rules::book::{DELETED, SIGNED_UP, UPDATED};
use crate::domain::rules::condition::Judged;
use crate::domain::rules::{Rule, Trigger};
use crate::domain::snapshot::{Fact, Seen};
use crate::domain::verdict::Reason;

impl Teller<'_> {
    pub(super) fn events(&self) -> Vec<Item> {
        let forgotten_until = self.forgotten_until();
        let item = |fact: &Fact| {
            let Fact { event, received_at } = fact;
            let forgotten =
                event.kind != DELETED && forgotten_until.is_some_and(|until| *received_at <= until);
            let mut rules = if forgotten { Vec::new() } else { self.begun_by(fact) };
            rules.extend(self.ended_by(event));
            let consents = self.record.snapshot.consents.0.iter();
            let carried = consents.filter(|c| c.event_source == event.source && c.event_id == event.id);
            let what = What::Event(Happened {
                source: event.source.clone(),
                id: event.id.clone(),
                event: event.kind.clone(),
                received_at: *received_at,
                forgotten,
                data: Value::clone(&event.data),
                profile: self.changes(event),
                consents: carried.cloned().collect(),
                rules,
            });
            Item { at: event.time, what }
        };
        self.all_facts().map(item).collect()
    }

    /// What the event said of the profile, with what was known before.
    fn changes(&self, event: &Event) -> Vec<Change> {
        let Value::Object(data) = &*event.data else { return Vec::new() };
        if event.kind != SIGNED_UP && event.kind != UPDATED {
            return Vec::new();
        }
        let place = event.place();
        let attributes = &self.record.snapshot.profile.attributes;
        let change = |(name, value): (&String, &Value)| {
            let versions = attributes.get(name).map(Vec::as_slice).unwrap_or_default();
            let before = versions.iter().rev().find(|version| version.stamp.place() < place);
            let from = before.map(|version| version.value.clone()).filter(|value| !value.is_null());
            let said_before = from.as_ref() == Some(value) || from.is_none() && value.is_null();
            (!said_before).then(|| Change { attribute: name.clone(), from, to: value.clone() })
        };
        data.iter().filter(|(name, _)| *name != "consents").filter_map(change).collect()
    }

    /// The rules that have this type of event for their trigger, and whether it began them.
    fn begun_by(&self, fact: &Fact) -> Vec<Considered> {
        let rules = self.book.active.rules.values();
        let begun = |rule: &Rule| Some(self.considered(rule, trigger_of(rule, &fact.event.kind)?, fact));
        rules.filter_map(|rule| begun(rule)).collect()
    }

    fn considered(&self, rule: &Rule, after: TimeDelta, fact: &Fact) -> Considered {
        let event = &fact.event;
        let occurrence = occurrence_of(event);
        let entry = self.entry_of(&rule.name, &occurrence);
        let (outcome, since) = match entry {
            Some(entry) => (Outcome::Began { starts_at: entry.started_at }, None),
            None => (self.why_not(rule, after, fact, &occurrence), self.record.rules_since.get(&rule.name)),
        };
        let pinned = entry.and_then(|entry| self.book.version(&rule.name, &entry.version));
        let condition = self.judged(pinned.map_or(rule, AsRef::as_ref), event, event.time + after);
        Considered {
            rule: rule.name.clone(),
            occurrence,
            outcome,
            condition,
            judged_by_rule_since: since.copied().filter(|since| *since > fact.received_at),
        }
    }

    fn judged(&self, rule: &Rule, event: &Event, start: DateTime<Utc>) -> Option<Judged> {
        let Trigger::Event { condition: Some(condition), .. } = &rule.trigger else { return None };
        Some(self.seen.explain(condition, Some(event), || fold::about(rule, event, start), event.time))
    }

    /// Folds the facts again, as far back as the worker looked when this one came. What happened later than
    /// the rule would have begun has no say.
    fn why_not(&self, rule: &Rule, after: TimeDelta, fact: &Fact, occurrence: &str) -> Outcome {
        let since = self.book.needs([fact.event.kind.as_str()], fact.received_at).since;
        // One that was too old when it came lies before that.
        let since = since.map_or(fact.event.time, |since| since.min(fact.event.time));
        let from = self.facts().partition_point(|known| known.event.time < since);
        let to = self.facts().partition_point(|known| known.event.time <= fact.event.time + after);
        let seen = Seen { history: &self.facts()[from..to], ..self.seen.clone() };
        let skipped = fold::fold(self.book, rule, &seen).skipped;
        let Some(skip) = skipped.into_iter().find(|skip| skip.occurrence == occurrence) else {
            return Outcome::WouldBegin;
        };
        match self.broken_at(rule, &fact.event).filter(|_| skip.reason == Reason::Superseded) {
            Some(at) => Outcome::Broken { at },
            None => Outcome::NotBegun { reason: skip.reason, detail: skip.detail },
        }
    }

    /// When the absence that began with this event was over too soon, by the next event of the type and key.
    fn broken_at(&self, rule: &Rule, event: &Event) -> Option<DateTime<Utc>> {
        let Trigger::Absent { kind, after, key, .. } = &rule.trigger else { return None };
        let key_of = |event: &Event| key.as_ref().and_then(|path| path.of(&event.data).map(String::from));
        let events = self.facts().iter().map(|fact| &fact.event);
        let mut later = events.filter(|e| e.kind == *kind && e.place() > event.place());
        let next = later.find(|e| key_of(e) == key_of(event))?.time;
        (next <= event.time + *after).then_some(next)
    }

    /// The entries that this event ended, as they record it.
    fn ended_by(&self, event: &Event) -> impl Iterator<Item = Considered> {
        let ended = self.record.snapshot.entries.iter().filter_map(|entry| {
            let exit = entry.exit.as_ref().filter(|exit| exit.by == event.kind && exit.at == event.time)?;
            Some((entry, Outcome::Ends { reason: exit.reason }))
        });
        ended.map(|(entry, outcome)| Considered {
            rule: entry.rule.clone(),
            occurrence: entry.occurrence.clone(),
            outcome,
            condition: None,
            judged_by_rule_since: None,
        })
    }
}

/// How long after an event of this type the rule would begin; none where another type begins it.
fn trigger_of(rule: &Rule, event: &str) -> Option<TimeDelta> {
    match &rule.trigger {
        Trigger::Event { kind, .. } if kind == event => Some(TimeDelta::zero()),
        Trigger::Absent { kind, after, .. } if kind == event => Some(*after),
        _ => None,
    }
}
