//! The exchanges and queues: declared, or only looked at when somebody else keeps them.
//!
//! Events arrive at a durable topic exchange and wait in a quorum queue whose dead-lettering is
//! at-least-once (which needs `reject-publish`, and RabbitMQ 3.10 with its feature flag `stream_queue`:
//! RabbitMQ, "Quorum Queues", dead-lettering). That is for deliveries over the limit; what cannot be used is published to a fanout exchange with a quorum queue of its own. Outcomes leave by a topic exchange.
//!
//! With shards, a consistent-hash exchange behind the topic exchange shares the events out over as many queues, by
//! the header that names the customer. Only `declare` is done by workers, and it only adds: what is no longer wanted
//! is taken away by [`plan`](super::plan) alone.

use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::{AmqpConfig, AmqpError, MAX_SHARDS};
use crate::broker;

/// The header that events are shared out by: CloudEvents' `subject` in binary mode, which the AMQP binding lets
/// producers add in structured mode too. Fixed, because RabbitMQ neither changes it on an exchange nor says that a
/// declaration differs. An event without it goes to some shard, always the same: that is slow, and right.
pub(crate) const CUSTOMER_HEADER: &str = "cloudEvents:subject";
/// Every shard has the same part of the customers.
pub(crate) const SHARD_WEIGHT: &str = "1";
const CONSISTENT_HASH: &str = "x-consistent-hash";

/// What `declic doctor` shows of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Events waiting in all queues, without those in flight.
    pub waiting: u32,
    /// How many queues are consumed: by how many workers, where it is the one queue.
    pub consumers: u32,
    /// Events waiting in queues of another number of shards.
    pub surplus: u32,
    pub dead_letters: u32,
}

/// Connects, looks at the queues without declaring or changing anything, and leaves.
pub async fn probe(config: &AmqpConfig) -> Result<Depth, AmqpError> {
    let connection = broker::connect(config, "doctor").await?;
    let channel = match open(config, &connection).await {
        Ok(channel) => channel,
        Err(error) => {
            broker::close(&connection, &[]).await;
            return Err(error);
        }
    };
    let found = look(config, &connection, &channel).await;
    broker::close(&connection, &[&channel]).await;
    found
}

async fn look(config: &AmqpConfig, connection: &Connection, channel: &Channel) -> Result<Depth, AmqpError> {
    check(config, channel).await?;
    let dead = queue_passively(config, channel, &config.dead_letter_queue).await?;
    let mut depth = Depth { waiting: 0, consumers: 0, surplus: 0, dead_letters: dead.message_count() };
    for called in config.queues() {
        let events = queue_passively(config, channel, &called).await?;
        depth.waiting += events.message_count();
        depth.consumers += events.consumer_count();
    }
    depth.surplus = surplus(config, connection).await?.iter().map(|(_, queue)| queue.message_count()).sum();
    Ok(depth)
}

/// Queues of another number of shards that are still there, with how many events wait in each: as long as they are, they
/// are consumed. Looks until one is missing, for the broker lists nothing over AMQP and each miss is an error in its log.
pub(crate) async fn surplus(
    config: &AmqpConfig,
    connection: &Connection,
) -> Result<Vec<(String, lapin::Queue)>, AmqpError> {
    let mut found = Vec::new();
    if config.shards > 0
        && let Some(queue) = find(config, connection, &config.queue).await?
    {
        found.push((config.queue.clone(), queue));
    }
    for shard in config.shards..MAX_SHARDS {
        let called = config.shard(shard);
        let Some(queue) = find(config, connection, &called).await? else { break };
        found.push((called, queue));
    }
    Ok(found)
}

