//! Keeping watch: pulses that tell whether a part makes progress, and the order of stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Clock;

/// When a part of the worker last finished a round. Stale progress fails readiness, whatever the part claims.
#[derive(Debug, Clone)]
pub struct Pulse {
    clock: Clock,
    /// Microseconds since the epoch, on the wall clock.
    last: Arc<AtomicI64>,
}

impl Pulse {
    pub fn new(clock: Clock) -> Self {
        let last = Arc::new(AtomicI64::new(clock.wall().timestamp_micros()));
        Self { clock, last }
    }

    pub fn beat(&self) {
        self.last.store(self.clock.wall().timestamp_micros(), Ordering::Relaxed);
    }

    /// Seconds since the last beat.
    pub fn age_seconds(&self) -> i64 {
        (self.clock.wall().timestamp_micros() - self.last.load(Ordering::Relaxed)) / 1_000_000
    }
}
