//! Unusable deliveries on their way to the dead-letter exchange, confirmed before the original is acknowledged.
//!
//! They are parked in the database by then; the queue is where an operator's own tools find them, whole.

use lapin::message::Delivery;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation};

use crate::broker::{AmqpConfig, AmqpError, topology};
use crate::domain::event::{Unusable, UnusableReason};
use crate::intake::{Settled, decode, short};

/// The most that the copied headers of a dead letter may come to, in bytes of JSON: a header frame cannot
/// be split, and one over the negotiated size (128 KiB) would end the connection, for ever again.
const MAX_COPIED_HEADERS: usize = 32 * 1024;
/// What an error names.
const WHAT: &str = "publishing a dead letter";

/// Publishes what was refused and waits for every confirm. `side` has confirms on.
pub(super) async fn publish(
    config: &AmqpConfig,
    side: &Channel,
    batch: &[Delivery],
    settled: &[Settled],
) -> Result<(), AmqpError> {
    let failed = |e| AmqpError::from_lapin(config, WHAT, &e);
    let exchange = topology::name(&config.dead_letter_exchange)?;
    let mut confirms = Vec::new();
    for (delivery, outcome) in batch.iter().zip(settled) {
        let Settled::Refused(refusal) = outcome else { continue };
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let properties = properties(&delivery.properties, refusal);
        let routing_key = delivery.routing_key.clone();
        let publish = side.basic_publish(exchange.clone(), routing_key, options, &delivery.data, properties);
        // A letter cut short in the database must not be lost to a missing binding.
        let cut_short = refusal.reason == UnusableReason::TooLarge;
        confirms.push((publish.await.map_err(failed)?, cut_short));
    }
    for (confirm, cut_short) in confirms {
        check(config, &confirm.await.map_err(failed)?, cut_short)?;
    }
    Ok(())
}

fn check(config: &AmqpConfig, confirmed: &Confirmation, cut_short: bool) -> Result<(), AmqpError> {
    let exchange = &config.dead_letter_exchange;
    match confirmed {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) => {
            let detail = format!("no queue is bound to the dead-letter exchange `{exchange}`");
            if cut_short {
                return Err(AmqpError::NotFound { broker: config.url.to_string(), detail });
            }
            tracing::error!(exchange, "{detail}: the dead letter is kept in the database only");
            Ok(())
        }
        Confirmation::Nack(_) | Confirmation::NotRequested => {
            Err(AmqpError::Lost("the broker did not take a dead letter".into()))
        }
    }
}

/// The properties of a dead letter: the original's, with the reason, and without what the broker would
/// act upon (an expiry, further recipients) or refuse (a user id that is not ours).
fn properties(original: &BasicProperties, refusal: &Unusable) -> BasicProperties {
    let size = serde_json::to_string(&decode::delivery_headers(original)).map_or(usize::MAX, |s| s.len());
    let mut headers = match original.headers() {
        Some(table) if size <= MAX_COPIED_HEADERS => table.clone(),
        _ => FieldTable::default(),
    };
    for recipients in ["CC", "BCC"] {
        if headers.contains_key(recipients) {
            headers.insert(recipients.into(), AMQPValue::FieldArray(Vec::new().into()));
        }
    }
    headers
        .insert("x-declic-reason".into(), AMQPValue::LongString(refusal.reason.as_str().into()))
        .insert("x-declic-detail".into(), AMQPValue::LongString(short(&refusal.detail).into()));
    let mut properties = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
    if let Some(value) = original.content_type() {
        properties = properties.with_content_type(value.clone());
    }
    if let Some(value) = original.content_encoding() {
        properties = properties.with_content_encoding(value.clone());
    }
    if let Some(value) = original.message_id() {
        properties = properties.with_message_id(value.clone());
    }
    if let Some(value) = original.timestamp() {
        properties = properties.with_timestamp(*value);
    }
    if let Some(value) = original.kind() {
        properties = properties.with_type(value.clone());
    }
    if let Some(value) = original.app_id() {
        properties = properties.with_app_id(value.clone());
    }
    properties
}
