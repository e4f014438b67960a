//! Folding facts into entries: which occurrences of a rule begin for a customer, and when they end.
//!
//! The fold always starts from the facts, in the order of their stamps, so the order in which they arrived
//! cannot matter. What has been committed (a message was written) stands, and the rest is laid around it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::event::{Event, Place};
use super::memory::{Entry, EntryStatus, Exit};
use super::rules::book::Book;
use super::rules::condition::Truth;
use super::rules::{Condition, FieldPath, Op, ReEntry, Rule, Trigger};
use super::snapshot::{Seen, Skip};
use super::verdict::Reason;

/// What the fold of one rule asks to change.
#[derive(Debug, Default)]
pub struct Folded {
    pub entries: Vec<Entry>,
    /// Occurrences that are void.
    pub dropped: Vec<String>,
    pub skipped: Vec<Skip>,
}

/// One fact that starts, or might start, an entry.
struct Candidate<'a> {
    event: &'a Event,
    start: DateTime<Utc>,
    existing: Option<&'a Entry>,
    /// Why it does not begin, as far as the fact alone can tell.
    refusal: Option<(Reason, Option<String>)>,
    exit: Option<Exit>,
    begins: bool,
}

impl Candidate<'_> {
    fn place(&self) -> Place<'_> {
        self.event.place()
    }

    fn stands(&self) -> bool {
        self.existing.is_some_and(|e| e.committed)
    }

    fn end_by(&mut self, exit: Exit) {
        if self.exit.as_ref().is_none_or(|known| exit.precedes(known)) {
            self.exit = Some(exit);
        }
    }
}

/// What is common to the triggers that events cause.
struct EventTrigger<'a> {
    kind: &'a str,
    condition: Option<&'a Condition>,
    key: Option<&'a FieldPath>,
    /// Zero for a trigger by presence.
    absent_for: TimeDelta,
}

fn event_trigger(rule: &Rule) -> Option<EventTrigger<'_>> {
    match &rule.trigger {
        Trigger::Event { kind, condition, key } => Some(EventTrigger {
            kind,
            condition: condition.as_ref(),
            key: key.as_ref(),
            absent_for: TimeDelta::zero(),
        }),
        // The condition of an absence is judged when it is over, by the step runner.
        Trigger::Absent { kind, after, key, .. } => {
            Some(EventTrigger { kind, condition: None, key: key.as_ref(), absent_for: *after })
        }
        Trigger::Anniversary { .. } | Trigger::Schedule { .. } => None,
    }
}

/// Folds the facts for one rule.
pub fn fold(book: &Book, rule: &Rule, seen: &Seen<'_>) -> Folded {
    match event_trigger(rule) {
        Some(trigger) => fold_events(book, rule, &trigger, seen),
        None => fold_exits_only(book, rule, seen),
    }
}

fn fold_events(book: &Book, rule: &Rule, trigger: &EventTrigger<'_>, seen: &Seen<'_>) -> Folded {
    let mut folded = Folded::default();
    // A long past holds few exits, and each candidate looks for its own among them.
    let exits: Vec<&Event> = events_of(seen).filter(|e| rule.exit_on.contains(&e.kind)).collect();
    for (key, mut candidates) in candidates(book, rule, trigger, seen, &mut folded.skipped) {
        candidates.sort_by(|a, b| a.place().cmp(&b.place()));
        if trigger.absent_for > TimeDelta::zero() {
            begin_absences(&mut candidates, trigger);
        } else {
            begin_by_re_entry(rule.re_entry, &mut candidates);
        }
        for candidate in candidates.iter_mut().filter(|c| c.begins) {
            let pinned = candidate.existing.and_then(|e| book.version(&e.rule, &e.version));
            match pinned.filter(|pinned| pinned.exit_on != rule.exit_on) {
                Some(pinned) => {
                    let exits = events_of(seen).filter(|e| pinned.exit_on.contains(&e.kind));
                    apply_exits(exits, trigger, &key, candidate);
                }
                None => apply_exits(exits.iter().copied(), trigger, &key, candidate),
            }
        }
        for candidate in candidates {
            conclude(rule, &key, candidate, seen, &mut folded);
        }
    }
    folded
}

