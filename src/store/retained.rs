//! The kinds of data that belong to customers, and how each leaves the tables at its time.
//!
//! Invariant: no event may outlive the entry that it began, or it would begin it anew. So a customer's events go first and
//! the oldest first, messages next, then the entries that have no message any more, and the customer last.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::archive::{self, Laid, Person};
use super::args::{Arg, json_text};
use super::erasure::{self, End};
use super::holdings::as_json;
use super::messages::OPEN;
use super::retention::{Duty, Held, ROWS};
use super::rows::Rows;
use super::session::{Dialect, Session};
use super::{StoreError, entries};
use crate::domain::retention::{Kind, Phase};

/// A row whose time is over: its customer, its key, the time that it is kept from, and the row as JSON.
type Over = (String, String, String, DateTime<Utc>, String);

/// Which of these customers have something whose time is over.
pub(super) async fn customers_with_something_over(
    session: &mut Session,
    duty: &Duty,
    ids: &[String],
) -> Result<BTreeSet<String>, StoreError> {
    let d = session.dialect();
    let among = d.among(1);
    let archive = format!(
        "SELECT DISTINCT k.customer_id FROM archive AS k WHERE k.customer_id {among} AND k.until < $2"
    );
    let mut asked = vec![(archive, duty.now)];
    let mut ask = |kind, sql: String| asked.extend(duty.of(kind).map(|(before, _)| (sql, before)));
    ask(
        Kind::Events,
        format!("SELECT DISTINCT k.customer_id FROM events AS k WHERE k.customer_id {among} AND k.time < $2"),
    );
    ask(
        Kind::Messages,
        format!(
            "SELECT DISTINCT k.customer_id FROM messages AS k
             WHERE k.customer_id {among} AND k.updated_at < $2 AND k.planned_at < $2 AND NOT (k.state IN {OPEN})"
        ),
    );
    ask(
        Kind::Messages,
        format!(
            "SELECT DISTINCT k.customer_id FROM outcomes AS k
             WHERE k.customer_id {among} AND k.published_at IS NOT NULL AND k.created_at < $2"
        ),
    );
    ask(
        Kind::PromoCodes,
        format!(
            "SELECT DISTINCT k.customer_id FROM promo_codes AS k WHERE k.customer_id {among} AND k.valid_until < $2"
        ),
    );
    ask(Kind::Customers, format!("SELECT k.customer_id {}", quiet_customers(&among)));
    ask(Kind::Consents, format!("SELECT k.customer_id {}", ledgers_over(&among)));
    let mut over = BTreeSet::new();
    for (sql, before) in asked {
        let rows: Vec<(String,)> = session.fetch(sql, vec![Arg::list(ids), before.into()]).await?;
        over.extend(rows.into_iter().map(|(id,)| id));
    }
    if let Some((before, _)) = duty.of(Kind::Messages) {
        let sql = format!("SELECT DISTINCT k.customer_id {}", entries_over(d));
        let args = vec![Arg::list(ids), before.into(), Arg::list(&duty.again)];
        let rows: Vec<(String,)> = session.fetch(sql, args).await?;
        over.extend(rows.into_iter().map(|(id,)| id));
    }
    Ok(over)
}

/// The end of a question for customers known and not heard of since `$2`, of whom no event is left. One who has been known
/// for less long, as after an import of an old list, was heard of by that.
fn quiet_customers(among: &str) -> String {
    format!(
        "FROM customers AS k
         WHERE k.customer_id {among} AND k.erased_at IS NULL AND k.created_at < $2
             AND (k.last_event_at IS NULL OR k.last_event_at < $2) AND NOT EXISTS (SELECT 1 FROM events v WHERE v.customer_id = k.customer_id)"
    )
}

/// The end of a question for customers erased before `$2` whose ledger has no line since.
fn ledgers_over(among: &str) -> String {
    format!(
        "FROM customers AS k
         WHERE k.customer_id {among} AND k.erased_at < $2 AND k.archived_at IS NULL
             AND EXISTS (SELECT 1 FROM consents f WHERE f.customer_id = k.customer_id)
             AND NOT EXISTS (SELECT 1 FROM consents f WHERE f.customer_id = k.customer_id AND f.at >= $2)"
    )
}

