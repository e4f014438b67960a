//! One event, customer, timer, tick, message or outcome that always fails: the others never wait for it, the worker lives,
//! and what was set aside can be put back when it has been mended. On real servers, with rows that are spoilt by SQL.

mod support;

use std::collections::BTreeMap;
use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use support::postgres::Postgres;
use support::shop::{Shop, Worker, event, lines, metric};
use support::{run, wait_until};

const MORNING: &str = "2026-11-23T09:45:00Z";
const STILL: &str = "start = 2026-11-23T09:45:00Z\nend = 2026-11-23T09:45:00Z";
/// Over the carts' hour and a birthday.
const ONE_DAY: &str = "start = 2026-11-23T09:45:00Z\nend = 2026-11-24T09:00:00Z\nspeed = 7200.0";
/// After both, early enough for both to be sent still.
const NEXT_DAY: &str = "start = 2026-11-24T09:00:00Z\nend = 2026-11-24T09:30:00Z";

/// Soon after, when what a provider has put off is due again.
const LATER: &str = "start = 2026-11-23T11:00:00Z\nend = 2026-11-23T11:30:00Z";

/// A profile that no build can read.
const SPOILT: &str = r#"{"attributes":5}"#;

fn psql(shop: &Shop, sql: &str) -> String {
    Postgres::shared().psql(&shop.database, sql).trim().to_owned()
}

fn sign_up(i: usize) -> String {
    let consents =
        json!([{"channel": "email", "purpose": "marketing", "status": "granted", "source": "form"}]);
    let profile = json!({"email": format!("c{i}@example.com"), "locale": "en-GB", "birthday": "1990-11-24",
        "timezone": "Europe/Paris", "consents": consents});
    event(&format!("e-{i}"), "customer.signed_up", &format!("c-{i}"), MORNING, profile)
}

fn cart(i: usize) -> String {
    let data = json!({"cart_id": format!("k-{i}"), "currency": "EUR", "total": 10,
        "items": [{"name": "Lampe", "quantity": 1, "price": 10}]});
    event(&format!("k-{i}"), "cart.updated", &format!("c-{i}"), "2026-11-23T09:40:00Z", data)
}

/// A worker whose core panics where `asked` says.
fn start_stumbling(shop: &Shop, asked: &str) -> Worker {
    let mut worker =
        Worker::spawn(shop.declic().env("DECLIC_PANIC_FOR", asked).arg("run"), shop.folder.join("log"));
    let ready = wait_until(Duration::from_secs(60), || shop.is_healthy() || !worker.is_running());
    assert!(ready && worker.is_running(), "the worker is not ready:\n{}", worker.log());
    worker
}

fn dead_letters(shop: &Shop, arguments: &[&str]) -> Output {
    shop.declic().arg("dead-letters").args(arguments).output().expect("declic starts")
}

fn letters(shop: &Shop) -> Vec<Value> {
    lines(&run(shop.declic().args(["dead-letters", "list", "--format", "ndjson"])))
}

/// `origin customer` of all letters, in order.
fn set_aside(shop: &Shop) -> Vec<String> {
    let name = |letter: &Value| {
        let customer = letter["headers"]["customer"].as_str().unwrap_or("?");
        format!("{} {customer}", letter["origin"].as_str().unwrap_or("?"))
    };
    let mut names: Vec<String> = letters(shop).iter().map(name).collect();
    names.sort();
    names
}

/// Replays all; its exit code and words.
fn replay(shop: &Shop) -> (i32, String) {
    let output = dead_letters(shop, &["replay", "--all"]);
    let words = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
    (output.status.code().expect("it exits"), words)
}

/// The states of the messages of a step, by customer.
fn states(messages: &[Value], step: &str) -> BTreeMap<String, String> {
    let text = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_owned();
    let of_step = messages.iter().filter(|m| m["step"] == step && m["channel"] == "email");
    of_step.map(|m| (text(m, "customer"), text(m, "state"))).collect()
}

/// Who of `c-0`… has got the message of a step, and nobody else has one.
fn sent_but(messages: &[Value], step: &str, customers: usize, without: &[usize]) -> bool {
    let expected: BTreeMap<String, String> = (0..customers)
        .filter(|i| !without.contains(i))
        .map(|i| (format!("c-{i}"), "sent".to_owned()))
        .collect();
    let mut found = states(messages, step);
    found.retain(|_, state| state != "failed");
    found == expected
}

fn panics(shop: &Shop) -> f64 {
    metric(shop.admin, "declic_panics_total", "").expect("metrics")
}

/// Each mail once: nobody got one twice.
fn each_once(shop: &Shop) {
    let (mails, sent) =
        (shop.sink.mails().len(), psql(shop, "SELECT count(*) FROM messages WHERE state = 'sent'"));
    assert_eq!(mails.to_string(), sent);
}

