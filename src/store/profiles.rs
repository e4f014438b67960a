//! Writing profiles, and the columns derived from them: address, locale, time zone, dates.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::Serialize;

use super::StoreError;
use super::session::{Session, json_arg};
use crate::domain::customer::Profile;

/// Longer attribute names get no row in `customer_dates`: the name is part of an index key, which is bounded.
const MAX_DATE_ATTRIBUTE_BYTES: usize = 200;

#[derive(Serialize)]
struct CustomerRow<'a> {
    customer_id: &'a str,
    email: Option<String>,
    locale: Option<&'a str>,
    timezone: &'static str,
    profile: &'a Profile,
    told: bool,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct DateRow<'a> {
    customer_id: &'a str,
    attribute: &'a str,
    month_day: String,
    year: i32,
    timezone: &'static str,
}

/// Writes profiles whole; of several of one customer the last holds. A profile that says something makes an erased
/// customer known again. The dates of `same_dates` are left as they are.
pub(super) async fn upsert(
    session: &mut Session,
    profiles: &[(String, Profile)],
    same_dates: &BTreeSet<String>,
) -> Result<(), StoreError> {
    let mut newest: BTreeMap<&str, &Profile> = profiles.iter().map(|(id, p)| (id.as_str(), p)).collect();
    if newest.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = newest
        .iter()
        .map(|(id, profile)| CustomerRow {
            customer_id: id,
            email: profile.text("email").map(comparable_address).filter(|a| !a.is_empty()),
            locale: profile.text("locale"),
            timezone: timezone(profile),
            profile,
            told: !profile.attributes.is_empty(),
        })
        .collect();
    let table = session.dialect().rows(
        1,
        &[
            ("customer_id", "text"),
            ("email", "text"),
            ("locale", "text"),
            ("timezone", "text"),
            ("profile", "json"),
            ("told", "boolean"),
        ],
    );
    let now = session.now;
    // `erased_at` cannot see `told` after ON CONFLICT, so the new row carries the mark of an untold profile.
    let sql = format!(
        "INSERT INTO customers (customer_id, email, locale, timezone, profile, created_at, updated_at, erased_at)
         SELECT customer_id, email, locale, timezone, profile, $2, $2, CASE WHEN told THEN NULL ELSE $2 END
         FROM {table} WHERE true
         ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email, locale = excluded.locale,
             timezone = excluded.timezone, profile = excluded.profile, updated_at = excluded.updated_at,
             erased_at = CASE WHEN excluded.erased_at IS NULL THEN NULL ELSE customers.erased_at END"
    );
    session.exec(sql, vec![json_arg(&rows)?, now.into()]).await?;
    newest.retain(|id, _| !same_dates.contains(*id));
    write_dates(session, &newest).await
}

/// Notes the telephone numbers by which customers are found.
pub(super) async fn write_phones(
    session: &mut Session,
    phones: &[(String, Option<String>)],
) -> Result<(), StoreError> {
    if phones.is_empty() {
        return Ok(());
    }
    let newest: BTreeMap<&str, &Option<String>> = phones.iter().map(|(id, p)| (id.as_str(), p)).collect();
    let rows: Vec<_> =
        newest.iter().map(|(id, phone)| serde_json::json!({ "customer_id": id, "phone": phone })).collect();
    let sql = format!(
        "UPDATE customers SET phone = r.phone FROM {} WHERE customers.customer_id = r.customer_id",
        session.dialect().rows(1, &[("customer_id", "text"), ("phone", "text")])
    );
    session.exec(sql, vec![json_arg(&rows)?]).await.map(drop)
}

async fn write_dates(session: &mut Session, profiles: &BTreeMap<&str, &Profile>) -> Result<(), StoreError> {
    let ids: Vec<_> = profiles.keys().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = format!("DELETE FROM customer_dates WHERE customer_id {}", session.dialect().among(1));
    session.exec(sql, vec![json_arg(&ids)?]).await?;
    let rows: Vec<_> = profiles.iter().flat_map(|(id, profile)| dates(id, profile)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let table = session.dialect().rows(
        1,
        &[
            ("customer_id", "text"),
            ("attribute", "text"),
            ("month_day", "text"),
            ("year", "bigint"),
            ("timezone", "text"),
        ],
    );
    let sql = format!(
        "INSERT INTO customer_dates (customer_id, attribute, month_day, year, timezone)
         SELECT customer_id, attribute, month_day, year, timezone FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, vec![json_arg(&rows)?]).await.map(drop)
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

/// The IANA name of the customer's zone; empty when there is none or it is not one.
fn timezone(profile: &Profile) -> &'static str {
    profile
        .text("timezone")
        .and_then(|name| chrono_tz::Tz::from_str(name).ok())
        .map_or("", |zone| zone.name())
}

/// An address as it is compared with the suppression list.
pub(super) fn comparable_address(address: &str) -> String {
    address.trim().to_lowercase()
}
