//! Workers of two versions on one database and one broker, with the migration run under them.
//!
//! In the ordinary run both are this build, and one is told that it knows one schema more (`DECLIC_NEXT_SCHEMA`, see
//! src/failpoint.rs). `scripts/rolling-upgrade REV` puts a real older build in the place of the older one.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::support::postgres::Postgres;
use super::support::shop::{SECRET, Shop, Worker, ask, lines};
use super::support::{free_port, python, run, wait_until};
use super::{cart, fate, signed_up, small_shop, text};

/// Customers of one slice of the events; there are three: before the migration, while both work, after the older left.
const SLICE: usize = 150;

/// An hour passes in a quarter of a minute: entries begun by the older worker come to their mails with both.
const CLOCK: &str = "start = 2026-11-23T09:00:00Z\nspeed = 240.0";

/// A version of Declic: how its commands are made, given the shop.
struct Version<'a> {
    shop: &'a Shop,
    program: String,
    /// What makes it one that knows another schema.
    env: Vec<(&'static str, &'static str)>,
    /// Where its worker's pages are.
    ports: (u16, u16),
}

impl Version<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.shop.folder.path()).env_clear().env("DECLIC_SECRET", SECRET);
        command.envs(self.env.iter().copied()).args(args);
        command.env("DECLIC_ADMIN__LISTEN", format!("127.0.0.1:{}", self.ports.0));
        command.env("DECLIC_PUBLIC__LISTEN", format!("127.0.0.1:{}", self.ports.1));
        command
    }

    fn start(&self, log: &str) -> Worker {
        let mut worker = Worker::spawn(&mut self.command(&["run"]), self.shop.folder.join(log));
        let ready = wait_until(Duration::from_secs(30), || self.is_healthy() || !worker.is_running());
        assert!(ready && worker.is_running(), "not ready:\n{}", worker.log());
        worker
    }

    fn is_healthy(&self) -> bool {
        ask(self.ports.0, "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .is_some_and(|answer| answer.contains(" 200 "))
    }
}

/// Runs the upgrade: three slices of events, the newer version's migration in the middle of the first one's work.
fn upgrade(older: &Version, newer: &Version) {
    let shop = older.shop;
    run(&mut older.command(&["migrate"]));
    let old = older.start("older");
    shop.publish(&slice(0));
    shop.sink.wait_for(SLICE / 4, Duration::from_secs(60));
    let before = schema(shop);
    println!("schema {before}, {} mails; migrating under the older worker", shop.sink.mails().len());
    println!("{}", run(&mut newer.command(&["migrate"])).trim());
    assert!(schema(shop) >= before);
    let new = newer.start("newer");
    let works_on = wait_until(Duration::from_secs(5), || older.is_healthy());
    assert!(works_on, "the older worker is ready on the newer schema:\n{}", old.log());
    let doctor = run(&mut older.command(&["doctor"]));
    assert!(doctor.contains("the schema fits"), "{doctor}");
    shop.publish(&slice(1));
    shop.sink.wait_for(SLICE * 2, Duration::from_secs(120));
    assert!(old.terminate(Duration::from_secs(25)).success());
    shop.publish(&slice(2));
    // One that has left can come back: going back a version is starting it again.
    let back = older.start("back");
    let all = SLICE * 3 * 2;
    shop.wait_for(Duration::from_secs(300), |messages| {
        messages.len() >= all && messages.iter().all(|m| m["state"] == "sent")
    });
    let messages = shop.messages();
    assert_eq!(messages.len(), all, "each customer's welcome and reminder, once");
    for i in 0..SLICE * 3 {
        for rule in ["welcome", "reminder"] {
            assert_eq!(fate(&messages, &format!("c-{i}"), rule), "sent", "c-{i} {rule}");
        }
    }
    let mails = lines(&run(python("check_mail.py").arg(shop.sink.folder())));
    let ids: BTreeSet<&str> = mails.iter().map(|mail| text(&mail["message_id"])).collect();
    assert_eq!((mails.len(), ids.len()), (all, all), "nothing lost, nothing twice");
    let codes: BTreeSet<&str> =
        messages.iter().map(|m| text(&m["promo_code"])).filter(|c| !c.is_empty()).collect();
    assert_eq!(codes.len(), SLICE * 3, "a code for each reminder, of both versions");
    for worker in [new, back] {
        assert!(worker.terminate(Duration::from_secs(25)).success());
    }
}

/// The events of one slice: each customer signs up and fills a cart.
fn slice(number: usize) -> Vec<String> {
    let begin: DateTime<Utc> = super::MORNING.parse().expect("a time");
    let at = |minutes: i64| (begin + TimeDelta::minutes(minutes)).to_rfc3339();
    (number * SLICE..(number + 1) * SLICE)
        .flat_map(|i| [signed_up(&format!("c-{i}"), &at(0)), cart(&format!("c-{i}"), &at(1))])
        .collect()
}

fn schema(shop: &Shop) -> i64 {
    let found = Postgres::shared().psql(&shop.database, "SELECT max(version) FROM declic_schema");
    found.trim().parse().expect("a version")
}

fn this_build<'a>(shop: &'a Shop, env: Vec<(&'static str, &'static str)>) -> Version<'a> {
    let program = env!("CARGO_BIN_EXE_declic").to_owned();
    Version { shop, program, env, ports: (free_port(), free_port()) }
}

