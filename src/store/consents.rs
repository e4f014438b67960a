//! The consent ledger: append-only, which a trigger in each database enforces, and a chain, which whoever has the secret
//! can check. Proofs are sealed with a key of each customer's own, which goes when they are erased.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::args::{Arg, json_text};
use super::rows::Rows;
use super::session::{Session, read_json};
use super::vault::{Vault, new_key};
use super::{Store, StoreError};
use crate::domain::chain::{self, End, Line};
use crate::domain::consent::{ConsentFact, ConsentStatus, Ledger};

/// Where a customer's ledger ends, and the key of its proofs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chained {
    pub(super) end: End,
    /// None before the first proof, and after an erasure.
    pub(super) key: Option<String>,
    /// Whether this transaction has lengthened it.
    pub(super) is_longer: bool,
}

/// A customer's ledger as it is kept, for whoever verifies it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptLedger {
    pub customer_id: String,
    pub lines: Vec<Line>,
    pub end: End,
    /// The customer was erased once, and the proofs from before with them.
    pub was_erased: bool,
    /// The whole ledger up to some time was deleted, since its retention was over.
    pub was_over: bool,
}

/// The lines that these facts become, linked to the ledgers of their customers, which must have been locked.
pub(super) fn link(
    vault: &Vault,
    ledgers: &mut BTreeMap<String, Chained>,
    facts: Vec<&(String, ConsentFact)>,
    now: DateTime<Utc>,
) -> Result<Vec<(String, Line)>, StoreError> {
    let mut lines = Vec::with_capacity(facts.len());
    for (customer, fact) in facts {
        let ledger = ledgers.entry(customer.clone()).or_default();
        let sealed = match fact.proof.is_empty() {
            true => None,
            false => {
                let key = match &mut ledger.key {
                    Some(key) => key,
                    none => none.insert(new_key()?),
                };
                Some(vault.seal(key, &json_text(&fact.proof)?)?)
            }
        };
        let mut line = Line {
            fact: fact.clone(),
            recorded_at: now,
            sequence: Some(ledger.end.length + 1),
            commitment: sealed.as_deref().map(chain::commitment).unwrap_or_default(),
            sealed,
            hash: String::new(),
        };
        line.hash = chain::hash(vault.ledger_key()?, customer, &line, &ledger.end.head);
        ledger.end = End { length: ledger.end.length + 1, head: line.hash.clone() };
        ledger.is_longer = true;
        lines.push((customer.clone(), line));
    }
    Ok(lines)
}

/// Those of these facts that are not in the ledger yet, each once; `unknown` customers have none.
pub(super) async fn new_among<'a>(
    session: &mut Session,
    facts: &'a [(String, ConsentFact)],
    unknown: &BTreeSet<String>,
) -> Result<Vec<&'a (String, ConsentFact)>, StoreError> {
    let known: Vec<&(String, ConsentFact)> =
        facts.iter().filter(|(customer, _)| !unknown.contains(customer)).collect();
    let mut there: BTreeSet<Key> = BTreeSet::new();
    if !known.is_empty() {
        let (table, args) = Rows::of(&known)
            .text("customer_id", |(customer, _)| customer.as_str())
            .text("event_source", |(_, fact)| fact.event_source.as_str())
            .text("event_id", |(_, fact)| fact.event_id.as_str())
            .after(Vec::new(), session.dialect());
        let sql = format!(
            "SELECT c.customer_id, c.event_source, c.event_id, c.channel, c.purpose FROM {table}
             JOIN consents c ON c.customer_id = r.customer_id AND c.event_source = r.event_source
                  AND c.event_id = r.event_id"
        );
        there.extend(session.fetch::<Key>(sql, args).await?);
    }
    Ok(facts.iter().filter(|(customer, fact)| there.insert(key(customer, fact))).collect())
}

type Key = (String, String, String, String, String);

fn key(customer: &str, fact: &ConsentFact) -> Key {
    let ConsentFact { event_source, event_id, channel, purpose, .. } = fact;
    (
        customer.to_owned(),
        event_source.clone(),
        event_id.clone(),
        channel.as_str().to_owned(),
        purpose.clone(),
    )
}

