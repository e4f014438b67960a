//! Customers: locking and loading all that one decision may see of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::session::{Arg, Session, json_arg, read_json};
use super::{Store, StoreError, Tx, consents, entries};
use crate::domain::consent::{Channel, Ledger};
use crate::domain::customer::Profile;
use crate::domain::memory::Entry;

/// All that is remembered of one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerState {
    pub customer_id: String,
    pub profile: Profile,
    pub consents: Ledger,
    /// Ordered by (rule, occurrence).
    pub entries: Vec<Entry>,
    /// The channels whose present address is on the suppression list.
    pub suppressed: BTreeSet<Channel>,
    /// Erased, and nothing told since.
    pub erased: bool,
}

/// A customer as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerRow {
    pub customer_id: String,
    /// Trimmed and in lower case.
    pub email: Option<String>,
    pub locale: Option<String>,
    /// An IANA name, or empty for the default.
    pub timezone: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub erased: bool,
}

impl Tx {
    /// Locks these customers until the transaction ends and loads them; unknown ones are made, with an empty profile.
    /// Loads the entries not ended, and the ended ones too of `rules`. Sorts by id, so that two batches wait for each
    /// other in one order; call it once a transaction, or with customers locked already.
    pub async fn lock_customers(
        &mut self,
        customers: &[String],
        rules: &[String],
    ) -> Result<BTreeMap<String, CustomerState>, StoreError> {
        let mut ids = customers.to_vec();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let session = &mut self.session;
        let (d, now) = (session.dialect(), session.now);
        let sql = format!(
            "INSERT INTO customers (customer_id, profile, created_at, updated_at)
             SELECT customer_id, '{{\"attributes\":{{}}}}', $2, $2 FROM {} WHERE true ON CONFLICT DO NOTHING",
            d.rows(1, &[("customer_id", "text")])
        );
        let rows: Vec<_> = ids.iter().map(|id| BTreeMap::from([("customer_id", id)])).collect();
        session.exec(sql, vec![json_arg(&rows)?, now.into()]).await?;
        // The lock is a statement of its own: what is read with it, beside the locked rows, may be as old as the
        // statement's beginning, before the lock was had.
        let lock = d.lock("FOR UPDATE");
        if !lock.is_empty() {
            let sql = format!(
                "SELECT customer_id FROM customers WHERE customer_id {} ORDER BY customer_id {lock}",
                d.among(1)
            );
            session.fetch::<(String,)>(sql, vec![json_arg(&ids)?]).await?;
        }
        load(session, &ids, Some(rules)).await
    }
}

impl Store {
    /// One customer with all entries; none when no event or import ever named it.
    pub async fn customer(&self, id: &str) -> Result<Option<CustomerState>, StoreError> {
        Ok(load(&mut self.reading().await?, &[id.to_owned()], None).await?.remove(id))
    }

    /// Customers in id order, after `after` (empty for the beginning).
    pub async fn customers(&self, after: &str, limit: u32) -> Result<Vec<CustomerRow>, StoreError> {
        type Fields = (
            String,
            Option<String>,
            Option<String>,
            String,
            DateTime<Utc>,
            DateTime<Utc>,
            Option<DateTime<Utc>>,
        );
        let sql =
            "SELECT customer_id, email, locale, timezone, created_at, updated_at, erased_at FROM customers
             WHERE customer_id > $1 ORDER BY customer_id LIMIT $2";
        let rows: Vec<Fields> =
            self.reading().await?.fetch(sql, vec![after.into(), i64::from(limit).into()]).await?;
        Ok(rows
            .into_iter()
            .map(|(customer_id, email, locale, timezone, created_at, updated_at, erased_at)| CustomerRow {
                customer_id,
                email,
                locale,
                timezone,
                created_at,
                updated_at,
                erased: erased_at.is_some(),
            })
            .collect())
    }
}

/// Loads customers; with `rules`, of the ended entries only those of these rules.
async fn load(
    session: &mut Session,
    ids: &[String],
    rules: Option<&[String]>,
) -> Result<BTreeMap<String, CustomerState>, StoreError> {
    let d = session.dialect();
    let sql = format!(
        "SELECT c.customer_id, CAST(c.profile AS text), c.erased_at, e.address, p.address
         FROM customers c LEFT JOIN suppressions e ON e.channel = $2 AND e.address = c.email
             LEFT JOIN suppressions p ON p.channel = $3 AND p.address = c.phone
         WHERE c.customer_id {}",
        d.among(1)
    );
    type Fields = (String, String, Option<DateTime<Utc>>, Option<String>, Option<String>);
    let args: Vec<Arg> = vec![json_arg(ids)?, Channel::Email.as_str().into(), Channel::Sms.as_str().into()];
    let rows: Vec<Fields> = session.fetch(sql, args).await?;
    let mut ledgers = consents::ledgers(session, ids).await?;
    let mut entries = entries::of_customers(session, ids, rules).await?;
    rows.into_iter()
        .map(|(customer_id, profile, erased_at, email, phone)| {
            let mut suppressed = BTreeSet::new();
            suppressed.extend(email.map(|_| Channel::Email));
            suppressed.extend(phone.map(|_| Channel::Sms));
            let state = CustomerState {
                profile: read_json("customers", || customer_id.clone(), "profile", &profile)?,
                consents: ledgers.remove(&customer_id).unwrap_or_default(),
                entries: entries.remove(&customer_id).unwrap_or_default(),
                suppressed,
                erased: erased_at.is_some(),
                customer_id: customer_id.clone(),
            };
            Ok((customer_id, state))
        })
        .collect()
}