/// The end of a question for entries that ended, began before `$2` and have no message any more: those of rules among `$3`,
/// which go, and of the others those that still say what began them.
fn entries_over(d: Dialect) -> String {
    format!(
        "FROM entries AS k WHERE k.customer_id {} AND k.status = 'ended' AND {} < $2
             AND (k.rule {} OR (k.body->'trigger'->>'data') IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM messages m
                 WHERE m.customer_id = k.customer_id AND m.rule = k.rule AND m.occurrence = k.occurrence)",
        d.among(1),
        started(d),
        d.among(3)
    )
}

/// When an entry started.
fn started(d: Dialect) -> &'static str {
    match d {
        Dialect::Postgres => "CAST(k.body->>'started_at' AS timestamptz)",
        Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f000Z', k.body->>'started_at')",
    }
}

/// How many rows of a kind are over by `$1`.
pub(super) fn count_sql(kind: Kind) -> String {
    let sql = match kind {
        Kind::Events => "SELECT /* what is over */ COUNT(*) FROM events AS k WHERE k.time < $1",
        Kind::Messages => {
            return format!(
                "SELECT /* what is over */ COUNT(*) FROM messages AS k WHERE k.updated_at < $1 AND k.planned_at < $1
                     AND NOT (k.state IN {OPEN})"
            );
        }
        Kind::PromoCodes => "SELECT /* what is over */ COUNT(*) FROM promo_codes AS k WHERE k.valid_until < $1",
        Kind::Customers => {
            "SELECT /* what is over */ COUNT(*) FROM customers AS k WHERE k.erased_at IS NULL
                 AND k.created_at < $1
                 AND (k.last_event_at IS NULL OR k.last_event_at < $1)
                 AND NOT EXISTS (SELECT 1 FROM events v WHERE v.customer_id = k.customer_id AND v.time >= $1)"
        }
        Kind::Consents => {
            "SELECT /* what is over */ COUNT(*) FROM customers AS k WHERE k.erased_at < $1 AND k.archived_at IS NULL
                 AND EXISTS (SELECT 1 FROM consents f WHERE f.customer_id = k.customer_id)
                 AND NOT EXISTS (SELECT 1 FROM consents f WHERE f.customer_id = k.customer_id AND f.at >= $1)"
        }
        Kind::Texts => "SELECT /* what is over */ COUNT(*) FROM sms_inbound WHERE received_at < $1",
        Kind::Bounces => "SELECT /* what is over */ COUNT(*) FROM bounces WHERE received_at < $1",
        Kind::DeadLetters => "SELECT COUNT(*) FROM dead_letters WHERE received_at < $1",
    };
    sql.to_owned()
}

/// Archives and deletes all that is over of the customers held, as much as one transaction takes.
pub(super) async fn all(held: &mut Held<'_>) -> Result<(), StoreError> {
    archive_over(held).await?;
    events(held).await?;
    messages(held).await?;
    outcomes(held).await?;
    promo_codes(held).await?;
    // What comes after stands on what came before being gone.
    if !held.is_full {
        ended_entries(held).await?;
        quiet(held).await?;
        ledgers(held).await?;
    }
    Ok(())
}

/// Seals those of these rows that have a time in the archive left.
async fn lay(held: &mut Held<'_>, kind: Kind, table: &str, rows: Vec<Over>) -> Result<(), StoreError> {
    let Some((_, phases)) = held.duty.of(kind) else { return Ok(()) };
    let (all, now) = (rows.len(), held.duty.now);
    let mut laid = Vec::new();
    if let Some(archive) = phases.archive {
        for (customer_id, _, _, since, row) in rows {
            let until = archive.after(phases.active.after(since));
            if until > now {
                laid.push(Laid { customer_id, row, until });
            }
        }
    }
    held.note(kind, Phase::Archived, laid.len());
    held.note(kind, Phase::Deleted, all - laid.len());
    archive::put(held.session, &mut held.keys, (kind, table), laid).await
}

async fn over(held: &mut Held<'_>, sql: String, before: DateTime<Utc>) -> Result<Vec<Over>, StoreError> {
    let rows: Vec<Over> = held.session.fetch(sql, vec![held.ids(), before.into(), ROWS.into()]).await?;
    held.is_full |= rows.len() as i64 >= ROWS;
    Ok(rows)
}

