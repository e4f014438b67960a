//! Everything that is held of one customer, table by table, for whoever asks for it (GDPR articles 15 and 20).
//!
//! Which tables hold something of a customer is said once, in `HELD`; a test holds it against the database's own list.

use serde_json::{Map, Value, json};

use super::args::Arg;
use super::dead_letters;
use super::session::{Dialect, Session, read_json};
use super::{Store, StoreError, archive, consents, erasure, profiles};

/// A table that holds something of customers.
struct Held {
    table: &'static str,
    /// What its rows are told as.
    name: &'static str,
    of: Of,
    order: &'static str,
    /// Those that hold JSON have a `*` before their name.
    columns: &'static [&'static str],
}

/// How a customer's rows are found.
enum Of {
    Customer,
    /// By a column that holds an address, or the hash of one.
    Address(&'static str),
    /// By the message that it is about.
    Message,
}

const fn held(
    table: &'static str,
    name: &'static str,
    of: Of,
    order: &'static str,
    columns: &'static [&'static str],
) -> Held {
    Held { table, name, of, order, columns }
}

#[rustfmt::skip]
const HELD: &[Held] = &[
    held("customers", "customer", Of::Customer, "customer_id", &[
        "email", "phone", "phone_sealed", "locale", "timezone", "*profile", "created_at", "updated_at", "erased_at", "forgotten_until",
    ]),
    held("events", "events", Of::Customer, "time, source, id", &[
        "source", "id", "type", "time", "received_at", "*data",
    ]),
    held("entries", "entries", Of::Customer, "rule, occurrence", &[
        "rule", "occurrence", "status", "due_at", "version", "*body",
    ]),
    held("messages", "messages", Of::Customer, "planned_at, id", &[
        "id", "rule", "occurrence", "step", "channel", "purpose", "state", "reason", "planned_at", "due_at",
        "expires_at", "updated_at", "*body",
    ]),
    held("promo_codes", "promo_codes", Of::Customer, "issued_at, code", &[
        "code", "rule", "occurrence", "step", "*discount", "valid_from", "valid_until", "issued_at",
    ]),
    held("outcomes", "outcomes", Of::Customer, "created_at, id", &[
        "id", "kind", "time", "*data", "created_at", "published_at",
    ]),
    held("sms_parts", "sms_parts", Of::Customer, "sent_at, provider_id", &[
        "provider_id", "message_id", "part", "parts", "state", "sent_at",
    ]),
    held("sms_inbound", "texts_received", Of::Address("sender"), "received_at, id", &[
        "id", "sender", "recipient", "body", "at", "received_at", "meaning",
    ]),
    held("bounces", "bounces", Of::Message, "received_at, id", &[
        "id", "message_id", "kind", "status", "detail", "received_at", "settled_at", "address",
    ]),
    held("suppressions", "suppressions", Of::Address("address"), "channel, address", &[
        "channel", "address", "reason", "at", "detail",
    ]),
];

/// Tables that hold something of a customer and are told in another way: what is derived from the profile, the ledger, and the
/// archive.
const TOLD_OTHERWISE: &[&str] = &["customer_dates", "consents", "archive"];

/// The tables from which [`Store::holdings`] tells.
pub fn tables_told() -> impl Iterator<Item = &'static str> {
    HELD.iter().map(|held| held.table).chain(TOLD_OTHERWISE.iter().copied())
}

/// One row of a table of those told as a text of JSON, within a statement.
pub(super) fn as_json(d: Dialect, table: &str) -> String {
    let columns = HELD.iter().find(|held| held.table == table).map_or(&[][..], |held| held.columns);
    let pair = |name: &&str| match (d, name.strip_prefix('*')) {
        (Dialect::Postgres, json) => format!("'{0}', {0}", json.unwrap_or(name)),
        // What is no JSON, for whatever reason, is told as the text it is.
        (Dialect::Sqlite, Some(name)) => {
            format!("'{name}', json(CASE WHEN json_valid({name}) THEN {name} ELSE json_quote({name}) END)")
        }
        (Dialect::Sqlite, None) => format!("'{name}', {name}"),
    };
    let pairs = columns.iter().map(pair).collect::<Vec<_>>().join(", ");
    match d {
        Dialect::Postgres => format!("CAST(json_build_object({pairs}) AS text)"),
        Dialect::Sqlite => format!("json_object({pairs})"),
    }
}

