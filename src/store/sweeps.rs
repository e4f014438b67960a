//! Sweeps: one pass over the customers of a zone for one tick of a rule (an anniversary's day, a schedule's hour),
//! in pages, resumable, once whatever the number of workers.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::sealed::{Column, Sought};
use super::{Store, StoreError, Tx};

/// One pass. (rule, tick, zone) identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sweep {
    pub rule: String,
    /// The local tick or date, as the rule's key for it.
    pub tick: String,
    /// An IANA name; empty for the default zone.
    pub zone: String,
    pub planned_at: DateTime<Utc>,
    pub state: SweepState,
    /// The last customer done, in id order; empty at the beginning.
    pub cursor: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepState {
    Running,
    Done,
    /// Missed by more than the catch-up time: recorded, nobody entered.
    Expired,
}

impl SweepState {
    const ALL: [Self; 3] = [Self::Running, Self::Done, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Expired => "expired",
        }
    }
}

impl Store {
    /// The zones that customers live in, sorted; the empty one stands for the default.
    pub async fn zones(&self) -> Result<Vec<String>, StoreError> {
        // Steps from zone to zone on the index, instead of reading every customer for DISTINCT.
        let sql = "WITH RECURSIVE zones (zone) AS (
                 SELECT MIN(timezone) FROM customers
                 UNION ALL
                 SELECT (SELECT MIN(timezone) FROM customers WHERE timezone > zone) FROM zones WHERE zone IS NOT NULL)
             SELECT zone FROM zones WHERE zone IS NOT NULL";
        let rows: Vec<(String,)> = self.reading().await?.fetch(sql, vec![]).await?;
        Ok(rows.into_iter().map(|(zone,)| zone).collect())
    }

    /// The last sweeps of a rule in all zones, the latest first: for `explain`.
    pub async fn sweeps_of(&self, rule: &str, limit: u32) -> Result<Vec<Sweep>, StoreError> {
        let sql = "SELECT rule, tick, zone, planned_at, state, cursor FROM sweeps WHERE rule = $1
             ORDER BY planned_at DESC, tick DESC, zone LIMIT $2";
        type Fields = (String, String, String, DateTime<Utc>, String, String);
        let args = vec![rule.into(), i64::from(limit).into()];
        let rows: Vec<Fields> = self.reading().await?.fetch(sql, args).await?;
        rows.into_iter()
            .map(|(rule, tick, zone, planned_at, state, cursor)| {
                let state = SweepState::ALL.into_iter().find(|known| known.as_str() == state);
                let state =
                    state.ok_or_else(|| StoreError::Other(format!("sweep {rule}/{tick}: unknown state")))?;
                Ok(Sweep { rule, tick, zone, planned_at, state, cursor })
            })
            .collect()
    }
}

impl Tx {
    /// Customers in id order after `after` whose date attribute falls on one of `month_days` (`MM-DD`), in one zone.
    pub async fn customers_with_date(
        &mut self,
        attribute: &str,
        zone: &str,
        month_days: &[String],
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let sql = format!(
            "SELECT customer_id FROM customer_dates
             WHERE attribute = $1 AND timezone = $2 AND month_day {} AND customer_id > $4
             ORDER BY customer_id LIMIT $5",
            self.session.dialect().among(3)
        );
        let day = Sought::Day { attribute, zone };
        let sealer = &self.session.vault.customers;
        let kept_as = month_days.iter().flat_map(|month_day| sealer.all_kept_as(day, month_day));
        let args =
            vec![attribute.into(), zone.into(), Arg::list(kept_as), after.into(), i64::from(limit).into()];
        self.ids(sql, args).await
    }

    /// Customers in id order after `after`, in one zone or, without one, everywhere. Erased ones are left out.
    pub async fn customers_in_zone(
        &mut self,
        zone: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let (sql, args) = in_zone("customer_id", zone, after, limit);
        self.ids(sql, args).await
    }

    /// The same with their profiles, each handed over as text while the others come; as it is stored where it cannot be
    /// opened.
    pub async fn profiles_in_zone(
        &mut self,
        zone: Option<&str>,
        after: &str,
        limit: u32,
        mut take: impl FnMut(String, &str) + Send,
    ) -> Result<(), StoreError> {
        let (sql, args) = in_zone("customer_id, CAST(profile AS text)", zone, after, limit);
        let sealer = self.session.vault.customers.clone();
        let each = |(id, profile): (String, String)| {
            let opened = sealer.open(&id, Column::Profile, &profile);
            let opened =
                opened.map_or(Cow::Borrowed(profile.as_str()), |opened| Cow::Owned(opened.into_owned()));
            take(id, &opened);
        };
        self.session.each(sql, args, each).await
    }

