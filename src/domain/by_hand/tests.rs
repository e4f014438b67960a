use serde_json::json;

use super::*;

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-22T{time}:00Z").parse().unwrap()
}

fn message(state: MessageState, reason: Option<Reason>) -> Message {
    serde_json::from_value(json!({
        "id": "m-1", "customer_id": "c", "rule": "r", "version": "1", "occurrence": "o", "step": "s",
        "channel": "email", "purpose": "marketing", "template": "t", "planned_at": at("10:00"),
        "expires_at": at("23:00"), "state": state, "reason": reason, "detail": "why", "promo_code": null,
        "due_at": at("10:00"), "attempts": 7, "template_hash": "hash", "locale": "fr", "address": null,
        "reply": "451", "sent_at": null, "context": null, "slot_at": at("10:00"),
    }))
    .unwrap()
}

#[test]
fn each_state_says_whether_it_may_go_again_and_whether_it_may_be_stopped() {
    use MessageState::*;
    for (state, again, stopped) in [
        (Pending, Err("it is pending, and goes by itself"), Ok(())),
        (Deferred, Err("it is deferred, and goes by itself"), Ok(())),
        (Paused, Err("its rule is paused: resume it"), Ok(())),
        (Claimed, Err("it is claimed, and goes by itself"), Ok(())),
        (Sending, Err("it is sending, and goes by itself"), Err("it is being handed over")),
        (Sent, Err("it is sent"), Err("it is sent already")),
        (Delivered, Err("it is delivered"), Err("it is delivered already")),
        (Bounced, Err("it is bounced"), Err("it is bounced already")),
        (Complained, Err("it is complained"), Err("it is complained already")),
        (Suppressed, Ok(()), Err("it is suppressed already")),
        (Failed, Ok(()), Err("it is failed already")),
        (Expired, Ok(()), Err("it is expired already")),
        (
            Uncertain,
            Err("it may have been sent: add --even-if-sent if its reader may get it twice"),
            Err("it is uncertain already"),
        ),
    ] {
        let message = message(state, None);
        let retried = retry(&message, at("11:00"), false, None);
        assert_eq!(retried.as_ref().map(drop).map_err(String::as_str), again, "{state:?}");
        assert_eq!(cancel(&message).as_ref().map(drop).map_err(String::as_str), stopped, "{state:?}");
    }
}

#[test]
fn what_goes_again_waits_as_if_it_were_new() {
    let retried =
        retry(&message(MessageState::Failed, Some(Reason::RetriesExhausted)), at("11:00"), false, None);
    let retried = retried.unwrap();
    assert_eq!((retried.state, retried.reason, retried.attempts), (MessageState::Pending, None, 0));
    assert_eq!((retried.due_at, retried.slot_at, retried.template_hash), (at("11:00"), None, None));
    let uncertain = message(MessageState::Uncertain, Some(Reason::OutcomeUnknown));
    let retried = retry(&uncertain, at("11:00"), true, None).unwrap();
    assert_eq!(retried.template_hash.as_deref(), Some("hash"), "in the same words");
}

#[test]
fn what_would_be_in_vain_or_twice_is_refused() {
    let failed = |reason| message(MessageState::Failed, Some(reason));
    let refused = |message: &Message, now, other| retry(message, at(now), true, other).unwrap_err();
    assert!(refused(&failed(Reason::CannotBeProcessed), "11:00", None).contains("dead-letters replay"));
    assert!(refused(&failed(Reason::CustomerDeleted), "11:00", None).contains("erased"));
    assert!(refused(&failed(Reason::Refused), "23:30", None).contains("worthless since 2026-11-22T23:00"));
    assert!(refused(&failed(Reason::Refused), "11:00", Some("m-2")).contains("message m-2"));
}

#[test]
fn what_is_cancelled_takes_nobodys_place_and_nobody_takes_its() {
    let mut message = message(MessageState::Pending, None);
    message.fallback = Some("by-sms".to_owned());
    let cancelled = cancel(&message).unwrap();
    assert_eq!((cancelled.state, cancelled.reason), (MessageState::Suppressed, Some(Reason::Cancelled)));
    assert_eq!((cancelled.slot_at, cancelled.fall_back(at("11:00"))), (None, None));
}
