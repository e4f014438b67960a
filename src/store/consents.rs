//! The consent ledger: append-only, which a trigger in each database enforces.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::StoreError;
use super::args::Arg;
use super::rows::Rows;
use super::session::{Session, read_json};
use crate::domain::consent::{ConsentFact, Ledger};

/// Adds facts; those known already stay as they are.
pub(super) async fn append(session: &mut Session, facts: &[(String, ConsentFact)]) -> Result<(), StoreError> {
    if facts.is_empty() {
        return Ok(());
    }
    let (table, args) = Rows::of(facts)
        .text("customer_id", |(customer, _)| customer.as_str())
        .text("event_source", |(_, fact)| fact.event_source.as_str())
        .text("event_id", |(_, fact)| fact.event_id.as_str())
        .text("channel", |(_, fact)| fact.channel.as_str())
        .text("purpose", |(_, fact)| fact.purpose.as_str())
        .text("status", |(_, fact)| fact.status.as_str())
        .time("at", |(_, fact)| fact.at)
        .json("proof", |(_, fact)| &fact.proof)?
        .after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "INSERT INTO consents (customer_id, event_source, event_id, channel, purpose, status, at, proof, recorded_at)
         SELECT customer_id, event_source, event_id, channel, purpose, status, at, proof, $1
         FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, args).await.map(drop)
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
    let rows: Vec<Fields> = session.fetch(sql, vec![Arg::list(customers)]).await?;
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
