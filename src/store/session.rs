//! One connection or transaction on either database, and the few primitives that all statements go through.
//!
//! Knows no table. Called by every other file of the store, never from outside of it. `args` are what statements are
//! given, `rows` many of them at once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

use super::args::{self, Arg};
use super::vault::Vault;
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
    /// The right-hand side of `column …` that asks whether it is in the list of texts in parameter `$n` ([`Arg::list`]).
    pub(super) fn among(self, n: usize) -> String {
        match self {
            // ANY over an array, not IN over a function: the planner then uses the index at any size.
            Self::Postgres => format!("= ANY(${n}::text[])"),
            Self::Sqlite => format!("IN (SELECT value FROM json_each(${n}))"),
        }
    }

    /// The database's own present instant, which all workers share whatever their machines' clocks show. For leases.
    pub(super) fn now(self) -> &'static str {
        match self {
            // Asked once a statement, by a query of its own: an index is not searched for what may change from row to row.
            Self::Postgres => "(SELECT clock_timestamp())",
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
    /// What is kept under the secret.
    pub(super) vault: Vault,
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
                    let args = args::for_postgres(args).map_err(sqlx::Error::Encode)?;
                    sqlx::query_with(sql, args).execute(c).await?.rows_affected()
                }
                Connection::Sqlite(c) => {
                    let args = args::for_sqlite(args).map_err(sqlx::Error::Encode)?;
                    sqlx::query_with(sql, args).execute(c).await?.rows_affected()
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
                    let args = args::for_postgres(args).map_err(sqlx::Error::Encode)?;
                    let mut rows = sqlx::query_as_with(sql, args).fetch(c);
                    while let Some(row) = rows.try_next().await? {
                        take(row);
                    }
                }
                Connection::Sqlite(c) => {
                    let args = args::for_sqlite(args).map_err(sqlx::Error::Encode)?;
                    let mut rows = sqlx::query_as_with(sql, args).fetch(c);
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

    /// Runs one statement for as long as it takes.
    pub(super) async fn run_long(&mut self, sql: String) -> Result<(), StoreError> {
        let sql = AssertSqlSafe(sql);
        match self.connection() {
            Connection::Postgres(c) => sqlx::raw_sql(sql).execute(c).await.map(drop)?,
            Connection::Sqlite(c) => sqlx::raw_sql(sql).execute(c).await.map(drop)?,
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
