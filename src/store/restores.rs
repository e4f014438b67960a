//! Restores to an earlier point: what was forgotten, and the place where this database lives.
//!
//! A worker that finds its database in another place than the one it was told of refuses to start (`app`): it may be a
//! copy that has forgotten what was sent, or a second one beside the first.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::messages::{OPEN, READ, update};
use super::rows::Rows;
use super::session::Dialect;
use super::unreadable::{Found, load_each};
use super::{Store, StoreError, Tx};
use crate::domain::message::Message;
use crate::domain::restore::{Fence, List, Told};

/// Where this database was when a worker first started on it.
const PLACE: &str = "place";

/// What a copy by `pg_dump` cannot keep: cluster, database and table are made anew, and so are their numbers.
const PLACE_SQL: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' ||
         (SELECT oid FROM pg_database WHERE datname = current_database())::text || '/' ||
         'settings'::regclass::oid::text";

impl Store {
    /// Everything forgotten by this database, oldest first.
    pub async fn fences(&self) -> Result<Vec<Fence>, StoreError> {
        let sql = "SELECT unsure_after, restored_at FROM restores ORDER BY restored_at";
        let rows: Vec<(Option<DateTime<Utc>>, DateTime<Utc>)> =
            self.reading().await?.fetch(sql, vec![]).await?;
        let fence = |(after, until): (Option<_>, _)| Fence {
            after: after.unwrap_or(DateTime::<Utc>::MIN_UTC),
            until,
        };
        Ok(rows.into_iter().map(fence).collect())
    }

    /// When the last event came in, by this database: no back-up that holds it is older.
    pub async fn newest_event_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let sql = "SELECT MAX(received_at) FROM events";
        let row: Option<(Option<DateTime<Utc>>,)> = self.reading().await?.first(sql, vec![]).await?;
        Ok(row.and_then(|(at,)| at))
    }

    /// Whether the database is where it was when a worker first started on it; the first time, the place is noted.
    /// SQLite has nothing that tells a copy from its original, so there the answer is always yes.
    pub async fn is_in_its_place(&self) -> Result<bool, StoreError> {
        let Some(place) = self.place().await? else { return Ok(true) };
        Ok(self.put_setting_if_absent(PLACE, &place).await? == place)
    }

    async fn place(&self) -> Result<Option<String>, StoreError> {
        let mut session = self.reading().await?;
        if session.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        match session.first::<(String,)>(PLACE_SQL, vec![]).await {
            Ok(row) => Ok(row.map(|(place,)| place)),
            // An operator may have taken the right to look from us: then nothing is noticed.
            Err(StoreError::Other(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the present place for this database's own from now on.
    pub async fn settle_in(&self) -> Result<(), StoreError> {
        let Some(place) = self.place().await? else { return Ok(()) };
        let sql = "INSERT INTO settings (key, value) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.writing().await?.exec(sql, vec![PLACE.into(), place.as_str().into()]).await.map(drop)
    }
}

impl Tx {
    /// Records a restore, and what is known to have been sent before it.
    pub async fn record_restore(
        &mut self,
        taken_at: DateTime<Utc>,
        fence: Fence,
        told: &List,
    ) -> Result<(), StoreError> {
        let (table, args) = Rows::of(&[fence])
            .time("restored_at", |fence| fence.until)
            .time("after", |fence| (fence.after > DateTime::<Utc>::MIN_UTC).then_some(fence.after))
            .after(vec![taken_at.into()], self.session.dialect());
        let sql = format!(
            "INSERT INTO restores (restored_at, taken_at, unsure_after)
             SELECT restored_at, $1, after FROM {table} WHERE true ON CONFLICT DO NOTHING"
        );
        self.session.exec(sql, args).await?;
        // Builds that do not know of restores would send what has gone, and cannot read the reason.
        let from_here_on = "UPDATE declic_schema SET works_for = 3 WHERE version = 3";
        self.session.exec(from_here_on, vec![]).await?;
        let told: Vec<_> = told.iter().collect();
        let (table, args) = Rows::of(&told)
            .text("message_id", |(id, _)| id.as_str())
            .time("sent_at", |(_, told)| match told {
                Told::Sent(at) => Some(*at),
                Told::Uncertain => None,
            })
            .after(Vec::new(), self.session.dialect());
        let sql = format!(
            "INSERT INTO sent_before_restore (message_id, sent_at)
             SELECT message_id, sent_at FROM {table} WHERE true ON CONFLICT DO NOTHING"
        );
        self.session.exec(sql, args).await.map(drop)
    }

    /// What a list from before a restore says of these messages.
    pub async fn told_sent(&mut self, ids: &[String]) -> Result<List, StoreError> {
        let among = self.session.dialect().among(1);
        let sql = format!("SELECT message_id, sent_at FROM sent_before_restore WHERE message_id {among}");
        let rows: Vec<(String, Option<DateTime<Utc>>)> =
            self.session.fetch(sql, vec![Arg::list(ids)]).await?;
        let told = |at: Option<_>| at.map_or(Told::Uncertain, Told::Sent);
        Ok(rows.into_iter().map(|(id, at)| (id, told(at))).collect::<BTreeMap<_, _>>())
    }

    /// Messages that were not at their end when the back-up was taken, in the order of their ids, after `after`.
    pub async fn unfinished(&mut self, after: &str, limit: u32) -> Result<Found, StoreError> {
        let sql = format!(
            "SELECT {READ} FROM messages WHERE state IN {OPEN} AND id > $1
             ORDER BY id LIMIT $2"
        );
        load_each(&mut self.session, sql, vec![after.into(), i64::from(limit).into()]).await
    }

    /// Writes what a restore makes of messages from [`Tx::unfinished`], whoever held them: nobody works meanwhile.
    pub async fn settle_restored(&mut self, messages: &[Message]) -> Result<(), StoreError> {
        let unfinished = format!("messages.state <> $2 AND messages.state IN {OPEN}");
        update(&mut self.session, messages, "sent".into(), &unfinished).await.map(drop)
    }
}
