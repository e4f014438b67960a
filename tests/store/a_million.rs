//! Pages of messages among a million: none takes longer than a person notices, whatever is asked. By hand, for it takes
//! minutes:
//!
//! ```sh
//! cargo test --locked --features server-tests --test store -- --ignored --nocapture a_million
//! ```

use std::time::{Duration, Instant};

use declic::domain::consent::Channel;
use declic::domain::message::MessageState;
use declic::domain::verdict::Reason;
use declic::store::{MessagePage, Store};
use sqlx::AssertSqlSafe;

use crate::Place;
use crate::samples::{at, message};

/// What a person takes for at once, with the rest of a page still to come.
const AT_ONCE: Duration = Duration::from_millis(50);

/// What is not sent is rare or not: of a million the newest ten thousand wait, most of the rest is sent, a sixth was refused
/// for want of consent, and of some things there are a few, the oldest.
const STATE: &str = "CASE
    WHEN i <= 20 THEN 'pending' WHEN i <= 30 THEN 'uncertain' WHEN i <= 40 THEN 'claimed'
    WHEN i > 990000 THEN CASE i % 4 WHEN 0 THEN 'deferred' WHEN 1 THEN 'suppressed' ELSE 'sent' END
    WHEN i % 1000 = 7 THEN 'failed' WHEN i % 100 = 9 THEN 'bounced' WHEN i % 6 = 0 THEN 'suppressed'
    WHEN i % 10 = 1 THEN 'delivered' ELSE 'sent' END";
const REASON: &str = "CASE state
    WHEN 'uncertain' THEN 'outcome_unknown' WHEN 'deferred' THEN 'quiet_hours' WHEN 'failed' THEN 'refused'
    WHEN 'bounced' THEN 'bounced' WHEN 'suppressed' THEN CASE WHEN i < 400 THEN 'frequency_cap' ELSE 'no_consent' END END";

/// Makes the million by the database itself, from one message.
fn insert(is_postgres: bool) -> Vec<String> {
    let sample =
        serde_json::to_string(&message("CUSTOMER", "ID", "09:00")).expect("JSON").replace('\'', "''");
    let (time, json, id) = if is_postgres {
        (
            "timestamptz '2026-10-01T00:00:00Z' + i * interval '3 seconds'",
            "CAST(body AS json)",
            "md5(CAST(i AS text))",
        )
    } else {
        (
            "strftime('%Y-%m-%dT%H:%M:%S.000000Z', '2026-10-01', (i * 3) || ' seconds')",
            "body",
            "printf('%08x%024x', (i * 2654435761) % 4294967296, i)",
        )
    };
    let in_body = if is_postgres {
        "to_char(planned_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    } else {
        "planned_at"
    };
    let insert = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000),
         keyed AS (SELECT i, 'c-' || (i % 200000) AS customer_id, {id} AS id, {time} AS planned_at, {STATE} AS state,
             CASE WHEN i % 100000 = 3 THEN 'rare' ELSE 'rule-' || (i % 20) END AS rule,
             CASE WHEN i % 12 = 5 THEN 'sms' ELSE 'email' END AS channel FROM n),
         made AS (SELECT *, {REASON} AS reason,
             replace(replace(replace('{sample}', '\"CUSTOMER\"', '\"' || customer_id || '\"'), '\"ID\"', '\"' || id || '\"'),
                 '\"planned_at\":\"2026-11-22T09:00:00Z\"', '\"planned_at\":\"' || {in_body} || '\"') AS body FROM keyed)
         INSERT INTO messages (customer_id, id, rule, occurrence, step, channel, state, reason, due_at, planned_at,
             expires_at, attempts, updated_at, lease_until, body)
         SELECT customer_id, id, rule, id, 'send', channel, state, reason, planned_at, planned_at, planned_at, 1,
             planned_at, CASE WHEN state = 'claimed' THEN planned_at END, {json} FROM made"
    );
    vec![insert, if is_postgres { "VACUUM ANALYZE messages" } else { "PRAGMA user_version" }.to_owned()]
}

