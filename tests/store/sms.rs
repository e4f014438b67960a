use chrono::TimeDelta;
use declic::domain::consent::Channel;
use declic::domain::message::{Message, MessageState};
use declic::domain::verdict::Reason;
use declic::store::{Changes, InboundRow, MessageFilter, ReceiptRow, SmsPart, Store, Suppression};
use serde_json::json;

use crate::Place;
use crate::samples::{at, begin, erased, message, profile, texts, write};

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

/// Two workers settle the last two parts of one message at once: the second waits, and sees that all are delivered.
pub async fn parts_settled_at_once_are_seen_by_the_second(Place { store, .. }: Place) {
    let messages = vec![sent("m-1")];
    let sms_parts = vec![part("p-1", "m-1", 1, 2), part("p-2", "m-1", 2, 2)];
    write(&store, &["c-1"], Changes { messages, sms_parts, ..Default::default() }).await;
    store.keep_receipts(&[receipt("p-1", "delivered"), receipt("p-2", "delivered")]).await.expect("keep");

    let mut first = begin(&store).await;
    let settled = first.settle_receipts(1).await.expect("settle").expect("a receipt");
    assert_eq!(settled.settled[0].parts, ["delivered", "pending"]);
    let other = store.clone();
    let second = tokio::spawn(async move { settle(&other).await });
    // Long enough for the second to get as far as it can.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    first.commit().await.expect("commit");
    let expected = vec![("m-1".to_owned(), texts(&["delivered", "delivered"]))];
    assert_eq!(second.await.expect("the second worker"), expected);
}

pub async fn a_receipt_of_an_older_part_is_not_taken_for_the_new_one_s(Place { store, .. }: Place) {
    // Nobody knew the part that this is about. Then, hours later, the provider gives its name again.
    store.keep_receipts(&[receipt("p-1", "failed"), receipt("p-2", "delivered")]).await.expect("keep");
    let later = |provider_id: &str, message: &str, hours: i64| {
        let part = part(provider_id, message, 1, 1);
        SmsPart { sent_at: part.sent_at + TimeDelta::hours(hours), ..part }
    };
    let messages = vec![sent("m-1"), sent("m-2")];
    // A receipt may come a little before the record of its part; the clocks of two workers differ.
    for sms_parts in [vec![later("p-1", "m-1", 3)], vec![later("p-2", "m-2", 0)]] {
        let messages = messages.clone();
        write(&store, &["c-1"], Changes { messages, sms_parts, ..Default::default() }).await;
    }
    assert_eq!(settle(&store).await, [("m-2".to_owned(), texts(&["delivered"]))]);
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

    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Default::default() }).await;
    assert!(store.customers_by_phone(number).await.expect("find").is_empty(), "erased with the profile");
}

pub async fn a_customer_is_found_by_the_number_that_was_written_to(Place { store, .. }: Place) {
    let (old, new) = ("+33612345678", "+33698765432");
    let written = |customer: &str, id: &str, address: Option<&str>| Message {
        customer_id: customer.to_owned(),
        address: address.map(str::to_owned),
        ..sent(id)
    };
    // c-1 has a new number by now; c-3 has the old one, and mails are no SMS.
    let messages = vec![
        written("c-1", "m-1", Some(old)),
        written("c-2", "m-2", None),
        Message { channel: Channel::Email, ..written("c-2", "m-3", Some(old)) },
        written("c-3", "m-4", Some(old)),
    ];
    let phones = vec![("c-1".to_owned(), Some(new.to_owned())), ("c-3".to_owned(), Some(old.to_owned()))];
    let customers = ["c-1", "c-2", "c-3"];
    write(&store, &customers, Changes { messages, phones, ..Default::default() }).await;
    assert_eq!(store.customers_by_phone(old).await.expect("find"), ["c-3", "c-1"], "who has it first");
    assert_eq!(store.customers_by_phone(new).await.expect("find"), ["c-1"]);

    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Default::default() }).await;
    assert_eq!(store.customers_by_phone(old).await.expect("find"), ["c-3"]);
}

