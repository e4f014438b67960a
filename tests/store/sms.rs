use declic::domain::consent::Channel;
use declic::domain::message::{Message, MessageState};
use declic::domain::verdict::Reason;
use declic::store::{Changes, InboundRow, MessageFilter, ReceiptRow, SmsPart, Store, Suppression};
use serde_json::json;

use crate::Place;
use crate::samples::{at, begin, message, profile, texts, write};

fn part(provider_id: &str, message_id: &str, part: usize, parts: usize) -> SmsPart {
    SmsPart {
        provider_id: provider_id.to_owned(),
        customer_id: "c-1".to_owned(),
        message_id: message_id.to_owned(),
        part,
        parts,
        sent_at: at("10:00"),
    }
}

fn receipt(provider_id: &str, state: &'static str) -> ReceiptRow {
    ReceiptRow { provider_id: provider_id.to_owned(), state, at: at("10:01"), detail: None }
}

fn sent(id: &str) -> Message {
    Message {
        channel: Channel::Sms,
        state: MessageState::Sent,
        step: format!("send-{id}"),
        ..message("c-1", id, "09:00")
    }
}

/// (message, states of its parts) of what is settled now.
async fn settle(store: &Store) -> Vec<(String, Vec<String>)> {
    let mut tx = begin(store).await;
    let settled = tx.settle_receipts(100).await.expect("settle").unwrap_or_default().settled;
    tx.commit().await.expect("commit");
    let mut settled: Vec<_> = settled.into_iter().map(|s| (s.message.id, s.parts)).collect();
    settled.sort();
    settled
}

pub async fn a_receipt_finds_its_part_whichever_comes_first(Place { store, .. }: Place) {
    store.keep_receipts(&[receipt("p-1", "failed"), receipt("p-1", "delivered")]).await.expect("keep");
    assert!(settle(&store).await.is_empty(), "nobody knows the part yet");
    let messages = vec![sent("m-1"), sent("m-2")];
    let sms_parts = vec![part("p-1", "m-1", 1, 2), part("p-2", "m-1", 2, 2), part("p-3", "m-2", 1, 1)];
    write(&store, &["c-1"], Changes { messages, sms_parts, ..Default::default() }).await;
    let one_of_two = vec![("m-1".to_owned(), texts(&["delivered", "pending"]))];
    assert_eq!(settle(&store).await, one_of_two, "the newest word about a part holds");
    assert!(settle(&store).await.is_empty(), "a receipt is settled once");

    store.keep_receipts(&[receipt("p-2", "delivered"), receipt("p-3", "bad_address")]).await.expect("keep");
    let both = vec![
        ("m-1".to_owned(), texts(&["delivered", "delivered"])),
        ("m-2".to_owned(), texts(&["bad_address"])),
    ];
    assert_eq!(settle(&store).await, both);

    let delivered = Message { state: MessageState::Delivered, ..sent("m-1") };
    let mut tx = begin(&store).await;
    assert_eq!(tx.record_receipts(std::slice::from_ref(&delivered)).await.expect("record"), ["m-1"]);
    assert!(tx.record_receipts(&[delivered]).await.expect("record").is_empty(), "it is `sent` no more");
    tx.commit().await.expect("commit");
    let state = Some(MessageState::Delivered);
    assert_eq!(store.messages(&MessageFilter { state, ..Default::default() }).await.expect("list").len(), 1);

    store.keep_receipts(&[receipt("p-9", "failed")]).await.expect("keep");
    assert_eq!(store.forget_receipts(at("11:00")).await.expect("forget"), 4, "a receipt and three parts");
}

pub async fn a_name_that_is_given_anew_belongs_to_the_newest_part(Place { store, .. }: Place) {
    let messages = vec![sent("m-1"), sent("m-2")];
    let sms_parts = vec![part("p-1", "m-1", 1, 1)];
    write(&store, &["c-1"], Changes { messages, sms_parts, ..Default::default() }).await;
    let sms_parts = vec![part("p-1", "m-2", 1, 1)];
    write(&store, &["c-1"], Changes { sms_parts, ..Default::default() }).await;
    store.keep_receipts(&[receipt("p-1", "delivered")]).await.expect("keep");
    assert_eq!(settle(&store).await, [("m-2".to_owned(), texts(&["delivered"]))]);
}

