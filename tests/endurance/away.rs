//! Broker or database gone for a minute: readiness turns red, memory stays flat, and work goes on by itself.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{memory, publish_fast, wait_until};
use crate::support::now;
use crate::support::postgres::Postgres;
use crate::support::rabbit::Rabbit;
use crate::support::shop::{Shop, Worker, event};
use crate::support::side_by_side;

const GONE: Duration = Duration::from_secs(60);

/// Until readiness says what is the matter, and until it is well again.
const TURNS_RED: Duration = Duration::from_secs(15);
const TURNS_GREEN: Duration = Duration::from_secs(60);

/// How much more memory a worker may use while it can do nothing, in MB.
const FLAT: u64 = 25;

/// A worker that has sent a mail, so that all its parts have run.
fn warm(shop: &Shop) -> Worker {
    let mut worker = shop.spawn("worker", &[]);
    let ready = wait_until(Duration::from_secs(60), || worker.is_healthy() || !worker.is_running());
    assert!(ready && worker.is_running(), "{}", worker.log());
    shop.publish(&[sign_up("first")]);
    shop.sink.wait_for(1, Duration::from_secs(30));
    worker
}

fn sign_up(customer: &str) -> String {
    let now = now();
    let profile = json!({"email": format!("{customer}@example.com"), "locale": "en-GB"});
    event(customer, "customer.signed_up", customer, &now, profile)
}

/// Watches a worker for a minute without what it leans on.
fn watch(worker: &mut Worker, what: &str) {
    let began = Instant::now();
    assert!(wait_until(TURNS_RED, || !worker.is_healthy()), "without {what} readiness stays green");
    let before = memory(worker, "VmRSS");
    while began.elapsed() < GONE {
        std::thread::sleep(Duration::from_secs(1));
        assert!(worker.is_running(), "it ended without {what}:\n{}", worker.log());
        assert!(!worker.is_healthy(), "readiness turned green without {what}");
        let now = memory(worker, "VmRSS");
        assert!(now <= before + FLAT, "without {what} it grew from {before} to {now} MB");
    }
}

/// Both at once: most of it is waiting, which leaves the machine to the tests that look at the time something takes.
#[test]
fn without_a_broker_or_a_database_readiness_is_red_memory_flat_and_work_goes_on_by_itself() {
    let outages: [fn(); 2] = [without_a_broker, without_a_database];
    side_by_side(outages.len(), &outages, |outage| outage());
}

fn without_a_broker() {
    let mut rabbit = Rabbit::start();
    let mut shop = Shop::open("");
    shop.broker = rabbit.vhost();
    shop.set("DECLIC_AMQP__URL", shop.broker.clone());
    let mut worker = warm(&shop);
    // See `Rabbit::crash`.
    std::thread::sleep(Duration::from_secs(3));
    rabbit.crash();
    watch(&mut worker, "a broker");
    let _alone = crate::alone();
    rabbit.start_again();
    assert!(wait_until(TURNS_GREEN, || worker.is_healthy()), "{}", worker.log());
    shop.publish(&[sign_up("second")]);
    shop.sink.wait_for(2, Duration::from_secs(30));
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

fn without_a_database() {
    let mut postgres = Postgres::start();
    let mut shop = Shop::open("");
    let url = postgres.database();
    let name = url.rsplit('/').next().and_then(|end| end.split('?').next()).expect("a database").to_owned();
    shop.set("DECLIC_DATABASE__URL", &url);
    crate::run(shop.declic().arg("migrate"));
    let mut worker = warm(&shop);
    postgres.crash();
    // A backlog, of which nothing may pile up in memory, and nothing may be acknowledged.
    let filling = "x".repeat(2_000);
    let many: Vec<String> = (0..20_000)
        .map(|n| {
            event(&format!("view-{n}"), "page.viewed", "first", "2026-01-01T00:00:00Z", json!({"x": filling}))
        })
        .collect();
    publish_fast(&shop.broker, &many);
    shop.publish(&[sign_up("second")]);
    watch(&mut worker, "a database");
    let _alone = crate::alone();
    postgres.start_again();
    assert!(wait_until(TURNS_GREEN, || worker.is_healthy()), "{}", worker.log());
    shop.sink.wait_for(2, Duration::from_secs(90));
    let all_in = wait_until(Duration::from_secs(90), || {
        postgres.psql(&name, "SELECT COUNT(*) FROM events").trim() == (many.len() + 2).to_string()
    });
    assert!(all_in, "{}", postgres.psql(&name, "SELECT COUNT(*) FROM events"));
    assert!(worker.terminate(Duration::from_secs(25)).success());
    assert_eq!(shop.sink.mails().len(), 2);
}
