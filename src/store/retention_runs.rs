//! What retention has done: how much of each kind on which day, and nothing of whom.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::rows::Rows;
use super::session::Session;
use super::{Store, StoreError};
use crate::domain::retention::{Kind, Phase};

/// So many rows of a kind were archived, or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    pub kind: Kind,
    pub phase: Phase,
    pub amount: u64,
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// `YYYY-MM-DD`, in UTC.
    pub day: String,
    /// As a [`Kind`] is written.
    pub kind: String,
    /// As a [`Phase`] is written.
    pub phase: String,
    pub amount: i64,
    pub last_at: DateTime<Utc>,
}

/// Adds to the day's sums.
pub(super) async fn note(session: &mut Session, done: &[Done]) -> Result<(), StoreError> {
    let day = session.now.format("%Y-%m-%d").to_string();
    let mut sums: BTreeMap<(Kind, Phase), u64> = BTreeMap::new();
    for done in done.iter().filter(|done| done.amount > 0) {
        *sums.entry((done.kind, done.phase)).or_default() += done.amount;
    }
    let sums: Vec<_> = sums.into_iter().collect();
    if sums.is_empty() {
        return Ok(());
    }
    let (table, args) = Rows::of(&sums)
        .text("kind", |((kind, _), _)| kind.as_str())
        .text("phase", |((_, phase), _)| phase.as_str())
        .int("amount", |(_, amount)| i64::try_from(*amount).unwrap_or(i64::MAX))
        .after(vec![session.now.into(), day.as_str().into()], session.dialect());
    let sql = format!(
        "INSERT INTO retention_runs (day, kind, phase, amount, last_at)
         SELECT $2, kind, phase, amount, $1 FROM {table} WHERE true
         ON CONFLICT (day, kind, phase) DO UPDATE SET amount = retention_runs.amount + excluded.amount,
             last_at = excluded.last_at"
    );
    session.exec(sql, args).await.map(drop)
}

impl Store {
    /// What was done, the latest day first.
    pub async fn retention_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let sql =
            "SELECT day, kind, phase, amount, last_at FROM retention_runs ORDER BY day DESC, kind, phase";
        let rows: Vec<(String, String, String, i64, DateTime<Utc>)> =
            self.reading().await?.fetch(sql, Vec::new()).await?;
        Ok(rows
            .into_iter()
            .map(|(day, kind, phase, amount, last_at)| RunRow { day, kind, phase, amount, last_at })
            .collect())
    }

    /// Whether anything was archived or deleted after an instant, by the store's clock.
    pub async fn was_anything_retained_since(&self, instant: DateTime<Utc>) -> Result<bool, StoreError> {
        let sql = "SELECT kind FROM retention_runs WHERE last_at > $1 LIMIT 1";
        let row: Option<(String,)> = self.reading().await?.first(sql, vec![instant.into()]).await?;
        Ok(row.is_some())
    }
}
