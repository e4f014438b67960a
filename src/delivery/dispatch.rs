//! The senders' loop: claims messages by lease, admits them, hands them over side by side, records in groups.
//!
//! Invariant: no transaction is held while a provider is spoken to, and nothing is handed over before the state
//! `sending` is committed under this round's token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, Judge};
use super::outcomes::Outcomes;
use super::record;
use super::room::Room;
use crate::active::{Active, Shelf};
use crate::channels::{Answer, Outlet, Parcel};
use crate::clock::Clock;
use crate::domain::message::{Message, MessageState};
use crate::domain::outcome::{Outcome, promo_outcome_id};
use crate::domain::steps::basis;
use crate::domain::templates::Version;
use crate::entropy;
use crate::store::{Changes, Store, StoreError};
use crate::supervise::Pulse;
use crate::telemetry;

/// Results recorded in one transaction: one fsync for as many, and no more lost to "uncertain" by a crash.
const RECORDED_AT_ONCE: usize = 32;

/// Messages marked `sending` together, for each connection: what a crash leaves uncertain at most, so as few as keep the
/// connections busy.
const GROUPED_PER_CONNECTION: usize = 2;

/// How long to look away when the outbox is empty, in real time.
const IDLE: Duration = Duration::from_millis(100);

/// The pause after a failure of the database.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The pause after the provider refused us: people must mend it, so there is no hurry and no hammering.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// The pause of a message whose promo code could not be announced.
const PAUSE_OF_PROMO: TimeDelta = TimeDelta::seconds(5);

#[derive(Clone)]
pub struct Dispatcher {
    pub store: Store,
    pub shelf: Shelf,
    pub clock: Clock,
    pub outlet: Outlet,
    pub outcomes: Outcomes,
    pub public_url: Arc<str>,
    /// Messages handed over at the same time.
    pub connections: usize,
    /// Messages claimed in one round.
    pub claim: u32,
    /// How long a claim holds. No hand-over begins that could outlast it.
    pub lease: TimeDelta,
    /// The longest one hand-over takes.
    pub send_deadline: TimeDelta,
}

/// What one round found.
enum Round {
    Idle,
    Worked,
    Refused(String),
}

impl Dispatcher {
    /// Sends until told to stop; what has been begun is finished and recorded first.
    pub async fn run(self, pulse: Pulse, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let pause = match self.round(&shutdown).await {
                Ok(Round::Worked) => Duration::ZERO,
                Ok(Round::Idle) => IDLE,
                Ok(Round::Refused(reply)) => {
                    telemetry::provider_refused(&reply, PAUSE_AFTER_REFUSAL.as_secs());
                    PAUSE_AFTER_REFUSAL
                }
                Err(error) => {
                    telemetry::waiting_for("database", &error.to_string());
                    PAUSE_AFTER_FAILURE
                }
            };
            pulse.beat();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    async fn round(&self, shutdown: &CancellationToken) -> Result<Round, StoreError> {
        let token = entropy::token::<16>().map_err(|e| StoreError::Other(e.to_string()))?;
        let wall = self.clock.wall();
        let lease_until = wall + self.lease;
        let claimed =
            self.store.claim_messages(self.clock.now(), wall, self.claim, &token, lease_until).await?;
        if claimed.is_empty() {
            return Ok(Round::Idle);
        }
        let mut rest = self.announce_promo_codes(claimed, &token).await?;
        // Only what is about to be handed over becomes `sending`: a crash leaves no more than one group unknown.
        let group_size = (self.connections * GROUPED_PER_CONNECTION).max(1);
        let mut round = Round::Worked;
        while !rest.is_empty() {
            let late = self.clock.wall() + self.send_deadline * 2 >= lease_until;
            if shutdown.is_cancelled() || late || matches!(round, Round::Refused(_)) {
                self.release(rest, &token, self.clock.now()).await?;
                break;
            }
            let group = rest.drain(..group_size.min(rest.len())).collect();
            let ready = self.admit(group, &token, lease_until).await?;
            round = self.hand_over(ready, &token, lease_until, shutdown).await?;
        }
        Ok(round)
    }

    /// Gives claimed messages back untried.
    async fn release(
        &self,
        mut messages: Vec<Message>,
        token: &str,
        due_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        for message in &mut messages {
            message.state = MessageState::Pending;
            message.due_at = message.due_at.max(due_at);
        }
        let mut tx = self.store.begin().await?;
        tx.release(token, &messages).await?;
        tx.commit().await
    }

    /// Tells the shop of the promo codes before the mails that carry them. Those that cannot be told wait.
    async fn announce_promo_codes(
        &self,
        claimed: Vec<Message>,
        token: &str,
    ) -> Result<Vec<Message>, StoreError> {
        let ids: Vec<String> =
            claimed.iter().filter_map(|m| m.promo_code.as_deref().map(promo_outcome_id)).collect();
        if ids.is_empty() || self.outcomes.publish_now(&ids).await? {
            return Ok(claimed);
        }
        let (with_code, without) = claimed.into_iter().partition(|m| m.promo_code.is_some());
        self.release(with_code, token, self.clock.now() + PAUSE_OF_PROMO).await?;
        Ok(without)
    }

    /// Asks the gate for each message and commits what may go as `sending`.
    async fn admit(
        &self,
        claimed: Vec<Message>,
        token: &str,
        lease_until: DateTime<Utc>,
    ) -> Result<Vec<(Message, Parcel)>, StoreError> {
        let active = self.shelf.get();
        let pinned = self.pinned_templates(&active, &claimed).await?;
        let now = self.clock.now();
        let mut customers: Vec<String> = claimed.iter().map(|m| m.customer_id.clone()).collect();
        customers.sort();
        customers.dedup();
        let mut tx = self.store.begin().await?;
        let states = tx.lock_customers(&customers, &[]).await?;
        let (mut go, mut sending, mut stopped, mut changes) =
            (Vec::new(), Vec::new(), Vec::new(), Changes::default());
        let mut room = Room::load(&mut tx, &active.book.active.policy, &customers, now).await?;
        let judge = Judge { active: &active, public_url: &self.public_url, now };
        for message in claimed {
            let Some(customer) = states.get(&message.customer_id) else { continue };
            let template = message.template_hash.as_ref().and_then(|hash| pinned.get(hash));
            let slots = room.beside(&message, customer, &judge);
            match judge.decide(message, customer, &slots, template) {
                Admission::Go(ready) => {
                    room.settle(&ready.0);
                    sending.push(ready.0.clone());
                    go.push(*ready);
                }
                Admission::Stop(message) => {
                    room.settle(&message);
                    changes.outcomes.extend(Outcome::of_message(&message, now));
                    telemetry::handed_over(&message);
                    stopped.push(*message);
                }
            }
        }
        let held = tx.mark_sending(token, &sending, lease_until).await?;
        record::write(&mut tx, token, &stopped, &changes, now).await?;
        tx.commit().await?;
        // A lease lost meanwhile belongs to another worker now: theirs to send.
        go.retain(|(message, _)| held.contains(&message.id));
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
            let stored = match active.templates.version(hash) {
                Some(version) => Some(version),
                None => self.store.template_version(hash).await?.as_ref().and_then(Version::from_stored),
            };
            pinned.extend(stored.map(|version| (hash.clone(), version)));
        }
        Ok(pinned)
    }

