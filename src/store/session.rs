//! One connection or transaction on either database, and the few primitives that all statements go through.
//!
//! Owns how arguments are bound and how many rows travel as one JSON parameter. Knows no table. Called by every
//! other file of the store, never from outside of it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

use super::{StoreError, statements};

/// How long one statement may take before the connection is taken for dead. The server's own `statement_timeout`
/// is shorter, so this only fires when the network swallows the answer.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// A table `r` of the given columns, read from the JSON array of objects in parameter `$n`.
    /// Types are PostgreSQL's; JSON null becomes SQL null, except in a `json` column of SQLite (the text `null`).
    pub(super) fn rows(self, n: usize, columns: &[(&str, &str)]) -> String {
        match self {
            Self::Postgres => {
                let list: Vec<_> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
                format!("json_to_recordset(${n}::json) AS r({})", list.join(", "))
            }
            Self::Sqlite => {
                let list: Vec<_> = columns
                    .iter()
                    .map(|(name, kind)| {
                        let arrow = if *kind == "json" { "->" } else { "->>" };
                        format!("value{arrow}'{name}' AS {name}")
                    })
                    .collect();
                format!("(SELECT {} FROM json_each(${n})) AS r", list.join(", "))
            }
        }
    }

    /// The right-hand side of `column …` that asks whether it is in the JSON array of texts in parameter `$n`.
    pub(super) fn among(self, n: usize) -> String {
        match self {
            // ANY over an array, not IN over a function: the planner then uses the index at any size.
            Self::Postgres => format!("= ANY(ARRAY(SELECT json_array_elements_text(${n}::json)))"),
            Self::Sqlite => format!("IN (SELECT value FROM json_each(${n}))"),
        }
    }

    /// The database's own present instant, which all workers share whatever their machines' clocks show. For leases.
    pub(super) fn now(self) -> &'static str {
        match self {
            Self::Postgres => "clock_timestamp()",
            Self::Sqlite => "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')",
        }
    }

    /// That instant and as many milliseconds as parameter `$n` says.
    pub(super) fn now_and(self, n: usize) -> String {
        match self {
            Self::Postgres => format!("clock_timestamp() + ${n} * interval '1 millisecond'"),
            Self::Sqlite => {
                format!("strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', (${n} / 1000.0) || ' seconds')")
            }
        }
    }

    /// `clause` on PostgreSQL; nothing on SQLite, which has one writer and so nothing to lock.
    pub(super) fn lock(self, clause: &'static str) -> &'static str {
        match self {
            Self::Postgres => clause,
            Self::Sqlite => "",
        }
    }
}

/// An argument of a statement.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Text(String),
    Int(i64),
    Time(DateTime<Utc>),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        // PostgreSQL has no NUL in text, and a dead letter's words must be storable whatever they quote.
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() })
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<DateTime<Utc>> for Arg {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

/// What a statement can return: a tuple that decodes from a row of either database. A bound, not an interface.
pub(super) trait AnyRow:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}
impl<T> AnyRow for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

