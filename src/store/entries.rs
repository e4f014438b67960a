//! Entries: customers' runs through rules, and which of them are due.

use std::collections::BTreeMap;

use super::args::Arg;
use super::rows::Rows;
use super::session::{Dialect, Session, read_json};
use super::{Store, StoreError, Tx};
use crate::domain::memory::{Entry, Exit};
use crate::domain::message::Message;
use chrono::{DateTime, Utc};

impl Tx {
    /// The keys (customer, rule, occurrence) of entries due at `now`, the longest due first. On PostgreSQL their
    /// customers are locked, and customers that another worker holds are passed over. Call
    /// [`Tx::lock_customers`] with them next and check `due_at` again: an entry may have moved on just before.
    pub async fn due_entries(
        &mut self,
        now: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<(String, String, String)>, StoreError> {
        // LATERAL with a lock is planned as a loop in the index's order, so that the limit ends it: a plain join would
        // sort the whole backlog first.
        let held = self.session.dialect().lock(
            "CROSS JOIN LATERAL
                 (SELECT 1 FROM customers c WHERE c.customer_id = e.customer_id FOR UPDATE SKIP LOCKED) AS held",
        );
        let sql = format!(
            "SELECT e.customer_id, e.rule, e.occurrence FROM entries e {held}
             WHERE e.due_at <= $1 ORDER BY e.due_at LIMIT $2"
        );
        self.session.fetch(sql, vec![now.into(), i64::from(limit).into()]).await
    }
}

impl Tx {
    /// The exits of the entries that these messages belong to, by the message's id: for the gate. Those of entries that
    /// go on, or were gone through, are not among them.
    pub async fn exits_of(
        &mut self,
        messages: impl IntoIterator<Item = &Message>,
    ) -> Result<BTreeMap<String, Exit>, StoreError> {
        let messages: Vec<&Message> = messages.into_iter().collect();
        let (table, args) = Rows::of(&messages)
            .text("id", |m| m.id.as_str())
            .text("customer_id", |m| m.customer_id.as_str())
            .text("rule", |m| m.rule.as_str())
            .text("occurrence", |m| m.occurrence.as_str())
            .after(Vec::new(), self.session.dialect());
        let sql = format!(
            "SELECT r.id, CAST(e.body AS text) FROM {table}
                 JOIN entries e ON e.customer_id = r.customer_id AND e.rule = r.rule AND e.occurrence = r.occurrence
             WHERE e.body ->> 'exit' IS NOT NULL"
        );
        let rows: Vec<(String, String)> = self.session.fetch(sql, args).await?;
        let mut exits = BTreeMap::new();
        for (message, body) in rows {
            let entry: Entry = read_json("entries", || format!("of message {message}"), "body", &body)?;
            exits.extend(entry.exit.map(|exit| (message, exit)));
        }
        Ok(exits)
    }
}

impl Store {
    /// When the next entry is due; it may lie in the past.
    pub async fn next_due_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let sql = "SELECT MIN(due_at) FROM entries WHERE due_at IS NOT NULL";
        let row: Option<(Option<DateTime<Utc>>,)> = self.reading().await?.first(sql, vec![]).await?;
        Ok(row.and_then(|(at,)| at))
    }
}

/// Writes entries whole; of several with one key the last holds.
pub(super) async fn upsert(session: &mut Session, entries: &[Entry]) -> Result<(), StoreError> {
    let newest: BTreeMap<_, _> =
        entries.iter().map(|e| ((&e.customer_id, &e.rule, &e.occurrence), e)).collect();
    if newest.is_empty() {
        return Ok(());
    }
    let newest: Vec<&Entry> = newest.into_values().collect();
    let (table, args) = Rows::of(&newest)
        .text("customer_id", |e| e.customer_id.as_str())
        .text("rule", |e| e.rule.as_str())
        .text("occurrence", |e| e.occurrence.as_str())
        .text("entry_key", |e| e.key.as_str())
        .text("status", |e| e.status.as_str())
        .time("due_at", |e| e.due_at)
        .text("version", |e| e.version.as_str())
        .flag("committed", |e| e.committed)
        .json("body", |e| *e)?
        .after(Vec::new(), session.dialect());
    let sql = format!(
        "INSERT INTO entries (customer_id, rule, occurrence, entry_key, status, due_at, version, committed, body)
         SELECT customer_id, rule, occurrence, entry_key, status, due_at, version, committed, body
         FROM {table} WHERE true
         ON CONFLICT (customer_id, rule, occurrence) DO UPDATE SET entry_key = excluded.entry_key,
             status = excluded.status, due_at = excluded.due_at, version = excluded.version,
             committed = excluded.committed, body = excluded.body"
    );
    session.exec(sql, args).await.map(drop)
}

/// Removes entries by (customer, rule, occurrence).
pub(super) async fn remove(
    session: &mut Session,
    keys: &[(String, String, String)],
) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    let (table, args) = Rows::of(keys)
        .text("customer_id", |(customer, ..)| customer.as_str())
        .text("rule", |(_, rule, _)| rule.as_str())
        .text("occurrence", |(.., occurrence)| occurrence.as_str())
        .after(Vec::new(), session.dialect());
    let sql = format!(
        "DELETE FROM entries WHERE (customer_id, rule, occurrence)
             IN (SELECT r.customer_id, r.rule, r.occurrence FROM {table})"
    );
    session.exec(sql, args).await.map(drop)
}

/// What is left of an entry in its column `body`, within a statement: without what its trigger carried, and with `ended` as
/// one that has ended.
pub(super) fn tombstone(dialect: Dialect, ended: bool) -> String {
    match dialect {
        Dialect::Postgres => {
            let end = if ended { r#" || '{"status":"ended","due_at":null}'"# } else { "" };
            format!("(jsonb_set(body::jsonb, '{{trigger,data}}', 'null', false){end})::json")
        }
        Dialect::Sqlite => {
            let end = if ended { ", '$.status', 'ended', '$.due_at', json('null')" } else { "" };
            format!("json_replace(body, '$.trigger.data', json('null'){end})")
        }
    }
}

/// Which entries are loaded with a customer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    All,
    /// Those that have not ended, and all of these rules.
    OpenAndOf(&'a [String]),
    None,
}

/// The entries of these customers that are wanted.
pub(super) async fn of_customers(
    session: &mut Session,
    customers: &[String],
    wanted: Wanted<'_>,
) -> Result<BTreeMap<String, Vec<Entry>>, StoreError> {
    let d = session.dialect();
    let mut sql = format!(
        "SELECT customer_id, rule, occurrence, CAST(body AS text) FROM entries WHERE customer_id {}",
        d.among(1)
    );
    let mut args = vec![Arg::list(customers)];
    match wanted {
        Wanted::All => {}
        Wanted::OpenAndOf(rules) => {
            sql += &format!(" AND (status <> 'ended' OR rule {})", d.among(2));
            args.push(Arg::list(rules));
        }
        Wanted::None => return Ok(BTreeMap::new()),
    }
    sql += " ORDER BY customer_id, rule, occurrence";
    let rows: Vec<(String, String, String, String)> = session.fetch(sql, args).await?;
    let mut entries: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for (customer, rule, occurrence, body) in rows {
        let entry = read_json("entries", || format!("{customer}/{rule}/{occurrence}"), "body", &body)?;
        entries.entry(customer).or_default().push(entry);
    }
    Ok(entries)
}
