use std::collections::BTreeSet;

use declic::domain::event::Event;
use declic::store::{Changes, Store, StoreError};
use futures_util::future::join_all;
use serde_json::json;

use crate::Place;
use crate::samples::{LONG, at, begin, claim, entry, event, message, profile, texts, write};

/// Runs the same work in several tasks at once, each with its number.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    tasks: usize,
    work: impl Fn(usize) -> F,
) -> Vec<T> {
    let running: Vec<_> = (0..tasks).map(|n| tokio::spawn(work(n))).collect();
    join_all(running).await.into_iter().map(|r| r.expect("a task panicked")).collect()
}

pub async fn concurrent_claims_give_no_duplicate(Place { store, .. }: Place) {
    let messages: Vec<_> =
        (0..200).map(|n| message(&format!("c-{}", n % 7), &format!("m-{n:03}"), "09:00")).collect();
    write(&store, &["c-0"], Changes { messages, ..Default::default() }).await;
    let claimed = at_once(6, |n| {
        let store = store.clone();
        async move {
            let mut mine = Vec::new();
            loop {
                let batch = claim(&store, "10:00", 7, &format!("t-{n}"), LONG).await;
                if batch.is_empty() {
                    return mine;
                }
                mine.extend(batch.into_iter().map(|m| m.id));
            }
        }
    })
    .await
    .concat();
    assert_eq!(claimed.len(), 200, "each once");
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 200);
}

pub async fn locked_customers_lose_no_update(Place { store, .. }: Place) {
    at_once(8, |n| {
        let store = store.clone();
        async move {
            for round in 0..4 {
                // Some tasks name them the other way round: the lock order is the store's own.
                let mut ids = texts(&["c-1", "c-2", "c-3"]);
                if n % 2 == 0 {
                    ids.reverse();
                }
                let mut tx = begin(&store).await;
                let mut changes = Changes::default();
                for (id, state) in tx.lock_customers(&ids, &[]).await.expect("lock") {
                    let mut profile = state.profile;
                    let count = profile.get("count").and_then(serde_json::Value::as_i64).unwrap_or(0) + 1;
                    let told = Event {
                        data: json!({ "count": count }).into(),
                        ..event(&id, &format!("{count:04}"), "customer.updated", "09:00")
                    };
                    profile.merge(&told);
                    changes.profiles.push((id, profile));
                }
                tx.write(&changes).await.expect("write");
                tx.commit().await.unwrap_or_else(|e| panic!("round {round}: {e}"));
            }
        }
    })
    .await;
    for id in ["c-1", "c-2", "c-3"] {
        let state = store.customer(id).await.expect("customer").expect("known");
        assert_eq!(state.profile.get("count"), Some(&json!(32)), "{id}");
    }
}

pub async fn overlapping_batches_insert_each_event_once(Place { store, .. }: Place) {
    let all: Vec<_> =
        (0..60).map(|n| event(&format!("c-{}", n % 5), &format!("e-{n}"), "t", "09:00")).collect();
    let new = at_once(6, |n| {
        let (store, mut batch) = (store.clone(), all.clone());
        async move {
            batch.rotate_left(n * 11);
            let mut tx = begin(&store).await;
            let new = tx.insert_events(&batch, at("10:00")).await.expect("insert");
            let customers: Vec<_> = batch.iter().map(|e| e.subject.clone()).collect();
            tx.lock_customers(&customers, &[]).await.expect("lock");
            tx.commit().await.expect("commit");
            new.into_iter().filter(|new| *new).count()
        }
    })
    .await;
    assert_eq!(new.into_iter().sum::<usize>(), 60);
}

pub async fn due_entries_are_shared_out(Place { store, .. }: Place) {
    let entries: Vec<_> = (0..40).map(|n| entry(&format!("c-{n:02}"), "cart", "o")).collect();
    let customers: Vec<_> = entries.iter().map(|e| e.customer_id.as_str()).collect();
    write(&store, &customers, Changes { entries: entries.clone(), ..Default::default() }).await;
    let done = at_once(4, |_| run_due(store.clone())).await.concat();
    assert_eq!(done.len(), 40, "each timer fires once");
    assert_eq!(done.iter().collect::<BTreeSet<_>>().len(), 40);
    assert_eq!(store.next_due_at().await.expect("next"), None);
}

/// What the scheduler does: claim, lock, check again, move on, until nothing is due.
async fn run_due(store: Store) -> Vec<String> {
    let mut done = Vec::new();
    loop {
        let mut tx = begin(&store).await;
        let keys = tx.due_entries(at("10:00"), 5).await.expect("due");
        if keys.is_empty() {
            return done;
        }
        let ids: Vec<_> = keys.iter().map(|(customer, ..)| customer.clone()).collect();
        let mut changes = Changes::default();
        for state in tx.lock_customers(&ids, &[]).await.expect("lock").into_values() {
            for mut entry in state.entries {
                if entry.due_at.is_some_and(|due| due <= at("10:00")) {
                    entry.due_at = None;
                    done.push(entry.customer_id.clone());
                    changes.entries.push(entry);
                }
            }
        }
        tx.write(&changes).await.expect("write");
        tx.commit().await.expect("commit");
    }
}

pub async fn a_rule_set_published_at_once_has_one_generation(Place { store, .. }: Place) {
    let generations = at_once(6, |_| {
        let store = store.clone();
        async move { store.publish_rule_set("h", &[], &[], at("09:00")).await.expect("publish") }
    })
    .await;
    assert_eq!(generations, [1; 6]);
    let secrets = at_once(6, |n| {
        let store = store.clone();
        async move { store.put_setting_if_absent("secret", &n.to_string()).await.expect("put") }
    })
    .await;
    assert!(secrets.iter().all(|s| *s == secrets[0]), "{secrets:?}");
}

/// What a restart of PostgreSQL looks like to a worker.
#[cfg(feature = "server-tests")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_unavailable_and_then_replaced() {
    crate::on_postgres::run(async |place: Place| {
        let mut tx = begin(&place.store).await;
        tx.lock_customers(&texts(&["c-1"]), &[]).await.expect("lock");
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        place.raw(others).await.expect("cut the connections");
        let error = tx.lock_customers(&texts(&["c-2"]), &[]).await.expect_err("the connection is gone");
        assert!(error.is_transient(), "{error:?}");
        drop(tx);
        assert_eq!(
            place.store.customer("c-1").await.expect("a new connection"),
            None,
            "nothing was committed"
        );
    })
    .await;
}

/// Two workers that meet a new customer at the same time: the second tries again, and then knows them.
#[cfg(feature = "server-tests")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_made_by_another_meanwhile_is_a_conflict() {
    crate::on_postgres::run(async |Place { store, .. }: Place| {
        let (mut first, mut second) = (begin(&store).await, begin(&store).await);
        for tx in [&mut first, &mut second] {
            tx.lock_known_customers(&texts(&["c-1"]), &[]).await.expect("lock");
        }
        let changes = |name: &str| Changes {
            profiles: vec![("c-1".to_owned(), profile(json!({ "name": name })))],
            ..Default::default()
        };
        first.write(&changes("first")).await.expect("write");
        let later = tokio::spawn(async move { second.write(&changes("second")).await });
        first.commit().await.expect("commit");
        let error = later.await.expect("no panic").expect_err("it is there already");
        assert!(matches!(error, StoreError::Conflict(_)), "{error:?}");
        let state = store.customer("c-1").await.expect("customer").expect("known");
        assert_eq!(state.profile, profile(json!({ "name": "first" })));
    })
    .await;
}
