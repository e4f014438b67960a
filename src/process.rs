//! From facts to memory: loads what a decision needs, lets the core decide, writes the verdicts, commits.
//!
//! Called by the intake (events), the scheduler (timers and ticks) and `declic dead-letters replay`. Sends nothing.
//! A batch that fails because of one customer is no reason for the others to wait: see `bisect`.

mod bisect;
mod error;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::active::{Active, Shelf};
use crate::clock::Clock;
use crate::domain::admit::address_of;
use crate::domain::bounce::notice::Notice;
use crate::domain::consent::Channel;
use crate::domain::customer::Profile;
use crate::domain::decide::{self, Tick};
use crate::domain::event::Event;
use crate::domain::memory::Entry;
use crate::domain::message::Message;
use crate::domain::outcome::Outcome;
use crate::domain::promo;
use crate::domain::rules::compile;
use crate::domain::snapshot::{Fact, Snapshot, Verdicts};
use crate::handoff::{Handoff, Lease};
use crate::store::{BounceRow, Changes, CustomerState, Store, StoreError, Tx};
use crate::telemetry::tally::{self, Batch};
use crate::{failpoint, guard, telemetry};

pub use error::ProcessError;
pub use replay::Replayed;

/// How often a promo code may meet one that is taken before we give up: with 60 bits, twice is a broken secret.
const MOST_COLLISIONS: u32 = 5;

/// How often a batch that stood in another transaction's way (a migration's, say) is tried again before it is given back.
const MOST_CONFLICTS: u32 = 3;

/// Applies facts to customers, one transaction at a time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Processor {
    store: Store,
    shelf: Shelf,
    clock: Clock,
    handoff: Handoff,
}

impl Processor {
    pub fn new(store: Store, shelf: Shelf, clock: Clock) -> Self {
        Self { store, shelf, clock, handoff: Handoff::default() }
    }

    /// Where what is to be sent at once goes.
    pub fn handoff(&self) -> &Handoff {
        &self.handoff
    }

    /// Takes in a batch of events; true for each that was new. All of it is committed, or none.
    pub async fn accept(&self, events: &[Event]) -> Result<Vec<bool>, ProcessError> {
        let mut conflicts = 0;
        loop {
            match self.accept_once(events, conflicts > 0).await {
                Err(ProcessError::Store(StoreError::Conflict(_))) if conflicts < MOST_CONFLICTS => {
                    conflicts += 1
                }
                result => return result,
            }
        }
    }

    /// After a conflict, which may have been about a new customer, these are made before anything is decided.
    async fn accept_once(&self, events: &[Event], makes_first: bool) -> Result<Vec<bool>, ProcessError> {
        let now = self.clock.now();
        let active = self.shelf.get();
        let mut told = told(events)?;
        let mut tx = self.store.begin().await?;
        let received_at = active.book.known_at(now);
        let fresh = tx.insert_events(events, received_at).await?;
        told.retain(|(event, _)| fresh[*event]);
        let bounces: Vec<BounceRow> = told.into_iter().map(|(_, row)| row).collect();
        tx.keep_bounces(&bounces).await?;
        failpoint::reach("accept.inserted");
        let mut written = Written::default();
        let by_customer = group_by_customer(events, &fresh);
        if !by_customer.is_empty() {
            let snapshots = load(&mut tx, &active, &by_customer, makes_first, now, received_at).await?;
            let active = self.with_pinned(&active, snapshots.iter().flat_map(|s| &s.entries)).await?;
            let verdicts = decided("events", &snapshots, |snapshot| {
                let events = by_customer.get(&snapshot.customer_id).map_or(&[][..], Vec::as_slice);
                decide::on_events(&active.book, snapshot, events, now)
            });
            written = write(&mut tx, &active, verdicts?, &snapshots, Some(&self.handoff), now).await?;
        }
        failpoint::reach("accept.written");
        tx.commit().await?;
        failpoint::reach("accept.committed");
        self.done(written);
        let new = events.iter().zip(&fresh).filter_map(|(event, new)| new.then_some(event));
        telemetry::events_taken(new, &active.book, now);
        Ok(fresh)
    }

    /// Gives the senders what a transaction made for them, once it is committed, and counts what it decided.
    fn done(&self, written: Written) {
        tally::count(written.counted);
        self.handoff.give(written.lease, written.messages, self.clock.now());
    }

