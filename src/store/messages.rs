//! The outbox: messages, their leases, and the few ways from one state to the next.
//!
//! A lease is a random token and an end. Whoever changes a claimed message shows the token, so a sender that
//! wakes up late, after its lease was given to another, changes nothing. Ends are set and compared by the database's
//! clock: a worker whose own is wrong neither takes what another holds nor holds on to what is over.

use std::time::Duration;

use super::args::Arg;
use super::rows::Rows;
use super::session::{Dialect, Session, read_json};
use super::unreadable::{Found, load_each};
use super::{Store, StoreError, Tx, erasure};
use crate::domain::consent::Channel;
use crate::domain::message::{Lane, Message, MessageState};
use crate::domain::verdict::Reason;
use chrono::{DateTime, Utc};

/// How many stuck hand-overs are given out at once.
const EXPIRED_LIMIT: i64 = 1_000;

/// Which messages to list. The default is the newest hundred.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    pub state: Option<MessageState>,
    pub reason: Option<Reason>,
    pub rule: Option<String>,
    pub customer: Option<String>,
    /// 100 when zero.
    pub limit: u32,
    /// Only those planned before it: the `planned_at` of the last message of the page before.
    pub before: Option<DateTime<Utc>>,
}

impl MessageFilter {
    fn conditions(&self) -> (String, Vec<Arg>) {
        let mut conditions = vec!["true".to_owned()];
        let mut args: Vec<Arg> = Vec::new();
        let mut wanted = |column: &str, arg: Option<Arg>| {
            if let Some(arg) = arg {
                args.push(arg);
                conditions.push(format!("{column} ${}", args.len()));
            }
        };
        wanted("state =", self.state.map(|s| s.as_str().into()));
        wanted("reason =", self.reason.map(|r| r.as_str().into()));
        wanted("rule =", self.rule.as_deref().map(Arg::from));
        wanted("customer_id =", self.customer.as_deref().map(Arg::from));
        wanted("planned_at <", self.before.map(Arg::from));
        (conditions.join(" AND "), args)
    }
}

/// What a sender asks the outbox for.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub channel: Channel,
    /// Which lanes to look in; the order does not matter.
    pub lanes: &'a [Lane],
    pub limit: u32,
    /// Tells what is due.
    pub now: DateTime<Utc>,
    pub token: &'a str,
    /// How long the token is good for, in real time whatever clock the rules run on.
    pub lease: Duration,
}

/// The states of messages that are still under way.
pub(super) const OPEN: &str = "('pending', 'deferred', 'paused', 'claimed', 'sending')";

/// What a message is read from: the state's column is the truth, the body's own state may be one claim behind.
pub(super) const READ: &str = "id, state, CAST(body AS text)";

/// The state as an expression, so that a message is looked for by its key, and never among all that are held.
pub(super) const CLAIMED: &str = "messages.state || '' = 'claimed'";

pub(super) async fn insert(
    session: &mut Session,
    messages: &[Message],
    lease: Option<&(String, Duration)>,
) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    let (token, lasts) = lease.map_or(("", Duration::ZERO), |(token, lasts)| (token.as_str(), *lasts));
    let sorted = sorted(messages);
    let (table, args) = Rows::of(&sorted)
        .text("customer_id", |m| m.customer_id.as_str())
        .text("id", |m| m.id.as_str())
        .text("rule", |m| m.rule.as_str())
        .text("occurrence", |m| m.occurrence.as_str())
        .text("step", |m| m.step.as_str())
        .text("channel", |m| m.channel.as_str())
        .text("state", |m| m.state.as_str())
        .text("reason", |m| m.reason.map(Reason::as_str))
        .time("due_at", |m| m.due_at)
        .time("planned_at", |m| m.planned_at)
        .time("expires_at", |m| m.expires_at)
        .int("attempts", |m| m.attempts.into())
        .text("purpose", |m| m.purpose.as_str())
        .int("lane", |m| m.lane.rank())
        .time("slot_at", |m| m.slot_at)
        .json("body", |m| *m)?
        .after(vec![session.now.into(), token.into(), milliseconds(lasts)], session.dialect());
    let lease_until = session.dialect().now_and(3);
    let sql = format!(
        "INSERT INTO messages (customer_id, id, rule, occurrence, step, channel, state, reason, due_at, planned_at,
             expires_at, attempts, purpose, lane, slot_at, updated_at, lease_token, lease_until, body)
         SELECT customer_id, id, rule, occurrence, step, channel, state, reason, due_at, planned_at,
             expires_at, attempts, purpose, lane, slot_at, $1,
             CASE WHEN state = 'claimed' THEN $2 END, CASE WHEN state = 'claimed' THEN {lease_until} END, body
         FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, args).await.map(drop)
}

