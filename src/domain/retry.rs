//! When to try a hand-over again.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

/// The first pause. A greylisting server wants minutes, a lost connection seconds; the jitter covers both.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// The longest pause: an outage of hours is over within this time of its end.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(30);

/// The pauses of a message that meets a busy provider, which costs it no attempt.
const SHORTEST_TURN: TimeDelta = TimeDelta::seconds(2);
const LONGEST_TURN: TimeDelta = TimeDelta::minutes(5);

/// When to try the message `id` again after its `attempts`th attempt (from 1) failed at `now`.
///
/// Exponential, with up to a quarter of jitter derived from the message, so that the messages of one failed minute
/// do not all come back in the same second.
pub fn next_attempt(id: &str, attempts: u32, now: DateTime<Utc>) -> DateTime<Utc> {
    let doublings = attempts.saturating_sub(1).min(10);
    let pause = (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE);
    let digest = Sha256::new().chain_update(id).chain_update(attempts.to_be_bytes()).finalize();
    let jitter = pause * i32::from(digest[0]) / (4 * 255);
    now + pause + jitter
}

/// When to try a message again that met a busy provider at `now`: after an eighth of the time for which it has
/// waited, so that the pauses of one that always meets it grow, though nothing counts them. With jitter as above.
pub fn next_turn(id: &str, planned_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let pause = ((now - planned_at) / 8).clamp(SHORTEST_TURN, LONGEST_TURN);
    let digest = Sha256::digest(id);
    now + pause + pause * i32::from(digest[0]) / (4 * 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_grow_with_the_time_waited() {
        let planned = DateTime::UNIX_EPOCH;
        let mut now = planned;
        let mut turns = Vec::new();
        while now < planned + TimeDelta::hours(24) {
            let next = next_turn("a", planned, now);
            turns.push(next - now);
            now = next;
        }
        assert!(turns[0] >= SHORTEST_TURN && turns[0] <= SHORTEST_TURN * 5 / 4);
        assert!(turns.is_sorted() && turns.iter().all(|turn| *turn <= LONGEST_TURN * 5 / 4));
        assert!(turns.len() < 400, "{} in a day", turns.len());
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_messages() {
        let now = DateTime::UNIX_EPOCH;
        let pauses: Vec<_> = (1..20).map(|n| next_attempt("a", n, now) - now).collect();
        assert!(pauses[0] >= FIRST_PAUSE && pauses[0] <= FIRST_PAUSE * 5 / 4);
        assert!(pauses.iter().all(|p| *p <= LONGEST_PAUSE * 5 / 4));
        assert!(pauses[3] > pauses[0] * 4);
        let distinct: std::collections::HashSet<_> =
            (0..50).map(|i| next_attempt(&i.to_string(), 1, now)).collect();
        assert!(distinct.len() > 25);
    }
}