fn events_of<'a>(seen: &Seen<'a>) -> impl Iterator<Item = &'a Event> {
    seen.history.iter().map(|fact| &fact.event)
}

/// Gathers what may start an entry, by key: past events, and entries whose event is no longer at hand.
fn candidates<'a>(
    book: &Book,
    rule: &Rule,
    trigger: &EventTrigger<'_>,
    seen: &Seen<'a>,
    skipped: &mut Vec<Skip>,
) -> BTreeMap<String, Vec<Candidate<'a>>> {
    let mut by_key: BTreeMap<String, Vec<Candidate<'a>>> = BTreeMap::new();
    let mine = seen.entries.iter().filter(|e| e.rule == rule.name && e.trigger.is_some());
    // By occurrence, each with whether a fact accounts for it.
    let mut entries: BTreeMap<&str, (&'a Entry, bool)> =
        mine.map(|e| (e.occurrence.as_str(), (*e, false))).collect();
    for fact in seen.history.iter().filter(|f| f.event.kind == trigger.kind) {
        let event = &fact.event;
        let occurrence = occurrence_of(event);
        let existing = entries.get_mut(occurrence.as_str()).map(|(entry, accounted)| {
            *accounted = true;
            *entry
        });
        let key = match (existing, trigger.key) {
            (Some(entry), _) => Cow::Borrowed(entry.key.as_str()),
            (None, None) => Cow::default(),
            (None, Some(path)) => match path.of(&event.data) {
                Some(key) => key,
                None => {
                    let detail = Some(format!("data.{}", path.0.join(".")));
                    skipped.push(skip(rule, &occurrence, Reason::MissingField, detail));
                    continue;
                }
            },
        };
        let start = event.time + trigger.absent_for;
        let mut candidate = Candidate { event, start, existing, refusal: None, exit: None, begins: false };
        candidate.refusal = refusal(book, rule, trigger, &candidate, fact.received_at, seen);
        by_key.entry(key.into_owned()).or_default().push(candidate);
    }
    for (entry, _) in entries.into_values().filter(|(_, accounted)| !accounted) {
        let Some(event) = &entry.trigger else { continue };
        let (start, existing) = (entry.started_at, Some(entry));
        let candidate = Candidate { event, start, existing, refusal: None, exit: None, begins: false };
        by_key.entry(entry.key.clone()).or_default().push(candidate);
    }
    by_key
}

/// Why this fact by itself starts nothing.
fn refusal(
    book: &Book,
    rule: &Rule,
    trigger: &EventTrigger<'_>,
    candidate: &Candidate<'_>,
    received_at: DateTime<Utc>,
    seen: &Seen<'_>,
) -> Option<(Reason, Option<String>)> {
    let Candidate { event, start, existing, .. } = *candidate;
    // What stands has begun, whatever would be said of it now.
    if candidate.stands() {
        return None;
    }
    // An entry is judged by the rule it began with: an edited condition never undoes it.
    let pinned = existing.and_then(|e| book.version(&e.rule, &e.version));
    let condition = match pinned {
        Some(rule) => event_trigger(rule).and_then(|t| t.condition),
        None => trigger.condition,
    };
    if let Some(condition) = condition {
        match seen.judge(condition, Some(event), || about(rule, event, start), event.time) {
            Truth::True => {}
            Truth::False => return Some((Reason::ConditionFalse, None)),
            Truth::Unknown(what) => return Some((Reason::MissingField, Some(what))),
        }
    }
    if existing.is_some() {
        return None;
    }
    if received_at - start > book.active.policy.max_age {
        return Some((Reason::TooOld, None));
    }
    // A new rule is not for yesterday's carts, though the customer's next event folds them anew.
    if book.came_before(&rule.name, received_at, start) {
        return Some((Reason::NotInForce, None));
    }
    (!rule.enabled).then_some((Reason::RuleDisabled, None))
}

