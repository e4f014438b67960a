//! Customers: locking and loading all that one decision may see of them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::consents::Chained;
use super::entries::Wanted;
use super::rows::Rows;
use super::session::Session;
use super::{Store, StoreError, Tx, consents, entries, profiles, sealed, suppressions};
use crate::domain::chain::End;
use crate::domain::consent::{Channel, Ledger};
use crate::domain::customer::Profile;
use crate::domain::memory::Entry;
use crate::domain::snapshot::{Fact, Snapshot};

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
    /// What happened until then is forgotten, also where they have come back since.
    pub forgotten_until: Option<DateTime<Utc>>,
    /// What describes them is in the archive ([`Tx::bring_back`]); until then they are as good as erased.
    pub archived: bool,
}

impl CustomerState {
    /// What a decision sees of them, with these of their past events.
    pub fn with_history(self, mut history: Vec<Fact>) -> Snapshot {
        history.retain(|fact| self.forgotten_until.is_none_or(|until| fact.event.time > until));
        let Self { customer_id, profile, consents, entries, suppressed, erased, forgotten_until, .. } = self;
        let consents = consents.after_forgetting(forgotten_until);
        Snapshot { customer_id, profile, consents, suppressed, erased, forgotten_until, entries, history }
    }
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
        let (mut known, missing) = self.lock_rows(customers).await?;
        let session = &mut self.session;
        let made = insert(session, &missing).await?;
        if made.len() < missing.len() {
            // Another transaction made them and committed just now. Locked after others, they can be met in a deadlock,
            // which is a conflict like any other.
            let theirs: Vec<&str> = missing.into_iter().filter(|id| !made.contains(*id)).collect();
            let theirs = select(session, &theirs, session.dialect().lock("FOR UPDATE")).await?;
            self.ledgers.extend(theirs.iter().map(|c| (c.customer_id.clone(), c.ledger.clone())));
            known.extend(theirs);
        }
        let mut states = load(session, known, Wanted::OpenAndOf(rules)).await?;
        states.extend(made.into_iter().map(|id| (id.clone(), CustomerState::new(id))));
        Ok(states)
    }

    /// Locks those of these customers that there are, and loads what the gate asks about them: all but their entries.
    pub async fn lock_readers(
        &mut self,
        customers: &[String],
    ) -> Result<BTreeMap<String, CustomerState>, StoreError> {
        let (known, _) = self.lock_rows(customers).await?;
        load(&mut self.session, known, Wanted::None).await
    }

    /// The same as [`Tx::lock_customers`], but unknown customers are made by [`Tx::write`] only, with their first profile, so
    /// that their row is written once. It fails with `Conflict` where somebody else has made one meanwhile: lock all of them then.
    pub async fn lock_known_customers(
        &mut self,
        customers: &[String],
        rules: &[String],
    ) -> Result<BTreeMap<String, CustomerState>, StoreError> {
        let (known, missing) = self.lock_rows(customers).await?;
        let unknown: Vec<String> = missing.into_iter().map(str::to_owned).collect();
        let mut states = load(&mut self.session, known, Wanted::OpenAndOf(rules)).await?;
        states.extend(unknown.iter().map(|id| (id.clone(), CustomerState::new(id.clone()))));
        self.unknown.extend(unknown);
        Ok(states)
    }

    /// Whether [`Tx::lock_known_customers`] did not find this customer: there is nothing of theirs but what this
    /// transaction has written.
    pub fn is_unknown(&self, customer: &str) -> bool {
        self.unknown.contains(customer)
    }

    /// Locks those of these customers that there are; and which are missing, in order.
    async fn lock_rows<'a>(
        &mut self,
        customers: &'a [String],
    ) -> Result<(Vec<Known>, BTreeSet<&'a str>), StoreError> {
        let mut missing: BTreeSet<&str> = customers.iter().map(String::as_str).collect();
        if missing.is_empty() {
            return Ok((Vec::new(), missing));
        }
        let session = &mut self.session;
        let known = select(session, &missing, session.dialect().lock("FOR UPDATE")).await?;
        for customer in &known {
            missing.remove(customer.customer_id.as_str());
            self.ledgers.insert(customer.customer_id.clone(), customer.ledger.clone());
        }
        Ok((known, missing))
    }
}

