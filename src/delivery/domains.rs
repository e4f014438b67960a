//! What each recipient domain takes: its rate and connections where configured, and pauses that it asks for.
//!
//! Pure: every instant is given. Domains are known only while something is under way or wrong with them, so the list
//! stays short however many there are.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use crate::channels::limits::{DomainLimits, ascii_domain};

/// "Try later" in a row, with no success between, that pause a domain: more than one full mailbox after another.
const IN_A_ROW: u32 = 5;

const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Messages that a pause puts back come again this far apart.
const APART: Duration = Duration::from_millis(50);

/// While one message tries a domain whose pause is over, the others come again after this.
const WHILE_TRYING: Duration = Duration::from_secs(2);

/// How long one connection is taken to be busy with one message, for a guess at when the next is free.
const ONE_MAIL: Duration = Duration::from_millis(100);

/// More domains than this are in trouble only when everything is; those that are not paused are forgotten then.
const MOST_KNOWN: usize = 10_000;

/// Why a message cannot go to its domain now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// No token; its turn comes after this.
    Rate(Duration),
    /// The domain asked for a pause.
    Paused(Duration),
    /// As many are under way as the domain takes: soon.
    Connections,
}

#[derive(Debug, Default)]
pub struct Domains {
    limits: HashMap<String, DomainLimits>,
    known: HashMap<String, Domain>,
}

#[derive(Debug)]
struct Domain {
    bucket: Option<Bucket>,
    under_way: u32,
    /// "Try later" since the last success.
    in_a_row: u32,
    pauses: u32,
    paused_until: Option<Instant>,
    /// The turn given to the last message put back, but for those that wait for a token.
    turn: Instant,
}

impl Domain {
    fn turn(&mut self, not_before: Instant, apart: Duration, now: Instant) -> Duration {
        self.turn = not_before.max(self.turn + apart);
        self.turn - now
    }

    fn is_worth_knowing(&self) -> bool {
        self.bucket.is_some() || self.under_way > 0 || self.in_a_row > 0
    }
}

