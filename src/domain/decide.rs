//! The decisions: what events, due timers and sweeps mean for one customer.
//!
//! Called by the worker within the customer's lock and by the simulator; there is no other engine.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::{Map, Value};

use super::consent::{Channel, ConsentFact, ConsentStatus, Ledger, SHOWN_AT};
use super::customer::Profile;
use super::event::Event;
use super::fold::{self, begin};
use super::memory::{Entry, EntryStatus};
use super::rules::book::{Book, CONSENT_CHANGED, DELETED, SIGNED_UP, UPDATED};
use super::rules::condition::Truth;
use super::rules::timing::month_days_kept_on;
use super::rules::{Policy, Rule, Trigger};
use super::snapshot::{Seen, Skip, Snapshot, Verdicts};
use super::steps;
use super::verdict::Reason;

/// Decides about events that have just arrived. They are in `snapshot.history` too, as far as rules look back.
pub fn on_events(book: &Book, snapshot: &Snapshot, events: &[Event], now: DateTime<Utc>) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let deletions = events.iter().filter(|e| e.kind == DELETED && snapshot.remembers(e));
    // One whose clock is ahead must not forget what is still to come.
    if let Some(until) = deletions.map(|e| e.time.min(now)).max() {
        // Of what came with it only the time after it counts: they may have signed up again at once.
        let after: Vec<Event> = events.iter().filter(|e| e.kind != DELETED).cloned().collect();
        let after = on_events(book, &snapshot.forgotten(until), &after, now);
        return Verdicts { erased: Some(until), ..after };
    }
    let remembered: Cow<'_, [Event]> = match events.iter().all(|e| snapshot.remembers(e)) {
        true => Cow::Borrowed(events),
        false => events.iter().filter(|e| snapshot.remembers(e)).cloned().collect(),
    };
    let events = &*remembered;
    // Nothing that the shop tells of somebody brings them back, only what they do themselves.
    let signed_up = events.iter().filter(|e| e.kind == SIGNED_UP).map(|e| e.time).max();
    if snapshot.erased && signed_up.is_none() {
        return verdicts;
    }
    verdicts.signed_up = signed_up;
    let profile = merged(&snapshot.profile, events);
    verdicts.consents = new_consents(&book.active.policy, &snapshot.consents, events);
    let ledger = with_new(&snapshot.consents, &verdicts.consents);
    let mut seen = Seen {
        profile: profile.as_ref().unwrap_or(&snapshot.profile),
        consents: &ledger,
        erased: false,
        ..Seen::from(snapshot)
    };
    let mut changed = Changed::default();
    // A fold looks at the past too; only what these events bring is news.
    let news: Vec<String> = events.iter().map(fold::occurrence_of).collect();
    let kinds: Vec<&str> = events.iter().map(|e| e.kind.as_str()).collect();
    for name in book.touched(&kinds, &seen) {
        let folded = fold::fold(book, &book.active.rules[name], &seen);
        for occurrence in folded.dropped {
            seen.entries.retain(|e| !(e.rule == name && e.occurrence == occurrence));
            verdicts.dropped.push((name.to_owned(), occurrence));
        }
        folded.entries.into_iter().for_each(|entry| changed.put(entry));
        verdicts.skipped.extend(folded.skipped.into_iter().filter(|s| news.contains(&s.occurrence)));
    }
    if !verdicts.consents.is_empty() {
        for entry in seen.entries.iter().filter(|e| e.status == EntryStatus::AwaitingConsent) {
            changed.put_if_new(entry);
        }
    }
    run_all(book, &seen, changed, now, &mut verdicts);
    verdicts.profile = profile;
    verdicts
}

/// Decides about the customer's timers that are due.
pub fn on_timer(book: &Book, snapshot: &Snapshot, now: DateTime<Utc>) -> Verdicts {
    let mut due = Changed::default();
    for entry in snapshot.entries.iter().filter(|e| e.is_active() && e.due_at.is_some_and(|due| due <= now)) {
        due.put_if_new(entry);
    }
    let mut verdicts = Verdicts::default();
    run_all(book, &Seen::from(snapshot), due, now, &mut verdicts);
    verdicts
}

/// One anniversary date or schedule tick that has come for the customers of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    pub rule: String,
    /// The occurrence key: a local date or a local date and time, the same in every zone.
    pub local: String,
    /// The instant at which it comes in the zone of these customers.
    pub planned: DateTime<Utc>,
}