/// In the order of their keys, which is the order of locks.
fn sorted<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<&'a Message> {
    let mut sorted: Vec<&Message> = messages.into_iter().collect();
    sorted.sort_by_key(|m| (&m.customer_id, &m.id));
    sorted
}

impl Store {
    /// Leases messages of one channel that are due (pending, deferred until now, or claimed with the lease over) to the
    /// holder of the token: the most urgent lane first, within a lane the longest due. No message is given out twice,
    /// whatever the number of workers. The unreadable are claimed too: end them with [`Tx::end_unreadable`].
    pub async fn claim_messages(&self, claim: &Claim<'_>) -> Result<Found, StoreError> {
        let mut session = self.writing().await?;
        if claim.lanes.is_empty() {
            return Ok(Found::default());
        }
        let sql = claim_sql(session.dialect(), claim.lanes);
        let args = vec![
            claim.now.into(),
            i64::from(claim.limit).into(),
            claim.token.into(),
            milliseconds(claim.lease),
            claim.channel.as_str().into(),
        ];
        let mut found = load_each(&mut session, sql, args).await?;
        found.messages.sort_by(|a, b| (a.lane, a.due_at, &a.id).cmp(&(b.lane, b.due_at, &b.id)));
        Ok(found)
    }

    /// Messages whose hand-over began and whose lease is over: nobody knows whether they went out.
    /// Settle them with [`Tx::settle_expired`] and [`Tx::settle_unreadable`].
    pub async fn expired_sending(&self) -> Result<Found, StoreError> {
        let mut session = self.reading().await?;
        let sql = format!(
            "SELECT {READ} FROM messages
             WHERE state IN ('claimed', 'sending') AND state = 'sending' AND lease_until <= {} ORDER BY lease_until, id LIMIT $1",
            session.dialect().now()
        );
        load_each(&mut session, sql, vec![EXPIRED_LIMIT.into()]).await
    }

    /// When the next waiting message is due; it may lie in the past.
    pub async fn next_message_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let sql = "SELECT MIN(due_at) FROM messages WHERE state IN ('pending', 'deferred')";
        let row: Option<(Option<DateTime<Utc>>,)> = self.reading().await?.first(sql, vec![]).await?;
        Ok(row.and_then(|(at,)| at))
    }

    /// Messages, the latest planned first. Of one that cannot be read, what its columns tell.
    pub async fn messages(&self, filter: &MessageFilter) -> Result<Vec<Message>, StoreError> {
        let (conditions, mut args) = filter.conditions();
        args.push(i64::from(if filter.limit == 0 { 100 } else { filter.limit }).into());
        let sql = format!(
            "SELECT {READ} FROM messages WHERE {conditions} ORDER BY planned_at DESC, id DESC LIMIT ${}",
            args.len()
        );
        let Found { mut messages, unreadable } = load_each(&mut self.reading().await?, sql, args).await?;
        if !unreadable.is_empty() {
            messages.extend(unreadable);
            messages.sort_by(|a, b| (b.planned_at, &b.id).cmp(&(a.planned_at, &a.id)));
        }
        Ok(messages)
    }

    /// The ids of those meant, in order, after `after` (empty for the beginning); as many as the filter's limit.
    pub async fn message_ids(&self, filter: &MessageFilter, after: &str) -> Result<Vec<String>, StoreError> {
        let (conditions, mut args) = filter.conditions();
        args.push(after.into());
        args.push(i64::from(filter.limit).into());
        let (after, limit) = (args.len() - 1, args.len());
        let sql = format!(
            "SELECT id FROM messages WHERE {conditions} AND id > ${after} ORDER BY id LIMIT ${limit}"
        );
        let ids: Vec<(String,)> = self.reading().await?.fetch(sql, args).await?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }

    /// One message by its id; when it cannot be read, what its columns tell.
    pub async fn message(&self, id: &str) -> Result<Option<Message>, StoreError> {
        let sql = format!("SELECT {READ} FROM messages WHERE id = $1");
        let found = load_each(&mut self.reading().await?, sql, vec![id.into()]).await?;
        Ok(found.messages.into_iter().chain(found.unreadable).next())
    }
}

