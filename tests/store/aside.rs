use std::time::Duration;

use declic::domain::consent::Channel;
use declic::domain::event::UnusableReason;
use declic::domain::memory::Entry;
use declic::domain::message::{Message, MessageState};
use declic::domain::verdict::Reason;
use declic::store::{
    Changes, Claim, DeadLetter, LetterFilter, Parked, PutBack, ReceiptRow, SmsPart, Store, StoreError, Sweep,
    SweepState,
};

use crate::Place;
use crate::samples::{ALL_LANES, LONG, at, begin, claim, entry, erased, message, outcome, texts, write};

/// Makes the body of message m-1 unreadable, as a mistake by hand would.
async fn spoil(place: &Place) {
    let spoilt = if place.url.starts_with("postgres") {
        "UPDATE messages SET body = replace(body::text, '\"attempts\":0', '\"attempts\":\"x\"')::json WHERE id = 'm-1'"
    } else {
        "UPDATE messages SET body = replace(body, '\"attempts\":0', '\"attempts\":\"x\"') WHERE id = 'm-1'"
    };
    place.raw(spoilt).await.expect("spoil");
}

async fn mend(place: &Place) {
    let mended = if place.url.starts_with("postgres") {
        "UPDATE messages SET body = replace(body::text, '\"attempts\":\"x\"', '\"attempts\":0')::json WHERE id = 'm-1'"
    } else {
        "UPDATE messages SET body = replace(body, '\"attempts\":\"x\"', '\"attempts\":0') WHERE id = 'm-1'"
    };
    place.raw(mended).await.expect("mend");
}

async fn two_messages_and_one_spoilt(place: &Place) {
    let messages = vec![message("c-1", "m-1", "08:00"), message("c-2", "m-2", "09:00")];
    write(&place.store, &["c-1", "c-2"], Changes { messages, ..Default::default() }).await;
    spoil(place).await;
}

fn claim_of(token: &str) -> Claim<'_> {
    Claim { channel: Channel::Email, lanes: ALL_LANES, limit: 9, now: at("10:00"), token, lease: LONG }
}

async fn get(store: &Store, id: &str) -> Message {
    store.message(id).await.expect("read").expect("known")
}

pub async fn a_message_that_cannot_be_read_is_claimed_beside_the_others_and_ended(place: Place) {
    two_messages_and_one_spoilt(&place).await;
    let store = &place.store;
    let found = store.claim_messages(&claim_of("t-1")).await.expect("claim");
    assert_eq!(found.messages.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["m-2"]);
    let [outline] = &found.unreadable[..] else { panic!("{:?}", found.unreadable) };
    let known = message("c-1", "m-1", "08:00");
    assert_eq!(
        (&outline.id, &outline.customer_id, &outline.step),
        (&known.id, &known.customer_id, &known.step)
    );
    assert_eq!((outline.planned_at, outline.expires_at), (known.planned_at, known.expires_at));
    assert!(outline.detail.as_ref().is_some_and(|d| d.contains("row m-1, column body")), "{outline:?}");

    let reason = Some(Reason::CannotBeProcessed);
    let ended = [Message { state: MessageState::Failed, reason, ..outline.clone() }];
    let mut tx = begin(store).await;
    assert!(tx.end_unreadable("t-2", &ended).await.expect("end").is_empty(), "somebody else's");
    assert_eq!(tx.end_unreadable("t-1", &ended).await.expect("end"), ["m-1"]);
    assert!(tx.end_unreadable("t-1", &ended).await.expect("end").is_empty(), "once");
    tx.commit().await.expect("commit");
    let listed = store.messages(&Default::default()).await.expect("list");
    let states: Vec<_> = listed.iter().map(|m| (m.id.as_str(), m.state, m.reason)).collect();
    let expected = [("m-2", MessageState::Claimed, None), ("m-1", MessageState::Failed, reason)];
    assert_eq!(states, expected, "in their order");

    let mut tx = begin(store).await;
    let error = tx.put_back_message("m-1").await.expect_err("still spoilt");
    assert!(error.is_about_content(), "{error}");
    tx.rollback().await.expect("rollback");
    mend(&place).await;
    let mut tx = begin(store).await;
    assert_eq!(tx.put_back_message("m-1").await.expect("put back"), PutBack::Waiting);
    assert_eq!(tx.put_back_message("m-1").await.expect("again"), PutBack::Not(MessageState::Pending));
    assert_eq!(tx.put_back_message("m-2").await.expect("not ours"), PutBack::Not(MessageState::Claimed));
    assert_eq!(tx.put_back_message("m-3").await.expect("unknown"), PutBack::Gone);
    tx.commit().await.expect("commit");
    assert_eq!(get(store, "m-1").await, known);
    assert_eq!(claim(store, "10:00", 9, "t-3", LONG).await.len(), 1);
}

