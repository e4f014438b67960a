use declic::domain::consent::{Channel, ConsentStatus};
use declic::domain::customer::Profile;
use declic::domain::event::Event;
use declic::domain::message::{Message, MessageState};
use declic::domain::verdict::Reason;
use declic::store::{Changes, Suppression};
use serde_json::{Value, json};

use crate::Place;
use crate::samples::{
    LONG, at, begin, claim, consent, entry, erased, event, message, outcome, profile, texts, write,
};

pub async fn a_customer_nobody_knew_is_made_empty(Place { store, .. }: Place) {
    assert_eq!(store.customer("c-1").await.expect("customer"), None);
    let mut tx = begin(&store).await;
    let loaded = tx.lock_customers(&texts(&["c-2", "c-1", "c-2"]), &[]).await.expect("lock");
    assert_eq!(loaded.keys().collect::<Vec<_>>(), ["c-1", "c-2"]);
    let state = &loaded["c-1"];
    assert_eq!(state.profile, Profile::default());
    assert!(
        state.consents.0.is_empty()
            && state.entries.is_empty()
            && state.suppressed.is_empty()
            && !state.erased
    );
    assert!(tx.lock_customers(&[], &[]).await.expect("none").is_empty());
    tx.commit().await.expect("commit");
    assert!(store.customer("c-2").await.expect("customer").is_some());
}

pub async fn a_new_customer_s_row_is_made_with_what_is_first_known(Place { store, .. }: Place) {
    write(&store, &["c-1"], Changes::default()).await;
    let mut tx = begin(&store).await;
    let all = texts(&["c-1", "c-2", "c-3"]);
    let loaded = tx.lock_known_customers(&all, &[]).await.expect("lock");
    assert_eq!(loaded.keys().collect::<Vec<_>>(), ["c-1", "c-2", "c-3"]);
    assert_eq!(loaded["c-2"].profile, Profile::default());
    let alice = profile(json!({ "email": "alice@example.com", "birthday": "1990-02-28" }));
    let changes = Changes {
        profiles: vec![("c-1".into(), alice.clone()), ("c-2".into(), alice.clone())],
        phones: vec![("c-2".into(), Some("+33612345678".into()))],
        ..Default::default()
    };
    tx.write(&changes).await.expect("write");
    tx.commit().await.expect("commit");
    for (customer, expected) in [("c-1", &alice), ("c-2", &alice), ("c-3", &Profile::default())] {
        let state = store.customer(customer).await.expect("customer").expect("known");
        assert_eq!((&state.profile, state.erased), (expected, false), "{customer}");
    }
    assert_eq!(store.customers_by_phone("+33612345678").await.expect("find"), ["c-2"]);
    let mut tx = begin(&store).await;
    let born = tx.customers_with_date("birthday", "", &texts(&["02-28"]), "", 9).await.expect("find");
    assert_eq!(born, ["c-1", "c-2"]);
}

/// Or what is decided of somebody who was never looked at would be lost without a word.
pub async fn a_customer_who_is_not_there_cannot_be_written(Place { store, .. }: Place) {
    let mut tx = begin(&store).await;
    let profiles = vec![("c-1".to_owned(), profile(json!({ "name": "Alice" })))];
    let error = tx.write(&Changes { profiles, ..Default::default() }).await.expect_err("not locked");
    assert!(error.to_string().contains("0 of 1 customers"), "{error}");
}

pub async fn profile_and_ledger_come_back(Place { store, .. }: Place) {
    let alice = profile(json!({ "email": "alice@example.com", "score": 1e16, "tags": ["vip"] }));
    let facts = [consent("e-1", ConsentStatus::Granted), consent("e-2", ConsentStatus::Withdrawn)]
        .map(|f| ("c-1".into(), f));
    let changes = Changes {
        profiles: vec![("c-1".into(), Profile::default()), ("c-1".into(), alice.clone())],
        consents: [facts.clone(), facts.clone()].concat(),
        ..Default::default()
    };
    write(&store, &["c-1", "c-2"], changes.clone()).await;
    write(&store, &["c-1"], changes).await;
    let state = store.customer("c-1").await.expect("customer").expect("known");
    assert_eq!(state.profile, alice, "the last of several holds");
    assert_eq!(state.consents.0, facts.map(|(_, f)| f), "a fact is kept once");
    let other = store.customer("c-2").await.expect("customer").expect("known");
    assert!(other.consents.0.is_empty());
    let ids = ["c-1", "c-2", "c-3"].map(str::to_owned);
    let known = store.customers_known(&ids).await.expect("customers");
    let mut without_proofs = state.clone();
    without_proofs.consents.0.iter_mut().for_each(|fact| fact.proof.clear());
    assert_eq!(known.into_values().collect::<Vec<_>>(), [without_proofs, other], "those that there are");
}

