//! Private servers for integration tests: PostgreSQL, RabbitMQ, mail sinks.
//!
//! `mod support;` in a test binary gives it servers of its own, on free loopback ports, with their files in a
//! temporary folder. They stop when their handle is dropped, and when the test process ends in whatever
//! way (see `kept`). PostgreSQL and RabbitMQ are dear to start, so tests share one per binary
//! (`Postgres::shared()`, `Rabbit::shared()`) and take a fresh database or virtual host each.
//!
//! A missing server is a failure that names `make setup`, never a skipped test. Test binaries that use
//! this module belong behind the cargo feature `server-tests`, which `make test` turns on.
#![allow(dead_code, reason = "each test binary uses the part that it needs")]

pub mod browser;
pub mod kept;
pub mod mailbox;
pub mod npm;
pub mod pip;
pub mod place;
pub mod postgres;
pub mod rabbit;
pub mod random;
pub mod shop;
pub mod smtp;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat};

/// Debian's Python, whose modules `make setup` installs; another `python3` may be first on the path.
pub const PYTHON: &str = "/usr/bin/python3";

/// A script beside this file.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name)
}

/// A command that runs a script beside this file, with its modules from Debian only.
pub fn python(name: &str) -> Command {
    let mut command = Command::new(needed(PYTHON));
    command.arg("-EsB").arg(script(name)).stdin(Stdio::null());
    command
}

/// The path, or a failure that says what to do.
pub fn needed(path: impl Into<PathBuf>) -> PathBuf {
    let path = path.into();
    assert!(path.exists(), "{} is not installed: run `make setup`", path.display());
    path
}

/// A port of 127.0.0.1 that was free a moment ago; another process may take it first, so callers retry where they can.
///
/// None of those that the system gives to outgoing connections (from 32768 on), of which tests make thousands: one could
/// take the port before its server does. Each process begins elsewhere.
pub fn free_port() -> u16 {
    const FIRST: u32 = 11_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(7919);
    (0..COUNT)
        .map(|_| FIRST + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a loopback port")
}

/// Whether this process may change its user, as a server that refuses to run as root needs.
pub fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| status.lines().any(|line| line.starts_with("Uid:") && line.contains("\t0\t0")))
}

/// A name that no other test of this process has: for databases, virtual hosts and folders.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Asks `ready` until it says yes or `limit` has passed; tells which. Every 20 ms at first, then less often: many a
/// question starts a process, and who waits for seconds leaves the machine to whoever works.
pub fn wait_until(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if ready() {
            return true;
        }
        if began.elapsed() > limit {
            return false;
        }
        let pause = began.elapsed() / 50;
        std::thread::sleep(pause.clamp(Duration::from_millis(20), Duration::from_millis(100)));
    }
}

/// Runs a command to its end and returns its standard output; fails with all it said otherwise.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The present second, as events write it.
pub fn now() -> String {
    let now = DateTime::from_timestamp_micros(micros()).expect("a time");
    now.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Microseconds since 1970.
pub fn micros() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(since.as_micros()).expect("before 290000")
}

/// Does work for each case, on so many threads: for cases that mostly wait.
pub fn side_by_side<T: Sync>(threads: usize, cases: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    work(case);
                }
            });
        }
    });
}

/// A temporary folder, removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder that other users may enter: servers run under their own.
    pub fn new(prefix: &str) -> Self {
        let path = std::env::temp_dir().join(unique(&format!("declic_{prefix}")));
        // A folder of this name can only be left from a dead process that had our id.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Gives the folder and all in it to a user, where this process may.
    pub fn give_to(&self, user: &str) {
        if is_root() {
            run(Command::new("chown").arg("-R").arg(format!("{user}:")).arg(&self.0));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