pub async fn only_a_failure_of_ours_is_put_back(Place { store, .. }: Place) {
    let failed = |reason| Message {
        state: MessageState::Failed,
        reason: Some(reason),
        fallback: Some("welcome".to_owned()),
        ..message("c-1", "m-1", "08:00")
    };
    assert!(failed(Reason::Refused).fall_back(at("09:00")).is_some());
    assert!(failed(Reason::CannotBeProcessed).fall_back(at("09:00")).is_none(), "it may go after all");
    write(&store, &["c-1"], Changes { messages: vec![failed(Reason::Refused)], ..Default::default() }).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.put_back_message("m-1").await.expect("look"), PutBack::Not(MessageState::Failed));
}

pub async fn a_hand_over_that_cannot_be_read_is_settled_too(place: Place) {
    let messages = vec![message("c-1", "m-1", "08:00"), message("c-2", "m-2", "09:00")];
    write(&place.store, &["c-1", "c-2"], Changes { messages, ..Default::default() }).await;
    let store = &place.store;
    let lease = Duration::from_secs(2);
    let claimed = claim(store, "10:00", 9, "t-1", lease).await;
    let mut tx = begin(store).await;
    tx.mark_sending("t-1", &claimed).await.expect("mark");
    tx.commit().await.expect("commit");
    spoil(&place).await;
    let all = store.messages(&Default::default()).await.expect("list");
    let mut tx = begin(store).await;
    assert!(tx.settle_unreadable(&all).await.expect("settle").is_empty(), "not over");
    tx.rollback().await.expect("rollback");
    tokio::time::sleep(lease).await;
    let found = store.expired_sending().await.expect("expired");
    assert_eq!((found.messages.len(), found.unreadable.len()), (1, 1));
    let reason = Some(Reason::OutcomeUnknown);
    let unreadable = found.unreadable.into_iter();
    let lost: Vec<_> = unreadable.map(|m| Message { state: MessageState::Uncertain, reason, ..m }).collect();
    let mut tx = begin(store).await;
    assert_eq!(tx.settle_unreadable(&lost).await.expect("settle"), ["m-1"]);
    tx.commit().await.expect("commit");
    assert_eq!(store.expired_sending().await.expect("expired").unreadable, []);
    mend(&place).await;
    let mut tx = begin(store).await;
    assert_eq!(tx.put_back_message("m-1").await.expect("look"), PutBack::Not(MessageState::Uncertain));
}

