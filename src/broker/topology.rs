//! The exchanges and queues: declared, or only looked at when somebody else keeps them.
//!
//! Events arrive at a durable topic exchange and wait in a quorum queue whose dead-lettering is
//! at-least-once (which needs `reject-publish`, and RabbitMQ 3.10 with its feature flag `stream_queue`:
//! RabbitMQ, "Quorum Queues", dead-lettering). That is for deliveries over the limit; what cannot be used is published to a fanout exchange with a quorum queue of its own. Outcomes leave by a topic exchange.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::{AmqpConfig, AmqpError};
use crate::broker;

/// What `declic doctor` shows of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Events waiting in the queue, without those in flight.
    pub waiting: u32,
    pub consumers: u32,
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
    let found = look(config, &channel).await;
    broker::close(&connection, &[&channel]).await;
    found
}

async fn look(config: &AmqpConfig, channel: &Channel) -> Result<Depth, AmqpError> {
    check(config, channel).await?;
    let events = queue_passively(config, channel, &config.queue).await?;
    let dead = queue_passively(config, channel, &config.dead_letter_queue).await?;
    Ok(Depth {
        waiting: events.message_count(),
        consumers: events.consumer_count(),
        dead_letters: dead.message_count(),
    })
}

pub(crate) async fn open(config: &AmqpConfig, connection: &Connection) -> Result<Channel, AmqpError> {
    connection.create_channel().await.map_err(|e| AmqpError::from_lapin(config, "opening a channel", &e))
}

/// Declares what the intake needs, or, with `declare = false`, makes sure that it is there.
pub(crate) async fn prepare(config: &AmqpConfig, channel: &Channel) -> Result<(), AmqpError> {
    if !config.declare {
        return check(config, channel).await;
    }
    exchange(config, channel, &config.dead_letter_exchange, ExchangeKind::Fanout).await?;
    queue(config, channel, &config.dead_letter_queue, quorum()).await?;
    bind(config, channel, &config.dead_letter_queue, &config.dead_letter_exchange, "").await?;

    exchange(config, channel, &config.exchange, ExchangeKind::Topic).await?;
    queue(config, channel, &config.queue, event_queue(config)).await?;
    for key in &config.binding_keys {
        bind(config, channel, &config.queue, &config.exchange, key).await?;
    }
    Ok(())
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
    queue_passively(config, channel, &config.queue).await?;
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

fn event_queue(config: &AmqpConfig) -> FieldTable {
    let mut arguments = quorum();
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

async fn exchange(
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

async fn declare_exchange(
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

async fn queue(
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