async fn events(held: &mut Held<'_>) -> Result<(), StoreError> {
    let Some((before, _)) = held.duty.of(Kind::Events) else { return Ok(()) };
    let d = held.session.dialect();
    let sql = format!(
        "SELECT k.customer_id, k.source, k.id, k.time, {} FROM events AS k WHERE k.customer_id {} AND k.time < $2
         ORDER BY k.customer_id, k.time, k.source, k.id LIMIT $3",
        as_json(d, "events"),
        d.among(1)
    );
    let rows = over(held, sql, before).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut last: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
    for (customer, _, _, time, _) in &rows {
        let newest = last.entry(customer).or_insert(*time);
        *newest = (*newest).max(*time);
    }
    let last: Vec<_> = last.into_iter().collect();
    let (table, args) = Rows::of(&last)
        .text("customer_id", |(id, _)| *id)
        .time("time", |(_, time)| *time)
        .after(Vec::new(), d);
    let sql = format!(
        "UPDATE customers SET last_event_at = CASE WHEN last_event_at > r.time THEN last_event_at ELSE r.time END
         FROM {table} WHERE customers.customer_id = r.customer_id"
    );
    held.session.exec(sql, args).await?;
    let (table, args) = keyed(&rows, d);
    let sql = format!(
        "DELETE FROM events WHERE (customer_id, source, id) IN (SELECT r.customer_id, r.a, r.b FROM {table})"
    );
    held.session.exec(sql, args).await?;
    lay(held, Kind::Events, "events", rows).await
}

async fn messages(held: &mut Held<'_>) -> Result<(), StoreError> {
    let Some((before, _)) = held.duty.of(Kind::Messages) else { return Ok(()) };
    let d = held.session.dialect();
    let sql = format!(
        "SELECT k.customer_id, k.id, k.step, k.updated_at, {} FROM messages AS k
         WHERE k.customer_id {} AND k.updated_at < $2 AND k.planned_at < $2 AND NOT (k.state IN {OPEN})
         ORDER BY k.customer_id, k.id LIMIT $3 {}",
        as_json(d, "messages"),
        d.among(1),
        d.lock("FOR UPDATE OF k")
    );
    let rows = over(held, sql, before).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let (table, args) = keyed(&rows, d);
    let sql =
        format!("DELETE FROM messages WHERE (customer_id, id) IN (SELECT r.customer_id, r.a FROM {table})");
    held.session.exec(sql, args).await?;
    // A report on a mail knows whom it was about by its message only.
    let sql = format!("DELETE FROM bounces WHERE message_id {}", d.among(1));
    held.session.exec(sql, vec![Arg::list(rows.iter().map(|(_, id, ..)| id))]).await?;
    lay(held, Kind::Messages, "messages", rows).await
}

/// Outcomes say again what messages say, and the broker has had them: they are not archived.
async fn outcomes(held: &mut Held<'_>) -> Result<(), StoreError> {
    let Some((before, _)) = held.duty.of(Kind::Messages) else { return Ok(()) };
    let sql = format!(
        "DELETE FROM outcomes WHERE id IN (SELECT k.id FROM outcomes AS k
             WHERE k.customer_id {} AND k.published_at IS NOT NULL AND k.created_at < $2 ORDER BY k.id LIMIT $3)",
        held.session.dialect().among(1)
    );
    let gone = held.session.exec(sql, vec![held.ids(), before.into(), ROWS.into()]).await?;
    held.is_full |= gone >= ROWS as u64;
    Ok(())
}

async fn promo_codes(held: &mut Held<'_>) -> Result<(), StoreError> {
    let Some((before, _)) = held.duty.of(Kind::PromoCodes) else { return Ok(()) };
    let d = held.session.dialect();
    // One that a message may still carry stays.
    let sql = format!(
        "SELECT k.customer_id, k.code, k.step, k.valid_until, {} FROM promo_codes AS k
         WHERE k.customer_id {} AND k.valid_until < $2 AND NOT EXISTS (SELECT 1 FROM messages m
             WHERE m.customer_id = k.customer_id AND m.rule = k.rule AND m.occurrence = k.occurrence AND m.state IN {OPEN})
         ORDER BY k.customer_id, k.code LIMIT $3",
        as_json(d, "promo_codes"),
        d.among(1)
    );
    let rows = over(held, sql, before).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!("DELETE FROM promo_codes AS k WHERE k.code {}", d.among(1));
    held.session.exec(sql, vec![Arg::list(rows.iter().map(|(_, code, ..)| code))]).await?;
    lay(held, Kind::PromoCodes, "promo_codes", rows).await
}

