//! What differs between the broker and the configuration, and making it so: `declic topology`.
//!
//! AMQP lists nothing, so each thing is asked for by name, and a difference shows when what exists is declared again.
//! Bindings cannot be asked for at all: they are bound again, which changes nothing where they are.
//! Invariant: at every moment each event has a queue to go to. What is new is bound before what is old is unbound, and
//! an event that reaches both falls out as a duplicate. A queue is deleted when it is unbound, empty and consumed by
//! nobody, seen twice: RabbitMQ refuses `if-empty` and `if-unused` of quorum queues, so this is our own to see to.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, ExchangeUnbindOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ExchangeKind};
use serde::Serialize;

use super::topology::{self, SHARD_WEIGHT, event_queue, name, quorum};
use super::{AmqpConfig, AmqpError, close, connect};

/// How long an event may be on its way from an exchange to a queue that was just unbound, with room to spare.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// One thing of the broker's, as it is and as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    pub kind: &'static str,
    pub name: String,
    pub state: State,
    /// Events in a queue, without those in flight.
    pub waiting: Option<u32>,
    pub action: Action,
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    There,
    Missing,
    /// It is there with other properties, which cannot be changed in place.
    Differs,
    /// It is there from another number of shards.
    Surplus,
    /// A binding: AMQP does not show it.
    Unseen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    None,
    Declare,
    Bind,
    Unbind,
    /// Workers empty it; then it is deleted, by running the command again.
    Drain,
    Delete,
    /// Only its owner can say what is to become of it.
    Mend,
}

/// What would be done. Declares nothing that is not there.
pub async fn plan(config: &AmqpConfig) -> Result<Vec<Item>, AmqpError> {
    with_connection(config, async |connection| items(config, connection, false).await).await
}

/// Does it, and tells what is left. Changes nothing at all while something differs.
pub async fn apply(config: &AmqpConfig) -> Result<Vec<Item>, AmqpError> {
    with_connection(config, async |connection| {
        let before = items(config, connection, false).await?;
        if let Some(item) = before.iter().find(|item| item.state == State::Differs) {
            return Err(AmqpError::TopologyMismatch {
                what: format!("{} `{}`", item.kind, item.name),
                detail: item.detail.clone().unwrap_or_default(),
            });
        }
        let channel = topology::open(config, connection).await?;
        topology::declare(config, &channel).await?;
        topology::prepare_outcomes(&AmqpConfig { declare: true, ..config.clone() }, &channel).await?;
        take_away(config, connection, &channel).await?;
        items(config, connection, true).await
    })
    .await
}

async fn with_connection<T>(
    config: &AmqpConfig,
    work: impl AsyncFnOnce(&Connection) -> Result<T, AmqpError>,
) -> Result<T, AmqpError> {
    let problems = config.problems();
    if !problems.is_empty() {
        return Err(AmqpError::InvalidConfig(problems.join("; ")));
    }
    let connection = connect(config, "topology").await?;
    let done = work(&connection).await;
    close(&connection, &[]).await;
    done
}

/// Everything, wanted or surplus; `bound` after it was all bound.
async fn items(config: &AmqpConfig, connection: &Connection, bound: bool) -> Result<Vec<Item>, AmqpError> {
    let mut found = Vec::new();
    let kinds = [
        (&config.dead_letter_exchange, ExchangeKind::Fanout),
        (&config.exchange, ExchangeKind::Topic),
        (&config.outcomes_exchange, ExchangeKind::Topic),
    ];
    for (called, kind) in kinds {
        found.push(exchange(config, connection, called, Some(kind)).await?);
    }
    let by_customer = config.by_customer();
    if config.shards > 0 {
        found.push(exchange(config, connection, &by_customer, None).await?);
        found.push(queue(config, connection, &config.roll_call(), quorum()).await?);
    }
    found.push(queue(config, connection, &config.dead_letter_queue, quorum()).await?);
    for called in config.queues() {
        found.push(queue(config, connection, &called, event_queue(config)).await?);
    }
    let (state, action) = if bound { (State::There, Action::None) } else { (State::Unseen, Action::Bind) };
    found.extend(bindings(config).into_iter().map(|name| item("binding", name, state, action)));

    let surplus = topology::surplus(config, connection).await?;
    for (called, queue) in surplus {
        let free = queue.message_count() == 0 && queue.consumer_count() == 0;
        let action = if free { Action::Delete } else { Action::Drain };
        let detail = format!("{} consumers", queue.consumer_count());
        let waiting = Some(queue.message_count());
        let detail = Some(detail);
        found.push(Item { waiting, detail, ..item("queue", called.clone(), State::Surplus, action) });
        if !bound {
            let from = if called == config.queue { &config.exchange } else { &by_customer };
            let unbound = format!("{from} → {called}");
            found.push(item("binding", unbound, State::Unseen, Action::Unbind));
        }
    }
    if config.shards == 0 {
        if exchange_is_there(config, connection, &by_customer).await? {
            found.push(item("exchange", by_customer, State::Surplus, Action::Delete));
        }
        if let Some(queue) = topology::find(config, connection, &config.roll_call()).await? {
            let action = if queue.consumer_count() == 0 { Action::Delete } else { Action::Drain };
            found.push(item("queue", config.roll_call(), State::Surplus, action));
        }
    }
    Ok(found)
}

fn item(kind: &'static str, name: String, state: State, action: Action) -> Item {
    Item { kind, name, state, waiting: None, action, detail: None }
}