pub async fn numbers_are_read_anew_in_batches(Place { store, .. }: Place) {
    let told = profile(json!({ "phone": "06 12 34 56 78" }));
    let profiles = vec![("c-1".to_owned(), told.clone()), ("c-3".to_owned(), told)];
    let phones = vec![("c-3".to_owned(), Some("+33612345678".to_owned()))];
    write(&store, &["c-1", "c-2", "c-3"], Changes { profiles, phones, ..Default::default() }).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.lock_setting("reached").await.expect("setting"), None);
    let batch = tx.numbered_after("", 2).await.expect("the first");
    assert_eq!(batch.iter().map(|c| c.customer_id.as_str()).collect::<Vec<_>>(), ["c-1", "c-2"]);
    assert_eq!(batch[0].profile.text("phone"), Some("06 12 34 56 78"));
    assert_eq!(batch[0].phone, None);
    let rest = tx.numbered_after("c-2", 2).await.expect("the rest");
    assert_eq!((rest.len(), rest[0].phone.as_deref()), (1, Some("+33612345678")));
    for value in ["c-2", "c-3"] {
        tx.put_setting("reached", value).await.expect("put");
    }
    tx.commit().await.expect("commit");
    let mut tx = begin(&store).await;
    assert_eq!(tx.lock_setting("reached").await.expect("setting").as_deref(), Some("c-3"));
}

fn inbound(id: &str, sender: &str, body: &str, meaning: &'static str) -> InboundRow {
    InboundRow {
        id: id.to_owned(),
        sender: sender.to_owned(),
        recipient: "36180".to_owned(),
        body: body.to_owned(),
        at: at("10:00"),
        meaning,
        customers: 1,
    }
}

pub async fn what_customers_wrote_is_listed_and_forgotten(Place { store, .. }: Place) {
    let number = "+33612345678";
    let rows = [inbound("in-1", number, "Quand ?", "other"), inbound("in-2", number, "STOP", "stop")];
    store.keep_inbound(&rows).await.expect("keep");
    let listed = store.inbound(None, 10).await.expect("list");
    assert_eq!(listed.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(), ["in-2", "in-1"]);
    let text = &store.inbound(Some("other"), 10).await.expect("list")[0];
    assert_eq!(
        (text.sender.as_str(), text.recipient.as_str(), text.body.as_str()),
        (number, "36180", "Quand ?")
    );
    assert_eq!((text.customers, text.received_at), (1, at("10:00")));
    assert_eq!(store.inbound(None, 1).await.expect("list").len(), 1);
    assert_eq!(store.forget_inbound(at("10:00")).await.expect("forget"), 0);
    assert_eq!(store.forget_inbound(at("10:01")).await.expect("forget"), 2);
}

pub async fn erasure_takes_what_the_customer_wrote(Place { store, .. }: Place) {
    let (now, before, other) = ("+33612345678", "+33698765432", "+33600000003");
    let phones = vec![("c-1".to_owned(), Some(now.to_owned())), ("c-2".to_owned(), Some(other.to_owned()))];
    let messages = vec![Message { address: Some(before.to_owned()), ..sent("m-1") }];
    write(&store, &["c-1", "c-2"], Changes { phones, messages, ..Default::default() }).await;
    let rows =
        [now, before, other].map(|number| inbound(&format!("from {number}"), number, "Bonjour", "other"));
    store.keep_inbound(&rows).await.expect("keep");
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Default::default() }).await;
    let left: Vec<_> = store.inbound(None, 10).await.expect("list").into_iter().map(|t| t.sender).collect();
    assert_eq!(left, [other]);
}

pub async fn what_came_from_a_telephone_is_kept_once(place: Place) {
    let inbound = inbound("in-1", "+33612345678", "STOP\0", "stop");
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
    let waiting = tx.waiting_beside(&texts(&["c-1"]), &["m-none"], at("10:00")).await.expect("waiting");
    assert_eq!(waiting.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["m-4"]);
}
