//! Batches that fail because of one customer: halved until that one stands alone and is set aside; the others go on.
//!
//! Each part has a transaction of its own. What a crash leaves undone is met again: timers stay due, a sweep's cursor
//! moves after its page, and an entry that a part has begun is known by its key. Called for timers by
//! [`Processor::run_due`] and for ticks by the scheduler.

use super::{ProcessError, Processor, Written};
use crate::domain::decide::Tick;
use crate::store::{Changes, Parked, StoreError};
use crate::telemetry;

/// What is done for some customers.
pub(super) enum Work<'a> {
    Timers,
    /// A tick, in a zone.
    Tick(&'a Tick, &'a str),
}

impl Processor {
    /// Does for these customers what a tick means for them; whom it always fails for is set aside.
    pub async fn tick_in_parts(
        &self,
        tick: &Tick,
        zone: &str,
        customers: Vec<String>,
    ) -> Result<(), StoreError> {
        self.in_parts(&Work::Tick(tick, zone), customers).await
    }

    pub(super) async fn in_parts(&self, work: &Work<'_>, customers: Vec<String>) -> Result<(), StoreError> {
        let mut left_to_do = vec![customers];
        while let Some(mut part) = left_to_do.pop() {
            match self.attempt(work, &part).await {
                Ok(()) => {}
                Err(ProcessError::Store(error)) => return Err(error),
                Err(ProcessError::Poison(words)) if part.len() == 1 => {
                    self.set_aside(work, &part[0], &words).await?;
                }
                Err(ProcessError::Poison(_)) => {
                    left_to_do.push(part.split_off(part.len() / 2));
                    left_to_do.push(part);
                }
            }
        }
        Ok(())
    }

    async fn attempt(&self, work: &Work<'_>, customers: &[String]) -> Result<(), ProcessError> {
        let mut tx = self.store.begin().await?;
        let done = match work {
            Work::Timers => self.timers(&mut tx, customers).await,
            Work::Tick(tick, _) => {
                let counted = self.tick(&mut tx, tick, customers).await;
                counted.map(|counted| Written { counted, ..Written::default() })
            }
        };
        match done {
            Ok(written) => {
                tx.commit().await?;
                self.done(written);
                Ok(())
            }
            // Waited for, so that the next attempt does not meet the locks of this one.
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }

    /// Writes a letter for what always fails, and has the scheduler pass it over from now on, in one transaction.
    async fn set_aside(&self, work: &Work<'_>, customer: &str, words: &str) -> Result<(), StoreError> {
        let now = self.clock.now();
        let customer = customer.to_owned();
        let mut tx = self.store.begin().await?;
        let parked: Vec<Parked> = match work {
            Work::Timers => {
                let timers = tx.unschedule(&customer, now).await?.into_iter();
                let timer = |(rule, occurrence, due_at)| {
                    let customer = customer.clone();
                    Parked::Timer { customer, rule, occurrence, due_at }
                };
                timers.map(timer).collect()
            }
            Work::Tick(tick, zone) => vec![Parked::Tick {
                customer,
                rule: tick.rule.clone(),
                tick: tick.local.clone(),
                zone: (*zone).to_owned(),
                planned_at: tick.planned,
            }],
        };
        let dead_letters: Vec<_> = parked.iter().map(|parked| parked.letter(words, now)).collect();
        tx.write(&Changes { dead_letters: dead_letters.clone(), ..Changes::default() }).await?;
        tx.commit().await?;
        for (parked, letter) in parked.iter().zip(&dead_letters) {
            telemetry::set_aside(parked.origin(), parked.customer(), &letter.id);
        }
        Ok(())
    }
}