    async fn hand_over(
        &self,
        ready: Vec<(Message, Parcel)>,
        token: &str,
        lease_until: DateTime<Utc>,
        shutdown: &CancellationToken,
    ) -> Result<Round, StoreError> {
        let mut refused = None;
        let mut answers = stream::iter(ready)
            .map(|(message, parcel)| async move {
                // A worker that slept, or is asked to stop, does not begin: the message is certainly not sent.
                let late = self.clock.wall() + self.send_deadline >= lease_until;
                let begins = !(shutdown.is_cancelled() || late);
                let answer = if begins { Some(self.outlet.send(&parcel).await) } else { None };
                (message, answer)
            })
            .buffer_unordered(self.connections.max(1))
            .ready_chunks(RECORDED_AT_ONCE);
        while let Some(group) = answers.next().await {
            for (_, answer) in &group {
                if let Some(Answer::ProviderRefused { reply }) = answer {
                    refused = Some(reply.clone());
                }
            }
            self.record(group, token).await?;
        }
        Ok(refused.map_or(Round::Worked, Round::Refused))
    }

    async fn record(&self, group: Vec<(Message, Option<Answer>)>, token: &str) -> Result<(), StoreError> {
        let active = self.shelf.get();
        let now = self.clock.now();
        let (mut updates, mut changes) = (Vec::new(), Changes::default());
        for (message, answer) in group {
            let Some(answer) = answer else {
                updates.push(record::not_begun(message));
                continue;
            };
            let basis = basis(&active.book.active.policy, &message.purpose);
            let message = record::after(message, answer, basis, now, &mut changes);
            telemetry::handed_over(&message);
            if message.state == MessageState::Sent {
                let delay = (now - message.planned_at).num_milliseconds() as f64 / 1000.0;
                telemetry::sent_after(delay);
            }
            updates.push(message);
        }
        self.insist_on_recording(token, &updates, &changes).await
    }

    /// The mails are out; only this record says so. A database that is away for a moment is waited for, as long
    /// as the lease may still be ours.
    async fn insist_on_recording(
        &self,
        token: &str,
        updates: &[Message],
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let give_up = self.clock.wall() + self.lease;
        loop {
            match self.try_recording(token, updates, changes).await {
                Err(StoreError::Unavailable(error)) if self.clock.wall() < give_up => {
                    telemetry::waiting_for("database", &error);
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
                result => return result,
            }
        }
    }

    async fn try_recording(
        &self,
        token: &str,
        updates: &[Message],
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        record::write(&mut tx, token, updates, changes, self.clock.now()).await?;
        tx.commit().await
    }
}