async fn made(place: &Place) {
    let is_postgres = place.url.starts_with("postgres");
    for sql in insert(is_postgres) {
        let sql = AssertSqlSafe(sql);
        if is_postgres {
            let pool = sqlx::PgPool::connect(&place.url).await.expect("connect");
            sqlx::raw_sql(sql).execute(&pool).await.expect("made");
        } else {
            let pool = sqlx::SqlitePool::connect(&place.url).await.expect("connect");
            sqlx::raw_sql(sql).execute(&pool).await.expect("made");
        }
    }
}

fn questions() -> Vec<(&'static str, MessagePage)> {
    let page = || MessagePage { limit: 50, ..MessagePage::default() };
    let state = |state| MessagePage { state: Some(state), ..page() };
    let reason = |reason| MessagePage { reason: Some(reason), ..page() };
    let rule = |rule: &str| MessagePage { rule: Some(rule.to_owned()), ..page() };
    vec![
        ("the newest", page()),
        (
            "a page in the middle",
            MessagePage { until: Some(at("00:00") - chrono::TimeDelta::days(40)), ..page() },
        ),
        ("sent", state(MessageState::Sent)),
        ("delivered", state(MessageState::Delivered)),
        ("suppressed", state(MessageState::Suppressed)),
        ("failed", state(MessageState::Failed)),
        ("bounced", state(MessageState::Bounced)),
        ("uncertain, the oldest ten", state(MessageState::Uncertain)),
        ("expired, none", state(MessageState::Expired)),
        ("paused, none", state(MessageState::Paused)),
        ("deferred", state(MessageState::Deferred)),
        ("pending, the oldest twenty", state(MessageState::Pending)),
        ("claimed, the oldest ten", state(MessageState::Claimed)),
        ("sending, none", state(MessageState::Sending)),
        ("no_consent", reason(Reason::NoConsent)),
        ("frequency_cap, the oldest", reason(Reason::FrequencyCap)),
        ("restored, none", reason(Reason::Restored)),
        ("a customer", MessagePage { customer: Some("c-77".to_owned()), ..page() }),
        ("a customer's sent", MessagePage { customer: Some("c-77".to_owned()), ..state(MessageState::Sent) }),
        ("a rule", rule("rule-7")),
        ("a rare rule", rule("rare")),
        ("a rule that is not there", rule("gone")),
        ("a channel", MessagePage { channel: Some(Channel::Sms), ..page() }),
        (
            "a rule by a channel that it has not",
            MessagePage { channel: Some(Channel::Sms), ..rule("rule-4") },
        ),
        ("a rare rule's suppressed", MessagePage { state: Some(MessageState::Suppressed), ..rule("rare") }),
        (
            "no_consent by a rule that is not there",
            MessagePage { reason: Some(Reason::NoConsent), ..rule("gone") },
        ),
        ("a rule's delivered", MessagePage { state: Some(MessageState::Delivered), ..rule("rule-1") }),
    ]
}

/// The time that each question takes, the second time and later: as good as all of it is in memory then.
async fn measure(store: &Store) -> Vec<String> {
    let mut slow = Vec::new();
    for (words, page) in questions() {
        let mut times = Vec::new();
        let mut found = store.messages_page(&page).await.expect(words);
        for _ in 0..8 {
            let began = Instant::now();
            found = store.messages_page(&page).await.expect(words);
            times.push(began.elapsed());
        }
        times.sort();
        let (best, worst) = (times[0], times[times.len() - 1]);
        let back = found.looked_back_to.map(|at| format!(", looked back to {at}")).unwrap_or_default();
        println!(
            "{words:<42} {:>7.1} – {:>7.1} ms  {} found{back}",
            best.as_secs_f64() * 1e3,
            worst.as_secs_f64() * 1e3,
            found.messages.len()
        );
        if times[times.len() / 2] > AT_ONCE {
            slow.push(words.to_owned());
        }
    }
    slow
}

pub async fn pages_are_quick(place: Place) {
    let began = Instant::now();
    made(&place).await;
    println!("{}: made in {:?}", place.store.backend(), began.elapsed());
    let slow = measure(&place.store).await;
    assert!(slow.is_empty(), "slow: {slow:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it makes a million messages"]
async fn on_sqlite() {
    crate::on_sqlite::run("a-million", pages_are_quick).await;
}

#[cfg(feature = "server-tests")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it makes a million messages"]
async fn on_postgres() {
    crate::on_postgres::run(pages_are_quick).await;
}
