//! The flow to one provider: limits, its recipients' domains and the breaker, shared by all senders of one outlet.
//!
//! Lives in real time whatever clock the rules run on: a provider's second is a second. Its locks are held for a few
//! lines and never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::breaker::{Breaker, Change, PAUSE_AFTER_REFUSAL, Way};
use super::bucket::Bucket;
use super::domains::{Domains, Later};
use crate::channels::Answer;
use crate::channels::limits::{Limits, domain_of};
use crate::domain::consent::Channel;
use crate::domain::message::{Lane, Message};
use crate::{entropy, telemetry};

/// Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Flow(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    channel: Channel,
    /// A hand-over waits here for its connection, where the wait does not count against the send deadline.
    connections: Arc<Semaphore>,
    /// A bulk hand-over waits here before: of several connections the bulk leaves one, however long each of its
    /// messages takes.
    for_bulk: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    bucket: Option<Bucket>,
    domains: Domains,
}

/// Why a message cannot go now.
#[derive(Debug, PartialEq, Eq)]
pub enum Held {
    /// The provider's rate: nothing can go before this has passed.
    Rate(Duration),
    /// As many hand-overs to its domain are under way as are allowed.
    Connections,
    /// It is to go back to the outbox for so long, for this reason.
    Later(Duration, &'static str),
}

/// The right to hand one message over, with its tokens. Dropped unspent, it gives them back.
#[derive(Debug)]
pub struct Pass {
    flow: Flow,
    domain: Option<String>,
    probe: Option<u64>,
    /// Tokens taken of the provider's rate.
    tokens: u32,
    spent: bool,
}

/// The right to speak to the provider, until it is dropped.
#[derive(Debug)]
pub struct Connection {
    _bulk: Option<OwnedSemaphorePermit>,
    _connection: Option<OwnedSemaphorePermit>,
}

/// The right to try a provider that has failed, with one message.
#[derive(Debug)]
pub struct Probe {
    flow: Flow,
    pub number: u64,
}

impl Flow {
    /// `connections`: hand-overs under way at once.
    pub fn new(channel: Channel, limits: &Limits, connections: usize) -> Self {
        let state = State {
            breaker: Breaker::default(),
            bucket: limits.max_rate.map(|rate| Bucket::new(rate, limits.burst, Instant::now())),
            domains: Domains::new(&limits.domains),
        };
        let for_bulk = Arc::new(Semaphore::new(connections.saturating_sub(1).max(1)));
        let connections = Arc::new(Semaphore::new(connections.max(1)));
        Self(Arc::new(Inner { channel, connections, for_bulk, state: Mutex::new(state) }))
    }

    /// Shows the state once, for whoever watches before it first changes.
    pub fn announce(&self) {
        telemetry::provider_state(self.0.channel, self.may_begin(None));
    }

    /// Asks whether it makes sense to claim anything. A probe is for one message; otherwise, how long to wait.
    pub fn enter(&self) -> Result<Option<Probe>, Duration> {
        match self.state().breaker.way(Instant::now()) {
            Way::Free => Ok(None),
            Way::Probe(number) => Ok(Some(Probe { flow: self.clone(), number })),
            Way::Shut(wait) => Err(wait),
        }
    }

    /// How long until the rate lets a bulk message go; none when one may go now.
    pub fn until_token(&self) -> Option<Duration> {
        self.state().bucket.as_mut()?.wait(false, 1, Instant::now())
    }

    /// Whether the provider's rate is bounded.
    pub fn has_rate(&self) -> bool {
        self.state().bucket.is_some()
    }

    /// Asks for one message to be handed over, which is likely to take so many `tokens` of the provider's rate: an SMS
    /// as many as it has segments. [`Pass::weigh`] tells how many it really takes. It counts for the domain of the address it was decided for: a customer
    /// who has moved since counts for the old one once.
    pub fn pass(&self, message: &Message, tokens: u32, probe: Option<u64>) -> Result<Pass, Held> {
        let (now, urgent) = (Instant::now(), is_urgent(message));
        let domain = self.domain(message);
        let mut state = self.state();
        if let Some(name) = &domain {
            state.domains.begin(name, urgent, now).map_err(|later| match later {
                Later::Rate(wait) => Held::Later(wait, "domain_rate"),
                Later::Paused(wait) => Held::Later(wait, "domain_paused"),
                Later::Connections => Held::Connections,
            })?;
        }
        if let Some(bucket) = &mut state.bucket
            && let Err(wait) = bucket.take(urgent, tokens, now)
        {
            if let Some(name) = &domain {
                state.domains.end(name, false, now);
            }
            return Err(Held::Rate(wait));
        }
        Ok(Pass { flow: self.clone(), domain, probe, tokens, spent: false })
    }

