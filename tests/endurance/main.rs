//! What an operator's bad week looks like: workers that are killed every second, servers that are gone for a minute, and
//! a start on top of everything that was left undone.

#[path = "../support/mod.rs"]
mod support;

mod away;
mod cold;
mod killed;
mod slow;

use support::shop::{Shop, Worker};
use support::{run, wait_until};

/// Held by whoever looks at the time something takes, or keeps the machine busy: one after the other.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The most memory that a worker has used so far (`VmHWM`), or uses now (`VmRSS`), in MB.
fn memory(worker: &Worker, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field of /proc");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") / 1024
}

fn number(shop: &Shop, sql: &str) -> usize {
    let rows = support::postgres::Postgres::shared().psql(&shop.database, sql);
    rows.trim().parse().unwrap_or_else(|_| panic!("{sql}: {rows}"))
}

/// Publishes events as fast as the broker confirms them, many at a time.
fn publish_fast(url: &str, events: &[String]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(support::rabbit::publish(url, events));
}
