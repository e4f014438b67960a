use declic::domain::event::Event;
use declic::domain::outcome::Outcome;
use declic::store::Changes;
use serde_json::{Value, json};

use crate::Place;
use crate::samples::{at, begin, entry, erased, event, message, outcome, texts, trace, write};

pub async fn an_event_is_new_once(Place { store, .. }: Place) {
    let (a, b) = (event("c-1", "a", "cart.updated", "09:00"), event("c-1", "b", "cart.updated", "08:00"));
    let other = Event { subject: "c-2".to_owned(), ..a.clone() };
    let mut tx = begin(&store).await;
    let first = tx.insert_events(&[b.clone(), a.clone(), b.clone()], at("10:00")).await.expect("insert");
    assert_eq!(first, [true, true, false]);
    tx.commit().await.expect("commit");

    let mut tx = begin(&store).await;
    let again = tx.insert_events(&[a, other, b], at("10:01")).await.expect("insert");
    assert_eq!(again, [false, true, false], "the same id of another customer is another event");
    assert_eq!(tx.insert_events(&[], at("10:01")).await.expect("none"), Vec::<bool>::new());
}

pub async fn history_is_in_the_order_of_facts(Place { store, .. }: Place) {
    let events = [
        event("c-2", "é", "order.placed", "09:00"),
        event("c-1", "Z", "order.placed", "09:00"),
        event("c-1", "a", "cart.updated", "09:00"),
        event("c-1", "late", "cart.updated", "09:00:00.000001"),
        event("c-1", "old", "cart.updated", "07:00"),
        event("c-1", "other", "page.viewed", "09:00"),
        event("c-3", "x", "cart.updated", "09:00"),
    ];
    let mut tx = begin(&store).await;
    tx.insert_events(&events, at("10:00")).await.expect("insert");
    let types = texts(&["cart.updated", "order.placed"]);
    let found = tx.history(&texts(&["c-1", "c-2"]), &types, at("08:00")).await.expect("history");
    let ids: Vec<_> = found.iter().map(|s| s.event.id.as_str()).collect();
    assert_eq!(ids, ["Z", "a", "é", "late"], "by bytes, as Rust sorts");
    assert_eq!(found[0].event, events[1]);
    assert_eq!(found[0].received_at, at("10:00"));
    tx.commit().await.expect("commit");

    let newest = store.events_of("c-1", 2).await.expect("events");
    assert_eq!(newest.iter().map(|s| s.event.id.as_str()).collect::<Vec<_>>(), ["late", "other"]);

    let all = store.events_since(&texts(&["c-1", "c-3"]), at("08:00")).await.expect("events");
    let ids: Vec<_> = all.iter().map(|s| s.event.id.as_str()).collect();
    assert_eq!(ids, ["Z", "a", "other", "x", "late"], "of any type");
}

pub async fn data_comes_back_as_it_was(Place { store, .. }: Place) {
    let hard = json!({ "z": 1e16, "a": -0.0, "n": null, "big": u64::MAX, "tiny": 1e-300, "text": "l'été \"\\u0000\\ \u{1f600}" });
    let events = [
        Event { data: hard.clone().into(), ..event("c-1", "hard", "t", "09:00") },
        Event { data: Value::Null.into(), ..event("c-1", "null", "t", "09:01") },
        Event { data: json!({ "nul\0": "a\0b" }).into(), ..event("c-1", "nul", "t", "09:02") },
    ];
    let mut tx = begin(&store).await;
    tx.insert_events(&events, at("10:00")).await.expect("insert");
    let found = tx.history(&texts(&["c-1"]), &texts(&["t"]), at("00:00")).await.expect("history");
    assert_eq!(found[0].event.data, hard.into());
    assert_eq!(found[1].event.data, Value::Null.into());
    assert_eq!(*found[2].event.data, json!({ "nul\u{fffd}": "a\u{fffd}b" }), "NUL cannot be kept");
}

pub async fn a_trace_is_kept_until_its_customer_is_erased(Place { store, .. }: Place) {
    let events = [event("c-1", "a", "t", "09:00"), Event { trace: None, ..event("c-2", "b", "t", "09:00") }];
    let mut tx = begin(&store).await;
    tx.insert_events(&events, at("10:00")).await.expect("insert");
    tx.commit().await.expect("commit");
    let untraced = |id: &str| Outcome { trace: None, ..outcome("c-2", id) };
    let changes = Changes {
        entries: vec![entry("c-1", "welcome", "o-1")],
        messages: vec![message("c-1", "m-1", "09:00")],
        outcomes: vec![outcome("c-1", "o-1"), outcome("c-1", "o-2"), untraced("o-3")],
        ..Default::default()
    };
    write(&store, &["c-1", "c-2"], changes).await;

    let of = async |customer: &str| {
        let event = store.events_of(customer, 1).await.expect("events").remove(0).event;
        let entry =
            store.customer(customer).await.expect("customer").and_then(|c| c.entries.first().cloned());
        (event.trace, entry.and_then(|entry| entry.trace))
    };
    assert_eq!(of("c-1").await, (trace(), trace()));
    assert_eq!(of("c-2").await, (None, None));
    assert_eq!(store.message("m-1").await.expect("message").expect("kept").trace, trace());
    let waiting = store.unpublished_outcomes(9).await.expect("outcomes").outcomes;
    assert_eq!(waiting.iter().map(|o| o.trace).collect::<Vec<_>>(), [trace(), trace(), None]);

    store.mark_published(&texts(&["o-1"])).await.expect("published");
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Default::default() }).await;
    assert_eq!(of("c-1").await, (None, None));
    assert_eq!(store.message("m-1").await.expect("message").expect("kept").trace, None);
    // What the shop has yet to be told goes out as it is.
    let waiting = store.unpublished_outcomes(9).await.expect("outcomes").outcomes;
    assert_eq!(waiting.iter().map(|o| o.trace).collect::<Vec<_>>(), [trace(), None]);
    store.mark_published(&texts(&["o-2", "o-3"])).await.expect("published");
}

pub async fn a_rolled_back_transaction_leaves_nothing(Place { store, .. }: Place) {
    let event = event("c-1", "a", "t", "09:00");
    for explicit in [false, true] {
        let mut tx = begin(&store).await;
        tx.insert_events(std::slice::from_ref(&event), at("10:00")).await.expect("insert");
        tx.lock_customers(&texts(&["c-1"]), &[]).await.expect("lock");
        tx.write(&Changes { messages: vec![message("c-1", "m-1", "09:00")], ..Default::default() })
            .await
            .expect("write");
        if explicit { tx.rollback().await.expect("roll back") } else { drop(tx) }
    }
    let mut tx = begin(&store).await;
    assert!(tx.history(&texts(&["c-1"]), &texts(&["t"]), at("00:00")).await.expect("history").is_empty());
    tx.commit().await.expect("commit");
    assert_eq!(store.customer("c-1").await.expect("customer"), None);
    assert_eq!(store.message("m-1").await.expect("message"), None);
}