    /// Runs timers that are due, for at most `limit` entries; how many entries it found. Those of a customer for whom
    /// they always fail are set aside, with a dead letter each.
    pub async fn run_due(&self, limit: u32) -> Result<usize, StoreError> {
        let mut tx = self.store.begin().await?;
        let due = tx.due_entries(self.clock.now(), limit).await?;
        let customers: BTreeSet<String> = due.iter().map(|(customer, ..)| customer.clone()).collect();
        if customers.is_empty() {
            return Ok(0);
        }
        let customers: Vec<String> = customers.into_iter().collect();
        match self.timers(&mut tx, &customers).await {
            Ok(written) => {
                failpoint::reach("timers.written");
                tx.commit().await?;
                failpoint::reach("timers.committed");
                self.done(written);
            }
            Err(ProcessError::Poison(_)) => {
                tx.rollback().await?;
                self.in_parts(&bisect::Work::Timers, customers).await?;
            }
            Err(ProcessError::Store(error)) => return Err(error),
        }
        Ok(due.len())
    }

    /// Runs the timers of these customers that are due.
    async fn timers(&self, tx: &mut Tx, customers: &[String]) -> Result<Written, ProcessError> {
        let now = self.clock.now();
        let snapshots = snapshots_of(tx.lock_customers(customers, &[]).await?, BTreeMap::new());
        let active = self.with_pinned(&self.shelf.get(), snapshots.iter().flat_map(|s| &s.entries)).await?;
        let verdicts = decided("timers", &snapshots, |s| decide::on_timer(&active.book, s, now))?;
        write(tx, &active, verdicts, &snapshots, Some(&self.handoff), now).await
    }

    /// Decides, within the sweep's own transaction, what a tick means for these customers; what is to be counted once that is
    /// committed.
    pub async fn tick(&self, tx: &mut Tx, tick: &Tick, customers: &[String]) -> Result<Batch, ProcessError> {
        if customers.is_empty() {
            return Ok(Batch::default());
        }
        let now = self.clock.now();
        let active = self.shelf.get();
        let states = tx.lock_customers(customers, std::slice::from_ref(&tick.rule)).await?;
        // A sweep may come late: what has ended the entry since its planned instant counts.
        let exit_on = active.book.active.rules.get(&tick.rule).map_or(&[][..], |rule| &rule.exit_on);
        let snapshots = snapshots_of(states, histories(tx, customers, exit_on, tick.planned).await?);
        let verdicts = decided("ticks", &snapshots, |s| decide::on_tick(&active.book, s, tick, now))?;
        Ok(write(tx, &active, verdicts, &snapshots, None, now).await?.counted)
    }

    /// The active set, with the older rule versions that these entries are pinned to.
    async fn with_pinned(
        &self,
        active: &Arc<Active>,
        entries: impl Iterator<Item = &Entry>,
    ) -> Result<Arc<Active>, StoreError> {
        let missing = active.book.missing(entries);
        if missing.is_empty() {
            return Ok(active.clone());
        }
        let mut book = active.book.clone();
        for (name, version) in missing {
            let Some(source) = self.store.rule_version(&name, &version).await? else { continue };
            match guard::catch(|| compile::compile_rule(&source, &format!("rules/{name}.yaml"))) {
                Ok(Ok(rule)) => book.pin(Arc::new(rule)),
                Ok(Err(_)) | Err(_) => telemetry::unreadable_rule_version(&name, &version),
            }
        }
        let extended = Active { book, templates: active.templates.clone(), hash: active.hash.clone() };
        // Kept for the next batch, unless a reload has swapped in another set meanwhile.
        if self.shelf.get().hash == active.hash {
            self.shelf.swap(extended.clone());
        }
        Ok(Arc::new(extended))
    }
}

/// Asks the core about each customer. A panic is an error of the whole batch; it is logged where the customer stands alone,
/// which is where the halving of the batch ends.
fn decided(
    part: &'static str,
    snapshots: &[Snapshot],
    decide: impl Fn(&Snapshot) -> Verdicts,
) -> Result<Vec<Verdicts>, ProcessError> {
    let ask = |snapshot: &Snapshot| {
        let customer = &snapshot.customer_id;
        let decided = guard::catch(|| {
            failpoint::stumble(part, customer);
            decide(snapshot)
        });
        decided.map_err(|panic| {
            if snapshots.len() == 1 {
                telemetry::panicked(part, customer, &panic.place);
            }
            ProcessError::Poison(panic.to_string())
        })
    };
    snapshots.iter().map(ask).collect()
}

