//! Promo codes: each belongs to one step of one entry, for ever.

use std::collections::BTreeMap;

use super::args::Arg;
use super::rows::Rows;
use super::session::{Session, read_json};
use super::{Store, StoreError, Tx};
use crate::domain::snapshot::PromoCode;
use chrono::{DateTime, Utc};

impl Store {
    /// The codes that a customer has been given, the newest first.
    pub async fn codes_of(&self, customer: &str) -> Result<Vec<PromoCode>, StoreError> {
        let condition = "customer_id = $1 ORDER BY issued_at DESC, code";
        select(&mut self.reading().await?, condition, vec![customer.into()]).await
    }
}

impl Tx {
    /// Which of these codes are issued already, and to whom: before writing a code, take the next counter while the
    /// code belongs to another identity.
    pub async fn promo_codes(&mut self, codes: &[String]) -> Result<Vec<PromoCode>, StoreError> {
        if codes.is_empty() { Ok(Vec::new()) } else { load(&mut self.session, codes).await }
    }
}

/// Inserts codes. One of the same identity stays as it is; one that another identity holds is an error, or two
/// customers would be mailed the same code.
pub(super) async fn insert(session: &mut Session, codes: &[PromoCode]) -> Result<(), StoreError> {
    let by_code: BTreeMap<_, _> = codes.iter().rev().map(|c| (c.code.as_str(), c)).collect();
    if by_code.is_empty() {
        return Ok(());
    }
    if let Some(twice) = codes.iter().find(|c| by_code[c.code.as_str()].owner() != c.owner()) {
        return Err(taken(twice));
    }
    let sorted: Vec<&PromoCode> = by_code.values().copied().collect();
    let (table, args) = Rows::of(&sorted)
        .text("code", |c| c.code.as_str())
        .text("customer_id", |c| c.customer_id.as_str())
        .text("rule", |c| c.rule.as_str())
        .text("occurrence", |c| c.occurrence.as_str())
        .text("step", |c| c.step.as_str())
        .json("discount", |c| &c.discount)?
        .time("valid_from", |c| c.valid_from)
        .time("valid_until", |c| c.valid_until)
        .after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "INSERT INTO promo_codes
             (code, customer_id, rule, occurrence, step, discount, valid_from, valid_until, issued_at)
         SELECT code, customer_id, rule, occurrence, step, discount, valid_from, valid_until, $1
         FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    let inserted = session.exec(sql, args).await?;
    if inserted == sorted.len() as u64 {
        return Ok(());
    }
    let names: Vec<String> = by_code.keys().map(|c| (*c).to_owned()).collect();
    match load(session, &names).await?.iter().find(|held| by_code[held.code.as_str()].owner() != held.owner())
    {
        Some(held) => Err(taken(held)),
        None => Ok(()),
    }
}

fn taken(code: &PromoCode) -> StoreError {
    StoreError::Unavailable(format!("a promo code of rule {} was issued twice at once; try again", code.rule))
}

async fn load(session: &mut Session, codes: &[String]) -> Result<Vec<PromoCode>, StoreError> {
    let condition = format!("code {} ORDER BY code", session.dialect().among(1));
    select(session, &condition, vec![Arg::list(codes)]).await
}

async fn select(
    session: &mut Session,
    condition: &str,
    args: Vec<Arg>,
) -> Result<Vec<PromoCode>, StoreError> {
    type Fields = (String, String, String, String, String, String, DateTime<Utc>, DateTime<Utc>);
    let sql = format!(
        "SELECT code, customer_id, rule, occurrence, step, CAST(discount AS text), valid_from, valid_until
         FROM promo_codes WHERE {condition}"
    );
    let rows: Vec<Fields> = session.fetch(sql, args).await?;
    rows.into_iter()
        .map(|(code, customer_id, rule, occurrence, step, discount, valid_from, valid_until)| {
            let discount = read_json("promo_codes", || code.clone(), "discount", &discount)?;
            Ok(PromoCode { code, customer_id, rule, occurrence, step, discount, valid_from, valid_until })
        })
        .collect()
}
