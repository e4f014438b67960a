//! `declic suppressions`: the addresses that are never written to again.

use std::path::Path;

use serde_json::{Value, json};

use super::table::{self, Format};
use super::{Failure, environment};
use crate::domain::consent::Channel;
use crate::domain::verdict::Reason;
use crate::store::{Suppression, SuppressionRow};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Lists them, the latest first
    List {
        /// Only this address
        address: Option<String>,
        /// How many at the most
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// How the list is printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Puts an address on the list, for the reason `manual`; one that is on it already stays as it is
    Add {
        /// An e-mail address, or a number in E.164 (`+33…`)
        address: String,
        /// Why, for whoever reads the list later
        #[arg(long)]
        detail: Option<String>,
    },
    /// Takes an address off the list, and shows what it was there for
    ///
    /// Only for an address whose owner has asked for it, or that was put there by mistake: mail to addresses that bounce
    /// or complain harms the delivery of all other mail. What was withdrawn stays withdrawn.
    Remove {
        /// As listed
        address: String,
    },
}

pub async fn suppressions(config: Option<&Path>, command: Command) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    match command {
        Command::List { address, limit, format } => {
            let rows = store.suppressions(address.as_deref(), limit).await.map_err(environment::failed)?;
            let rows: Vec<Value> = rows.iter().map(row).collect();
            table::print(&rows, &["at", "channel", "address", "reason", "detail"], format)
                .map_err(environment::failed)
        }
        Command::Add { address, detail } => {
            let channel = channel(&address)?;
            let at = config.clock().now();
            let suppression =
                Suppression { channel, address: address.clone(), reason: Reason::Manual, at, detail };
            let operator = environment::operator(store.clone());
            operator.suppress(suppression).await.map_err(environment::failed)?;
            let held = store.suppressions(Some(&address), 1).await.map_err(environment::failed)?;
            held.iter().for_each(|held| println!("{}", told(held)));
            Ok(())
        }
        Command::Remove { address } => {
            let gone = environment::operator(store).unsuppress(&address).await;
            let gone = gone.map_err(environment::failed)?;
            if gone.is_empty() {
                return Err(Failure::Refused(format!("`{address}` is not on the list")));
            }
            gone.iter().for_each(|gone| println!("taken off: {}", told(gone)));
            Ok(())
        }
    }
}

fn channel(address: &str) -> Result<Channel, Failure> {
    let address = address.trim();
    let number =
        address.strip_prefix('+').is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
    let whole = !address.chars().any(char::is_whitespace);
    match address.split_once('@') {
        Some((user, domain)) if whole && !user.is_empty() && !domain.is_empty() => Ok(Channel::Email),
        None if number => Ok(Channel::Sms),
        _ => Err(Failure::Refused(format!(
            "`{address}` is neither an e-mail address nor a number in E.164, such as +33612345678"
        ))),
    }
}

/// Whose owner was erased is known by a keyed hash alone, which says nothing to anybody.
fn shown(row: &SuppressionRow) -> &str {
    if row.is_hashed() { "(erased)" } else { &row.address }
}

fn told(row: &SuppressionRow) -> String {
    let detail = row.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("{} {} since {}, {}{detail}", row.channel, shown(row), row.at.to_rfc3339(), row.reason)
}

fn row(row: &SuppressionRow) -> Value {
    json!({
        "channel": row.channel,
        "address": shown(row),
        "reason": row.reason,
        "at": row.at,
        "detail": row.detail,
    })
}