impl Tx {
    /// Commits to the hand-over of claimed messages, just before it, under the lease they were claimed with. Returns
    /// the ids that the token still holds: only those may be handed over.
    pub async fn mark_sending<'a>(
        &mut self,
        token: &str,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> Result<Vec<String>, StoreError> {
        let held = format!(
            "messages.lease_token = $2 AND {CLAIMED} AND messages.lease_until > {}",
            self.session.dialect().now()
        );
        let sending = |_: &Message| MessageState::Sending;
        update_to(&mut self.session, messages, sending, token.into(), &held).await
    }

    /// Writes what became of messages: the whole message, in the state it carries; a pending one will be claimed anew
    /// when due. Returns the ids that the token still holds. A true outcome that comes after the message was settled as
    /// `uncertain` is taken too, as long as nobody else has claimed it.
    pub async fn record(&mut self, token: &str, messages: &[Message]) -> Result<Vec<String>, StoreError> {
        let held = "messages.lease_token = $2 AND messages.state IN ('claimed', 'sending', 'uncertain')";
        update(&mut self.session, messages, token.into(), held).await
    }

    /// Gives claimed messages back untouched, to whoever asks next. Returns the ids that the token still held.
    pub async fn release(&mut self, token: &str, messages: &[Message]) -> Result<Vec<String>, StoreError> {
        let held = format!("messages.lease_token = $2 AND {CLAIMED}");
        let pending = |_: &Message| MessageState::Pending;
        update_to(&mut self.session, messages, pending, token.into(), &held).await
    }

    /// Locks these messages until the transaction ends, those that there are.
    pub async fn lock_messages(&mut self, ids: &[String]) -> Result<Found, StoreError> {
        let d = self.session.dialect();
        let sql = format!(
            "SELECT {READ} FROM messages WHERE id {} ORDER BY customer_id, id {}",
            d.among(1),
            d.lock("FOR UPDATE")
        );
        load_each(&mut self.session, sql, vec![Arg::list(ids)]).await
    }

    /// Writes what an operator makes of locked messages. Nobody's lease stands against it; who is in the middle of a
    /// hand-over keeps it.
    pub async fn put_by_hand(&mut self, messages: &[Message]) -> Result<Vec<String>, StoreError> {
        let sending = MessageState::Sending.as_str().into();
        update(&mut self.session, messages, sending, "messages.state <> $2").await
    }

    /// Settles messages from [`Store::expired_sending`], as `uncertain` or as pending again. Returns the ids
    /// that nobody had settled meanwhile.
    pub async fn settle_expired(&mut self, messages: &[Message]) -> Result<Vec<String>, StoreError> {
        let now = self.session.dialect().now();
        let expired = format!("messages.state = $2 AND messages.lease_until <= {now}");
        update(&mut self.session, messages, MessageState::Sending.as_str().into(), &expired).await
    }
}

/// The claim: first what others have claimed and not settled within their lease, then one range of the index
/// `messages_waiting` for each lane, read no further than the limit. The ranges are read in turn, so a lane is not looked
/// at, and nothing in it is locked, when those before it have filled the limit.
fn claim_sql(dialect: Dialect, lanes: &[Lane]) -> String {
    let (lock, now, lease_until) =
        (dialect.lock("FOR UPDATE SKIP LOCKED"), dialect.now(), dialect.now_and(4));
    let mut ranks: Vec<i64> = lanes.iter().map(|lane| lane.rank()).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let all: Vec<String> = ranks.iter().map(ToString::to_string).collect();
    let left_over = format!(
        "SELECT customer_id, id FROM (
             SELECT customer_id, id FROM messages
             WHERE state IN ('claimed', 'sending') AND state = 'claimed' AND lease_until <= {now}
                 AND channel = $5 AND lane IN ({}) AND due_at <= $1
             ORDER BY lease_until LIMIT $2 {lock}) AS left_over",
        all.join(", ")
    );
    let range = |rank: &i64| {
        format!(
            "SELECT customer_id, id FROM (
                 SELECT customer_id, id FROM messages
                 WHERE channel = $5 AND lane = {rank} AND state IN ('pending', 'deferred') AND due_at <= $1
                 ORDER BY due_at LIMIT $2 {lock}) AS lane_{rank}"
        )
    };
    let ranges: Vec<String> = std::iter::once(left_over).chain(ranks.iter().map(range)).collect();
    // MATERIALIZED: planned into a join, the limited and locking part could run more than once.
    format!(
        "WITH due AS MATERIALIZED (SELECT customer_id, id FROM ({}) AS found LIMIT $2)
         UPDATE messages SET state = 'claimed', lease_token = $3, lease_until = {lease_until}, updated_at = $1
         FROM due WHERE messages.customer_id = due.customer_id AND messages.id = due.id
         RETURNING messages.id, messages.state, CAST(messages.body AS text)",
        ranges.join(" UNION ALL ")
    )
}

