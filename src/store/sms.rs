//! What SMS providers tell: the parts they know messages by, their receipts, and what customers wrote back.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::args::Arg;
use super::messages::{self, READ};
use super::rows::Rows;
use super::sealed::Sought;
use super::session::{Dialect, Session};
use super::unreadable::load_each;
use super::{Store, StoreError, Tx};
use crate::domain::message::Message;

/// One part of a message, by the provider's name for it.
#[derive(Debug, Clone, PartialEq)]
pub struct SmsPart {
    pub provider_id: String,
    pub customer_id: String,
    pub message_id: String,
    /// From 1.
    pub part: usize,
    pub parts: usize,
    pub sent_at: DateTime<Utc>,
}

/// A provider's word about a part: `delivered`, `failed` or `bad_address`.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceiptRow {
    pub provider_id: String,
    pub state: &'static str,
    pub at: DateTime<Utc>,
    pub detail: Option<String>,
}

/// A message whose parts have been reported on, with the state of each part and the last detail.
#[derive(Debug, Clone, PartialEq)]
pub struct SettledReceipt {
    pub message: Message,
    pub parts: Vec<String>,
    pub detail: Option<String>,
}

/// What some receipts mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Receipts {
    pub settled: Vec<SettledReceipt>,
    /// Messages that cannot be read: the receipts are noted on their parts, and nothing else follows from them.
    pub unreadable: Vec<Message>,
}

/// A message from a telephone, as it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundRow {
    pub id: String,
    pub sender: String,
    pub recipient: String,
    pub body: String,
    pub at: DateTime<Utc>,
    /// `stop` or `other`.
    pub meaning: &'static str,
    pub customers: usize,
}

/// How much earlier than the record of its part a receipt may have been kept: the provider may be faster than our record
/// of its answer, which waits for a database that is away, and the clocks of two workers differ.
const AHEAD: TimeDelta = TimeDelta::hours(1);

/// Who has a number, in one of the forms `$2`: 0, or had it when an SMS went there: 1.
fn by_number(d: Dialect) -> String {
    format!(
        "SELECT customer_id, MIN(former) FROM (
             SELECT customer_id, CAST(0 AS bigint) AS former FROM customers WHERE phone {}
             UNION ALL
             SELECT customer_id, CAST(1 AS bigint) AS former FROM messages
             WHERE channel = 'sms' AND body->>'address' = $1) AS found
         GROUP BY customer_id ORDER BY MIN(former), customer_id",
        d.among(2)
    )
}

/// Notes the names of parts. A provider that begins to count anew gives an old name to a new part, which then holds.
pub(super) async fn insert_parts(session: &mut Session, parts: &[SmsPart]) -> Result<(), StoreError> {
    if parts.is_empty() {
        return Ok(());
    }
    let newest: BTreeMap<&str, &SmsPart> = parts.iter().map(|p| (p.provider_id.as_str(), p)).collect();
    let names = Arg::list(newest.keys());
    let newest: Vec<&SmsPart> = newest.into_values().collect();
    // A receipt from well before the part was sent is about an older part of the same name.
    let earliest = parts.iter().map(|p| p.sent_at).min().unwrap_or(session.now) - AHEAD;
    let d = session.dialect();
    let sql = format!("DELETE FROM sms_receipts WHERE provider_id {} AND received_at < $2", d.among(1));
    session.exec(sql, vec![names, earliest.into()]).await?;
    let (table, args) = Rows::of(&newest)
        .text("provider_id", |p| p.provider_id.as_str())
        .text("customer_id", |p| p.customer_id.as_str())
        .text("message_id", |p| p.message_id.as_str())
        .int("part", |p| p.part as i64)
        .int("parts", |p| p.parts as i64)
        .time("sent_at", |p| p.sent_at)
        .after(Vec::new(), d);
    let sql = format!(
        "INSERT INTO sms_parts (provider_id, customer_id, message_id, part, parts, state, sent_at)
         SELECT provider_id, customer_id, message_id, part, parts, 'pending', sent_at FROM {table} WHERE true
         ON CONFLICT (provider_id) DO UPDATE SET customer_id = excluded.customer_id,
             message_id = excluded.message_id, part = excluded.part, parts = excluded.parts,
             state = excluded.state, sent_at = excluded.sent_at"
    );
    session.exec(sql, args).await.map(drop)
}