/// Decides what a tick means for one customer of its sweep.
pub fn on_tick(book: &Book, snapshot: &Snapshot, tick: &Tick, now: DateTime<Utc>) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let Some(rule) = book.active.rules.get(&tick.rule).filter(|r| r.enabled) else { return verdicts };
    if snapshot.erased {
        return verdicts;
    }
    let mut changed = Changed::default();
    let seen = Seen::from(snapshot);
    match occurs(rule, &seen, tick) {
        Ok(occurrence)
            if snapshot.entries.iter().any(|e| e.rule == rule.name && e.occurrence == occurrence) => {}
        Ok(occurrence) => {
            let mut entry = begin(rule, &snapshot.customer_id, occurrence, tick.planned);
            // A sweep may come late, and what ends the entry before it.
            entry.exit = fold::first_exit(rule, &seen, tick.planned);
            if now - tick.planned > book.active.policy.catch_up {
                entry.status = EntryStatus::Ended;
                entry.due_at = None;
                entry.reason = Some(Reason::Expired);
                verdicts.entries.push(entry);
            } else {
                changed.put(entry);
            }
        }
        Err(passed_over) => verdicts.skipped.extend(passed_over),
    }
    run_all(book, &seen, changed, now, &mut verdicts);
    verdicts
}

/// What a tick means for a customer of whom only the profile is at hand, where that is enough to know: that nothing begins,
/// and perhaps why. None when an entry might begin; that is for [`on_tick`], which gives this same answer otherwise.
/// Of the profile only the attributes that the rule [`looks_at`] need to be there.
pub fn passed_over(book: &Book, customer_id: &str, profile: &Profile, tick: &Tick) -> Option<Verdicts> {
    let Some(rule) = book.active.rules.get(&tick.rule).filter(|r| r.enabled) else {
        return Some(Verdicts::default());
    };
    let (consents, suppressed) = Default::default();
    let seen = Seen {
        customer_id,
        profile,
        consents: &consents,
        suppressed: &suppressed,
        erased: false,
        entries: Vec::new(),
        history: &[],
    };
    let skip = occurs(rule, &seen, tick).err()?;
    Some(Verdicts { skipped: skip.into_iter().collect(), ..Verdicts::default() })
}

/// Whether a tick of this rule depends on an attribute, as far as whom it is for.
pub fn looks_at(rule: &Rule, attribute: &str) -> bool {
    match &rule.trigger {
        Trigger::Anniversary { attribute: date, .. } => date == attribute,
        Trigger::Schedule { audience, .. } => audience.as_ref().is_some_and(|a| a.reads_attribute(attribute)),
        Trigger::Event { .. } | Trigger::Absent { .. } => false,
    }
}

/// The occurrence that the tick is for this customer; else why it is none (no reason when it is not about them).
fn occurs(rule: &Rule, seen: &Seen<'_>, tick: &Tick) -> Result<String, Option<Skip>> {
    match &rule.trigger {
        Trigger::Anniversary { attribute, leap_day, .. } => {
            let date: NaiveDate = tick.local.parse().map_err(|_| None)?;
            let born = civil_date(seen.profile.value_as_of(attribute, tick.planned)).ok_or(None)?;
            let month_day = born.format("%m-%d").to_string();
            // The year of the date itself is no anniversary.
            let kept = month_days_kept_on(date, *leap_day).contains(&month_day) && date.year() > born.year();
            if kept { Ok(format!("{attribute} {}", date.year())) } else { Err(None) }
        }
        Trigger::Schedule { audience, .. } => {
            let Some(audience) = audience else { return Ok(tick.local.clone()) };
            let about = || serde_json::json!({ "rule": rule.name, "occurrence": tick.local });
            match seen.judge(audience, None, about, tick.planned) {
                Truth::True => Ok(tick.local.clone()),
                Truth::False => Err(None),
                Truth::Unknown(what) => Err(Some(Skip {
                    rule: rule.name.clone(),
                    occurrence: tick.local.clone(),
                    step: None,
                    reason: Reason::MissingField,
                    detail: Some(what),
                })),
            }
        }
        Trigger::Event { .. } | Trigger::Absent { .. } => Err(None),
    }
}

