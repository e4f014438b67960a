use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use declic::domain::message::{Message, MessageState};
use declic::domain::restore::{Fence, List, Told};
use declic::domain::verdict::Reason;
use declic::store::{Changes, Store};

use crate::Place;
use crate::samples::{LONG, at, begin, claim, event, message, texts, write};

async fn restore(store: &Store, fence: Fence, told: &List) {
    let mut tx = begin(store).await;
    tx.record_restore(at("09:30"), fence, told).await.expect("record");
    tx.commit().await.expect("commit");
}

pub async fn what_was_forgotten_is_remembered(Place { store, .. }: Place) {
    assert!(store.fences().await.expect("fences").is_empty());
    let whole = Fence { after: DateTime::<Utc>::MIN_UTC, until: at("10:00") };
    let part = Fence { after: at("10:30:00.000001"), until: at("11:00") };
    let told: List =
        [("a".to_owned(), Told::Sent(at("10:20:00.000007"))), ("b".to_owned(), Told::Uncertain)].into();
    restore(&store, part, &told).await;
    restore(&store, whole, &List::new()).await;
    // The command cut short and given again changes nothing.
    restore(&store, part, &told).await;
    assert_eq!(store.fences().await.expect("fences"), [whole, part]);
    let mut tx = begin(&store).await;
    assert_eq!(tx.told_sent(&texts(&["a", "b", "c"])).await.expect("told"), told);
    assert_eq!(tx.told_sent(&[]).await.expect("told"), BTreeMap::new());
}

pub async fn what_waited_is_settled_whoever_held_it(Place { store, .. }: Place) {
    let state = |id: &str, state| Message { state, ..message("c-1", id, "09:00") };
    let messages = vec![
        message("c-1", "m-1", "09:00"),
        message("c-1", "m-2", "09:01"),
        Message { state: MessageState::Deferred, ..message("c-1", "m-3", "11:00") },
        state("m-4", MessageState::Sent),
        state("m-5", MessageState::Uncertain),
    ];
    write(&store, &["c-1"], Changes { messages, ..Changes::default() }).await;
    assert_eq!(claim(&store, "09:10", 1, "token", LONG).await.len(), 1);
    let mut tx = begin(&store).await;
    let page = tx.unfinished("", 2).await.expect("a page").messages;
    assert_eq!(page.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["m-1", "m-2"]);
    let rest = tx.unfinished("m-2", 2).await.expect("a page").messages;
    assert_eq!(rest.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["m-3"]);
    let settled: Vec<Message> = page
        .into_iter()
        .map(|m| Message { state: MessageState::Uncertain, reason: Some(Reason::Restored), ..m })
        .collect();
    tx.settle_restored(&settled).await.expect("settle");
    // What has come to its end stays as it is.
    tx.settle_restored(&[state("m-4", MessageState::Uncertain)]).await.expect("settle");
    tx.commit().await.expect("commit");
    for (id, expected) in [("m-1", "uncertain"), ("m-2", "uncertain"), ("m-3", "deferred"), ("m-4", "sent")] {
        let message = store.message(id).await.expect("ask").expect("it");
        assert_eq!(message.state.as_str(), expected, "{id}");
    }
    assert!(claim(&store, "12:00", 9, "other", LONG).await.iter().all(|m| m.id == "m-3"));
}

pub async fn the_newest_event_is_the_last_that_came_in(Place { store, .. }: Place) {
    assert_eq!(store.newest_event_at().await.expect("ask"), None);
    let mut tx = begin(&store).await;
    // What happened last came in first.
    for (customer, id, happened, received) in [
        ("c-1", "a", "09:59", "10:00"),
        ("c-2", "b", "08:00", "10:01:00.000001"),
        ("c-1", "c", "09:00", "10:01"),
        ("c-2", "b", "08:00", "10:05"),
    ] {
        let event = event(customer, id, "cart.updated", happened);
        tx.insert_events(&[event], at(received)).await.expect("insert");
    }
    tx.commit().await.expect("commit");
    let newest = store.newest_event_at().await.expect("ask");
    assert_eq!(newest, Some(at("10:01:00.000001")), "one that is known already did not come in again");
}

pub async fn a_database_knows_its_place(place: Place) {
    assert!(place.store.is_in_its_place().await.expect("ask"), "the first time it is noted");
    assert!(place.store.is_in_its_place().await.expect("ask"));
    place.raw("UPDATE settings SET value = 'elsewhere' WHERE key = 'place'").await.expect("move it");
    // SQLite has nothing to tell a copy by.
    let noticed = !place.store.is_in_its_place().await.expect("ask");
    assert_eq!(noticed, place.url.starts_with("postgres"));
    place.store.settle_in().await.expect("settle in");
    assert!(place.store.is_in_its_place().await.expect("ask"));
}
