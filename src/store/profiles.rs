//! Writing profiles, and the columns derived from them: address, number, locale, time zone, dates.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

use super::args::Arg;
use super::consents::Chained;
use super::rows::Rows;
use super::sealed::{Number, Sealer, Sought, Stored};
use super::session::Session;
use super::{Changes, StoreError, customers};
use crate::domain::customer::{Profile, comparable_address};

/// Longer attribute names get no row in `customer_dates`: the name is part of an index key, which is bounded.
const MAX_DATE_ATTRIBUTE_BYTES: usize = 200;

struct CustomerRow<'a> {
    customer_id: &'a str,
    /// Where it has become longer.
    ledger: Option<&'a Chained>,
    /// What it is found by.
    email: Option<String>,
    /// Where it is to be written, too.
    phone: Option<Number<'a>>,
    stored: Stored<'a>,
    profile: &'a Profile,
}

#[derive(Debug, PartialEq)]
pub(super) struct DateRow<'a> {
    customer_id: &'a str,
    attribute: &'a str,
    /// What it is found by.
    month_day: String,
    year: i32,
    timezone: &'static str,
}

/// Writes profiles whole, and numbers; of several of one customer the last holds. A profile that says something makes an
/// erased customer known again. Those of `unknown` are made, also where there is nothing to say of them: `Conflict` when
/// somebody else has made one meanwhile.
pub(super) async fn write(
    session: &mut Session,
    changes: &Changes,
    unknown: &BTreeSet<String>,
    ledgers: &BTreeMap<String, Chained>,
) -> Result<(), StoreError> {
    let nothing = Profile::default();
    let longer = |id: &str| ledgers.get(id).filter(|ledger| ledger.is_longer);
    let mut profiles: BTreeMap<&str, &Profile> =
        changes.profiles.iter().map(|(id, profile)| (id.as_str(), profile)).collect();
    for id in unknown {
        profiles.entry(id).or_insert(&nothing);
    }
    let mut phones: BTreeMap<&str, Option<&str>> =
        changes.phones.iter().map(|(id, phone)| (id.as_str(), phone.as_deref())).collect();
    let sealer = session.vault.customers.clone();
    let (mut new, mut known) = (Vec::new(), Vec::new());
    for (id, profile) in &profiles {
        let (stored, email) = sealer.columns(id, profile)?;
        let phone = phones.remove(id).map(|phone| sealer.phone(id, phone)).transpose()?;
        let row = CustomerRow { customer_id: id, email, phone, ledger: longer(id), stored, profile };
        if unknown.contains(*id) { new.push(row) } else { known.push(row) }
    }
    insert(session, &new).await?;
    update(session, &known).await?;
    write_phones(session, &phones.into_iter().collect::<Vec<_>>()).await?;
    let alone: Vec<_> = ledgers
        .iter()
        .filter(|(id, ledger)| ledger.is_longer && !profiles.contains_key(id.as_str()))
        .collect();
    write_ledgers(session, &alone).await?;
    // Nor has anybody dates of whom nothing is told yet.
    let is_blank = |id: &str, profile: &Profile| unknown.contains(id) && profile.attributes.is_empty();
    profiles.retain(|id, profile| !changes.same_dates.contains(*id) && !is_blank(id, profile));
    write_dates(session, &profiles).await
}

fn columns<'a>(rows: &'a [CustomerRow<'a>]) -> Result<Rows<'a, CustomerRow<'a>>, StoreError> {
    Rows::of(rows)
        .text("customer_id", |r| r.customer_id)
        .text("email", |r| r.email.as_deref())
        .text("phone", |r| r.phone.as_ref().and_then(|phone| phone.found_by.as_deref()))
        .text("phone_sealed", |r| r.phone.as_ref().and_then(|phone| phone.sealed.as_deref()))
        .text("locale", |r| r.stored.locale())
        .text("timezone", |r| timezone(r.profile))
        .text("ledger_key", |r| r.ledger.and_then(|ledger| ledger.key.as_deref()))
        .int("ledger_length", |r| r.ledger.map_or(0, |ledger| ledger.end.length))
        .text("ledger_head", |r| r.ledger.map_or("", |ledger| ledger.end.head.as_str()))
        .json("profile", |r| &r.stored)
}

async fn insert(session: &mut Session, new: &[CustomerRow<'_>]) -> Result<(), StoreError> {
    if new.is_empty() {
        return Ok(());
    }
    let (table, args) = columns(new)?.after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "INSERT INTO customers (customer_id, email, phone, phone_sealed, locale, timezone, profile, created_at, updated_at,
                                ledger_key, ledger_length, ledger_head)
         SELECT customer_id, email, phone, phone_sealed, locale, timezone, profile, $1, $1, ledger_key, ledger_length,
             ledger_head
         FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    if session.exec(sql, args).await? == new.len() as u64 {
        return Ok(());
    }
    Err(customers::met_elsewhere())
}

