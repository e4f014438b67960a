//! Limits, fairness and back-off, end to end on real servers: who waits for whom when there is more to send than the
//! provider takes, and what a provider in trouble is asked.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::postgres::Postgres;
use support::shop::{Shop, ask, event, metric};
use support::{micros, wait_until};

/// Far more than can be sent while a test runs.
const WAITING: usize = 100_000;

/// The longest that a welcome mail may take from the accepted event to the record of its acceptance.
const AT_ONCE: Duration = Duration::from_secs(2);

fn psql(shop: &Shop, sql: &str) -> String {
    Postgres::shared().psql(&shop.database, sql).trim().to_owned()
}

fn sign_up(customer: &str, email: &str) -> String {
    let now = chrono::DateTime::from_timestamp_micros(micros()).expect("a time").to_rfc3339();
    event(&format!("e-{customer}"), "customer.signed_up", customer, &now, json!({"email": email}))
}

/// Messages in a state, of customers whose id begins so.
fn count(shop: &Shop, customers: &str, state: &str) -> usize {
    let sql =
        format!("SELECT count(*) FROM messages WHERE customer_id LIKE '{customers}-%' AND state = '{state}'");
    psql(shop, &sql).parse().expect("a number")
}

/// All messages of customers whose id begins so.
fn count_all(shop: &Shop, customers: &str) -> usize {
    let sql = format!("SELECT count(*) FROM messages WHERE customer_id LIKE '{customers}-%'");
    psql(shop, &sql).parse().expect("a number")
}

/// Puts a newsletter for many customers into the outbox, as copies of one real message: `{n}` in the address differs.
fn fill_the_outbox(shop: &Shop, address: &str) {
    let address = address.replace("{n}", "' || n || '");
    let worker = shop.start();
    shop.post(&[sign_up("model", "model@example.com")]);
    let sent = wait_until(Duration::from_secs(30), || {
        psql(shop, "SELECT state FROM messages WHERE customer_id = 'model'") == "sent"
    });
    assert!(sent, "{}", worker.log());
    assert!(worker.terminate(Duration::from_secs(25)).success());
    psql(
        shop,
        &format!(
            "BEGIN;
             CREATE TEMP TABLE c AS SELECT * FROM customers WHERE customer_id = 'model';
             INSERT INTO customers SELECT copy.* FROM c, generate_series(1, {WAITING}) AS n,
                 json_populate_record(c, json_build_object('customer_id', 'bulk-' || n, 'email', '{address}',
                     'profile', replace(profile::text, 'model@example.com', '{address}')::json)) AS copy;
             CREATE TEMP TABLE m AS SELECT * FROM messages WHERE customer_id = 'model';
             INSERT INTO messages SELECT copy.* FROM m, generate_series(1, {WAITING}) AS n,
                 json_populate_record(m, json_build_object('customer_id', 'bulk-' || n, 'id', md5(n::text),
                     'state', 'pending', 'lane', 2, 'attempts', 0, 'lease_token', null, 'lease_until', null,
                     'slot_at', null,
                     'body', (m.body::jsonb || jsonb_build_object('id', md5(n::text), 'customer_id', 'bulk-' || n,
                         'state', 'pending', 'lane', 'bulk', 'attempts', 0, 'address', '{address}',
                         'template_hash', null, 'slot_at', null, 'sent_at', null))::json)) AS copy;
             COMMIT;
             ANALYZE"
        ),
    );
    assert_eq!(count(shop, "bulk", "pending"), WAITING);
}

/// Signs customers up one after the other while the newsletter goes out. Each welcome mail must leave at once.
fn welcomes_leave_at_once(shop: &Shop) {
    for n in 0..6 {
        let (customer, before) = (format!("new-{n}"), count(shop, "bulk", "sent"));
        shop.post(&[sign_up(&customer, &format!("new{n}@example.com"))]);
        let began = Instant::now();
        let sent = format!("SELECT state FROM messages WHERE customer_id = '{customer}'");
        let left = wait_until(Duration::from_secs(20), || psql(shop, &sent) == "sent");
        let took = began.elapsed();
        assert!(left, "the welcome mail {n} has not left in {took:?}");
        eprintln!("welcome mail {n} left after {took:?}");
        assert!(took <= AT_ONCE, "welcome mail {n} took {took:?}");
        let flows = || count(shop, "bulk", "sent") > before;
        assert!(wait_until(Duration::from_secs(20), flows), "the newsletter does not go on");
    }
}