impl CustomerState {
    /// Somebody of whom nothing is known yet.
    fn new(customer_id: String) -> Self {
        Self {
            customer_id,
            profile: Profile::default(),
            consents: Ledger::default(),
            entries: Vec::new(),
            suppressed: BTreeSet::new(),
            erased: false,
            forgotten_until: None,
            archived: false,
        }
    }

    /// Whether a fact of that time is news of somebody whose data is archived: what happened before is known there.
    pub fn is_woken_by(&self, time: DateTime<Utc>) -> bool {
        self.archived && self.forgotten_until.is_none_or(|until| time > until)
    }
}

impl Store {
    /// One customer with all entries, and the whole ledger with its proofs, also from the time that is forgotten; none when no event or import ever named it.
    pub async fn customer(&self, id: &str) -> Result<Option<CustomerState>, StoreError> {
        let mut session = self.reading().await?;
        let known = select(&mut session, &[id], "").await?;
        let Some(mut customer) = load(&mut session, known, Wanted::All).await?.remove(id) else {
            return Ok(None);
        };
        customer.consents = consents::with_proofs(&mut session, id).await?;
        Ok(Some(customer))
    }

    /// These customers, those that there are, by id; with the entries that have not ended.
    pub async fn customers_known(
        &self,
        ids: &[String],
    ) -> Result<BTreeMap<String, CustomerState>, StoreError> {
        let mut session = self.reading().await?;
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let known = select(&mut session, &ids, "").await?;
        load(&mut session, known, Wanted::OpenAndOf(&[])).await
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
            Option<String>,
        );
        // Of whoever is not encrypted the columns say it all.
        let sql = "SELECT customer_id, email, locale, timezone, created_at, updated_at, erased_at,
                 CASE WHEN CAST(profile AS text) LIKE $3 THEN CAST(profile AS text) END FROM customers
             WHERE customer_id > $1 ORDER BY customer_id LIMIT $2";
        let sealed = sealed::profiles_like(None);
        let args = vec![after.into(), i64::from(limit).into(), sealed.as_str().into()];
        let mut session = self.reading().await?;
        let rows: Vec<Fields> = session.fetch(sql, args).await?;
        let row =
            |(customer_id, email, locale, timezone, created_at, updated_at, erased_at, sealed): Fields| {
                let mut row = CustomerRow {
                    customer_id,
                    email,
                    locale,
                    timezone,
                    created_at,
                    updated_at,
                    erased: erased_at.is_some(),
                };
                if let Some(sealed) = sealed {
                    let opened = session.vault.customers.opened(&row.customer_id, &sealed, None, None)?;
                    row.email = profiles::email(&opened.0);
                    row.locale = opened.0.text("locale").map(str::to_owned);
                }
                Ok(row)
            };
        rows.into_iter().map(row).collect()
    }
}

/// A customer's own row.
struct Known {
    customer_id: String,
    profile: Profile,
    erased: bool,
    /// As compared with suppressions.
    email: Option<String>,
    phone: Option<String>,
    forgotten_until: Option<DateTime<Utc>>,
    archived: bool,
    ledger: Chained,
}

/// Loads customers anew whom the transaction has locked and written to.
pub(super) async fn again(
    session: &mut Session,
    ids: &[String],
    rules: &[String],
) -> Result<BTreeMap<String, CustomerState>, StoreError> {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let known = select(session, &ids, "").await?;
    load(session, known, Wanted::OpenAndOf(rules)).await
}

