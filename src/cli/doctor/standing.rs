//! How the work stands: what is late, paused or set aside, whether the clocks agree, and whether there is room on the disk.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Finding, Outcome};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::pause::Pauses;
use crate::store::{LetterFilter, Store, StoreError};

/// The largest difference between this machine's clock and the database's that is no worry.
const MOST_APART: TimeDelta = TimeDelta::seconds(2);

/// Work that is later than this is late.
const LATE: TimeDelta = TimeDelta::minutes(10);

/// Less room than this is little.
const LITTLE: u64 = 1 << 30;

/// Nothing where there is no database: that is told already.
pub async fn findings(config: &Config) -> Vec<Finding> {
    let Ok(store) = app::open_store(config, config.clock()).await else { return Vec::new() };
    let mut findings = Vec::new();
    let mut put = |name, outcome: Result<Outcome, StoreError>| {
        let outcome = outcome.unwrap_or_else(|error| Outcome::Wrong(error.to_string()));
        findings.push(Finding { name, outcome });
    };
    put("rights", rights(&store).await);
    put("clock", clock(&store, &config.clock()).await);
    put("work", work(&store, config.clock().now()).await);
    if let Some(file) = config.database_url().strip_prefix("sqlite:").filter(|file| *file != ":memory:") {
        put("disk", Ok(disk(Path::new(file))));
    }
    store.close().await;
    findings
}

async fn rights(store: &Store) -> Result<Outcome, StoreError> {
    let missing = store.missing_rights().await?;
    Ok(match missing.is_empty() {
        true => Outcome::Right("the database's role may do what a worker does".to_owned()),
        false => Outcome::Wrong(format!(
            "the database's role may not read and add to {}: run deploy/postgres/roles.sql (docs/security.md)",
            missing.join(", ")
        )),
    })
}

async fn clock(store: &Store, ours: &Clock) -> Result<Outcome, StoreError> {
    let (before, theirs, after) = (ours.wall(), store.database_time().await?, ours.wall());
    let apart = if theirs < before { before - theirs } else { (theirs - after).max(TimeDelta::zero()) };
    let words = format!("{:.1} s from the database's", apart.num_milliseconds() as f64 / 1000.0);
    Ok(match apart > MOST_APART {
        true => Outcome::Doubtful(format!(
            "this machine's clock is {words}: messages leave too early or too late by that; keep both by NTP"
        )),
        false => Outcome::Right(words),
    })
}

async fn work(store: &Store, now: DateTime<Utc>) -> Result<Outcome, StoreError> {
    let counts = store.counts(now).await?;
    let mut doubts = Vec::new();
    let mut late = |what: &str, since: Option<DateTime<Utc>>| {
        if let Some(age) = since.map(|since| now - since).filter(|age| *age > LATE) {
            doubts.push(format!("the oldest {what} is {} minutes late", age.num_minutes()));
        }
    };
    late("message", counts.oldest_due_message);
    late("timer", counts.oldest_due_entry);
    let paused = Vec::from_iter(store.pauses().await?.into_iter().collect::<Pauses>().targets());
    if !paused.is_empty() {
        doubts.push(format!("paused: {} (`declic paused`)", paused.join(", ")));
    }
    let letters = store.dead_letter_ids(&LetterFilter::default()).await?.len();
    if letters > 0 {
        doubts.push(format!("{letters} dead letters (`declic dead-letters list`)"));
    }
    let open: i64 = counts.messages.values().sum();
    let words = format!("{open} messages wait or are under way, {} journeys", counts.active_entries);
    Ok(if doubts.is_empty() {
        Outcome::Right(format!("{words}; nothing is late"))
    } else {
        Outcome::Doubtful(format!("{words}; {}", doubts.join("; ")))
    })
}

fn disk(file: &Path) -> Outcome {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(stat) => {
            let free = stat.f_bavail * stat.f_frsize;
            let words = format!("{:.1} GiB free beside the database", free as f64 / LITTLE as f64);
            if free < LITTLE {
                Outcome::Doubtful(format!("{words}: make room"))
            } else {
                Outcome::Right(words)
            }
        }
        Err(error) => Outcome::Doubtful(format!("{} cannot be looked at: {error}", folder.display())),
    }
}
