//! Events from RabbitMQ: one session loop of our own, batches, and acknowledgement only after the commit.
//!
//! A session connects, declares, consumes and ends; the loop around it waits and begins the next one.
//! A batch is decoded, settled (committed or parked), its unusable deliveries are published to the
//! dead-letter exchange and confirmed, and then one multiple-ack takes it off the queue.
//! Invariant: nothing is acknowledged before all of that is done, so a crash at any point brings the
//! deliveries back, and the unique keys behind the sink turn what was already committed into duplicates.
//! Never requeues by nack: closing the connection hands everything back in one step.
//!
//! While one batch is committed the next is decided (`under_way`). They are acknowledged in their order, for a multiple-ack
//! takes all that came before it off the queue.
//!
//! With shards a session consumes several queues side by side, each on channels of its own, for a multiple-ack is a
//! channel's. The first of them that fails ends the session.

mod dead_letters;
mod shards;
mod shares;
mod under_way;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection, Consumer};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::event::Unusable;
use crate::failpoint;

use super::{Counts, DeadLetter, Origin, Sink, Status, decode, settle};
use crate::broker::{self, AmqpConfig, AmqpError, backoff, topology};
use shares::Shares;
use under_way::{Batch, Done, UnderWay};

/// How often the queue is looked at: proof that the broker still answers, and its depth for the metrics.
pub const PING_EVERY: Duration = Duration::from_secs(15);
/// The same of a queue that is being emptied, which is left as soon as nothing comes any more.
const DRAINED_AFTER: Duration = Duration::from_secs(2);
/// Batches under way at once, whatever the number of shards: each holds one of the database's connections, which the
/// rest of the worker needs too.
const BATCHES_AT_ONCE: usize = 4;
/// How long the broker may take to answer anything but a connect.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one batch may take. Well under RabbitMQ's `consumer_timeout` (30 min), which would close the
/// channel under us; beyond it the deliveries are handed back.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(600);
/// A session that lived this long was a good one, and the next failure is a new one.
const GOOD_SESSION: Duration = Duration::from_secs(60);
/// Bodies of one batch come to no more than about this many bytes: parsed, they take several times as much.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// The only consumer of its channel.
const CONSUMER_TAG: &str = "declic";

/// Takes events from the broker until `shutdown` is cancelled; then finishes the batch in hand and returns.
///
/// # Errors
/// A configuration that cannot work, or a broker that refuses us for reasons that somebody has to mend
/// ([`AmqpError::is_configuration`]), before the first session has begun. After that, nothing: it is tried
/// again, from half a second apart to thirty, as is a broker that cannot be reached at all.
pub async fn run(
    config: AmqpConfig,
    clock: Clock,
    sink: Sink,
    shutdown: CancellationToken,
    status: Status,
) -> Result<(), AmqpError> {
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(AmqpError::InvalidConfig(problems.join("; ")));
    }
    let turns = Semaphore::new(BATCHES_AT_ONCE);
    let intake = Arc::new(Intake { config, clock, sink, shutdown, status, turns });
    let mut attempt = 0;
    let mut consumed_ever = false;
    let mut last_words = String::new();
    loop {
        let batches_before = intake.status.batches();
        let began = Instant::now();
        let ended = intake.session(&mut last_words).await;
        consumed_ever |= intake.status.connected();
        let Err(error) = ended else {
            intake.status.set_connected(false);
            return Ok(());
        };
        if !consumed_ever && error.is_configuration() {
            return Err(error);
        }
        intake.status.lost();
        if intake.status.batches() > batches_before || began.elapsed() > GOOD_SESSION {
            attempt = 0;
        }
        log_change(&mut last_words, &error);
        intake.pause(&mut attempt, matches!(error, AmqpError::StoreUnavailable(_))).await;
        if intake.shutdown.is_cancelled() {
            return Ok(());
        }
    }
}

/// Logs an end that differs from the one before; a long outage is one line, not one per attempt.
fn log_change(last_words: &mut String, error: &AmqpError) {
    let words = error.to_string();
    if *last_words == words {
        tracing::debug!(error = words, "still no events from RabbitMQ");
    } else {
        tracing::warn!(error = words, "no events from RabbitMQ for now; trying again");
        *last_words = words;
    }
}

