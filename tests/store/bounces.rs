//! Mails that came back: kept until their message is known, settled once, counted by address; and the list of addresses
//! never to write to, as people see it.

use declic::domain::bounce::Kind;
use declic::domain::consent::Channel;
use declic::domain::message::{Message, MessageState};
use declic::domain::verdict::Reason;
use declic::store::{BounceRow, Changes, Store, Suppression};
use serde_json::json;

use crate::Place;
use crate::samples::{at, begin, erased, message, profile, write};

fn report(id: &str, message: &str, kind: Kind) -> BounceRow {
    BounceRow {
        id: id.to_owned(),
        message_id: message.to_owned(),
        kind,
        status: Some("5.1.1".to_owned()),
        detail: Some("nobody of that name".to_owned()),
        recipients: Some(vec!["Alice@example.com".to_owned()]),
    }
}

fn sent(id: &str) -> Message {
    Message { state: MessageState::Sent, ..message("c-1", id, "09:00") }
}

async fn due(store: &Store) -> Vec<String> {
    store.due_bounces(9).await.expect("read").into_iter().map(|(row, _)| row.id).collect()
}

pub async fn a_report_waits_for_its_message_and_is_settled_once(Place { store, .. }: Place) {
    assert_eq!(store.keep_bounces(&[report("b-1", "m-1", Kind::Hard)]).await.expect("kept"), 1);
    assert_eq!(store.keep_bounces(&[report("b-1", "m-1", Kind::Hard)]).await.expect("kept"), 0, "known");
    assert!(due(&store).await.is_empty(), "nobody knows the message yet");
    write(&store, &["c-1"], Changes { messages: vec![message("c-1", "m-1", "09:00")], ..Changes::default() })
        .await;
    assert!(due(&store).await.is_empty(), "nor can one have come back that waits");
    write(&store, &["c-1"], Changes { messages: vec![sent("m-2")], ..Changes::default() }).await;
    store
        .keep_bounces(&[report("b-2", "m-2", Kind::Hard), report("b-3", "m-9", Kind::Hard)])
        .await
        .expect("kept");
    assert_eq!(due(&store).await, ["b-2"]);
    let mut tx = begin(&store).await;
    let settled = tx.settle_bounces(&["b-2".to_owned()]).await.expect("settled");
    let (row, known) = &settled[0];
    assert!(row.is_about(known), "whatever the case of the address");
    let after = Message { state: MessageState::Bounced, ..known.clone() };
    assert_eq!(tx.record_bounces(&[after]).await.expect("recorded"), ["m-2"]);
    tx.commit().await.expect("commit");
    assert!(due(&store).await.is_empty());
    let mut tx = begin(&store).await;
    assert!(tx.settle_bounces(&["b-2".to_owned()]).await.expect("settled").is_empty(), "once");
    drop(tx);
    let message = store.message("m-2").await.expect("read").expect("known");
    assert_eq!(message.state, MessageState::Bounced);
    assert_eq!(store.forget_bounces(at("09:00")).await.expect("forgotten"), 0);
    assert_eq!(store.forget_bounces(at("11:00")).await.expect("forgotten"), 3);
}

pub async fn a_complaint_stands_whatever_is_reported_after_it(Place { store, .. }: Place) {
    write(&store, &["c-1"], Changes { messages: vec![sent("m-1")], ..Changes::default() }).await;
    let mut tx = begin(&store).await;
    for (state, written) in
        [(MessageState::Complained, true), (MessageState::Bounced, false), (MessageState::Complained, false)]
    {
        let ids = tx.record_bounces(&[Message { state, ..sent("m-1") }]).await.expect("recorded");
        assert_eq!(!ids.is_empty(), written, "{state:?}");
    }
}