/// A newsletter for as many customers as there are, whose hour comes while the worker runs.
const NEWSLETTER: &str = "rule: newsletter\npurpose: service\ntrigger: { schedule: \"0 9 * * *\" }\n\
    steps: [{ send: { email: plain } }]\n";

/// A mail a moment after what the customer did.
const SOON: &str = "rule: soon\npurpose: service\ntrigger: { event: soon.asked }\n\
    steps: [{ wait: 3s }, { send: { email: plain } }]\n";

const PLAIN: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{unsubscribe_url}}\
    </mj-text></mj-column></mj-section></mj-body></mjml>\n";

/// When the worker last wrote a message, by its own clock.
const LATEST: &str =
    "SELECT to_char(max(updated_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM messages";

/// The most mails that the sink accepted within any span.
fn most_within(span: Duration, instants: &[f64]) -> usize {
    let span = span.as_secs_f64();
    let within = |start: f64| instants.iter().filter(|at| (0.0..span).contains(&(**at - start))).count();
    instants.iter().map(|start| within(*start)).max().unwrap_or(0)
}

/// When the sink accepted mails to addresses that end so, in seconds.
fn accepted(shop: &Shop, end: &str) -> Vec<f64> {
    let mails = shop.sink.mails();
    let to = |mail: &Value| mail["to"][0].as_str().is_some_and(|to| to.ends_with(end));
    mails.iter().filter(|m| to(&m.envelope)).filter_map(|m| m.envelope["at"].as_f64()).collect()
}

#[test]
fn nobody_waits_for_their_welcome_behind_a_newsletter_at_a_bounded_rate() {
    let shop = Shop::open_with("max_rate = 50", "");
    fill_the_outbox(&shop, "bulk{n}@example.com");
    let worker = shop.start();
    assert!(wait_until(Duration::from_secs(20), || count(&shop, "bulk", "sent") > 20), "{}", worker.log());
    let began = Instant::now();
    welcomes_leave_at_once(&shop);
    std::thread::sleep(Duration::from_secs(4).saturating_sub(began.elapsed()));
    let sent = accepted(&shop, "@example.com");
    assert!(worker.terminate(Duration::from_secs(25)).success());
    // The bucket lets a quarter of a second's worth go at once; the rest is what the way to the sink may bunch up.
    let (one, three) = (Duration::from_secs(1), Duration::from_secs(3));
    let (second, longer) = (most_within(one, &sent), most_within(three, &sent));
    eprintln!("at most {second} in a second, {longer} in three");
    assert!(second <= 90 && longer <= 3 * 50 + 13 + 25, "{second} in a second, {longer} in three");
    assert!(longer >= 40, "no more than {longer} in three seconds");
    // What waits is not claimed and given back again and again.
    let claimed: usize =
        psql(&shop, "SELECT count(*) FROM messages WHERE state IN ('claimed', 'sending')").parse().unwrap();
    assert_eq!(claimed, 0, "a worker that has stopped holds nothing");
}

