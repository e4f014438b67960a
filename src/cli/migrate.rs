//! `declic migrate`: creates or upgrades the tables.

use std::path::Path;

use super::{Failure, environment};
use crate::store::{Store, StoreError};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only says what is missing; exit code 1 if anything is
    #[arg(long)]
    check: bool,
}

pub async fn migrate(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = Store::open(config.database_url(), 1).await.map_err(environment::failed)?;
    if args.check {
        let missing = store.missing_migrations().await.map_err(environment::failed)?;
        if !missing.is_empty() {
            return Err(Failure::Refused(format!("missing migrations: {}", listed(&missing))));
        }
        println!("the schema is up to date");
        return Ok(());
    }
    let waiting = |error: &StoreError, left| {
        eprintln!("{error}; nothing is changed yet, trying again ({left} tries left)");
    };
    match store.migrate_telling(waiting).await.map_err(environment::failed)?.as_slice() {
        [] => println!("the schema is up to date"),
        applied => println!("applied migrations: {}", listed(applied)),
    }
    Ok(())
}

fn listed(versions: &[i64]) -> String {
    versions.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}