/// Adds lines that [`link`] has made.
pub(super) async fn append(session: &mut Session, lines: &[(String, Line)]) -> Result<(), StoreError> {
    if lines.is_empty() {
        return Ok(());
    }
    let (table, args) = Rows::of(lines)
        .text("customer_id", |(customer, _)| customer.as_str())
        .text("event_source", |(_, line)| line.fact.event_source.as_str())
        .text("event_id", |(_, line)| line.fact.event_id.as_str())
        .text("channel", |(_, line)| line.fact.channel.as_str())
        .text("purpose", |(_, line)| line.fact.purpose.as_str())
        .text("status", |(_, line)| line.fact.status.as_str())
        .time("at", |(_, line)| line.fact.at)
        .time("shown_at", |(_, line)| line.fact.shown_at)
        .text("said", |(_, line)| line.fact.said.map(ConsentStatus::as_str))
        .int("sequence", |(_, line)| line.sequence.unwrap_or_default())
        .text("sealed", |(_, line)| line.sealed.as_deref())
        .text("commitment", |(_, line)| line.commitment.as_str())
        .text("hash", |(_, line)| line.hash.as_str())
        .after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "INSERT INTO consents (customer_id, event_source, event_id, channel, purpose, status, at, shown_at, said, proof,
                               recorded_at, sequence, sealed, commitment, hash)
         SELECT customer_id, event_source, event_id, channel, purpose, status, at, shown_at, said, '{{}}', $1,
                sequence, sealed, commitment, hash
         FROM {table} WHERE true"
    );
    session.exec(sql, args).await.map(drop)
}

/// The ledgers of these customers, without proofs, which decide nothing; a customer without facts has no item.
pub(super) async fn ledgers(
    session: &mut Session,
    customers: &[String],
) -> Result<BTreeMap<String, Ledger>, StoreError> {
    let sql = format!(
        "SELECT customer_id, event_source, event_id, channel, purpose, status, at, shown_at, said FROM consents
         WHERE customer_id {} ORDER BY customer_id, at, event_source, event_id, channel, purpose",
        session.dialect().among(1)
    );
    type Fields = (
        String,
        String,
        String,
        String,
        String,
        String,
        DateTime<Utc>,
        Option<DateTime<Utc>>,
        Option<String>,
    );
    let rows: Vec<Fields> = session.fetch(sql, vec![Arg::list(customers)]).await?;
    let mut ledgers: BTreeMap<String, Ledger> = BTreeMap::new();
    for (customer, source, id, channel, purpose, status, at, shown_at, said) in rows {
        let fact = read_fact(&customer, [source, id, channel, purpose, status], at, shown_at, said)?;
        ledgers.entry(customer).or_default().0.push(fact);
    }
    Ok(ledgers)
}

/// A customer's ledger with its proofs, as far as they are kept and our keys open them.
pub(super) async fn with_proofs(session: &mut Session, customer: &str) -> Result<Ledger, StoreError> {
    let key = "SELECT COALESCE(ledger_key, '') FROM customers WHERE customer_id = $1";
    let key: Option<(String,)> = session.first(key, vec![customer.into()]).await?;
    let key = key.map_or_else(String::new, |(key,)| key);
    let sql = "SELECT event_source, event_id, channel, purpose, status, at, shown_at, said, CAST(proof AS text), sealed
         FROM consents
         WHERE customer_id = $1 ORDER BY at, event_source, event_id, channel, purpose";
    type Fields = (
        String,
        String,
        String,
        String,
        String,
        DateTime<Utc>,
        Option<DateTime<Utc>>,
        Option<String>,
        String,
        Option<String>,
    );
    let rows: Vec<Fields> = session.fetch(sql, vec![customer.into()]).await?;
    let mut ledger = Ledger::default();
    for (source, id, channel, purpose, status, at, shown_at, said, proof, sealed) in rows {
        let mut fact = read_fact(customer, [source, id, channel, purpose, status], at, shown_at, said)?;
        fact.proof = match sealed.map(|sealed| session.vault.open(&key, &sealed)) {
            None => read_json("consents", || customer.to_owned(), "proof", &proof)?,
            Some(Some(opened)) => read_json("consents", || customer.to_owned(), "sealed", &opened)?,
            // It is there, and whoever reads it must not take it for nothing.
            Some(None) => Map::from_iter([("sealed".to_owned(), Value::from("with another secret"))]),
        };
        ledger.0.push(fact);
    }
    Ok(ledger)
}

