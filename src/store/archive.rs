//! The intermediate archive: rows that no daily work reads, sealed under each customer's own key.
//!
//! Retention puts them there, an export tells them, an erasure destroys them with their key. A customer is taken out again
//! when news of them comes.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::args::Arg;
use super::consents::Chained;
use super::customers::{self, CustomerState};
use super::rows::Rows;
use super::session::{Session, read_json};
use super::vault::new_key;
use super::{Changes, StoreError, Tx, profiles};
use crate::domain::customer::Profile;
use crate::domain::retention::Kind;
use crate::entropy;

/// A row on its way into the archive.
pub(super) struct Laid {
    pub(super) customer_id: String,
    /// The row as JSON.
    pub(super) row: String,
    /// Until when it is kept.
    pub(super) until: DateTime<Utc>,
}

/// What of a customer's own row is kept to make it again.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) profile: Profile,
    /// In E.164, as it had been read by the rules of then.
    pub(super) phone: Option<String>,
    pub(super) forgotten_until: Option<DateTime<Utc>>,
}

struct Sealed {
    customer_id: String,
    id: String,
    until: DateTime<Utc>,
    amount: i64,
    sealed: String,
}

/// Puts rows of one table into the archive. Their customers are locked, each with the key in `keys`; one without a key is
/// given one. What ends within one month goes together, and is kept until the last of it may go.
pub(super) async fn put(
    session: &mut Session,
    keys: &mut BTreeMap<String, Option<String>>,
    (kind, table): (Kind, &str),
    rows: Vec<Laid>,
) -> Result<(), StoreError> {
    let mut groups: BTreeMap<(String, i32, u32), Vec<Laid>> = BTreeMap::new();
    for laid in rows {
        let group = (laid.customer_id.clone(), laid.until.year(), laid.until.month());
        groups.entry(group).or_default().push(laid);
    }
    let mut sealed = Vec::with_capacity(groups.len());
    for ((customer_id, ..), rows) in groups {
        let key = key_of(session, keys, &customer_id).await?;
        let until = rows.iter().map(|laid| laid.until).max().unwrap_or(session.now);
        let texts: Vec<&str> = rows.iter().map(|laid| laid.row.as_str()).collect();
        let text = format!("{{\"{table}\":[{}]}}", texts.join(","));
        sealed.push(Sealed {
            id: entropy::token::<16>().map_err(|error| StoreError::Other(error.to_string()))?,
            sealed: session.vault.seal(&key, &text)?,
            amount: i64::try_from(rows.len()).unwrap_or(i64::MAX),
            customer_id,
            until,
        });
    }
    if sealed.is_empty() {
        return Ok(());
    }
    let (table, args) = Rows::of(&sealed)
        .text("customer_id", |s| s.customer_id.as_str())
        .text("id", |s| s.id.as_str())
        .time("until", |s| s.until)
        .int("amount", |s| s.amount)
        .text("sealed", |s| s.sealed.as_str())
        .after(vec![session.now.into(), kind.as_str().into()], session.dialect());
    let sql = format!(
        "INSERT INTO archive (customer_id, id, kind, since, until, amount, sealed)
         SELECT customer_id, id, $2, $1, until, amount, sealed FROM {table} WHERE true"
    );
    session.exec(sql, args).await.map(drop)
}

async fn key_of(
    session: &mut Session,
    keys: &mut BTreeMap<String, Option<String>>,
    customer: &str,
) -> Result<String, StoreError> {
    if let Some(Some(key)) = keys.get(customer) {
        return Ok(key.clone());
    }
    let key = new_key()?;
    let sql = "UPDATE customers SET ledger_key = $2 WHERE customer_id = $1";
    session.exec(sql, vec![customer.into(), key.as_str().into()]).await?;
    keys.insert(customer.to_owned(), Some(key.clone()));
    Ok(key)
}

