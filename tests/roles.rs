//! The worker with the least rights on PostgreSQL: it does its whole work with what deploy/postgres/roles.sql gives it, and
//! can do nothing else.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection};

use support::postgres::Postgres;
use support::shop::{Shop, event};
use support::{run, wait_until};

/// Three hours before a birthday is kept, at ten minutes a second.
const CLOCK: &str = "start = 2026-11-23T05:00:00Z\nspeed = 600.0";
const TIME: &str = "2026-11-23T04:55:00Z";

/// A database without tables, whose roles are made.
struct Roles {
    postgres: &'static Postgres,
    database: String,
}

impl Roles {
    fn new() -> Self {
        let postgres = Postgres::shared();
        let url = postgres.database();
        let database = url.rsplit('/').next().and_then(|end| end.split('?').next()).unwrap().to_owned();
        let roles = Self { postgres, database };
        roles.grant();
        roles
    }

    /// Runs the shipped file, as a superuser.
    fn grant(&self) {
        // Roles belong to the whole server, which the tests share: two that make them at once get in each other's way.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/postgres/roles.sql");
        self.postgres.load(&self.database, &file);
    }

    fn url(&self, role: &str) -> String {
        self.postgres.url(&self.database).replace("app@", &format!("{role}@"))
    }

    fn psql(&self, sql: &str) -> String {
        self.postgres.psql(&self.database, sql).trim().to_owned()
    }

    /// What the database says to the worker's role, which may not do this.
    fn refusal(&self, sql: &'static str) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url("declic_worker")).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.expect_err(sql).to_string()
        })
    }

    fn set(&self, sql: &str) -> BTreeSet<String> {
        self.psql(sql).lines().map(str::to_owned).collect()
    }

    /// Makes the tables as their owner, and gives the worker its rights.
    fn migrate(&self, shop: &Shop) {
        run(shop.declic().env("DECLIC_DATABASE__URL", self.url("declic_owner")).arg("migrate"));
        self.grant();
    }
}

fn outcome(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().expect("declic starts");
    (status.code().expect("it exits by itself"), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn the_whole_work_is_done_with_the_least_rights() {
    let roles = Roles::new();
    let shop = Shop::unmigrated(&roles.url("declic_worker"), "", CLOCK);
    // Without tables, and without the right to make them.
    let (code, words) = outcome(shop.declic().arg("run"));
    assert!(code == 3 && words.contains("run `declic migrate`"), "{code} {words}");
    let (code, words) = outcome(shop.declic().arg("migrate"));
    assert!(code == 3 && words.contains("as the owner of the tables"), "{code} {words}");
    roles.migrate(&shop);

    let worker = shop.start();
    let consents = json!([{"channel": "email", "purpose": "marketing", "status": "granted", "source": "form", "ip": "203.0.113.7"}]);
    for customer in ["alice", "bob"] {
        let profile = json!({"email": format!("{customer}@example.com"), "phone": "+33612345678",
            "birthday": "1990-11-23", "timezone": "Europe/Paris", "consents": consents});
        let cart = json!({"cart_id": "k", "total": 20, "currency": "EUR", "items": [{"name": "Lampe", "price": 20}]});
        shop.publish(&[
            event(&format!("{customer}-1"), "customer.signed_up", customer, TIME, profile),
            event(&format!("{customer}-2"), "cart.updated", customer, TIME, cart),
            format!("{{\"subject\": \"{customer}\", and no JSON"),
        ]);
    }
    let sent = |all: &[serde_json::Value], rule: &str| {
        all.iter().filter(|m| m["rule"] == rule && m["state"] == "sent").count()
    };
    shop.wait_for(Duration::from_secs(120), |all| {
        ["welcome", "abandoned-cart", "birthday"].iter().all(|rule| sent(all, rule) == 2)
    });
    assert!(worker.terminate(Duration::from_secs(25)).success(), "it stops");

    // The ledger's lines go whole, when their time is over, or not at all.
    let refusal = roles.refusal("DELETE FROM consents");
    assert!(refusal.contains("append-only"), "{refusal}");

    // The commands of every day, an erasure, and what time has ended.
    for arguments in [
        &["customers", "export", "alice"][..],
        &["customers", "correct", "alice", "city=Lyon"],
        &["consents", "show", "alice"],
        &["suppressions", "add", "email", "mallory@example.com"],
        &["suppressions", "list"],
        &["dead-letters", "list"],
        &["dead-letters", "replay", "--all"],
        &["dead-letters", "discard", "--all", "--yes"],
        &["messages", "list"],
        &["explain", "alice"],
        &["customers", "erase", "alice", "--yes"],
        &["retention", "run"],
        &["retention", "report"],
        &["consents", "verify"],
        &["doctor"],
    ] {
        let output = shop.declic().args(arguments).output().expect("declic starts");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!words.contains("permission") && !words.contains("42501"), "{arguments:?}: {words}");
        let may_refuse = ["replay", "discard", "add"].contains(arguments.get(1).unwrap_or(&""));
        assert!(output.status.success() || may_refuse, "{arguments:?}: {words}");
    }
    let of_alice = "FROM consents WHERE customer_id = 'alice'";
    assert_eq!(roles.psql(&format!("SELECT count(*) > 0 {of_alice}")), "t", "the ledger stays");
    assert_eq!(
        roles.psql(&format!("SELECT count(*) {of_alice} AND (sealed IS NOT NULL OR proof::text <> '{{}}')")),
        "0"
    );
    assert_eq!(
        roles.psql("SELECT count(*) FROM events WHERE customer_id = 'alice' AND data IS NOT NULL"),
        "0"
    );

    // To make room is the owner's, before PostgreSQL 17: it is said once, and the worker goes on.
    let may_make_room = roles.psql("SHOW server_version_num").parse::<u32>().unwrap() >= 170_000;
    let worker = shop.start();
    let told = || worker.log().matches("this database role may not VACUUM").count();
    if !may_make_room {
        assert!(wait_until(Duration::from_secs(30), || told() == 1), "{}", worker.log());
        let (code, words) = outcome(shop.declic().arg("maintain"));
        assert!(code == 3 && words.contains("as the owner of the tables"), "{code} {words}");
    }
    assert!(shop.is_healthy());
    assert_eq!(told(), usize::from(!may_make_room));
    assert!(!worker.log().contains("permission denied"), "{}", worker.log());
    run(shop.declic().env("DECLIC_DATABASE__URL", roles.url("declic_owner")).arg("maintain"));
    assert!(worker.terminate(Duration::from_secs(25)).success());

    // A schema that is behind is the owner's to mend.
    roles.psql("DELETE FROM declic_schema WHERE version = (SELECT MAX(version) FROM declic_schema)");
    let (code, words) = outcome(shop.declic().arg("run"));
    assert!(code == 3 && words.contains("run `declic migrate`"), "{code} {words}");
}

#[test]
fn the_worker_can_do_nothing_else() {
    let roles = Roles::new();
    let shop = Shop::unmigrated(&roles.url("declic_worker"), "", CLOCK);
    roles.migrate(&shop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(&roles.url("declic_worker")).await.unwrap();
        for sql in [
            "UPDATE consents SET status = 'granted'",
            "UPDATE consents SET hash = ''",
            "TRUNCATE consents",
            "ALTER TABLE consents DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "CREATE OR REPLACE FUNCTION consents_append_only() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
            "UPDATE events SET type = 'x'",
            "DELETE FROM customers",
            "UPDATE declic_schema SET works_for = 0",
            "DELETE FROM restores",
            "DROP TABLE customers",
            "CREATE TABLE mine (x int)",
            "CREATE TEMPORARY TABLE mine (x int)",
            "GRANT SELECT ON customers TO PUBLIC",
            "CREATE ROLE mine",
        ] {
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await;
            // Granting what one does not own does nothing, with a warning.
            if sql.starts_with("GRANT") {
                continue;
            }
            let error = done.expect_err(sql);
            let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
            assert_eq!(code, "42501", "{sql}: {error}");
        }
        connection.close().await.unwrap();
    });
    let public = "SELECT count(*) FROM information_schema.role_table_grants
        WHERE grantee = 'PUBLIC' AND table_schema = 'public'";
    assert_eq!(roles.psql(public), "0");
}