/// What the condition of a trigger sees as `entry`, before there is one.
pub fn about(rule: &Rule, event: &Event, start: DateTime<Utc>) -> Value {
    json!({ "rule": rule.name, "occurrence": occurrence_of(event), "started_at": start })
}

/// An absence begins where no other event of the type follows within the time.
fn begin_absences(candidates: &mut [Candidate<'_>], trigger: &EventTrigger<'_>) {
    for i in 0..candidates.len() {
        let next = candidates.get(i + 1).map(|next| next.event.time);
        let candidate = &mut candidates[i];
        let broken = next.is_some_and(|next| next <= candidate.start);
        candidate.begins = candidate.stands() || (!broken && candidate.refusal.is_none());
        if broken && candidate.refusal.is_none() {
            candidate.refusal = Some((Reason::Superseded, None));
        }
        // Once it has begun, the customer's return ends it.
        if let Some(next) = next.filter(|_| candidate.begins) {
            candidate.end_by(Exit { at: next, reason: Reason::Exited, by: trigger.kind.to_owned() });
        }
    }
}

fn begin_by_re_entry(re_entry: ReEntry, candidates: &mut [Candidate<'_>]) {
    let standing: Vec<DateTime<Utc>> = candidates.iter().filter(|c| c.stands()).map(|c| c.start).collect();
    let mut last: Option<usize> = None;
    for i in 0..candidates.len() {
        let start = candidates[i].start;
        let free = match re_entry {
            ReEntry::Never => last.is_none() && standing.is_empty(),
            ReEntry::Always | ReEntry::Restart => true,
            ReEntry::After(time) => {
                last.is_none_or(|l| start - candidates[l].start >= time)
                    && !standing.iter().any(|s| *s >= start && *s - start < time)
            }
        };
        let candidate = &mut candidates[i];
        candidate.begins = candidate.stands() || (free && candidate.refusal.is_none());
        if !free && candidate.refusal.is_none() {
            candidate.refusal = Some((Reason::AlreadyEntered, None));
        }
        if !candidate.begins {
            continue;
        }
        if let (ReEntry::Restart, Some(previous)) = (re_entry, last) {
            let by = candidate.event.kind.clone();
            candidates[previous].end_by(Exit { at: start, reason: Reason::Restarted, by });
        }
        last = Some(i);
    }
}

/// Sets the first exit after the candidate's own fact.
fn apply_exits<'e>(
    exits: impl Iterator<Item = &'e Event>,
    trigger: &EventTrigger<'_>,
    key: &str,
    candidate: &mut Candidate<'_>,
) {
    for event in exits {
        let after = event.place() > candidate.place() && event.time >= candidate.start;
        if after && trigger.key.and_then(|p| p.of(&event.data)).is_none_or(|k| k == key) {
            candidate.end_by(Exit { at: event.time, reason: Reason::Exited, by: event.kind.clone() });
        }
    }
}

/// Turns one candidate into an entry to write, one to drop, or a skip.
fn conclude(rule: &Rule, key: &str, candidate: Candidate<'_>, seen: &Seen<'_>, folded: &mut Folded) {
    match (candidate.begins, candidate.existing) {
        (true, None) => {
            let mut entry = begin(rule, seen.customer_id, occurrence_of(candidate.event), candidate.start);
            key.clone_into(&mut entry.key);
            entry.trigger = Some(candidate.event.clone());
            entry.trace = candidate.event.trace;
            entry.exit = candidate.exit;
            folded.entries.push(entry);
        }
        (true, Some(entry)) => folded.entries.extend(relaid(rule, entry, candidate.exit)),
        (false, existing) => {
            let occurrence = occurrence_of(candidate.event);
            if existing.is_some() {
                folded.dropped.push(occurrence.clone());
            }
            let (reason, detail) = candidate.refusal.unwrap_or((Reason::Superseded, None));
            folded.skipped.push(skip(rule, &occurrence, reason, detail));
        }
    }
}

/// The entry as the facts now lay it, when they end it at another time than it says; none when it stays.
fn relaid(rule: &Rule, entry: &Entry, exit: Option<Exit>) -> Option<Entry> {
    let sooner = match (&exit, &entry.exit) {
        (Some(new), Some(old)) => new.precedes(old),
        (Some(_), None) => true,
        (None, _) => false,
    };
    // What began in its place may turn out void, and then its own run was never cut short. An exit by `exit_on` is
    // a fact and holds though that fact may no longer be at hand.
    let restarted = entry.exit.as_ref().is_some_and(|e| e.reason == Reason::Restarted);
    let undone = restarted && exit != entry.exit && rule.re_entry == ReEntry::Restart && !entry.committed;
    if !sooner && !undone {
        return None;
    }
    if entry.is_active() {
        return Some(Entry { exit, ..entry.clone() });
    }
    if entry.committed {
        return exit.filter(|exit| may_wait(rule, entry, exit)).map(|exit| told(entry, exit));
    }
    let by_exit = matches!(entry.reason, Some(Reason::Exited | Reason::Restarted));
    // An exit ends an entry when it becomes known, so it may have ended before the time came to say anything.
    by_exit.then(|| Entry {
        status: EntryStatus::Active,
        position: 0,
        planned: entry.started_at,
        due_at: Some(entry.started_at),
        exit,
        promo_step: None,
        reason: None,
        detail: None,
        ..entry.clone()
    })
}

/// Whether a message of an entry that has ended may still wait at the exit: deferred to other hours, or to be tried
/// again. What has expired by then is not worth a write.
fn may_wait(rule: &Rule, entry: &Entry, exit: &Exit) -> bool {
    let lives = rule.program.iter().filter_map(|op| match op {
        Op::Send(send) => Some(send.expire_after),
        _ => None,
    });
    entry.committed && lives.max().is_some_and(|longest| exit.at <= entry.planned + longest)
}

/// The entry with its exit, for the gate to see.
fn told(entry: &Entry, exit: Exit) -> Entry {
    Entry { exit: Some(exit), ..entry.clone() }
}

/// Anniversaries and schedules are begun by sweeps; events only end them.
fn fold_exits_only(book: &Book, rule: &Rule, seen: &Seen<'_>) -> Folded {
    let mut folded = Folded::default();
    for entry in seen.entries.iter().filter(|e| e.rule == rule.name) {
        let pinned = book.version(&entry.rule, &entry.version).map_or(rule, AsRef::as_ref);
        let exit = first_exit(pinned, seen, entry.started_at);
        let sooner = exit.filter(|e| entry.exit.as_ref().is_none_or(|known| e.precedes(known)));
        if let Some(exit) = sooner.filter(|e| entry.is_active() || may_wait(pinned, entry, e)) {
            folded.entries.push(told(entry, exit));
        }
    }
    folded
}

/// The first event of `exit_on` at or after `start`, for an entry that no event began.
pub fn first_exit(rule: &Rule, seen: &Seen<'_>, start: DateTime<Utc>) -> Option<Exit> {
    let exits = events_of(seen).filter(|e| e.time >= start && rule.exit_on.contains(&e.kind));
    let first = exits.min_by_key(|e| (e.time, e.kind.as_str()))?;
    Some(Exit { at: first.time, reason: Reason::Exited, by: first.kind.clone() })
}

/// A fresh entry at the rule's first step.
pub fn begin(rule: &Rule, customer_id: &str, occurrence: String, start: DateTime<Utc>) -> Entry {
    Entry {
        customer_id: customer_id.to_owned(),
        rule: rule.name.clone(),
        occurrence,
        key: String::new(),
        version: rule.version.clone(),
        trigger: None,
        started_at: start,
        status: EntryStatus::Active,
        position: 0,
        planned: start,
        due_at: Some(start),
        committed: false,
        exit: None,
        promo_step: None,
        reason: None,
        detail: None,
        trace: None,
    }
}

/// The occurrence that an event causes: what identifies the event.
pub fn occurrence_of(event: &Event) -> String {
    format!("{}#{}", event.source, event.id)
}

fn skip(rule: &Rule, occurrence: &str, reason: Reason, detail: Option<String>) -> Skip {
    Skip { rule: rule.name.clone(), occurrence: occurrence.to_owned(), step: None, reason, detail }
}
