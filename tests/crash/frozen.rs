//! A worker that sleeps through its lease, while another works on: it wakes with everything as it was in its memory, and
//! must neither hand over nor record on what is no longer its own.

use std::time::Duration;

use crate::support::side_by_side;
use crate::town::{Database, LEASE, PATIENCE, Town, wait_for_failpoint, wait_until_ready};

/// What becomes of a message whose worker is frozen at a failpoint for longer than its lease.
struct Case {
    point: &'static str,
    rule: &'static str,
    /// Its state before the sleeper wakes, and how often its provider has taken it by then.
    meanwhile: (&'static str, usize),
    /// The same in the end.
    finally: (&'static str, usize),
}

const CASES: &[Case] = &[
    // Not begun: the other one sends it, and the sleeper's token is worth nothing.
    Case { point: "delivery.claimed", rule: "news", meanwhile: ("sent", 1), finally: ("sent", 1) },
    Case { point: "delivery.claimed", rule: "receipt", meanwhile: ("sent", 1), finally: ("sent", 1) },
    // Begun as far as anyone can tell. The sleeper knows better: it has not, and says so, and the message goes once.
    Case { point: "delivery.sending", rule: "news", meanwhile: ("uncertain", 0), finally: ("sent", 1) },
    Case { point: "smtp.data", rule: "news", meanwhile: ("uncertain", 0), finally: ("sent", 1) },
    // A contract's message has been sent by the other one: the sleeper, between DATA and the body, does not send its own.
    Case { point: "delivery.sending", rule: "receipt", meanwhile: ("sent", 1), finally: ("sent", 1) },
    Case { point: "smtp.data", rule: "receipt", meanwhile: ("sent", 1), finally: ("sent", 1) },
    // Handed over, not recorded: a true outcome that comes late resolves what was uncertain.
    Case { point: "delivery.answered", rule: "news", meanwhile: ("uncertain", 1), finally: ("sent", 1) },
    Case { point: "delivery.answered", rule: "receipt", meanwhile: ("sent", 2), finally: ("sent", 2) },
];

#[test]
fn a_worker_that_slept_through_its_lease_hands_nothing_over_and_records_only_what_is_true() {
    side_by_side(4, CASES, sleeps_and_wakes);
}

fn sleeps_and_wakes(case: &Case) {
    let words = format!("{} of {}", case.point, case.rule);
    let town = Town::open(Database::Postgres, case.rule);
    let mut sleeper = town.start("sleeper", &format!("{}=stop", case.point));
    wait_until_ready(&mut sleeper, &words);
    town.tell(case.rule);
    wait_for_failpoint(&mut sleeper, &words);
    let other = town.start("other", "");
    let (state, taken) = case.meanwhile;
    town.wait_for(state, &format!("{words}, asleep"));
    assert_eq!(town.taken(), taken, "{words}, asleep");
    // Longer than any lease, also where the other one was quick.
    std::thread::sleep(Duration::from_secs(LEASE));
    sleeper.signal("CONT");
    let (state, taken) = case.finally;
    town.wait_for(state, &format!("{words}, awake"));
    std::thread::sleep(Duration::from_secs(LEASE + 1));
    town.wait_for(state, &format!("{words}, awake for a while"));
    assert_eq!(town.taken(), taken, "{words}, awake");
    // Whoever woke works on.
    assert!(sleeper.terminate(PATIENCE).success(), "{words}");
    assert!(other.terminate(PATIENCE).success(), "{words}");
}