pub async fn customers_are_found_and_suppressed_by_their_number(Place { store, .. }: Place) {
    let number = "+33612345678";
    let told = profile(json!({ "phone": "06 12 34 56 78" }));
    let profiles = vec![("c-1".to_owned(), told.clone()), ("c-2".to_owned(), told)];
    let phones =
        vec![("c-1".to_owned(), Some(number.to_owned())), ("c-2".to_owned(), Some(number.to_owned()))];
    write(&store, &["c-1", "c-2"], Changes { profiles, phones, ..Default::default() }).await;
    assert_eq!(store.customers_by_phone(number).await.expect("find"), ["c-1", "c-2"]);
    assert!(store.customers_by_phone("+33600000000").await.expect("find").is_empty());

    let suppressions = vec![Suppression {
        channel: Channel::Sms,
        address: number.to_owned(),
        reason: Reason::Undelivered,
        at: at("10:00"),
        detail: None,
    }];
    let phones = vec![("c-2".to_owned(), None)];
    write(&store, &["c-1", "c-2"], Changes { suppressions, phones, ..Default::default() }).await;
    let mut tx = begin(&store).await;
    let loaded = tx.lock_customers(&texts(&["c-1", "c-2"]), &[]).await.expect("lock");
    let suppressed: Vec<Vec<Channel>> =
        loaded.values().map(|s| s.suppressed.iter().copied().collect()).collect();
    assert_eq!(suppressed, [vec![Channel::Sms], vec![]]);
    tx.commit().await.expect("commit");

    write(&store, &["c-1"], Changes { erased: texts(&["c-1"]), ..Default::default() }).await;
    assert!(store.customers_by_phone(number).await.expect("find").is_empty(), "erased with the profile");
}

pub async fn what_came_from_a_telephone_is_kept_once(place: Place) {
    let inbound = InboundRow {
        id: "in-1".to_owned(),
        sender: "+33612345678".to_owned(),
        recipient: "36180".to_owned(),
        body: "STOP\0".to_owned(),
        at: at("10:00"),
        meaning: "stop",
        customers: 1,
    };
    place.store.keep_inbound(&[inbound.clone(), inbound.clone()]).await.expect("keep");
    place.store.keep_inbound(&[inbound]).await.expect("keep again");
    // A second row of that id would be refused, and a table with another number of rows too.
    let once = "CREATE TABLE one (n bigint CHECK (n = 1)); INSERT INTO one SELECT COUNT(*) FROM sms_inbound";
    place.raw(once).await.expect("one row");
}

pub async fn slots_count_what_may_have_reached_its_reader(Place { store, .. }: Place) {
    let with_slot = |id: &str, time: &str| Message { slot_at: Some(at(time)), ..sent(id) };
    let waiting = Message { state: MessageState::Deferred, ..message("c-1", "m-4", "09:30") };
    let later = message("c-1", "m-5", "18:00");
    let others = Message { slot_at: Some(at("09:00")), ..message("c-2", "m-6", "09:00") };
    let messages =
        vec![with_slot("m-1", "08:00"), with_slot("m-2", "09:00"), sent("m-3"), waiting, later, others];
    let messages: Vec<_> =
        messages.into_iter().map(|m| Message { step: m.id.clone(), occurrence: m.id.clone(), ..m }).collect();
    write(&store, &["c-1", "c-2"], Changes { messages, ..Default::default() }).await;
    let mut tx = begin(&store).await;
    let slots = tx.slots(&texts(&["c-1"]), at("08:00")).await.expect("slots");
    assert_eq!(slots.keys().collect::<Vec<_>>(), ["c-1"]);
    let slot = &slots["c-1"][..];
    assert_eq!(slot.len(), 1, "the window's first instant does not count any more: {slot:?}");
    assert_eq!((slot[0].message_id.as_str(), slot[0].purpose.as_str()), ("m-2", "marketing"));
    assert_eq!((slot[0].channel, slot[0].at), (Channel::Sms, at("09:00")));
    let waiting = tx.waiting(&texts(&["c-1"]), at("10:00")).await.expect("waiting");
    assert_eq!(waiting.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["m-4"]);
}
