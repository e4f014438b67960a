//! Chaos: real workers on real servers, and everything around them goes wrong, by a seed that says what and when. In the
//! end a conservation law must hold: `law.rs`.
//!
//! `make test` runs the seeds that have ever failed (`seeds.txt`) and a few more; `make chaos SEEDS=200` runs as many as
//! wished, `make chaos SEED=7` one of them. A seed fixes the shop, its events and the plan of faults; how they meet in
//! time is the machine's, so a seed that failed may pass when run again, and is worth running often.

#[path = "../support/mod.rs"]
mod support;

#[path = "../smpp/smsc.rs"]
#[allow(dead_code, reason = "one message centre serves several tests, each of which uses a part of it")]
mod smsc;

mod faults;
mod law;
mod plan;
mod proxy;
mod run;

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Seeds that `make test` runs beside those that once failed.
const USUAL: u64 = 8;

fn seeds() -> Vec<u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|text| !text.is_empty())
            .map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
    };
    if let Some(seed) = number("CHAOS_SEED") {
        return vec![seed];
    }
    let failed = include_str!("seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let mut seeds: Vec<u64> = failed.map(|line| line.trim().parse().expect("a seed")).collect();
    let more = 1..=number("CHAOS_SEEDS").unwrap_or(USUAL);
    seeds.extend(more.filter(|seed| !seeds.contains(seed)).collect::<Vec<_>>());
    seeds
}

/// Lets this process open as many files as it may: each seed leaves a few listeners behind.
fn allow_many_files() {
    let raise = "prlimit --pid $PPID --nofile=$(ulimit -Hn):";
    support::run(std::process::Command::new("sh").args(["-c", raise]));
}

/// Said at once, for whoever watches: the test harness keeps what is printed until the end.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

#[test]
fn whatever_goes_wrong_every_event_and_every_message_is_accounted_for() {
    allow_many_files();
    let (seeds, next, began) = (seeds(), AtomicUsize::new(0), Instant::now());
    let lanes = std::env::var("CHAOS_LANES").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    // Each lane has servers of its own, as its seeds kill them.
    let failed: Vec<String> = std::thread::scope(|scope| {
        let lane = || {
            let mut servers = run::Servers::start();
            let mut failed = Vec::new();
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
                match run::run(*seed, &mut servers) {
                    Ok(summary) => say(&format!("seed {seed}: {summary}")),
                    Err(breach) => {
                        say(&format!("seed {seed}: FAILED\n{breach}"));
                        failed.push(format!("seed {seed}: {breach}"));
                    }
                }
            }
            failed
        };
        let lanes: Vec<_> = (0..lanes.min(seeds.len())).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().flat_map(|lane| lane.join().expect("a lane panicked")).collect()
    });
    let done = seeds.len();
    assert!(
        failed.is_empty(),
        "{} of {done} seeds failed; add them to seeds.txt\n{}",
        failed.len(),
        failed.join("\n")
    );
    say(&format!("{done} seeds in {:.0} s", began.elapsed().as_secs_f32()));
}