async fn update(session: &mut Session, known: &[CustomerRow<'_>]) -> Result<(), StoreError> {
    if known.is_empty() {
        return Ok(());
    }
    let (table, args) = columns(known)?
        .flag("phone_told", |r| r.phone.is_some())
        .flag("told", |r| !r.profile.attributes.is_empty())
        .flag("agreed", |r| r.ledger.is_some())
        .after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "UPDATE customers SET email = r.email, locale = r.locale, timezone = r.timezone, profile = r.profile,
             phone = CASE WHEN r.phone_told THEN r.phone ELSE customers.phone END,
             phone_sealed = CASE WHEN r.phone_told THEN r.phone_sealed ELSE customers.phone_sealed END, updated_at = $1,
             erased_at = CASE WHEN r.told THEN NULL ELSE customers.erased_at END,
             ledger_key = CASE WHEN r.agreed THEN r.ledger_key ELSE customers.ledger_key END,
             ledger_length = CASE WHEN r.agreed THEN r.ledger_length ELSE customers.ledger_length END,
             ledger_head = CASE WHEN r.agreed THEN r.ledger_head ELSE customers.ledger_head END
         FROM {table} WHERE customers.customer_id = r.customer_id"
    );
    let written = session.exec(sql, args).await?;
    if written == known.len() as u64 {
        return Ok(());
    }
    Err(StoreError::Other(format!(
        "{written} of {} customers were written: not all were locked",
        known.len()
    )))
}

/// Notes the telephone numbers by which customers are found.
async fn write_phones(session: &mut Session, phones: &[(&str, Option<&str>)]) -> Result<(), StoreError> {
    if phones.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(phones.len());
    for (id, phone) in phones {
        rows.push((*id, session.vault.customers.phone(id, *phone)?));
    }
    let (table, args) = Rows::of(&rows)
        .text("customer_id", |(id, _)| *id)
        .text("phone", |(_, phone)| phone.found_by.as_deref())
        .text("phone_sealed", |(_, phone)| phone.sealed.as_deref())
        .after(Vec::new(), session.dialect());
    let sql = format!(
        "UPDATE customers SET phone = r.phone, phone_sealed = r.phone_sealed FROM {table}
         WHERE customers.customer_id = r.customer_id"
    );
    session.exec(sql, args).await.map(drop)
}

/// Notes where the ledgers end of customers of whom nothing else is written.
async fn write_ledgers(session: &mut Session, ledgers: &[(&String, &Chained)]) -> Result<(), StoreError> {
    if ledgers.is_empty() {
        return Ok(());
    }
    let (table, args) = Rows::of(ledgers)
        .text("customer_id", |(id, _)| id.as_str())
        .text("key", |(_, ledger)| ledger.key.as_deref())
        .int("length", |(_, ledger)| ledger.end.length)
        .text("head", |(_, ledger)| ledger.end.head.as_str())
        .after(Vec::new(), session.dialect());
    let sql = format!(
        "UPDATE customers SET ledger_key = r.key, ledger_length = r.length, ledger_head = r.head
         FROM {table} WHERE customers.customer_id = r.customer_id"
    );
    session.exec(sql, args).await.map(drop)
}

async fn write_dates(session: &mut Session, profiles: &BTreeMap<&str, &Profile>) -> Result<(), StoreError> {
    if profiles.is_empty() {
        return Ok(());
    }
    let sql = format!("DELETE FROM customer_dates WHERE customer_id {}", session.dialect().among(1));
    session.exec(sql, vec![Arg::list(profiles.keys())]).await?;
    let mut rows: Vec<_> = profiles.iter().flat_map(|(id, profile)| dates(id, profile)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    seal_dates(&session.vault.customers, &mut rows)?;
    let (table, args) = Rows::of(&rows)
        .text("customer_id", |r| r.customer_id)
        .text("attribute", |r| r.attribute)
        .text("month_day", |r| r.month_day.as_str())
        .int("year", |r| r.year.into())
        .text("timezone", |r| r.timezone)
        .after(Vec::new(), session.dialect());
    let sql = format!(
        "INSERT INTO customer_dates (customer_id, attribute, month_day, year, timezone)
         SELECT customer_id, attribute, month_day, year, timezone FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, args).await.map(drop)
}

/// Puts what days are found by in their place, and leaves out years, by which nobody is looked for.
fn seal_dates(sealer: &Sealer, rows: &mut [DateRow<'_>]) -> Result<(), StoreError> {
    if sealer.seals() {
        for row in rows {
            let day = Sought::Day { attribute: row.attribute, zone: row.timezone };
            row.month_day = sealer.kept_as(day, std::mem::take(&mut row.month_day))?;
            row.year = 0;
        }
    }
    Ok(())
}

/// The attributes whose newest value is a date, `YYYY-MM-DD`.
pub(super) fn dates<'a>(customer: &'a str, profile: &'a Profile) -> Vec<DateRow<'a>> {
    let zone = timezone(profile);
    profile
        .attributes
        .keys()
        .filter(|name| name.len() <= MAX_DATE_ATTRIBUTE_BYTES)
        .filter_map(|name| {
            let text = profile.text(name)?;
            // chrono also reads `1990-2-9` and signs; a date is ten characters.
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)?;
            Some(DateRow {
                customer_id: customer,
                attribute: name,
                month_day: format!("{:02}-{:02}", date.month(), date.day()),
                year: date.year(),
                timezone: zone,
            })
        })
        .collect()
}

/// The address in the form in which it is compared; none where there is none.
pub(super) fn email(profile: &Profile) -> Option<String> {
    profile.text("email").map(comparable_address).filter(|address| !address.is_empty())
}

/// The IANA name of the customer's zone; empty when there is none or it is not one.
fn timezone(profile: &Profile) -> &'static str {
    profile
        .text("timezone")
        .and_then(|name| chrono_tz::Tz::from_str(name).ok())
        .map_or("", |zone| zone.name())
}