/// A customer's archive, opened as far as our keys can: for whoever asks what is held of them.
pub(super) async fn opened(session: &mut Session, customer: &str) -> Result<Value, StoreError> {
    let key = "SELECT COALESCE(ledger_key, '') FROM customers WHERE customer_id = $1";
    let key: Option<(String,)> = session.first(key, vec![customer.into()]).await?;
    let key = key.map_or_else(String::new, |(key,)| key);
    let sql = "SELECT kind, since, until, sealed FROM archive WHERE customer_id = $1 ORDER BY since, id";
    let rows: Vec<(String, DateTime<Utc>, DateTime<Utc>, String)> =
        session.fetch(sql, vec![customer.into()]).await?;
    let mut told = Vec::with_capacity(rows.len());
    for (kind, since, until, sealed) in rows {
        let mut row = Map::new();
        row.insert("kind".to_owned(), kind.into());
        row.insert("since".to_owned(), since.to_rfc3339().into());
        row.insert("until".to_owned(), until.to_rfc3339().into());
        match session.vault.open(&key, &sealed) {
            Some(text) => row.extend(read_json::<Map<String, Value>>(
                "archive",
                || customer.to_owned(),
                "sealed",
                &text,
            )?),
            // It is there, and whoever reads it must not take it for nothing.
            None => _ = row.insert("sealed".to_owned(), "with another secret".into()),
        }
        told.push(Value::Object(row));
    }
    Ok(Value::Array(told))
}

impl Tx {
    /// Takes customers, locked and archived, out of the archive whole, and loads them anew: with their profile, addresses and
    /// consents, and what had been forgotten before. One whose profile no key of ours opens stays as it is, as good as
    /// erased, and is not among those returned.
    pub async fn bring_back(
        &mut self,
        ids: &[String],
        rules: &[String],
    ) -> Result<BTreeMap<String, CustomerState>, StoreError> {
        let session = &mut self.session;
        let sql = format!(
            "SELECT k.customer_id, k.sealed FROM archive AS k WHERE k.customer_id {} AND k.kind = 'customers'
             ORDER BY k.customer_id, k.since",
            session.dialect().among(1)
        );
        let rows: Vec<(String, String)> = session.fetch(sql, vec![Arg::list(ids)]).await?;
        let mut people: BTreeMap<String, Person> = BTreeMap::new();
        for (customer, sealed) in rows {
            let key = self.ledgers.get(&customer).and_then(|ledger: &Chained| ledger.key.clone());
            let Some(text) = session.vault.open(&key.unwrap_or_default(), &sealed) else { continue };
            let mut whole: BTreeMap<String, Vec<Person>> =
                read_json("archive", || customer.clone(), "sealed", &text)?;
            if let Some(person) = whole.remove("customers").and_then(|mut people| people.pop()) {
                people.insert(customer, person);
            }
        }
        let opened: Vec<String> = people.keys().cloned().collect();
        if opened.is_empty() {
            return Ok(BTreeMap::new());
        }
        // What a build that knows no archive has written meanwhile is newer.
        let now = customers::again(session, &opened, &[]).await?;
        let mut changes = Changes::default();
        for (customer, person) in &mut people {
            let told = now.get(customer).map(|state| state.profile.clone()).unwrap_or_default();
            person.profile.attributes.extend(told.attributes);
            changes.profiles.push((customer.clone(), person.profile.clone()));
            changes.phones.push((customer.clone(), person.phone.clone()));
        }
        profiles::write(session, &changes, &Default::default(), &BTreeMap::new()).await?;
        let people: Vec<(&String, &Person)> = people.iter().collect();
        let (table, args) = Rows::of(&people)
            .text("customer_id", |(id, _)| id.as_str())
            .time("forgotten_until", |(_, person)| person.forgotten_until)
            .after(Vec::new(), session.dialect());
        let sql = format!(
            "UPDATE customers SET archived_at = NULL, erased_at = NULL, forgotten_until = r.forgotten_until
             FROM {table} WHERE customers.customer_id = r.customer_id"
        );
        session.exec(sql, args).await?;
        let sql = format!(
            "DELETE FROM archive WHERE customer_id {} AND kind = 'customers'",
            session.dialect().among(1)
        );
        session.exec(sql, vec![Arg::list(&opened)]).await?;
        customers::again(session, &opened, rules).await
    }
}