pub async fn columns_follow_the_profile(Place { store, .. }: Place) {
    let data = json!({ "email": " Alice@Example.COM ", "locale": "fr-FR", "timezone": "Europe/Paris",
        "birthday": "1990-02-29", "anniversary": "1992-02-29", "since": "2020-1-1", "name": "Alice" });
    write(&store, &["c-1"], Changes { profiles: vec![("c-1".into(), profile(data))], ..Default::default() })
        .await;
    let row = store.customers("", 10).await.expect("list").remove(0);
    assert_eq!(row.email.as_deref(), Some("alice@example.com"));
    assert_eq!((row.locale.as_deref(), row.timezone.as_str()), (Some("fr-FR"), "Europe/Paris"));
    assert_eq!((row.created_at, row.updated_at, row.erased), (at("10:00"), at("10:00"), false));

    let mut tx = begin(&store).await;
    let day = texts(&["02-29"]);
    let leap = tx.customers_with_date("anniversary", "Europe/Paris", &day, "", 10).await.expect("find");
    assert_eq!(leap, ["c-1"]);
    assert!(
        tx.customers_with_date("birthday", "Europe/Paris", &day, "", 10).await.expect("find").is_empty(),
        "1990 had no 29 February"
    );
    assert!(
        tx.customers_with_date("since", "Europe/Paris", &texts(&["01-01"]), "", 10)
            .await
            .expect("find")
            .is_empty()
    );
    tx.commit().await.expect("commit");

    let moved = profile(json!({ "timezone": "Mars/Olympus", "birthday": "1990-03-01" }));
    write(&store, &["c-1"], Changes { profiles: vec![("c-1".into(), moved)], ..Default::default() }).await;
    assert_eq!(store.zones().await.expect("zones"), [""], "an unknown zone is the default one");
    let mut tx = begin(&store).await;
    assert_eq!(
        tx.customers_with_date("birthday", "", &texts(&["03-01"]), "", 10).await.expect("find"),
        ["c-1"]
    );
    assert!(
        tx.customers_with_date("anniversary", "Europe/Paris", &day, "", 10).await.expect("find").is_empty()
    );
}

pub async fn the_ledger_is_append_only(place: Place) {
    let facts = vec![("c-1".to_owned(), consent("e-1", ConsentStatus::Withdrawn))];
    write(&place.store, &["c-1"], Changes { consents: facts, ..Default::default() }).await;
    for sql in [
        "UPDATE consents SET status = 'granted'",
        "UPDATE consents SET proof = '{\"ip\":\"198.51.100.1\"}'",
        "DELETE FROM consents",
    ] {
        let refusal = place.raw(sql).await.expect_err(sql);
        assert!(refusal.contains("append-only"), "{refusal}");
    }
    place.raw("UPDATE consents SET proof = '{}'").await.expect("a proof may be erased");
}

pub async fn a_suppressed_address_is_known_whatever_its_case(Place { store, .. }: Place) {
    let suppression = |reason, detail: Option<&str>| Suppression {
        channel: Channel::Email,
        address: "ALICE@example.com".into(),
        reason,
        at: at("09:00"),
        detail: detail.map(Into::into),
    };
    let changes = Changes {
        profiles: vec![
            ("c-1".into(), profile(json!({ "email": "Alice@Example.com" }))),
            ("c-2".into(), profile(json!({ "email": "bob@example.com" }))),
        ],
        suppressions: vec![
            suppression(Reason::Refused, Some("550 5.1.1")),
            suppression(Reason::Refused, None),
        ],
        ..Default::default()
    };
    write(&store, &["c-1", "c-2", "c-3"], changes.clone()).await;
    write(&store, &["c-1"], changes).await;
    let mut tx = begin(&store).await;
    let loaded = tx.lock_customers(&texts(&["c-1", "c-2", "c-3"]), &[]).await.expect("lock");
    assert_eq!(loaded.values().map(|s| !s.suppressed.is_empty()).collect::<Vec<_>>(), [true, false, false]);
}

