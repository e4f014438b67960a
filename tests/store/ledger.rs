//! The consent ledger as a chain, and what an erasure leaves of addresses.

use std::collections::BTreeSet;

use declic::domain::chain::{self, End, Fault, Report};
use declic::domain::consent::{Channel, ConsentFact, ConsentStatus};
use declic::domain::verdict::Reason;
use declic::store::{Changes, DeadLetter, LetterFilter, Store, Suppression};
use serde_json::json;

use crate::Place;
use crate::samples::{SECRET, at, begin, consent, erased, message, profile, texts, write};

fn facts(customer: &str, ids: &[&str]) -> Vec<(String, ConsentFact)> {
    ids.iter().map(|id| (customer.to_owned(), consent(id, ConsentStatus::Granted))).collect()
}

async fn agree(store: &Store, customer: &str, ids: &[&str]) {
    write(store, &[customer], Changes { consents: facts(customer, ids), ..Changes::default() }).await;
}

async fn verify(store: &Store, customer: &str, noted: Option<&End>) -> Report {
    let kept = store.kept_ledger(customer).await.expect("read").expect("known");
    chain::verify(&store.ledger_keys(), customer, &kept.lines, &kept.end, kept.was_erased, noted)
}

pub async fn a_fact_is_linked_once_whatever_is_written_again(Place { store, .. }: Place) {
    agree(&store, "c-1", &["e-1", "e-2"]).await;
    agree(&store, "c-1", &["e-2", "e-3", "e-3"]).await;
    agree(&store, "c-2", &["e-1"]).await;
    let mut tx = begin(&store).await;
    tx.lock_known_customers(&texts(&["c-3"]), &[]).await.expect("lock");
    let told = profile(json!({ "email": "c@example.com" }));
    let changes = Changes {
        profiles: vec![("c-3".to_owned(), told)],
        consents: facts("c-3", &["e-1"]),
        ..Changes::default()
    };
    tx.write(&changes).await.expect("write");
    tx.commit().await.expect("commit");
    for (customer, linked) in [("c-1", 3), ("c-2", 1), ("c-3", 1)] {
        let report = verify(&store, customer, None).await;
        assert_eq!(report, Report { linked, ..Report::default() }, "{customer}");
        let state = store.customer(customer).await.expect("read").expect("known");
        assert!(state.consents.0.iter().all(|fact| fact.proof["ip"] == "192.0.2.1"), "proofs come back");
    }
    let kept = store.kept_ledgers("c-1", 9).await.expect("read");
    assert_eq!(kept.iter().map(|kept| &*kept.customer_id).collect::<Vec<_>>(), ["c-2", "c-3"]);
    let rotated = store.clone().with_secrets([&b"a new one"[..], SECRET]);
    agree(&rotated, "c-1", &["e-4"]).await;
    assert_eq!(verify(&rotated, "c-1", None).await, Report { linked: 4, ..Report::default() });
    assert_eq!(
        verify(&store, "c-1", None).await.faults,
        [Fault::Altered(4)],
        "by a secret that it does not know"
    );
}

/// Lets SQL do what the database forbids.
async fn tamper(place: &Place, sql: &str) {
    let sql = match place.url.starts_with("postgres") {
        true => format!(
            "ALTER TABLE consents DISABLE TRIGGER USER; {sql}; ALTER TABLE consents ENABLE TRIGGER USER"
        ),
        false => {
            let triggers = [
                "consents_no_update",
                "consents_chain_no_update",
                "consents_no_delete",
                "consents_no_new_seal",
            ];
            let drop: String =
                triggers.iter().map(|name| format!("DROP TRIGGER IF EXISTS {name}; ")).collect();
            format!("{drop}{sql}")
        }
    };
    place.raw(String::leak(sql)).await.expect("tampered");
}

pub async fn what_is_altered_put_in_or_taken_out_shows(place: Place) {
    let store = &place.store;
    let ids = ["e-1", "e-2", "e-3", "e-4"];
    for customer in ["c-1", "c-2", "c-3", "c-4", "c-5", "c-6"] {
        agree(store, customer, &ids).await;
    }
    let noted = store.kept_ledger("c-4").await.expect("read").expect("known").end;
    let hash = "SELECT hash FROM consents WHERE customer_id = 'c-4' AND event_id = 'e-3'";
    for sql in [
        "UPDATE consents SET status = 'denied' WHERE customer_id = 'c-1' AND event_id = 'e-2'",
        "DELETE FROM consents WHERE customer_id = 'c-2' AND event_id = 'e-2'",
        "DELETE FROM consents WHERE customer_id = 'c-3' AND event_id = 'e-4'",
        &format!(
            "UPDATE customers SET ledger_length = 3, ledger_head = ({hash}) WHERE customer_id = 'c-4';
             DELETE FROM consents WHERE customer_id = 'c-4' AND event_id = 'e-4'"
        ),
        "UPDATE consents SET sealed = NULL WHERE customer_id = 'c-5' AND event_id = 'e-1'",
        "UPDATE consents SET sealed = 'QQ==' WHERE customer_id = 'c-6' AND event_id = 'e-4'",
    ] {
        tamper(&place, sql).await;
    }
    let faults = async |customer, noted| verify(store, customer, noted).await.faults;
    assert_eq!(faults("c-1", None).await, [Fault::Altered(2)]);
    assert_eq!(faults("c-2", None).await, [Fault::Missing(2)]);
    assert_eq!(faults("c-3", None).await, [Fault::Cut { found: 3, length: 4 }]);
    assert_eq!(faults("c-4", None).await, [], "its end was altered with it");
    assert_eq!(
        faults("c-4", Some(&noted)).await,
        [Fault::Cut { found: 3, length: 4 }],
        "but was noted elsewhere"
    );
    assert_eq!(faults("c-5", None).await, [Fault::ProofGone(1)]);
    assert_eq!(faults("c-6", None).await, [Fault::ProofAltered(4)]);
    agree(store, "c-4", &["e-9"]).await;
    assert_eq!(faults("c-4", Some(&noted)).await, [Fault::NotAsNoted(4)]);
}