/// The calendar date that an attribute holds; one that never was, such as 29 February 1990, is none.
fn civil_date(value: Option<&Value>) -> Option<NaiveDate> {
    value?.as_str()?.parse().ok()
}

/// Entries to run, each once, in a fixed order.
#[derive(Default)]
struct Changed(BTreeMap<(String, String), Entry>);

impl Changed {
    fn put(&mut self, entry: Entry) {
        self.0.insert((entry.rule.clone(), entry.occurrence.clone()), entry);
    }

    fn put_if_new(&mut self, entry: &Entry) {
        self.0.entry((entry.rule.clone(), entry.occurrence.clone())).or_insert_with(|| entry.clone());
    }
}

fn run_all(book: &Book, seen: &Seen<'_>, changed: Changed, now: DateTime<Utc>, verdicts: &mut Verdicts) {
    for mut entry in changed.0.into_values() {
        // One that has ended has no steps to run: a message of it may wait, and its exit is news for the gate.
        if entry.is_active() {
            steps::run(book, seen, &mut entry, now, verdicts);
        }
        verdicts.entries.push(entry);
    }
}

/// The profile with what the events say; none when that changes nothing, for then it is not written again.
fn merged(known: &Profile, events: &[Event]) -> Option<Profile> {
    let mut events = events.iter().filter(|e| e.kind == SIGNED_UP || e.kind == UPDATED).peekable();
    events.peek()?;
    let mut profile = known.clone();
    let is_news = events.fold(false, |is_news, event| profile.merge(event) | is_news);
    is_news.then_some(profile)
}

/// The consents that the events bring and that are not in the ledger yet.
fn new_consents(policy: &Policy, known: &Ledger, events: &[Event]) -> Vec<ConsentFact> {
    let mut new = Vec::new();
    let double_opt_in = |purpose: &str| policy.purposes.get(purpose).is_some_and(|p| p.double_opt_in);
    for fact in events.iter().flat_map(consent_facts) {
        let double_opt_in = double_opt_in(&fact.purpose);
        let fact = fact.read(double_opt_in);
        if !known.0.iter().chain(&new).any(|other| other.is_same(&fact)) {
            new.push(fact);
        }
    }
    new
}

fn with_new<'a>(known: &'a Ledger, new: &[ConsentFact]) -> Cow<'a, Ledger> {
    let mut ledger = Cow::Borrowed(known);
    if !new.is_empty() {
        ledger.to_mut().0.extend_from_slice(new);
    }
    ledger
}

/// The consents that an event carries: `data.consents` of a profile event, or the data of `consent.changed`
/// itself. An item that does not say channel, purpose and status is passed over. Of two that contradict each other the
/// strictest stands, as it does of two events of one instant.
fn consent_facts(event: &Event) -> Vec<ConsentFact> {
    let listed = event.data.get("consents").and_then(Value::as_array);
    let items: Vec<&Value> = match (event.kind.as_str(), listed) {
        (SIGNED_UP | UPDATED | CONSENT_CHANGED, Some(listed)) => listed.iter().collect(),
        (CONSENT_CHANGED, None) => vec![&event.data],
        _ => return Vec::new(),
    };
    let mut facts: Vec<ConsentFact> = Vec::new();
    for fact in items.into_iter().filter_map(|item| consent_fact(event, item.as_object()?)) {
        let about = |known: &&mut ConsentFact| known.channel == fact.channel && known.purpose == fact.purpose;
        match facts.iter_mut().find(about) {
            Some(known) if known.status < fact.status => *known = fact,
            Some(_) => {}
            None => facts.push(fact),
        }
    }
    facts
}

fn consent_fact(event: &Event, item: &Map<String, Value>) -> Option<ConsentFact> {
    let channel: Channel = serde_json::from_value(item.get("channel")?.clone()).ok()?;
    let status: ConsentStatus = serde_json::from_value(item.get("status")?.clone()).ok()?;
    let proof = item.iter().filter(|(name, _)| !["channel", "purpose", "status"].contains(&name.as_str()));
    Some(ConsentFact {
        channel,
        purpose: item.get("purpose")?.as_str()?.to_owned(),
        status,
        at: event.time,
        event_source: event.source.clone(),
        event_id: event.id.clone(),
        shown_at: item.get(SHOWN_AT).and_then(|at| serde_json::from_value(at.clone()).ok()),
        said: None,
        proof: proof.map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}
