//! Retention by customers: what leaves the tables when, what is left in its place, and what the archive gives back.

use chrono::{DateTime, TimeDelta, Utc};
use declic::domain::consent::{Channel, ConsentStatus};
use declic::domain::memory::EntryStatus;
use declic::domain::message::{Message, MessageState};
use declic::domain::retention::{Kind, Phase, Phases, Retention, Span};
use declic::domain::verdict::Reason;
use declic::store::{Changes, DeadLetter, Done, Duty, MessageFilter, Store, Suppression};
use serde_json::json;

use crate::Place;
use crate::samples::{
    at, begin, consent, entry, erased, event, message, outcome, profile, promo_code, texts, write,
};

fn span(text: &str) -> Span {
    Span::parse(text).expect("a span")
}

/// What is to be done so many days after the day of the tests.
fn duty(days: i64, kinds: &[(Kind, &str, Option<&str>)]) -> Duty {
    let kinds = kinds
        .iter()
        .map(|(kind, active, archive)| (*kind, Phases { active: span(active), archive: archive.map(span) }));
    Duty { now: day(days), retention: Retention(kinds.collect()), again: texts(&["welcome"]) }
}

fn day(days: i64) -> DateTime<Utc> {
    at("10:00") + TimeDelta::days(days)
}

async fn walk(store: &Store, duty: &Duty) -> Vec<Done> {
    let mut all = Vec::new();
    loop {
        let page = store.retain_page(duty).await.expect("a page");
        all.extend(page.done.into_iter().filter(|done| done.amount > 0));
        if page.is_last {
            return all;
        }
    }
}

fn sum(done: &[Done], kind: Kind, phase: Phase) -> u64 {
    done.iter().filter(|done| done.kind == kind && done.phase == phase).map(|done| done.amount).sum()
}

async fn held(store: &Store, customer: &str, what: &str) -> Vec<serde_json::Value> {
    let held = store.holdings(customer).await.expect("read").expect("known");
    held[what].as_array().cloned().unwrap_or_default()
}

const KINDS: [(Kind, &str, Option<&str>); 3] = [
    (Kind::Events, "30d", Some("30d")),
    (Kind::Messages, "30d", Some("30d")),
    (Kind::PromoCodes, "30d", Some("1mo")),
];