fn group_by_customer(events: &[Event], fresh: &[bool]) -> BTreeMap<String, Vec<Event>> {
    let mut groups: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for (event, _) in events.iter().zip(fresh).filter(|(_, fresh)| **fresh) {
        groups.entry(event.subject.clone()).or_default().push(event.clone());
    }
    for group in groups.values_mut() {
        group.sort_by_key(Event::stamp);
    }
    groups
}

/// Locks the customers of these events, and loads what may matter to them.
async fn load(
    tx: &mut Tx,
    active: &Active,
    by_customer: &BTreeMap<String, Vec<Event>>,
    makes_first: bool,
    now: DateTime<Utc>,
    received_at: DateTime<Utc>,
) -> Result<Vec<Snapshot>, StoreError> {
    let kinds: BTreeSet<&str> = by_customer.values().flatten().map(|e| e.kind.as_str()).collect();
    let needs = active.book.needs(kinds, now);
    let customers: Vec<String> = by_customer.keys().cloned().collect();
    let rules: Vec<String> = needs.rules.into_iter().collect();
    let mut states = if makes_first {
        tx.lock_customers(&customers, &rules).await?
    } else {
        tx.lock_known_customers(&customers, &rules).await?
    };
    // Whoever is heard of again is taken out of the archive before anything is decided.
    let woken = states
        .values()
        .filter(|state| by_customer[&state.customer_id].iter().any(|event| state.is_woken_by(event.time)));
    let woken: Vec<String> = woken.map(|state| state.customer_id.clone()).collect();
    if !woken.is_empty() {
        states.extend(tx.bring_back(&woken, &rules).await?);
    }
    let (kinds, since): (Vec<String>, _) = (needs.kinds.into_iter().collect(), needs.since.unwrap_or(now));
    let (new, known): (Vec<String>, _) = customers.into_iter().partition(|id| tx.is_unknown(id));
    let mut histories = histories(tx, &known, &kinds, since).await?;
    // All that is known of who was unknown is in these events.
    for customer in new {
        let matters = |event: &&Event| event.time >= since && kinds.contains(&event.kind);
        let events = by_customer[&customer].iter().filter(matters).cloned();
        let facts = events.map(|event| Fact { event, received_at }).collect();
        histories.insert(customer, facts);
    }
    Ok(snapshots_of(states, histories))
}

/// The past events of these types, by customer.
async fn histories(
    tx: &mut Tx,
    customers: &[String],
    kinds: &[String],
    since: DateTime<Utc>,
) -> Result<BTreeMap<String, Vec<Fact>>, StoreError> {
    let mut histories: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
    if kinds.is_empty() {
        return Ok(histories);
    }
    for fact in tx.history(customers, kinds, since).await? {
        histories.entry(fact.event.subject.clone()).or_default().push(fact);
    }
    Ok(histories)
}

fn snapshots_of(
    states: BTreeMap<String, CustomerState>,
    mut histories: BTreeMap<String, Vec<Fact>>,
) -> Vec<Snapshot> {
    let snapshot = |state: CustomerState| {
        let history = histories.remove(&state.customer_id).unwrap_or_default();
        state.with_history(history)
    };
    states.into_values().map(snapshot).collect()
}

/// What follows from a transaction once it is committed: the messages that it has made, with the lease of those that it has
/// claimed, are for the senders; what it decided is counted.
#[derive(Default)]
#[must_use = "who claims must give"]
struct Written {
    lease: Option<Lease>,
    messages: Vec<Message>,
    counted: Batch,
}

