//! Events: every fact received, once.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::args::Arg;
use super::rows::Rows;
use super::session::{Session, read_json};
use super::{Store, StoreError, Tx};
use crate::domain::event::Event;
use crate::domain::snapshot::Fact;
use crate::domain::trace::Trace;

type Fields = (String, String, String, String, DateTime<Utc>, DateTime<Utc>, Option<String>, Option<String>);

/// What [`load`] reads.
const READ: &str = "customer_id, source, id, type, time, received_at, CAST(data AS text), traceparent";

impl Tx {
    /// Inserts those not known yet and says for each whether it was new. Of several with the same source, id and
    /// customer, only the first counts. Two transactions that insert the same event: the second waits for the first.
    pub async fn insert_events(
        &mut self,
        events: &[Event],
        received_at: DateTime<Utc>,
    ) -> Result<Vec<bool>, StoreError> {
        // Sorted by key, so that two batches that share events wait for each other in one order.
        let mut sorted: Vec<&Event> = events.iter().collect();
        sorted.sort_by(|a, b| key(a).cmp(&key(b)));
        sorted.dedup_by(|later, first| key(later) == key(first));
        if sorted.is_empty() {
            return Ok(Vec::new());
        }
        // Most come without: then the column stays as empty as it is.
        let traces: Vec<Option<String>> = sorted.iter().map(|e| e.trace.map(|t| t.to_string())).collect();
        let sorted: Vec<(&Event, Option<&str>)> =
            sorted.into_iter().zip(traces.iter().map(Option::as_deref)).collect();
        let (table, args) = Rows::of(&sorted)
            .text("customer_id", |(e, _)| e.subject.as_str())
            .text("source", |(e, _)| e.source.as_str())
            .text("id", |(e, _)| e.id.as_str())
            .text("type", |(e, _)| e.kind.as_str())
            .time("time", |(e, _)| e.time)
            .json("data", |(e, _)| &e.data)?
            .text("traceparent", |(_, trace)| *trace)
            .after(vec![received_at.into()], self.session.dialect());
        let sql = format!(
            "INSERT INTO events (customer_id, source, id, type, time, received_at, data, traceparent)
             SELECT customer_id, source, id, type, time, $1, data, traceparent FROM {table} WHERE true
             ON CONFLICT DO NOTHING RETURNING customer_id, source, id"
        );
        let new: Vec<(String, String, String)> = self.session.fetch(sql, args).await?;
        let mut new: HashSet<(&str, &str, &str)> =
            new.iter().map(|(c, s, i)| (c.as_str(), s.as_str(), i.as_str())).collect();
        Ok(events.iter().map(|e| new.remove(&key(e))).collect())
    }

    /// The events of these customers, of these types, at or after `since`, ordered by (time, source, id).
    pub async fn history(
        &mut self,
        customers: &[String],
        types: &[String],
        since: DateTime<Utc>,
    ) -> Result<Vec<Fact>, StoreError> {
        if customers.is_empty() || types.is_empty() {
            return Ok(Vec::new());
        }
        let d = self.session.dialect();
        let sql = format!(
            "SELECT {READ} FROM events
             WHERE customer_id {} AND type {} AND time >= $3 ORDER BY time, source, id",
            d.among(1),
            d.among(2)
        );
        load(&mut self.session, sql, vec![Arg::list(customers), Arg::list(types), since.into()]).await
    }
}

impl Store {
    /// A customer's newest events, of any type, newest first: for pages and `explain`.
    pub async fn events_of(&self, customer: &str, limit: u32) -> Result<Vec<Fact>, StoreError> {
        let sql = format!(
            "SELECT {READ} FROM events
             WHERE customer_id = $1 ORDER BY time DESC, source DESC, id DESC LIMIT $2"
        );
        let args = vec![customer.into(), i64::from(limit).into()];
        load(&mut self.reading().await?, sql, args).await
    }

    /// All events of these customers at or after `since`, of any type, ordered by (time, source, id).
    pub async fn events_since(
        &self,
        customers: &[String],
        since: DateTime<Utc>,
    ) -> Result<Vec<Fact>, StoreError> {
        let mut session = self.reading().await?;
        let sql = format!(
            "SELECT {READ} FROM events
             WHERE customer_id {} AND time >= $2 ORDER BY time, source, id",
            session.dialect().among(1)
        );
        load(&mut session, sql, vec![Arg::list(customers), since.into()]).await
    }
}

fn key(event: &Event) -> (&str, &str, &str) {
    (&event.subject, &event.source, &event.id)
}

async fn load(session: &mut Session, sql: String, args: Vec<Arg>) -> Result<Vec<Fact>, StoreError> {
    let rows: Vec<Fields> = session.fetch(sql, args).await?;
    rows.into_iter()
        .map(|(subject, source, id, kind, time, received_at, data, trace)| {
            let data = match data {
                Some(text) => read_json("events", || format!("{subject}/{source}/{id}"), "data", &text)?,
                None => Value::Null,
            };
            let trace = trace.as_deref().and_then(Trace::parse);
            Ok(Fact {
                event: Event { id, source, kind, subject, time, data: data.into(), trace },
                received_at,
            })
        })
        .collect()
}
