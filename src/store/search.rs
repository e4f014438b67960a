//! Who is meant: customers by whatever somebody has of them.

use std::collections::BTreeSet;

use super::args::Arg;
use super::sealed::Sought;
use super::session::Session;
use super::vault::HASHED;
use super::{Store, StoreError};
use crate::domain::customer::comparable_address;

/// Greater than any text that begins with the same: no text of ours has a character beyond it.
const LAST: char = char::MAX;

/// A customer found, and by what, where it was something of theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    pub customer_id: String,
    /// The message whose id it was.
    pub message_id: Option<String>,
    /// The promo code that it was.
    pub code: Option<String>,
}

/// What was found so far.
struct Matches {
    found: Vec<Match>,
    known: BTreeSet<String>,
    limit: usize,
}

impl Matches {
    fn add(&mut self, found: Match) {
        if self.found.len() < self.limit && self.known.insert(found.customer_id.clone()) {
            self.found.push(found);
        }
    }

    fn add_all(&mut self, ids: Vec<String>) {
        ids.into_iter().for_each(|customer_id| self.add(Match { customer_id, ..Match::default() }));
    }

    /// How many more are wanted, for the next question. Those known already may come again.
    fn room(&self) -> Arg {
        Arg::Int(i64::try_from(self.limit).unwrap_or(i64::MAX))
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }
}

impl Store {
    /// By customer id (exact, else as a prefix), e-mail (exact as compared; else as a prefix where profiles are not encrypted),
    /// phone number in E.164, promo code (whole), message id (whole). At most `limit`, exact ones first, each customer once.
    pub async fn find_customers(
        &self,
        text: &str,
        phone: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Match>, StoreError> {
        let text = text.trim();
        // Before a connection is taken for the rest.
        let by_phone = match phone {
            Some(phone) => self.customers_by_phone(phone).await?,
            None => Vec::new(),
        };
        let mut session = self.reading().await?;
        let mut matches = Matches { found: Vec::new(), known: BTreeSet::new(), limit: limit as usize };
        if text.is_empty() && phone.is_none() || limit == 0 {
            return Ok(Vec::new());
        }
        let by_id = "SELECT customer_id FROM customers WHERE customer_id = $1";
        let by_id = ids(&mut session, by_id, vec![text.into()]).await?;
        let is_id = !by_id.is_empty();
        matches.add_all(by_id);
        let email = comparable_address(text);
        let has_email = by_email(&mut session, &email, matches.room()).await?;
        let is_email = !has_email.is_empty();
        matches.add_all(has_email);
        matches.add_all(by_phone);
        if let Some(found) = by_message(&mut session, text).await? {
            matches.add(found);
        }
        if let Some(found) = by_code(&mut session, text).await? {
            matches.add(found);
        }
        if !is_id && !text.is_empty() && !matches.is_full() {
            matches.add_all(beginning(&mut session, "customer_id", text, "", matches.room()).await?);
        }
        if !is_email && !email.is_empty() && !matches.is_full() && !session.vault.customers.seals() {
            // What is kept as a hash, from when profiles were encrypted, begins like none.
            let plain = format!("AND email NOT LIKE '{HASHED}%'");
            matches.add_all(beginning(&mut session, "email", &email, &plain, matches.room()).await?);
        }
        Ok(matches.found)
    }
}

/// Whose address it is, in whatever form it is kept.
async fn by_email(session: &mut Session, email: &str, limit: Arg) -> Result<Vec<String>, StoreError> {
    let kept_as = Arg::list(session.vault.customers.all_kept_as(Sought::Email, email));
    let sql = format!(
        "SELECT customer_id FROM customers WHERE email {} ORDER BY customer_id LIMIT $2",
        session.dialect().among(1)
    );
    ids(session, &sql, vec![kept_as, limit]).await
}

/// Whose id or address begins like this.
async fn beginning(
    session: &mut Session,
    column: &str,
    text: &str,
    condition: &str,
    limit: Arg,
) -> Result<Vec<String>, StoreError> {
    // A range, because LIKE finds no index in every collation.
    let sql = format!(
        "SELECT customer_id FROM customers WHERE {column} >= $1 AND {column} < $2 {condition} ORDER BY {column}, customer_id LIMIT $3"
    );
    let end = format!("{text}{LAST}");
    ids(session, &sql, vec![text.into(), end.as_str().into(), limit]).await
}

async fn ids(session: &mut Session, sql: &str, args: Vec<Arg>) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = session.fetch(sql, args).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

async fn by_message(session: &mut Session, id: &str) -> Result<Option<Match>, StoreError> {
    let sql = "SELECT customer_id FROM messages WHERE id = $1";
    let row: Option<(String,)> = session.first(sql, vec![id.to_lowercase().as_str().into()]).await?;
    let message_id = Some(id.to_lowercase());
    Ok(row.map(|(customer_id,)| Match { customer_id, message_id, code: None }))
}

async fn by_code(session: &mut Session, code: &str) -> Result<Option<Match>, StoreError> {
    // Prefixes are as their rules write them; the rest is upper case.
    let sql = format!("SELECT customer_id, code FROM promo_codes WHERE code {}", session.dialect().among(1));
    let typed = Arg::list([code.to_owned(), code.to_uppercase()]);
    let row: Option<(String, String)> = session.first(sql, vec![typed]).await?;
    Ok(row.map(|(customer_id, code)| Match { customer_id, message_id: None, code: Some(code) }))
}
