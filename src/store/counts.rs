//! Numbers for metrics, health and pages.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::session::Session;
use super::{Store, StoreError};
use crate::domain::message::MessageState;

/// How much is under way, and since when the oldest waits. Read from partial indexes: cheap at any size of history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pending, deferred, paused, claimed and sending messages; a state with none is zero.
    pub messages: BTreeMap<MessageState, i64>,
    /// Entries that have not ended.
    pub active_entries: i64,
    /// The due instant of the pending message that waits longest, if it is due at all.
    pub oldest_due_message: Option<DateTime<Utc>>,
    /// The same of entries' timers.
    pub oldest_due_entry: Option<DateTime<Utc>>,
    pub unpublished_outcomes: i64,
}

impl Counts {
    /// Messages in the hands of a sender.
    pub fn in_hand(&self) -> i64 {
        [MessageState::Claimed, MessageState::Sending].iter().filter_map(|s| self.messages.get(s)).sum()
    }
}

impl Store {
    /// What is under way at `now`.
    pub async fn counts(&self, now: DateTime<Utc>) -> Result<Counts, StoreError> {
        let mut session = self.reading().await?;
        let open = MessageState::ALL.iter().copied().filter(|state| !state.is_final());
        let mut messages: BTreeMap<_, _> = open.map(|state| (state, 0)).collect();
        // One look for each index.
        let sql = "SELECT state, COUNT(*) FROM messages WHERE state IN ('pending', 'deferred') GROUP BY state
             UNION ALL
             SELECT state, COUNT(*) FROM messages WHERE state = 'paused' GROUP BY state
             UNION ALL
             SELECT state, COUNT(*) FROM messages WHERE state IN ('claimed', 'sending') GROUP BY state";
        messages.extend(by_state(&mut session, sql).await?);
        let counted = "SELECT COUNT(*) FROM entries WHERE status <> 'ended'";
        let unpublished = "SELECT COUNT(*) FROM outcomes WHERE published_at IS NULL";
        // One look for each range of the index of what waits, which begins with channel and lane.
        let ranges: Vec<_> = ["email", "sms"]
            .into_iter()
            .flat_map(|channel| (0..3).map(move |lane| (channel, lane)))
            .map(|(channel, lane)| {
                format!(
                    "SELECT MIN(due_at) AS due_at FROM messages WHERE channel = '{channel}' AND lane = {lane}
                         AND state IN ('pending', 'deferred') AND due_at <= $1"
                )
            })
            .collect();
        let message = format!("SELECT MIN(due_at) FROM ({}) AS oldest", ranges.join(" UNION ALL "));
        let entry = "SELECT MIN(due_at) FROM entries WHERE due_at <= $1";
        Ok(Counts {
            messages,
            active_entries: number(&mut session, counted).await?,
            unpublished_outcomes: number(&mut session, unpublished).await?,
            oldest_due_message: oldest(&mut session, &message, now).await?,
            oldest_due_entry: oldest(&mut session, entry, now).await?,
        })
    }

    /// All messages ever, by state. Reads the whole table: for pages and the command line, not for metrics.
    pub async fn message_totals(&self) -> Result<BTreeMap<MessageState, i64>, StoreError> {
        let sql = "SELECT state, COUNT(*) FROM messages GROUP BY state";
        by_state(&mut self.reading().await?, sql).await
    }
}

async fn by_state(session: &mut Session, sql: &str) -> Result<BTreeMap<MessageState, i64>, StoreError> {
    let rows: Vec<(String, i64)> = session.fetch(sql, vec![]).await?;
    Ok(rows.into_iter().filter_map(|(state, n)| Some((MessageState::parse(&state)?, n))).collect())
}

async fn number(session: &mut Session, sql: &str) -> Result<i64, StoreError> {
    Ok(session.first::<(i64,)>(sql, vec![]).await?.map_or(0, |(n,)| n))
}

async fn oldest(
    session: &mut Session,
    sql: &str,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let row: Option<(Option<DateTime<Utc>>,)> = session.first(sql, vec![now.into()]).await?;
    Ok(row.and_then(|(at,)| at))
}
