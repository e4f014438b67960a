//! The senders' loop: claims messages by lease, admits them, hands them over side by side, records in groups.
//!
//! Nobody waits behind a newsletter: a claim takes the urgent lanes first, a round is short, so that the next claim is
//! never far, and what it did not come to goes back in its old place. Limits are asked while messages are `claimed`,
//! before anything is marked `sending`: what waits there could be left uncertain by a crash.
//!
//! Invariant: no transaction is held while a provider is spoken to, and nothing is handed over before the state
//! `sending` is committed under this round's token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::admission::{Admission, Admitted, Judge, likely_weight, pinned_template, weight_of};
use super::flow::{Flow, Held, Pass, is_urgent};
use super::outcomes::Outcomes;
use super::pauses::Pauses;
use super::room::Room;
use super::{poison, record};
use crate::active::{Active, Shelf};
use crate::channels::Outlet;
use crate::clock::Clock;
use crate::domain::consent::Channel;
use crate::domain::message::{Lane, Message};
use crate::domain::outcome::{Outcome, promo_outcome_id};
use crate::domain::restore::List;
use crate::domain::templates::Version;
use crate::handoff::{Batch, Handoff, Lease};
use crate::store::{Changes, Claim, Store, StoreError};
use crate::supervise::Pulse;
use crate::telemetry::spans;
use crate::{failpoint, telemetry};

/// Messages marked `sending` together, for each connection, at first.
const GROUPED_PER_CONNECTION: usize = 2;

/// The most messages marked `sending` together, and recorded together.
pub(super) const MOST_GROUPED: usize = 128;

/// How long the hand-over of a group takes about. What a crash leaves uncertain at most is a group of each dispatcher, so
/// a group is no larger than what the provider takes in this time; and no smaller, for each costs two commits.
const GROUP_LASTS: Duration = Duration::from_millis(100);

/// How often the outbox is looked at while nobody rings, or while all that is sent is handed to us, in real time.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The pause after a failure of the database.
pub(super) const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long a round goes on, in real time; what is under way then is finished. An urgent message that comes while all
/// senders are busy with others waits no longer than this.
const ROUND: Duration = Duration::from_millis(500);

/// The longest a sender looks away, so that it shows signs of life while a provider is out of reach for hours.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The pause of a message whose promo code could not be announced.
const PAUSE_OF_PROMO: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Dispatcher {
    pub store: Store,
    pub shelf: Shelf,
    pub clock: Clock,
    pub outlet: Outlet,
    /// Shared by all dispatchers of the outlet.
    pub flow: Flow,
    pub pauses: Pauses,
    /// What this one looks after.
    pub lanes: &'static [Lane],
    pub outcomes: Outcomes,
    /// Where what is claimed already comes from, and which rings when there may be something to claim.
    pub handoff: Handoff,
    pub public_url: Arc<str>,
    /// Messages handed over at the same time.
    pub connections: usize,
    /// Messages claimed in one round at most; after rounds that did not get through, as many as they did.
    pub claim: u32,
    /// How long a claim holds. No hand-over begins that could outlast it.
    pub lease: Duration,
    /// The longest one hand-over takes.
    pub send_deadline: Duration,
}

/// How much a dispatcher takes on at once, as learnt from what it took on before.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Messages to claim in the next round.
    claim: usize,
    /// Messages to mark `sending` together.
    group: usize,
    /// When the outbox was looked at last.
    looked: Instant,
}

/// What one round found.
enum Round {
    Idle,
    Worked,
    /// Nothing may go for so long.
    Held(Duration),
}

/// What of a round's messages may go now.
#[derive(Default)]
struct Picked {
    go: Vec<(Message, Pass)>,
    /// For so long, in real time.
    put_back: Vec<(Message, Duration, &'static str)>,
    /// How long until the rate lets the next one go, when that is what ended the picking.
    wait: Option<Duration>,
}

/// Gives what was handed to senders, and none of them has taken, back to the outbox.
pub async fn give_back(store: &Store, handoff: &Handoff, channel: Channel) -> Result<(), StoreError> {
    while let Some(Batch { lease, messages }) = handoff.take(channel) {
        release(store, &messages, &lease.token).await?;
    }
    Ok(())
}

/// Gives claimed messages back untried, to whoever asks when they are due.
async fn release(store: &Store, messages: &[Message], token: &str) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    let mut tx = store.begin().await?;
    tx.release(token, messages).await?;
    tx.commit().await
}

