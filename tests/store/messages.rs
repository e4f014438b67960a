use std::time::Duration;

use declic::domain::message::{Message, MessageState};
use declic::domain::verdict::Reason;
use declic::store::{Changes, MessageFilter, Store};

use crate::Place;
use crate::samples::{LONG, OVER, at, begin, claim, entry, message, outcome, texts, write};

async fn put(store: &Store, messages: Vec<Message>) {
    let customers: Vec<_> = messages.iter().map(|m| m.customer_id.clone()).collect();
    let customers: Vec<_> = customers.iter().map(String::as_str).collect();
    write(store, &customers, Changes { messages, ..Default::default() }).await;
}

async fn get(store: &Store, id: &str) -> Message {
    store.message(id).await.expect("message").expect("known")
}

fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| m.id.as_str()).collect()
}

pub async fn a_message_is_inserted_once(Place { store, .. }: Place) {
    let first = message("c-1", "m-1", "09:00");
    let replay = Message { template: "changed".into(), ..first.clone() };
    put(&store, vec![first.clone(), replay.clone()]).await;
    put(&store, vec![replay]).await;
    assert_eq!(get(&store, "m-1").await, first);
}

pub async fn due_messages_are_claimed_in_order_and_once(Place { store, .. }: Place) {
    let sent = Message { state: MessageState::Sent, ..message("c-1", "sent", "07:00") };
    put(
        &store,
        vec![message("c-1", "b", "09:00"), message("c-2", "a", "08:00"), message("c-1", "c", "11:00"), sent],
    )
    .await;
    assert_eq!(store.next_message_at().await.expect("next"), Some(at("08:00")));
    let first = claim(&store, "10:00", 10, "t-1", LONG).await;
    assert_eq!(ids(&first), ["a", "b"]);
    assert!(first.iter().all(|m| m.state == MessageState::Claimed));
    assert_eq!(get(&store, "a").await.state, MessageState::Claimed);
    assert!(claim(&store, "10:00", 10, "t-2", LONG).await.is_empty());
    assert_eq!(store.next_message_at().await.expect("next"), Some(at("11:00")));
    assert_eq!(ids(&claim(&store, "11:00", 1, "t-2", LONG).await), ["c"]);
}

pub async fn a_lease_that_ran_out_is_claimed_again(Place { store, .. }: Place) {
    put(&store, vec![message("c-1", "m-1", "09:00")]).await;
    let first = claim(&store, "10:00", 10, "t-1", OVER).await;
    let mut tx = begin(&store).await;
    assert!(
        tx.mark_sending("t-1", &first).await.expect("mark").is_empty(),
        "nothing begins on a lease that is over"
    );
    tx.rollback().await.expect("rollback");
    let second = claim(&store, "10:00", 10, "t-2", LONG).await;
    assert_eq!(second, first);
    assert!(claim(&store, "10:00", 10, "t-3", LONG).await.is_empty());
    let mut tx = begin(&store).await;
    assert!(tx.mark_sending("t-1", &first).await.expect("mark").is_empty(), "the old token is worth nothing");
    assert_eq!(tx.mark_sending("t-2", &second).await.expect("mark"), ["m-1"]);
}

pub async fn a_message_can_be_claimed_as_it_is_inserted(Place { store, .. }: Place) {
    let claimed = |id: &str| Message { state: MessageState::Claimed, ..message("c-1", id, "09:00") };
    let insert = async |id: &str, lease: Duration| {
        let messages = vec![claimed(id), message("c-1", &format!("{id}-pending"), "09:00")];
        let lease = Some(("t-1".to_owned(), lease));
        write(&store, &["c-1"], Changes { messages, lease, ..Default::default() }).await;
    };
    insert("m-1", LONG).await;
    insert("m-2", OVER).await;
    let found = claim(&store, "10:00", 10, "t-2", LONG).await;
    let ids: Vec<_> = found.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(ids, ["m-1-pending", "m-2", "m-2-pending"], "the first is held");
    let mut tx = begin(&store).await;
    let held = tx.mark_sending("t-1", &[claimed("m-1"), claimed("m-2")]).await.expect("mark");
    assert_eq!(held, ["m-1"]);
}