impl Domains {
    pub fn new<'a>(limits: impl IntoIterator<Item = (&'a String, &'a DomainLimits)>) -> Self {
        let limits = limits.into_iter().filter_map(|(name, l)| Some((ascii_domain(name)?, l.clone())));
        Self { limits: limits.collect(), known: HashMap::new() }
    }

    /// Begins a hand-over to the domain; [`Domains::end`] ends it.
    pub fn begin(&mut self, name: &str, urgent: bool, now: Instant) -> Result<(), Later> {
        let most = self.limits.get(name).and_then(|l| l.max_connections);
        let domain = self.known(name, now);
        if let Some(until) = domain.paused_until.filter(|until| now < *until) {
            return Err(Later::Paused(domain.turn(until, APART, now)));
        }
        // A pause is over: one message finds out whether it has helped.
        if domain.paused_until.is_some() && domain.under_way > 0 {
            return Err(Later::Paused(domain.turn(now + WHILE_TRYING, APART, now)));
        }
        if most.is_some_and(|most| domain.under_way >= most) {
            return Err(Later::Connections);
        }
        if let Some(bucket) = &mut domain.bucket
            && bucket.take(urgent, 1, now).is_err()
        {
            return Err(Later::Rate(bucket.turn(urgent, now)));
        }
        domain.under_way += 1;
        Ok(())
    }

    /// Ends a hand-over; one that never reached the provider gives its token back.
    pub fn end(&mut self, name: &str, spent: bool, now: Instant) {
        let Some(domain) = self.known.get_mut(name) else { return };
        domain.under_way = domain.under_way.saturating_sub(1);
        if let Some(bucket) = domain.bucket.as_mut().filter(|_| !spent) {
            bucket.give_back(1, now);
        }
        if !domain.is_worth_knowing() {
            self.known.remove(name);
        }
    }

    /// Whether as many are under way as the domain takes; then, when one message more should ask again.
    pub fn when_connected(&mut self, name: &str, now: Instant) -> Option<Duration> {
        let most = self.limits.get(name)?.max_connections?;
        let domain = self.known.get_mut(name)?;
        (domain.under_way >= most).then(|| domain.turn(now + ONE_MAIL, ONE_MAIL / most.max(1), now))
    }

    /// The domain has done its part.
    pub fn succeeded(&mut self, name: &str) {
        if let Some(domain) = self.known.get_mut(name) {
            (domain.in_a_row, domain.pauses, domain.paused_until) = (0, 0, None);
        }
    }

    /// The domain asks to try a message later. Returns the pause, when it begins one by this.
    pub fn put_off(&mut self, name: &str, now: Instant) -> Option<Duration> {
        let domain = self.known(name, now);
        // Begun before the pause: it says nothing new.
        if domain.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        domain.in_a_row += 1;
        if domain.in_a_row < IN_A_ROW {
            return None;
        }
        let pause = (FIRST_PAUSE * 2_u32.pow(domain.pauses.min(10))).min(LONGEST_PAUSE);
        domain.pauses += 1;
        domain.paused_until = Some(now + pause);
        Some(pause)
    }

    /// How many are paused, or tried after a pause.
    pub fn paused(&self) -> usize {
        self.known.values().filter(|domain| domain.paused_until.is_some()).count()
    }

    fn known(&mut self, name: &str, now: Instant) -> &mut Domain {
        if self.known.len() > MOST_KNOWN {
            self.known.retain(|_, d| d.bucket.is_some() || d.under_way > 0 || d.paused_until.is_some());
        }
        let limits = self.limits.get(name);
        self.known.entry(name.to_owned()).or_insert_with(|| Domain {
            bucket: limits.and_then(|l| Some(Bucket::new(l.max_rate?, l.burst, now))),
            under_way: 0,
            in_a_row: 0,
            pauses: 0,
            paused_until: None,
            turn: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn domains(limits: DomainLimits) -> Domains {
        Domains::new([(&"Slow.example".to_owned(), &limits)])
    }

    /// One hand-over that is asked to try later.
    fn refused(domains: &mut Domains, name: &str, now: Instant) -> Option<Duration> {
        domains.begin(name, false, now).unwrap();
        let pause = domains.put_off(name, now);
        domains.end(name, true, now);
        pause
    }

    #[test]
    fn a_rate_holds_one_domain_back_and_no_other() {
        let now = Instant::now();
        let mut domains = domains(DomainLimits { max_rate: Some(2.0), ..Default::default() });
        assert_eq!(domains.begin("slow.example", false, now), Ok(()));
        let turns: Vec<_> = (0..3).map(|_| domains.begin("slow.example", false, now)).collect();
        let expected = [1, 2, 3].map(|n| Err(Later::Rate(S * n / 2)));
        assert_eq!(turns, expected);
        for n in 0..100 {
            assert_eq!(domains.begin("fast.example", false, now), Ok(()), "{n}");
        }
        domains.end("slow.example", false, now);
        assert_eq!(domains.begin("slow.example", false, now), Ok(()), "a token not used is given back");
    }

    #[test]
    fn connections_are_counted() {
        let now = Instant::now();
        let mut domains = domains(DomainLimits { max_connections: Some(2), ..Default::default() });
        assert_eq!(domains.begin("slow.example", false, now), Ok(()));
        assert_eq!(domains.when_connected("slow.example", now), None);
        assert_eq!(domains.begin("slow.example", false, now), Ok(()));
        assert_eq!(domains.begin("slow.example", true, now), Err(Later::Connections));
        let turns: Vec<_> = (0..3).map(|_| domains.when_connected("slow.example", now)).collect();
        assert_eq!(turns, [100, 150, 200].map(|ms| Some(Duration::from_millis(ms))));
        domains.end("slow.example", true, now);
        assert_eq!(domains.begin("slow.example", false, now), Ok(()));
    }

    #[test]
    fn a_domain_that_asks_for_it_pauses_for_a_growing_time() {
        let mut now = Instant::now();
        let mut domains = Domains::default();
        let mut pauses = Vec::new();
        for _ in 1..IN_A_ROW {
            assert_eq!(refused(&mut domains, "busy.example", now), None);
        }
        for _ in 0..8 {
            let pause = refused(&mut domains, "busy.example", now).unwrap();
            pauses.push(pause.as_secs());
            let Err(Later::Paused(first)) = domains.begin("busy.example", true, now) else {
                panic!("paused")
            };
            let Err(Later::Paused(second)) = domains.begin("busy.example", true, now) else {
                panic!("paused")
            };
            assert!(first >= pause && second == first + APART);
            assert_eq!(domains.begin("other.example", false, now), Ok(()));
            assert_eq!(domains.put_off("busy.example", now), None, "begun before the pause");
            now += pause;
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(domains.begin("busy.example", false, now), Ok(()), "one tries");
        assert!(matches!(domains.begin("busy.example", false, now), Err(Later::Paused(_))), "one only");
        assert_eq!(domains.paused(), 1);
        domains.succeeded("busy.example");
        assert_eq!((domains.begin("busy.example", false, now), domains.paused()), (Ok(()), 0));
    }

    #[test]
    fn a_success_between_breaks_the_row() {
        let now = Instant::now();
        let mut domains = Domains::default();
        for n in 0..50 {
            assert_eq!(refused(&mut domains, "busy.example", now), None, "{n}");
            if n % 3 == 0 {
                domains.begin("busy.example", false, now).unwrap();
                domains.succeeded("busy.example");
                domains.end("busy.example", true, now);
            }
        }
    }

    #[test]
    fn domains_without_trouble_are_forgotten() {
        let now = Instant::now();
        let mut domains = Domains::default();
        for n in 0..30_000 {
            let name = format!("d{n}.example");
            domains.begin(&name, false, now).unwrap();
            if n % 2 == 0 {
                domains.put_off(&name, now);
            }
            domains.end(&name, true, now);
        }
        assert!(domains.known.len() <= MOST_KNOWN + 1, "{}", domains.known.len());
    }
}
