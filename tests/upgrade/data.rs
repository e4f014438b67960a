//! A database of the schema before, with a shop's data in it, brought to the newest: all goes on as if nothing had
//! happened.
//!
//! The fixtures are dumps that an older build's worker left. To make those of the schema that this tree has, run this
//! before the next migration is written, and put `FIXTURE` (main.rs) up by one:
//!
//!     cargo test --locked --features server-tests --test upgrade -- --ignored leave_a_database_behind

use std::time::Duration;

use serde_json::Value;

use super::support::postgres::Postgres;
use super::support::shop::{Shop, Worker};
use super::support::{run, wait_until};
use super::{
    FIXTURE, MORNING, databases, fate, here, is_postgres, mails_to, on_each_database, order, signed_up,
    small_shop, sqlite, text,
};
use super::{cart, withdrawal};

/// The clock of the older build stands still in the middle of the morning; the newer one's goes on from there, and stops
/// before anything could be too late on a slow machine. The next day has a birthday.
const STILL: &str = "start = 2026-11-23T09:30:00Z\nend = 2026-11-23T09:30:00Z";
const RUNNING: &str = "start = 2026-11-23T09:30:00Z\nend = 2026-11-23T12:00:00Z\nspeed = 7200.0";
const NEXT_DAY: &str = "start = 2026-11-24T07:00:00Z\nend = 2026-11-24T12:00:00Z\nspeed = 7200.0";

fn fixture(database: &str, schema: i64) -> std::path::PathBuf {
    let dialect = if is_postgres(database) { "postgres" } else { "sqlite" };
    here(&format!("schema-{schema}.{dialect}.sql"))
}

/// The migrations after the fixture's, as they are listed.
fn missing_since() -> String {
    let folder = here("../../migrations/postgres");
    let newest = std::fs::read_dir(folder).expect("migrations").count();
    let newest = i64::try_from(newest).expect("a small number");
    (FIXTURE + 1..=newest).map(|version| version.to_string()).collect::<Vec<_>>().join(", ")
}

/// Fills the shop's database with the fixture.
fn load(shop: &Shop, database: &str) {
    let file = fixture(database, FIXTURE);
    if is_postgres(database) {
        Postgres::shared().load(&shop.database, &file);
        return;
    }
    let script = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    sqlite(&shop.folder.join("shop.db"), script);
}

#[test]
fn a_database_of_the_schema_before_goes_on_after_its_migration() {
    on_each_database(|database| {
        let shop = small_shop(database, RUNNING);
        load(&shop, database);
        if is_postgres(database) {
            let missing = shop.declic().args(["migrate", "--check"]).output().expect("declic");
            assert_eq!(missing.status.code(), Some(1));
            let words = String::from_utf8_lossy(&missing.stderr).into_owned();
            assert!(words.contains(&format!("missing migrations: {}", missing_since())), "{words}");
        }
        let applied = run(shop.declic().arg("migrate"));
        assert!(applied.contains(&format!("applied migrations: {}", missing_since())), "{applied}");
        assert!(run(shop.declic().args(["migrate", "--check"])).contains("up to date"));

        let worker = shop.start();
        let ended = |all: &[Value], messages: &[&str]| {
            messages.iter().all(|who| {
                let (customer, rule) = who.split_once(' ').expect("two words");
                !["none", "pending", "claimed", "sending"]
                    .contains(&fate(all, customer, rule).split(' ').next().unwrap_or_default())
            })
        };
        let that_day = ["carol welcome", "dave receipt", "alice reminder", "bob reminder"];
        shop.wait_for(Duration::from_secs(120), |all| ended(all, &that_day));
        assert!(worker.terminate(Duration::from_secs(25)).success());
        shop.set_clock(NEXT_DAY);
        let worker = shop.start();
        let messages = shop.wait_for(Duration::from_secs(120), |all| ended(all, &["alice birthday"]));
        // What waited in the outbox goes out; what was sent before is not sent again.
        assert_eq!(fate(&messages, "carol", "welcome"), "sent", "{database}");
        assert_eq!(fate(&messages, "dave", "receipt"), "sent");
        assert_eq!(fate(&messages, "alice", "welcome"), "sent");
        assert_eq!(mails_to(&shop, "alice", "welcome"), 0, "sent by the older build");
        // Entries under way go on, with their promo codes, and words given before hold.
        assert_eq!(fate(&messages, "alice", "reminder"), "sent");
        let code = messages.iter().find(|m| m["rule"] == "reminder" && m["customer"] == "alice").expect("it");
        assert!(text(&code["promo_code"]).starts_with("CART-"), "{code}");
        assert_eq!(fate(&messages, "bob", "reminder"), "suppressed consent_withdrawn");
        assert_eq!(fate(&messages, "dave", "reminder"), "none", "the order came first");
        // Profiles are whole: the birthday was told to the older build.
        assert_eq!(fate(&messages, "alice", "birthday"), "sent");
        let shown = run(shop.declic().args(["customers", "show", "alice", "--format", "json"]));
        assert!(shown.contains("alice@example.com") && shown.contains("granted"), "{shown}");
        // The same event again is the same event.
        shop.post(&[signed_up("alice", MORNING)]);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(mails_to(&shop, "alice", "welcome"), 0);
        assert!(worker.terminate(Duration::from_secs(25)).success());
    });
}