pub async fn what_is_over_is_archived_and_then_deleted(place: Place) {
    let store = &place.store;
    let mut tx = begin(store).await;
    let events = [event("c-1", "e-1", "cart.updated", "09:00"), event("c-1", "e-2", "cart.updated", "09:30")];
    tx.insert_events(&events, at("09:31")).await.expect("insert");
    tx.commit().await.expect("commit");
    let ended = |rule: &str, occurrence: &str| {
        let mut entry = entry("c-1", rule, occurrence);
        (entry.status, entry.due_at) = (EntryStatus::Ended, None);
        entry
    };
    let sent = Message { state: MessageState::Sent, ..message("c-1", "m-1", "09:00") };
    let changes = Changes {
        profiles: vec![("c-1".to_owned(), profile(json!({ "email": "alice@example.com" })))],
        entries: vec![
            ended("welcome", "/shop#m-1"),
            ended("once", "o-2"),
            entry("c-1", "welcome", "/shop#m-9"),
        ],
        messages: vec![sent, message("c-1", "m-9", "09:00")],
        promo_codes: vec![promo_code("HELLO", "c-1")],
        outcomes: vec![outcome("c-1", "o-1"), outcome("c-1", "o-2")],
        ..Changes::default()
    };
    write(store, &["c-1"], changes).await;
    store.mark_published(&texts(&["o-1"])).await.expect("published");

    assert_eq!(walk(store, &duty(29, &KINDS)).await, [], "nothing is over yet");
    let over = store.count_over(&duty(31, &KINDS)).await.expect("counted");
    assert_eq!(over, [(Kind::Events, 2), (Kind::Messages, 1), (Kind::PromoCodes, 1)]);
    let done = walk(store, &duty(31, &KINDS)).await;
    assert_eq!(sum(&done, Kind::Events, Phase::Archived), 2);
    // The message, what is left of the one entry, and the other.
    assert_eq!(sum(&done, Kind::Messages, Phase::Archived), 3);
    assert_eq!(sum(&done, Kind::PromoCodes, Phase::Archived), 1);
    assert_eq!(walk(store, &duty(31, &KINDS)).await, [], "once is enough");

    let mut tx = begin(store).await;
    assert!(
        tx.history(&texts(&["c-1"]), &texts(&["cart.updated"]), at("00:00")).await.expect("read").is_empty()
    );
    assert!(tx.promo_codes(&texts(&["HELLO"])).await.expect("read").is_empty());
    tx.rollback().await.expect("over");
    let left = store.messages(&MessageFilter::default()).await.expect("read");
    assert_eq!(left.iter().map(|m| &*m.id).collect::<Vec<_>>(), ["m-9"], "what waits, waits");
    let customer = store.customer("c-1").await.expect("read").expect("known");
    let entries: Vec<_> = customer
        .entries
        .iter()
        .map(|e| (&*e.rule, e.status, &*e.trigger.as_ref().expect("one").data))
        .collect();
    assert_eq!(entries[0], ("once", EntryStatus::Ended, &json!(null)), "that it was stays known");
    assert_eq!(entries[1], ("welcome", EntryStatus::Active, &json!({ "total": 42.5 })));
    assert_eq!(entries.len(), 2);
    assert_eq!(held(store, "c-1", "outcomes").await.len(), 1, "what the shop has not heard of stays");

    let archive = held(store, "c-1", "archive").await;
    let of = |table: &str| archive.iter().filter_map(|row| row[table].as_array()).flatten().count();
    assert_eq!((of("events"), of("messages"), of("entries"), of("promo_codes")), (2, 1, 2, 1), "{archive:?}");
    assert_eq!(store.archived().await.expect("counted").len(), 3);
    let sealed = place.texts("SELECT sealed FROM archive").await;
    assert!(sealed.iter().all(|text| !text.contains("total") && !text.contains("alice")), "{sealed:?}");

    let done = walk(store, &duty(63, &KINDS)).await;
    assert_eq!(sum(&done, Kind::Events, Phase::Deleted), 2);
    assert!(held(store, "c-1", "archive").await.is_empty());
    let runs = store.retention_runs().await.expect("read");
    let events: Vec<_> =
        runs.iter().filter(|row| row.kind == "events").map(|row| (&*row.phase, row.amount)).collect();
    assert_eq!(events, [("archived", 2), ("deleted", 2)]);
    assert!(store.was_anything_retained_since(at("09:00")).await.expect("read"));
}

/// What was over before there was a policy is not kept for another time: its time in the archive is over, too.
pub async fn what_comes_too_late_for_the_archive_is_deleted(place: Place) {
    let store = &place.store;
    let mut tx = begin(store).await;
    tx.insert_events(&[event("c-1", "e-1", "cart.updated", "09:00")], at("09:31")).await.expect("insert");
    tx.lock_customers(&texts(&["c-1"]), &[]).await.expect("lock");
    tx.commit().await.expect("commit");
    let done = walk(store, &duty(61, &KINDS)).await;
    assert_eq!(done, [Done { kind: Kind::Events, phase: Phase::Deleted, amount: 1 }]);
    assert!(held(store, "c-1", "archive").await.is_empty());
}

