use std::time::Duration;

use declic::domain::consent::Channel;
use declic::domain::message::{Lane, Message, MessageState};
use declic::store::Changes;

use crate::Place;
use crate::samples::{ALL_LANES, LONG, OVER, at, begin, claim, claim_of, message, write};

fn of_lane(lane: Lane, id: &str, due: &str) -> Message {
    Message { lane, ..message("c-1", id, due) }
}

fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| m.id.as_str()).collect()
}

pub async fn the_urgent_are_claimed_first_within_a_lane_the_longest_due(Place { store, .. }: Place) {
    let messages = vec![
        of_lane(Lane::Bulk, "bulk-1", "07:00"),
        of_lane(Lane::Bulk, "bulk-2", "07:30"),
        of_lane(Lane::Event, "event-2", "09:30"),
        of_lane(Lane::Event, "event-1", "09:00"),
        of_lane(Lane::Event, "event-3", "11:00"),
        of_lane(Lane::Transactional, "receipt", "09:59"),
    ];
    write(&store, &["c-1"], Changes { messages, ..Default::default() }).await;
    let some = claim(&store, "10:00", 2, "t-1", OVER).await;
    assert_eq!(ids(&some), ["receipt", "event-1"]);
    assert_eq!(ids(&claim(&store, "10:00", 2, "t-1", LONG).await), ids(&some), "leases that are over");
    assert_eq!(store.message("bulk-1").await.expect("read").expect("known").state, MessageState::Pending);
    let urgent = &[Lane::Event, Lane::Transactional];
    let more = claim_of(&store, Channel::Email, urgent, "10:00", 10, "t-2", LONG).await;
    assert_eq!(ids(&more), ["event-2"], "and no bulk");
    assert!(claim_of(&store, Channel::Email, &[], "10:00", 10, "t-3", LONG).await.is_empty());
    let rest = claim(&store, "10:00", 10, "t-3", LONG).await;
    assert_eq!(ids(&rest), ["bulk-1", "bulk-2"]);
    assert!(claim(&store, "10:05", 10, "t-4", LONG).await.is_empty());
}

pub async fn each_channel_has_its_own_messages(Place { store, .. }: Place) {
    let sms = |id: &str| Message { channel: Channel::Sms, ..message("c-1", id, "08:00") };
    let messages = vec![message("c-1", "mail", "09:00"), sms("text-1"), sms("text-2")];
    write(&store, &["c-1"], Changes { messages, ..Default::default() }).await;
    assert_eq!(ids(&claim(&store, "10:00", 10, "t-1", LONG).await), ["mail"]);
    let texts = claim_of(&store, Channel::Sms, ALL_LANES, "10:00", 10, "t-2", LONG).await;
    assert_eq!(ids(&texts), ["text-1", "text-2"]);
}

pub async fn what_is_given_back_keeps_its_place(Place { store, .. }: Place) {
    let messages = vec![
        of_lane(Lane::Bulk, "first", "07:00"),
        of_lane(Lane::Bulk, "second", "08:00"),
        of_lane(Lane::Bulk, "third", "09:00"),
    ];
    write(&store, &["c-1"], Changes { messages, ..Default::default() }).await;
    let mut claimed = claim(&store, "10:00", 2, "t-1", LONG).await;
    claimed[1].due_at = at("10:01");
    let mut tx = begin(&store).await;
    tx.release("t-1", &claimed).await.expect("release");
    tx.commit().await.expect("commit");
    assert_eq!(ids(&claim(&store, "10:00", 9, "t-2", LONG).await), ["first", "third"]);
    assert_eq!(ids(&claim(&store, "10:01", 9, "t-3", LONG).await), ["second"]);
}

pub async fn a_claim_is_cheap_however_many_wait(Place { store, .. }: Place) {
    for chunk in 0..8 {
        let messages = (0..2_500).map(|n| of_lane(Lane::Bulk, &format!("m-{chunk}-{n}"), "08:00")).collect();
        write(&store, &["c-1"], Changes { messages, ..Default::default() }).await;
    }
    write(
        &store,
        &["c-1"],
        Changes { messages: vec![of_lane(Lane::Event, "welcome", "09:59")], ..Default::default() },
    )
    .await;
    // Far above what it takes on an idle machine (some 50 ms), far below 40 times sorting all that waits.
    let began = std::time::Instant::now();
    for n in 0..40 {
        let claimed = claim(&store, "10:00", 10, &format!("t-{n}"), LONG).await;
        assert_eq!(claimed.len(), 10);
        assert_eq!(claimed[0].id == "welcome", n == 0);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
