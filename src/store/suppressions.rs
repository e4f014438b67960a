//! The suppression list: addresses that are never written to again.
//!
//! Of somebody erased the address itself must not be kept, so a keyed hash of it is, which still matches.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::StoreError;
use super::args::Arg;
use super::profiles::comparable_address;
use super::rows::Rows;
use super::session::Session;
use crate::domain::consent::Channel;
use crate::domain::verdict::Reason;

/// An address that is never written to again.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppression {
    pub channel: Channel,
    /// Kept trimmed and in lower case.
    pub address: String,
    pub reason: Reason,
    pub at: DateTime<Utc>,
    pub detail: Option<String>,
}

/// Adds to the list; the first reason of an address stands.
pub(super) async fn add(session: &mut Session, suppressions: &[Suppression]) -> Result<(), StoreError> {
    if suppressions.is_empty() {
        return Ok(());
    }
    // Sorted by key, for one order of waiting.
    let first: BTreeMap<_, _> =
        suppressions.iter().rev().map(|s| ((s.channel, comparable_address(&s.address)), s)).collect();
    let first: Vec<_> = first.into_iter().collect();
    let (table, args) = Rows::of(&first)
        .text("channel", |((channel, _), _)| channel.as_str())
        .text("address", |((_, address), _)| address.as_str())
        .text("reason", |(_, s)| s.reason.as_str())
        .time("at", |(_, s)| s.at)
        .text("detail", |(_, s)| s.detail.as_deref())
        .after(Vec::new(), session.dialect());
    let sql = format!(
        "INSERT INTO suppressions (channel, address, reason, at, detail)
         SELECT channel, address, reason, at, detail FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, args).await.map(drop)
}

/// Those of these addresses (in the form in which they are compared) that are on the list.
pub(super) async fn among<'a>(
    session: &mut Session,
    channel: Channel,
    addresses: impl Iterator<Item = &'a str>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut kept_as: BTreeMap<String, &str> = BTreeMap::new();
    for address in addresses {
        kept_as.extend(session.vault.all_hashed(channel, address).map(|hash| (hash, address)));
        kept_as.insert(address.to_owned(), address);
    }
    if kept_as.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = format!(
        "SELECT address FROM suppressions WHERE channel = $2 AND address {}",
        session.dialect().among(1)
    );
    let rows: Vec<(String,)> =
        session.fetch(sql, vec![Arg::list(kept_as.keys()), channel.as_str().into()]).await?;
    Ok(rows.iter().filter_map(|(address,)| kept_as.get(address).map(|a| (*a).to_owned())).collect())
}

/// Puts hashes in the place of addresses whose owner is erased, on the list already or not: why an address that was on
/// it may not be written to stays known, and nothing else of it.
pub(super) async fn hash(
    session: &mut Session,
    addresses: &BTreeSet<(Channel, String)>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut hashed = Vec::new();
    for (channel, address) in addresses {
        let kept_as = session.vault.hashed(*channel, address)?;
        let sql = "INSERT INTO suppressions (channel, address, reason, at)
             SELECT channel, $3, reason, at FROM suppressions WHERE channel = $1 AND address = $2
             ON CONFLICT DO NOTHING";
        let args = vec![channel.as_str().into(), address.as_str().into(), kept_as.as_str().into()];
        session.exec(sql, args).await?;
        let sql = "DELETE FROM suppressions WHERE channel = $1 AND address = $2";
        session.exec(sql, vec![channel.as_str().into(), address.as_str().into()]).await?;
        let (reason, address) = (Reason::CustomerDeleted, kept_as);
        hashed.push(Suppression { channel: *channel, address, reason, at, detail: None });
    }
    add(session, &hashed).await
}

/// Takes from the list what only an erasure has put there, before the instant beside each address: whoever has signed up
/// with it since wants to be written to.
pub(super) async fn lift_erasures(
    session: &mut Session,
    addresses: &[(Channel, String, DateTime<Utc>)],
) -> Result<(), StoreError> {
    for channel in [Channel::Email, Channel::Sms] {
        let mut since: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        for (_, address, at) in addresses.iter().filter(|(of, ..)| *of == channel) {
            let address = comparable_address(address);
            since.extend(session.vault.all_hashed(channel, &address).map(|hash| (hash, *at)));
        }
        if since.is_empty() {
            continue;
        }
        let among = session.dialect().among(1);
        let sql = format!(
            "SELECT address, at FROM suppressions WHERE channel = $2 AND reason = $3 AND address {among}"
        );
        let args =
            vec![Arg::list(since.keys()), channel.as_str().into(), Reason::CustomerDeleted.as_str().into()];
        let rows: Vec<(String, DateTime<Utc>)> = session.fetch(sql, args).await?;
        let lifted = rows.iter().filter(|(hash, at)| since.get(hash).is_some_and(|since| since > at));
        let lifted: Vec<&str> = lifted.map(|(hash, _)| hash.as_str()).collect();
        if !lifted.is_empty() {
            let sql = format!("DELETE FROM suppressions WHERE channel = $2 AND address {among}");
            session.exec(sql, vec![Arg::list(lifted), channel.as_str().into()]).await?;
        }
    }
    Ok(())
}