pub async fn an_archived_customer_comes_back_whole(place: Place) {
    let store = &place.store;
    let kinds = [(Kind::Events, "30d", None), (Kind::Customers, "60d", Some("60d"))];
    let mut tx = begin(store).await;
    tx.insert_events(&[event("c-1", "e-1", "customer.signed_up", "09:00")], at("09:31"))
        .await
        .expect("insert");
    tx.commit().await.expect("commit");
    let told = profile(json!({ "email": "Alice@example.com", "birthday": "1990-02-09", "city": "Lyon" }));
    let bounced = Suppression {
        channel: Channel::Email,
        address: "alice@example.com".to_owned(),
        reason: Reason::Bounced,
        at: at("09:00"),
        detail: None,
    };
    let changes = Changes {
        profiles: vec![("c-1".to_owned(), told.clone())],
        phones: vec![("c-1".to_owned(), Some("+33612345678".to_owned()))],
        consents: vec![("c-1".to_owned(), consent("e-1", ConsentStatus::Granted))],
        entries: vec![entry("c-1", "welcome", "o-1")],
        messages: vec![message("c-1", "m-1", "09:00")],
        suppressions: vec![bounced],
        ..Changes::default()
    };
    write(store, &["c-1"], changes).await;
    let before = store.customer("c-1").await.expect("read").expect("known");

    assert_eq!(sum(&walk(store, &duty(59, &kinds)).await, Kind::Customers, Phase::Archived), 0);
    let done = walk(store, &duty(61, &kinds)).await;
    assert_eq!(done, [Done { kind: Kind::Customers, phase: Phase::Archived, amount: 1 }]);
    let customer = store.customer("c-1").await.expect("read").expect("known");
    assert!(customer.archived && customer.erased && customer.profile.attributes.is_empty());
    assert_eq!(customer.entries[0].status, EntryStatus::Ended);
    assert_eq!(store.customers("", 9).await.expect("list")[0].email, None);
    assert_eq!(store.message("m-1").await.expect("read").expect("kept").state, MessageState::Suppressed);
    assert!(place.texts("SELECT customer_id FROM customer_dates").await.is_empty());
    let suppressions = store.suppressions(None, 9).await.expect("list");
    assert!(suppressions.len() == 1 && suppressions[0].is_hashed() && suppressions[0].reason == "bounced");
    assert!(
        json!(held(store, "c-1", "archive").await).to_string().contains("Alice@example.com"),
        "and is told"
    );

    let ids = texts(&["c-1"]);
    let mut tx = begin(store).await;
    let states = tx.lock_customers(&ids, &[]).await.expect("lock");
    assert!(!states["c-1"].is_woken_by(at("09:00")), "an old event is no news");
    assert!(states["c-1"].is_woken_by(day(61)));
    let back = tx.bring_back(&ids, &[]).await.expect("back").remove("c-1").expect("opened");
    tx.insert_events(&[event("c-1", "e-2", "cart.updated", "09:40")], day(61)).await.expect("insert");
    tx.commit().await.expect("commit");
    assert_eq!((&back.profile, back.erased, back.archived), (&told, false, false));
    assert_eq!(back.forgotten_until, None);
    assert_eq!(back.suppressed, before.suppressed, "an opposition outlasts it");
    assert!(!back.suppressed.is_empty());
    let again = store.customer("c-1").await.expect("read").expect("known");
    assert_eq!(again.consents, before.consents, "with its proof");
    assert_eq!(store.customers("", 9).await.expect("list")[0].email.as_deref(), Some("alice@example.com"));
    assert_eq!(store.customers_by_phone("+33612345678").await.expect("find"), ["c-1"]);
    let mut tx = store.begin_to_read().await.expect("begin");
    let born = tx.customers_with_date("birthday", "", &["02-09".to_owned()], "", 9).await.expect("find");
    tx.rollback().await.expect("rollback");
    assert_eq!(born, ["c-1"]);

    // Quiet again, archived again, and deleted when that is over.
    let done = walk(store, &duty(62, &kinds)).await;
    assert_eq!(sum(&done, Kind::Customers, Phase::Archived), 1);
    let done = walk(store, &duty(121, &kinds)).await;
    assert_eq!(sum(&done, Kind::Customers, Phase::Deleted), 1);
    let customer = store.customer("c-1").await.expect("read").expect("known");
    assert!(customer.erased && !customer.archived && customer.entries.is_empty());
    assert!(held(store, "c-1", "archive").await.is_empty());
    let whole = json!(store.holdings("c-1").await.expect("read")).to_string().to_lowercase();
    assert!(!whole.contains("alice") && !whole.contains("192.0.2.1"), "{whole}");
    assert_eq!(
        store.suppressions(None, 9).await.expect("list").len(),
        1,
        "nobody is silenced who did not ask"
    );
}