/// The rows of these customers. With a `lock` they are as they are once it is had: PostgreSQL reads a row again that it
/// had to wait for. What is read beside them in the same statement could be older, so nothing is.
async fn select<'a>(
    session: &mut Session,
    ids: impl IntoIterator<Item = &'a &'a str>,
    lock: &'static str,
) -> Result<Vec<Known>, StoreError> {
    let sql = format!(
        "SELECT customer_id, CAST(profile AS text), erased_at, phone, phone_sealed, forgotten_until,
                ledger_key, ledger_length, ledger_head, archived_at FROM customers
         WHERE customer_id {} ORDER BY customer_id {lock}",
        session.dialect().among(1)
    );
    type Fields = (
        String,
        String,
        Option<DateTime<Utc>>,
        Option<String>,
        Option<String>,
        Option<DateTime<Utc>>,
        Option<String>,
        i64,
        String,
        Option<DateTime<Utc>>,
    );
    let rows: Vec<Fields> = session.fetch(sql, vec![Arg::list(ids)]).await?;
    rows.into_iter()
        .map(
            |(
                customer_id,
                profile,
                erased_at,
                phone,
                phone_sealed,
                forgotten_until,
                key,
                length,
                head,
                archived_at,
            )| {
                let (profile, phone) =
                    session.vault.customers.opened(&customer_id, &profile, phone, phone_sealed.as_deref())?;
                Ok(Known {
                    customer_id,
                    email: profiles::email(&profile),
                    profile,
                    erased: erased_at.is_some(),
                    phone,
                    // What an older build has erased, it did not say until when.
                    forgotten_until: forgotten_until.or(erased_at),
                    archived: archived_at.is_some(),
                    ledger: Chained { end: End { length, head }, key, is_longer: false },
                })
            },
        )
        .collect()
}

/// Somebody else has made a customer whom a transaction did not find: it begins anew.
pub(super) fn met_elsewhere() -> StoreError {
    StoreError::Conflict("a new customer was met by another transaction at the same time".to_owned())
}

/// Makes these customers, with an empty profile; returns those that nobody else made meanwhile.
pub(super) async fn insert(
    session: &mut Session,
    ids: &BTreeSet<&str>,
) -> Result<BTreeSet<String>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<&str> = ids.iter().copied().collect();
    let (table, args) =
        Rows::of(&ids).text("customer_id", |id| *id).after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "INSERT INTO customers (customer_id, profile, created_at, updated_at)
         SELECT customer_id, '{{\"attributes\":{{}}}}', $1, $1 FROM {table} WHERE true
         ON CONFLICT DO NOTHING RETURNING customer_id"
    );
    let made: Vec<(String,)> = session.fetch(sql, args).await?;
    Ok(made.into_iter().map(|(id,)| id).collect())
}

/// Loads what hangs on customers.
async fn load(
    session: &mut Session,
    known: Vec<Known>,
    wanted: Wanted<'_>,
) -> Result<BTreeMap<String, CustomerState>, StoreError> {
    if known.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<String> = known.iter().map(|c| c.customer_id.clone()).collect();
    let mut ledgers = consents::ledgers(session, &ids).await?;
    let mut entries = entries::of_customers(session, &ids, wanted).await?;
    let refused = suppressed(session, &known).await?;
    let state = |customer: Known| {
        let has = |channel: Channel, address: &Option<String>| {
            address.as_ref().is_some_and(|address| refused.contains(&(channel, address.clone())))
        };
        let addresses = [(Channel::Email, &customer.email), (Channel::Sms, &customer.phone)];
        let suppressed = addresses.into_iter().filter(|(c, a)| has(*c, a)).map(|(c, _)| c).collect();
        let state = CustomerState {
            consents: ledgers
                .remove(&customer.customer_id)
                .unwrap_or_default()
                .after_forgetting(customer.forgotten_until),
            entries: entries.remove(&customer.customer_id).unwrap_or_default(),
            suppressed,
            profile: customer.profile,
            erased: customer.erased,
            forgotten_until: customer.forgotten_until,
            archived: customer.archived,
            customer_id: customer.customer_id,
        };
        (state.customer_id.clone(), state)
    };
    Ok(known.into_iter().map(state).collect())
}

/// The addresses of these customers that are on the suppression list, as they are or as the hash of somebody erased.
async fn suppressed(
    session: &mut Session,
    customers: &[Known],
) -> Result<BTreeSet<(Channel, String)>, StoreError> {
    let mut found = BTreeSet::new();
    for channel in [Channel::Email, Channel::Sms] {
        let addresses = customers.iter().filter_map(|customer| match channel {
            Channel::Email => customer.email.as_deref(),
            Channel::Sms => customer.phone.as_deref(),
        });
        found.extend(
            suppressions::among(session, channel, addresses).await?.into_iter().map(|a| (channel, a)),
        );
    }
    Ok(found)
}