/// Everything that outlives a session.
struct Intake {
    config: AmqpConfig,
    clock: Clock,
    sink: Sink,
    shutdown: CancellationToken,
    status: Status,
    /// A batch takes one while it is settled.
    turns: Semaphore,
}

/// One queue of a session and its two channels.
struct Channels {
    queue: String,
    /// Its place among the queues of the session.
    number: usize,
    /// Deliveries and acknowledgements.
    events: Channel,
    /// Dead letters, confirmed, and looking at the queue.
    side: Channel,
}

/// How long a queue is consumed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stay {
    /// As long as the session.
    ForEver,
    UntilEmpty,
}

/// What a session begins with.
type Started = (Vec<(Channels, Consumer)>, Vec<String>, Option<(Channel, Consumer)>);

impl Intake {
    /// Waits before the next session; when the database was away, until it is back, because every
    /// delivery that is taken in vain counts towards the queue's delivery limit.
    async fn pause(&self, attempt: &mut u32, until_ready: bool) {
        loop {
            let wait = backoff(*attempt, &self.config.connection_name);
            *attempt = attempt.saturating_add(1);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            if !until_ready {
                return;
            }
            let ready = tokio::time::timeout(ANSWER_TIMEOUT, (self.sink.ready)());
            if let Ok(Ok(())) = ready.await {
                return;
            }
        }
    }

    /// One session, from connect to close. `Ok` means that it was told to stop.
    async fn session(self: &Arc<Self>, last_words: &mut String) -> Result<(), AmqpError> {
        let connection = tokio::select! {
            () = self.shutdown.cancelled() => return Ok(()),
            connection = broker::connect(&self.config, "intake") => Arc::new(connection?),
        };
        let mut channels = Vec::new();
        let ended = self.consume_all(&connection, &mut channels, last_words).await;
        broker::close(&connection, &channels.iter().collect::<Vec<_>>()).await;
        ended
    }

    /// Consumes every queue until told to stop, or until one of them fails. `opened` are channels to say goodbye on.
    async fn consume_all(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        opened: &mut Vec<Channel>,
        last_words: &mut String,
    ) -> Result<(), AmqpError> {
        let start = self.start(connection, opened);
        let (wanted, surplus, roll_call) = self.within("starting to consume", start).await??;
        let shares = Shares::new(wanted.len() + surplus.len(), usize::from(self.config.shards));
        let shares = Arc::new(shares);
        self.status.consumes(wanted.len() + surplus.len());
        last_words.clear();
        let (broker, queues) = (&self.config.url, wanted.len());
        tracing::info!(%broker, queue = self.config.queue, queues, "consuming events from RabbitMQ");
        let mut parts = JoinSet::new();
        for (number, queue) in (wanted.len()..).zip(surplus) {
            parts.spawn(Arc::clone(self).drain(Arc::clone(connection), Arc::clone(&shares), queue, number));
        }
        for (channels, consumer) in wanted {
            let (intake, channels, shares) = (Arc::clone(self), Arc::new(channels), Arc::clone(&shares));
            parts.spawn(async move { intake.consume(&channels, consumer, &shares, Stay::ForEver).await });
        }
        while let Some(ended) = parts.join_next().await {
            if let Err(error) = result_of(ended) {
                // Dropped in the middle of a batch, the others' deliveries come again.
                parts.shutdown().await;
                return Err(error);
            }
        }
        drop(roll_call);
        Ok(())
    }

