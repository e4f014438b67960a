//! How long each page takes with a million messages: a figure for people, which `make console` prints.

use std::time::{Duration, Instant};

use super::support::postgres::Postgres;
use super::support::shop::{Shop, ask};
use super::{TOKEN, busy_shop};

/// How often each page is asked for.
const TIMES: usize = 100;

/// What operators are promised of each page.
const SOON: Duration = Duration::from_millis(200);

/// Copies of the message that was sent, most of them sent as well; some of each other end, and three of which nobody knows
/// what became of them, long ago. With their customers, and a week of figures of twenty rules.
fn fill(shop: &Shop, count: usize) {
    let sql = format!(
        "INSERT INTO customers (customer_id, email, locale, timezone, profile, created_at, updated_at)
         SELECT 'n' || n, 'n' || n || '@example.com', 'fr', '', c.profile, c.created_at, c.updated_at
         FROM generate_series(1, {count} / 2) AS n, (SELECT * FROM customers WHERE customer_id = 'alice') AS c;
         INSERT INTO messages (customer_id, id, rule, occurrence, step, channel, state, reason, due_at, planned_at,
             expires_at, attempts, purpose, lane, updated_at, body)
         SELECT 'n' || (n / 2 + 1), md5(n::text), CASE WHEN n % 50000 = 0 THEN 'rare' ELSE 'rule-' || n % 20 END,
             n::text, m.step, m.channel,
             CASE WHEN n <= 3 THEN 'uncertain' WHEN n % 100 < 6 THEN 'suppressed' WHEN n % 500 = 99 THEN 'failed' ELSE 'sent' END,
             CASE WHEN n <= 3 THEN 'outcome_unknown' WHEN n % 100 < 6 THEN 'no_consent' WHEN n % 500 = 99 THEN 'refused' END,
             at, at, at + interval '1 day', 1, m.purpose, m.lane, at,
             (m.body::jsonb || jsonb_build_object('id', md5(n::text), 'customer_id', 'n' || (n / 2 + 1),
                 'rule', CASE WHEN n % 50000 = 0 THEN 'rare' ELSE 'rule-' || n % 20 END,
                 'planned_at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')))::json
         FROM (SELECT n, timestamptz '2026-11-23 09:00:00Z' - ({count} - n) * interval '1 second' AS at
               FROM generate_series(1, {count}) AS n) AS numbers,
             (SELECT * FROM messages WHERE state = 'sent' LIMIT 1) AS m;
         INSERT INTO figures (minutes, slot, kind, rule, channel, what, count)
         SELECT minutes, timestamptz '2026-11-23 10:00:00Z' - slot * minutes * interval '1 minute', 'messages', 'rule-' || rule,
             'email', what, 17
         FROM unnest(ARRAY[5, 60]) AS minutes, generate_series(1, 7 * 24 * 60 / minutes) AS slot, generate_series(1, 20) AS rule,
             unnest(ARRAY['pending', 'sent', 'suppressed:no_consent', 'failed:refused']) AS what;
         ANALYZE;"
    );
    Postgres::shared().psql(&shop.database, &sql);
}

#[test]
#[ignore = "takes minutes, and a figure is no test: `make console` prints it"]
fn every_page_is_quick_with_a_million_messages() {
    let (shop, _worker) = busy_shop();
    let count = std::env::var("CONSOLE_MESSAGES").map_or(1_000_000, |count| count.parse().expect("a number"));
    fill(&shop, count);
    let uncertain = "/messages?state=uncertain";
    let found = get(shop.admin, uncertain);
    assert_eq!(found.matches("class=\"state bad\"").count(), 3, "the three are found, however long ago");
    // The md5 of 12, a message of customer n7.
    let id = "c20ad4d76fe97759aa27a0c99bff6710";
    let pages = [
        "/".to_owned(),
        "/?span=3h".to_owned(),
        "/?span=7d".to_owned(),
        "/when?from=2026-11-23T08:00:00Z&until=2026-11-23T09:00:00Z".to_owned(),
        "/rules".to_owned(),
        "/rules?span=7d".to_owned(),
        "/rules/rule-3".to_owned(),
        "/messages".to_owned(),
        "/messages?state=sent".to_owned(),
        "/messages?state=pending".to_owned(),
        "/messages?state=failed".to_owned(),
        "/messages?reason=no_consent".to_owned(),
        uncertain.to_owned(),
        "/messages?rule=rare".to_owned(),
        "/messages?rule=rule-3&state=failed&channel=email".to_owned(),
        "/messages?until=2026-11-20T09%3A00%3A00Z".to_owned(),
        "/messages?customer=n7".to_owned(),
        format!("/messages/{id}"),
        "/customers?q=n4242%40example.com".to_owned(),
        "/customers?q=n42".to_owned(),
        "/customers?q=%2B33612345678".to_owned(),
        "/customers/n7".to_owned(),
        "/dead-letters".to_owned(),
        "/providers".to_owned(),
        "/audit".to_owned(),
    ];
    println!("{count} messages, each page {TIMES} times, in milliseconds:\n  p50    p99  page");
    let mut slow = Vec::new();
    for page in pages {
        let mut took: Vec<Duration> = (0..TIMES)
            .map(|_| {
                let began = Instant::now();
                get(shop.admin, &page);
                began.elapsed()
            })
            .collect();
        took.sort();
        let (half, most) = (took[TIMES / 2], took[TIMES - 2]);
        println!("{:6.1} {:6.1}  {page}", half.as_secs_f64() * 1e3, most.as_secs_f64() * 1e3);
        if most > SOON {
            slow.push(page);
        }
    }
    assert!(slow.is_empty(), "slower than {SOON:?}: {slow:?}");
}

fn get(port: u16, page: &str) -> String {
    let head = format!("GET {page} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let answer = ask(port, &head).expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200") || answer.contains(" 303 "),
        "{page}: {answer}"
    );
    answer
}
