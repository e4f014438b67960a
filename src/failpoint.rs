//! Failpoints: the places between two steps where a test ends or freezes this process, for real.
//!
//! Each has a name ([`POINTS`]) that `docs/guarantees.md` explains. Built with the cargo feature `failpoints`, the
//! worker reads `DECLIC_FAILPOINTS`, such as `accept.committed=kill@3`: at the third passing it is sent SIGKILL.
//! `DECLIC_PANIC_FOR`, such as `timers:c-9`, has the core panic whenever that part decides about that customer.
//! `DECLIC_NEXT_SCHEMA` makes it a build of the next version, as far as the database is concerned ([`next_schema`]).
//! Without the feature, as in every ordinary build, all of these are empty and the variables mean nothing.

/// Every failpoint, in the order in which an event passes them on its way to a message and its outcome.
pub const POINTS: &[&str] = &[
    "intake.received",
    "accept.inserted",
    "accept.written",
    "accept.committed",
    "intake.dead_lettered",
    "intake.acknowledged",
    "timers.written",
    "timers.committed",
    "sweep.written",
    "sweep.committed",
    "delivery.claimed",
    "delivery.announced",
    "delivery.admitted",
    "delivery.sending",
    "smtp.data",
    "smtp.dot",
    "delivery.answered",
    "delivery.recorded",
    "delivery.done",
    "outcomes.published",
    "outcomes.marked",
    "reclaim.settled",
    "incoming.kept",
    "receipts.settled",
    "bounces.settled",
    "retention.written",
    "retention.committed",
];

/// Passes a failpoint.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn reach(_name: &'static str) {}

/// Where [`stumble`] is asked: `events`, `timers`, `ticks`, `delivery`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn stumble(_part: &'static str, _customer: &str) {}

/// The migration of the version after this one, where a test lets this process be that: see `armed`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn next_schema(_known: i64) -> Option<(i64, &'static str)> {
    None
}

#[cfg(feature = "failpoints")]
pub use armed::{next_schema, reach, stumble};

#[cfg(feature = "failpoints")]
mod armed {
    use std::process::{Command, exit};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::POINTS;

    /// A migration as any, good for both databases: what it makes is as strange to this build as the next version's.
    const NEXT_SCHEMA: &str =
        "ALTER TABLE messages ADD COLUMN of_the_next_version text NOT NULL DEFAULT 'none';
         CREATE TABLE of_the_next_version (id text PRIMARY KEY);
         CREATE INDEX of_the_next_version_by_customer ON events (customer_id, received_at);";

    /// The oldest schema that the next one works for, and its script, where `DECLIC_NEXT_SCHEMA` makes this process one
    /// of the next version: `compatible` with this one, or `breaking`.
    pub fn next_schema(known: i64) -> Option<(i64, &'static str)> {
        match std::env::var("DECLIC_NEXT_SCHEMA").as_deref() {
            Ok("compatible") => Some((known, NEXT_SCHEMA)),
            Ok("breaking") => Some((known + 1, NEXT_SCHEMA)),
            Ok(other) => {
                eprintln!("DECLIC_NEXT_SCHEMA: `{other}` is neither `compatible` nor `breaking`");
                exit(2)
            }
            Err(_) => None,
        }
    }

    /// What the environment asks for at one failpoint.
    struct Trap {
        name: String,
        /// The signal this process is sent: `KILL`, or `STOP` until somebody sends `CONT`.
        signal: &'static str,
        /// At which passing.
        at: u32,
        passed: AtomicU32,
    }

    /// Passes a failpoint: does what `DECLIC_FAILPOINTS` asks for there.
    pub fn reach(name: &'static str) {
        assert!(POINTS.contains(&name), "failpoint `{name}` is not in POINTS");
        static TRAPS: OnceLock<Vec<Trap>> = OnceLock::new();
        let traps = TRAPS.get_or_init(|| traps(&std::env::var("DECLIC_FAILPOINTS").unwrap_or_default()));
        for trap in traps.iter().filter(|trap| trap.name == name) {
            if trap.passed.fetch_add(1, Ordering::SeqCst) + 1 == trap.at {
                eprintln!("failpoint {name}: SIG{}", trap.signal);
                let (pid, signal) = (std::process::id().to_string(), trap.signal);
                let told = Command::new("kill").args(["-s", signal, &pid]).status();
                // What reached this place never passes it alive; or not before it has been stopped, for on a busy machine
                // another thread is the one to be told, some time after we are told that it was.
                let moment = || std::thread::sleep(Duration::from_secs(1));
                moment();
                while signal == "KILL" && told.is_ok() {
                    moment();
                }
            }
        }
    }

    /// Panics where `DECLIC_PANIC_FOR` asks for it, quoting the customer as a real one might.
    pub fn stumble(part: &'static str, customer: &str) {
        static ASKED: OnceLock<String> = OnceLock::new();
        let asked = ASKED.get_or_init(|| std::env::var("DECLIC_PANIC_FOR").unwrap_or_default());
        if asked.split(';').any(|item| item.split_once(':') == Some((part, customer))) {
            panic!("asked to stumble over {customer}");
        }
    }

    /// Reads `NAME=kill@N;NAME=stop`; a mistake ends the process, for a test that fails nowhere proves nothing.
    fn traps(text: &str) -> Vec<Trap> {
        text.split(';').filter(|item| !item.trim().is_empty()).map(trap).collect()
    }

    fn trap(item: &str) -> Trap {
        let (name, action) = item.trim().split_once('=').unwrap_or((item, ""));
        let (action, at) = action.split_once('@').unwrap_or((action, "1"));
        let signal = match action {
            "kill" => "KILL",
            "stop" => "STOP",
            _ => mistake(item),
        };
        let at = at.parse().ok().filter(|at| *at > 0).unwrap_or_else(|| mistake(item));
        if !POINTS.contains(&name) {
            mistake(item);
        }
        Trap { name: name.to_owned(), signal, at, passed: AtomicU32::new(0) }
    }

    fn mistake(item: &str) -> ! {
        eprintln!("DECLIC_FAILPOINTS: `{item}` is not NAME=kill|stop[@N] with a known NAME");
        exit(2)
    }
}
