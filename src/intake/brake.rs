//! Back-pressure: the intake slows down while more messages wait than can be sent.
//!
//! It slows and never stops: behind the newsletter's clicks stand withdrawals of consent, and a message that waits must
//! hear of them before it goes. What is not taken in stays with the broker, or with the caller who waits for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest pause before a batch, reached at twice the limit.
const LONGEST: Duration = Duration::from_secs(1);

/// The brake of one process's intake: who watches the outbox sets it, `settle` obeys. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Brake(Arc<AtomicU64>);

impl Brake {
    /// Notes how many messages wait, of which `limit` are no reason to slow down; gives the pause before each batch
    /// that follows from it.
    pub fn set(&self, waiting: u64, limit: u64) -> Duration {
        let over = (waiting as f64 / limit.max(1) as f64 - 1.0).clamp(0.0, 1.0);
        let pause = LONGEST.mul_f64(over);
        self.0.store(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        pause
    }

    /// Whether batches have to wait: then they go one by one, since those under way together pause together.
    pub(super) fn is_on(&self) -> bool {
        !self.pause().is_zero()
    }

    /// Waits as long as the outbox asks for before a batch.
    pub(super) async fn wait(&self) {
        if self.is_on() {
            tokio::time::sleep(self.pause()).await;
        }
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_from_the_limit_to_its_double() {
        let brake = Brake::default();
        let pauses: Vec<u128> =
            [0, 100, 150, 200, 1_000_000].map(|waiting| brake.set(waiting, 100).as_millis()).to_vec();
        assert_eq!(pauses, [0, 0, 500, 1000, 1000]);
        assert!(brake.is_on());
        brake.set(100, 100);
        assert!(!brake.is_on());
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_waits_for_as_long_as_was_set_last() {
        let brake = Brake::default();
        brake.set(150, 100);
        let began = tokio::time::Instant::now();
        brake.clone().wait().await;
        assert_eq!(began.elapsed().as_millis(), 500);
        brake.set(0, 100);
        brake.wait().await;
        assert_eq!(began.elapsed().as_millis(), 500);
    }
}
