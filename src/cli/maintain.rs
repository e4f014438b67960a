//! `declic maintain`: has the database let go of what was erased.

use std::path::Path;

use super::{Failure, environment};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Writes every table anew, so that nothing of a deleted row is left in PostgreSQL's files. Locks one table after the
    /// other and needs their room again: for a quiet hour
    #[arg(long)]
    rewrite: bool,
}

pub async fn maintain(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    let done = if args.rewrite { store.rewrite().await } else { store.tidy_up().await };
    let forbidden = done.map_err(environment::failed)?;
    if !forbidden.is_empty() {
        return Err(Failure::Environment(format!(
            "this database role may not VACUUM {}: run it as the owner of the tables, with DECLIC_DATABASE__URL set to \
             that role (docs/security.md)",
            forbidden.join(", ")
        )));
    }
    println!("done");
    Ok(())
}
