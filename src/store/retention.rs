//! Retention by customers: a page of them at a time, all that is over of theirs archived or deleted in one transaction.
//!
//! The walk goes through all customers in the order of their ids, and its place is kept in the database, so that several
//! workers share one walk. Whoever another transaction holds is passed over until the next time round. `retained` knows the
//! kinds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::retention_runs::{Done, note};
use super::session::Session;
use super::{Store, StoreError, Tx, retained};
use crate::domain::retention::{Kind, Phase, Phases, Retention};
use crate::failpoint;

/// Where the walk stands, as a setting: the last customer looked at.
const PLACE: &str = "retention.place";

/// Customers looked at in one transaction.
const CUSTOMERS: i64 = 500;
/// Rows of one kind taken in one transaction: what a crash undoes, and how long others wait for their customers.
pub(super) const ROWS: i64 = 500;

/// What is to be done, by one instant.
#[derive(Debug, Clone)]
pub struct Duty {
    pub now: DateTime<Utc>,
    pub retention: Retention,
    /// The rules that a customer may go through again: of the others it stays known that they did.
    pub again: Vec<String>,
}

impl Duty {
    /// How long a kind is kept, where it is kept for a time.
    pub(super) fn of(&self, kind: Kind) -> Option<(DateTime<Utc>, Phases)> {
        self.retention.of(kind).map(|phases| (phases.active.before(self.now), phases))
    }
}

/// One step of the walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub done: Vec<Done>,
    /// The walk has come to the last customer, and begins anew.
    pub is_last: bool,
}

/// What a transaction holds while it archives and deletes.
pub(super) struct Held<'a> {
    pub(super) session: &'a mut Session,
    pub(super) duty: &'a Duty,
    /// The customers that it has locked, each with their key.
    pub(super) keys: BTreeMap<String, Option<String>>,
    pub(super) done: Vec<Done>,
    /// There is more of what was looked for.
    pub(super) is_full: bool,
}

impl Held<'_> {
    pub(super) fn ids(&self) -> Arg {
        Arg::list(self.keys.keys())
    }

    pub(super) fn note(&mut self, kind: Kind, phase: Phase, amount: usize) {
        self.done.push(Done { kind, phase, amount: amount as u64 });
    }
}

impl Store {
    /// One step of the walk through the customers. With nothing to do by customers it is at its end at once.
    pub async fn retain_page(&self, duty: &Duty) -> Result<Page, StoreError> {
        // The first of all finds no row to lock.
        self.put_setting_if_absent(PLACE, "").await?;
        let mut tx = self.begin().await?;
        let page = tx.retain(duty).await?;
        failpoint::reach("retention.written");
        tx.commit().await?;
        failpoint::reach("retention.committed");
        Ok(page)
    }

    /// Notes what was deleted by other ways.
    pub async fn note_retained(&self, done: &[Done]) -> Result<(), StoreError> {
        note(&mut self.writing().await?, done).await
    }

    /// How many rows of each kind are over by now, and so many are archived. Reads whole tables.
    pub async fn count_over(&self, duty: &Duty) -> Result<Vec<(Kind, i64)>, StoreError> {
        let mut session = self.reading().await?;
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let Some((before, _)) = duty.of(kind) else { continue };
            let counted: Option<(i64,)> =
                session.first(retained::count_sql(kind), vec![before.into()]).await?;
            all.push((kind, counted.map_or(0, |(count,)| count)));
        }
        Ok(all)
    }

    /// How many rows of each kind the archive holds.
    pub async fn archived(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let sql = "SELECT /* what is over */ kind, CAST(SUM(amount) AS bigint) FROM archive GROUP BY kind ORDER BY kind";
        self.reading().await?.fetch(sql, Vec::new()).await
    }
}

impl Tx {
    async fn retain(&mut self, duty: &Duty) -> Result<Page, StoreError> {
        let after = self.lock_setting(PLACE).await?.unwrap_or_default();
        let sql = "SELECT customer_id FROM customers WHERE customer_id > $1 ORDER BY customer_id LIMIT $2";
        let ids: Vec<(String,)> =
            self.session.fetch(sql, vec![after.as_str().into(), CUSTOMERS.into()]).await?;
        let ids: Vec<String> = ids.into_iter().map(|(id,)| id).collect();
        let is_last = i64::try_from(ids.len()).unwrap_or(i64::MAX) < CUSTOMERS;
        let place = ids.last().filter(|_| !is_last).cloned().unwrap_or_default();
        let session = &mut self.session;
        let over = retained::customers_with_something_over(session, duty, &ids).await?;
        let keys = lock_free(session, &over).await?;
        let mut held = Held { session, duty, keys, done: Vec::new(), is_full: false };
        if !held.keys.is_empty() {
            retained::all(&mut held).await?;
        }
        let Held { done, is_full, .. } = held;
        note(&mut self.session, &done).await?;
        if is_full {
            // The same page again, for what is left.
            return Ok(Page { done, is_last: false });
        }
        self.put_setting(PLACE, &place).await?;
        Ok(Page { done, is_last })
    }
}

/// Locks those of these customers whom nobody holds, and reads their keys.
async fn lock_free(
    session: &mut Session,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, Option<String>>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let d = session.dialect();
    let sql = format!(
        "SELECT k.customer_id, k.ledger_key FROM customers AS k WHERE k.customer_id {} ORDER BY k.customer_id {}",
        d.among(1),
        d.lock("FOR UPDATE SKIP LOCKED")
    );
    let rows: Vec<(String, Option<String>)> = session.fetch(sql, vec![Arg::list(ids)]).await?;
    Ok(rows.into_iter().collect())
}