pub async fn only_the_token_s_holder_moves_a_message(Place { store, .. }: Place) {
    put(&store, vec![message("c-1", "m-1", "09:00"), message("c-2", "m-2", "09:00")]).await;
    let claimed = claim(&store, "10:00", 10, "t-1", LONG).await;
    let mut tx = begin(&store).await;
    assert!(tx.mark_sending("wrong", &claimed).await.expect("mark").is_empty());
    assert_eq!(tx.mark_sending("t-1", &claimed[..1]).await.expect("mark"), ["m-1"]);
    assert!(tx.mark_sending("t-1", &claimed[..1]).await.expect("mark").is_empty(), "once");
    tx.commit().await.expect("commit");
    assert_eq!(get(&store, "m-1").await.state, MessageState::Sending);
    assert!(
        claim(&store, "20:00", 10, "t-2", LONG).await.iter().all(|m| m.id != "m-1"),
        "a hand-over that may have begun is never taken back blindly"
    );

    let sent = Message {
        state: MessageState::Sent,
        attempts: 1,
        reply: Some("250 queued".into()),
        sent_at: Some(at("10:01")),
        template_hash: Some("h".into()),
        ..claimed[0].clone()
    };
    let mut tx = begin(&store).await;
    assert!(tx.record("t-2", std::slice::from_ref(&sent)).await.expect("record").is_empty());
    assert_eq!(tx.record("t-1", std::slice::from_ref(&sent)).await.expect("record"), ["m-1"]);
    let again = Message { state: MessageState::Failed, ..sent.clone() };
    assert!(tx.record("t-1", &[again]).await.expect("record").is_empty(), "what is final stands");
    tx.commit().await.expect("commit");
    assert_eq!(get(&store, "m-1").await, sent);
}

/// Settles expired hand-overs; the ids that were still to be settled.
async fn settle(store: &Store, messages: &[Message]) -> Vec<String> {
    let mut tx = begin(store).await;
    let mut settled = tx.settle_expired(messages).await.expect("settle");
    tx.commit().await.expect("commit");
    settled.sort_unstable();
    settled
}

pub async fn a_late_outcome_resolves_an_uncertain_message(Place { store, .. }: Place) {
    put(&store, vec![message("c-1", "m-1", "09:00"), message("c-1", "m-2", "09:00")]).await;
    let short = Duration::from_secs(2);
    let claimed = claim(&store, "10:00", 10, "t-1", short).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.mark_sending("t-1", &claimed).await.expect("mark").len(), 2);
    tx.commit().await.expect("commit");
    assert!(store.expired_sending().await.expect("expired").messages.is_empty());
    assert!(settle(&store, &claimed).await.is_empty(), "its lease is not over");
    tokio::time::sleep(short).await;
    let expired = store.expired_sending().await.expect("expired").messages;
    assert_eq!(ids(&expired), ["m-1", "m-2"]);

    let settled = [
        Message {
            state: MessageState::Uncertain,
            reason: Some(Reason::OutcomeUnknown),
            ..expired[0].clone()
        },
        Message { state: MessageState::Pending, due_at: at("10:06"), ..expired[1].clone() },
    ];
    assert_eq!(settle(&store, &settled).await, ["m-1", "m-2"]);
    assert!(settle(&store, &settled).await.is_empty(), "once");
    assert_eq!(get(&store, "m-1").await, settled[0]);

    let sent: Vec<_> = claimed.into_iter().map(|m| Message { state: MessageState::Sent, ..m }).collect();
    let mut tx = begin(&store).await;
    assert_eq!(tx.record("t-1", &sent).await.expect("record"), ["m-1"], "the pending one is another's now");
    tx.commit().await.expect("commit");
    assert_eq!(get(&store, "m-1").await.state, MessageState::Sent);
    assert_eq!(get(&store, "m-2").await.state, MessageState::Pending);
}

pub async fn a_released_message_is_claimed_again(Place { store, .. }: Place) {
    put(&store, vec![message("c-1", "m-1", "09:00")]).await;
    let claimed = claim(&store, "10:00", 10, "t-1", LONG).await;
    let mut tx = begin(&store).await;
    assert_eq!(tx.release("t-1", &claimed).await.expect("release"), ["m-1"]);
    assert!(tx.release("t-1", &[]).await.expect("release nothing").is_empty());
    tx.commit().await.expect("commit");
    let again = claim(&store, "10:01", 10, "t-2", LONG).await;
    assert_eq!(ids(&again), ["m-1"]);

    // A refusal that asks to try again: recorded as pending, due later.
    let deferred =
        Message { state: MessageState::Pending, due_at: at("10:30"), attempts: 1, ..again[0].clone() };
    let mut tx = begin(&store).await;
    assert_eq!(tx.record("t-2", &[deferred]).await.expect("record"), ["m-1"]);
    tx.commit().await.expect("commit");
    assert!(claim(&store, "10:29", 10, "t-3", LONG).await.is_empty());
    let third = claim(&store, "10:30", 10, "t-3", LONG).await;
    assert_eq!(third[0].attempts, 1);
}

