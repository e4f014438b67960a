//! What goes wrong around the worker: each a clear error that says where, what and what to do, and nothing lost; and rules
//! that change while it runs.

mod support;

use std::process::Output;
use std::time::Duration;

use serde_json::json;

use support::shop::{Shop, event};
use support::wait_until;

fn shop() -> Shop {
    Shop::open("start = 2026-11-23T10:00:00Z\nspeed = 60.0")
}

fn outcome(output: &Output) -> (i32, String) {
    (output.status.code().expect("it exits by itself"), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn wrong_databases_and_secrets_are_named() {
    let shop = shop();
    let run = |variables: &[(&str, &str)]| {
        let mut command = shop.declic();
        for (name, value) in variables {
            command.env(name, value);
        }
        outcome(&command.arg("run").output().expect("declic starts"))
    };
    let (code, words) = run(&[("DECLIC_DATABASE__URL", "postgres://app:hidden@127.0.0.1:1/none")]);
    assert_eq!(code, 3, "{words}");
    assert!(words.contains("127.0.0.1:1") && !words.contains("hidden"), "{words}");
    let (code, words) = run(&[("DECLIC_DATABASE__URL", "mysql://x/y")]);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("DECLIC_DATABASE__URL") && words.contains("postgres://"), "{words}");
    let (code, words) = run(&[("DECLIC_SECRET", "")]);
    assert_eq!(code, 3, "{words}");
    assert!(words.contains("DECLIC_SECRET is not set"), "{words}");
    let (code, words) = run(&[("DECLIC_WORKER__LEASE_S", "30")]);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("worker.lease_s"), "{words}");
    let empty = support::postgres::Postgres::shared().database();
    let (code, words) = run(&[("DECLIC_DATABASE__URL", &empty)]);
    assert_eq!(code, 3, "{words}");
    assert!(words.contains("declic migrate"), "{words}");
}

#[test]
fn a_broker_that_refuses_is_an_error_at_the_start() {
    let shop = shop();
    let wrong = shop.broker.replace("guest:guest@", "").replace("amqp://", "amqp://stranger:s3cret@");
    let mut command = shop.declic();
    let (code, words) =
        outcome(&command.env("DECLIC_AMQP__URL", wrong).arg("run").output().expect("declic starts"));
    assert_eq!(code, 3, "{words}");
    assert!(words.contains("RabbitMQ") && !words.contains("s3cret"), "{words}");
}

#[test]
fn a_mail_server_that_refuses_us_loses_nothing() {
    let shop = shop();
    let worker = shop.start();
    shop.sink.behave(&[("mail", "550 5.7.1 you are not welcome")]);
    let profile = json!({"email": "alice@example.com"});
    shop.publish(&[event("1", "customer.signed_up", "alice", "2026-11-23T10:00:00Z", profile)]);
    let told = wait_until(Duration::from_secs(20), || worker.log().contains("the provider refuses us"));
    assert!(told, "{}", worker.log());
    assert!(worker.log().contains("you are not welcome"));
    let waiting =
        shop.wait_for(Duration::from_secs(10), |all| all.len() == 1 && all[0]["state"] == "pending");
    assert!(waiting[0]["reply"].as_str().unwrap_or_default().contains("5.7.1"));
    // Mended: the same message goes out.
    shop.sink.behave(&[]);
    shop.wait_for(Duration::from_secs(90), |all| all[0]["state"] == "sent");
    assert_eq!(shop.sink.mails().len(), 1);
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

#[test]
fn an_address_that_does_not_exist_is_suppressed_and_harms_nobody_else() {
    let shop = shop();
    let worker = shop.start();
    let sign_up = |i: usize, email: &str| {
        event(
            &format!("e{i}"),
            "customer.signed_up",
            &format!("c{i}"),
            "2026-11-23T10:00:00Z",
            json!({"email": email}),
        )
    };
    shop.publish(&[
        sign_up(1, "rcpt-550-5.1.1@example.com"),
        sign_up(2, "data-554-5.6.0@example.com"),
        sign_up(3, "fine@example.com"),
    ]);
    let all = shop.wait_for(Duration::from_secs(30), |all| {
        all.len() == 3
            && all
                .iter()
                .all(|m| m["state"] != "pending" && m["state"] != "sending" && m["state"] != "claimed")
    });
    let state =
        |customer: &str| all.iter().find(|m| m["customer"] == customer).expect("a message")["state"].clone();
    assert_eq!((state("c1"), state("c2"), state("c3")), (json!("failed"), json!("failed"), json!("sent")));
    // The same address, another customer: never written to again.
    shop.publish(&[sign_up(4, "rcpt-550-5.1.1@example.com")]);
    let all = shop.wait_for(Duration::from_secs(30), |all| {
        all.len() == 4 && all.iter().all(|m| m["state"] != "pending" && m["state"] != "claimed")
    });
    let fourth = all.iter().find(|m| m["customer"] == "c4").expect("a message");
    assert_eq!((&fourth["state"], &fourth["reason"]), (&json!("suppressed"), &json!("suppressed_address")));
    drop(worker);
}

#[test]
fn rules_change_under_a_running_worker_whole_or_not_at_all() {
    let shop = shop();
    let worker = shop.start();
    let subject = |n: usize| {
        let mails = shop.sink.wait_for(n, Duration::from_secs(30));
        String::from_utf8_lossy(&mails[n - 1].raw).into_owned()
    };
    let sign_up = |i: usize| {
        let profile = json!({"email": format!("c{i}@example.com"), "locale": "en-GB"});
        shop.publish(&[event(
            &format!("e{i}"),
            "customer.signed_up",
            &format!("c{i}"),
            "2026-11-23T10:00:00Z",
            profile,
        )]);
    };
    sign_up(1);
    assert!(subject(1).contains("Welcome to Maison Lumen"));

    shop.edit("templates/welcome/email.en.mjml", "subject: \"Welcome to", "subject: \"Hello from");
    assert!(
        wait_until(Duration::from_secs(15), || worker.log().matches("rules in force").count() == 2),
        "{}",
        worker.log()
    );
    sign_up(2);
    assert!(subject(2).contains("Hello from Maison Lumen"));

    // One bad file: reported, and everything goes on as before.
    shop.edit("rules/birthday.yaml", "steps:", "stepps:");
    assert!(
        wait_until(Duration::from_secs(15), || worker.log().contains("did you mean `steps`")),
        "{}",
        worker.log()
    );
    sign_up(3);
    assert!(subject(3).contains("Hello from Maison Lumen"));

    shop.edit("rules/birthday.yaml", "stepps:", "steps:");
    assert!(
        wait_until(Duration::from_secs(15), || worker.log().matches("rules in force").count() == 3),
        "{}",
        worker.log()
    );
    worker.signal("HUP");
    assert!(
        wait_until(Duration::from_secs(15), || worker.log().matches("rules in force").count() == 4),
        "{}",
        worker.log()
    );
    assert!(worker.terminate(Duration::from_secs(25)).success());
}
