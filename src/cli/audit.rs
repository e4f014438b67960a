//! `declic audit`: who did what by hand.

use std::path::Path;

use serde_json::json;

use super::table::{self, Format};
use super::{Failure, environment};
use crate::domain::consent::Channel;
use crate::store::{ActFilter, Store};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this act, as listed: pause, messages retry, customers erase…
    #[arg(long)]
    action: Option<String>,
    /// Only what was done to this: the id of a message, customer or dead letter, rule:NAME, an address
    #[arg(long)]
    target: Option<String>,
    /// How many at the most
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub async fn audit(config: Option<&Path>, args: Args) -> Result<(), Failure> {
    let store = environment::store(&environment::config(config)?).await?;
    let targets = args.target.into_iter().flat_map(|target| called(&store, target)).collect();
    let filter = ActFilter { action: args.action, targets, limit: args.limit, before: None };
    let acts = store.acts(&filter).await.map_err(environment::failed)?;
    let rows: Vec<_> = acts
        .iter()
        .map(|act| {
            json!({
                "at": act.at,
                "actor": act.actor,
                "action": act.action,
                "target": act.target,
                "detail": act.detail,
            })
        })
        .collect();
    let columns = ["at", "actor", "action", "target", "detail"];
    table::print(&rows, &columns, args.format).map_err(environment::failed)
}

/// What the log may call it: addresses stand there as hashes.
fn called(store: &Store, target: String) -> Vec<String> {
    let mut names: Vec<String> = [Channel::Email, Channel::Sms]
        .iter()
        .flat_map(|channel| store.pseudonyms(*channel, &target))
        .collect();
    names.push(target);
    names
}
