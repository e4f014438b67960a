//! The outbox of outcomes: what the shop and the CRM hear about messages, committed with what it tells of.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::session::{Session, instant, json_arg, read_json};
use super::{Store, StoreError};

/// One outcome event. Its id is derived from what it tells of, so that consumers can drop repetitions.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub id: String,
    pub customer_id: String,
    /// Its event type, for instance `message.sent`.
    pub kind: String,
    pub time: DateTime<Utc>,
    pub data: Value,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    customer_id: &'a str,
    kind: &'a str,
    time: String,
    data: &'a Value,
}

pub(super) async fn insert(session: &mut Session, outcomes: &[Outcome]) -> Result<(), StoreError> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<_> = outcomes
        .iter()
        .map(|o| Row {
            id: &o.id,
            customer_id: &o.customer_id,
            kind: &o.kind,
            time: instant(o.time),
            data: &o.data,
        })
        .collect();
    rows.sort_by_key(|r| r.id);
    let table = session.dialect().rows(
        1,
        &[
            ("id", "text"),
            ("customer_id", "text"),
            ("kind", "text"),
            ("time", "timestamptz"),
            ("data", "json"),
        ],
    );
    let sql = format!(
        "INSERT INTO outcomes (id, customer_id, kind, time, data, created_at)
         SELECT id, customer_id, kind, time, data, $2 FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    let now = session.now;
    session.exec(sql, vec![json_arg(&rows)?, now.into()]).await.map(drop)
}

impl Store {
    /// Outcomes not published yet, oldest first. Two workers may be given the same ones: publishing is at least once.
    pub async fn unpublished_outcomes(&self, limit: u32) -> Result<Vec<Outcome>, StoreError> {
        type Fields = (String, String, String, DateTime<Utc>, Option<String>);
        let sql = "SELECT id, customer_id, kind, time, CAST(data AS text) FROM outcomes
             WHERE published_at IS NULL ORDER BY created_at, id LIMIT $1";
        let rows: Vec<Fields> = self.reading().await?.fetch(sql, vec![i64::from(limit).into()]).await?;
        rows.into_iter()
            .map(|(id, customer_id, kind, time, data)| {
                let data = match data {
                    Some(text) => read_json("outcomes", || id.clone(), "data", &text)?,
                    None => Value::Null,
                };
                Ok(Outcome { id, customer_id, kind, time, data })
            })
            .collect()
    }

    /// Notes that these were published and confirmed; of an erased customer the data goes now.
    pub async fn mark_published(&self, ids: &[String]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut session = self.writing().await?;
        let sql = format!(
            "UPDATE outcomes SET published_at = $2, data = CASE WHEN EXISTS (
                 SELECT 1 FROM customers c WHERE c.customer_id = outcomes.customer_id AND c.erased_at IS NOT NULL)
                 THEN NULL ELSE data END
             WHERE id {} AND published_at IS NULL",
            session.dialect().among(1)
        );
        let now = session.now;
        session.exec(sql, vec![json_arg(ids)?, now.into()]).await.map(drop)
    }
}
