//! The outbox of outcomes: what the shop and the CRM hear about messages, committed with what it tells of.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::args::Arg;
use super::rows::Rows;
use super::session::{Session, read_json};
use super::{Store, StoreError};
use crate::domain::outcome::Outcome;
use crate::domain::trace::Trace;

pub(super) async fn insert(session: &mut Session, outcomes: &[Outcome]) -> Result<(), StoreError> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
    sorted.sort_by_key(|o| &o.id);
    let traces: Vec<Option<String>> = sorted.iter().map(|o| o.trace.map(|t| t.to_string())).collect();
    let sorted: Vec<(&Outcome, Option<&str>)> =
        sorted.into_iter().zip(traces.iter().map(Option::as_deref)).collect();
    let (table, args) = Rows::of(&sorted)
        .text("id", |(o, _)| o.id.as_str())
        .text("customer_id", |(o, _)| o.customer_id.as_str())
        .text("kind", |(o, _)| o.kind.as_str())
        .time("time", |(o, _)| o.time)
        .json("data", |(o, _)| &o.data)?
        .text("traceparent", |(_, trace)| *trace)
        .after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "INSERT INTO outcomes (id, customer_id, kind, time, data, traceparent, created_at)
         SELECT id, customer_id, kind, time, data, traceparent, $1 FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, args).await.map(drop)
}

/// Outcomes that wait.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unpublished {
    pub outcomes: Vec<Outcome>,
    /// Those that cannot be read, without their data, and why not.
    pub unreadable: Vec<(Outcome, String)>,
}

impl Store {
    /// Outcomes not published yet, oldest first. Two workers may be given the same ones: publishing is at least once.
    pub async fn unpublished_outcomes(&self, limit: u32) -> Result<Unpublished, StoreError> {
        let sql = "SELECT id, customer_id, kind, time, CAST(data AS text), traceparent FROM outcomes
             WHERE published_at IS NULL ORDER BY created_at, id LIMIT $1";
        load(&mut self.reading().await?, sql.to_owned(), vec![i64::from(limit).into()]).await
    }

    /// Those of these outcomes that are not published yet.
    pub async fn unpublished_among(&self, ids: &[String]) -> Result<Unpublished, StoreError> {
        let mut session = self.reading().await?;
        let sql = format!(
            "SELECT id, customer_id, kind, time, CAST(data AS text), traceparent FROM outcomes
             WHERE published_at IS NULL AND id {} ORDER BY id",
            session.dialect().among(1)
        );
        load(&mut session, sql, vec![Arg::list(ids)]).await
    }

    /// Notes that these were published and confirmed; of an erased customer the data goes now. Found by their ids alone:
    /// asked for what is unpublished, PostgreSQL reads all of that while the table is new to it.
    pub async fn mark_published(&self, ids: &[String]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut session = self.writing().await?;
        let is_erased = "EXISTS (
                 SELECT 1 FROM customers c WHERE c.customer_id = outcomes.customer_id AND c.erased_at IS NOT NULL)";
        let sql = format!(
            "UPDATE outcomes SET published_at = $2, data = CASE WHEN {is_erased} THEN NULL ELSE data END,
                 traceparent = CASE WHEN {is_erased} THEN NULL ELSE traceparent END
             WHERE id {}",
            session.dialect().among(1)
        );
        let now = session.now;
        session.exec(sql, vec![Arg::list(ids), now.into()]).await.map(drop)
    }
}

async fn load(session: &mut Session, sql: String, args: Vec<Arg>) -> Result<Unpublished, StoreError> {
    type Fields = (String, String, String, DateTime<Utc>, Option<String>, Option<String>);
    let rows: Vec<Fields> = session.fetch(sql, args).await?;
    let mut found = Unpublished::default();
    for (id, customer_id, kind, time, data, trace) in rows {
        let read = data.map(|text| read_json("outcomes", || id.clone(), "data", &text)).transpose();
        let (data, error) = match read {
            Ok(data) => (data.unwrap_or(Value::Null), None),
            Err(error) => (Value::Null, Some(error.to_string())),
        };
        let trace = trace.as_deref().and_then(Trace::parse);
        let outcome = Outcome { id, customer_id, kind, time, data, trace };
        match error {
            None => found.outcomes.push(outcome),
            Some(words) => found.unreadable.push((outcome, words)),
        }
    }
    Ok(found)
}