fn read_fact(
    customer: &str,
    texts: [String; 5],
    at: DateTime<Utc>,
    shown_at: Option<DateTime<Utc>>,
    said: Option<String>,
) -> Result<ConsentFact, StoreError> {
    let [event_source, event_id, channel, purpose, status] = texts;
    let row = || format!("{customer}/{event_source}/{event_id}");
    Ok(ConsentFact {
        channel: read_json("consents", row, "channel", &quoted(&channel))?,
        status: read_json("consents", row, "status", &quoted(&status))?,
        said: said.map(|said| read_json("consents", row, "said", &quoted(&said))).transpose()?,
        proof: Map::new(),
        shown_at,
        purpose,
        at,
        event_source,
        event_id,
    })
}

/// A column's word as the JSON that the domain's enums are read from.
fn quoted(word: &str) -> String {
    Value::from(word).to_string()
}

impl Store {
    /// The keys with which the ledger's lines may have been hashed.
    pub fn ledger_keys(&self) -> Vec<Vec<u8>> {
        self.vault.ledger_keys()
    }

    /// The ledgers of the customers after `after`, in the order of their ids, for at most `limit` customers: those who have
    /// one, or should.
    pub async fn kept_ledgers(&self, after: &str, limit: u32) -> Result<Vec<KeptLedger>, StoreError> {
        let sql =
            "SELECT customer_id, ledger_length, ledger_head, forgotten_until, ledger_over_at FROM customers c
             WHERE customer_id > $1 AND (ledger_length > 0 OR ledger_over_at IS NOT NULL
                 OR EXISTS (SELECT 1 FROM consents f WHERE f.customer_id = c.customer_id))
             ORDER BY customer_id LIMIT $2";
        let mut session = self.reading().await?;
        load_kept(&mut session, sql, vec![after.into(), i64::from(limit).into()]).await
    }

    /// One customer's ledger; none of whom there is no customer of that id.
    pub async fn kept_ledger(&self, customer: &str) -> Result<Option<KeptLedger>, StoreError> {
        let sql =
            "SELECT customer_id, ledger_length, ledger_head, forgotten_until, ledger_over_at FROM customers
             WHERE customer_id = $1";
        let mut session = self.reading().await?;
        Ok(load_kept(&mut session, sql, vec![customer.into()]).await?.pop())
    }
}

async fn load_kept(
    session: &mut Session,
    sql: &'static str,
    args: Vec<Arg>,
) -> Result<Vec<KeptLedger>, StoreError> {
    type Fields = (String, i64, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let rows: Vec<Fields> = session.fetch(sql, args).await?;
    let ids: Vec<&str> = rows.iter().map(|(id, ..)| id.as_str()).collect();
    let mut lines = lines_of(session, &ids).await?;
    let kept = rows.into_iter().map(|(customer_id, length, head, forgotten_until, over)| KeptLedger {
        lines: lines.remove(&customer_id).unwrap_or_default(),
        end: End { length, head },
        was_erased: forgotten_until.is_some(),
        was_over: over.is_some(),
        customer_id,
    });
    Ok(kept.collect())
}

async fn lines_of(
    session: &mut Session,
    customers: &[&str],
) -> Result<BTreeMap<String, Vec<Line>>, StoreError> {
    let sql = format!(
        "SELECT customer_id, event_source, event_id, channel, purpose, status, at, recorded_at, shown_at, said, sequence,
                sealed, COALESCE(commitment, ''), COALESCE(hash, '')
         FROM consents WHERE customer_id {} ORDER BY customer_id, sequence",
        session.dialect().among(1)
    );
    type Fields = (
        String,
        String,
        String,
        String,
        String,
        String,
        DateTime<Utc>,
        DateTime<Utc>,
        Option<DateTime<Utc>>,
        Option<String>,
        Option<i64>,
        Option<String>,
        String,
        String,
    );
    let rows: Vec<Fields> = session.fetch(sql, vec![Arg::list(customers)]).await?;
    let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for row in rows {
        let (customer, source, id, channel, purpose, status, at, recorded_at, shown_at, said, ..) = row;
        let (.., sequence, sealed, commitment, hash) = row;
        let fact = read_fact(&customer, [source, id, channel, purpose, status], at, shown_at, said)?;
        let line = Line { fact, recorded_at, sequence, sealed, commitment, hash };
        lines.entry(customer).or_default().push(line);
    }
    Ok(lines)
}
