//! Entries: the steps of each, walked again up to where the entry is recorded to stand.

use chrono::{DateTime, Utc};

use super::Teller;
use super::story::{Brief, Cause, Did, Item, Offer, Run, Step, What};
use crate::domain::fold::begin;
use crate::domain::memory::Entry;
use crate::domain::message::Message;
use crate::domain::rules::timing::next_local_time;
use crate::domain::rules::{Op, Rule, Trigger, Wait};
use crate::domain::snapshot::Verdicts;
use crate::domain::steps::{self, zone_of};

/// What walking an entry again shows.
struct Walked {
    /// The operations that it came to, with the planned instant at each.
    places: Vec<(usize, DateTime<Utc>)>,
    messages: Vec<Message>,
}

impl Teller<'_> {
    pub(super) fn entry(&self, entry: &Entry) -> Item {
        let pinned = self.book.version(&entry.rule, &entry.version);
        let mut run = Run {
            rule: entry.rule.clone(),
            occurrence: entry.occurrence.clone(),
            key: entry.key.clone(),
            version: entry.version.clone(),
            version_is_old: self
                .book
                .active
                .rules
                .get(&entry.rule)
                .is_none_or(|active| active.version != entry.version),
            begun_by: entry.trigger.as_ref().map(|e| Cause { event: e.kind.clone(), time: e.time }),
            status: entry.status,
            reason: entry.reason,
            detail: entry.detail.clone(),
            exit: entry.exit.clone(),
            due_at: entry.due_at,
            condition: None,
            steps: Vec::new(),
            next: None,
            version_lost: pinned.is_none(),
            differs: false,
        };
        if let Some(rule) = pinned {
            self.add_steps(entry, rule, &mut run);
        }
        Item { at: entry.started_at, what: What::Entry(run) }
    }

    fn add_steps(&self, entry: &Entry, rule: &Rule, run: &mut Run) {
        if let Trigger::Absent { condition: Some(condition), .. } = &rule.trigger
            && entry.started_at <= self.now
        {
            let about = || steps::about(entry);
            run.condition =
                Some(self.seen.explain(condition, entry.trigger.as_ref(), about, entry.started_at));
        }
        let walked = self.walk(entry, rule);
        let done = walked.places.iter().filter(|(position, _)| *position < entry.position);
        run.steps = done.filter_map(|(position, at)| self.step(entry, rule, *position, *at)).collect();
        if entry.is_active() {
            run.next = self.step(entry, rule, entry.position, entry.planned);
        }
        let arrives = walked.places.iter().any(|(position, _)| *position == entry.position);
        let made = |message: &Message| self.record.messages.iter().any(|known| known.id == message.id);
        run.differs = !arrives || !walked.messages.iter().all(made);
    }

    /// Runs the entry from its beginning, as a worker would have that was always in time and knew what is known today.
    fn walk(&self, entry: &Entry, rule: &Rule) -> Walked {
        let mut fresh = begin(rule, &entry.customer_id, entry.occurrence.clone(), entry.started_at);
        fresh.key.clone_from(&entry.key);
        fresh.trigger.clone_from(&entry.trigger);
        fresh.exit.clone_from(&entry.exit);
        let (mut places, mut verdicts) = (Vec::new(), Verdicts::default());
        // Timer by timer: walked at one go, today, every message but the last would be too late.
        let mut now = entry.started_at.min(self.now);
        loop {
            steps::walk(self.book, rule, &self.seen, &mut fresh, now, &mut verdicts, |at| {
                let place = (at.position, at.planned);
                // It stood here when its timer was set, and stands here when that goes off.
                if places.last() != Some(&place) {
                    places.push(place);
                }
            });
            match fresh.due_at.filter(|due| fresh.is_active() && *due > now && *due <= self.now) {
                Some(due) => now = due,
                None => break,
            }
        }
        // What comes after the place where it is recorded to stand has not been done.
        let done = |message: &Message| {
            let send = rule.program.iter().position(|op| op.id() == Some(&message.step));
            send.is_some_and(|send| send < entry.position)
        };
        Walked { places, messages: verdicts.messages.into_iter().filter(done).collect() }
    }

    /// What an operation did at its planned instant, or is to do; none for a jump and at the end.
    fn step(&self, entry: &Entry, rule: &Rule, position: usize, planned_at: DateTime<Utc>) -> Option<Step> {
        let op = rule.program.get(position)?;
        let did = match op {
            Op::Wait { wait: Wait::For(time), .. } => Did::Wait { until: planned_at + *time },
            Op::Wait { wait: Wait::Until(at), .. } => {
                let stated = self.seen.profile.value_as_of("timezone", planned_at);
                let zone = zone_of(stated, &self.book.active.policy);
                Did::Wait { until: next_local_time(zone, planned_at, *at) }
            }
            Op::Branch { condition, .. } => {
                let about = || steps::about(entry);
                Did::If { condition: self.seen.explain(condition, entry.trigger.as_ref(), about, planned_at) }
            }
            Op::PromoCode(_) => Did::PromoCode,
            Op::Send(send) => Did::Send {
                offers: send
                    .channels()
                    .map(|(channel, template)| Offer { channel, template: template.to_owned() })
                    .collect(),
                messages: self.messages_of(entry, &send.id),
            },
            Op::Jump(_) => return None,
        };
        Some(Step { id: op.id()?.to_owned(), planned_at, did })
    }

    fn messages_of(&self, entry: &Entry, step: &str) -> Vec<Brief> {
        let of_step =
            |m: &&Message| m.rule == entry.rule && m.occurrence == entry.occurrence && m.step == step;
        let brief = |m: &Message| Brief {
            id: m.id.clone(),
            channel: m.channel,
            template: m.template.clone(),
            state: m.state,
            reason: m.reason,
        };
        self.record.messages.iter().filter(of_step).map(brief).collect()
    }
}