impl Store {
    /// Keeps receipts until they are settled; the newest word about a part holds.
    pub async fn keep_receipts(&self, receipts: &[ReceiptRow]) -> Result<(), StoreError> {
        let newest: BTreeMap<&str, &ReceiptRow> =
            receipts.iter().map(|r| (r.provider_id.as_str(), r)).collect();
        if newest.is_empty() {
            return Ok(());
        }
        let newest: Vec<&ReceiptRow> = newest.into_values().collect();
        let mut session = self.writing().await?;
        let (table, args) = Rows::of(&newest)
            .text("provider_id", |r| r.provider_id.as_str())
            .text("state", |r| r.state)
            .time("at", |r| r.at)
            .text("detail", |r| r.detail.as_deref())
            .after(vec![session.now.into()], session.dialect());
        let sql = format!(
            "INSERT INTO sms_receipts (provider_id, state, at, detail, received_at)
             SELECT provider_id, state, at, detail, $1 FROM {table} WHERE true
             ON CONFLICT (provider_id) DO UPDATE SET state = excluded.state, at = excluded.at,
                 detail = excluded.detail, received_at = excluded.received_at"
        );
        session.exec(sql, args).await.map(drop)
    }

    /// Keeps what came from a telephone; one known already stays as it is.
    pub async fn keep_inbound(&self, inbound: &[InboundRow]) -> Result<(), StoreError> {
        if inbound.is_empty() {
            return Ok(());
        }
        let mut session = self.writing().await?;
        let mut sorted: Vec<&InboundRow> = inbound.iter().collect();
        sorted.sort_by_key(|i| &i.id);
        let (table, args) = Rows::of(&sorted)
            .text("id", |i| i.id.as_str())
            .text("sender", |i| i.sender.as_str())
            .text("recipient", |i| i.recipient.as_str())
            .text("body", |i| i.body.as_str())
            .time("at", |i| i.at)
            .text("meaning", |i| i.meaning)
            .int("customers", |i| i.customers as i64)
            .after(vec![session.now.into()], session.dialect());
        let sql = format!(
            "INSERT INTO sms_inbound (id, sender, recipient, body, at, received_at, meaning, customers)
             SELECT id, sender, recipient, body, at, $1, meaning, customers FROM {table} WHERE true
             ON CONFLICT DO NOTHING"
        );
        session.exec(sql, args).await.map(drop)
    }

    /// The customers who have this number, in id order, and after them those who had it when an SMS went there.
    pub async fn customers_by_phone(&self, e164: &str) -> Result<Vec<String>, StoreError> {
        let mut session = self.reading().await?;
        let kept_as = Arg::list(session.vault.customers.all_kept_as(Sought::Phone, e164));
        let sql = by_number(session.dialect());
        let rows: Vec<(String, i64)> = session.fetch(sql, vec![e164.into(), kept_as]).await?;
        Ok(rows.into_iter().map(|(id, _)| id).collect())
    }

    /// Forgets receipts that nobody waited for and parts that nothing was reported of, older than `before`.
    pub async fn forget_receipts(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut session = self.writing().await?;
        let receipts = session.exec("DELETE FROM sms_receipts WHERE received_at < $1", vec![before.into()]);
        let gone = receipts.await?;
        let parts = session.exec("DELETE FROM sms_parts WHERE sent_at < $1", vec![before.into()]).await?;
        Ok(gone + parts)
    }
}

