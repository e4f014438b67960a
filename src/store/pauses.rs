//! What operators have paused, and the messages that a pause of their rule has taken out of the senders' way.
//!
//! Invariant: a message is set aside only in a transaction that holds the pause's row and has found that it lasts, so none
//! comes after the pause has ended, and the row stops `holding` only when none is left.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::messages::{CLAIMED, update};
use super::session::Session;
use super::{Store, StoreError, Tx};
use crate::domain::message::{Message, MessageState};
use crate::domain::pause::{NoTarget, Pause, Target};

/// How many messages are let go in one transaction.
const LET_GO: i64 = 500;

type Fields = (String, DateTime<Utc>, String, Option<String>, Option<DateTime<Utc>>, bool);

const READ: &str = "target, since, paused_by, why, resumed_at, holding";

fn read((target, since, by, why, resumed_at, holding): Fields) -> Result<Pause, StoreError> {
    let target = target.parse().map_err(|no_target: NoTarget| StoreError::Other(no_target.to_string()))?;
    Ok(Pause { target, since, by, why, resumed_at, holding })
}

impl Store {
    /// The last pause of each target, those that are over too.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        let sql = format!("SELECT {READ} FROM pauses ORDER BY target");
        let rows: Vec<Fields> = self.reading().await?.fetch(sql, vec![]).await?;
        rows.into_iter().map(read).collect()
    }

    /// How many messages of this target wait for a sender or are set aside, and how many are being handed over.
    pub async fn messages_of(&self, target: &Target) -> Result<(i64, i64), StoreError> {
        let (condition, args) = match target {
            Target::Everything => ("true", vec![]),
            Target::Channel(channel) => ("channel = $1", vec![channel.as_str().into()]),
            Target::Rule(rule) => ("rule = $1", vec![rule.as_str().into()]),
        };
        // In ranges of the indexes of what is open, which are small beside the table.
        let waiting = format!(
            "SELECT (SELECT COUNT(*) FROM messages WHERE state IN ('pending', 'deferred') AND {condition})
                 + (SELECT COUNT(*) FROM messages WHERE state = 'paused' AND {condition})"
        );
        let under_way = format!(
            "SELECT COUNT(*) FROM messages WHERE state IN ('claimed', 'sending') AND state = 'sending' AND {condition}"
        );
        let mut session = self.reading().await?;
        let waiting: Option<(i64,)> = session.first(waiting, args.clone()).await?;
        let under_way: Option<(i64,)> = session.first(under_way, args).await?;
        Ok((waiting.map_or(0, |(n,)| n), under_way.map_or(0, |(n,)| n)))
    }

    /// Lets some messages of a rule go whose pause is over; returns how many. The last call finds none, and notes that
    /// there are none.
    pub async fn let_go(&self, rule: &str) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let session = &mut tx.session;
        let sql = format!(
            "WITH over AS MATERIALIZED (
                 SELECT customer_id, id FROM messages WHERE rule = $1 AND state = 'paused'
                     AND EXISTS (SELECT 1 FROM pauses WHERE target = $4 AND resumed_at IS NOT NULL)
                 ORDER BY customer_id, id LIMIT $2 {})
             UPDATE messages SET state = 'pending', updated_at = $3
             FROM over WHERE messages.customer_id = over.customer_id AND messages.id = over.id",
            session.dialect().lock("FOR UPDATE SKIP LOCKED")
        );
        let target = Target::Rule(rule.to_owned()).to_string();
        let args = vec![rule.into(), LET_GO.into(), session.now.into(), target.as_str().into()];
        let gone = session.exec(sql, args).await?;
        if gone == 0 {
            let sql = "UPDATE pauses SET holding = false WHERE target = $1 AND resumed_at IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM messages WHERE rule = $2 AND state = 'paused')";
            session.exec(sql, vec![target.as_str().into(), rule.into()]).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }
}

impl Tx {
    /// Pauses a target; false when it is paused already, which then stays as it is.
    pub async fn pause(&mut self, target: &Target, by: &str, why: Option<&str>) -> Result<bool, StoreError> {
        let sql = "INSERT INTO pauses (target, since, paused_by, why, holding) VALUES ($1, $2, $3, NULLIF($4, ''), $1 LIKE 'rule:%')
             ON CONFLICT (target) DO UPDATE SET since = excluded.since, paused_by = excluded.paused_by,
                 why = excluded.why, resumed_at = NULL, holding = excluded.holding
             WHERE pauses.resumed_at IS NOT NULL";
        let at = self.session.now;
        let args = vec![target.to_string().as_str().into(), at.into(), by.into(), why.unwrap_or("").into()];
        Ok(self.session.exec(sql, args).await? > 0)
    }

    /// Ends the pause of a target; false when it is not paused.
    pub async fn resume(&mut self, target: &Target) -> Result<bool, StoreError> {
        let sql = "UPDATE pauses SET resumed_at = $2 WHERE target = $1 AND resumed_at IS NULL";
        let args = vec![target.to_string().as_str().into(), self.session.now.into()];
        Ok(self.session.exec(sql, args).await? > 0)
    }

    /// Sets claimed messages aside whose rule is paused, until it is resumed; gives those back untried whose rule is not.
    pub async fn set_aside(&mut self, token: &str, messages: Vec<Message>) -> Result<(), StoreError> {
        let lasting = lasting(&mut self.session, &messages).await?;
        let (paused, not): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| lasting.contains(&of_rule(message)));
        let paused: Vec<_> =
            paused.into_iter().map(|m| Message { state: MessageState::Paused, ..m }).collect();
        let held = format!("messages.lease_token = $2 AND {CLAIMED}");
        update(&mut self.session, &paused, token.into(), &held).await?;
        self.release(token, &not).await.map(drop)
    }
}

/// Which pauses of these messages' rules last; until the transaction ends, none of them does.
async fn lasting(session: &mut Session, messages: &[Message]) -> Result<BTreeSet<String>, StoreError> {
    let rules: BTreeSet<String> = messages.iter().map(of_rule).collect();
    let d = session.dialect();
    let sql = format!(
        "SELECT target FROM pauses WHERE target {} AND resumed_at IS NULL ORDER BY target {}",
        d.among(1),
        d.lock("FOR SHARE")
    );
    let rows: Vec<(String,)> = session.fetch(sql, vec![Arg::list(&rules)]).await?;
    Ok(rows.into_iter().map(|(target,)| target).collect())
}

fn of_rule(message: &Message) -> String {
    Target::Rule(message.rule.clone()).to_string()
}
