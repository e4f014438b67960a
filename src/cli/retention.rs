//! `declic retention`: what is due by the policy, what was archived and deleted, and a pass by hand.

use std::path::Path;

use serde_json::{Value, json};

use super::table::{self, Format};
use super::{Failure, environment, progress};
use crate::active::Shelf;
use crate::app;
use crate::config::Config;
use crate::domain::retention::Kind;
use crate::retention::{self, Keeper};
use crate::store::{Duty, Store};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Shows for each kind of data how long it is kept, what is due, what is archived, and what was done
    Report {
        /// Shows what was archived and deleted on each day instead
        #[arg(long)]
        by_day: bool,
        /// How it is printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Archives and deletes all that is due; the worker does it by itself, once an hour
    Run {
        /// Says what is due, and does nothing
        #[arg(long)]
        dry_run: bool,
    },
}

pub async fn retention(config: Option<&Path>, command: Command) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    let active = environment::active(&config, &store).await?;
    let duty = retention::duty(&active, config.clock().now());
    match command {
        Command::Report { by_day: true, format } => by_day(&store, format).await,
        Command::Report { by_day: false, format } => by_kind(&store, &duty, format).await,
        Command::Run { dry_run: true } => due(&store, &duty).await,
        Command::Run { dry_run: false } => run(&config, &store, Shelf::new(active)).await,
    }
}

async fn by_day(store: &Store, format: Format) -> Result<(), Failure> {
    let rows = store.retention_runs().await.map_err(environment::failed)?;
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|row| json!({ "day": row.day, "kind": row.kind, "phase": row.phase, "rows": row.amount, "last": row.last_at }))
        .collect();
    table::print(&rows, &["day", "kind", "phase", "rows", "last"], format).map_err(environment::failed)
}

async fn by_kind(store: &Store, duty: &Duty, format: Format) -> Result<(), Failure> {
    let over = store.count_over(duty).await.map_err(environment::failed)?;
    let archived = store.archived().await.map_err(environment::failed)?;
    let runs = store.retention_runs().await.map_err(environment::failed)?;
    let row = |kind: Kind| {
        let phases = duty.retention.of(kind);
        let of_kind = || runs.iter().filter(|row| row.kind == kind.as_str());
        let sum = |phase: &str| of_kind().filter(|row| row.phase == phase).map(|row| row.amount).sum::<i64>();
        json!({
            "kind": kind.as_str(),
            "active": phases.map(|phases| phases.active.to_string()),
            "archive": phases.and_then(|phases| phases.archive).map(|span| span.to_string()),
            "due": over.iter().find(|(of, _)| *of == kind).map(|(_, count)| count),
            "in_archive": archived.iter().find(|(of, _)| of == kind.as_str()).map_or(0, |(_, count)| *count),
            "archived": sum("archived"),
            "deleted": sum("deleted"),
            "last": of_kind().map(|row| row.last_at).max(),
        })
    };
    let rows: Vec<Value> = Kind::ALL.into_iter().map(row).collect();
    let columns = ["kind", "active", "archive", "due", "in_archive", "archived", "deleted", "last"];
    table::print(&rows, &columns, format).map_err(environment::failed)
}

async fn due(store: &Store, duty: &Duty) -> Result<(), Failure> {
    for (kind, count) in store.count_over(duty).await.map_err(environment::failed)? {
        println!("{}: {count} due", kind.as_str());
    }
    if duty.retention.is_empty() {
        println!("the policy in force says nothing of retention");
    }
    Ok(())
}

async fn run(config: &Config, store: &Store, shelf: Shelf) -> Result<(), Failure> {
    let bounces = app::bounces::section(config).map_err(|error| Failure::Refused(error.to_string()))?;
    let keeper = Keeper { store: store.clone(), shelf, clock: config.clock(), bounces_count: bounces.kept() };
    let bar = progress::bar(0, "steps");
    let forbidden = keeper.whole(|| bar.inc(1)).await.map_err(environment::failed)?;
    bar.finish_and_clear();
    if !forbidden.is_empty() {
        eprintln!(
            "this database role may not VACUUM {}: `declic maintain` does it as the owner of the tables",
            forbidden.join(", ")
        );
    }
    println!("done: `declic retention report` says what");
    Ok(())
}