pub(super) enum Link {
    PgOne(PoolConnection<Postgres>),
    PgTx(Transaction<'static, Postgres>),
    LiteOne(PoolConnection<Sqlite>),
    LiteTx(Transaction<'static, Sqlite>),
}

enum Connection<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

/// A connection (each statement commits by itself) or a transaction.
pub(super) struct Session {
    pub(super) link: Link,
    /// The instant written into columns that say when a row was made or changed.
    pub(super) now: DateTime<Utc>,
}

impl Session {
    pub(super) fn dialect(&self) -> Dialect {
        match self.link {
            Link::PgOne(_) | Link::PgTx(_) => Dialect::Postgres,
            Link::LiteOne(_) | Link::LiteTx(_) => Dialect::Sqlite,
        }
    }

    fn connection(&mut self) -> Connection<'_> {
        match &mut self.link {
            Link::PgOne(c) => Connection::Postgres(c),
            Link::PgTx(t) => Connection::Postgres(t),
            Link::LiteOne(c) => Connection::Sqlite(c),
            Link::LiteTx(t) => Connection::Sqlite(t),
        }
    }

    /// Runs one statement; returns how many rows it touched.
    ///
    /// Invariant: `sql` is built from constants of this module only; values travel in `args`.
    pub(super) async fn exec(&mut self, sql: impl Into<String>, args: Vec<Arg>) -> Result<u64, StoreError> {
        let sql = sql.into();
        statements::note(self.dialect(), &sql, &args);
        let sql = AssertSqlSafe(sql);
        let run = async {
            Ok(match self.connection() {
                Connection::Postgres(c) => {
                    let mut query = sqlx::query(sql);
                    for arg in args {
                        query = match arg {
                            Arg::Text(text) => query.bind(text),
                            Arg::Int(number) => query.bind(number),
                            Arg::Time(time) => query.bind(time),
                        };
                    }
                    query.execute(c).await?.rows_affected()
                }
                Connection::Sqlite(c) => {
                    let mut query = sqlx::query(sql);
                    for arg in args {
                        query = match arg {
                            Arg::Text(text) => query.bind(text),
                            Arg::Int(number) => query.bind(number),
                            Arg::Time(time) => query.bind(instant(time)),
                        };
                    }
                    query.execute(c).await?.rows_affected()
                }
            })
        };
        within_deadline(run).await
    }

    /// Runs one statement and returns its rows. The invariant of [`Session::exec`] holds here too.
    pub(super) async fn fetch<R: AnyRow>(
        &mut self,
        sql: impl Into<String>,
        args: Vec<Arg>,
    ) -> Result<Vec<R>, StoreError> {
        let mut rows = Vec::new();
        self.each(sql, args, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// Runs one statement and hands over each row as it comes: many large ones need no more room than one.
    pub(super) async fn each<R: AnyRow>(
        &mut self,
        sql: impl Into<String>,
        args: Vec<Arg>,
        mut take: impl FnMut(R) + Send,
    ) -> Result<(), StoreError> {
        let sql = sql.into();
        statements::note(self.dialect(), &sql, &args);
        let statement = sql.clone();
        let sql = AssertSqlSafe(sql);
        let run = async {
            match self.connection() {
                Connection::Postgres(c) => {
                    let mut query = sqlx::query_as(sql);
                    for arg in args {
                        query = match arg {
                            Arg::Text(text) => query.bind(text),
                            Arg::Int(number) => query.bind(number),
                            Arg::Time(time) => query.bind(time),
                        };
                    }
                    let mut rows = query.fetch(c);
                    while let Some(row) = rows.try_next().await? {
                        take(row);
                    }
                }
                Connection::Sqlite(c) => {
                    let mut query = sqlx::query_as(sql);
                    for arg in args {
                        query = match arg {
                            Arg::Text(text) => query.bind(text),
                            Arg::Int(number) => query.bind(number),
                            Arg::Time(time) => query.bind(instant(time)),
                        };
                    }
                    let mut rows = query.fetch(c);
                    while let Some(row) = rows.try_next().await? {
                        take(row);
                    }
                }
            }
            Ok(())
        };
        within_deadline(run).await.map_err(|error| match error {
            // sqlx knows the column's number only; the statement (constants, no values) says of what.
            StoreError::Corrupt { table, row, column, detail } => {
                StoreError::Corrupt { table, row, column, detail: format!("{detail}, in: {statement}") }
            }
            other => other,
        })
    }

    /// The first row, if there is one.
    pub(super) async fn first<R: AnyRow>(
        &mut self,
        sql: impl Into<String>,
        args: Vec<Arg>,
    ) -> Result<Option<R>, StoreError> {
        Ok(self.fetch(sql, args).await?.into_iter().next())
    }

    /// Runs a file of statements as it is, without arguments.
    pub(super) async fn run_script(&mut self, script: &'static str) -> Result<(), StoreError> {
        match self.connection() {
            Connection::Postgres(c) => sqlx::raw_sql(script).execute(c).await.map(drop)?,
            Connection::Sqlite(c) => sqlx::raw_sql(script).execute(c).await.map(drop)?,
        }
        Ok(())
    }

    /// Lets one transaction at a time pass, on PostgreSQL; on SQLite a transaction is alone already.
    pub(super) async fn alone(&mut self, key: i64) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            self.exec("SELECT pg_advisory_xact_lock($1)", vec![key.into()]).await?;
        }
        Ok(())
    }
}

async fn within_deadline<T>(run: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(STATEMENT_DEADLINE, run).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::Unavailable(format!(
            "no answer to a statement within {} s",
            STATEMENT_DEADLINE.as_secs()
        ))),
    }
}

/// An instant as SQLite keeps it, and as JSON rows carry it to both databases. The width is fixed (microseconds,
/// always), or comparing text would not compare instants.
pub(super) fn instant(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Many rows, or a list of texts, as one JSON argument.
pub(super) fn json_arg<T: Serialize + ?Sized>(value: &T) -> Result<Arg, StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|e| StoreError::Other(format!("a row cannot be written as JSON: {e}")))?;
    Ok(Arg::Text(if text.contains("\\u0000") { without_nul(&text) } else { text }))
}

/// Replaces each escaped NUL of a JSON text by U+FFFD: PostgreSQL cannot unpack `\u0000`, and one such character
/// in one event must not fail the batch.
fn without_nul(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // A backslash is never the last character of JSON, and what follows it is ASCII.
        let taken = if let Some(after) = rest.strip_prefix("\\u0000") {
            out.push_str("\\ufffd");
            rest.len() - after.len()
        } else {
            let taken = rest.len().min(2);
            out.push_str(&rest[..taken]);
            taken
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

/// Reads a JSON column; the error names table, row and column.
pub(super) fn read_json<T: DeserializeOwned>(
    table: &'static str,
    row: impl FnOnce() -> String,
    column: &str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt {
        table,
        row: row(),
        column: column.to_owned(),
        detail: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_one_width() {
        let whole: DateTime<Utc> = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(instant(whole), "2026-11-22T10:00:00.000000Z");
        assert_eq!(instant(whole + chrono::TimeDelta::microseconds(7)), "2026-11-22T10:00:00.000007Z");
    }

    #[test]
    fn only_an_escaped_nul_is_replaced() {
        let Arg::Text(text) = json_arg(&["a\0b", "\\u0000", "c\\"]).unwrap() else { panic!("not text") };
        let back: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, ["a\u{fffd}b", "\\u0000", "c\\"]);
    }
}