#[test]
fn an_event_that_always_fails_is_parked_and_taken_in_when_it_passes() {
    const CUSTOMERS: usize = 40;
    let shop = Shop::open(STILL);
    let worker = start_stumbling(&shop, "events:c-7");
    shop.post(&[event("p-5", "page.viewed", "c-5", MORNING, json!({}))]);
    psql(&shop, &format!("UPDATE customers SET profile = '{SPOILT}' WHERE customer_id = 'c-5'"));
    // In one batch with all others, over RabbitMQ and over HTTP.
    let events: Vec<String> = (0..CUSTOMERS).map(sign_up).collect();
    shop.publish(&events[..20]);
    shop.post(&events[20..]);
    let all_but =
        |without: &'static [usize]| move |all: &[Value]| sent_but(all, "send-welcome", CUSTOMERS, without);
    shop.wait_for(Duration::from_secs(60), all_but(&[5, 7]));
    let parked = wait_until(Duration::from_secs(20), || letters(&shop).len() == 2);
    assert!(parked, "{:?}", letters(&shop));
    for letter in letters(&shop) {
        assert_eq!((&letter["origin"], &letter["reason"]), (&"amqp".into(), &"poison".into()), "{letter}");
        let detail = letter["detail"].as_str().unwrap_or_default();
        let why = ["a panic at src/failpoint.rs", "table customers, row c-5, column profile"];
        assert!(why.iter().any(|words| detail.contains(words)), "{detail}");
    }
    assert_eq!(panics(&shop), 1.0, "counted where the customer stood alone");
    let log = worker.log();
    assert!(log.contains("about customer c-7"), "{log}");
    assert!(!log.contains("asked to stumble") && !log.contains("c7@example.com"), "{log}");
    assert!(worker.terminate(Duration::from_secs(25)).success(), "it has lived through all of it");

    // By another build, one of the two passes.
    let (code, words) = replay(&shop);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("taken in") && words.contains("1 done, 1 refused again"), "{words}");
    psql(&shop, "UPDATE customers SET profile = '{\"attributes\":{}}' WHERE customer_id = 'c-5'");
    let left = letters(&shop);
    let id = left[0]["id"].as_str().expect("an id");
    let output = dead_letters(&shop, &["replay", &id[..10]]);
    assert!(output.status.success(), "{output:?}");
    assert!(letters(&shop).is_empty());
    let worker = shop.start();
    shop.wait_for(Duration::from_secs(60), all_but(&[]));
    assert!(worker.terminate(Duration::from_secs(25)).success());
    each_once(&shop);
}

#[test]
fn timers_and_birthdays_pass_over_whoever_always_fails() {
    const CUSTOMERS: usize = 12;
    let shop = Shop::open(STILL);
    let worker = shop.start();
    shop.post(&(0..CUSTOMERS).map(sign_up).collect::<Vec<_>>());
    shop.post(&(0..CUSTOMERS).map(cart).collect::<Vec<_>>());
    shop.wait_for(Duration::from_secs(60), |all| sent_but(all, "send-welcome", CUSTOMERS, &[]));
    assert!(worker.terminate(Duration::from_secs(25)).success());
    psql(
        &shop,
        &format!(
            "CREATE TABLE kept_customers AS SELECT * FROM customers; CREATE TABLE kept_entries AS SELECT * FROM entries;
             UPDATE customers SET profile = '{SPOILT}' WHERE customer_id = 'c-3';
             UPDATE entries SET body = '{{\"position\":\"?\"}}' WHERE customer_id = 'c-4'"
        ),
    );
    shop.set_clock(ONE_DAY);
    let worker = start_stumbling(&shop, "timers:c-5;ticks:c-6");
    shop.wait_for(Duration::from_secs(90), |all| {
        sent_but(all, "send-abandoned-cart", CUSTOMERS, &[3, 4, 5])
            && sent_but(all, "send-birthday", CUSTOMERS, &[3, 4, 6])
    });
    let expected = ["tick c-3", "tick c-4", "tick c-6", "timer c-3", "timer c-4", "timer c-5"];
    let parked = wait_until(Duration::from_secs(20), || set_aside(&shop) == expected);
    assert!(parked, "{:?}\n{}", set_aside(&shop), worker.log());
    let timer = letters(&shop).into_iter().find(|l| l["origin"] == "timer").expect("a timer");
    assert_eq!(timer["headers"]["rule"], "abandoned-cart", "{timer}");
    assert_eq!(timer["headers"]["due_at"], "2026-11-23T10:40:00Z", "{timer}");
    // Set aside is not met again: the scheduler has nothing to do, and says nothing more.
    assert_eq!(psql(&shop, "SELECT count(*) FROM entries WHERE due_at <= '2026-11-24T09:00:00Z'"), "0");
    assert_eq!(psql(&shop, "SELECT count(*) FROM sweeps WHERE state = 'running'"), "0");
    assert!(!worker.log().contains("asked to stumble"), "{}", worker.log());
    assert!(worker.terminate(Duration::from_secs(25)).success());

    shop.set_clock(NEXT_DAY);
    let (code, words) = replay(&shop);
    assert!(code == 1 && words.contains("2 done, 4 refused again"), "{words}");
    assert_eq!(set_aside(&shop), ["tick c-3", "tick c-4", "timer c-3", "timer c-4"]);
    psql(
        &shop,
        "UPDATE customers c SET profile = k.profile FROM kept_customers k WHERE k.customer_id = c.customer_id;
         UPDATE entries e SET body = k.body FROM kept_entries k WHERE k.customer_id = e.customer_id
             AND k.rule = e.rule AND k.occurrence = e.occurrence AND e.customer_id = 'c-4'",
    );
    let (code, words) = replay(&shop);
    assert!(code == 0 && set_aside(&shop).is_empty(), "{words}");
    let worker = shop.start();
    shop.wait_for(Duration::from_secs(60), |all| {
        sent_but(all, "send-abandoned-cart", CUSTOMERS, &[]) && sent_but(all, "send-birthday", CUSTOMERS, &[])
    });
    assert!(worker.terminate(Duration::from_secs(25)).success());
    each_once(&shop);
}