    async fn ids(&mut self, sql: String, args: Vec<Arg>) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.session.fetch(sql, args).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Until when the ticks of a rule in a zone have been turned into sweeps.
    pub async fn sweep_mark(&mut self, rule: &str, zone: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let sql = "SELECT checked_until FROM sweep_marks WHERE rule = $1 AND zone = $2";
        let row: Option<(DateTime<Utc>,)> = self.session.first(sql, vec![rule.into(), zone.into()]).await?;
        Ok(row.map(|(at,)| at))
    }

    /// Moves that mark forward; it never goes back.
    pub async fn set_sweep_mark(
        &mut self,
        rule: &str,
        zone: &str,
        checked_until: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO sweep_marks (rule, zone, checked_until) VALUES ($1, $2, $3)
             ON CONFLICT (rule, zone) DO UPDATE SET checked_until = excluded.checked_until
             WHERE sweep_marks.checked_until < excluded.checked_until";
        self.session.exec(sql, vec![rule.into(), zone.into(), checked_until.into()]).await.map(drop)
    }

    /// Records a sweep, in the state it carries; false when it was known already (and stays as it is).
    pub async fn add_sweep(&mut self, sweep: &Sweep) -> Result<bool, StoreError> {
        let sql = "INSERT INTO sweeps (rule, tick, zone, planned_at, state, cursor)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let args = vec![
            sweep.rule.as_str().into(),
            sweep.tick.as_str().into(),
            sweep.zone.as_str().into(),
            sweep.planned_at.into(),
            sweep.state.as_str().into(),
            sweep.cursor.as_str().into(),
        ];
        Ok(self.session.exec(sql, args).await? == 1)
    }

    /// Takes a running sweep that no other transaction holds, until this one ends: `rather` if it can be had, else the
    /// oldest.
    pub async fn lock_sweep(&mut self, rather: Option<&Sweep>) -> Result<Option<Sweep>, StoreError> {
        let sql = format!(
            "SELECT rule, tick, zone, planned_at, cursor FROM sweeps WHERE state = 'running'
             ORDER BY CASE WHEN rule = $1 AND tick = $2 AND zone = $3 THEN 0 ELSE 1 END,
                 planned_at, rule, tick, zone LIMIT 1 {}",
            self.session.dialect().lock("FOR UPDATE SKIP LOCKED")
        );
        // No rule is called by an empty name.
        let (rule, tick, zone) = rather.map_or(("", "", ""), |s| (&s.rule, &s.tick, &s.zone));
        let row: Option<(String, String, String, DateTime<Utc>, String)> =
            self.session.first(sql, vec![rule.into(), tick.into(), zone.into()]).await?;
        Ok(row.map(|(rule, tick, zone, planned_at, cursor)| Sweep {
            rule,
            tick,
            zone,
            planned_at,
            state: SweepState::Running,
            cursor,
        }))
    }

    /// Writes cursor and state of a sweep that this transaction holds.
    pub async fn advance_sweep(&mut self, sweep: &Sweep) -> Result<(), StoreError> {
        let sql = "UPDATE sweeps SET state = $4, cursor = $5 WHERE rule = $1 AND tick = $2 AND zone = $3";
        let args = vec![
            sweep.rule.as_str().into(),
            sweep.tick.as_str().into(),
            sweep.zone.as_str().into(),
            sweep.state.as_str().into(),
            sweep.cursor.as_str().into(),
        ];
        self.session.exec(sql, args).await.map(drop)
    }

    /// The same for a sweep that nobody holds, if nobody has moved it on from `cursor`; false when somebody has.
    pub async fn advance_sweep_from(&mut self, cursor: &str, sweep: &Sweep) -> Result<bool, StoreError> {
        let sql = "UPDATE sweeps SET state = $4, cursor = $5
             WHERE rule = $1 AND tick = $2 AND zone = $3 AND cursor = $6 AND state = 'running'";
        let args = vec![
            sweep.rule.as_str().into(),
            sweep.tick.as_str().into(),
            sweep.zone.as_str().into(),
            sweep.state.as_str().into(),
            sweep.cursor.as_str().into(),
            cursor.into(),
        ];
        Ok(self.session.exec(sql, args).await? > 0)
    }
}

/// A page of the customers of a zone, or of all.
fn in_zone(columns: &str, zone: Option<&str>, after: &str, limit: u32) -> (String, Vec<Arg>) {
    let mut args: Vec<Arg> = vec![after.into(), i64::from(limit).into()];
    let mut condition = "";
    if let Some(zone) = zone {
        args.push(zone.into());
        condition = "timezone = $3 AND ";
    }
    let sql = format!(
        "SELECT {columns} FROM customers WHERE {condition}customer_id > $1 AND erased_at IS NULL
         ORDER BY customer_id LIMIT $2"
    );
    (sql, args)
}
