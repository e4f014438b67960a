//! What a provider's answer means for the message, and writing it down: sent, again later, refused, or unknown.

use chrono::{DateTime, Utc};

use crate::channels::Answer;
use crate::domain::message::{Message, MessageState};
use crate::domain::retry::{next_attempt, next_turn};
use crate::domain::rules::Basis;
use crate::domain::verdict::Reason;
use crate::store::{Changes, SmsPart, StoreError, Suppression, Tx};

/// Tries before a message that is always put off is given up, if it has not expired by then.
const MOST_ATTEMPTS: u32 = 50;

/// The longest reply kept: enough to read, not a place to leak a body into.
const MAX_REPLY: usize = 500;

/// The message as it is to be stored after the provider's answer; what else the answer changes, but for its outcome, goes
/// into `changes`.
pub fn after(
    mut message: Message,
    answer: Answer,
    basis: Basis,
    now: DateTime<Utc>,
    changes: &mut Changes,
) -> Message {
    let mut suppress = false;
    let reply = match answer {
        Answer::Accepted { reply, ids } => {
            changes.sms_parts.extend(parts(&message, ids, now));
            message.state = MessageState::Sent;
            message.reason = None;
            message.sent_at = Some(now);
            reply
        }
        Answer::Retry { reply } => {
            put_off(&mut message, now);
            reply
        }
        // It says nothing about the message: as if it had not been tried, but not at once, for others may fare better.
        Answer::Busy { reply } | Answer::Wait { reply, .. } => {
            message = not_begun(message);
            message.due_at = next_turn(&message.id, message.planned_at, now);
            reply
        }
        Answer::Refused { reply, bad_address } => {
            message.state = MessageState::Failed;
            message.reason = Some(Reason::Refused);
            message.slot_at = None;
            suppress = bad_address;
            reply
        }
        Answer::Invalid { detail, bad_address } => {
            message.state = MessageState::Failed;
            let reason = if bad_address { Reason::InvalidAddress } else { Reason::RenderFailed };
            message.reason = Some(reason);
            message.slot_at = None;
            detail
        }
        // It is about us, so the message waits; with growing pauses, for a server may say so of one recipient only,
        // and that message must not stand before all others.
        Answer::ProviderRefused { reply } => {
            put_off(&mut message, now);
            reply
        }
        Answer::Uncertain { detail } => {
            unknown(&mut message, basis, now);
            detail
        }
    };
    message.reply = Some(reply.chars().take(MAX_REPLY).collect());
    if let Some(address) = message.address.clone().filter(|_| suppress) {
        changes.suppressions.push(Suppression {
            channel: message.channel,
            address,
            reason: Reason::Refused,
            at: now,
            detail: message.reply.clone(),
        });
    }
    message
}

/// The names by which the provider will report on the parts of an SMS.
fn parts(message: &Message, ids: Vec<String>, now: DateTime<Utc>) -> impl Iterator<Item = SmsPart> {
    let (parts, customer_id, message_id) = (ids.len(), message.customer_id.clone(), message.id.clone());
    ids.into_iter().enumerate().map(move |(index, provider_id)| SmsPart {
        provider_id,
        customer_id: customer_id.clone(),
        message_id: message_id.clone(),
        part: index + 1,
        parts,
        sent_at: now,
    })
}

/// Writes messages in the state they carry, and what follows from it: `changes`, and in the place of a message that is
/// certain not to reach its reader, the one on the other channel that its step wants then: those are returned.
pub async fn write(
    tx: &mut Tx,
    token: &str,
    messages: &[Message],
    changes: &Changes,
    now: DateTime<Utc>,
) -> Result<Vec<Message>, StoreError> {
    let held = tx.record(token, messages).await?;
    let ours = messages.iter().filter(|m| held.contains(&m.id));
    let others: Vec<Message> = ours.filter_map(|m| m.fall_back(now)).collect();
    tx.write(changes).await?;
    if !others.is_empty() {
        tx.write(&Changes { messages: others.clone(), ..Changes::default() }).await?;
    }
    Ok(others)
}

/// A message whose hand-over was not begun after all: as if it had never been claimed.
pub fn not_begun(mut message: Message) -> Message {
    message.state = MessageState::Pending;
    message.slot_at = None;
    message.attempts = message.attempts.saturating_sub(1);
    message
}

/// Nobody knows whether the provider accepted it. A contract's message goes again under its Message-ID, for two
/// receipts are better than none; any other is not sent again.
pub fn unknown(message: &mut Message, basis: Basis, now: DateTime<Utc>) {
    if basis == Basis::Contract {
        put_off(message, now);
    } else {
        message.state = MessageState::Uncertain;
        message.reason = Some(Reason::OutcomeUnknown);
    }
}

fn put_off(message: &mut Message, now: DateTime<Utc>) {
    message.slot_at = None;
    let next = next_attempt(&message.id, message.attempts, now);
    if message.attempts >= MOST_ATTEMPTS {
        message.state = MessageState::Failed;
        message.reason = Some(Reason::RetriesExhausted);
    } else if next > message.expires_at {
        message.state = MessageState::Expired;
        message.reason = Some(Reason::RetriesExhausted);
    } else {
        message.state = MessageState::Pending;
        message.due_at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_built_says_whose_fault_it_is() {
        let message: Message = serde_json::from_value(serde_json::json!({
            "id": "m", "customer_id": "c", "rule": "r", "version": "1", "occurrence": "o", "step": "s",
            "channel": "sms", "purpose": "marketing", "template": "t", "planned_at": "2026-11-22T10:00:00Z",
            "expires_at": "2026-11-23T10:00:00Z", "state": "sending", "reason": null, "detail": null,
            "promo_code": null, "due_at": "2026-11-22T10:00:00Z", "attempts": 1, "template_hash": null,
            "locale": null, "address": "+33612345678", "reply": null, "sent_at": null, "context": null,
            "slot_at": "2026-11-22T10:00:00Z",
        }))
        .unwrap();
        for (bad_address, reason) in [(true, Reason::InvalidAddress), (false, Reason::RenderFailed)] {
            let answer = Answer::Invalid { detail: "why".to_owned(), bad_address };
            let mut changes = Changes::default();
            let after = after(message.clone(), answer, Basis::Consent, message.due_at, &mut changes);
            assert_eq!((after.state, after.reason), (MessageState::Failed, Some(reason)));
            assert_eq!((after.reply.as_deref(), after.slot_at), (Some("why"), None));
        }
    }
}