#[test]
fn a_message_that_always_fails_is_passed_by_the_others() {
    const CUSTOMERS: usize = 30;
    let shop = Shop::open(STILL);
    shop.sink.behave(&[("connect", "421 4.3.2 not yet")]);
    let worker = shop.start();
    shop.post(&(0..CUSTOMERS).map(sign_up).collect::<Vec<_>>());
    shop.wait_for(Duration::from_secs(60), |all| all.len() == CUSTOMERS);
    assert!(worker.terminate(Duration::from_secs(25)).success());
    shop.sink.behave(&[]);
    shop.set_clock(LATER);
    psql(
        &shop,
        &format!(
            "CREATE TABLE kept_customers AS SELECT * FROM customers; CREATE TABLE kept_messages AS SELECT * FROM messages;
             UPDATE messages SET body = '{{\"id\":7}}' WHERE customer_id = 'c-1';
             UPDATE customers SET profile = '{SPOILT}' WHERE customer_id = 'c-2';
             INSERT INTO outcomes (id, customer_id, kind, time, data, created_at)
                 SELECT 'o-' || n, 'c-9', CASE n WHEN 1 THEN repeat('x', 300) ELSE 'message.sent' END, now(),
                     CASE n WHEN 2 THEN '1e999' ELSE '{{}}' END::json, '2000-01-01'
                 FROM generate_series(1, 3) AS n"
        ),
    );
    let worker = start_stumbling(&shop, "delivery:c-3");
    let all =
        shop.wait_for(Duration::from_secs(60), |all| sent_but(all, "send-welcome", CUSTOMERS, &[1, 2, 3]));
    for id in ["c-1", "c-2", "c-3"] {
        let message = all.iter().find(|m| m["customer"] == id).expect("a message");
        assert_eq!(
            (&message["state"], &message["reason"]),
            (&"failed".into(), &"cannot_be_processed".into())
        );
    }
    let expected = ["message c-1", "message c-2", "message c-3", "outcome c-9", "outcome c-9"];
    let parked = wait_until(Duration::from_secs(20), || set_aside(&shop) == expected);
    assert!(parked, "{:?}\n{}", set_aside(&shop), worker.log());
    let published = || psql(&shop, "SELECT count(*) FROM outcomes WHERE published_at IS NULL") == "0";
    assert!(
        wait_until(Duration::from_secs(20), published),
        "the other outcomes have left:\n{}",
        worker.log()
    );
    assert!(!worker.log().contains("asked to stumble"), "{}", worker.log());
    assert!(worker.terminate(Duration::from_secs(25)).success());

    let discarded = dead_letters(&shop, &["discard", "--all", "--origin", "outcome"]);
    assert!(discarded.status.success(), "{discarded:?}");
    let (code, words) = replay(&shop);
    assert!(code == 1 && words.contains("1 done, 2 refused again"), "{words}");
    psql(
        &shop,
        "UPDATE customers c SET profile = k.profile FROM kept_customers k WHERE k.customer_id = c.customer_id;
         UPDATE messages m SET body = k.body FROM kept_messages k WHERE k.id = m.id AND m.customer_id = 'c-1'",
    );
    let (code, words) = replay(&shop);
    assert!(code == 0 && set_aside(&shop).is_empty(), "{words}");
    let worker = shop.start();
    shop.wait_for(Duration::from_secs(60), |all| sent_but(all, "send-welcome", CUSTOMERS, &[]));
    assert!(worker.terminate(Duration::from_secs(25)).success());
    each_once(&shop);
}
