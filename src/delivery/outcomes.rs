//! Outcomes on their way out: from the table to the exchange `declic.outcomes`, confirmed, then marked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::channels::outcomes::{OutcomePublisher, PublishError};
use crate::clock::Clock;
use crate::domain::outcome::Outcome;
use crate::store::{Parked, Store, StoreError, Unpublished};
use crate::{failpoint, telemetry};

/// Outcomes published and confirmed together.
const AT_ONCE: u32 = 500;

const IDLE: Duration = Duration::from_millis(250);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// The way out. Without a broker (embedded mode) outcomes are only marked: the store keeps them to be read.
#[derive(Clone)]
pub struct Outcomes {
    store: Store,
    clock: Clock,
    publisher: Option<Arc<Mutex<OutcomePublisher>>>,
}

impl Outcomes {
    pub fn new(store: Store, clock: Clock, publisher: Option<OutcomePublisher>) -> Self {
        Self { store, clock, publisher: publisher.map(|p| Arc::new(Mutex::new(p))) }
    }

    /// Publishes until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let pause = match self.pass().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => IDLE,
                Err(error) => {
                    telemetry::waiting_for("database", &error.to_string());
                    PAUSE_AFTER_FAILURE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Publishes these outcomes before anything else, if they have not been; false when the broker did not take
    /// them.
    pub async fn publish_now(&self, ids: &[String]) -> Result<bool, StoreError> {
        let waiting = self.store.unpublished_among(ids).await?;
        self.publish(waiting).await
    }

    async fn pass(&self) -> Result<bool, StoreError> {
        let waiting = self.store.unpublished_outcomes(AT_ONCE).await?;
        if waiting == Unpublished::default() {
            return Ok(false);
        }
        self.publish(waiting).await
    }

    /// Publishes, in halves where the broker takes all but one; what can never be published is set aside.
    async fn publish(&self, waiting: Unpublished) -> Result<bool, StoreError> {
        for (outcome, words) in &waiting.unreadable {
            self.set_aside(outcome, words).await?;
        }
        let mut left_to_do = vec![waiting.outcomes];
        while let Some(mut part) = left_to_do.pop() {
            if part.is_empty() {
                continue;
            }
            match self.hand_to_broker(&part).await {
                Ok(()) => {
                    failpoint::reach("outcomes.published");
                    let ids: Vec<String> = part.into_iter().map(|o| o.id).collect();
                    self.store.mark_published(&ids).await?;
                    failpoint::reach("outcomes.marked");
                }
                Err(error) if !error.is_about_content() => {
                    telemetry::waiting_for("broker", &error.to_string());
                    return Ok(false);
                }
                Err(error) if part.len() == 1 => self.set_aside(&part[0], &error.to_string()).await?,
                Err(_) => {
                    left_to_do.push(part.split_off(part.len() / 2));
                    left_to_do.push(part);
                }
            }
        }
        Ok(true)
    }

    async fn hand_to_broker(&self, outcomes: &[Outcome]) -> Result<(), PublishError> {
        match &self.publisher {
            Some(publisher) => publisher.lock().await.publish(outcomes).await,
            None => Ok(()),
        }
    }

    /// The letter first: should the mark be lost, the same letter is written again.
    async fn set_aside(&self, outcome: &Outcome, words: &str) -> Result<(), StoreError> {
        let parked = Parked::Outcome { customer: outcome.customer_id.clone(), outcome: outcome.id.clone() };
        let letter = parked.letter(words, self.clock.now());
        self.store.park(&letter).await?;
        self.store.mark_published(std::slice::from_ref(&outcome.id)).await?;
        telemetry::set_aside(parked.origin(), parked.customer(), &letter.id);
        Ok(())
    }
}
