//! Erasure: what is left of a customer after `customer.deleted` is ids, times, states and the consent ledger
//! (without its proofs), which show that we acted rightly and identify nobody by themselves.

use super::StoreError;
use super::args::Arg;
use super::session::{Dialect, Session};

/// Empties all that describes these customers. Messages not handed over yet are suppressed (`customer_deleted`)
/// and lose their lease, so that a sender holding one is refused at `mark_sending`.
pub(super) async fn erase(session: &mut Session, customers: &[String]) -> Result<(), StoreError> {
    if customers.is_empty() {
        return Ok(());
    }
    let mut ids = customers.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let (d, now) = (session.dialect(), session.now);
    let among = d.among(1);
    let ids = Arg::list(&ids);
    // While their numbers are still known: those they have, and those that an SMS went to.
    let texts = format!(
        "DELETE FROM sms_inbound WHERE sender IN (
             SELECT phone FROM customers WHERE customer_id {among} AND phone IS NOT NULL
             UNION SELECT body->>'address' FROM messages
             WHERE customer_id {among} AND channel = 'sms' AND body->>'address' IS NOT NULL)"
    );
    session.exec(texts, vec![ids.clone()]).await?;
    let dated = [
        format!(
            "UPDATE customers SET email = NULL, phone = NULL, locale = NULL, timezone = '', profile = '{{\"attributes\":{{}}}}',
                 erased_at = $2, updated_at = $2 WHERE customer_id {among}"
        ),
        format!(
            "UPDATE messages SET state = 'suppressed', reason = 'customer_deleted', lease_token = NULL,
                 lease_until = NULL, updated_at = $2, erased = true, body = {}
             WHERE customer_id {among} AND state IN ('pending', 'deferred', 'claimed')",
            cleared_body(d, "body", true)
        ),
        format!(
            "UPDATE messages SET updated_at = $2, erased = true, body = {}
             WHERE customer_id {among} AND state NOT IN ('pending', 'deferred', 'claimed')",
            cleared_body(d, "body", false)
        ),
    ];
    for sql in dated {
        session.exec(sql, vec![ids.clone(), now.into()]).await?;
    }
    let plain = [
        format!(
            "UPDATE bounces SET address = NULL, recipients = NULL, detail = NULL
             WHERE message_id IN (SELECT id FROM messages WHERE customer_id {among})"
        ),
        format!("DELETE FROM customer_dates WHERE customer_id {among}"),
        format!("UPDATE consents SET proof = '{{}}' WHERE customer_id {among}"),
        format!("UPDATE events SET data = NULL WHERE customer_id {among}"),
        format!("DELETE FROM entries WHERE customer_id {among}"),
        // Those not published yet must still reach the shop as they are.
        format!("UPDATE outcomes SET data = NULL WHERE customer_id {among} AND published_at IS NOT NULL"),
    ];
    for sql in plain {
        session.exec(sql, vec![ids.clone()]).await?;
    }
    Ok(())
}

/// The message body in column `body` without what describes the customer; with `end`, as suppressed.
pub(super) fn cleared_body(dialect: Dialect, body: &str, end: bool) -> String {
    const CLEARED: [&str; 4] = ["context", "address", "reply", "detail"];
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
