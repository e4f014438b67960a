//! `declic maintain`: has the database let go of what was erased, and brings profiles into the form that is configured.

use std::path::Path;
use std::time::Duration;

use super::{Failure, environment};
use crate::app;
use crate::store::{Step, Store, StoreError};

/// Between two pages of customers: workers want them and the disk too.
const PAUSE: Duration = Duration::from_millis(20);

/// How often a page is tried that meets a worker in a deadlock.
const MOST_TRIES: u32 = 10;

/// How many of the customers who cannot be read are named.
const NAMED: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Writes every table anew, so that nothing of a deleted row is left in PostgreSQL's files. Locks one table after the
    /// other and needs their room again: for a quiet hour
    #[arg(long)]
    rewrite: bool,
    /// Starts again without a secret that is lost: customers whose profile it encrypted stay as they are, and what is to
    /// be done for them is set aside
    #[arg(long)]
    leave_unreadable: bool,
}

pub async fn maintain(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = app::open_to_maintain(&config, config.clock()).await.map_err(environment::failed)?;
    // First, so that what was in the clear is let go of with the rest.
    let unreadable = reseal(&store, args.leave_unreadable, config.database.encrypt_profiles).await?;
    let done = if args.rewrite { store.rewrite().await } else { store.tidy_up().await };
    let forbidden = done.map_err(environment::failed)?;
    if !forbidden.is_empty() {
        return Err(Failure::Environment(format!(
            "this database role may not VACUUM {}: run it as the owner of the tables, with DECLIC_DATABASE__URL set to \
             that role (docs/security.md)",
            forbidden.join(", ")
        )));
    }
    if unreadable > 0 && !args.leave_unreadable {
        return Err(Failure::Environment(format!(
            "{unreadable} customers cannot be read and stay as they are; with the secret that is missing, run it again"
        )));
    }
    println!("done");
    Ok(())
}

/// Brings all customers into the form that is configured, beside whoever works on them; how many cannot be read.
async fn reseal(store: &Store, leaves_unreadable: bool, encrypts: bool) -> Result<usize, Failure> {
    if !store.may_be_encrypted().await.map_err(environment::failed)? {
        return Ok(0);
    }
    let (mut written, mut unreadable) = (0, 0);
    while let Step::Page(page) = step(store, leaves_unreadable).await.map_err(environment::failed)? {
        written += page.written;
        for (_, words) in page.unreadable.iter().take(NAMED.saturating_sub(unreadable)) {
            eprintln!("{words}");
        }
        unreadable += page.unreadable.len();
        tokio::time::sleep(PAUSE).await;
    }
    let form = if encrypts { "encrypted with the present secret" } else { "no longer encrypted" };
    println!("{written} customers written anew, {form}");
    Ok(unreadable)
}

async fn step(store: &Store, leaves_unreadable: bool) -> Result<Step, StoreError> {
    for _ in 1..MOST_TRIES {
        match store.reseal(leaves_unreadable).await {
            Err(StoreError::Conflict(_)) => tokio::time::sleep(PAUSE).await,
            result => return result,
        }
    }
    store.reseal(leaves_unreadable).await
}
