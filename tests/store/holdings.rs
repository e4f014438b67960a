//! Everything that is held of a customer.

use declic::domain::consent::ConsentStatus;
use declic::store::{Changes, tables_told};
use serde_json::{Value, json};

use crate::Place;
use crate::samples::{
    at, begin, consent, entry, erased, event, message, outcome, profile, promo_code, write,
};

pub async fn all_that_is_held_of_a_customer_is_told(place: Place) {
    let store = &place.store;
    assert!(store.holdings("c-1").await.expect("read").is_none());
    let mut tx = begin(store).await;
    tx.insert_events(&[event("c-1", "e-1", "cart.updated", "09:00")], at("09:01")).await.expect("insert");
    tx.commit().await.expect("commit");
    let told = profile(json!({ "email": "alice@example.com", "loyalty_points": 12 }));
    let changes = Changes {
        profiles: vec![("c-1".to_owned(), told.clone()), ("c-2".to_owned(), told)],
        consents: vec![("c-1".to_owned(), consent("e-1", ConsentStatus::Granted))],
        entries: vec![entry("c-1", "welcome", "o-1"), entry("c-2", "welcome", "o-1")],
        messages: vec![message("c-1", "m-1", "09:00"), message("c-2", "m-2", "09:00")],
        promo_codes: vec![promo_code("HELLO", "c-1")],
        outcomes: vec![outcome("c-1", "o-1"), outcome("c-2", "o-2")],
        ..Changes::default()
    };
    write(store, &["c-1", "c-2"], changes).await;
    let held = store.holdings("c-1").await.expect("read").expect("known");
    let count = |name: &str| held[name].as_array().map_or(0, Vec::len);
    for name in ["customer", "events", "entries", "messages", "promo_codes", "outcomes", "consents"] {
        assert_eq!(count(name), 1, "{name}");
    }
    assert_eq!(held["events"][0]["data"]["total"], json!(42.5), "JSON is told as JSON");
    assert_eq!(held["consents"][0]["proof"]["ip"], "192.0.2.1", "a proof is opened");
    assert_eq!(held["messages"][0]["id"], "m-1");
    // What has not reached the shop yet must still reach it as it is.
    store.mark_published(&["o-1".to_owned()]).await.expect("published");
    write(store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    assert!(store.was_anybody_erased_since(at("09:00")).await.expect("read"));
    assert!(!store.was_anybody_erased_since(at("10:00")).await.expect("read"));
    store.tidy_up().await.expect("tidied");
    store.rewrite().await.expect("rewritten");
    let held = store.holdings("c-1").await.expect("read").expect("known");
    assert!(!Value::Object(held).to_string().contains("alice"), "after an erasure there is nothing to tell");
}

/// A table that a later version adds is told of, or this fails.
pub async fn no_table_with_customers_is_left_out(place: Place) {
    let tables = match place.url.starts_with("postgres") {
        true => {
            "SELECT DISTINCT table_name FROM information_schema.columns
             WHERE table_schema = 'public' AND column_name IN ('customer_id', 'sender', 'address', 'body')"
        }
        false => {
            "SELECT DISTINCT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND c.name IN ('customer_id', 'sender', 'address', 'body')"
        }
    };
    let told: Vec<&str> = tables_told().chain(["dead_letters"]).collect();
    let tables = place.texts(tables).await;
    assert!(tables.len() > 8, "{tables:?}");
    for table in tables {
        assert!(
            told.contains(&&*table),
            "`{table}` holds something of customers, and holdings do not tell it"
        );
    }
}