#[test]
fn two_versions_work_side_by_side_while_the_tables_are_migrated() {
    let shop = small_shop(&Postgres::shared().database(), CLOCK);
    upgrade(&this_build(&shop, vec![]), &this_build(&shop, vec![("DECLIC_NEXT_SCHEMA", "compatible")]));
}

#[test]
#[ignore = "scripts/rolling-upgrade runs it, with a real older build in DECLIC_OTHER"]
fn a_real_older_build_works_beside_this_one() {
    let shop = small_shop(&Postgres::shared().database(), CLOCK);
    let program = std::env::var("DECLIC_OTHER").expect("DECLIC_OTHER: the older build's program");
    let older = Version { shop: &shop, program, env: vec![], ports: (free_port(), free_port()) };
    // Where both have one schema, the migration under way can be that of the next.
    let next = std::env::var("DECLIC_NEXT_SCHEMA").is_ok_and(|next| next == "compatible");
    let env = if next { vec![("DECLIC_NEXT_SCHEMA", "compatible")] } else { vec![] };
    upgrade(&older, &this_build(&shop, env));
}

#[test]
fn a_newer_schema_that_does_not_work_for_this_build_is_refused_in_words() {
    super::on_each_database(|database| {
        let shop = small_shop(database, CLOCK);
        let newer = this_build(&shop, vec![("DECLIC_NEXT_SCHEMA", "breaking")]);
        run(&mut newer.command(&["migrate"]));
        let found = newer.command(&["doctor"]).output().expect("declic");
        assert!(!String::from_utf8_lossy(&found.stdout).contains("WRONG database"), "{found:?}");
        for command in ["run", "migrate"] {
            let refused = this_build(&shop, vec![]).command(&[command]).output().expect("declic");
            assert_eq!(refused.status.code(), Some(3), "{command}");
            let words = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(words.contains("made by a newer build for builds that know schema"), "{words}");
            assert!(words.contains("run the newer declic"), "{words}");
        }
        let doctor = this_build(&shop, vec![]).command(&["doctor"]).output().expect("declic");
        let words = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(words.contains("WRONG database"), "{words}");
    });
}

#[test]
fn a_migration_does_not_stand_in_the_way_behind_a_long_transaction() {
    let shop = small_shop(&Postgres::shared().database(), CLOCK);
    run(shop.declic().arg("migrate"));
    // Somebody reads all messages and does not come to an end, as pg_dump does.
    let long = "BEGIN; SELECT count(*) FROM messages; SELECT pg_sleep(8); COMMIT";
    let database = shop.database.clone();
    let reader = std::thread::spawn(move || Postgres::shared().psql(&database, long));
    let reads = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(8)%' AND state = 'active'
         AND pid <> pg_backend_pid() AND datname = current_database()";
    assert!(wait_until(Duration::from_secs(5), || {
        Postgres::shared().psql(&shop.database, reads).trim() == "1"
    }));
    let newer = this_build(&shop, vec![("DECLIC_NEXT_SCHEMA", "compatible")]);
    let mut command = newer.command(&["migrate"]);
    let migration = std::thread::spawn(move || command.output().expect("declic"));
    // Meanwhile others come through: no wait is longer than the migration's patience.
    let mut longest = Duration::ZERO;
    while !migration.is_finished() {
        let began = std::time::Instant::now();
        let write = "SET statement_timeout = '10s'; UPDATE messages SET updated_at = now() WHERE false";
        Postgres::shared().psql(&shop.database, write);
        longest = longest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = migration.join().expect("the migration");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && words.contains("a long transaction holds a table"), "{words}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("applied migrations: "));
    assert!(longest < Duration::from_secs(6), "a writer waited for {longest:?}");
    reader.join().expect("the reader");
}

#[test]
fn a_deadlock_with_a_migration_costs_a_batch_another_try_and_nothing_else() {
    let shop = small_shop(&Postgres::shared().database(), CLOCK);
    run(shop.declic().arg("migrate"));
    let worker = shop.start();
    let slice = slice(0);
    shop.publish(&slice[..1]);
    shop.wait_for(Duration::from_secs(60), |messages| messages.len() == 1);
    // Takes the customer, waits until the worker has taken `events` and waits for the customer, and wants `events` itself.
    let wrong_way = "DO $$ BEGIN
         PERFORM FROM customers WHERE customer_id = 'c-0' FOR UPDATE;
         LOOP
             PERFORM pg_stat_clear_snapshot();
             EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock');
             PERFORM pg_sleep(0.05);
         END LOOP;
         LOCK TABLE events IN ACCESS EXCLUSIVE MODE;
     END $$";
    let database = shop.database.clone();
    let migration = std::thread::spawn(move || Postgres::shared().psql(&database, wrong_way));
    let holds = "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = relation
         WHERE relname = 'customers' AND mode = 'RowShareLock' AND pid IN
             (SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'DO %')";
    assert!(wait_until(Duration::from_secs(10), || {
        Postgres::shared().psql(&shop.database, holds).trim() == "1"
    }));
    shop.publish(&slice[1..2]);
    migration.join().expect("the one that went on");
    shop.wait_for(Duration::from_secs(60), |messages| messages.len() == 2);
    let counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(Postgres::shared().psql(&shop.database, counted).trim(), "1", "there was one");
    let log = worker.log();
    assert!(!log.contains("handed back") && shop.is_healthy(), "{log}");
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

/// Every message has come to its end.
pub fn settled(messages: &[Value]) -> bool {
    !messages.iter().any(|m| ["pending", "deferred", "claimed", "sending"].contains(&text(&m["state"])))
}
