use declic::domain::memory::{Entry, EntryStatus, Exit};
use declic::domain::snapshot::PromoCode;
use declic::domain::verdict::Reason;
use declic::store::{Changes, StoreError};

use crate::Place;
use crate::samples::{at, begin, entry, message, promo_code, texts, write};

pub async fn entries_are_written_over_and_dropped(Place { store, .. }: Place) {
    let first = entry("c-1", "cart", "o-1");
    let second = entry("c-1", "cart", "o-2");
    let entries = vec![first.clone(), second.clone()];
    write(&store, &["c-1"], Changes { entries, ..Default::default() }).await;
    let moved = Entry { position: 3, due_at: Some(at("12:00")), committed: true, ..first.clone() };
    let changes = Changes {
        entries: vec![first, moved.clone()],
        dropped_entries: vec![("c-1".into(), "cart".into(), "o-2".into())],
        ..Default::default()
    };
    write(&store, &["c-1"], changes).await;
    let state = store.customer("c-1").await.expect("customer").expect("known");
    assert_eq!(state.entries, [moved], "the last of several holds, the dropped one is gone");
    assert_eq!(store.next_due_at().await.expect("next"), Some(at("12:00")));
}

pub async fn ended_entries_are_loaded_only_for_the_rules_named(Place { store, .. }: Place) {
    let ended =
        |rule| Entry { status: EntryStatus::Ended, due_at: None, trigger: None, ..entry("c-1", rule, "o-1") };
    let entries = vec![ended("welcome"), ended("cart"), entry("c-1", "win-back", "o-1")];
    write(&store, &["c-1"], Changes { entries, ..Default::default() }).await;
    let mut tx = begin(&store).await;
    let rules = |state: &declic::store::CustomerState| {
        state.entries.iter().map(|e| e.rule.clone()).collect::<Vec<_>>()
    };
    let loaded = tx.lock_customers(&texts(&["c-1"]), &[]).await.expect("lock");
    assert_eq!(rules(&loaded["c-1"]), ["win-back"]);
    let loaded = tx.lock_customers(&texts(&["c-1"]), &texts(&["cart"])).await.expect("lock");
    assert_eq!(rules(&loaded["c-1"]), ["cart", "win-back"]);
    tx.commit().await.expect("commit");
    let all = store.customer("c-1").await.expect("customer").expect("known");
    assert_eq!(rules(&all), ["cart", "welcome", "win-back"]);
}

pub async fn due_entries_come_longest_due_first(Place { store, .. }: Place) {
    assert_eq!(store.next_due_at().await.expect("next"), None);
    let due = |customer, occurrence, time: Option<&str>| Entry {
        due_at: time.map(at),
        ..entry(customer, "cart", occurrence)
    };
    let entries = vec![
        due("c-1", "late", Some("10:00:00.000001")),
        due("c-1", "second", Some("10:00")),
        due("c-2", "first", Some("09:59:59.999999")),
        due("c-2", "never", None),
    ];
    write(&store, &["c-1", "c-2"], Changes { entries, ..Default::default() }).await;
    let mut tx = begin(&store).await;
    let keys = tx.due_entries(at("10:00"), 10).await.expect("due");
    assert_eq!(keys.iter().map(|k| k.2.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!(keys[0], ("c-2".into(), "cart".into(), "first".into()));
    assert_eq!(tx.due_entries(at("11:00"), 1).await.expect("due").len(), 1);
    tx.lock_customers(&texts(&["c-1", "c-2"]), &[]).await.expect("already ours");
    tx.commit().await.expect("commit");
    assert_eq!(store.next_due_at().await.expect("next"), Some(at("09:59:59.999999")));
}

pub async fn exits_are_found_by_their_messages(Place { store, .. }: Place) {
    let exit = |time| Exit { at: at(time), reason: Reason::Exited, by: "order.placed".to_owned() };
    // A message of each, the entry's occurrence being the message's.
    let run = |customer, id: &str, exit: Option<Exit>| Entry {
        exit,
        ..entry(customer, "welcome", &format!("/shop#{id}"))
    };
    let ended = Entry {
        status: EntryStatus::Ended,
        due_at: None,
        ..run("c-2", "ended", Some(exit("09:33:00.000001")))
    };
    let entries = vec![
        run("c-1", "one", Some(exit("09:30"))),
        run("c-1", "other", Some(exit("09:31"))),
        run("c-1", "stays", None),
        ended,
        // Of the same occurrence, in another rule or of another customer.
        Entry { rule: "cart".to_owned(), ..run("c-1", "stays", Some(exit("09:30"))) },
        run("c-2", "stays", Some(exit("09:30"))),
    ];
    write(&store, &["c-1", "c-2"], Changes { entries, ..Default::default() }).await;
    let messages = [
        message("c-1", "one", "08:00"),
        message("c-1", "stays", "09:00"),
        message("c-1", "of-no-entry", "09:00"),
        message("c-2", "ended", "09:00"),
    ];

    let mut tx = begin(&store).await;
    let found = tx.exits_of(&messages).await.expect("exits");
    let expected = [("ended", exit("09:33:00.000001")), ("one", exit("09:30"))];
    assert_eq!(found, expected.map(|(id, exit)| (id.to_owned(), exit)).into());
    assert!(tx.exits_of([]).await.expect("exits").is_empty());
}

pub async fn a_promo_code_belongs_to_one_customer(Place { store, .. }: Place) {
    let codes = vec![promo_code("BDAY-A", "c-1"), promo_code("BDAY-B", "c-2")];
    let changes = Changes { promo_codes: codes.clone(), ..Default::default() };
    write(&store, &["c-1", "c-2"], changes.clone()).await;
    write(&store, &["c-1", "c-2"], changes).await;
    let mut tx = begin(&store).await;
    let found = tx.promo_codes(&texts(&["BDAY-B", "BDAY-A", "BDAY-X"])).await.expect("find");
    assert_eq!(found, codes);
    let stolen = PromoCode { step: "other".into(), ..promo_code("BDAY-A", "c-2") };
    let error =
        tx.write(&Changes { promo_codes: vec![stolen], ..Default::default() }).await.expect_err("taken");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let twice = vec![promo_code("BDAY-C", "c-3"), promo_code("BDAY-C", "c-4")];
    tx.write(&Changes { promo_codes: twice, ..Default::default() }).await.expect_err("twice in one batch");
}