/// Leaves a database of this tree's schema behind as a fixture; or of another build's, if `DECLIC_OTHER` names one.
#[test]
#[ignore = "writes the fixtures of the next schema's test"]
fn leave_a_database_behind() {
    for database in databases() {
        let shop = small_shop(&database, STILL);
        let declic = || {
            let mut command = shop.declic();
            if let Ok(other) = std::env::var("DECLIC_OTHER") {
                let mut other = std::process::Command::new(other);
                other.current_dir(shop.folder.path()).env_clear();
                other.env("DECLIC_SECRET", super::support::shop::SECRET);
                command = other;
            }
            command
        };
        run(declic().arg("migrate"));
        let worker = Worker::spawn(declic().arg("run"), shop.folder.join("log"));
        assert!(wait_until(Duration::from_secs(30), || shop.is_healthy()), "{}", worker.log());
        let listed = || {
            let listed = run(declic().args(["messages", "list", "--format", "ndjson"]));
            super::support::shop::lines(&listed)
        };
        shop.post(&[signed_up("alice", MORNING), signed_up("bob", MORNING)]);
        let welcomed = || {
            let all = listed();
            fate(&all, "alice", "welcome") == "sent" && fate(&all, "bob", "welcome") == "sent"
        };
        assert!(wait_until(Duration::from_secs(60), welcomed), "{}", worker.log());
        // From here on nothing gets through: what is decided waits.
        shop.sink.behave(&[("rcpt", "450 4.2.1 come back later")]);
        shop.post(&[
            cart("alice", "2026-11-23T09:10:00Z"),
            cart("bob", "2026-11-23T09:11:00Z"),
            withdrawal("bob", "2026-11-23T09:12:00Z"),
            signed_up("carol", "2026-11-23T09:20:00Z"),
            cart("dave", "2026-11-23T09:21:00Z"),
            order("dave", "2026-11-23T09:22:00Z"),
            super::event(
                "dave-profile",
                "customer.updated",
                "dave",
                MORNING,
                super::json!({"email": "dave@example.com"}),
            ),
        ]);
        let tried = || {
            let waits = |m: &&Value| m["state"] == "pending" && m["attempts"].as_u64() > Some(0);
            listed().iter().filter(waits).count() == 2
        };
        assert!(wait_until(Duration::from_secs(60), tried), "{:#?}\n{}", listed(), worker.log());
        assert!(worker.terminate(Duration::from_secs(25)).success());
        let (dump, schema) = if is_postgres(&database) {
            let options = ["--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=20"];
            let schema = Postgres::shared().psql(&shop.database, "SELECT max(version) FROM declic_schema");
            (Postgres::shared().dump(&shop.database, &options), schema)
        } else {
            let file = shop.folder.join("shop.db");
            let sqlite = |words: &str| run(std::process::Command::new("sqlite3").arg(&file).arg(words));
            (sqlite(".dump"), sqlite("SELECT max(version) FROM declic_schema"))
        };
        // pg_dump's own commands to psql hold a random key.
        let lines: Vec<&str> = dump.lines().filter(|line| !line.starts_with('\\')).collect();
        let file = fixture(&database, schema.trim().parse().expect("a version"));
        std::fs::write(&file, lines.join("\n") + "\n").expect("the fixture is written");
        println!("{}", file.display());
    }
}