    /// Settles batch after batch until told to stop.
    async fn consume(
        self: &Arc<Self>,
        channels: &Arc<Channels>,
        mut consumer: Consumer,
        shares: &Shares,
        stay: Stay,
    ) -> Result<(), AmqpError> {
        let every = if stay == Stay::ForEver { PING_EVERY } else { DRAINED_AFTER };
        let mut next_ping = Instant::now();
        let mut idle = false;
        let mut under_way = UnderWay::default();
        loop {
            if Instant::now() >= next_ping {
                self.finish(channels, &mut under_way).await?;
                let waiting = self.ping(channels, shares).await?;
                next_ping = Instant::now() + every;
                if stay == Stay::UntilEmpty && idle && waiting == 0 {
                    return self.leave(channels, &mut consumer).await;
                }
                idle = true;
                if stay == Stay::ForEver && self.has_too_many(channels, shares).await? {
                    tracing::info!(queue = channels.queue, "leaving a queue to the next worker in line");
                    self.leave(channels, &mut consumer).await?;
                    let again = self.consumer(&channels.events, &channels.queue);
                    consumer = self.within("starting to consume", again).await??;
                }
            }
            let batch = self.next_batch(channels, &mut consumer, next_ping, &mut under_way).await?;
            let stopping = self.shutdown.is_cancelled();
            if stopping {
                // No more is delivered while the batches in hand are finished.
                let cancel = channels.events.basic_cancel(CONSUMER_TAG.into(), BasicCancelOptions::default());
                let _best_effort = self.within("cancelling the consumer", cancel).await?;
            }
            if !batch.is_empty() {
                idle = false;
                shares.took(channels.number);
                let batch = Batch::read(batch, self.clock.now());
                while !under_way.has_room_for(&batch, self.sink.brake.is_on()) {
                    self.finish_one(channels, &mut under_way).await?;
                }
                let (intake, channels) = (Arc::clone(self), Arc::clone(channels));
                under_way.begin(batch, |batch| async move { intake.settle_batch(&channels, batch).await });
            }
            if stopping {
                return self.finish(channels, &mut under_way).await;
            }
        }
    }

    /// Waits for all that is under way, and acknowledges it.
    async fn finish(&self, channels: &Channels, under_way: &mut UnderWay) -> Result<(), AmqpError> {
        while !under_way.is_empty() {
            self.finish_one(channels, under_way).await?;
        }
        Ok(())
    }

    async fn finish_one(&self, channels: &Channels, under_way: &mut UnderWay) -> Result<(), AmqpError> {
        match under_way.next().await {
            Some(done) => self.acknowledge(channels, &done?).await,
            None => Ok(()),
        }
    }

    /// Prepares the broker and begins to consume: the queues of the configuration, the names of those that are surplus,
    /// and the roll call.
    async fn start(&self, connection: &Connection, opened: &mut Vec<Channel>) -> Result<Started, AmqpError> {
        let setup = topology::open(&self.config, connection).await?;
        opened.push(setup.clone());
        topology::prepare(&self.config, &setup).await?;
        let roll_call = self.answer_the_roll_call(connection).await?;
        opened.extend(roll_call.iter().map(|(channel, _)| channel.clone()));
        let mut wanted = Vec::new();
        for (number, queue) in self.config.queues().into_iter().enumerate() {
            let (channels, consumer) = self.attach(connection, queue, number).await?;
            opened.extend([channels.events.clone(), channels.side.clone()]);
            wanted.push((channels, consumer));
        }
        let surplus = topology::surplus(&self.config, connection).await?;
        Ok((wanted, surplus.into_iter().map(|(queue, _)| queue).collect(), roll_call))
    }

    /// Opens the channels of a queue and begins to consume it.
    async fn attach(
        &self,
        connection: &Connection,
        queue: String,
        number: usize,
    ) -> Result<(Channels, Consumer), AmqpError> {
        let config = &self.config;
        let side = topology::open(config, connection).await?;
        side.confirm_select(ConfirmSelectOptions::default())
            .await
            .map_err(|e| AmqpError::from_lapin(config, "asking for confirms", &e))?;
        let events = topology::open(config, connection).await?;
        events
            .basic_qos(config.prefetch, BasicQosOptions::default())
            .await
            .map_err(|e| AmqpError::from_lapin(config, "setting the prefetch", &e))?;
        let consumer = self.consumer(&events, &queue).await?;
        Ok((Channels { queue, number, events, side }, consumer))
    }

    /// Looks at a queue; returns how many events wait in it.
    async fn ping(&self, channels: &Channels, shares: &Shares) -> Result<u32, AmqpError> {
        let look = topology::queue_passively(&self.config, &channels.side, &channels.queue);
        let waiting = self.within("looking at the queue", look).await??.message_count();
        let in_all = shares.waiting(channels.number, waiting);
        metrics::gauge!("declic_amqp_queue_waiting").set(in_all as f64);
        self.status.progressed(channels.number);
        Ok(waiting)
    }