impl Dispatcher {
    /// Sends until told to stop; what has been begun is finished and recorded first.
    pub async fn run(self, pulse: Pulse, shutdown: CancellationToken) {
        let mut pace = Pace { claim: self.claim as usize, group: self.least_group(), looked: Instant::now() };
        self.flow.announce();
        // Where a rate bounds what goes, the most urgent is chosen from all that waits.
        if !self.flow.has_rate() {
            self.handoff.open(self.outlet.channel(), self.lease);
        }
        while !shutdown.is_cancelled() {
            let (pause, idle) = match self.round(&mut pace, &shutdown).await {
                Ok(Round::Worked) => (Duration::ZERO, false),
                Ok(Round::Idle) => (LOOK_EVERY, true),
                Ok(Round::Held(wait)) => (wait.min(LONGEST_PAUSE), false),
                Err(error) => {
                    telemetry::waiting_for("database", &error.to_string());
                    (PAUSE_AFTER_FAILURE, false)
                }
            };
            pulse.beat();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.handoff.rung(self.outlet.channel()), if idle => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// `pace` is set to what the next round should take on.
    async fn round(&self, pace: &mut Pace, shutdown: &CancellationToken) -> Result<Round, StoreError> {
        // While no bulk message could go, none is claimed; for the urgent ones somebody else looks.
        if self.lanes.contains(&Lane::Bulk)
            && let Some(wait) = self.flow.until_token()
        {
            telemetry::waited_for_rate(self.flow.channel(), wait.min(LONGEST_PAUSE).as_secs_f64());
            return Ok(Round::Held(wait));
        }
        let channel = self.outlet.channel();
        let entered = if self.pauses.stop_channel(channel) { Err(LOOK_EVERY) } else { self.flow.enter() };
        let probe = match entered {
            Ok(probe) => probe,
            Err(wait) => {
                self.handoff.pause(channel);
                give_back(&self.store, &self.handoff, channel).await?;
                return Ok(Round::Held(wait));
            }
        };
        let Batch { lease, messages: claimed } = self.next_batch(pace, probe.is_some()).await?;
        if claimed.is_empty() {
            return Ok(Round::Idle);
        }
        let claimed = self.set_paused_aside(claimed, &lease.token).await?;
        failpoint::reach("delivery.claimed");
        let ends = Instant::now() + ROUND;
        let probe_number = probe.as_ref().map(|probe| probe.number);
        let mut rest = self.announce_promo_codes(claimed, &lease.token).await?;
        let count = rest.len();
        let mut held = None;
        while !rest.is_empty() {
            let late = lease.ends.comes_within(self.send_deadline * 2);
            let closed = self.pauses.stop_channel(channel) || !self.flow.may_begin(probe_number);
            let over = late || closed || Instant::now() >= ends;
            if shutdown.is_cancelled() || over {
                break;
            }
            let picked = self.pick(&mut rest, pace.group, probe_number);
            self.put_back(picked.put_back, &lease.token).await?;
            if !picked.go.is_empty() {
                let (began, whole) = (Instant::now(), picked.go.len() >= pace.group);
                self.send(picked.go, &lease, shutdown).await?;
                pace.group = self.next_group(pace.group, whole, began.elapsed());
            } else if let Some(wait) = picked.wait {
                if Instant::now() + wait >= ends {
                    held = Some(wait);
                    break;
                }
                telemetry::waited_for_rate(self.flow.channel(), wait.as_secs_f64());
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = shutdown.cancelled() => {}
                }
            } else {
                // All that is left waits for connections to domains that others use.
                break;
            }
        }
        let left = self.release_rest(rest, &lease.token).await?;
        if probe.is_none() {
            let (least, most) = (self.least_group(), self.claim as usize);
            let next = if left == 0 { pace.claim.saturating_mul(2) } else { count - left };
            pace.claim = next.max(least).min(most.max(least));
        }
        Ok(held.map_or(Round::Worked, Round::Held))
    }

    /// What was handed to us, or else what is due in the outbox, where nothing may grow old meanwhile.
    async fn next_batch(&self, pace: &mut Pace, is_probe: bool) -> Result<Batch, StoreError> {
        let channel = self.outlet.channel();
        if !is_probe
            && pace.looked.elapsed() < LOOK_EVERY
            && let Some(batch) = self.handoff.take(channel)
        {
            return Ok(batch);
        }
        pace.looked = Instant::now();
        let lease = Lease::begin(self.lease).map_err(StoreError::Other)?;
        let limit = if is_probe { 1 } else { pace.claim };
        let claim = Claim {
            channel,
            lanes: self.lanes,
            limit: u32::try_from(limit).unwrap_or(self.claim),
            now: self.clock.now(),
            token: &lease.token,
            lease: self.lease,
        };
        let found = self.store.claim_messages(&claim).await?;
        let messages = poison::without_unreadable(&self.store, found, &lease.token, claim.now).await?;
        if is_probe {
            return Ok(Batch { lease, messages });
        }
        if messages.len() >= limit {
            // There is likely more, for a colleague; and what waits there goes before what comes now.
            self.handoff.pause(channel);
            self.handoff.ring(channel);
        }
        let handed = if messages.is_empty() { self.handoff.take(channel) } else { None };
        Ok(handed.unwrap_or(Batch { lease, messages }))
    }

    /// Takes those whose rule is paused out of the way of others.
    async fn set_paused_aside(&self, claimed: Vec<Message>, token: &str) -> Result<Vec<Message>, StoreError> {
        let pauses = self.pauses.known();
        let (paused, rest): (Vec<_>, Vec<_>) =
            claimed.into_iter().partition(|message| pauses.stops_rule(&message.rule));
        if !paused.is_empty() {
            let mut tx = self.store.begin().await?;
            tx.set_aside(token, paused).await?;
            tx.commit().await?;
        }
        Ok(rest)
    }

    fn least_group(&self) -> usize {
        (self.connections * GROUPED_PER_CONNECTION).max(1)
    }

    /// How many should be marked `sending` together after so many took so long, `whole` if there were enough.
    fn next_group(&self, group: usize, whole: bool, took: Duration) -> usize {
        let least = self.least_group();
        if took > GROUP_LASTS * 2 {
            (group / 2).max(least)
        } else if whole && took < GROUP_LASTS {
            (group * 2).min(MOST_GROUPED.max(least))
        } else {
            group
        }
    }

    /// Takes the next group out of `rest`, in its order, as far as limits let them go. Only what is about to be handed
    /// over becomes `sending`: a crash leaves no more than one group unknown.
    fn pick(&self, rest: &mut Vec<Message>, size: usize, probe: Option<u64>) -> Picked {
        let mut picked = Picked::default();
        let active = self.shelf.get();
        let weight =
            |message: &Message| if self.flow.has_rate() { likely_weight(&active, message) } else { 1 };
        for message in std::mem::take(rest) {
            if picked.wait.is_some() || picked.go.len() >= size {
                rest.push(message);
                continue;
            }
            match self.flow.pass(&message, weight(&message), probe) {
                Ok(pass) => picked.go.push((message, pass)),
                Err(Held::Later(wait, reason)) => picked.put_back.push((message, wait, reason)),
                Err(Held::Connections) => rest.push(message),
                Err(Held::Rate(wait)) => {
                    picked.wait = Some(wait);
                    rest.push(message);
                }
            }
        }
        if picked.wait.is_some() {
            let urgent: u32 = rest.iter().take(size).filter(|m| is_urgent(m)).map(&weight).sum();
            if urgent > 0 {
                self.flow.owe(urgent);
            }
        }
        picked
    }

    /// Admits a group, hands it over and records what became of it.
    async fn send(
        &self,
        picked: Vec<(Message, Pass)>,
        lease: &Lease,
        shutdown: &CancellationToken,
    ) -> Result<(), StoreError> {
        let mut passes = BTreeMap::new();
        let mut group = Vec::with_capacity(picked.len());
        for (message, pass) in picked {
            passes.insert(message.id.clone(), pass);
            group.push(message);
        }
        let ready = self.admit_others(group, &lease.token).await?;
        let ready = ready
            .into_iter()
            .filter_map(|(span, admitted)| {
                let mut pass = passes.remove(&admitted.0.id)?;
                pass.weigh(weight_of(&admitted.1));
                Some((pass, span, admitted))
            })
            .collect();
        // Those of messages that do not go after all: others may have them.
        drop(passes);
        self.hand_over(ready, lease, shutdown).await
    }

    /// Gives messages back untried that limits keep from going now, each for its time.
    async fn put_back(
        &self,
        messages: Vec<(Message, Duration, &'static str)>,
        token: &str,
    ) -> Result<(), StoreError> {
        let mut reasons: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut back = Vec::with_capacity(messages.len());
        for (mut message, wait, reason) in messages {
            *reasons.entry(reason).or_default() += 1;
            message.due_at = self.clock.after(wait);
            back.push(message);
        }
        release(&self.store, &back, token).await?;
        for (reason, count) in reasons {
            telemetry::put_back(self.flow.channel(), reason, count);
        }
        Ok(())
    }

    /// Gives back what a round did not come to, in its old place; returns how many. What waits for a connection to its
    /// domain makes room for others first.
    async fn release_rest(&self, rest: Vec<Message>, token: &str) -> Result<usize, StoreError> {
        let (mut crowded, mut free) = (Vec::new(), Vec::new());
        for message in rest {
            match self.flow.when_connected(&message) {
                Some(wait) => crowded.push((message, wait, "domain_connections")),
                None => free.push(message),
            }
        }
        let left = free.len();
        self.put_back(crowded, token).await?;
        release(&self.store, &free, token).await?;
        Ok(left)
    }

    /// Tells the shop of the promo codes before the mails that carry them. Those that cannot be told wait.
    async fn announce_promo_codes(
        &self,
        claimed: Vec<Message>,
        token: &str,
    ) -> Result<Vec<Message>, StoreError> {
        let ids: Vec<String> =
            claimed.iter().filter_map(|m| m.promo_code.as_deref().map(promo_outcome_id)).collect();
        if ids.is_empty() {
            return Ok(claimed);
        }
        if self.outcomes.publish_now(&ids).await? {
            failpoint::reach("delivery.announced");
            return Ok(claimed);
        }
        let (mut with_code, without): (Vec<_>, _) = claimed.into_iter().partition(|m| m.promo_code.is_some());
        with_code.iter_mut().for_each(|message| message.due_at = self.clock.after(PAUSE_OF_PROMO));
        release(&self.store, &with_code, token).await?;
        Ok(without)
    }

    /// Asks the gate for each message and commits what may go as `sending`.
    pub(super) async fn admit(
        &self,
        claimed: Vec<Message>,
        token: &str,
    ) -> Result<Vec<(Span, Admitted)>, StoreError> {
        let active = self.shelf.get();
        let pinned = self.pinned_templates(&active, &claimed).await?;
        let now = self.clock.now();
        let mut customers: Vec<String> = claimed.iter().map(|m| m.customer_id.clone()).collect();
        customers.sort();
        customers.dedup();
        let mut tx = self.store.begin().await?;
        let states = tx.lock_readers(&customers).await?;
        let (mut go, mut stopped, mut changes) = (Vec::new(), Vec::new(), Changes::default());
        let mut room = Room::load(&mut tx, &active.book.active.policy, &claimed, now).await?;
        let ids: Vec<String> = claimed.iter().map(|m| m.id.clone()).collect();
        // Only a restore leaves a list.
        let restored = !active.book.fences.is_empty();
        let told = if restored { tx.told_sent(&ids).await? } else { List::new() };
        let exits = tx.exits_of(claimed.iter().chain(room.rivals())).await?;
        let pauses = self.pauses.known();
        let judge = Judge {
            active: &active,
            public_url: &self.public_url,
            told: &told,
            exits: &exits,
            pauses: &pauses,
            now,
        };
        for message in claimed {
            let Some(customer) = states.get(&message.customer_id) else { continue };
            let template = message.template_hash.as_ref().and_then(|hash| pinned.get(hash));
            let slots = room.beside(&message, customer, &judge);
            let span = spans::message(&message);
            match span.in_scope(|| judge.decide(message, customer, &slots, template)) {
                Admission::Go(ready) => {
                    room.settle(&ready.0);
                    go.push((span, *ready));
                }
                Admission::Stop(message) => {
                    room.settle(&message);
                    spans::became(&span, &message);
                    changes.outcomes.extend(spans::told(&span, Outcome::of_message(&message, now)));
                    changes.dead_letters.extend(poison::letter(&message, now));
                    stopped.push(*message);
                }
            }
        }
        let sending = go.iter().map(|(_, (message, ..))| message);
        let held = tx.mark_sending(token, sending).await?;
        let others = record::write(&mut tx, token, &stopped, &changes, now).await?;
        failpoint::reach("delivery.admitted");
        tx.commit().await?;
        failpoint::reach("delivery.sending");
        stopped.iter().for_each(telemetry::handed_over);
        telemetry::fell_back(&others);
        poison::tell(&stopped);
        // A lease lost meanwhile belongs to another worker now: theirs to send.
        go.retain(|(_, (message, ..))| held.contains(&message.id));
        Ok(go)
    }

    /// Template versions that earlier attempts rendered and that are no longer the newest.
    async fn pinned_templates(
        &self,
        active: &Active,
        claimed: &[Message],
    ) -> Result<BTreeMap<String, Version>, StoreError> {
        let mut pinned = BTreeMap::new();
        for hash in claimed.iter().filter_map(|m| m.template_hash.as_ref()) {
            if pinned.contains_key(hash) {
                continue;
            }
            let stored = pinned_template(&self.store, active, hash).await?;
            pinned.extend(stored.map(|version| (hash.clone(), version)));
        }
        Ok(pinned)
    }
}
