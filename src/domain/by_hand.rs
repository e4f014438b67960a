//! What an operator may make of a message by hand, and what not, in words.
//!
//! The gate is asked about what goes again as about any other message: by hand nobody gets around consent or hours.

use chrono::{DateTime, Utc};

use super::message::{Message, MessageState};
use super::verdict::Reason;

/// The message as it waits to be sent again at once; the error says why it does not.
///
/// `even_if_sent`: also where the provider may have accepted it, so that its reader may get it twice. `replaced_by`: the
/// id of the message on the other channel that has taken its place, if one has.
pub fn retry(
    message: &Message,
    now: DateTime<Utc>,
    even_if_sent: bool,
    replaced_by: Option<&str>,
) -> Result<Message, String> {
    let uncertain = message.state == MessageState::Uncertain;
    match message.state {
        MessageState::Uncertain if !even_if_sent => {
            return Err("it may have been sent: add --even-if-sent if its reader may get it twice".to_owned());
        }
        MessageState::Failed | MessageState::Suppressed | MessageState::Expired | MessageState::Uncertain => {
        }
        MessageState::Paused => return Err("its rule is paused: resume it".to_owned()),
        state if state.is_final() => return Err(format!("it is {}", state.as_str())),
        state => return Err(format!("it is {}, and goes by itself", state.as_str())),
    }
    if message.reason == Some(Reason::CannotBeProcessed) {
        return Err("it is set aside: `declic dead-letters replay` puts it back".to_owned());
    }
    if message.reason == Some(Reason::CustomerDeleted) {
        return Err("its customer was erased".to_owned());
    }
    if now > message.expires_at {
        return Err(format!("it has been worthless since {}", message.expires_at.to_rfc3339()));
    }
    if let Some(other) = replaced_by {
        return Err(format!("message {other} on the other channel has taken its place"));
    }
    Ok(Message {
        state: MessageState::Pending,
        reason: None,
        detail: None,
        due_at: now,
        attempts: 0,
        // What may have gone goes again in the same words; what has not, in those of a template mended since.
        template_hash: message.template_hash.clone().filter(|_| uncertain),
        sent_at: None,
        slot_at: None,
        ..message.clone()
    })
}

/// The message as it will never be sent; the error says why it cannot be stopped.
pub fn cancel(message: &Message) -> Result<Message, String> {
    match message.state {
        MessageState::Pending | MessageState::Deferred | MessageState::Paused | MessageState::Claimed => {
            Ok(Message {
                state: MessageState::Suppressed,
                reason: Some(Reason::Cancelled),
                slot_at: None,
                ..message.clone()
            })
        }
        MessageState::Sending => Err("it is being handed over".to_owned()),
        state => Err(format!("it is {} already", state.as_str())),
    }
}

#[cfg(test)]
mod tests;
