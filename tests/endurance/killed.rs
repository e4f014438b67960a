//! Two workers, fifty thousand events, and every second one of the workers is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{number, publish_fast, wait_until};
use crate::support::mailbox::Mailbox;
use crate::support::now;
use crate::support::random::Random;
use crate::support::shop::{Shop, event};

const EVENTS: usize = 50_000;
/// One event in so many signs somebody up, who gets a mail.
const SIGN_UP_EACH: usize = 10;

/// After each restart, within so long, events are taken in at a fair share of the undisturbed rate.
const RECOVERY: Duration = Duration::from_secs(5);
const FAIR_SHARE: f64 = 0.25;

fn events(now: &str) -> Vec<String> {
    (0..EVENTS)
        .map(|n| {
            let customer = format!("c{}", n / SIGN_UP_EACH);
            if n.is_multiple_of(SIGN_UP_EACH) {
                let profile = json!({"email": format!("{customer}@example.com"), "locale": "en-GB"});
                return event(&n.to_string(), "customer.signed_up", &customer, now, profile);
            }
            event(&n.to_string(), "page.viewed", &customer, now, json!({"page": n}))
        })
        .collect()
}

/// Events taken in, by the time since the beginning.
struct Progress {
    began: Instant,
    samples: Vec<(Duration, usize)>,
}

impl Progress {
    fn sample(&mut self, shop: &Shop) -> usize {
        let count = number(shop, "SELECT COUNT(*) FROM events");
        self.samples.push((self.began.elapsed(), count));
        count
    }

    /// The best rate over half a second or more within a time, in events a second.
    fn best(&self, from: Duration, to: Duration) -> f64 {
        let within: Vec<_> = self.samples.iter().filter(|(at, _)| (from..=to).contains(at)).collect();
        let mut best = 0.0_f64;
        for (i, (start, before)) in within.iter().enumerate() {
            for (end, after) in &within[i..] {
                let span = (*end - *start).as_secs_f64();
                if span >= 0.5 {
                    best = best.max((after - before) as f64 / span);
                }
            }
        }
        best
    }
}

#[test]
fn two_workers_of_which_one_is_killed_every_second_lose_nothing_and_repeat_nothing() {
    let _alone = crate::alone();
    let mut shop = Shop::open("");
    let mailbox = Mailbox::start(Random::new(1, 1));
    shop.set("DECLIC_SMTP__PORT", mailbox.port);
    // The shortest that go together, so that what the dead held is taken up soon.
    shop.set("DECLIC_SMTP__SEND_DEADLINE_S", 3);
    shop.set("DECLIC_WORKER__LEASE_S", 10);
    let spawn = |name: &str| shop.spawn(name, &[]);
    // The first one declares the queue; all wait there before anybody begins.
    let first = spawn("first");
    assert!(wait_until(Duration::from_secs(60), || first.is_healthy()), "{}", first.log());
    assert!(first.terminate(Duration::from_secs(30)).success());
    let now = now();
    publish_fast(&shop.broker, &events(&now));
    let mut workers = [spawn("a"), spawn("b")];

    // Undisturbed for the first fifth.
    let mut progress = Progress { began: Instant::now(), samples: Vec::new() };
    progress.sample(&shop);
    let fifth = wait_until(Duration::from_secs(60), || progress.sample(&shop) > EVENTS / 5);
    assert!(fifth, "the workers take in nothing:\n{}", workers[0].log());
    let usual = progress.best(Duration::ZERO, progress.began.elapsed());

    let mut restarts = Vec::new();
    // When each was started: at the beginning, or at which kill.
    let mut ages = [0, 0];
    let mut last_kill = Instant::now();
    let done = wait_until(Duration::from_secs(240), || {
        std::thread::sleep(Duration::from_millis(100));
        let count = progress.sample(&shop);
        if last_kill.elapsed() >= Duration::from_secs(1) && count < EVENTS {
            // The one that has been at work longer, unless the other is not ready to take over: then that one, in the
            // middle of its start.
            let older = usize::from(ages[1] < ages[0]);
            let n = if workers[1 - older].is_healthy() { older } else { 1 - older };
            ages[n] = restarts.len() + 1;
            last_kill = Instant::now();
            workers[n] = spawn(&format!("worker-{}", restarts.len()));
            restarts.push((progress.began.elapsed(), count));
        }
        count >= EVENTS
    });
    assert!(
        done,
        "{} of {EVENTS} events after {} kills",
        progress.samples.last().expect("samples").1,
        restarts.len()
    );
    let end = progress.began.elapsed();
    for (at, _) in restarts.iter().filter(|(at, _)| *at + RECOVERY <= end) {
        let rate = progress.best(*at, *at + RECOVERY);
        assert!(
            rate >= usual * FAIR_SHARE,
            "after the restart at {at:?}: {rate:.0}/s, usual are {usual:.0}/s"
        );
    }
    eprintln!("{EVENTS} events in {end:?} with {} kills; undisturbed {usual:.0}/s", restarts.len());
    assert!(restarts.len() >= 2, "the events were all in before anything went wrong");

    let open = "SELECT COUNT(*) FROM messages WHERE state IN ('pending', 'deferred', 'claimed', 'sending')";
    let settled = wait_until(Duration::from_secs(120), || {
        std::thread::sleep(Duration::from_millis(500));
        number(&shop, open) == 0
    });
    assert!(settled, "{} messages are left", number(&shop, open));
    assert_eq!(number(&shop, "SELECT COUNT(*) FROM events"), EVENTS);
    let sign_ups = EVENTS / SIGN_UP_EACH;
    let messages = shop.messages();
    let customers: BTreeSet<&str> = messages.iter().filter_map(|m| m["customer"].as_str()).collect();
    assert_eq!((messages.len(), customers.len()), (sign_ups, sign_ups), "one message each");

    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for mail in mailbox.taken() {
        *taken.entry(mail.id).or_default() += 1;
    }
    let twice: Vec<_> = taken.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    for message in &messages {
        let went = taken.contains_key(message["id"].as_str().expect("an id"));
        match message["state"].as_str() {
            Some("sent") => assert!(went, "{message} did not go out"),
            Some("uncertain") => {}
            state => panic!("{state:?}: {message}"),
        }
    }
}