/// What the store's statements do to tables, as `table RIGHT`: read from their text.
fn rights_needed() -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")).unwrap() {
        files.push(entry.unwrap().path());
    }
    // What migrates, and what tells of a restore, is the owner's.
    files.retain(|file| !file.ends_with("schema.rs") && !file.ends_with("restores.rs") && file.is_file());
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let words: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
        let mut inserted = "";
        for window in words.windows(3) {
            let (right, table) = match window {
                ["INSERT", "INTO", table] => ("INSERT", *table),
                ["DELETE", "FROM", table] => ("DELETE", *table),
                ["UPDATE", table, "SET"] => ("UPDATE", *table),
                ["DO", "UPDATE", "SET"] => ("UPDATE", inserted),
                _ => continue,
            };
            if right == "INSERT" {
                inserted = table;
            }
            needed.insert(format!("{table} {right}"));
        }
    }
    assert!(needed.len() > 30, "{needed:?}");
    // How SQLite's guard of the ledger is told that a time is over; PostgreSQL's has a setting of the transaction.
    assert!(needed.remove("settings DELETE"));
    needed
}

/// A new table or statement has to come with its grant, and a grant goes with its last statement.
#[test]
fn the_rights_are_those_that_the_statements_need() {
    let roles = Roles::new();
    let shop = Shop::unmigrated(&roles.url("declic_worker"), "", CLOCK);
    roles.migrate(&shop);
    let tables = roles.set("SELECT tablename FROM pg_tables WHERE schemaname = 'public'");
    let readable = roles.set(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND has_table_privilege('declic_worker', oid, 'SELECT')",
    );
    assert_eq!(tables, readable, "deploy/postgres/roles.sql does not name every table");
    let granted = roles.set(
        "SELECT DISTINCT table_name || ' ' || privilege_type FROM information_schema.column_privileges
            WHERE grantee = 'declic_worker' AND privilege_type <> 'SELECT'
         UNION SELECT table_name || ' ' || privilege_type FROM information_schema.role_table_grants
            WHERE grantee = 'declic_worker' AND privilege_type NOT IN ('SELECT', 'MAINTAIN')",
    );
    assert_eq!(
        granted,
        rights_needed(),
        "deploy/postgres/roles.sql (left) and the statements (right) differ"
    );
    let columns = roles.set(
        "SELECT table_name || '.' || column_name FROM information_schema.column_privileges
            WHERE grantee = 'declic_worker' AND privilege_type = 'UPDATE' AND table_name IN ('consents', 'events')",
    );
    let expected =
        ["consents.proof", "consents.sealed", "events.data", "events.traceparent"].map(str::to_owned);
    assert_eq!(columns, BTreeSet::from(expected));
}