/// Entries go with the last of their messages. What is left of one whose rule is gone through once only says that it was.
async fn ended_entries(held: &mut Held<'_>) -> Result<(), StoreError> {
    let Some((before, _)) = held.duty.of(Kind::Messages) else { return Ok(()) };
    let d = held.session.dialect();
    let sql = format!(
        "SELECT k.customer_id, k.rule, k.occurrence, {}, {} {} ORDER BY k.customer_id, k.rule, k.occurrence LIMIT $4",
        started(d),
        as_json(d, "entries"),
        entries_over(d)
    );
    let args = vec![held.ids(), before.into(), Arg::list(&held.duty.again), ROWS.into()];
    let rows: Vec<Over> = held.session.fetch(sql, args).await?;
    held.is_full |= rows.len() as i64 >= ROWS;
    if rows.is_empty() {
        return Ok(());
    }
    let again: BTreeSet<&str> = held.duty.again.iter().map(String::as_str).collect();
    let gone = rows.iter().filter(|(_, rule, ..)| again.contains(rule.as_str()));
    let gone: Vec<(String, String, String)> = gone
        .map(|(customer, rule, occurrence, ..)| (customer.clone(), rule.clone(), occurrence.clone()))
        .collect();
    entries::remove(held.session, &gone).await?;
    let (table, args) = keyed(&rows, d);
    let sql = format!(
        "UPDATE entries SET body = {} FROM {table}
         WHERE entries.customer_id = r.customer_id AND entries.rule = r.a AND entries.occurrence = r.b",
        entries::tombstone(d, false)
    );
    held.session.exec(sql, args).await?;
    lay(held, Kind::Messages, "entries", rows).await
}

/// Customers of whom nothing has been heard for their time: into the archive, or erased.
async fn quiet(held: &mut Held<'_>) -> Result<(), StoreError> {
    let Some((before, phases)) = held.duty.of(Kind::Customers) else { return Ok(()) };
    let d = held.session.dialect();
    let sql = format!(
        "SELECT k.customer_id, CAST(k.profile AS text), k.phone, k.phone_sealed, k.forgotten_until,
                CASE WHEN k.last_event_at > k.created_at THEN k.last_event_at ELSE k.created_at END {} ORDER BY k.customer_id",
        quiet_customers(&d.among(1))
    );
    type Fields = (String, String, Option<String>, Option<String>, Option<DateTime<Utc>>, DateTime<Utc>);
    let rows: Vec<Fields> = held.session.fetch(sql, vec![held.ids(), before.into()]).await?;
    let (mut laid, mut gone) = (Vec::new(), BTreeMap::new());
    for (customer_id, profile, phone, sealed, forgotten_until, last) in rows {
        let sealer = &held.session.vault.customers;
        let opened = sealer.opened(&customer_id, &profile, phone, sealed.as_deref());
        // Who cannot be read is kept, and holds up nobody else's walk.
        let Ok((profile, phone)) = opened else { continue };
        let person = Person { profile, phone, forgotten_until };
        // Who has asked that their data be kept and not used is kept (GDPR article 18).
        if person.profile.is_restricted() {
            continue;
        }
        let until = phases.archive.map(|archive| archive.after(phases.active.after(last)));
        match until.filter(|until| *until > held.duty.now) {
            Some(until) => laid.push(Laid { row: json_text(&person)?, customer_id, until }),
            None => _ = gone.insert(customer_id, before),
        }
    }
    held.note(Kind::Customers, Phase::Deleted, gone.len());
    let gone = gone.iter().map(|(id, until)| (id.as_str(), *until)).collect();
    erase(held.session, &gone, End::Over).await?;
    if laid.is_empty() {
        return Ok(());
    }
    held.note(Kind::Customers, Phase::Archived, laid.len());
    let kept: BTreeMap<String, DateTime<Utc>> =
        laid.iter().map(|laid| (laid.customer_id.clone(), laid.until)).collect();
    archive::put(held.session, &mut held.keys, (Kind::Customers, "customers"), laid).await?;
    // Their latest messages show how they were reached, and are to be told to whoever asks.
    let sql = format!(
        "SELECT k.customer_id, {} FROM messages AS k WHERE k.customer_id {} ORDER BY k.customer_id, k.id",
        as_json(d, "messages"),
        d.among(1)
    );
    let rows: Vec<(String, String)> = held.session.fetch(sql, vec![Arg::list(kept.keys())]).await?;
    let laid = rows.into_iter().map(|(customer_id, row)| {
        let until = kept.get(&customer_id).copied().unwrap_or(held.duty.now);
        Laid { customer_id, row, until }
    });
    let laid: Vec<Laid> = laid.collect();
    archive::put(held.session, &mut held.keys, (Kind::Messages, "messages"), laid).await?;
    let until = kept.keys().map(|id| (id.as_str(), before)).collect();
    erase(held.session, &until, End::Archived).await
}

