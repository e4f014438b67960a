//! Dead letters: events that could not be used, and work that always fails for one customer, kept with the reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::args::Arg;
use super::rows::Rows;
use super::session::{Session, read_json};
use super::{Store, StoreError, Tx};
use crate::domain::event::UnusableReason;

/// Letters that are counted at most: more are too many in any case.
pub const COUNTED: u32 = 10_000;

/// What cannot be used, as it came; for all but events see [`Parked`](super::Parked).
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    pub id: String,
    pub received_at: DateTime<Utc>,
    /// Where it came from: `amqp`, `http`, `file`, `sms`, or what the worker set aside.
    pub origin: String,
    pub reason: UnusableReason,
    pub detail: String,
    pub headers: Value,
    /// The bytes as they came: they need not be text.
    pub body: Vec<u8>,
}

/// Which letters are meant. The default is all.
#[derive(Debug, Clone, Default)]
pub struct LetterFilter {
    pub origin: Option<String>,
    pub reason: Option<UnusableReason>,
    /// What their ids begin with.
    pub id: Option<String>,
    /// Only older ones: (received_at, id) of the last letter of the page before.
    pub before: Option<(DateTime<Utc>, String)>,
}

impl LetterFilter {
    fn conditions(&self) -> (String, Vec<Arg>) {
        let mut args: Vec<Arg> = Vec::new();
        let mut conditions = vec!["true".to_owned()];
        let mut wanted = |condition: &str, arg: Option<Arg>| {
            if let Some(arg) = arg {
                args.push(arg);
                conditions.push(condition.replace('?', &format!("${}", args.len())));
            }
        };
        wanted("origin = ?", self.origin.as_deref().map(Arg::from));
        wanted("reason = ?", self.reason.map(|reason| reason.as_str().into()));
        wanted("substr(id, 1, length(?)) = ?", self.id.as_deref().map(Arg::from));
        if let Some((received_at, id)) = &self.before {
            args.extend([(*received_at).into(), id.as_str().into()]);
            conditions.push(format!("(received_at, id) < (${}, ${})", args.len() - 1, args.len()));
        }
        (conditions.join(" AND "), args)
    }
}

type Fields = (String, DateTime<Utc>, String, String, String, String, String);

const READ: &str = "id, received_at, origin, reason, detail, CAST(headers AS text), body";

/// Keeps letters; one with a known id stays as it is.
pub(super) async fn insert(session: &mut Session, letters: &[DeadLetter]) -> Result<(), StoreError> {
    if letters.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<_> = letters.iter().map(|l| (l, STANDARD.encode(&l.body))).collect();
    sorted.sort_by_key(|(letter, _)| &letter.id);
    let (table, args) = Rows::of(&sorted)
        .text("id", |(letter, _)| letter.id.as_str())
        .time("received_at", |(letter, _)| letter.received_at)
        .text("origin", |(letter, _)| letter.origin.as_str())
        .text("reason", |(letter, _)| letter.reason.as_str())
        .text("detail", |(letter, _)| letter.detail.as_str())
        .json("headers", |(letter, _)| &letter.headers)?
        .text("body", |(_, body)| body.as_str())
        .after(Vec::new(), session.dialect());
    let sql = format!(
        "INSERT INTO dead_letters (id, received_at, origin, reason, detail, headers, body)
         SELECT id, received_at, origin, reason, detail, headers, body
         FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, args).await.map(drop)
}

impl Store {
    /// Keeps a dead letter; one with a known id stays as it is.
    pub async fn park(&self, letter: &DeadLetter) -> Result<(), StoreError> {
        insert(&mut self.writing().await?, std::slice::from_ref(letter)).await
    }

    /// The newest dead letters, newest first.
    pub async fn dead_letters(
        &self,
        filter: &LetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let (conditions, mut args) = filter.conditions();
        args.push(i64::from(limit).into());
        let sql = format!(
            "SELECT {READ} FROM dead_letters WHERE {conditions} ORDER BY received_at DESC, id DESC LIMIT ${}",
            args.len()
        );
        let rows: Vec<Fields> = self.reading().await?.fetch(sql, args).await?;
        rows.into_iter().map(read).collect()
    }