pub async fn an_erasure_leaves_the_chain_whole(Place { store, .. }: Place) {
    agree(&store, "c-1", &["e-1", "e-2"]).await;
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    let report = Report { linked: 2, erased_proofs: 2, ..Report::default() };
    assert_eq!(verify(&store, "c-1", None).await, report);
    let told = profile(json!({ "email": "alice@example.com" }));
    let back = Changes {
        profiles: vec![("c-1".to_owned(), told)],
        consents: facts("c-1", &["e-3"]),
        ..Changes::default()
    };
    write(&store, &["c-1"], back).await;
    assert_eq!(verify(&store, "c-1", None).await, Report { linked: 3, ..report });
    let state = store.customer("c-1").await.expect("read").expect("known");
    assert!(!state.erased && state.forgotten_until == Some(at("12:00")));
    let proofs: Vec<bool> = state.consents.0.iter().map(|fact| !fact.proof.is_empty()).collect();
    assert_eq!(proofs, [false, false, true]);
}

async fn suppressed(store: &Store, customer: &str) -> BTreeSet<Channel> {
    store.customer(customer).await.expect("read").expect("known").suppressed
}

pub async fn an_erased_address_is_known_only_by_its_hash(place: Place) {
    let store = &place.store;
    let (old, new) = ("old@example.com", "new@example.com");
    let with = |email: &str| profile(json!({ "email": email, "phone": "+33612345678" }));
    let sent =
        declic::domain::message::Message { address: Some(old.to_owned()), ..message("c-1", "m-1", "09:00") };
    let bounced = Suppression {
        channel: Channel::Email,
        address: old.to_owned(),
        reason: Reason::Refused,
        at: at("09:00"),
        detail: Some(format!("550 no {old}")),
    };
    let changes = Changes {
        profiles: vec![("c-1".to_owned(), with(new))],
        phones: vec![("c-1".to_owned(), Some("+33612345678".to_owned()))],
        messages: vec![sent],
        suppressions: vec![bounced],
        ..Changes::default()
    };
    write(store, &["c-1"], changes).await;
    write(store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    let imported = |customer: &str, email: &str| Changes {
        profiles: vec![(customer.to_owned(), with(email))],
        phones: vec![(customer.to_owned(), Some("+33612345678".to_owned()))],
        ..Changes::default()
    };
    write(store, &["c-2", "c-3"], imported("c-2", "NEW@example.com")).await;
    write(store, &["c-3"], imported("c-3", old)).await;
    let both = BTreeSet::from([Channel::Email, Channel::Sms]);
    assert_eq!((suppressed(store, "c-2").await, suppressed(store, "c-3").await), (both.clone(), both));
    let kept = place.texts("SELECT address || COALESCE(detail, '') FROM suppressions").await;
    assert!(kept.len() == 3 && kept.iter().all(|kept| kept.starts_with("hash:")), "{kept:?}");
    assert!(!kept.concat().contains("example"), "nor in what the provider said: {kept:?}");
    // Whoever signs up since is written to again, but for the address that bounced.
    let signed_up = vec![
        (Channel::Email, new.to_owned(), at("13:00")),
        (Channel::Email, old.to_owned(), at("13:00")),
        (Channel::Sms, "+33612345678".to_owned(), at("11:30")),
    ];
    write(store, &["c-4", "c-5"], Changes { signed_up, ..imported("c-4", new) }).await;
    write(store, &["c-5"], imported("c-5", old)).await;
    assert_eq!(suppressed(store, "c-4").await, BTreeSet::from([Channel::Sms]), "that sign-up was before");
    assert_eq!(suppressed(store, "c-5").await, BTreeSet::from([Channel::Email, Channel::Sms]));
}

pub async fn an_address_of_two_customers_is_not_silenced_by_one_erasure(Place { store, .. }: Place) {
    let family = profile(json!({ "email": "family@example.com" }));
    let changes = Changes {
        profiles: ["c-1", "c-2"].map(|id| (id.to_owned(), family.clone())).to_vec(),
        ..Changes::default()
    };
    write(&store, &["c-1", "c-2"], changes).await;
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    assert_eq!(suppressed(&store, "c-2").await, BTreeSet::new());
}

pub async fn a_letter_that_names_the_erased_goes_with_them(Place { store, .. }: Place) {
    let letter = |id: &str, body: &str| DeadLetter {
        id: id.to_owned(),
        received_at: at("09:00"),
        origin: "http".to_owned(),
        reason: declic::domain::event::UnusableReason::NotJson,
        detail: String::new(),
        headers: json!({}),
        body: body.as_bytes().to_vec(),
    };
    for (id, body) in [
        ("1", r#"{"subject":"c-1", "data": {"#),
        ("2", r#"{"subject":"c-12"}"#),
        ("3", r#"{"email":"Alice@Example.com"}"#),
        ("4", r#"{"email":"malice@example.com"}"#),
        ("5", ""),
    ] {
        store.park(&letter(id, body)).await.expect("parked");
    }
    let told = profile(json!({ "email": "alice@example.com" }));
    write(&store, &["c-1"], Changes { profiles: vec![("c-1".to_owned(), told)], ..Changes::default() }).await;
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    let left: BTreeSet<String> =
        store.dead_letter_ids(&LetterFilter::default()).await.expect("read").into_iter().collect();
    assert_eq!(left, BTreeSet::from(["2", "4", "5"].map(str::to_owned)));
}
