//! A circuit breaker: whether it makes sense to ask a provider at all just now.
//!
//! Pure: every instant is given. Closed, messages go. After a row of failures it opens and nothing is claimed, so the
//! outbox holds; after a pause it is half open and lets one message try, which closes it or opens it for twice as long.
//! What other messages say, that had begun before it opened, is old news and changes nothing.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it: more than a stray one, no more than a few connections' worth of hammering.
const IN_A_ROW: u32 = 5;

/// The first pause; each one that follows without a success between is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest: a provider that is back is noticed within a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pause after the provider refused us: people must mend it, so there is no hurry and no hammering.
pub const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// The longest pause that a provider may ask for: an operator's mistake there is noticed here within it.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// How soon to ask again while another message tries.
const WHILE_TRYING: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// Pauses since the last success.
    pauses: u32,
    /// Probes so far, so that a late word of an old one is not taken for a new one's.
    probes: u64,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { probe: Option<u64> },
}

/// What is let through.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    Free,
    /// One message, under this number.
    Probe(u64),
    /// Nothing; ask again after this.
    Shut(Duration),
}

/// A change worth a line in the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    Opened { pause: Duration },
    Closed,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed { failures: 0 }, pauses: 0, probes: 0 }
    }
}

impl Breaker {
    /// Asks to go. A probe that was let through is settled by one of the three below, or by [`Breaker::probe_over`].
    pub fn way(&mut self, now: Instant) -> Way {
        match self.state {
            State::Closed { .. } => Way::Free,
            State::Open { until } if now < until => Way::Shut(until - now),
            State::HalfOpen { probe: Some(_) } => Way::Shut(WHILE_TRYING),
            State::Open { .. } | State::HalfOpen { probe: None } => {
                self.probes += 1;
                self.state = State::HalfOpen { probe: Some(self.probes) };
                Way::Probe(self.probes)
            }
        }
    }

    /// Whether what was let through before may still begin.
    pub fn may_begin(&self, probe: Option<u64>) -> bool {
        match &self.state {
            State::Closed { .. } => true,
            State::Open { .. } => false,
            State::HalfOpen { probe: trying } => probe.is_some() && *trying == probe,
        }
    }

    /// The provider has done its part.
    pub fn succeeded(&mut self, probe: Option<u64>) -> Option<Change> {
        if !self.may_begin(probe) {
            return None;
        }
        let closes = !matches!(self.state, State::Closed { .. });
        self.state = State::Closed { failures: 0 };
        self.pauses = 0;
        closes.then_some(Change::Closed)
    }

    /// The provider could not be asked, or did not answer. `jitter`, from 0 to 1, lengthens a pause by up to a
    /// quarter, so that workers that lost the provider together do not come back together.
    pub fn failed(&mut self, probe: Option<u64>, now: Instant, jitter: f64) -> Option<Change> {
        if !self.may_begin(probe) {
            return None;
        }
        if let State::Closed { failures } = &mut self.state {
            *failures += 1;
            if *failures < IN_A_ROW {
                return None;
            }
        }
        let pause = self.next_pause();
        Some(self.open(lengthened(pause, jitter), now))
    }

    /// The provider asks to be left alone for a while. It is, at once and for at least as long.
    pub fn asked_to_wait(
        &mut self,
        probe: Option<u64>,
        pause: Duration,
        now: Instant,
        jitter: f64,
    ) -> Option<Change> {
        let asked = pause.min(LONGEST_ASKED);
        if let State::Open { until } = &mut self.state {
            *until = (*until).max(now + asked);
            return None;
        }
        if !self.may_begin(probe) {
            return None;
        }
        // The first such answer is no trouble yet: what was asked for is enough.
        let own = if self.pauses == 0 { Duration::ZERO } else { self.next_pause() };
        self.pauses = self.pauses.max(1);
        Some(self.open(lengthened(asked.max(own), jitter), now))
    }

    /// A pause of our own, longer than the last one.
    fn next_pause(&mut self) -> Duration {
        let pause = (FIRST_PAUSE * 2_u32.pow(self.pauses.min(10))).min(LONGEST_PAUSE);
        self.pauses += 1;
        pause
    }

    /// The provider does not want us: no message would fare better.
    pub fn refused(&mut self, probe: Option<u64>, now: Instant) -> Option<Change> {
        self.may_begin(probe).then(|| self.open(PAUSE_AFTER_REFUSAL, now))
    }

    /// The probe of this number has ended, perhaps without a word about the provider: another may try.
    pub fn probe_over(&mut self, number: u64) {
        if matches!(self.state, State::HalfOpen { probe: Some(trying) } if trying == number) {
            self.state = State::HalfOpen { probe: None };
        }
    }