    /// The next deliveries: up to a full batch, or fewer once the first has waited long enough. Empty when told to stop or
    /// when `idle_until` passes without any. Meanwhile it goes on with what is under way.
    async fn next_batch(
        &self,
        channels: &Channels,
        consumer: &mut Consumer,
        idle_until: Instant,
        under_way: &mut UnderWay,
    ) -> Result<Vec<Delivery>, AmqpError> {
        let size = usize::from(self.config.batch_size);
        let mut batch = Vec::new();
        let mut deadline = idle_until;
        let mut bytes = 0;
        while batch.len() < size && bytes < BATCH_BYTES {
            let next = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                Some(done) = under_way.next() => {
                    self.acknowledge(channels, &done?).await?;
                    if under_way.is_empty() && !batch.is_empty() {
                        break;
                    }
                    continue;
                }
                next = consumer.next() => next,
                () = tokio::time::sleep_until(deadline) => break,
            };
            match next {
                Some(Ok(delivery)) => {
                    bytes += delivery.data.len();
                    batch.push(delivery);
                }
                Some(Err(e)) => return Err(AmqpError::from_lapin(&self.config, "consuming", &e)),
                None => {
                    return Err(AmqpError::Lost(format!(
                        "the broker cancelled the consumer; was queue `{}` deleted?",
                        channels.queue
                    )));
                }
            }
            if batch.len() == 1 {
                // It waits for company as long as there is something to wait for anyway.
                let wait = if under_way.is_empty() { 0 } else { self.config.batch_wait_ms };
                deadline = Instant::now() + Duration::from_millis(wait);
            }
        }
        Ok(batch)
    }

    /// Commits or parks every delivery, and publishes dead letters.
    async fn settle_batch(&self, channels: &Channels, batch: Batch) -> Result<Done, AmqpError> {
        let _turn = self.turns.acquire().await;
        failpoint::reach("intake.received");
        let Batch { deliveries: batch, read } = batch;
        let now = self.clock.now();
        let letter = |index: usize, refusal: &Unusable| dead_letter(&batch[index], refusal, now);
        let settling = settle(&self.sink, Origin::Amqp, read, letter);
        let settled = match tokio::time::timeout(SETTLE_TIMEOUT, settling).await {
            Ok(Ok(settled)) => settled,
            Ok(Err(unavailable)) => return Err(AmqpError::StoreUnavailable(unavailable.0)),
            Err(_) => {
                let minutes = SETTLE_TIMEOUT.as_secs() / 60;
                return Err(AmqpError::StoreUnavailable(format!("a batch took over {minutes} minutes")));
            }
        };
        let publishing = dead_letters::publish(&self.config, &channels.side, &batch, &settled);
        self.within("publishing dead letters", publishing).await??;
        failpoint::reach("intake.dead_lettered");
        let last_tag = batch.last().map_or(0, |delivery| delivery.delivery_tag);
        Ok(Done { last_tag, counts: Counts::of(&settled) })
    }

    /// Takes a batch off the queue, with all that came before it.
    async fn acknowledge(&self, channels: &Channels, done: &Done) -> Result<(), AmqpError> {
        let ack = channels.events.basic_ack(done.last_tag, BasicAckOptions { multiple: true });
        self.within("acknowledging", ack)
            .await?
            .map_err(|e| AmqpError::from_lapin(&self.config, "acknowledging", &e))?;
        failpoint::reach("intake.acknowledged");
        self.status.settled(channels.number, done.counts);
        Ok(())
    }

    /// Awaits the broker, but not for ever.
    async fn within<T>(&self, what: &str, answer: impl Future<Output = T>) -> Result<T, AmqpError> {
        tokio::time::timeout(ANSWER_TIMEOUT, answer)
            .await
            .map_err(|_| AmqpError::Lost(format!("{what}: no answer within {} s", ANSWER_TIMEOUT.as_secs())))
    }
}

/// What a task of a session has come to; a panic of it is ours.
fn result_of<T>(ended: Result<Result<T, AmqpError>, JoinError>) -> Result<T, AmqpError> {
    ended.unwrap_or_else(|ended| match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(AmqpError::Lost("the runtime ends".into())),
    })
}

fn dead_letter(delivery: &Delivery, refusal: &Unusable, now: DateTime<Utc>) -> DeadLetter {
    let headers = decode::delivery_headers(&delivery.properties);
    DeadLetter::new(Origin::Amqp, refusal, &delivery.data, headers, now)
}
