//! What the older build says to the database, said to the newest tables: the test of every migration that it expands and
//! does not contract.

use chrono::{DateTime, Utc};
use declic::store::Store;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::support::Folder;
use super::support::postgres::Postgres;
use super::support::shop::lines;
use super::{FIXTURE, here};

/// The statements that the store of the fixture's schema runs on one dialect, each with arguments that it once had.
fn recorded(dialect: &str) -> Vec<(String, Vec<Value>)> {
    let file = here(&format!("statements-{FIXTURE}.ndjson"));
    let all = lines(&std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())));
    let of_dialect = |call: &Value| call["dialect"] == dialect;
    let call = |call: Value| {
        (call["sql"].as_str().expect("SQL").to_owned(), call["args"].as_array().expect("a list").clone())
    };
    all.into_iter().filter(of_dialect).map(call).collect()
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{value}: {e}"))
}

/// What cannot be expected of tables that hold other rows than the test from which the statement is: that its values
/// fit them. All else is a statement that the older build can no longer make.
fn is_about_rows(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|e| e.is_unique_violation())
}

#[tokio::test]
async fn the_older_build_s_statements_run_on_the_newest_postgresql_tables() {
    let url = tokio::task::spawn_blocking(|| Postgres::shared().database()).await.expect("a database");
    let store = Store::open(&url, 2).await.expect("open");
    store.migrate().await.expect("migrate");
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("connect");
    let statements = recorded("postgres");
    assert!(statements.len() >= 80, "only {}", statements.len());
    let mut failures = Vec::new();
    for (sql, args) in statements {
        let mut tx = connection.begin().await.expect("begin");
        let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
        for arg in &args {
            let (kind, value) =
                arg.as_object().and_then(|arg| arg.iter().next()).expect("one kind of argument");
            query = match kind.as_str() {
                "text" => query.bind(read::<String>(value)),
                "int" => query.bind(read::<i64>(value)),
                "time" => query.bind(read::<DateTime<Utc>>(value)),
                "texts" => query.bind(read::<Vec<Option<String>>>(value)),
                "ints" => query.bind(read::<Vec<i64>>(value)),
                "times" => query.bind(read::<Vec<Option<DateTime<Utc>>>>(value)),
                "flags" => query.bind(read::<Vec<bool>>(value)),
                _ => panic!("{arg}"),
            };
        }
        match query.fetch_all(&mut *tx).await {
            Err(error) if !is_about_rows(&error) => failures.push(format!("{error}\n  {sql}")),
            _ => {}
        }
        tx.rollback().await.expect("undone");
    }
    assert!(failures.is_empty(), "{} statements fail:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test]
async fn the_older_build_s_statements_run_on_the_newest_sqlite_tables() {
    let folder = Folder::new("statements");
    let url = format!("sqlite:{}", folder.join("declic.db").display());
    let store = Store::open(&url, 2).await.expect("open");
    store.migrate().await.expect("migrate");
    let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("connect");
    let statements = recorded("sqlite");
    assert!(statements.len() >= 80, "only {}", statements.len());
    let mut failures = Vec::new();
    for (sql, args) in statements {
        connection.execute("BEGIN IMMEDIATE").await.expect("begin");
        let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
        for arg in &args {
            let (kind, value) =
                arg.as_object().and_then(|arg| arg.iter().next()).expect("one kind of argument");
            query = match kind.as_str() {
                "text" | "time" => query.bind(read::<String>(value)),
                "int" => query.bind(read::<i64>(value)),
                // Lists are JSON there.
                _ => query.bind(value.to_string()),
            };
        }
        match query.fetch_all(&mut connection).await {
            Err(error) if !is_about_rows(&error) => failures.push(format!("{error}\n  {sql}")),
            _ => {}
        }
        connection.execute("ROLLBACK").await.expect("undone");
    }
    assert!(failures.is_empty(), "{} statements fail:\n{}", failures.len(), failures.join("\n"));
}
