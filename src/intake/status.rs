//! What the rest of the process may know about a source of events: readiness and counters read it, the
//! source itself writes it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many events went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: u64,
    pub duplicates: u64,
    pub refused: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.accepted + self.duplicates + self.refused
    }

    pub(crate) fn add(&mut self, more: Counts) {
        self.accepted += more.accepted;
        self.duplicates += more.duplicates;
        self.refused += more.refused;
    }
}

/// The state of one source. Clones share it.
#[derive(Debug, Clone)]
pub struct Status(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    connected: AtomicBool,
    /// For each queue the last sign of life, in milliseconds after `began`.
    progress: Mutex<Vec<u64>>,
    accepted: AtomicU64,
    duplicates: AtomicU64,
    refused: AtomicU64,
    batches: AtomicU64,
    /// Sessions that ended with an error.
    disconnects: AtomicU64,
}

impl Default for Status {
    fn default() -> Self {
        Self(Arc::new(Inner {
            began: Instant::now(),
            connected: AtomicBool::new(false),
            progress: Mutex::default(),
            accepted: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            disconnects: AtomicU64::new(0),
        }))
    }
}

impl Status {
    /// Whether the source is attached to its broker and consuming.
    pub fn connected(&self) -> bool {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// How long ago the source last did something: settled a batch, or, with nothing to do, heard from the
    /// broker. Of several queues, the one that is longest ago counts. It grows while disconnected and when anything
    /// hangs; readiness fails on it. In good health it
    /// stays under [`amqp::PING_EVERY`](super::amqp::PING_EVERY) and a few seconds.
    pub fn since_progress(&self) -> Duration {
        let oldest = self.progress(|queues| queues.iter().min().copied().unwrap_or(0));
        self.0.began.elapsed().saturating_sub(Duration::from_millis(oldest))
    }

    pub fn counts(&self) -> Counts {
        Counts {
            accepted: self.0.accepted.load(Ordering::Relaxed),
            duplicates: self.0.duplicates.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    /// Batches settled and acknowledged.
    pub fn batches(&self) -> u64 {
        self.0.batches.load(Ordering::Relaxed)
    }

    /// Sessions that ended with an error.
    pub fn disconnects(&self) -> u64 {
        self.0.disconnects.load(Ordering::Relaxed)
    }

    pub(crate) fn set_connected(&self, connected: bool) {
        self.0.connected.store(connected, Ordering::Relaxed);
        metrics::gauge!("declic_amqp_connected").set(if connected { 1.0 } else { 0.0 });
    }

    /// It is attached, and consumes so many queues.
    pub(crate) fn consumes(&self, queues: usize) {
        let now = self.now();
        self.progress(|progress| *progress = vec![now; queues]);
        self.set_connected(true);
    }

    pub(crate) fn lost(&self) {
        self.set_connected(false);
        self.0.disconnects.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("declic_amqp_disconnects_total").increment(1);
    }

    /// Something was done about one of the queues.
    pub(crate) fn progressed(&self, queue: usize) {
        let now = self.now();
        self.progress(|progress| progress[queue] = now);
    }

    /// One of the queues is not consumed any more, so no sign of life is to be expected of it.
    pub(crate) fn left(&self, queue: usize) {
        self.progress(|progress| progress[queue] = u64::MAX);
    }

    fn progress<T>(&self, work: impl FnOnce(&mut Vec<u64>) -> T) -> T {
        // Times are right whatever happened to whoever held the lock.
        work(&mut self.0.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn settled(&self, queue: usize, counts: Counts) {
        self.0.accepted.fetch_add(counts.accepted, Ordering::Relaxed);
        self.0.duplicates.fetch_add(counts.duplicates, Ordering::Relaxed);
        self.0.refused.fetch_add(counts.refused, Ordering::Relaxed);
        self.0.batches.fetch_add(1, Ordering::Relaxed);
        self.progressed(queue);
    }
}