/// Writes what was decided for each snapshot, with the outcomes that it means for the outside.
async fn write(
    tx: &mut Tx,
    active: &Active,
    verdicts: Vec<Verdicts>,
    snapshots: &[Snapshot],
    handoff: Option<&Handoff>,
    now: DateTime<Utc>,
) -> Result<Written, ProcessError> {
    let (mut changes, mut counted) = (Changes::default(), Batch::default());
    for (mut verdict, snapshot) in verdicts.into_iter().zip(snapshots) {
        telemetry::decided(&verdict, &snapshot.entries, &mut counted);
        settle_collisions(tx, active, &mut verdict).await?;
        let customer = &snapshot.customer_id;
        let announced = |code| Outcome::of_promo_code(code, verdict.trace_of(code), now);
        changes.outcomes.extend(verdict.promo_codes.iter().map(announced));
        changes.outcomes.extend(verdict.messages.iter().filter_map(|m| Outcome::of_message(m, now)));
        if let Some(at) = verdict.signed_up {
            let profile = verdict.profile.as_ref().unwrap_or(&snapshot.profile);
            let addresses = addresses_of(active, profile)?.map(|(channel, address)| (channel, address, at));
            changes.signed_up.extend(addresses);
        }
        if let Some(profile) = verdict.profile {
            let old = &snapshot.profile;
            if old.get("phone") != profile.get("phone") || old.get("country") != profile.get("country") {
                let policy = &active.book.active.policy;
                let phone = guard::catch(|| address_of(Channel::Sms, &profile, policy).ok())
                    .map_err(|panic| ProcessError::Poison(panic.to_string()))?;
                changes.phones.push((customer.clone(), phone));
            }
            if has_same_dates(old, &profile) {
                changes.same_dates.insert(customer.clone());
            }
            changes.profiles.push((customer.clone(), profile));
        }
        let words = verdict.consents.iter().filter_map(|fact| Outcome::of_consent(customer, fact));
        changes.outcomes.extend(words);
        changes.consents.extend(verdict.consents.into_iter().map(|fact| (customer.clone(), fact)));
        changes.entries.extend(verdict.entries);
        changes.dropped_entries.extend(
            verdict.dropped.into_iter().map(|(rule, occurrence)| (customer.clone(), rule, occurrence)),
        );
        changes.messages.extend(verdict.messages);
        changes.promo_codes.extend(verdict.promo_codes);
        changes.erased.extend(verdict.erased.map(|until| (customer.clone(), until)));
    }
    let lease = handoff.and_then(|handoff| handoff.claim(&mut changes.messages, now));
    changes.lease = lease.as_ref().map(|lease| (lease.token.clone(), lease.lasts));
    tx.write(&changes).await?;
    Ok(Written { lease, messages: changes.messages, counted })
}

/// What events tell of mails that came back, each with the place of its event; it is settled with their messages, in time.
fn told(events: &[Event]) -> Result<Vec<(usize, BounceRow)>, ProcessError> {
    let notices = events.iter().enumerate().filter_map(|(at, event)| Some((at, Notice::of_event(event)?)));
    let row = |(at, notice): (usize, Result<Notice, String>)| Ok((at, BounceRow::told(&notice?)));
    notices.map(row).collect::<Result<_, String>>().map_err(ProcessError::Poison)
}

/// Where a customer can be written to.
fn addresses_of(
    active: &Active,
    profile: &Profile,
) -> Result<impl Iterator<Item = (Channel, String)>, ProcessError> {
    let policy = &active.book.active.policy;
    let found = guard::catch(|| {
        [Channel::Email, Channel::Sms].map(|channel| (channel, address_of(channel, profile, policy).ok()))
    });
    let found = found.map_err(|panic| ProcessError::Poison(panic.to_string()))?;
    Ok(found.into_iter().filter_map(|(channel, address)| Some((channel, address?))))
}

/// Whether nothing has changed that can be a date or tells when a date is: most events say something else.
fn has_same_dates(old: &Profile, new: &Profile) -> bool {
    let may_be_date = |profile: &Profile, name: &str| profile.text(name).is_some_and(|t| t.len() == 10);
    // A merge adds attributes and values, and takes none away.
    new.attributes.keys().all(|name| {
        old.get(name) == new.get(name)
            || name != "timezone" && !may_be_date(old, name) && !may_be_date(new, name)
    })
}

/// Gives a promo code that another entry already holds its next value.
async fn settle_collisions(tx: &mut Tx, active: &Active, verdict: &mut Verdicts) -> Result<(), ProcessError> {
    for code in &mut verdict.promo_codes {
        let derived = code.code.clone();
        let mut counter = 0;
        while tx
            .promo_codes(std::slice::from_ref(&code.code))
            .await?
            .iter()
            .any(|held| held.owner() != code.owner())
        {
            counter += 1;
            if counter > MOST_COLLISIONS {
                let words = format!("promo codes of rule {} keep colliding", code.rule);
                return Err(ProcessError::Poison(words));
            }
            code.code = promo::next(&active.book.secret, code, counter);
        }
        for message in
            verdict.messages.iter_mut().filter(|m| counter > 0 && m.promo_code.as_ref() == Some(&derived))
        {
            message.promo_code = Some(code.code.clone());
            Arc::make_mut(&mut message.context)["promo_code"] = code.to_json();
        }
    }
    Ok(())
}