pub async fn a_receipt_of_a_message_that_cannot_be_read_holds_up_no_other(place: Place) {
    let sent = |customer, id| Message {
        state: MessageState::Sent,
        channel: Channel::Sms,
        ..message(customer, id, "08:00")
    };
    let messages = vec![sent("c-1", "m-1"), sent("c-2", "m-2")];
    let part = |customer: &str, id: &str| SmsPart {
        provider_id: format!("p-{id}"),
        customer_id: customer.into(),
        message_id: id.into(),
        part: 1,
        parts: 1,
        sent_at: at("08:00"),
    };
    let sms_parts = vec![part("c-1", "m-1"), part("c-2", "m-2")];
    let store = &place.store;
    write(store, &["c-1", "c-2"], Changes { messages, sms_parts, ..Default::default() }).await;
    spoil(&place).await;
    let receipt = |id: &str| ReceiptRow {
        provider_id: format!("p-{id}"),
        state: "delivered",
        at: at("09:00"),
        detail: None,
    };
    store.keep_receipts(&[receipt("m-1"), receipt("m-2")]).await.expect("keep");
    let mut tx = begin(store).await;
    let receipts = tx.settle_receipts(9).await.expect("settle").expect("some");
    tx.commit().await.expect("commit");
    assert_eq!(receipts.settled.iter().map(|s| s.message.id.as_str()).collect::<Vec<_>>(), ["m-2"]);
    assert_eq!(receipts.unreadable.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["m-1"]);
    let mut tx = begin(store).await;
    assert_eq!(tx.settle_receipts(9).await.expect("settle"), None, "taken");
}

