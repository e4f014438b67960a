//! How the queues of a session stand: what waits in each, and which of them this worker has, beside its fair share.
//!
//! Of a queue with a single active consumer RabbitMQ serves whoever came first and keeps the others waiting in line, so
//! the worker that starts first would do all the work. One that has more than its share steps back from the rest; each
//! goes to the next in line. Nobody leads: every worker counts for itself.

use std::sync::{Mutex, PoisonError};

/// The queues of one session: first those of the configuration, then those that are surplus.
#[derive(Debug)]
pub(super) struct Shares {
    queues: Mutex<Vec<Share>>,
    /// How many of them are shared out; none where there is one queue for all.
    shards: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    /// Since it was last asked for, something came from it: we are its active consumer.
    ours: bool,
    waiting: u32,
}

impl Shares {
    pub(super) fn new(queues: usize, shards: usize) -> Self {
        Self { queues: Mutex::new(vec![Share::default(); queues]), shards }
    }

    /// Notes that something came from a queue.
    pub(super) fn took(&self, number: usize) {
        self.with(|queues| queues[number].ours = true);
    }

    /// Notes how many events wait in a queue; returns how many wait in all.
    pub(super) fn waiting(&self, number: usize, waiting: u32) -> u64 {
        self.with(|queues| {
            queues[number].waiting = waiting;
            queues.iter().map(|queue| u64::from(queue.waiting)).sum()
        })
    }

    /// Whether to step back from a queue, when so many workers share them. It is not ours any more if so.
    pub(super) fn step_back(&self, number: usize, workers: u32) -> bool {
        self.with(|queues| {
            let fair = self.shards.div_ceil(workers.max(1) as usize);
            let ours = queues[..self.shards].iter().filter(|queue| queue.ours).count();
            let back = number < self.shards && queues[number].ours && ours > fair;
            queues[number].ours &= !back;
            back
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Share>) -> T) -> T {
        // Numbers are right whatever happened to whoever held the lock.
        work(&mut self.queues.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Workers in the order in which they came, each with its shares; a queue goes to the next in line.
    fn settle(workers: usize, shards: usize) -> Vec<usize> {
        let all: Vec<Shares> = (0..workers).map(|_| Shares::new(shards, shards)).collect();
        let mut lines: Vec<Vec<usize>> = vec![(0..workers).collect(); shards];
        for _round in 0..workers {
            for (shard, line) in lines.iter_mut().enumerate() {
                all[line[0]].took(shard);
            }
            for (shard, line) in lines.iter_mut().enumerate() {
                if all[line[0]].step_back(shard, workers as u32) {
                    line.rotate_left(1);
                }
            }
        }
        (0..workers).map(|worker| lines.iter().filter(|line| line[0] == worker).count()).collect()
    }

    #[test]
    fn nobody_keeps_more_than_a_fair_share() {
        for (workers, shards) in [(1, 4), (2, 4), (3, 8), (4, 4), (4, 2), (5, 16), (8, 128)] {
            let counts = settle(workers, shards);
            assert!(counts.iter().all(|n| *n <= shards.div_ceil(workers)), "{workers} workers: {counts:?}");
            assert_eq!(counts.iter().sum::<usize>(), shards);
        }
    }

    #[test]
    fn one_queue_for_all_is_never_left() {
        let shares = Shares::new(2, 0);
        shares.took(0);
        shares.took(1);
        assert!(!shares.step_back(0, 5) && !shares.step_back(1, 5));
        assert_eq!(shares.waiting(0, 3), 3);
        assert_eq!(shares.waiting(1, 4), 7);
    }
}
