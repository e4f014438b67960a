//! Outcomes on their way out: from the table to the exchange `declic.outcomes`, confirmed, then marked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::channels::outcomes::OutcomePublisher;
use crate::failpoint;
use crate::store::{Store, StoreError};
use crate::telemetry;

/// Outcomes published and confirmed together.
const AT_ONCE: u32 = 500;

const IDLE: Duration = Duration::from_millis(250);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// The way out. Without a broker (embedded mode) outcomes are only marked: the store keeps them to be read.
#[derive(Clone)]
pub struct Outcomes {
    store: Store,
    publisher: Option<Arc<Mutex<OutcomePublisher>>>,
}

impl Outcomes {
    pub fn new(store: Store, publisher: Option<OutcomePublisher>) -> Self {
        Self { store, publisher: publisher.map(|p| Arc::new(Mutex::new(p))) }
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
        if waiting.is_empty() {
            return Ok(false);
        }
        self.publish(waiting).await
    }

    async fn publish(&self, waiting: Vec<crate::domain::outcome::Outcome>) -> Result<bool, StoreError> {
        if waiting.is_empty() {
            return Ok(true);
        }
        if let Some(publisher) = &self.publisher
            && let Err(error) = publisher.lock().await.publish(&waiting).await
        {
            telemetry::waiting_for("broker", &error.to_string());
            return Ok(false);
        }
        failpoint::reach("outcomes.published");
        let ids: Vec<String> = waiting.into_iter().map(|o| o.id).collect();
        self.store.mark_published(&ids).await?;
        failpoint::reach("outcomes.marked");
        Ok(true)
    }
}
