//! Pausing and resuming; waiting until what was under way has ended.

use std::time::Duration;

use super::Operator;
use crate::domain::pause::Target;
use crate::store::{Store, StoreError};

/// How often to look, in real time.
const EVERY: Duration = Duration::from_millis(100);

/// Workers stop within this after a pause is committed: until then something may still be begun.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// What is left of a target when waiting for its end is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    /// Messages that wait.
    pub waiting: i64,
    /// Messages whose hand-over has begun and not ended.
    pub under_way: i64,
}

impl Operator {
    /// Has all workers stop sending what is of this target, within a second; false when it is paused already.
    pub async fn pause(&self, target: &Target, why: Option<&str>) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let changed = tx.pause(target, &self.name, why).await?;
        if changed {
            tx.audit(&self.name, "pause", &[target.to_string()], why).await?;
        }
        tx.commit().await?;
        Ok(changed)
    }

    /// Has them go on; false when it is not paused.
    pub async fn resume(&self, target: &Target) -> Result<bool, StoreError> {
        let mut tx = self.store.begin().await?;
        let changed = tx.resume(target).await?;
        if changed {
            tx.audit(&self.name, "resume", &[target.to_string()], None).await?;
        }
        tx.commit().await?;
        Ok(changed)
    }
}

/// Waits, for so long at most, until no message of a target that is paused is being handed over.
pub async fn wait_until_quiet(store: &Store, target: &Target, most: Duration) -> Result<Quiet, StoreError> {
    let began = tokio::time::Instant::now();
    loop {
        let (waiting, under_way) = store.messages_of(target).await?;
        let noticed = began.elapsed() > NOTICED_WITHIN;
        if (under_way == 0 && noticed) || began.elapsed() >= most {
            return Ok(Quiet { waiting, under_way });
        }
        tokio::time::sleep(EVERY).await;
    }
}