/// A queue, if it is there. On a channel of its own, which a miss ends.
pub(crate) async fn find(
    config: &AmqpConfig,
    connection: &Connection,
    called: &str,
) -> Result<Option<lapin::Queue>, AmqpError> {
    let channel = open(config, connection).await?;
    match queue_passively(config, &channel, called).await {
        Ok(queue) => {
            // A channel that is not closed stays until the connection ends.
            channel
                .close(200, "goodbye".into())
                .await
                .map_err(|e| AmqpError::from_lapin(config, "closing a channel", &e))?;
            Ok(Some(queue))
        }
        Err(AmqpError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) async fn open(config: &AmqpConfig, connection: &Connection) -> Result<Channel, AmqpError> {
    connection.create_channel().await.map_err(|e| AmqpError::from_lapin(config, "opening a channel", &e))
}

/// Declares what the intake needs, or, with `declare = false`, makes sure that it is there.
pub(crate) async fn prepare(config: &AmqpConfig, channel: &Channel) -> Result<(), AmqpError> {
    if config.declare { declare(config, channel).await } else { check(config, channel).await }
}

/// Declares and binds all that the configuration asks for; what is there already stays as it is. Queues are bound to
/// the exchange behind before that is bound to the one in front, so that no event arrives at an exchange without queues.
pub(crate) async fn declare(config: &AmqpConfig, channel: &Channel) -> Result<(), AmqpError> {
    exchange(config, channel, &config.dead_letter_exchange, ExchangeKind::Fanout).await?;
    queue(config, channel, &config.dead_letter_queue, quorum()).await?;
    bind(config, channel, &config.dead_letter_queue, &config.dead_letter_exchange, "").await?;

    exchange(config, channel, &config.exchange, ExchangeKind::Topic).await?;
    for called in config.queues() {
        queue(config, channel, &called, event_queue(config)).await?;
    }
    if config.shards > 0 {
        return declare_shards(config, channel).await;
    }
    for key in &config.binding_keys {
        bind(config, channel, &config.queue, &config.exchange, key).await?;
    }
    Ok(())
}

async fn declare_shards(config: &AmqpConfig, channel: &Channel) -> Result<(), AmqpError> {
    queue(config, channel, &config.roll_call(), quorum()).await?;
    let by_customer = config.by_customer();
    by_customer_exchange(config, channel).await?;
    for called in config.queues() {
        bind(config, channel, &called, &by_customer, SHARD_WEIGHT).await?;
    }
    for key in &config.binding_keys {
        channel
            .exchange_bind(
                name(&by_customer)?,
                name(&config.exchange)?,
                name(key)?,
                ExchangeBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|e| AmqpError::while_declaring(config, &format!("binding of `{by_customer}`"), &e))?;
    }
    Ok(())
}

pub(crate) async fn by_customer_exchange(config: &AmqpConfig, channel: &Channel) -> Result<(), AmqpError> {
    let called = config.by_customer();
    let kind = ExchangeKind::Custom(CONSISTENT_HASH.into());
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("hash-header".into(), text(CUSTOMER_HEADER));
    let declared = channel.exchange_declare(name(&called)?, kind, options, arguments).await;
    declared.map_err(|e| match AmqpError::while_declaring(config, &format!("exchange `{called}`"), &e) {
        // What a broker without the plugin says to an unknown type.
        AmqpError::Lost(detail) if detail.contains(CONSISTENT_HASH) => AmqpError::InvalidConfig(format!(
            "amqp.shards needs RabbitMQ's own plugin: `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange` \
             ({detail})"
        )),
        other => other,
    })
}

/// Declares the exchange that outcomes leave by.
pub(crate) async fn prepare_outcomes(config: &AmqpConfig, channel: &Channel) -> Result<(), AmqpError> {
    if config.declare {
        exchange(config, channel, &config.outcomes_exchange, ExchangeKind::Topic).await
    } else {
        exchange_passively(config, channel, &config.outcomes_exchange, ExchangeKind::Topic).await
    }
}

async fn check(config: &AmqpConfig, channel: &Channel) -> Result<(), AmqpError> {
    exchange_passively(config, channel, &config.dead_letter_exchange, ExchangeKind::Fanout).await?;
    queue_passively(config, channel, &config.dead_letter_queue).await?;
    for called in config.queues() {
        queue_passively(config, channel, &called).await?;
    }
    if config.shards > 0 {
        queue_passively(config, channel, &config.roll_call()).await?;
    }
    Ok(())
}

pub(crate) fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

/// The arguments of a queue of events. Only shards have a single active consumer: the one queue is shared by all workers.
pub(crate) fn event_queue(config: &AmqpConfig) -> FieldTable {
    let mut arguments = quorum();
    if config.shards > 0 {
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    }
    let limit = i32::try_from(config.delivery_limit).unwrap_or(i32::MAX);
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(limit));
    arguments.insert("x-dead-letter-exchange".into(), text(&config.dead_letter_exchange));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// A name in the form that the protocol wants, at most 255 bytes.
pub(crate) fn name(value: &str) -> Result<ShortString, AmqpError> {
    ShortString::try_new(value)
        .map_err(|_| AmqpError::InvalidConfig("a name or routing key is over 255 bytes".into()))
}

pub(crate) async fn exchange(
    config: &AmqpConfig,
    channel: &Channel,
    called: &str,
    kind: ExchangeKind,
) -> Result<(), AmqpError> {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    declare_exchange(config, channel, called, kind, options).await
}

async fn exchange_passively(
    config: &AmqpConfig,
    channel: &Channel,
    called: &str,
    kind: ExchangeKind,
) -> Result<(), AmqpError> {
    let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
    declare_exchange(config, channel, called, kind, options).await
}

pub(crate) async fn declare_exchange(
    config: &AmqpConfig,
    channel: &Channel,
    called: &str,
    kind: ExchangeKind,
    options: ExchangeDeclareOptions,
) -> Result<(), AmqpError> {
    channel
        .exchange_declare(name(called)?, kind, options, FieldTable::default())
        .await
        .map_err(|e| AmqpError::while_declaring(config, &format!("exchange `{called}`"), &e))
}

pub(crate) async fn queue(
    config: &AmqpConfig,
    channel: &Channel,
    called: &str,
    arguments: FieldTable,
) -> Result<(), AmqpError> {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel
        .queue_declare(name(called)?, options, arguments)
        .await
        .map(drop)
        .map_err(|e| AmqpError::while_declaring(config, &format!("queue `{called}`"), &e))
}

/// Looks at a queue; also how a quiet session learns that its broker still answers.
pub(crate) async fn queue_passively(
    config: &AmqpConfig,
    channel: &Channel,
    called: &str,
) -> Result<lapin::Queue, AmqpError> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    channel
        .queue_declare(name(called)?, options, FieldTable::default())
        .await
        .map_err(|e| AmqpError::while_declaring(config, &format!("queue `{called}`"), &e))
}

async fn bind(
    config: &AmqpConfig,
    channel: &Channel,
    queue: &str,
    exchange: &str,
    key: &str,
) -> Result<(), AmqpError> {
    channel
        .queue_bind(
            name(queue)?,
            name(exchange)?,
            name(key)?,
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(|e| AmqpError::while_declaring(config, &format!("binding of queue `{queue}`"), &e))
}