/// The bindings of the events, each as `from → to (key)`.
fn bindings(config: &AmqpConfig) -> Vec<String> {
    let by_customer = config.by_customer();
    let first = if config.shards > 0 { &by_customer } else { &config.queue };
    let keys = config.binding_keys.iter().map(|key| format!("{} → {first} ({key})", config.exchange));
    let shards = config.queues().into_iter().filter(|_| config.shards > 0);
    let shards = shards.map(|queue| format!("{by_customer} → {queue}"));
    let dead = format!("{} → {}", config.dead_letter_exchange, config.dead_letter_queue);
    std::iter::once(dead).chain(keys).chain(shards).collect()
}

async fn exchange_is_there(
    config: &AmqpConfig,
    connection: &Connection,
    called: &str,
) -> Result<bool, AmqpError> {
    let channel = topology::open(config, connection).await?;
    let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let look = topology::declare_exchange(config, &channel, called, ExchangeKind::Topic, options);
    match look.await {
        Ok(()) => Ok(true),
        Err(AmqpError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Without a kind, it is the one that shares events out.
async fn exchange(
    config: &AmqpConfig,
    connection: &Connection,
    called: &str,
    kind: Option<ExchangeKind>,
) -> Result<Item, AmqpError> {
    let missing = item("exchange", called.to_owned(), State::Missing, Action::Declare);
    if !exchange_is_there(config, connection, called).await? {
        return Ok(missing);
    }
    let channel = topology::open(config, connection).await?;
    let declared = match kind {
        Some(kind) => topology::exchange(config, &channel, called, kind).await,
        None => topology::by_customer_exchange(config, &channel).await,
    };
    compared(missing, declared)
}

async fn queue(
    config: &AmqpConfig,
    connection: &Connection,
    called: &str,
    arguments: FieldTable,
) -> Result<Item, AmqpError> {
    let missing = item("queue", called.to_owned(), State::Missing, Action::Declare);
    let Some(found) = topology::find(config, connection, called).await? else { return Ok(missing) };
    let missing = Item { waiting: Some(found.message_count()), ..missing };
    let channel = topology::open(config, connection).await?;
    compared(missing, topology::queue(config, &channel, called, arguments).await)
}

/// What is there, after it was declared again.
fn compared(item: Item, declared: Result<(), AmqpError>) -> Result<Item, AmqpError> {
    match declared {
        Ok(()) => Ok(Item { state: State::There, action: Action::None, ..item }),
        Err(AmqpError::TopologyMismatch { detail, .. }) => {
            Ok(Item { state: State::Differs, action: Action::Mend, detail: Some(detail), ..item })
        }
        Err(error) => Err(error),
    }
}

/// Unbinds what is surplus, and deletes what of it is free.
async fn take_away(config: &AmqpConfig, connection: &Connection, channel: &Channel) -> Result<(), AmqpError> {
    let failed = |e: lapin::Error| AmqpError::from_lapin(config, "taking surplus queues away", &e);
    let by_customer = config.by_customer();
    if config.shards == 0 {
        for key in &config.binding_keys {
            let (to, from, key) = (name(&by_customer)?, name(&config.exchange)?, name(key)?);
            let options = ExchangeUnbindOptions::default();
            channel.exchange_unbind(to, from, key, options, FieldTable::default()).await.map_err(failed)?;
        }
        // What passed the first exchange before must still find queues behind the second.
        tokio::time::sleep(UNDER_WAY).await;
    }
    let surplus = topology::surplus(config, connection).await?;
    for (called, _) in &surplus {
        let (from, keys) = if *called == config.queue {
            (&config.exchange, config.binding_keys.clone())
        } else {
            (&by_customer, vec![SHARD_WEIGHT.to_owned()])
        };
        for key in keys {
            let (queue, from, key) = (name(called)?, name(from)?, name(&key)?);
            channel.queue_unbind(queue, from, key, FieldTable::default()).await.map_err(failed)?;
        }
    }
    if config.shards == 0 {
        // In use, it feeds what is not ours.
        let options = ExchangeDeleteOptions { if_unused: true, ..Default::default() };
        let delete = channel.exchange_delete(name(&by_customer)?, options);
        delete.await.map_err(failed)?;
    }
    let first_look = topology::surplus(config, connection).await?;
    tokio::time::sleep(UNDER_WAY).await;
    // From the last shard down, and no further than the first that is kept: workers look for them in order.
    let mut shards_end = false;
    for (called, before) in first_look.iter().rev() {
        let Some(now) = topology::find(config, connection, called).await? else { continue };
        let free = [before, &now].iter().all(|q| q.message_count() == 0 && q.consumer_count() == 0);
        let is_shard = *called != config.queue;
        if !free || (is_shard && shards_end) {
            shards_end |= is_shard;
            continue;
        }
        delete(config, channel, called).await?;
    }
    if config.shards == 0
        && let Some(queue) = topology::find(config, connection, &config.roll_call()).await?
        && queue.consumer_count() == 0
    {
        delete(config, channel, &config.roll_call()).await?;
    }
    Ok(())
}

async fn delete(config: &AmqpConfig, channel: &Channel, called: &str) -> Result<(), AmqpError> {
    let deleted = channel.queue_delete(name(called)?, QueueDeleteOptions::default()).await;
    deleted.map(drop).map_err(|e| AmqpError::from_lapin(config, &format!("deleting queue `{called}`"), &e))
}
