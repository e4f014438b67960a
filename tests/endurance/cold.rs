//! A start after a long outage: a million timers are due and a hundred thousand messages wait.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{memory, number, wait_until};
use crate::support::mailbox::Mailbox;
use crate::support::now;
use crate::support::postgres::Postgres;
use crate::support::random::Random;
use crate::support::shop::{Shop, event};

const TIMERS: usize = 1_000_000;
const WAITING: usize = 100_000;

/// From the start of the process to the first mail.
const FIRST_MAIL: Duration = Duration::from_secs(3);
/// A machine that does something else for a while is no reason to fail: the best of so many starts counts.
const STARTS: usize = 3;

/// At any time, in MB.
const MOST_MEMORY: u64 = 250;

/// A cart that waits for its hour, and a welcome that waits for a sender, as the worker itself writes them.
fn models(shop: &Shop) {
    let now = &now();
    let worker = shop.start();
    let consents =
        json!([{"channel": "email", "purpose": "marketing", "status": "granted", "source": "form"}]);
    let profile = json!({"email": "model@example.com", "locale": "en-GB", "consents": consents});
    let cart = json!({"cart_id": "k", "currency": "EUR", "total": 20, "items": [{"name": "Lamp", "quantity": 1, "price": 20}]});
    shop.post(&[
        event("1", "customer.signed_up", "model", now, profile),
        event("2", "cart.updated", "model", now, cart),
    ]);
    let there = || {
        number(shop, "SELECT COUNT(*) FROM entries WHERE rule = 'abandoned-cart' AND due_at IS NOT NULL") == 1
            && number(shop, "SELECT COUNT(*) FROM messages WHERE state = 'sent'") == 1
    };
    assert!(wait_until(Duration::from_secs(30), there), "{}", worker.log());
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

/// Copies of both for many customers, due an hour ago.
fn fill(shop: &Shop) {
    let copies = format!(
        "BEGIN;
         CREATE TEMP TABLE c AS SELECT * FROM customers WHERE customer_id = 'model';
         INSERT INTO customers SELECT copy.* FROM c, generate_series(1, {TIMERS}) AS n,
             json_populate_record(c, json_build_object('customer_id', 'old-' || n)) AS copy;
         CREATE TEMP TABLE e AS SELECT * FROM entries WHERE customer_id = 'model' AND rule = 'abandoned-cart';
         INSERT INTO entries SELECT copy.* FROM e, generate_series(1, {TIMERS}) AS n,
             json_populate_record(e, json_build_object('customer_id', 'old-' || n, 'due_at', now() - interval '1 hour',
                 'body', replace(replace(e.body::text, '\"model\"', '\"old-' || n || '\"'), to_char(e.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS'),
                     to_char((now() - interval '1 hour') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS'))::json)) AS copy;
         CREATE TEMP TABLE m AS SELECT * FROM messages WHERE customer_id = 'model';
         INSERT INTO messages SELECT copy.* FROM m, generate_series(1, {WAITING}) AS n,
             json_populate_record(m, json_build_object('customer_id', 'old-' || n, 'id', md5(n::text),
                 'state', 'pending', 'attempts', 0, 'lease_token', null, 'lease_until', null, 'slot_at', null,
                 'body', (m.body::jsonb || jsonb_build_object('id', md5(n::text), 'customer_id', 'old-' || n,
                     'state', 'pending', 'attempts', 0, 'template_hash', null, 'slot_at', null, 'sent_at', null))::json)) AS copy;
         COMMIT;
         ANALYZE"
    );
    Postgres::shared().psql(&shop.database, &copies);
}

#[test]
fn a_start_on_a_million_due_timers_and_a_hundred_thousand_messages_sends_at_once_in_little_memory() {
    let _alone = crate::alone();
    let mut shop = Shop::open("");
    let mailbox = Mailbox::start(Random::new(1, 1));
    shop.set("DECLIC_SMTP__PORT", mailbox.port);
    models(&shop);
    fill(&shop);
    let due = "SELECT COUNT(*) FROM entries WHERE due_at <= now()";
    assert_eq!(number(&shop, due), TIMERS);

    let mut fastest = Duration::MAX;
    for n in 0..STARTS {
        let before = mailbox.taken().len();
        let began = Instant::now();
        let worker = shop.spawn(&format!("start-{n}"), &[]);
        let sent = wait_until(Duration::from_secs(60), || mailbox.taken().len() > before);
        fastest = fastest.min(began.elapsed());
        assert!(sent, "nothing was sent:\n{}", worker.log());
        if fastest <= FIRST_MAIL {
            // For a while at full work, then well.
            let (timers, mails) = (number(&shop, due), mailbox.taken().len());
            std::thread::sleep(Duration::from_secs(15));
            let (timers_left, mails_later) = (number(&shop, due), mailbox.taken().len());
            assert!(timers_left < timers, "timers stand still while messages go out");
            assert!(mails_later > mails, "messages stand still while timers run");
            let most = memory(&worker, "VmHWM");
            eprintln!(
                "first mail after {fastest:?}; in 15 s {} timers and {} mails; {most} MB at most",
                timers - timers_left,
                mails_later - mails
            );
            assert!(most < MOST_MEMORY, "{most} MB");
            assert!(worker.terminate(Duration::from_secs(25)).success());
            break;
        }
    }
    assert!(fastest <= FIRST_MAIL, "the first mail left after {fastest:?}");
}
