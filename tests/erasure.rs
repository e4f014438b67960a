//! After an erasure and the maintenance that follows it, nothing of the person is left in the database's files.

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use declic::domain::event::{Event, UnusableReason};
use declic::domain::message::MessageState;
use declic::files;
use declic::store::DeadLetter;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use support::Folder;
use support::place::Place;
use support::postgres::Postgres;

const CUSTOMER: &str = "c-4711";
/// What tells who it was.
const TRACES: [&str; 5] = ["Quatremer", "zoe.q@example.org", "33698765432", "203.0.113.77", "rue des Lilas"];

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-23T{time}:00Z").parse().expect("a time")
}

fn event(id: &str, kind: &str, time: &str, data: Value) -> Event {
    Event {
        id: id.to_owned(),
        source: "/shop".to_owned(),
        kind: kind.to_owned(),
        subject: CUSTOMER.to_owned(),
        time: at(time),
        data: data.into(),
        trace: None,
    }
}

/// Somebody's life with the shop, up to their erasure.
async fn live(url: &str) -> Place {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = files::read(root).expect("the shipped rules");
    let place = Place::open(url, &rules, at("09:00"), 1).await;
    let profile = json!({
        "email": "Zoe.Q@example.org", "first_name": "Zoé", "last_name": "Quatremer", "locale": "fr-FR",
        "phone": "+33698765432", "country": "FR", "address": "3 rue des Lilas",
        "consents": [
            { "channel": "email", "purpose": "marketing", "status": "granted", "ip": "203.0.113.77" },
            { "channel": "sms", "purpose": "marketing", "status": "granted", "ip": "203.0.113.77" },
        ],
    });
    let cart =
        json!({ "cart_id": "k-1", "total": 42.5, "currency": "EUR", "items": [{ "name": "for Quatremer" }] });
    let order =
        json!({ "order_id": "o-1", "carrier": "La Poste", "tracking_url": "https://example.org/Quatremer" });
    place
        .live(
            at("10:00"),
            &[
                event("in", "customer.signed_up", "10:00", profile),
                event("cart", "cart.updated", "10:00", cart),
                event("shipped", "order.shipped", "10:00", order),
            ],
        )
        .await;
    place.live(at("16:00"), &[]).await;
    let unreadable = DeadLetter {
        id: "0123456789abcdef".to_owned(),
        received_at: at("16:00"),
        origin: "http".to_owned(),
        reason: UnusableReason::NotJson,
        detail: "the body is not JSON".to_owned(),
        headers: json!({}),
        body: format!("{{\"subject\": \"{CUSTOMER}\", \"name\": \"Quatremer\", ").into_bytes(),
    };
    place.store.park(&unreadable).await.expect("parked");
    let sent = place.messages().await;
    assert!(sent.iter().filter(|m| m.state == MessageState::Sent).count() >= 2, "{sent:?}");
    place.live(at("17:00"), &[event("out", "customer.deleted", "17:00", json!({}))]).await;
    // Outcomes that the broker has confirmed are emptied too; without a broker nobody waits for them.
    let outcomes = place.store.unpublished_outcomes(1_000).await.expect("read").outcomes;
    let ids: Vec<String> = outcomes.into_iter().map(|outcome| outcome.id).collect();
    place.store.mark_published(&ids).await.expect("marked");
    place
}

/// The files below a folder in which one of the traces stands, whatever its case.
fn found_in(folder: &Path, but_not: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() && entry.file_name() != but_not {
                folders.push(path);
            } else if path.is_file() {
                let bytes = std::fs::read(&path).expect("a file").to_ascii_lowercase();
                let traces = TRACES.iter().filter(|trace| {
                    let trace = trace.to_lowercase().into_bytes();
                    bytes.windows(trace.len()).any(|window| window == trace)
                });
                found.extend(traces.map(|trace| format!("{trace} in {}", path.display())));
            }
        }
    }
    found
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn nothing_of_the_erased_is_left_in_sqlite_s_files() {
    let folder = Folder::new("erasure");
    let url = format!("sqlite:{}", folder.join("declic.db").display());
    runtime().block_on(async {
        let place = live(&url).await;
        assert!(!found_in(folder.path(), "").is_empty(), "the search finds what is there");
        let stop = CancellationToken::new();
        let task = tokio::spawn(place.keeper().run(stop.clone()));
        let began = Instant::now();
        while !found_in(folder.path(), "").is_empty() {
            assert!(began.elapsed() < Duration::from_secs(30), "{:?}", found_in(folder.path(), ""));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
        task.await.expect("it stops");
        place.close().await;
    });
    assert_eq!(found_in(folder.path(), ""), Vec::<String>::new());
}

/// In its log of changes, `pg_wal`, PostgreSQL keeps what was written until it has made enough changes since.
#[test]
fn nothing_of_the_erased_is_left_in_postgresql_s_tables() {
    let postgres = Postgres::start();
    let url = postgres.database();
    runtime().block_on(async {
        let place = live(&url).await;
        postgres.psql("postgres", "CHECKPOINT");
        assert!(!found_in(postgres.folder(), "pg_wal").is_empty(), "the search finds what is there");
        place.store.tidy_up().await.expect("tidied");
        place.store.rewrite().await.expect("rewritten");
        postgres.psql("postgres", "CHECKPOINT");
        assert_eq!(found_in(postgres.folder(), "pg_wal"), Vec::<String>::new());
        place.close().await;
    });
}
