//! What SMS providers tell: the parts they know messages by, their receipts, and what customers wrote back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::messages::{self, READ};
use super::session::{Session, instant, json_arg};
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

/// Notes the names of parts. A provider that begins to count anew gives an old name to a new part, which then holds.
pub(super) async fn insert_parts(session: &mut Session, parts: &[SmsPart]) -> Result<(), StoreError> {
    if parts.is_empty() {
        return Ok(());
    }
    let rows: BTreeMap<&str, Value> = parts
        .iter()
        .map(|p| {
            let row = json!({
                "provider_id": p.provider_id, "customer_id": p.customer_id, "message_id": p.message_id,
                "part": p.part, "parts": p.parts, "sent_at": instant(p.sent_at),
            });
            (p.provider_id.as_str(), row)
        })
        .collect();
    let rows: Vec<_> = rows.into_values().collect();
    let table = session.dialect().rows(
        1,
        &[
            ("provider_id", "text"),
            ("customer_id", "text"),
            ("message_id", "text"),
            ("part", "bigint"),
            ("parts", "bigint"),
            ("sent_at", "timestamptz"),
        ],
    );
    let sql = format!(
        "INSERT INTO sms_parts (provider_id, customer_id, message_id, part, parts, state, sent_at)
         SELECT provider_id, customer_id, message_id, part, parts, 'pending', sent_at FROM {table} WHERE true
         ON CONFLICT (provider_id) DO UPDATE SET customer_id = excluded.customer_id,
             message_id = excluded.message_id, part = excluded.part, parts = excluded.parts,
             state = excluded.state, sent_at = excluded.sent_at"
    );
    session.exec(sql, vec![json_arg(&rows)?]).await.map(drop)
}

impl Store {
    /// Keeps receipts until they are settled; the newest word about a part holds.
    pub async fn keep_receipts(&self, receipts: &[ReceiptRow]) -> Result<(), StoreError> {
        let newest: BTreeMap<&str, Value> = receipts
            .iter()
            .map(|r| {
                let row = json!({
                    "provider_id": r.provider_id, "state": r.state, "at": instant(r.at), "detail": r.detail,
                });
                (r.provider_id.as_str(), row)
            })
            .collect();
        if newest.is_empty() {
            return Ok(());
        }
        let mut session = self.writing().await?;
        let rows: Vec<_> = newest.into_values().collect();
        let table = session.dialect().rows(
            1,
            &[("provider_id", "text"), ("state", "text"), ("at", "timestamptz"), ("detail", "text")],
        );
        let sql = format!(
            "INSERT INTO sms_receipts (provider_id, state, at, detail, received_at)
             SELECT provider_id, state, at, detail, $2 FROM {table} WHERE true
             ON CONFLICT (provider_id) DO UPDATE SET state = excluded.state, at = excluded.at,
                 detail = excluded.detail, received_at = excluded.received_at"
        );
        let now = session.now;
        session.exec(sql, vec![json_arg(&rows)?, now.into()]).await.map(drop)
    }

    /// Keeps what came from a telephone; one known already stays as it is.
    pub async fn keep_inbound(&self, inbound: &[InboundRow]) -> Result<(), StoreError> {
        if inbound.is_empty() {
            return Ok(());
        }
        let mut session = self.writing().await?;
        let rows: BTreeMap<&str, Value> = inbound
            .iter()
            .map(|i| {
                let row = json!({
                    "id": i.id, "sender": i.sender, "recipient": i.recipient, "body": i.body,
                    "at": instant(i.at), "meaning": i.meaning, "customers": i.customers,
                });
                (i.id.as_str(), row)
            })
            .collect();
        let rows: Vec<_> = rows.into_values().collect();
        let table = session.dialect().rows(
            1,
            &[
                ("id", "text"),
                ("sender", "text"),
                ("recipient", "text"),
                ("body", "text"),
                ("at", "timestamptz"),
                ("meaning", "text"),
                ("customers", "bigint"),
            ],
        );
        let sql = format!(
            "INSERT INTO sms_inbound (id, sender, recipient, body, at, received_at, meaning, customers)
             SELECT id, sender, recipient, body, at, $2, meaning, customers FROM {table} WHERE true
             ON CONFLICT DO NOTHING"
        );
        let now = session.now;
        session.exec(sql, vec![json_arg(&rows)?, now.into()]).await.map(drop)
    }

    /// The customers who have this number, in id order.
    pub async fn customers_by_phone(&self, e164: &str) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT customer_id FROM customers WHERE phone = $1 ORDER BY customer_id";
        let rows: Vec<(String,)> = self.reading().await?.fetch(sql, vec![e164.into()]).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
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
    /// concerned that are still `sent`, with the states of all their parts; none when no receipt was waiting. Two
    /// workers take different receipts.
    pub async fn settle_receipts(&mut self, limit: u32) -> Result<Option<Receipts>, StoreError> {
        let session = &mut self.session;
        let d = session.dialect();
        // A receipt from before the part was sent belongs to an older part of the same name.
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
        let rows: Vec<_> =
            taken.iter().map(|(id, state, ..)| json!({ "provider_id": id, "state": state })).collect();
        let table = d.rows(1, &[("provider_id", "text"), ("state", "text")]);
        let sql = format!(
            "UPDATE sms_parts SET state = r.state FROM {table} WHERE sms_parts.provider_id = r.provider_id"
        );
        session.exec(sql, vec![json_arg(&rows)?]).await?;
        let ids: Vec<&str> = taken.iter().map(|(id, ..)| id.as_str()).collect();
        let sql = format!("DELETE FROM sms_receipts WHERE provider_id {}", d.among(1));
        session.exec(sql, vec![json_arg(&ids)?]).await?;

        let details: BTreeMap<&str, &Option<String>> =
            taken.iter().map(|(_, _, detail, _, message)| (message.as_str(), detail)).collect();
        let messages: Vec<&str> = details.keys().copied().collect();
        let sql =
            format!("SELECT message_id, state FROM sms_parts WHERE message_id {} ORDER BY part", d.among(1));
        let parts: Vec<(String, String)> = session.fetch(sql, vec![json_arg(&messages)?]).await?;
        let sql = format!("SELECT {READ} FROM messages WHERE id {} AND state = 'sent'", d.among(1));
        let sent = load_each(session, sql, vec![json_arg(&messages)?]).await?;
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
        messages::update(&mut self.session, messages, "sent".into(), sent, None).await
    }
}
