//! Receipts on their way to the messages they are about.
//!
//! A receipt may come before the record of its message is committed, so it is kept first and settled here, again and
//! again, until its part is known.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::message::{Message, MessageState};
use crate::domain::outcome::Outcome;
use crate::domain::verdict::Reason;
use crate::failpoint;
use crate::store::{Changes, SettledReceipt, Store, StoreError, Suppression};
use crate::telemetry;

/// How often to look, in real time: nobody waits for a receipt.
const EVERY: Duration = Duration::from_secs(1);

/// Receipts settled in one transaction.
const AT_ONCE: u32 = 500;

/// Settles receipts until told to stop.
pub async fn run(store: Store, clock: Clock, shutdown: CancellationToken) {
    loop {
        let pause = match pass(&store, &clock).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => EVERY,
            Err(error) => {
                telemetry::waiting_for("database", &error.to_string());
                EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Settles some receipts; false when none was waiting.
async fn pass(store: &Store, clock: &Clock) -> Result<bool, StoreError> {
    let now = clock.now();
    let mut tx = store.begin().await?;
    let Some(receipts) = tx.settle_receipts(AT_ONCE).await? else { return Ok(false) };
    receipts.unreadable.iter().for_each(telemetry::unreadable_receipt);
    let mut changes = Changes::default();
    let mut messages: Vec<Message> =
        receipts.settled.into_iter().filter_map(|receipt| after(receipt, now, &mut changes)).collect();
    let written = tx.record_receipts(&messages).await?;
    // What follows from a message follows only where this is its newest word.
    messages.retain(|message| written.contains(&message.id));
    for message in &messages {
        changes.outcomes.extend(Outcome::of_message(message, now));
        changes.messages.extend(message.fall_back(now));
    }
    tx.write(&changes).await?;
    failpoint::reach("receipts.settled");
    tx.commit().await?;
    messages.iter().for_each(telemetry::handed_over);
    telemetry::fell_back(&changes.messages);
    Ok(true)
}

/// The message after its receipts; none while some of its parts are still under way. One part lost is the message
/// lost: what is left of it cannot be read.
fn after(receipt: SettledReceipt, now: DateTime<Utc>, changes: &mut Changes) -> Option<Message> {
    let SettledReceipt { mut message, parts, detail } = receipt;
    let says = |state: &str| parts.iter().any(|part| part == state);
    if says("failed") || says("bad_address") {
        message.state = MessageState::Failed;
        message.reason = Some(Reason::Undelivered);
        message.detail.clone_from(&detail);
        message.slot_at = None;
    } else if !parts.is_empty() && parts.iter().all(|part| part == "delivered") {
        message.state = MessageState::Delivered;
        message.detail.clone_from(&detail);
    } else {
        return None;
    }
    if let Some(address) = message.address.clone().filter(|_| says("bad_address")) {
        let reason = Reason::Undelivered;
        changes.suppressions.push(Suppression { channel: message.channel, address, reason, at: now, detail });
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::consent::Channel;
    use crate::domain::message::Lane;

    fn sent() -> Message {
        let at = DateTime::UNIX_EPOCH;
        Message {
            id: "m".to_owned(),
            customer_id: "c".to_owned(),
            rule: "r".to_owned(),
            version: String::new(),
            occurrence: "o".to_owned(),
            step: "s".to_owned(),
            channel: Channel::Sms,
            purpose: "marketing".to_owned(),
            template: "t".to_owned(),
            planned_at: at,
            expires_at: at + TimeDelta::hours(24),
            state: MessageState::Sent,
            reason: None,
            detail: None,
            context: serde_json::Value::Null.into(),
            promo_code: None,
            due_at: at,
            attempts: 1,
            template_hash: None,
            locale: None,
            address: Some("+33612345678".to_owned()),
            reply: None,
            sent_at: Some(at),
            lane: Lane::Event,
            priority: 0,
            fallback: Some("t".to_owned()),
            slot_at: Some(at),
            trace: None,
        }
    }

    #[test]
    fn a_message_is_what_its_parts_are() {
        let cases: [(&[&str], Option<MessageState>, usize); 6] = [
            (&["pending"], None, 0),
            (&["delivered"], Some(MessageState::Delivered), 0),
            (&["delivered", "pending"], None, 0),
            (&["delivered", "delivered"], Some(MessageState::Delivered), 0),
            (&["failed", "pending"], Some(MessageState::Failed), 0),
            (&["delivered", "bad_address"], Some(MessageState::Failed), 1),
        ];
        for (parts, expected, suppressed) in cases {
            let mut changes = Changes::default();
            let parts: Vec<String> = parts.iter().map(|p| (*p).to_owned()).collect();
            let receipt = SettledReceipt { message: sent(), parts: parts.clone(), detail: None };
            let after = after(receipt, DateTime::UNIX_EPOCH, &mut changes);
            assert_eq!(after.as_ref().map(|m| m.state), expected, "{parts:?}");
            assert_eq!(changes.suppressions.len(), suppressed, "{parts:?}");
            let Some(message) = after else { continue };
            let failed = message.state == MessageState::Failed;
            assert_eq!(message.slot_at.is_none(), failed, "an SMS that never arrived does not count");
            assert_eq!(message.fall_back(DateTime::UNIX_EPOCH).is_some(), failed, "{parts:?}");
        }
    }
}