impl Tx {
    /// Takes up to `limit` receipts whose parts are known, notes them on the parts, and returns the messages
    /// concerned that are still `sent`, locked, with the states of all their parts; none when no receipt was waiting.
    /// Two workers take different receipts; of one message, the second waits for the first and sees what it noted.
    pub async fn settle_receipts(&mut self, limit: u32) -> Result<Option<Receipts>, StoreError> {
        let session = &mut self.session;
        let d = session.dialect();
        let sql = format!(
            "SELECT r.provider_id, r.state, r.detail, p.customer_id, p.message_id
             FROM sms_receipts r JOIN sms_parts p ON p.provider_id = r.provider_id
             ORDER BY r.received_at, r.provider_id LIMIT $1 {}",
            d.lock("FOR UPDATE OF r SKIP LOCKED")
        );
        type Fields = (String, String, Option<String>, String, String);
        let taken: Vec<Fields> = session.fetch(sql, vec![i64::from(limit).into()]).await?;
        if taken.is_empty() {
            return Ok(None);
        }
        let details: BTreeMap<&str, &Option<String>> =
            taken.iter().map(|(_, _, detail, _, message)| (message.as_str(), detail)).collect();
        let messages: Vec<&str> = details.keys().copied().collect();
        let customers: BTreeSet<&str> =
            taken.iter().map(|(_, _, _, customer, _)| customer.as_str()).collect();
        // By customer first: the indexes begin with it, and so does whatever distributes the tables.
        let args = vec![Arg::list(&customers), Arg::list(&messages)];
        // The lock before anything is noted on parts, and their states read after it, in a statement of their own: two
        // workers that settle the last two parts of one message would each see the other's as pending.
        let sql = format!(
            "SELECT {READ} FROM messages WHERE customer_id {} AND id {} AND state = 'sent' ORDER BY customer_id, id {}",
            d.among(1),
            d.among(2),
            d.lock("FOR UPDATE")
        );
        let sent = load_each(session, sql, args.clone()).await?;

        let (table, noted) = Rows::of(&taken)
            .text("provider_id", |(id, ..)| id.as_str())
            .text("state", |(_, state, ..)| state.as_str())
            .after(Vec::new(), d);
        let sql = format!(
            "UPDATE sms_parts SET state = r.state FROM {table} WHERE sms_parts.provider_id = r.provider_id"
        );
        session.exec(sql, noted).await?;
        let ids = Arg::list(taken.iter().map(|(id, ..)| id));
        let sql = format!("DELETE FROM sms_receipts WHERE provider_id {}", d.among(1));
        session.exec(sql, vec![ids]).await?;
        let sql = format!(
            "SELECT message_id, state FROM sms_parts WHERE customer_id {} AND message_id {} ORDER BY part",
            d.among(1),
            d.among(2)
        );
        let parts: Vec<(String, String)> = session.fetch(sql, args).await?;
        let settled = sent
            .messages
            .into_iter()
            .map(|message| SettledReceipt {
                parts: parts.iter().filter(|(id, _)| *id == message.id).map(|(_, s)| s.clone()).collect(),
                detail: details.get(message.id.as_str()).copied().cloned().flatten(),
                message,
            })
            .collect();
        Ok(Some(Receipts { settled, unreadable: sent.unreadable }))
    }

    /// Writes what receipts say of messages that are still `sent`; returns the ids written.
    pub async fn record_receipts(&mut self, messages: &[Message]) -> Result<Vec<String>, StoreError> {
        let sent = "messages.state = $2";
        messages::update(&mut self.session, messages, "sent".into(), sent).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_number_is_looked_up_in_indexes() {
        let store = Store::open("sqlite::memory:", 1).await.unwrap();
        store.migrate().await.unwrap();
        let mut session = store.writing().await.unwrap();
        let sql = format!("EXPLAIN QUERY PLAN {}", by_number(session.dialect()));
        let args = vec!["+33612345678".into(), Arg::list(["+33612345678", "hash:1"])];
        let plan: Vec<(i64, i64, i64, String)> = session.fetch(sql, args).await.unwrap();
        for index in ["customers_by_phone (phone=?)", "messages_by_number (<expr>=?)"] {
            assert!(plan.iter().any(|(.., words)| words.contains(index)), "{index} in {plan:#?}");
        }
    }
}
