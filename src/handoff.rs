//! From the transaction that makes a message straight to the senders of this process: it is claimed as it is inserted, so
//! that nobody needs to ask the outbox for it, and a row is written once less.
//!
//! Nothing depends on it. The outbox is the truth: what finds no room here is `pending` there, and what is lost with the
//! process is claimed again when its lease is over. Only what is urgent goes this way, and only while no backlog waits in
//! the outbox, or the newest would go first.
//!
//! Filled by `process` after its commit, emptied by the dispatchers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::Deadline;
use crate::domain::consent::Channel;
use crate::domain::message::{Lane, Message, MessageState};
use crate::entropy;

/// Messages of a channel that wait here at most, but for those of transactions that ask at once: what a crash leaves
/// claimed until its lease is over.
const ROOM: usize = 1_000;

/// Messages given to a sender at once, so that several have something to do.
const SHARE: usize = 64;

/// How long nothing is taken in after a backlog was seen.
const PAUSE: Duration = Duration::from_secs(1);

/// The right to hand over the messages of one claim.
#[derive(Debug, Clone)]
pub struct Lease {
    pub token: String,
    /// Not after the end that the database keeps: it begins before the claim.
    pub ends: Deadline,
    pub lasts: Duration,
}

impl Lease {
    /// A new one, which begins now.
    pub fn begin(lasts: Duration) -> Result<Self, String> {
        let token = entropy::token::<16>().map_err(|e| e.to_string())?;
        Ok(Self { token, ends: Deadline::after(lasts), lasts })
    }
}

/// Messages of one lane and the lease they were claimed with.
#[derive(Debug)]
pub struct Batch {
    pub lease: Lease,
    pub messages: Vec<Message>,
}

/// One for a process. Cheap to clone; clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Handoff(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    email: Side,
    sms: Side,
}

#[derive(Debug, Default)]
struct Side {
    bell: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How long claims last; none while nobody takes anything from here.
    lease: Option<Duration>,
    shut_until: Option<Instant>,
    batches: BTreeMap<Lane, VecDeque<Batch>>,
    waiting: usize,
}

impl Handoff {
    /// Lets messages of a channel go this way, under leases of this length.
    pub fn open(&self, channel: Channel, lease: Duration) {
        self.state(channel).lease = Some(lease);
    }

    /// There is a backlog in the outbox, or the provider is in trouble: nothing goes this way for a while.
    pub fn pause(&self, channel: Channel) {
        self.state(channel).shut_until = Some(Instant::now() + PAUSE);
    }

    /// Marks those messages as claimed that can go this way; insert them under the lease returned, and [`Handoff::give`]
    /// them once that is committed.
    pub fn claim(&self, messages: &mut [Message], now: DateTime<Utc>) -> Option<Lease> {
        let mut lasts: Option<Duration> = None;
        for channel in [Channel::Email, Channel::Sms] {
            let Some((lease, room)) = self.room(channel) else { continue };
            let may_go = |m: &&mut Message| m.channel == channel && m.lane != Lane::Bulk && is_due(m, now);
            for message in messages.iter_mut().filter(may_go).take(room) {
                message.state = MessageState::Claimed;
                lasts = Some(lasts.map_or(lease, |other| other.min(lease)));
            }
        }
        // Without randomness they are claimed by nobody, and then by whoever asks the outbox.
        Lease::begin(lasts?).ok()
    }

    /// Gives messages that were claimed, and rings for those that were not.
    pub fn give(&self, lease: Option<Lease>, messages: Vec<Message>, now: DateTime<Utc>) {
        for channel in [Channel::Email, Channel::Sms] {
            if messages.iter().any(|m| m.channel == channel && is_due(m, now)) {
                self.ring(channel);
            }
        }
        let Some(lease) = lease else { return };
        let mut shares: BTreeMap<(Channel, Lane), Vec<Message>> = BTreeMap::new();
        for message in messages.into_iter().filter(|m| m.state == MessageState::Claimed) {
            shares.entry((message.channel, message.lane)).or_default().push(message);
        }
        for ((channel, lane), mut messages) in shares {
            while !messages.is_empty() {
                let rest = messages.split_off(messages.len().min(SHARE));
                let mut state = self.state(channel);
                state.waiting += messages.len();
                state.batches.entry(lane).or_default().push_back(Batch { lease: lease.clone(), messages });
                drop(state);
                self.ring(channel);
                messages = rest;
            }
        }
    }

    /// Of the batches of the most urgent lane, the one that has waited longest.
    pub fn take(&self, channel: Channel) -> Option<Batch> {
        let mut state = self.state(channel);
        let batch = state.batches.values_mut().find_map(VecDeque::pop_front)?;
        state.waiting -= batch.messages.len();
        Some(batch)
    }

    /// Wakes one sender of the channel, or the next who would go to sleep.
    pub fn ring(&self, channel: Channel) {
        self.side(channel).bell.notify_one();
    }

    /// Waits for the next ring that nobody else hears.
    pub async fn rung(&self, channel: Channel) {
        self.side(channel).bell.notified().await;
    }

    /// How long claims last, and how many more messages may wait.
    fn room(&self, channel: Channel) -> Option<(Duration, usize)> {
        let state = self.state(channel);
        let is_shut = state.shut_until.is_some_and(|until| Instant::now() < until);
        let lease = state.lease.filter(|_| !is_shut)?;
        Some((lease, ROOM.saturating_sub(state.waiting)))
    }

    fn side(&self, channel: Channel) -> &Side {
        match channel {
            Channel::Email => &self.0.email,
            Channel::Sms => &self.0.sms,
        }
    }

    fn state(&self, channel: Channel) -> MutexGuard<'_, State> {
        self.side(channel).state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_due(message: &Message, now: DateTime<Utc>) -> bool {
    message.state == MessageState::Pending && message.due_at <= now
}

#[cfg(test)]
mod tests;
