//! Dead letters: events that could not be used, kept for whoever mends their producer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::session::{instant, json_arg, read_json};
use super::{Store, StoreError};
use crate::domain::event::UnusableReason;

/// An event that cannot be used, as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    pub id: String,
    pub received_at: DateTime<Utc>,
    /// Where it came from, for instance a queue's name or `http`.
    pub origin: String,
    pub reason: UnusableReason,
    pub detail: String,
    pub headers: Value,
    /// The bytes as they came: they need not be text.
    pub body: Vec<u8>,
}

type Fields = (String, DateTime<Utc>, String, String, String, String, String);

impl Store {
    /// Keeps a dead letter; one with a known id stays as it is.
    pub async fn park(&self, letter: &DeadLetter) -> Result<(), StoreError> {
        let row = json!({
            "id": letter.id,
            "received_at": instant(letter.received_at),
            "origin": letter.origin,
            "reason": letter.reason.as_str(),
            "detail": letter.detail,
            "headers": letter.headers,
            "body": STANDARD.encode(&letter.body),
        });
        let mut session = self.writing().await?;
        let table = session.dialect().rows(
            1,
            &[
                ("id", "text"),
                ("received_at", "timestamptz"),
                ("origin", "text"),
                ("reason", "text"),
                ("detail", "text"),
                ("headers", "json"),
                ("body", "text"),
            ],
        );
        let sql = format!(
            "INSERT INTO dead_letters (id, received_at, origin, reason, detail, headers, body)
             SELECT id, received_at, origin, reason, detail, COALESCE(headers, 'null'), body
             FROM {table} WHERE true ON CONFLICT DO NOTHING"
        );
        session.exec(sql, vec![json_arg(&[row])?]).await.map(drop)
    }

    /// The newest dead letters, newest first.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let sql =
            "SELECT id, received_at, origin, reason, detail, CAST(headers AS text), body FROM dead_letters
             ORDER BY received_at DESC, id DESC LIMIT $1";
        let rows: Vec<Fields> = self.reading().await?.fetch(sql, vec![i64::from(limit).into()]).await?;
        rows.into_iter().map(read).collect()
    }
}

fn read((id, received_at, origin, reason, detail, headers, body): Fields) -> Result<DeadLetter, StoreError> {
    let row = || id.clone();
    let reason = read_json("dead_letters", row, "reason", &Value::from(reason).to_string())?;
    let headers = read_json("dead_letters", row, "headers", &headers)?;
    let body = STANDARD.decode(body).map_err(|e| StoreError::Corrupt {
        table: "dead_letters",
        row: id.clone(),
        column: "body".to_owned(),
        detail: e.to_string(),
    })?;
    Ok(DeadLetter { id, received_at, origin, reason, detail, headers, body })
}
