//! Dead letters tried again: an event is taken in, what was set aside is put back where the worker finds it.
//!
//! Safe to repeat at any point: a letter goes when what it stands for is done or back in its place, and unique keys make
//! doing it twice doing it once. Called by `declic dead-letters replay`, with or without a worker beside it.

use super::{ProcessError, Processor};
use crate::domain::decide::Tick;
use crate::domain::event::Event;
use crate::domain::message::MessageState;
use crate::store::{Changes, Parked, PutBack, Tx};
use crate::telemetry::tally::{self, Batch};

/// What became of a letter that is gone now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    Accepted,
    /// The event was taken in before.
    Known,
    /// The worker does it next.
    PutBack,
    /// The tick has been decided for its customer.
    Decided,
    /// There is nothing left to do: what it is about was erased, or has gone on without it.
    Gone,
}

impl Replayed {
    pub fn words(self) -> &'static str {
        match self {
            Self::Accepted => "taken in",
            Self::Known => "known already, nothing to do",
            Self::PutBack => "put back, the worker takes it next",
            Self::Decided => "decided again",
            Self::Gone => "gone or done without it, nothing to do",
        }
    }
}

impl Processor {
    /// Takes in a parked event.
    pub async fn replay_event(&self, letter: &str, event: Event) -> Result<Replayed, ProcessError> {
        let fresh = self.accept(std::slice::from_ref(&event)).await?;
        self.store.remove_dead_letter(letter).await?;
        Ok(if fresh.first() == Some(&true) { Replayed::Accepted } else { Replayed::Known })
    }

    /// Puts back what was set aside, after a look whether its customer can be read by now.
    pub async fn put_back(&self, letter: &str, parked: &Parked) -> Result<Replayed, ProcessError> {
        let mut tx = self.store.begin().await?;
        let mut counted = Batch::default();
        let done = match parked {
            Parked::Timer { customer, rule, occurrence, .. } => {
                put_back_timer(&mut tx, customer, rule, occurrence).await?
            }
            Parked::Tick { customer, rule, tick, planned_at, .. } => {
                let tick = Tick { rule: rule.clone(), local: tick.clone(), planned: *planned_at };
                counted = self.tick(&mut tx, &tick, std::slice::from_ref(customer)).await?;
                Replayed::Decided
            }
            Parked::Message { customer, message } => {
                tx.lock_customers(std::slice::from_ref(customer), &[]).await?;
                match tx.put_back_message(message).await? {
                    PutBack::Waiting => Replayed::PutBack,
                    PutBack::Not(MessageState::Uncertain) => {
                        let words = "nobody knows whether this message went out, so it is not sent again";
                        return Err(ProcessError::Poison(words.to_owned()));
                    }
                    PutBack::Not(_) | PutBack::Gone => Replayed::Gone,
                }
            }
            Parked::Outcome { outcome, .. } => {
                if tx.put_back_outcome(outcome).await? {
                    Replayed::PutBack
                } else {
                    Replayed::Gone
                }
            }
        };
        tx.remove_dead_letter(letter).await?;
        tx.commit().await?;
        tally::count(counted);
        Ok(done)
    }
}

/// Writes the entry as it is, which sets its timer again.
async fn put_back_timer(
    tx: &mut Tx,
    customer: &str,
    rule: &str,
    occurrence: &str,
) -> Result<Replayed, ProcessError> {
    let mut states = tx.lock_customers(&[customer.to_owned()], &[rule.to_owned()]).await?;
    let entries = states.remove(customer).map(|state| state.entries).unwrap_or_default();
    let entry = entries.into_iter().find(|e| e.rule == rule && e.occurrence == occurrence);
    let Some(entry) = entry.filter(|e| e.due_at.is_some()) else { return Ok(Replayed::Gone) };
    tx.write(&Changes { entries: vec![entry], ..Changes::default() }).await?;
    Ok(Replayed::PutBack)
}