pub async fn what_names_an_address_only_finds_the_last_mail_to_it(Place { store, .. }: Place) {
    let earlier = Message { planned_at: at("08:00"), ..sent("m-1") };
    let waiting = Message { planned_at: at("11:00"), ..message("c-1", "m-3", "11:00") };
    let profiles = vec![("c-1".to_owned(), profile(json!({"email": "Alice@example.com"})))];
    let messages = vec![earlier, sent("m-2"), waiting];
    write(&store, &["c-1"], Changes { profiles, messages, ..Changes::default() }).await;
    let nameless = |id: &str| report(id, "", Kind::Hard);
    let bounces = vec![nameless("b-1"), nameless("b-2")];
    let mut tx = begin(&store).await;
    assert_eq!(tx.keep_bounces(&bounces).await.expect("kept"), 2);
    tx.commit().await.expect("commit");
    assert_eq!(store.nameless_bounces(9).await.expect("read"), bounces);
    assert!(due(&store).await.is_empty());
    let found = store.last_mail_to(" alice@EXAMPLE.com").await.expect("read").expect("one");
    assert_eq!(found.id, "m-2", "the last that has gone");
    assert_eq!(store.last_mail_to("bob@example.com").await.expect("read"), None);
    store.name_bounce("b-1", "m-2").await.expect("named");
    store.name_bounce("b-1", "m-1").await.expect("too late");
    assert_eq!(due(&store).await, ["b-1"]);
    let row = store.due_bounces(9).await.expect("read").remove(0).0;
    assert_eq!(row.message_id, "m-2");
    let mut tx = begin(&store).await;
    assert!(!tx.settle_nameless("b-1", "alice@example.com").await.expect("it has a name"));
    assert!(tx.settle_nameless("b-2", "alice@example.com").await.expect("settled"));
    tx.commit().await.expect("commit");
    let mut tx = begin(&store).await;
    assert!(!tx.settle_nameless("b-2", "alice@example.com").await.expect("once"));
    drop(tx);
    assert!(store.nameless_bounces(9).await.expect("read").is_empty());
}

pub async fn soft_bounces_count_by_address(Place { store, .. }: Place) {
    let mut rows = ["b-1", "b-2", "b-3", "b-4"].map(|id| report(id, &format!("m-{id}"), Kind::Soft)).to_vec();
    rows[3].message_id = "m-b-1".to_owned();
    let messages = rows[..3].iter().map(|row| sent(&row.message_id)).collect();
    write(&store, &["c-1"], Changes { messages, ..Changes::default() }).await;
    store.keep_bounces(&rows).await.expect("kept");
    let mut counted = Vec::new();
    for (row, address) in
        rows.iter().zip(["a@example.com", "A@example.com", "b@example.com", "a@example.com"])
    {
        let mut tx = begin(&store).await;
        tx.settle_bounces(std::slice::from_ref(&row.id)).await.expect("settled");
        counted.push(tx.count_soft_bounces(&row.id, address, at("09:00")).await.expect("counted"));
        tx.commit().await.expect("commit");
    }
    assert_eq!(counted, [1, 2, 1, 2], "two reports about one mail are one");
    let mut tx = begin(&store).await;
    assert_eq!(
        tx.count_soft_bounces("b-1", "a@example.com", at("11:00")).await.expect("counted"),
        0,
        "too old"
    );
    drop(tx);
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    let mut tx = begin(&store).await;
    assert_eq!(
        tx.count_soft_bounces("none", "a@example.com", at("09:00")).await.expect("counted"),
        0,
        "erased"
    );
}

pub async fn people_see_the_list_and_take_addresses_off_it(Place { store, .. }: Place) {
    let listed = |address: &str, channel| Suppression {
        channel,
        address: address.to_owned(),
        reason: Reason::Manual,
        at: at("09:00"),
        detail: Some("asked".to_owned()),
    };
    let changes = Changes {
        suppressions: vec![listed("A@example.com", Channel::Email), listed("+33612345678", Channel::Sms)],
        profiles: vec![("c-1".to_owned(), profile(json!({ "email": "gone@example.com" })))],
        ..Changes::default()
    };
    write(&store, &["c-1"], changes).await;
    write(&store, &["c-1"], Changes { erased: erased("c-1"), ..Changes::default() }).await;
    let all = store.suppressions(None, 9).await.expect("read");
    assert_eq!(all.len(), 3);
    assert!(all[0].address.starts_with("hash:") && all[0].reason == "customer_deleted", "the latest first");
    for (address, reason) in [(" a@EXAMPLE.com ", "manual"), ("gone@example.com", "customer_deleted")] {
        assert_eq!(store.suppressions(Some(address), 9).await.expect("read")[0].reason, reason);
        let mut tx = store.begin().await.expect("begin");
        assert_eq!(tx.remove_suppressions(address).await.expect("removed")[0].reason, reason);
        assert!(tx.remove_suppressions(address).await.expect("removed").is_empty());
        tx.commit().await.expect("commit");
    }
    assert_eq!(store.suppressions(None, 9).await.expect("read").len(), 1);
}