pub async fn timers_leave_the_scheduler_s_sight_and_come_back(Place { store, .. }: Place) {
    let later = Entry { due_at: Some(at("11:00")), ..entry("c-1", "cart", "o-2") };
    let entries = vec![entry("c-1", "cart", "o-1"), later, entry("c-2", "cart", "o-1")];
    write(&store, &["c-1", "c-2"], Changes { entries, ..Default::default() }).await;
    let mut tx = begin(&store).await;
    let timers = tx.unschedule("c-1", at("10:00")).await.expect("unschedule");
    assert_eq!(timers, [("cart".to_owned(), "o-1".to_owned(), at("10:00"))]);
    assert!(tx.unschedule("nobody", at("10:00")).await.expect("unschedule").is_empty());
    tx.commit().await.expect("commit");
    let due = async |time| {
        let mut tx = begin(&store).await;
        let due = tx.due_entries(at(time), 9).await.expect("due");
        tx.rollback().await.expect("rollback");
        due.into_iter()
            .map(|(customer, _, occurrence)| format!("{customer} {occurrence}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(due("10:00").await, ["c-2 o-1"]);
    assert_eq!(due("11:00").await, ["c-2 o-1", "c-1 o-2"], "the one that was not due stays");
    let mut tx = begin(&store).await;
    let mut states = tx.lock_customers(&texts(&["c-1"]), &[]).await.expect("lock");
    let entries = states.remove("c-1").expect("known").entries;
    tx.write(&Changes { entries, ..Default::default() }).await.expect("write");
    tx.commit().await.expect("commit");
    assert_eq!(due("10:00").await.len(), 2, "an entry written as it is has its timer again");
}

pub async fn an_outcome_that_cannot_be_read_is_told_apart_and_put_back(place: Place) {
    let store = &place.store;
    let outcomes = vec![outcome("c-1", "o-1"), outcome("c-1", "o-2")];
    write(store, &["c-1"], Changes { outcomes, ..Default::default() }).await;
    place.raw("UPDATE outcomes SET data = '1e999' WHERE id = 'o-1'").await.expect("spoil");
    let found = store.unpublished_outcomes(9).await.expect("outbox");
    assert_eq!(found.outcomes, [outcome("c-1", "o-2")]);
    let [(strange, words)] = &found.unreadable[..] else { panic!("{:?}", found.unreadable) };
    assert_eq!((strange.id.as_str(), strange.kind.as_str()), ("o-1", "message.sent"));
    assert!(words.contains("table outcomes, row o-1"), "{words}");
    store.mark_published(&texts(&["o-1", "o-2"])).await.expect("mark");
    let mut tx = begin(store).await;
    assert!(tx.put_back_outcome("o-1").await.expect("put back"));
    assert!(!tx.put_back_outcome("o-3").await.expect("put back"));
    tx.commit().await.expect("commit");
    assert_eq!(store.unpublished_outcomes(9).await.expect("outbox").unreadable.len(), 1);
}

pub async fn a_sweep_is_moved_on_by_one_only(Place { store, .. }: Place) {
    let sweep = Sweep {
        rule: "birthday".into(),
        tick: "2026-11-22".into(),
        zone: String::new(),
        planned_at: at("09:00"),
        state: SweepState::Running,
        cursor: String::new(),
    };
    let moved = Sweep { cursor: "c-500".into(), ..sweep.clone() };
    let done = Sweep { state: SweepState::Done, ..moved.clone() };
    let mut tx = begin(&store).await;
    tx.add_sweep(&sweep).await.expect("add");
    assert!(tx.advance_sweep_from("", &moved).await.expect("advance"));
    assert!(!tx.advance_sweep_from("", &moved).await.expect("advance"), "the other has been here");
    assert!(tx.advance_sweep_from("c-500", &done).await.expect("advance"));
    assert!(!tx.advance_sweep_from("c-500", &moved).await.expect("advance"), "what is done stays done");
}

pub async fn letters_are_found_by_what_they_are(Place { store, .. }: Place) {
    let parked = Parked::Message { customer: "c-1".into(), message: "m-1".into() };
    let letter = parked.letter("a panic", at("10:00"));
    let other = DeadLetter {
        id: "abc".into(),
        received_at: at("09:00"),
        origin: "http".into(),
        reason: UnusableReason::NotJson,
        ..letter.clone()
    };
    let near = DeadLetter { id: "abd".into(), received_at: at("11:00"), ..other.clone() };
    store.park(&other).await.expect("park");
    store.park(&near).await.expect("park");
    let dead_letters = vec![letter.clone(), letter.clone()];
    write(&store, &["c-1"], Changes { dead_letters, ..Default::default() }).await;
    assert_eq!(Parked::of(&store.dead_letter(&letter.id).await.expect("read").expect("kept")), Some(parked));

    let ids = async |filter: LetterFilter| store.dead_letter_ids(&filter).await.expect("ids");
    assert_eq!(ids(LetterFilter::default()).await, ["abc", letter.id.as_str(), "abd"], "the oldest first");
    let origin = Some("message".to_owned());
    assert_eq!(ids(LetterFilter { origin, ..Default::default() }).await, [letter.id.as_str()]);
    let reason = Some(UnusableReason::NotJson);
    assert_eq!(ids(LetterFilter { reason, ..Default::default() }).await, ["abc", "abd"]);
    let id = |id: &str| LetterFilter { id: Some(id.to_owned()), ..Default::default() };
    assert_eq!(ids(id("ab")).await, ["abc", "abd"]);
    assert_eq!(ids(id("abd")).await, ["abd"]);
    assert_eq!(ids(id("%")).await, [""; 0]);

    store.refuse_again("abc", UnusableReason::Poison, "once more").await.expect("note");
    let read = store.dead_letter("abc").await.expect("read").expect("kept");
    assert_eq!((read.reason, read.detail.as_str()), (UnusableReason::Poison, "once more"));
    assert!(store.remove_dead_letter("abc").await.expect("remove"));
    assert!(!store.remove_dead_letter("abc").await.expect("remove"));
    assert_eq!(store.dead_letter("abc").await.expect("read"), None);
}

/// SQLite keeps any text in a column; PostgreSQL's `json` refuses what is none.
pub async fn a_body_that_is_no_json_is_about_content(place: Place) {
    two_messages_and_one_spoilt(&place).await;
    if place.raw("UPDATE messages SET body = '{' WHERE id = 'm-1'").await.is_err() {
        return;
    }
    let mut tx = begin(&place.store).await;
    let error = tx.write(&Changes { erased: erased("c-1"), ..Default::default() }).await.expect_err("spoilt");
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
}
