//! More comes in than can be sent: the intake slows down, goes on, and hurries again.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{number, publish_fast, wait_until};
use crate::support::free_port;
use crate::support::mailbox::Mailbox;
use crate::support::now;
use crate::support::random::Random;
use crate::support::shop::{Shop, event};

/// Each waits for a mail server that is not there.
const WAITING: usize = 2_000;
const VIEWS: usize = 6_000;

/// Batches of 500 at a second each, of which the first may be on its way already.
const SLOWED: Duration = Duration::from_secs(8);

#[test]
fn a_long_outbox_slows_the_intake_and_does_not_stop_it() {
    let _alone = crate::alone();
    let mut shop = Shop::open("");
    shop.set("DECLIC_WORKER__OUTBOX_LIMIT", 500);
    shop.set("DECLIC_SMTP__PORT", free_port());
    let worker = shop.spawn("worker", &[]);
    assert!(wait_until(Duration::from_secs(60), || worker.is_healthy()), "{}", worker.log());
    let now = now();
    let sign_up = |n: usize| {
        let profile = json!({"email": format!("c{n}@example.com"), "locale": "en-GB"});
        event(&format!("s{n}"), "customer.signed_up", &format!("c{n}"), &now, profile)
    };
    publish_fast(&shop.broker, &(0..WAITING).map(sign_up).collect::<Vec<_>>());
    let slowed = wait_until(Duration::from_secs(60), || worker.log().contains("the intake slows down"));
    assert!(slowed, "{}", worker.log());

    let view =
        |n: usize| event(&format!("v{n}"), "page.viewed", &format!("c{}", n % WAITING), &now, json!({}));
    let before = number(&shop, "SELECT COUNT(*) FROM events");
    let began = Instant::now();
    publish_fast(&shop.broker, &(0..VIEWS).map(view).collect::<Vec<_>>());
    let all_in = || number(&shop, "SELECT COUNT(*) FROM events") >= before + VIEWS;
    assert!(wait_until(Duration::from_secs(120), all_in), "the intake has stopped");
    let took = began.elapsed();
    assert!(took >= SLOWED, "{VIEWS} events went in within {took:?}");

    // The mail server comes: what waits goes out, and the intake is let off.
    let mailbox = Mailbox::start(Random::new(1, 1));
    shop.set("DECLIC_SMTP__PORT", mailbox.port);
    assert!(worker.terminate(Duration::from_secs(30)).success());
    let worker = shop.spawn("another", &[]);
    let sent = wait_until(Duration::from_secs(90), || mailbox.taken().len() >= WAITING);
    assert!(sent, "{} mails:\n{}", mailbox.taken().len(), worker.log());
    assert!(worker.terminate(Duration::from_secs(30)).success());
}
