//! `declic dead-letters`: events that could not be used, and why.

use std::path::Path;

use serde_json::json;

use super::table::{self, Format};
use super::{Failure, environment};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Lists them, the newest first
    List {
        /// How many at the most
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// How the list is printed; JSON holds the bodies
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
}

pub async fn dead_letters(config: Option<&Path>, command: Command) -> Result<(), Failure> {
    let Command::List { limit, format } = command;
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    let letters = store.dead_letters(limit).await.map_err(environment::failed)?;
    let rows: Vec<_> = letters
        .into_iter()
        .map(|letter| {
            json!({
                "id": letter.id,
                "received_at": letter.received_at,
                "origin": letter.origin,
                "reason": letter.reason,
                "detail": letter.detail,
                "headers": letter.headers,
                "body": String::from_utf8_lossy(&letter.body),
            })
        })
        .collect();
    table::print(&rows, &["received_at", "origin", "reason", "detail", "id"], format)
        .map_err(environment::failed)
}
