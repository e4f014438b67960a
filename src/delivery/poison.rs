//! Messages that always fail: set aside as `failed` by `cannot_be_processed`, with a dead letter, so that the others go.
//!
//! A row that cannot be read is ended by its columns. A group that fails because of what one of its messages, customers or
//! templates holds is admitted one by one. Called by the dispatcher, the outcome publisher and the reclaimer.

use std::future::poll_fn;
use std::task::Poll;

use chrono::{DateTime, Utc};
use tracing::Span;

use super::admission::Admitted;
use super::dispatch::Dispatcher;
use crate::channels::{Answer, Outlet, Parcel};
use crate::domain::message::{Message, MessageState};
use crate::domain::outcome::Outcome;
use crate::domain::verdict::Reason;
use crate::store::{Changes, DeadLetter, Found, Parked, Store, StoreError};
use crate::{guard, telemetry};

/// The message as it is set aside.
pub fn failed(mut message: Message, words: String) -> Message {
    message.state = MessageState::Failed;
    message.reason = Some(Reason::CannotBeProcessed);
    message.detail = Some(words);
    message
}

/// The dead letter of a message that is set aside; none of any other.
pub fn letter(message: &Message, now: DateTime<Utc>) -> Option<DeadLetter> {
    (message.reason == Some(Reason::CannotBeProcessed)).then(|| letter_of(message, now))
}

/// Logs and counts those that are set aside, once that is committed.
pub fn tell<'a>(messages: impl IntoIterator<Item = &'a Message>) {
    for message in messages.into_iter().filter(|m| m.reason == Some(Reason::CannotBeProcessed)) {
        told(message);
    }
}

/// Ends claimed messages whose rows cannot be read; returns the others.
pub async fn without_unreadable(
    store: &Store,
    found: Found,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Message>, StoreError> {
    if found.unreadable.is_empty() {
        return Ok(found.messages);
    }
    let ended: Vec<Message> = found
        .unreadable
        .into_iter()
        .map(|mut message| {
            let words = message.detail.take().unwrap_or_default();
            failed(message, words)
        })
        .collect();
    let mut tx = store.begin().await?;
    let held = tx.end_unreadable(token, &ended).await?;
    let ours: Vec<&Message> = ended.iter().filter(|m| held.contains(&m.id)).collect();
    tx.write(&Changes {
        outcomes: ours.iter().filter_map(|m| Outcome::of_message(m, now)).collect(),
        dead_letters: ours.iter().map(|m| letter_of(m, now)).collect(),
        ..Changes::default()
    })
    .await?;
    tx.commit().await?;
    ours.iter().for_each(|message| telemetry::handed_over(message));
    tell(ours);
    Ok(found.messages)
}

/// Hand-overs that nobody knows the end of, of messages that cannot be read: `uncertain`, whatever their purpose, with what
/// is to be written beside them.
pub fn uncertain(unreadable: Vec<Message>) -> Vec<Message> {
    let reason = Some(Reason::OutcomeUnknown);
    unreadable.into_iter().map(|m| Message { state: MessageState::Uncertain, reason, ..m }).collect()
}

/// Notes in `changes` what was settled so.
pub fn note_uncertain(messages: &[Message], settled: &[String], changes: &mut Changes, now: DateTime<Utc>) {
    for message in messages.iter().filter(|m| settled.contains(&m.id)) {
        changes.outcomes.extend(Outcome::of_message(message, now));
        changes.dead_letters.push(letter_of(message, now));
        told(message);
    }
}

/// Hands a parcel over. A panic on the way leaves the message's end unknown, and the worker as it is.
pub async fn hand_over(outlet: &Outlet, parcel: &Parcel, message: &Message) -> Answer {
    let mut sending = Box::pin(outlet.send(parcel));
    let sent = poll_fn(|context| match guard::catch(|| sending.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    sent.await.unwrap_or_else(|panic| {
        telemetry::panicked("hand-over", &message.customer_id, &panic.place);
        Answer::Uncertain { detail: format!("a panic at {}", panic.place) }
    })
}

impl Dispatcher {
    /// Admits a group; where that fails because of what one of it holds, each message by itself.
    pub(super) async fn admit_others(
        &self,
        group: Vec<Message>,
        token: &str,
    ) -> Result<Vec<(Span, Admitted)>, StoreError> {
        match self.admit(group.clone(), token).await {
            Err(error) if error.is_about_content() => {}
            result => return result,
        }
        let mut go = Vec::new();
        for message in group {
            let admitted = match self.admit(vec![message.clone()], token).await {
                Err(error) if error.is_about_content() => {
                    self.set_aside(message, error.to_string(), token).await.map(|()| Vec::new())
                }
                result => result,
            };
            match admitted {
                Ok(admitted) => go.extend(admitted),
                // Those admitted are `sending` by now, and nobody but this round hands them over.
                Err(error) if !go.is_empty() => {
                    telemetry::waiting_for("database", &error.to_string());
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(go)
    }

    async fn set_aside(&self, message: Message, words: String, token: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let message = failed(message, words);
        let mut tx = self.store.begin().await?;
        if tx.record(token, std::slice::from_ref(&message)).await?.is_empty() {
            return Ok(());
        }
        tx.write(&Changes {
            outcomes: Outcome::of_message(&message, now).into_iter().collect(),
            dead_letters: vec![letter_of(&message, now)],
            ..Changes::default()
        })
        .await?;
        tx.commit().await?;
        telemetry::handed_over(&message);
        told(&message);
        Ok(())
    }
}

fn parked(message: &Message) -> Parked {
    Parked::Message { customer: message.customer_id.clone(), message: message.id.clone() }
}

fn letter_of(message: &Message, now: DateTime<Utc>) -> DeadLetter {
    parked(message).letter(message.detail.as_deref().unwrap_or_default(), now)
}

fn told(message: &Message) {
    let parked = parked(message);
    let letter = parked.letter("", DateTime::UNIX_EPOCH);
    telemetry::set_aside(parked.origin(), parked.customer(), &letter.id);
}