    /// How many dead letters there are; above ten thousand, that.
    pub async fn dead_letter_count(&self) -> Result<i64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM (SELECT id FROM dead_letters LIMIT {COUNTED}) AS counted");
        let row: Option<(i64,)> = self.reading().await?.first(sql, vec![]).await?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// Forgets what came before `before`, timers set aside among them: they are never put back.
    pub async fn forget_dead_letters(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM dead_letters WHERE received_at < $1";
        self.writing().await?.exec(sql, vec![before.into()]).await
    }

    /// The ids of dead letters, the oldest first: the order in which events are replayed.
    pub async fn dead_letter_ids(&self, filter: &LetterFilter) -> Result<Vec<String>, StoreError> {
        let (conditions, args) = filter.conditions();
        let sql = format!("SELECT id FROM dead_letters WHERE {conditions} ORDER BY received_at, id");
        let rows: Vec<(String,)> = self.reading().await?.fetch(sql, args).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// One dead letter by its whole id.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, StoreError> {
        let sql = format!("SELECT {READ} FROM dead_letters WHERE id = $1");
        let row: Option<Fields> = self.reading().await?.first(sql, vec![id.into()]).await?;
        row.map(read).transpose()
    }

    /// Notes why a letter was refused this time.
    pub async fn refuse_again(
        &self,
        id: &str,
        reason: UnusableReason,
        detail: &str,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE dead_letters SET reason = $2, detail = $3 WHERE id = $1";
        let args = vec![id.into(), reason.as_str().into(), detail.into()];
        self.writing().await?.exec(sql, args).await.map(drop)
    }

    /// Forgets a letter; false when there was none.
    pub async fn remove_dead_letter(&self, id: &str) -> Result<bool, StoreError> {
        remove(&mut self.writing().await?, id).await
    }
}

impl Tx {
    /// Forgets a letter together with what is done in its place; false when there was none.
    pub async fn remove_dead_letter(&mut self, id: &str) -> Result<bool, StoreError> {
        remove(&mut self.session, id).await
    }
}

/// The letters (id, body) that name one of these: a customer's id, or an address. Bodies are looked into one after the other,
/// since they may be anything; letters are few where somebody reads them. Those that hold nothing but the keys of what was
/// set aside have none.
pub(super) async fn naming(
    session: &mut Session,
    names: &[&str],
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT id, body FROM dead_letters WHERE body <> ''";
    session
        .each(sql, Vec::new(), |(id, body): (String, String)| {
            let body = STANDARD.decode(body).unwrap_or_default();
            if names.iter().any(|name| names_somebody(&body, name)) {
                found.push((id, body));
            }
        })
        .await?;
    Ok(found)
}

/// Forgets the letters that name one of these.
pub(super) async fn erase(session: &mut Session, names: &[&str]) -> Result<(), StoreError> {
    let found = naming(session, names).await?;
    if found.is_empty() {
        return Ok(());
    }
    let sql = format!("DELETE FROM dead_letters WHERE id {}", session.dialect().among(1));
    session.exec(sql, vec![Arg::list(found.iter().map(|(id, _)| id))]).await.map(drop)
}

/// Whether a body has this name in it, standing by itself: `c-1` is not in `c-12`.
fn names_somebody(body: &[u8], name: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80);
    !name.is_empty()
        && body.windows(name.len()).enumerate().any(|(at, window)| {
            window.eq_ignore_ascii_case(name.as_bytes())
                && !is_part(at.checked_sub(1).and_then(|before| body.get(before)))
                && !is_part(body.get(at + name.len()))
        })
}

async fn remove(session: &mut Session, id: &str) -> Result<bool, StoreError> {
    Ok(session.exec("DELETE FROM dead_letters WHERE id = $1", vec![id.into()]).await? > 0)
}

fn read((id, received_at, origin, reason, detail, headers, body): Fields) -> Result<DeadLetter, StoreError> {
    let row = || id.clone();
    let reason = read_json("dead_letters", row, "reason", &Value::from(reason).to_string())?;
    let headers = read_json("dead_letters", row, "headers", &headers)?;
    let body = STANDARD.decode(body).map_err(|e| StoreError::Corrupt {
        table: "dead_letters",
        row: id.clone(),
        column: "body".to_owned(),
        detail: e.to_string(),
    })?;
    Ok(DeadLetter { id, received_at, origin, reason, detail, headers, body })
}