    /// Keeps the next tokens for urgent messages that wait for them.
    pub fn owe(&self, tokens: u32) {
        if let Some(bucket) = &mut self.state().bucket {
            bucket.owe(tokens, Instant::now());
        }
    }

    /// When a message should ask again whose domain has no connection free; none where that is not the obstacle.
    pub fn when_connected(&self, message: &Message) -> Option<Duration> {
        let domain = self.domain(message)?;
        self.state().domains.when_connected(&domain, Instant::now())
    }

    /// Whether a message may still begin.
    pub fn may_begin(&self, probe: Option<u64>) -> bool {
        self.state().breaker.may_begin(probe)
    }

    /// Waits for a free connection.
    pub async fn connection(&self, urgent: bool) -> Connection {
        // Neither is ever closed, which is what an error would mean.
        let bulk = match urgent {
            true => None,
            false => Arc::clone(&self.0.for_bulk).acquire_owned().await.ok(),
        };
        let connection = Arc::clone(&self.0.connections).acquire_owned().await.ok();
        Connection { _bulk: bulk, _connection: connection }
    }

    /// Notes what an answer says about the provider and the domain.
    pub fn note(&self, answer: &Answer, pass: &Pass) {
        let now = Instant::now();
        // Without random numbers workers come back together: worse, not wrong.
        let jitter = || entropy::fraction().unwrap_or(0.5);
        let mut state = self.state();
        let State { breaker, domains, .. } = &mut *state;
        let mut domain_pause = None;
        let domain = pass.domain.as_deref();
        let (change, words) = match answer {
            Answer::Accepted { reply, .. } | Answer::Refused { reply, .. } => {
                domain.into_iter().for_each(|name| domains.succeeded(name));
                (breaker.succeeded(pass.probe), reply)
            }
            Answer::Retry { reply } => {
                domain_pause = domain.and_then(|name| Some((name, domains.put_off(name, now)?)));
                (breaker.succeeded(pass.probe), reply)
            }
            // A provider that takes messages and does not answer makes each of them uncertain: the fewer the better.
            Answer::Busy { reply } | Answer::Uncertain { detail: reply } => {
                (breaker.failed(pass.probe, now, jitter()), reply)
            }
            Answer::Wait { reply, pause } => {
                (breaker.asked_to_wait(pass.probe, *pause, now, jitter()), reply)
            }
            Answer::ProviderRefused { reply } => (breaker.refused(pass.probe, now), reply),
            Answer::Invalid { .. } => return,
        };
        let paused = domains.paused();
        drop(state);
        if let Some((name, pause)) = domain_pause {
            telemetry::domain_paused(name, pause.as_secs(), paused, words);
        }
        match change {
            None => {}
            Some(Change::Closed) => telemetry::provider_back(self.0.channel),
            Some(Change::Opened { .. }) if matches!(answer, Answer::ProviderRefused { .. }) => {
                telemetry::provider_refused(self.0.channel, words, PAUSE_AFTER_REFUSAL.as_secs());
            }
            Some(Change::Opened { pause }) => {
                telemetry::provider_paused(self.0.channel, words, pause.as_secs_f64());
            }
        }
    }

    /// Where the flow stands, in words for the operator.
    pub fn describe(&self) -> String {
        let state = self.state();
        let words = state.breaker.describe(Instant::now());
        match state.domains.paused() {
            0 => words,
            1 => format!("{words}; 1 recipient domain pauses"),
            paused => format!("{words}; {paused} recipient domains pause"),
        }
    }

    pub fn channel(&self) -> Channel {
        self.0.channel
    }

    fn domain(&self, message: &Message) -> Option<String> {
        message.address.as_deref().filter(|_| self.0.channel == Channel::Email).and_then(domain_of)
    }

    /// No panic can leave the state half changed in a way that matters, so a poisoned lock is as good as another.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a message goes before the bulk where there is not enough for both.
pub fn is_urgent(message: &Message) -> bool {
    message.lane < Lane::Bulk
}

impl Pass {
    /// The hand-over begins.
    pub fn spend(&mut self) {
        self.spent = true;
    }

    pub fn probe(&self) -> Option<u64> {
        self.probe
    }

    /// The message is made, and takes so many tokens: settles the difference to what was expected.
    pub fn weigh(&mut self, tokens: u32) {
        let expected = std::mem::replace(&mut self.tokens, tokens);
        if let Some(bucket) = &mut self.flow.state().bucket {
            bucket.settle(expected, tokens, Instant::now());
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.flow.state();
        if let Some(name) = &self.domain {
            state.domains.end(name, self.spent, now);
        }
        if let Some(bucket) = state.bucket.as_mut().filter(|_| !self.spent) {
            bucket.give_back(self.tokens, now);
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.flow.state().breaker.probe_over(self.number);
    }
}
