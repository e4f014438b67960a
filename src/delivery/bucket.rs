//! A token bucket with two classes of askers: whether a message may begin now, and if not, when.
//!
//! Pure: every instant is given. The urgent do not queue behind the bulk. What they could not get at once is owed to
//! them, and bulk messages take only what is left beside it.

use std::time::Duration;

use tokio::time::Instant;

/// How long tokens are kept for the urgent who asked and have not come back: they may have been claimed by another
/// worker meanwhile.
const KEPT: Duration = Duration::from_secs(1);

/// The longest wait ever named. Whoever asks again then is told the rest.
const LONGEST: Duration = Duration::from_secs(3600);

/// Added floats are not exact: a token is there when all but this of it is.
const NEARLY: f64 = 1e-6;

#[derive(Debug)]
pub struct Bucket {
    /// Tokens a second.
    rate: f64,
    /// Tokens at most.
    burst: f64,
    level: f64,
    filled: Instant,
    /// Tokens that urgent messages wait for, until `owed_until`.
    owed: f64,
    owed_until: Instant,
    /// The turn given to the last bulk message that was put off.
    turn: Instant,
}

impl Bucket {
    /// A full one. Without `burst` it holds what a quarter of a second brings: short enough that each second keeps
    /// nearly to the rate, long enough for senders that look around ten times a second.
    pub fn new(rate: f64, burst: Option<u32>, now: Instant) -> Self {
        let burst = burst.map_or((rate / 4.0).ceil(), f64::from).max(1.0);
        Self { rate, burst, level: burst, filled: now, owed: 0.0, owed_until: now, turn: now }
    }

    /// Takes the tokens of one message, or says how long to wait for them.
    pub fn take(&mut self, urgent: bool, tokens: u32, now: Instant) -> Result<(), Duration> {
        if let Some(wait) = self.wait(urgent, tokens, now) {
            return Err(wait);
        }
        self.level -= f64::from(tokens);
        if urgent {
            self.owed = (self.owed - f64::from(tokens)).max(0.0);
        }
        Ok(())
    }

    /// How long until there are tokens for one message more; none when there are now. One that wants more than the
    /// bucket holds goes when it is full, and those after it wait for what it owes.
    pub fn wait(&mut self, urgent: bool, tokens: u32, now: Instant) -> Option<Duration> {
        self.refill(now);
        let kept = if urgent { 0.0 } else { self.owed };
        let missing = f64::from(tokens).min(self.burst) + kept - self.level;
        (missing > NEARLY).then(|| self.time_for(missing))
    }

    /// Returns tokens that were not used after all.
    pub fn give_back(&mut self, tokens: u32, now: Instant) {
        self.refill(now);
        self.level = (self.level + f64::from(tokens)).min(self.burst);
    }

    /// A message that `expected` tokens were taken for takes `tokens`.
    pub fn settle(&mut self, expected: u32, tokens: u32, now: Instant) {
        self.refill(now);
        self.level = (self.level + f64::from(expected) - f64::from(tokens)).min(self.burst);
    }

    /// Keeps the next tokens for urgent messages, which wait for them here and now.
    pub fn owe(&mut self, tokens: u32, now: Instant) {
        self.refill(now);
        self.owed = self.owed.max(f64::from(tokens));
        self.keep_for_the_urgent(now);
    }

    /// When the turn of one message comes that goes back to the outbox until then. The turns of bulk messages lie one
    /// behind the other at the bucket's rate, so that each is taken up about once more and not again and again.
    pub fn turn(&mut self, urgent: bool, now: Instant) -> Duration {
        self.refill(now);
        if urgent {
            self.owed += 1.0;
            self.keep_for_the_urgent(now);
            return self.time_for(self.owed - self.level);
        }
        let first = now + self.time_for(1.0 + self.owed - self.level);
        self.turn = first.max(self.turn + self.time_for(1.0));
        self.turn - now
    }