    /// In words, for the operator.
    pub fn describe(&self, now: Instant) -> String {
        match self.state {
            State::Closed { .. } => "takes messages".to_owned(),
            State::Open { until } => {
                let left = until.saturating_duration_since(now).as_secs() + 1;
                format!("sending pauses, next try within {left} s; messages wait in the outbox")
            }
            State::HalfOpen { .. } => "sending pauses, one message tries".to_owned(),
        }
    }

    fn open(&mut self, pause: Duration, now: Instant) -> Change {
        self.state = State::Open { until: now + pause };
        Change::Opened { pause }
    }
}

/// By up to a quarter.
fn lengthened(pause: Duration, jitter: f64) -> Duration {
    pause.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 1..IN_A_ROW {
            assert_eq!(breaker.failed(None, now, 0.0), None);
        }
        assert_eq!(breaker.failed(None, now, 0.0), Some(Change::Opened { pause: S }));
        breaker
    }

    #[test]
    fn a_success_between_keeps_it_closed() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for n in 0..100 {
            assert_eq!(breaker.failed(None, now, 0.0), None, "{n}");
            if n % 4 == 3 {
                assert_eq!(breaker.succeeded(None), None);
            }
        }
        assert_eq!(breaker.way(now), Way::Free);
    }

    #[test]
    fn one_message_at_a_time_tries_and_pauses_grow() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let mut pauses = Vec::new();
        for probe in 1..=9 {
            let Way::Shut(pause) = breaker.way(now) else { panic!("open") };
            pauses.push(pause.as_secs());
            assert!(!breaker.may_begin(None));
            now += pause;
            assert_eq!(breaker.way(now), Way::Probe(probe));
            assert_eq!(breaker.way(now), Way::Shut(WHILE_TRYING));
            assert!(breaker.may_begin(Some(probe)) && !breaker.may_begin(None));
            assert!(matches!(breaker.failed(Some(probe), now, 0.0), Some(Change::Opened { .. })));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        now += S * 61;
        assert_eq!(breaker.way(now), Way::Probe(10));
        assert_eq!(breaker.succeeded(Some(10)), Some(Change::Closed));
        assert_eq!(breaker.way(now), Way::Free);
        for _ in 1..IN_A_ROW {
            breaker.failed(None, now, 0.0);
        }
        assert_eq!(breaker.failed(None, now, 1.0), Some(Change::Opened { pause: S.mul_f64(1.25) }), "anew");
    }

    #[test]
    fn old_news_changes_nothing() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.failed(None, now, 0.0), None, "begun before it opened");
        assert_eq!(breaker.succeeded(None), None);
        assert_eq!(breaker.refused(None, now), None);
        assert_eq!(breaker.way(now + S), Way::Probe(1));
        assert_eq!(breaker.succeeded(None), None);
        breaker.probe_over(1);
        assert_eq!(breaker.way(now + S), Way::Probe(2), "the first found nothing to send");
        breaker.probe_over(1);
        assert_eq!(breaker.failed(Some(1), now + S, 0.0), None);
        assert_eq!(breaker.way(now + S), Way::Shut(WHILE_TRYING));
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        let opened = |seconds: u64| Some(Change::Opened { pause: S * seconds as u32 });
        assert_eq!(breaker.asked_to_wait(None, S * 30, now, 0.0), opened(30), "by the first such answer");
        assert_eq!(
            breaker.asked_to_wait(None, S * 40, now, 0.0),
            None,
            "one that was under way asks for more"
        );
        assert_eq!(breaker.way(now), Way::Shut(S * 40));
        assert_eq!(breaker.asked_to_wait(None, S * 10, now, 0.0), None, "and one for less");
        assert_eq!(breaker.way(now), Way::Shut(S * 40));
        // It asks for the same second again and again, and pauses grow as with any other trouble.
        let (mut at, mut pauses) = (now + S * 40, Vec::new());
        for probe in 1..=4 {
            assert_eq!(breaker.way(at), Way::Probe(probe));
            let Some(Change::Opened { pause }) = breaker.asked_to_wait(Some(probe), S, at, 0.0) else {
                panic!("open")
            };
            pauses.push(pause.as_secs());
            at += pause;
        }
        assert_eq!(pauses, [2, 4, 8, 16]);
        assert_eq!(breaker.way(at), Way::Probe(5));
        breaker.succeeded(Some(5));
        assert_eq!(breaker.asked_to_wait(None, S * 100_000, at, 1.0), opened(4500), "an hour and its jitter");
    }

    #[test]
    fn a_refusal_opens_it_at_once() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        assert_eq!(breaker.refused(None, now), Some(Change::Opened { pause: PAUSE_AFTER_REFUSAL }));
        assert_eq!(breaker.way(now + S * 10), Way::Shut(S * 20));
        assert_eq!(breaker.way(now + S * 30), Way::Probe(1));
        assert!(breaker.describe(now).contains("pauses"));
    }
}
