//! Two versions on one database, and a database set back to an earlier point: nothing lost, nothing sent twice.

mod data;
mod restore;
mod rolling;
mod statements;

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use sqlx::Connection;

use support::postgres::Postgres;
use support::shop::{Shop, event};
use support::{run, side_by_side};

/// The schema that the fixtures of this folder are from. `data.rs` and `scripts/record-statements` say how they are made.
const FIXTURE: i64 = 2;

/// The day that all tests of this folder are about.
const MORNING: &str = "2026-11-23T09:00:00Z";

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade").join(name)
}

/// A shop of four small rules, which stay as they are whatever becomes of the rules that are shipped.
fn small_shop(database: &str, clock: &str) -> Shop {
    let shop = Shop::unmigrated(database, "", clock);
    for part in ["rules", "templates"] {
        std::fs::remove_dir_all(shop.folder.join(part)).expect("the shipped ones");
        run(Command::new("cp").arg("-r").arg(here("shop").join(part)).arg(shop.folder.path()));
    }
    shop
}

/// A database on each dialect, by its URL: PostgreSQL's on the shared server, SQLite's in the shop's folder.
fn databases() -> [String; 2] {
    [Postgres::shared().database(), "sqlite:shop.db".to_owned()]
}

/// Does work on each of them, side by side: most of it is waiting.
fn on_each_database(work: impl Fn(&str) + Sync) {
    let databases = databases();
    side_by_side(databases.len(), &databases, |database| work(database));
}

/// Runs SQL on a file of SQLite.
fn sqlite(file: &Path, sql: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("connect");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("the SQL runs");
        connection.close().await.expect("closed");
    });
}

fn is_postgres(database: &str) -> bool {
    database.starts_with("postgres")
}

fn signed_up(customer: &str, time: &str) -> String {
    let word = json!({"channel": "email", "purpose": "marketing", "status": "granted", "source": "form"});
    let data =
        json!({"email": format!("{customer}@example.com"), "birthday": "1990-11-24", "consents": [word]});
    event(&format!("{customer}-signup"), "customer.signed_up", customer, time, data)
}

fn cart(customer: &str, time: &str) -> String {
    event(&format!("{customer}-cart"), "cart.updated", customer, time, json!({"cart_id": customer}))
}

fn order(customer: &str, time: &str) -> String {
    event(&format!("{customer}-order"), "order.placed", customer, time, json!({"order_id": customer}))
}

fn withdrawal(customer: &str, time: &str) -> String {
    let word = json!({"channel": "email", "purpose": "marketing", "status": "withdrawn", "source": "page"});
    event(&format!("{customer}-word"), "consent.changed", customer, time, word)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The state and reason of a customer's message by a rule.
fn fate(messages: &[Value], customer: &str, rule: &str) -> String {
    let of = |m: &&Value| m["customer"] == customer && m["rule"] == rule;
    let mut found = messages.iter().filter(of);
    let words =
        found.next().map(|m| format!("{} {}", text(&m["state"]), text(&m["reason"])).trim().to_owned());
    assert!(found.next().is_none(), "{customer} has two messages by {rule}");
    words.unwrap_or_else(|| "none".to_owned())
}

/// How many mails reached the sink by (recipient, subject).
fn mails_to(shop: &Shop, customer: &str, rule: &str) -> usize {
    let subject = format!("Subject: A {rule}");
    let to = json!([format!("{customer}@example.com")]);
    let is = |mail: &&support::smtp::Mail| {
        mail.envelope["to"] == to && String::from_utf8_lossy(&mail.raw).lines().any(|line| line == subject)
    };
    shop.sink.mails().iter().filter(is).count()
}