    fn keep_for_the_urgent(&mut self, now: Instant) {
        self.owed_until = now + self.time_for(self.owed) + KEPT;
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.burst);
        self.filled = self.filled.max(now);
        if now > self.owed_until {
            self.owed = 0.0;
        }
    }

    fn time_for(&self, tokens: f64) -> Duration {
        Duration::try_from_secs_f64(tokens.max(0.0) / self.rate).map_or(LONGEST, |time| time.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn taken(bucket: &mut Bucket, urgent: bool, now: Instant) -> usize {
        (0..1000).take_while(|_| bucket.take(urgent, 1, now).is_ok()).count()
    }

    #[test]
    fn any_second_keeps_to_rate_and_burst() {
        let now = Instant::now();
        for (rate, burst, most) in [(50.0, None, 63), (50.0, Some(10), 60), (1.0, None, 2), (0.5, Some(3), 4)]
        {
            let mut bucket = Bucket::new(rate, burst, now);
            let went: Vec<usize> = (0..10_000).map(|ms| taken(&mut bucket, false, now + MS * ms)).collect();
            let worst = went.windows(1000).map(|second| second.iter().sum::<usize>()).max().unwrap();
            assert!(worst <= most, "{rate} {burst:?}: {worst}");
            let all: usize = went.iter().sum();
            assert!(all as f64 >= rate * 9.9, "{rate} {burst:?}: {all} in ten seconds");
        }
    }

    #[test]
    fn a_long_sms_counts_as_many_times_as_it_has_segments() {
        let now = Instant::now();
        for (burst, expected) in [(None, 3), (Some(2), 3), (Some(40), 1), (None, 1)] {
            let mut bucket = Bucket::new(30.0, burst, now);
            let mut went = Vec::new();
            for ms in 0..10_000 {
                // Each takes three, whatever was expected of it.
                let took = bucket.take(false, expected, now + MS * ms).is_ok();
                if took {
                    bucket.settle(expected, 3, now + MS * ms);
                }
                went.push(if took { 3 } else { 0 });
            }
            let worst = went.windows(1000).map(|second| second.iter().sum::<usize>()).max().unwrap();
            let most = 30 + burst.unwrap_or(8) as usize + 3;
            assert!(worst <= most, "{burst:?} {expected}: {worst} in a second");
            let all: usize = went.iter().sum();
            assert!((295..=300 + most).contains(&all), "{burst:?} {expected}: {all} in ten seconds");
        }
    }

    #[test]
    fn the_wait_named_is_enough_and_not_much_more() {
        let now = Instant::now();
        let mut bucket = Bucket::new(3.0, Some(2), now);
        assert_eq!(taken(&mut bucket, false, now), 2);
        let wait = bucket.wait(false, 1, now).unwrap();
        assert!(bucket.take(false, 1, now + wait - MS).is_err());
        assert!(bucket.take(false, 1, now + wait).is_ok());
        let mut slow = Bucket::new(1e-300, None, now);
        assert_eq!(taken(&mut slow, false, now), 1);
        assert_eq!(slow.wait(false, 1, now), Some(LONGEST));
    }

    #[test]
    fn a_token_not_used_is_there_for_the_next() {
        let now = Instant::now();
        let mut bucket = Bucket::new(1.0, Some(1), now);
        assert!(bucket.take(false, 1, now).is_ok());
        bucket.give_back(1, now);
        bucket.give_back(1, now);
        assert_eq!(taken(&mut bucket, false, now), 1, "never more than the burst");
    }

    #[test]
    fn what_is_owed_to_the_urgent_the_bulk_does_not_get() {
        let now = Instant::now();
        let mut bucket = Bucket::new(10.0, Some(1), now);
        assert!(bucket.take(false, 1, now).is_ok());
        bucket.owe(2, now);
        let later = now + MS * 100;
        assert!(bucket.take(false, 1, later).is_err(), "the first token is the urgent one's");
        assert!(bucket.take(true, 1, later).is_ok());
        assert!(bucket.take(false, 1, later + MS * 100).is_err(), "and so is the second");
        assert!(bucket.take(true, 1, later + MS * 100).is_ok());
        assert!(bucket.take(false, 1, later + MS * 200).is_ok(), "then the bulk goes on");
        bucket.owe(5, now + MS * 400);
        assert!(bucket.take(false, 1, now + MS * 3000).is_ok(), "who does not come back is not waited for");
    }

    #[test]
    fn turns_of_the_bulk_lie_apart_and_those_of_the_urgent_come_first() {
        let now = Instant::now();
        let mut bucket = Bucket::new(10.0, Some(1), now);
        assert!(bucket.take(false, 1, now).is_ok());
        let turns: Vec<u128> = (0..100).map(|_| bucket.turn(false, now).as_millis()).collect();
        assert_eq!((turns[0], turns[1], turns[99]), (100, 200, 10_000));
        assert_eq!(bucket.turn(true, now).as_millis(), 100);
        assert_eq!(bucket.turn(true, now).as_millis(), 200);
        // At their turns they find their tokens, though bulk messages ask all the time.
        let mut came = 0;
        for ms in 0..=200 {
            let at = now + MS * ms;
            came += usize::from(ms % 100 == 0 && ms > 0 && bucket.take(true, 1, at).is_ok());
            assert!(ms == 0 || bucket.take(false, 1, at).is_err(), "{ms}");
        }
        assert_eq!(came, 2);
    }
}