pub async fn an_erased_customer_leaves_no_trace_but_the_ledger(Place { store, .. }: Place) {
    let outcome = |id: &str| outcome("c-1", id);
    let mut tx = begin(&store).await;
    tx.insert_events(&[event("c-1", "a", "t", "09:00")], at("10:00")).await.expect("insert");
    tx.lock_customers(&texts(&["c-1", "c-2"]), &[]).await.expect("lock");
    let sent =
        Message { state: MessageState::Sent, reply: Some("250 ok".into()), ..message("c-1", "m-2", "09:00") };
    let facts = vec![("c-1".to_owned(), consent("e-1", ConsentStatus::Withdrawn))];
    tx.write(&Changes {
        profiles: vec![(
            "c-1".into(),
            profile(json!({ "email": "alice@example.com", "birthday": "1990-03-01" })),
        )],
        consents: facts,
        entries: vec![entry("c-1", "welcome", "o-1"), entry("c-2", "welcome", "o-1")],
        messages: vec![message("c-1", "m-1", "09:00"), sent, message("c-2", "m-3", "09:00")],
        outcomes: vec![outcome("o-1"), outcome("o-2")],
        ..Default::default()
    })
    .await
    .expect("write");
    tx.commit().await.expect("commit");
    store.mark_published(&texts(&["o-1"])).await.expect("publish");
    let held = claim(&store, "09:30", 1, "token", LONG).await;
    assert_eq!(held[0].id, "m-1");
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Default::default() }).await;

    let state = store.customer("c-1").await.expect("customer").expect("known");
    assert!(state.erased && state.entries.is_empty());
    assert_eq!(state.profile, Profile::default());
    assert_eq!(state.consents.0[0].status, ConsentStatus::Withdrawn, "the withdrawal stays");
    assert!(state.consents.0[0].proof.is_empty());
    let first = store.message("m-1").await.expect("message").expect("kept");
    assert_eq!((first.state, first.reason), (MessageState::Suppressed, Some(Reason::CustomerDeleted)));
    assert_eq!((first.address, &*first.context), (None, &Value::Null));
    let second = store.message("m-2").await.expect("message").expect("kept");
    assert_eq!((second.state, second.address, second.reply), (MessageState::Sent, None, None));
    assert_eq!(store.message("m-3").await.expect("message").expect("kept"), message("c-2", "m-3", "09:00"));
    assert_eq!(store.events_of("c-1", 9).await.expect("events")[0].event.data, Value::Null.into());
    assert_eq!(store.unpublished_outcomes(9).await.expect("outcomes").outcomes, [outcome("o-2")]);

    let mut tx = begin(&store).await;
    assert!(tx.mark_sending("token", &held).await.expect("mark").is_empty(), "the lease is gone");
    assert!(
        tx.customers_with_date("birthday", "", &texts(&["03-01"]), "", 9).await.expect("find").is_empty()
    );
    assert_eq!(tx.customers_in_zone(None, "", 9).await.expect("find"), ["c-2"]);
}

pub async fn an_erased_customer_can_come_back(Place { store, .. }: Place) {
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Default::default() }).await;
    let empty = Changes { profiles: vec![("c-1".into(), Profile::default())], ..Default::default() };
    write(&store, &["c-1"], empty).await;
    assert!(store.customer("c-1").await.expect("customer").expect("known").erased, "nothing was told");
    let mut told = Profile::default();
    told.merge(&Event {
        data: json!({ "email": "a@example.com" }).into(),
        ..event("c-1", "e-9", "customer.signed_up", "12:00")
    });
    write(&store, &["c-1"], Changes { profiles: vec![("c-1".into(), told)], ..Default::default() }).await;
    assert!(!store.customer("c-1").await.expect("customer").expect("known").erased);
}

pub async fn customers_are_listed_in_pages(Place { store, .. }: Place) {
    write(&store, &["c-3", "c-1", "c-2"], Changes::default()).await;
    let ids =
        |rows: Vec<declic::store::CustomerRow>| rows.into_iter().map(|r| r.customer_id).collect::<Vec<_>>();
    assert_eq!(ids(store.customers("", 2).await.expect("list")), ["c-1", "c-2"]);
    assert_eq!(ids(store.customers("c-2", 2).await.expect("list")), ["c-3"]);
}

pub async fn an_outcome_after_the_erasure_brings_no_address_back(Place { store, .. }: Place) {
    write(&store, &["c-1"], Changes { messages: vec![message("c-1", "m-1", "09:00")], ..Default::default() })
        .await;
    let claimed = claim(&store, "10:00", 1, "token", LONG).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.mark_sending("token", &claimed).await.expect("mark"), ["m-1"]);
    tx.commit().await.expect("commit");
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Default::default() }).await;
    assert_eq!(store.message("m-1").await.expect("message").expect("kept").state, MessageState::Sending);

    let sent = Message { state: MessageState::Sent, sent_at: Some(at("10:01")), ..claimed[0].clone() };
    let mut tx = begin(&store).await;
    assert_eq!(tx.record("token", &[sent]).await.expect("record"), ["m-1"]);
    tx.commit().await.expect("commit");
    let kept = store.message("m-1").await.expect("message").expect("kept");
    assert_eq!((kept.state, kept.sent_at), (MessageState::Sent, Some(at("10:01"))));
    assert_eq!((kept.address, &*kept.context), (None, &Value::Null));
}
