//! The suppression list: addresses that are never written to again.
//!
//! Of somebody erased the address itself must not be kept, so a keyed hash of it is, which still matches.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::rows::Rows;
use super::session::Session;
use super::vault::HASHED;
use super::{Store, StoreError, Tx};
use crate::domain::consent::Channel;
use crate::domain::customer::comparable_address;
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

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressionRow {
    /// `email` or `sms`.
    pub channel: String,
    /// Trimmed, in lower case; `hash:` and a keyed hash where its owner was erased.
    pub address: String,
    /// As a [`Reason`](crate::domain::verdict::Reason) is written.
    pub reason: String,
    pub at: DateTime<Utc>,
    pub detail: Option<String>,
}

impl SuppressionRow {
    /// Whether only a keyed hash of the address is kept, since its owner was erased.
    pub fn is_hashed(&self) -> bool {
        self.address.starts_with(HASHED)
    }
}

type Fields = (String, String, String, DateTime<Utc>, Option<String>);

fn row((channel, address, reason, at, detail): Fields) -> SuppressionRow {
    SuppressionRow { channel, address, reason, at, detail }
}

impl Store {
    /// The latest first; with `address`, only that one.
    pub async fn suppressions(
        &self,
        address: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SuppressionRow>, StoreError> {
        let mut session = self.reading().await?;
        let kept_as = address.map(|address| all_kept_as(&session, address));
        let among = session.dialect().among(1);
        let wanted =
            if kept_as.is_some() { format!("address {among}") } else { format!("NOT (address {among})") };
        let sql = format!(
            "SELECT channel, address, reason, at, detail FROM suppressions WHERE {wanted}
             ORDER BY at DESC, channel, address LIMIT $2"
        );
        let args = vec![Arg::list(kept_as.unwrap_or_default()), i64::from(limit).into()];
        let rows: Vec<Fields> = session.fetch(sql, args).await?;
        Ok(rows.into_iter().map(row).collect())
    }

    /// All that an address may be called where it must not be kept itself, by the present secret and former ones; none
    /// without a secret.
    pub fn pseudonyms(&self, channel: Channel, address: &str) -> Vec<String> {
        self.vault.all_hashed(channel, &comparable_address(address)).collect()
    }
}

impl Tx {
    /// Takes an address off the list, on every channel and whatever it is kept as; what was taken off.
    pub async fn remove_suppressions(&mut self, address: &str) -> Result<Vec<SuppressionRow>, StoreError> {
        let session = &mut self.session;
        let sql = format!(
            "DELETE FROM suppressions WHERE address {} RETURNING channel, address, reason, at, detail",
            session.dialect().among(1)
        );
        let kept_as = Arg::list(all_kept_as(session, address));
        let rows: Vec<Fields> = session.fetch(sql, vec![kept_as]).await?;
        Ok(rows.into_iter().map(row).collect())
    }
}

/// What an address may be kept as: itself, or a hash of it.
fn all_kept_as(session: &Session, address: &str) -> Vec<String> {
    let address = comparable_address(address);
    let hashes =
        [Channel::Email, Channel::Sms].map(|c| session.vault.all_hashed(c, &address).collect::<Vec<_>>());
    [hashes.concat(), vec![address.clone()]].concat()
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
    hash_known(session, addresses).await?;
    let mut hashed = Vec::new();
    for (channel, address) in addresses {
        let address = session.vault.hashed(*channel, address)?;
        let reason = Reason::CustomerDeleted;
        hashed.push(Suppression { channel: *channel, address, reason, at, detail: None });
    }
    add(session, &hashed).await
}

/// Puts hashes in the place of those of these addresses that are on the list: an opposition outlasts what else is kept of
/// whoever made it.
pub(super) async fn hash_known(
    session: &mut Session,
    addresses: &BTreeSet<(Channel, String)>,
) -> Result<(), StoreError> {
    for (channel, address) in addresses {
        let kept_as = session.vault.hashed(*channel, address)?;
        let sql = "INSERT INTO suppressions (channel, address, reason, at)
             SELECT channel, $3, reason, at FROM suppressions WHERE channel = $1 AND address = $2
             ON CONFLICT DO NOTHING";
        let args = vec![channel.as_str().into(), address.as_str().into(), kept_as.as_str().into()];
        session.exec(sql, args).await?;
        let sql = "DELETE FROM suppressions WHERE channel = $1 AND address = $2";
        session.exec(sql, vec![channel.as_str().into(), address.as_str().into()]).await?;
    }
    Ok(())
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
