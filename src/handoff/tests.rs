use serde_json::json;

use super::*;

const LEASE: Duration = Duration::from_secs(60);

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-22T{time}:00Z").parse().unwrap()
}

fn message(id: usize, channel: &str, lane: &str, due: &str) -> Message {
    serde_json::from_value(json!({
        "id": format!("m-{id}"), "customer_id": "c", "rule": "r", "version": "1", "occurrence": "o", "step": "s",
        "channel": channel, "purpose": "marketing", "template": "t", "planned_at": at(due), "expires_at": at("23:00"),
        "state": "pending", "reason": null, "detail": null, "promo_code": null, "due_at": at(due), "attempts": 0,
        "template_hash": null, "locale": null, "address": null, "reply": null, "sent_at": null, "context": null,
        "lane": lane,
    }))
    .unwrap()
}

fn emails(count: usize) -> Vec<Message> {
    (0..count).map(|n| message(n, "email", "event", "10:00")).collect()
}

fn open() -> Handoff {
    let handoff = Handoff::default();
    handoff.open(Channel::Email, LEASE);
    handoff
}

fn claimed(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter(|m| m.state == MessageState::Claimed).map(|m| m.id.as_str()).collect()
}

#[test]
fn only_what_is_urgent_and_due_on_an_open_channel_is_claimed_the_most_urgent_first() {
    let mut messages = vec![
        message(0, "email", "event", "10:00"),
        message(1, "email", "transactional", "09:00"),
        message(2, "email", "bulk", "10:00"),
        message(3, "email", "event", "10:01"),
        message(4, "sms", "event", "10:00"),
    ];
    let suppressed = Message { state: MessageState::Suppressed, ..message(5, "email", "event", "10:00") };
    messages.push(suppressed);
    let handoff = open();
    let lease = handoff.claim(&mut messages, at("10:00")).unwrap();
    assert_eq!(claimed(&messages), ["m-0", "m-1"]);
    handoff.give(Some(lease.clone()), messages, at("10:00"));
    for first in ["m-1", "m-0"] {
        let batch = handoff.take(Channel::Email).unwrap();
        assert_eq!((claimed(&batch.messages), batch.lease.token), (vec![first], lease.token.clone()));
    }
    assert!(handoff.take(Channel::Email).is_none() && handoff.take(Channel::Sms).is_none());
    assert!(Handoff::default().claim(&mut emails(1), at("10:00")).is_none(), "nobody would take it");
}

#[test]
fn what_finds_no_room_stays_pending() {
    let (handoff, now) = (open(), at("10:00"));
    for (made, room) in [(ROOM - 10, ROOM - 10), (20, 10), (1, 0)] {
        let mut messages = emails(made);
        let lease = handoff.claim(&mut messages, now);
        assert_eq!(claimed(&messages).len(), room);
        handoff.give(lease, messages, now);
    }
    let taken = handoff.take(Channel::Email).unwrap().messages.len();
    let mut messages = emails(ROOM);
    handoff.claim(&mut messages, now);
    assert_eq!(claimed(&messages).len(), taken, "as many as have left");
}

#[test]
fn a_large_batch_is_shared_among_senders() {
    let (handoff, now) = (open(), at("10:00"));
    let mut messages = emails(SHARE * 2 + 1);
    let lease = handoff.claim(&mut messages, now);
    handoff.give(lease, messages, now);
    let shares: Vec<usize> =
        std::iter::from_fn(|| handoff.take(Channel::Email)).map(|b| b.messages.len()).collect();
    assert_eq!(shares, [SHARE, SHARE, 1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_overtakes_a_backlog() {
    let (handoff, now) = (open(), at("10:00"));
    handoff.pause(Channel::Email);
    assert!(handoff.claim(&mut emails(1), now).is_none());
    tokio::time::advance(PAUSE).await;
    assert!(handoff.claim(&mut emails(1), now).is_some());
}

#[tokio::test(start_paused = true)]
async fn senders_are_woken_for_what_is_claimed_and_for_what_is_not() {
    let now = at("10:00");
    for handoff in [open(), Handoff::default()] {
        let mut messages = emails(1);
        let lease = handoff.claim(&mut messages, now);
        handoff.give(lease, messages, now);
        let rung = tokio::time::timeout(Duration::from_secs(1), handoff.rung(Channel::Email));
        rung.await.expect("rung");
    }
    let handoff = open();
    handoff.give(None, vec![message(0, "email", "event", "11:00")], now);
    let rung = tokio::time::timeout(Duration::from_secs(1), handoff.rung(Channel::Email));
    assert!(rung.await.is_err(), "nothing is due");
}
