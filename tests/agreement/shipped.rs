//! One file of events, three ways: simulated, embedded on SQLite, and through RabbitMQ and PostgreSQL to a mail server.
//! All three give the same messages.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::shop::{Shop, Worker, event, lines};
use crate::support::{self, Folder, free_port, run};

const UNTIL: &str = "2026-11-25T14:00:00Z";

/// The clock stands still after the last event until all are in, in any order, and runs then.
const STILL: &str = "start = 2026-11-23T10:00:00Z\nend = 2026-11-23T10:00:00Z";
/// It stops at each of these until all that was due is done. A birthday can be late by twelve hours: none has had more
/// when the clock stops, so that it may run as fast as it likes on a machine that is as slow as it likes.
const STOPS: [&str; 5] =
    ["2026-11-23T10:00:00Z", "2026-11-23T20:30:00Z", "2026-11-24T19:30:00Z", "2026-11-25T07:30:00Z", UNTIL];

fn running(from: &str, to: &str) -> String {
    format!("start = {from}\nend = {to}\nspeed = 14400.0")
}

/// Two hours of a shop, with birthdays on the two days that follow, in five zones.
fn history() -> Vec<String> {
    let zones = ["Europe/Paris", "America/St_Johns", "Pacific/Apia", "America/Toronto", "Nowhere/AtAll"];
    let mut events = Vec::new();
    for i in 0..60_usize {
        let id = format!("c-{i:02}");
        let mut profile = json!({"email": format!("c{i}@example.com"), "locale": "fr-FR"});
        if i % 2 == 1 {
            profile["locale"] = "en-GB".into();
        }
        profile["timezone"] = zones[i % 5].into();
        profile["birthday"] = ["1990-11-24", "1984-11-25", "1992-02-29"][i % 3].into();
        if i % 4 != 1 {
            let word =
                json!({"channel": "email", "purpose": "marketing", "status": "granted", "source": "form"});
            profile["consents"] = json!([word]);
        }
        let kind = if i.is_multiple_of(6) { "customer.updated" } else { "customer.signed_up" };
        events.push(event(&format!("{id}-a"), kind, &id, &format!("2026-11-23T08:{i:02}:00Z"), profile));
        let items = json!([{"name": "Lampe", "quantity": 1, "price": 40 + i}]);
        let cart = json!({"cart_id": id, "currency": "EUR", "total": 40 + i, "items": items});
        events.push(event(
            &format!("{id}-b"),
            "cart.updated",
            &id,
            &format!("2026-11-23T09:{i:02}:00Z"),
            cart,
        ));
        if i % 7 == 3 {
            let order = json!({"order_id": id, "cart_id": id, "total": 40 + i});
            events.push(event(
                &format!("{id}-c"),
                "order.placed",
                &id,
                &format!("2026-11-23T09:{i:02}:30Z"),
                order,
            ));
        }
    }
    events
}

/// (planned instant, customer, rule, step, channel, status, reason, promo code)
type Row = [String; 8];

fn rows(messages: &[Value], at: &str, status: &str) -> BTreeSet<Row> {
    let fields = [at, "customer", "rule", "step", "channel", status, "reason", "promo_code"];
    messages.iter().map(|m| fields.map(|f| m[f].as_str().unwrap_or_default().to_owned())).collect()
}

fn settled(all: &[Value], count: usize) -> bool {
    all.len() >= count
        && all.iter().all(|m| !["pending", "claimed", "sending"].contains(&m["state"].as_str().unwrap_or("")))
}

fn assert_same(way: &str, came: &BTreeSet<Row>, expected: &BTreeSet<Row>) {
    let missing: Vec<_> = expected.difference(came).take(5).collect();
    let extra: Vec<_> = came.difference(expected).take(5).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{way}: missing {missing:#?}\nunexpected {extra:#?}");
}

#[test]
fn simulated_embedded_and_in_production_the_messages_are_the_same() {
    let events = history();
    let shop = Shop::open(STILL);
    let file = shop.folder.join("history.ndjson");
    std::fs::write(&file, events.join("\n")).unwrap();

    let simulated =
        run(shop.declic().args(["simulate", "--until", UNTIL, "--format", "ndjson", "--events"]).arg(&file));
    let expected = rows(&lines(&simulated), "at", "status");
    assert!(expected.iter().any(|r| r[2] == "birthday" && r[5] == "sent"), "birthdays are part of it");
    assert!(
        expected.iter().any(|r| r[6] == "no_consent") && expected.iter().any(|r| r[3].ends_with("offer"))
    );

    let embedded = Folder::new("embedded");
    let (admin, public) = (free_port(), free_port());
    let lite = |clock: &str| {
        let config = format!(
            "[public]\nlisten = '127.0.0.1:{public}'\n[admin]\nlisten = '127.0.0.1:{admin}'\n\
             [worker]\nrules_dir = '{}'\n[clock]\n{clock}\n",
            shop.folder.path().display()
        );
        std::fs::write(embedded.join("declic.toml"), config).unwrap();
        let mut command = shop.declic();
        command.current_dir(embedded.path()).arg("run");
        command
    };
    run(lite(STILL).args(["--exit", "--events"]).arg(&file));
    let worker = shop.start();
    shop.publish(&events);
    shop.take_in_everything(worker);

    let listed = || {
        let mut list = shop.declic();
        list.current_dir(embedded.path())
            .args(["messages", "list", "--limit", "100000", "--format", "ndjson"]);
        lines(&run(&mut list))
    };
    for stretch in STOPS.windows(2) {
        let clock = running(stretch[0], stretch[1]);
        shop.set_clock(&clock);
        let (worker, lite) = (shop.start(), Worker::spawn(&mut lite(&clock), embedded.join("log")));
        let due = expected.iter().filter(|row| row[0].as_str() <= stretch[1]).count();
        shop.wait_for(Duration::from_secs(180), |all| settled(all, due));
        let done = support::wait_until(Duration::from_secs(120), || {
            std::thread::sleep(Duration::from_millis(500));
            settled(&listed(), due)
        });
        assert!(done, "{}", lite.log());
        for worker in [worker, lite] {
            assert!(worker.terminate(Duration::from_secs(25)).success());
        }
    }
    assert_same("RabbitMQ, PostgreSQL, SMTP", &rows(&shop.messages(), "planned_at", "state"), &expected);
    assert_same("embedded", &rows(&listed(), "planned_at", "state"), &expected);
}
