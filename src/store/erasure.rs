//! Erasure: what is left of a customer after `customer.deleted` is ids, times, states and the consent ledger
//! (without its proofs), which show that we acted rightly and identify nobody by themselves, and hashes of their
//! addresses on the suppression list.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::consents::Chained;
use super::rows::Rows;
use super::sealed::Sought;
use super::session::{Dialect, Session};
use super::{StoreError, customers, dead_letters, entries, profiles, suppressions};
use crate::domain::consent::Channel;

/// Empties all that describes these customers, and notes until when what happened is forgotten. Messages not handed over
/// yet are suppressed (`customer_deleted`) and lose their lease, so that a sender holding one is refused at
/// `mark_sending`. Those of `unknown` are made, so that it is known of them too.
pub(super) async fn erase(
    session: &mut Session,
    erased: &[(String, DateTime<Utc>)],
    unknown: &mut BTreeSet<String>,
    ledgers: &mut BTreeMap<String, Chained>,
) -> Result<(), StoreError> {
    if erased.is_empty() {
        return Ok(());
    }
    let until: BTreeMap<&str, DateTime<Utc>> =
        erased.iter().map(|(id, until)| (id.as_str(), *until)).collect();
    let new: BTreeSet<&str> = until.keys().copied().filter(|id| unknown.contains(*id)).collect();
    if customers::insert(session, &new).await?.len() < new.len() {
        return Err(customers::met_elsewhere());
    }
    unknown.retain(|id| !until.contains_key(id.as_str()));
    for (id, ledger) in ledgers.iter_mut() {
        if until.contains_key(id.as_str()) {
            ledger.key = None;
        }
    }
    empty(session, &until, End::Asked).await
}

/// Why what describes a customer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// They asked to be forgotten: their addresses are never to be written to again.
    Asked,
    /// Its time is over. They may come back by themselves.
    Over,
    /// Into the archive, which the caller has filled: the key that seals it stays, and so do the proofs under it.
    Archived,
}

/// Empties all that describes these customers, beside each until when what happened is forgotten.
pub(super) async fn empty(
    session: &mut Session,
    until: &BTreeMap<&str, DateTime<Utc>>,
    end: End,
) -> Result<(), StoreError> {
    let (d, now) = (session.dialect(), session.now);
    let among = d.among(1);
    let ids = Arg::list(until.keys());
    // While it is still known how they were reached, and from where.
    let mut reached = BTreeSet::new();
    for (id, until) in until {
        let theirs = addresses(session, &Arg::list([id])).await?;
        reached.extend(theirs.iter().cloned());
        let theirs_alone = of_nobody_else(session, &ids, theirs).await?;
        match end {
            End::Asked => suppressions::hash(session, &theirs_alone, *until).await?,
            End::Over | End::Archived => suppressions::hash_known(session, &theirs_alone).await?,
        }
    }
    if end != End::Archived {
        let texts = format!("DELETE FROM sms_inbound WHERE sender {among}");
        let numbers =
            reached.iter().filter(|(channel, _)| *channel == Channel::Sms).map(|(_, number)| number);
        session.exec(texts, vec![Arg::list(numbers)]).await?;
        let names: Vec<&str> =
            until.keys().copied().chain(reached.iter().map(|(_, address)| address.as_str())).collect();
        dead_letters::erase(session, &names).await?;
    }
    forget_rows(session, until, end).await?;
    let dated = [
        format!(
            "UPDATE messages SET state = 'suppressed', reason = 'customer_deleted', lease_token = NULL,
                 lease_until = NULL, updated_at = $2, erased = true, body = {}
             WHERE customer_id {among} AND state IN ('pending', 'deferred', 'paused', 'claimed')",
            cleared_body(d, "body", true)
        ),
        format!(
            "UPDATE messages SET updated_at = $2, erased = true, body = {}
             WHERE customer_id {among} AND state NOT IN ('pending', 'deferred', 'paused', 'claimed')",
            cleared_body(d, "body", false)
        ),
    ];
    for sql in dated {
        session.exec(sql, vec![ids.clone(), now.into()]).await?;
    }
    let mut plain = vec![
        format!(
            "UPDATE bounces SET address = NULL, recipients = NULL, detail = NULL
             WHERE message_id IN (SELECT id FROM messages WHERE customer_id {among})"
        ),
        format!("DELETE FROM customer_dates WHERE customer_id {among}"),
        // Those not published yet must still reach the shop as they are.
        format!(
            "UPDATE outcomes SET data = NULL, traceparent = NULL WHERE customer_id {among} AND published_at IS NOT NULL"
        ),
    ];
    if end == End::Archived {
        // What a rule says happens once stays known: they may be back.
        plain.push(format!(
            "UPDATE entries SET status = 'ended', due_at = NULL, body = {} WHERE customer_id {among}",
            entries::tombstone(d, true)
        ));
    } else {
        plain.extend([
            format!("UPDATE consents SET proof = '{{}}', sealed = NULL WHERE customer_id {among}"),
            format!("UPDATE events SET data = NULL, traceparent = NULL WHERE customer_id {among}"),
            format!("DELETE FROM entries WHERE customer_id {among}"),
            format!("DELETE FROM archive AS k WHERE k.customer_id {among}"),
        ]);
    }
    for sql in plain {
        session.exec(sql, vec![ids.clone()]).await?;
    }
    Ok(())
}