async fn erase(
    session: &mut Session,
    until: &BTreeMap<&str, DateTime<Utc>>,
    end: End,
) -> Result<(), StoreError> {
    if until.is_empty() { Ok(()) } else { erasure::empty(session, until, end).await }
}

/// What has been in the archive for its time: gone, and a customer with all that is left of theirs.
async fn archive_over(held: &mut Held<'_>) -> Result<(), StoreError> {
    let among = held.session.dialect().among(1);
    let now = held.duty.now;
    let sql = format!(
        "SELECT k.customer_id FROM archive AS k JOIN customers c ON c.customer_id = k.customer_id
         WHERE k.customer_id {among} AND k.kind = 'customers' AND k.until < $2 AND c.archived_at IS NOT NULL"
    );
    let people: Vec<(String,)> = held.session.fetch(sql, vec![held.ids(), now.into()]).await?;
    let sql = format!("DELETE FROM archive WHERE customer_id {among} AND until < $2 RETURNING kind, amount");
    let rows: Vec<(String, i64)> = held.session.fetch(sql, vec![held.ids(), now.into()]).await?;
    for (kind, amount) in rows {
        if let Some(kind) = Kind::ALL.into_iter().find(|known| known.as_str() == kind) {
            held.note(kind, Phase::Deleted, usize::try_from(amount).unwrap_or(0));
        }
    }
    // All that was heard of them was before they were archived.
    let until = people.iter().map(|(id,)| (id.as_str(), DateTime::UNIX_EPOCH)).collect();
    erase(held.session, &until, End::Over).await
}

/// Whole ledgers, of those who are nobody's customers any more.
async fn ledgers(held: &mut Held<'_>) -> Result<(), StoreError> {
    let Some((before, _)) = held.duty.of(Kind::Consents) else { return Ok(()) };
    let d = held.session.dialect();
    let sql = format!("SELECT k.customer_id {} ORDER BY k.customer_id", ledgers_over(&d.among(1)));
    let ids: Vec<(String,)> = held.session.fetch(sql, vec![held.ids(), before.into()]).await?;
    if ids.is_empty() {
        return Ok(());
    }
    let ids = Arg::list(ids.iter().map(|(id,)| id));
    // The one deletion that the ledger's own guard lets pass, for as long as this transaction says so.
    let (open, close) = match d {
        Dialect::Postgres => ("SET LOCAL declic.retention = 'over'", "SET LOCAL declic.retention = ''"),
        Dialect::Sqlite => (
            "INSERT INTO settings (key, value) VALUES ('declic.retention', 'over')",
            "DELETE FROM settings WHERE key = 'declic.retention'",
        ),
    };
    held.session.exec(open, Vec::new()).await?;
    let sql = format!("DELETE FROM consents WHERE customer_id {}", d.among(1));
    let gone = held.session.exec(sql, vec![ids.clone()]).await?;
    held.session.exec(close, Vec::new()).await?;
    let sql = format!(
        "UPDATE customers SET ledger_length = 0, ledger_head = '', ledger_over_at = $2 WHERE customer_id {}",
        d.among(1)
    );
    held.session.exec(sql, vec![ids, held.duty.now.into()]).await?;
    held.note(Kind::Consents, Phase::Deleted, usize::try_from(gone).unwrap_or(usize::MAX));
    Ok(())
}

/// The keys of rows, as a table with the columns `customer_id`, `a` and `b`.
fn keyed(rows: &[Over], d: Dialect) -> (String, Vec<Arg>) {
    Rows::of(rows)
        .text("customer_id", |(customer, ..)| customer.as_str())
        .text("a", |(_, a, ..)| a.as_str())
        .text("b", |(_, _, b, ..)| b.as_str())
        .after(Vec::new(), d)
}
