//! `declic migrate`: creates or upgrades the tables.

use std::path::Path;

use super::{Failure, environment};
use crate::store::Store;

pub async fn migrate(config: Option<&Path>) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = Store::open(config.database_url(), 1).await.map_err(environment::failed)?;
    let applied = store.migrate().await.map_err(environment::failed)?;
    match applied.as_slice() {
        [] => println!("the schema is up to date"),
        applied => println!(
            "applied migrations: {}",
            applied.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
        ),
    }
    Ok(())
}