pub async fn messages_are_listed_by_what_they_are(Place { store, .. }: Place) {
    let failed =
        Message { state: MessageState::Failed, rule: "cart".into(), ..message("c-2", "m-3", "11:00") };
    put(&store, vec![message("c-1", "m-1", "09:00"), message("c-2", "m-2", "10:00"), failed]).await;
    let list = async |filter: MessageFilter| {
        let found = store.messages(&filter).await.expect("list");
        found.into_iter().map(|m| m.id).collect::<Vec<_>>()
    };
    assert_eq!(list(MessageFilter::default()).await, ["m-3", "m-2", "m-1"]);
    let state = Some(MessageState::Pending);
    assert_eq!(list(MessageFilter { state, ..Default::default() }).await, ["m-2", "m-1"]);
    assert_eq!(list(MessageFilter { rule: Some("cart".into()), ..Default::default() }).await, ["m-3"]);
    let customer = Some("c-2".to_owned());
    assert_eq!(list(MessageFilter { customer, limit: 1, ..Default::default() }).await, ["m-3"]);
    assert_eq!(list(MessageFilter { before: Some(at("10:00")), ..Default::default() }).await, ["m-1"]);
    let ids = async |after: &str| {
        let filter = MessageFilter { limit: 2, ..Default::default() };
        store.message_ids(&filter, after).await.expect("ids")
    };
    assert_eq!(
        (ids("").await, ids("m-2").await),
        (vec!["m-1".to_owned(), "m-2".to_owned()], vec!["m-3".to_owned()])
    );
    assert!(list(MessageFilter { reason: Some(Reason::Refused), ..Default::default() }).await.is_empty());
    let all = MessageFilter {
        state,
        reason: None,
        rule: Some("welcome".into()),
        customer: Some("c-2".into()),
        before: Some(at("23:00")),
        limit: 5,
    };
    assert_eq!(list(all).await, ["m-2"]);
}

pub async fn counts_tell_what_is_under_way(Place { store, .. }: Place) {
    let empty = store.counts(at("10:00")).await.expect("counts");
    assert_eq!((empty.active_entries, empty.oldest_due_message), (0, None));
    assert_eq!(empty.messages[&MessageState::Pending], 0);
    put(
        &store,
        vec![message("c-1", "m-1", "08:00"), message("c-1", "m-2", "09:00"), message("c-1", "m-3", "12:00")],
    )
    .await;
    claim(&store, "10:00", 1, "t", LONG).await;
    write(&store, &["c-1"], Changes { entries: vec![entry("c-1", "cart", "o")], ..Default::default() }).await;
    let counts = store.counts(at("10:00")).await.expect("counts");
    assert_eq!(counts.messages[&MessageState::Pending], 2);
    assert_eq!(counts.messages[&MessageState::Claimed], 1);
    assert_eq!(counts.messages[&MessageState::Sending], 0);
    assert_eq!(counts.active_entries, 1);
    assert_eq!(counts.oldest_due_message, Some(at("09:00")));
    assert_eq!(counts.oldest_due_entry, Some(at("10:00")));
    assert_eq!(store.counts(at("08:30")).await.expect("counts").oldest_due_message, None);
    assert_eq!(store.message_totals().await.expect("totals").values().sum::<i64>(), 3);
}

pub async fn outcomes_leave_the_outbox_when_published(Place { store, .. }: Place) {
    let outcome = |id: &str| outcome("c-1", id);
    let outcomes = vec![outcome("o-2"), outcome("o-1"), outcome("o-3")];
    write(&store, &["c-1"], Changes { outcomes: outcomes.clone(), ..Default::default() }).await;
    write(&store, &["c-1"], Changes { outcomes, ..Default::default() }).await;
    assert_eq!(
        store.unpublished_outcomes(2).await.expect("outbox").outcomes,
        [outcome("o-1"), outcome("o-2")]
    );
    store.mark_published(&texts(&["o-1", "o-3", "unknown"])).await.expect("mark");
    store.mark_published(&[]).await.expect("mark none");
    assert_eq!(store.unpublished_outcomes(9).await.expect("outbox").outcomes, [outcome("o-2")]);
    assert_eq!(
        store.unpublished_among(&texts(&["o-1", "o-2"])).await.expect("outbox").outcomes,
        [outcome("o-2")]
    );
    assert_eq!(store.counts(at("10:00")).await.expect("counts").unpublished_outcomes, 1);
}