pub async fn who_asks_that_their_data_be_kept_is_kept(place: Place) {
    let store = &place.store;
    let kinds = [(Kind::Events, "30d", None), (Kind::Customers, "60d", None)];
    let told = profile(json!({ "processing_restricted": true, "email": "alice@example.com" }));
    let changes = Changes { profiles: vec![("c-1".to_owned(), told.clone())], ..Changes::default() };
    write(store, &["c-1"], changes).await;
    let mut tx = begin(store).await;
    let long_ago = event("c-2", "e-1", "customer.signed_up", "09:00");
    let long_ago = declic::domain::event::Event { time: day(-999), ..long_ago };
    tx.insert_events(&[long_ago], at("09:31")).await.expect("insert");
    tx.lock_customers(&texts(&["c-2"]), &[]).await.expect("lock");
    tx.commit().await.expect("commit");
    let done = walk(store, &duty(59, &kinds)).await;
    assert_eq!(sum(&done, Kind::Customers, Phase::Deleted), 0, "an old customer who is new here is kept");
    let done = walk(store, &duty(99, &kinds)).await;
    assert_eq!(sum(&done, Kind::Customers, Phase::Deleted), 1);
    assert_eq!(store.customer("c-1").await.expect("read").expect("known").profile, told);
}

pub async fn an_erasure_takes_the_archive(place: Place) {
    let store = &place.store;
    let mut tx = begin(store).await;
    tx.insert_events(&[event("c-1", "e-1", "cart.updated", "09:00")], at("09:31")).await.expect("insert");
    tx.lock_customers(&texts(&["c-1"]), &[]).await.expect("lock");
    tx.commit().await.expect("commit");
    walk(store, &duty(31, &KINDS)).await;
    assert_eq!(held(store, "c-1", "archive").await.len(), 1);
    write(store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    assert!(held(store, "c-1", "archive").await.is_empty());
}

pub async fn a_ledger_goes_whole_when_its_time_is_over(place: Place) {
    let store = &place.store;
    let kinds = [(Kind::Consents, "30d", None)];
    let agreed = |customer: &str| Changes {
        consents: vec![(customer.to_owned(), consent("e-1", ConsentStatus::Withdrawn))],
        ..Changes::default()
    };
    write(store, &["c-1"], agreed("c-1")).await;
    write(store, &["c-2"], agreed("c-2")).await;
    write(store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    assert_eq!(walk(store, &duty(29, &kinds)).await, []);
    assert_eq!(store.count_over(&duty(31, &kinds)).await.expect("counted"), [(Kind::Consents, 1)]);
    let done = walk(store, &duty(31, &kinds)).await;
    assert_eq!(done, [Done { kind: Kind::Consents, phase: Phase::Deleted, amount: 1 }]);
    let kept = store.kept_ledger("c-1").await.expect("read").expect("known");
    assert!(kept.was_over && kept.lines.is_empty() && kept.end.length == 0);
    assert_eq!(
        store.kept_ledger("c-2").await.expect("read").expect("known").lines.len(),
        1,
        "a customer's own"
    );
    let refused = place.raw("DELETE FROM consents").await.expect_err("the guard is closed again");
    assert!(refused.contains("append-only"), "{refused}");
}

pub async fn what_could_not_be_used_is_forgotten_when_the_policy_says(place: Place) {
    let store = &place.store;
    let letter = DeadLetter {
        id: "0123456789abcdef".to_owned(),
        received_at: at("09:00"),
        origin: "http".to_owned(),
        reason: declic::domain::event::UnusableReason::NotJson,
        detail: "the body is not JSON".to_owned(),
        headers: json!({}),
        body: b"x".to_vec(),
    };
    store.park(&letter).await.expect("parked");
    let kinds = [(Kind::DeadLetters, "30d", None), (Kind::Texts, "30d", None), (Kind::Bounces, "30d", None)];
    let over = store.count_over(&duty(31, &kinds)).await.expect("counted");
    assert_eq!(over, [(Kind::Texts, 0), (Kind::Bounces, 0), (Kind::DeadLetters, 1)]);
    let more = [(Kind::Customers, "30d", None)];
    assert_eq!(store.count_over(&duty(31, &more)).await.expect("counted"), [(Kind::Customers, 0)]);
    assert_eq!(store.forget_dead_letters(at("08:00")).await.expect("forgotten"), 0);
    let gone = store.forget_dead_letters(at("10:00")).await.expect("forgotten");
    let done = [Done { kind: Kind::DeadLetters, phase: Phase::Deleted, amount: gone }];
    store.note_retained(&done).await.expect("noted");
    assert_eq!(store.retention_runs().await.expect("read")[0].amount, 1);
}

/// More than one transaction takes: the oldest go first, and all of them.
pub async fn much_is_taken_in_several_steps(place: Place) {
    let store = &place.store;
    let mut tx = begin(store).await;
    let events: Vec<_> = (0..1_100)
        .map(|n| event("c-1", &format!("e-{n}"), "cart.updated", &format!("08:{:02}", n % 60)))
        .collect();
    tx.insert_events(&events, at("09:31")).await.expect("insert");
    tx.lock_customers(&texts(&["c-1"]), &[]).await.expect("lock");
    tx.commit().await.expect("commit");
    let page = store.retain_page(&duty(31, &KINDS)).await.expect("a page");
    assert!(!page.is_last);
    let left = store.events_since(&texts(&["c-1"]), at("00:00")).await.expect("read");
    let oldest = left.first().expect("some").event.time;
    assert!(left.len() == 600 && oldest >= at("08:26"), "{oldest}: {}", left.len());
    let done = walk(store, &duty(31, &KINDS)).await;
    assert_eq!(sum(&done, Kind::Events, Phase::Archived), 600);
}

pub async fn several_workers_share_one_walk(place: Place) {
    let store = &place.store;
    let customers: Vec<String> = (0..1_200).map(|n| format!("c-{n:04}")).collect();
    let events: Vec<_> = customers.iter().map(|id| event(id, "e-1", "cart.updated", "09:00")).collect();
    let mut tx = begin(store).await;
    tx.insert_events(&events, at("09:31")).await.expect("insert");
    tx.lock_customers(&customers, &[]).await.expect("lock");
    tx.commit().await.expect("commit");
    let duty = duty(31, &KINDS);
    let (ours, theirs, others) = tokio::join!(walk(store, &duty), walk(store, &duty), walk(store, &duty));
    let sums = [ours, theirs, others].map(|done| sum(&done, Kind::Events, Phase::Archived));
    assert_eq!(sums.iter().sum::<u64>(), 1_200, "{sums:?}");
    assert_eq!(store.retention_runs().await.expect("read")[0].amount, 1_200);
    assert_eq!(store.archived().await.expect("counted"), [("events".to_owned(), 1_200)]);
}

/// On PostgreSQL: SQLite has one writer, who waits.
pub async fn who_is_held_by_others_is_passed_over(place: Place) {
    let store = &place.store;
    let mut tx = begin(store).await;
    let events = ["c-1", "c-2"].map(|id| event(id, "e-1", "cart.updated", "09:00"));
    tx.insert_events(&events, at("09:31")).await.expect("insert");
    tx.lock_customers(&texts(&["c-1", "c-2"]), &[]).await.expect("lock");
    tx.commit().await.expect("commit");
    let mut left = 2;
    if place.url.starts_with("postgres") {
        let mut tx = begin(store).await;
        tx.lock_customers(&texts(&["c-1"]), &[]).await.expect("lock");
        assert_eq!(sum(&walk(store, &duty(31, &KINDS)).await, Kind::Events, Phase::Archived), 1);
        tx.rollback().await.expect("over");
        left = 1;
    }
    assert_eq!(sum(&walk(store, &duty(31, &KINDS)).await, Kind::Events, Phase::Archived), left);
}