impl Store {
    /// All that is held of a customer: an object with a list of rows for each kind of data. None when there is no such
    /// customer. Proofs of consents are opened, as far as our keys can.
    pub async fn holdings(&self, customer: &str) -> Result<Option<Map<String, Value>>, StoreError> {
        let mut tx = self.begin_to_read().await?;
        let session = &mut tx.session;
        let known = "SELECT customer_id FROM customers WHERE customer_id = $1";
        if session.first::<(String,)>(known, vec![customer.into()]).await?.is_none() {
            return Ok(None);
        }
        let reached = erasure::addresses(session, &Arg::list([customer])).await?;
        let mut kept_as: Vec<String> = reached.iter().map(|(_, address)| address.clone()).collect();
        for (channel, address) in &reached {
            kept_as.extend(session.vault.all_hashed(*channel, address));
        }
        let mut all = Map::new();
        for held in HELD {
            all.insert(held.name.to_owned(), rows(session, held, customer, &kept_as).await?);
        }
        let ledger = consents::with_proofs(session, customer).await?;
        all.insert("consents".to_owned(), json!(ledger.0));
        all.insert("archive".to_owned(), archive::opened(session, customer).await?);
        let names: Vec<&str> =
            [customer].into_iter().chain(reached.iter().map(|(_, address)| address.as_str())).collect();
        let letters = dead_letters::naming(session, &names).await?;
        let letters =
            letters.iter().map(|(id, body)| json!({ "id": id, "body": String::from_utf8_lossy(body) }));
        all.insert("dead_letters".to_owned(), letters.collect());
        tx.rollback().await?;
        Ok(Some(all))
    }
}

async fn rows(
    session: &mut Session,
    Held { table, of, order, columns, .. }: &Held,
    customer: &str,
    kept_as: &[String],
) -> Result<Value, StoreError> {
    let d = session.dialect();
    let (condition, arg) = match of {
        Of::Customer => ("$1 = customer_id".to_owned(), customer.into()),
        Of::Message => {
            ("message_id IN (SELECT id FROM messages WHERE $1 = customer_id)".to_owned(), customer.into())
        }
        Of::Address(column) => (format!("{column} {}", d.among(1)), Arg::list(kept_as)),
    };
    let as_json = match d {
        Dialect::Postgres => {
            let columns: Vec<&str> = columns.iter().map(|name| name.trim_start_matches('*')).collect();
            let columns = columns.join(", ");
            format!(
                "CAST(row_to_json(r) AS text) FROM (SELECT {columns} FROM {table} WHERE {condition} ORDER BY {order}) r"
            )
        }
        Dialect::Sqlite => {
            let pair = |name: &&str| match name.strip_prefix('*') {
                Some(name) => format!("'{name}', json({name})"),
                None => format!("'{name}', {name}"),
            };
            let pairs: Vec<String> = columns.iter().map(pair).collect();
            format!("json_object({}) FROM {table} WHERE {condition} ORDER BY {order}", pairs.join(", "))
        }
    };
    let texts: Vec<(String,)> =
        session.fetch(format!("SELECT /* all that is held */ {as_json}"), vec![arg]).await?;
    let mut rows = Vec::with_capacity(texts.len());
    for (text,) in texts {
        let mut row = read_json::<Value>(table, || customer.to_owned(), "all", &text)?;
        if let Value::Object(row) = &mut row
            && *table == "customers"
        {
            open(session, customer, row)?;
        }
        rows.push(row);
    }
    Ok(Value::Array(rows))
}

/// Puts a customer's own row in the form that people read: nothing encrypted, the profile in full. One that is not encrypted
/// and cannot be read stays as it is.
fn open(session: &Session, customer: &str, row: &mut Map<String, Value>) -> Result<(), StoreError> {
    let phone_sealed = row.remove("phone_sealed");
    let is_sealed = matches!(row.get("profile"), Some(Value::String(_)));
    let profile = row.get("profile").map(Value::to_string).unwrap_or_default();
    let phone = row.get("phone").and_then(Value::as_str).map(str::to_owned);
    let sealed = phone_sealed.as_ref().and_then(Value::as_str);
    let opened = session.vault.customers.opened(customer, &profile, phone, sealed);
    if opened.is_err() && !is_sealed && sealed.is_none() {
        return Ok(());
    }
    let (profile, phone) = opened?;
    row.insert("phone".to_owned(), json!(phone));
    if is_sealed {
        row.insert("email".to_owned(), json!(profiles::email(&profile)));
        row.insert("locale".to_owned(), json!(profile.text("locale")));
    }
    row.insert("profile".to_owned(), json!(profile));
    Ok(())
}