#[test]
fn nobody_waits_while_a_newsletter_for_all_customers_is_swept() {
    let shop = Shop::open_with("", "");
    let write = |path: &str, text: &str| {
        let path = shop.folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("rules/newsletter.yaml", NEWSLETTER);
    write("rules/soon.yaml", SOON);
    shop.edit("rules/events.yaml", "events:\n", "events:\n  soon.asked:\n");
    write("templates/plain/email.fr.mjml", PLAIN);
    write("templates/plain/email.en.mjml", PLAIN);
    // The first look finds the rule; its next tick comes a few seconds after the customers are there.
    shop.set_clock("start = 2026-11-23T07:30:00Z");
    let worker = shop.start();
    let noticed = || psql(&shop, "SELECT count(*) FROM sweep_marks WHERE rule = 'newsletter'") == "1";
    assert!(wait_until(Duration::from_secs(20), noticed), "{}", worker.log());
    assert!(worker.terminate(Duration::from_secs(25)).success());
    psql(
        &shop,
        &format!(
            "INSERT INTO customers (customer_id, profile, email, created_at, updated_at)
             SELECT 'bulk-' || n, json_build_object('attributes', json_build_object('email', json_build_array(
                     json_build_object('value', 'bulk' || n || '@example.com', 'stamp', json_build_object(
                         'time', '2026-11-01T00:00:00Z', 'source', '/t', 'id', 'x'))))),
                 'bulk' || n || '@example.com', now(), now() FROM generate_series(1, {WAITING}) AS n;
             ANALYZE"
        ),
    );
    shop.set_clock("start = 2026-11-23T07:59:58Z");
    let worker = shop.start();
    let swept = || count_all(&shop, "bulk");
    assert!(wait_until(Duration::from_secs(30), || swept() > 0), "{}", worker.log());
    let began = Instant::now();
    for n in 0..5 {
        let (customer, before) = (format!("new-{n}"), swept());
        // By the worker's own clock, a moment ago.
        let now = &psql(&shop, LATEST);
        let asked = Instant::now();
        shop.post(&[
            event(
                &format!("w-{n}"),
                "customer.signed_up",
                &customer,
                now,
                json!({"email": format!("n{n}@x.example")}),
            ),
            event(&format!("s-{n}"), "soon.asked", &customer, now, json!({})),
        ]);
        let sent = |rule: &str| {
            let sql =
                format!("SELECT state FROM messages WHERE customer_id = '{customer}' AND rule = '{rule}'");
            wait_until(Duration::from_secs(20), || psql(&shop, &sql) == "sent")
        };
        assert!(sent("welcome"), "{}", worker.log());
        let welcome = asked.elapsed();
        assert!(sent("soon"), "{}", worker.log());
        let soon = asked.elapsed();
        eprintln!("{before} swept: welcome mail {n} left after {welcome:?}, what had waited after {soon:?}");
        assert!(welcome <= AT_ONCE && soon <= Duration::from_secs(3) + AT_ONCE * 2, "{welcome:?}, {soon:?}");
        assert!(before < WAITING, "all was swept in {:?}: it is no test any more", began.elapsed());
        assert!(shop.is_healthy());
    }
    let lanes = psql(&shop, "SELECT DISTINCT rule || ' ' || lane FROM messages ORDER BY 1");
    assert_eq!(lanes.lines().collect::<Vec<_>>(), ["newsletter 2", "soon 1", "welcome 1"]);
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

/// Of four connections the newsletter leaves one: each of its mails takes five seconds.
#[test]
fn nobody_waits_for_their_welcome_behind_a_newsletter_that_hangs() {
    let shop = Shop::open_with("connections = 4", "");
    fill_the_outbox(&shop, "slow-5000+{n}@example.com");
    let worker = shop.start();
    assert!(wait_until(Duration::from_secs(20), || count(&shop, "bulk", "sent") > 4), "{}", worker.log());
    welcomes_leave_at_once(&shop);
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

#[test]
fn nobody_waits_for_their_welcome_behind_a_newsletter_to_a_slow_provider() {
    let shop = Shop::open_with("", "");
    fill_the_outbox(&shop, "slow-20+{n}@example.com");
    let worker = shop.start();
    assert!(wait_until(Duration::from_secs(20), || count(&shop, "bulk", "sent") > 20), "{}", worker.log());
    welcomes_leave_at_once(&shop);
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

#[test]
fn a_provider_in_trouble_is_asked_seldom_and_nothing_is_lost() {
    const MAILS: usize = 200;
    let shop = Shop::open_with("", "");
    let worker = shop.start();
    shop.sink.behave(&[("connect", "421 4.3.2 too busy, come back later")]);
    let events: Vec<String> =
        (0..MAILS).map(|n| sign_up(&format!("c-{n}"), &format!("c{n}@example.com"))).collect();
    shop.post(&events);
    let told = || worker.log().contains("the provider takes nothing");
    assert!(wait_until(Duration::from_secs(30), told), "{}", worker.log());
    std::thread::sleep(Duration::from_secs(5));
    // A row of failures, what was under way beside it, and a probe after 1, 2 and 4 seconds.
    let asked = shop.sink.connections();
    assert!((5..=30).contains(&asked), "{asked} connections");
    let (waiting, tried) = (count(&shop, "c", "pending"), psql(&shop, "SELECT sum(attempts) FROM messages"));
    assert_eq!((waiting, tried.as_str()), (MAILS, "0"), "all wait, no attempt is spent");
    let health = ask(shop.admin, "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("an answer");
    assert!(health.contains(" 200 ") && health.contains("sending pauses"), "{health}");
    assert_eq!(metric(shop.admin, "declic_provider_paused{channel=\"email\"}", "").expect("metrics"), 1.0);
    assert_eq!(metric(shop.admin, "declic_provider_paused{channel=\"sms\"}", "").expect("metrics"), 0.0);

    shop.sink.behave(&[]);
    let all = || count(&shop, "c", "sent") == MAILS;
    assert!(wait_until(Duration::from_secs(60), all), "{}", worker.log());
    assert_eq!(shop.sink.mails().len(), MAILS, "each once");
    assert_eq!(psql(&shop, "SELECT min(attempts) || ' ' || max(attempts) FROM messages"), "1 1");
    assert_eq!(metric(shop.admin, "declic_provider_paused{channel=\"email\"}", "").expect("metrics"), 0.0);
    let lines = worker.log().matches("the provider takes nothing").count();
    assert!(lines <= 8, "{lines} lines: one for each pause is enough");
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

#[test]
fn a_domain_with_limits_holds_nobody_else_back() {
    let limits = "[smtp.domains.\"slow.example\"]\nmax_rate = 4\nburst = 1\n\
                  [smtp.domains.\"Narrow.example\"]\nmax_connections = 1";
    let shop = Shop::open_with(limits, "");
    let mut events = Vec::new();
    for n in 0..24 {
        events.push(sign_up(&format!("slow-{n}"), &format!("slow{n}@slow.example")));
    }
    for n in 0..8 {
        events.push(sign_up(&format!("narrow-{n}"), &format!("slow-300+{n}@narrow.example")));
    }
    for n in 0..100 {
        events.push(sign_up(&format!("free-{n}"), &format!("free{n}@free.example")));
    }
    let worker = shop.start();
    shop.post(&events);
    let free = || count(&shop, "free", "sent") == 100;
    assert!(wait_until(Duration::from_secs(30), free), "{}", worker.log());
    let rest = || count(&shop, "slow", "sent") == 24 && count(&shop, "narrow", "sent") == 8;
    assert!(wait_until(Duration::from_secs(30), rest), "{}", worker.log());

    let (slow, narrow, free) = (
        accepted(&shop, "@slow.example"),
        accepted(&shop, "@narrow.example"),
        accepted(&shop, "@free.example"),
    );
    let (last, first) = (slow[slow.len() - 1], slow[0]);
    assert!(last - first >= 23.0 / 4.0 - 1.0, "24 mails at 4 a second in {} s", last - first);
    assert!(free[free.len() - 1] < last, "the others have gone long before");
    let gaps: Vec<f64> = narrow.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap >= 0.29), "one at a time, each 300 ms: {gaps:?}");
    let put_back = metric(shop.admin, "declic_messages_put_back_total", "").expect("metrics");
    assert!(put_back > 0.0 && put_back < 200.0, "put back {put_back} times");
    assert_eq!(psql(&shop, "SELECT min(attempts) || ' ' || max(attempts) FROM messages"), "1 1");
    assert!(worker.terminate(Duration::from_secs(25)).success());
}