fn milliseconds(duration: Duration) -> Arg {
    Arg::Int(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// Writes whole messages where `condition` (on `$2`) holds and returns the ids written. A message that becomes
/// pending loses its token; any other keeps it, for an outcome that comes late. Its lease lasts while it is `sending`.
pub(super) async fn update(
    session: &mut Session,
    messages: &[Message],
    arg: Arg,
    condition: &str,
) -> Result<Vec<String>, StoreError> {
    update_to(session, messages, |message| message.state, arg, condition).await
}

/// The same, each in the state that it comes to. The column's is the truth, also beside a body that says another.
async fn update_to<'a>(
    session: &mut Session,
    messages: impl IntoIterator<Item = &'a Message>,
    state: impl Fn(&Message) -> MessageState,
    arg: Arg,
    condition: &str,
) -> Result<Vec<String>, StoreError> {
    let sorted = sorted(messages);
    if sorted.is_empty() {
        return Ok(Vec::new());
    }
    let d = session.dialect();
    let (table, args) = Rows::of(&sorted)
        .text("customer_id", |m| m.customer_id.as_str())
        .text("id", |m| m.id.as_str())
        .text("state", |m| state(m).as_str())
        .text("reason", |m| m.reason.map(Reason::as_str))
        .time("due_at", |m| m.due_at)
        .int("attempts", |m| m.attempts.into())
        .time("slot_at", |m| m.slot_at)
        .json("body", |m| *m)?
        .after(vec![session.now.into(), arg], d);
    // A hand-over that was under way when its customer was erased must not bring the address back.
    let cleared = erasure::cleared_body(d, "r.body", false);
    let sql = format!(
        "UPDATE messages SET state = r.state, reason = r.reason, due_at = r.due_at, attempts = r.attempts,
             slot_at = r.slot_at,
             updated_at = $1, body = CASE WHEN messages.erased THEN {cleared} ELSE r.body END,
             lease_until = CASE WHEN r.state = 'sending' THEN messages.lease_until END,
             lease_token = CASE WHEN r.state IN ('pending', 'deferred', 'paused') THEN NULL ELSE messages.lease_token END
         FROM {table}
         WHERE messages.customer_id = r.customer_id AND messages.id = r.id AND {condition}
         RETURNING messages.id"
    );
    let ids: Vec<(String,)> = session.fetch(sql, args).await?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

/// Reads what [`READ`] selects.
pub(super) fn read(id: &str, state: &str, body: &str) -> Result<Message, StoreError> {
    let message: Message = read_json("messages", || id.to_owned(), "body", body)?;
    let state = MessageState::parse(state).ok_or_else(|| StoreError::Corrupt {
        table: "messages",
        row: id.to_owned(),
        column: "state".to_owned(),
        detail: format!("`{state}` is not a state"),
    })?;
    Ok(Message { state, ..message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_claim_reads_one_range_of_the_index_a_lane_and_sorts_nothing() {
        let store = Store::open("sqlite::memory:", 1).await.unwrap();
        store.migrate().await.unwrap();
        let mut session = store.writing().await.unwrap();
        let lanes = [Lane::Bulk, Lane::Transactional, Lane::Event];
        let sql = format!("EXPLAIN QUERY PLAN {}", claim_sql(session.dialect(), &lanes));
        let at = DateTime::UNIX_EPOCH;
        let args = vec![at.into(), 9.into(), "t".into(), 9.into(), "email".into()];
        let plan: Vec<(i64, i64, i64, String)> = session.fetch(sql, args).await.unwrap();
        let plan: Vec<String> = plan.into_iter().map(|(.., words)| words).collect();
        let range = "INDEX messages_waiting (channel=? AND lane=? AND due_at<?)";
        assert_eq!(plan.iter().filter(|words| words.contains(range)).count(), 3, "{plan:#?}");
        let left_over = "USING INDEX messages_held (lease_until<?)";
        assert_eq!(plan.iter().filter(|words| words.contains(left_over)).count(), 1, "{plan:#?}");
        assert!(!plan.iter().any(|words| words.contains("TEMP B-TREE")), "{plan:#?}");
        assert!(!plan.iter().any(|words| words == "SCAN messages"), "{plan:#?}");
    }
}
