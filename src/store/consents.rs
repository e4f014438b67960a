//! The consent ledger: append-only, which a trigger in each database enforces.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::StoreError;
use super::session::{Session, instant, json_arg, read_json};
use crate::domain::consent::{ConsentFact, Ledger};

#[derive(Serialize)]
struct Row<'a> {
    customer_id: &'a str,
    event_source: &'a str,
    event_id: &'a str,
    channel: &'a str,
    purpose: &'a str,
    status: &'a str,
    at: String,
    proof: &'a Map<String, Value>,
}

/// Adds facts; those known already stay as they are.
pub(super) async fn append(session: &mut Session, facts: &[(String, ConsentFact)]) -> Result<(), StoreError> {
    if facts.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = facts
        .iter()
        .map(|(customer, fact)| Row {
            customer_id: customer,
            event_source: &fact.event_source,
            event_id: &fact.event_id,
            channel: fact.channel.as_str(),
            purpose: &fact.purpose,
            status: fact.status.as_str(),
            at: instant(fact.at),
            proof: &fact.proof,
        })
        .collect();
    let table = session.dialect().rows(
        1,
        &[
            ("customer_id", "text"),
            ("event_source", "text"),
            ("event_id", "text"),
            ("channel", "text"),
            ("purpose", "text"),
            ("status", "text"),
            ("at", "timestamptz"),
            ("proof", "json"),
        ],
    );
    let sql = format!(
        "INSERT INTO consents (customer_id, event_source, event_id, channel, purpose, status, at, proof, recorded_at)
         SELECT customer_id, event_source, event_id, channel, purpose, status, at, proof, $2
         FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    let now = session.now;
    session.exec(sql, vec![json_arg(&rows)?, now.into()]).await.map(drop)
}

/// The ledgers of these customers; a customer without facts has no item.
pub(super) async fn ledgers(
    session: &mut Session,
    customers: &[String],
) -> Result<BTreeMap<String, Ledger>, StoreError> {
    let sql = format!(
        "SELECT customer_id, event_source, event_id, channel, purpose, status, at, CAST(proof AS text) FROM consents
         WHERE customer_id {} ORDER BY customer_id, at, event_source, event_id, channel, purpose",
        session.dialect().among(1)
    );
    type Fields = (String, String, String, String, String, String, DateTime<Utc>, String);
    let rows: Vec<Fields> = session.fetch(sql, vec![json_arg(customers)?]).await?;
    let mut ledgers: BTreeMap<String, Ledger> = BTreeMap::new();
    for (customer, event_source, event_id, channel, purpose, status, at, proof) in rows {
        let row = || format!("{customer}/{event_source}/{event_id}");
        let fact = ConsentFact {
            channel: read_json("consents", row, "channel", &quoted(&channel))?,
            status: read_json("consents", row, "status", &quoted(&status))?,
            proof: read_json("consents", row, "proof", &proof)?,
            purpose,
            at,
            event_source,
            event_id,
        };
        ledgers.entry(customer).or_default().0.push(fact);
    }
    Ok(ledgers)
}

/// A column's word as the JSON that the domain's enums are read from.
fn quoted(word: &str) -> String {
    Value::from(word).to_string()
}