/// The customers' own rows, and with them the key of their proofs.
async fn forget_rows(
    session: &mut Session,
    until: &BTreeMap<&str, DateTime<Utc>>,
    end: End,
) -> Result<(), StoreError> {
    let (key, archived_at) = match end {
        End::Asked | End::Over => ("NULL", "NULL"),
        End::Archived => ("ledger_key", "$1"),
    };
    let until: Vec<_> = until.iter().collect();
    let (table, args) = Rows::of(&until)
        .text("customer_id", |(id, _)| **id)
        .time("until", |(_, until)| **until)
        .after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "UPDATE customers SET email = NULL, phone = NULL, phone_sealed = NULL, locale = NULL, timezone = '', profile = '{{\"attributes\":{{}}}}',
             ledger_key = {key}, archived_at = {archived_at}, erased_at = $1, updated_at = $1,
             forgotten_until = CASE WHEN forgotten_until > r.until THEN forgotten_until ELSE r.until END
         FROM {table} WHERE customers.customer_id = r.customer_id"
    );
    session.exec(sql, args).await.map(drop)
}

/// How these customers can be or were written to, in the form in which addresses are compared.
pub(super) async fn addresses(
    session: &mut Session,
    ids: &Arg,
) -> Result<BTreeSet<(Channel, String)>, StoreError> {
    let among = session.dialect().among(1);
    let sql = format!(
        "SELECT DISTINCT channel, lower(body->>'address') FROM messages
         WHERE customer_id {among} AND body->>'address' IS NOT NULL"
    );
    let rows: Vec<(String, String)> = session.fetch(sql, vec![ids.clone()]).await?;
    let channel = |word: &str| Channel::parse(word).unwrap_or(Channel::Email);
    let mut addresses: BTreeSet<_> =
        rows.into_iter().map(|(word, address)| (channel(&word), address)).collect();
    let sql = format!(
        "SELECT customer_id, CAST(profile AS text), phone, phone_sealed FROM customers
         WHERE customer_id {among} ORDER BY customer_id"
    );
    let rows: Vec<(String, String, Option<String>, Option<String>)> =
        session.fetch(sql, vec![ids.clone()]).await?;
    for (id, profile, phone, sealed) in rows {
        let (profile, phone) = session.vault.customers.opened(&id, &profile, phone, sealed.as_deref())?;
        addresses.extend(profiles::email(&profile).map(|email| (Channel::Email, email)));
        addresses.extend(phone.map(|phone| (Channel::Sms, phone)));
    }
    Ok(addresses)
}

/// Those of these addresses that no other customer has: of a household, one person's erasure does not silence the others.
async fn of_nobody_else(
    session: &mut Session,
    ids: &Arg,
    mut addresses: BTreeSet<(Channel, String)>,
) -> Result<BTreeSet<(Channel, String)>, StoreError> {
    let sealer = session.vault.customers.clone();
    for (channel, column, sought) in
        [(Channel::Email, "email", Sought::Email), (Channel::Sms, "phone", Sought::Phone)]
    {
        let mut kept_as: BTreeMap<String, String> = BTreeMap::new();
        for (_, address) in addresses.iter().filter(|(of, _)| *of == channel) {
            kept_as.extend(sealer.all_kept_as(sought, address).map(|kept| (kept, address.clone())));
        }
        if kept_as.is_empty() {
            continue;
        }
        let (others, these) = (session.dialect().among(1), session.dialect().among(2));
        let sql =
            format!("SELECT {column} FROM customers WHERE {column} {others} AND NOT (customer_id {these})");
        let shared: Vec<(String,)> = session.fetch(sql, vec![Arg::list(kept_as.keys()), ids.clone()]).await?;
        for address in shared.into_iter().filter_map(|(kept,)| kept_as.remove(&kept)) {
            addresses.remove(&(channel, address));
        }
    }
    Ok(addresses)
}

/// The message body in column `body` without what describes the customer; with `end`, as suppressed.
pub(super) fn cleared_body(dialect: Dialect, body: &str, end: bool) -> String {
    const CLEARED: [&str; 5] = ["context", "address", "reply", "detail", "trace"];
    const ENDED: [(&str, &str); 2] = [("state", "suppressed"), ("reason", "customer_deleted")];
    let mut fields: Vec<(&str, String)> = CLEARED.iter().map(|name| (*name, "null".to_owned())).collect();
    if end {
        fields.extend(ENDED.iter().map(|(name, word)| (*name, format!("\"{word}\""))));
    }
    match dialect {
        Dialect::Postgres => {
            let object: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("({body}::jsonb || '{{{}}}'::jsonb)::json", object.join(","))
        }
        Dialect::Sqlite => {
            let pairs: Vec<_> =
                fields.iter().map(|(name, value)| format!("'$.{name}', json('{value}')")).collect();
            format!("json_set({body}, {})", pairs.join(", "))
        }
    }
}
