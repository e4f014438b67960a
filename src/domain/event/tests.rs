use serde_json::{Value, json};

use super::*;

fn now() -> DateTime<Utc> {
    "2026-11-22T10:00:00Z".parse().expect("an instant")
}

fn good() -> Value {
    json!({
        "specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed", "subject": "c-42",
        "time": "2026-11-22T10:00:00+01:00", "data": { "total": 12.5 }
    })
}

/// The good event with one attribute set, or taken away when the value is null.
fn with(name: &str, value: Value) -> Value {
    let mut event = good();
    if value.is_null() {
        event.as_object_mut().expect("an object").remove(name);
    } else {
        event[name] = value;
    }
    event
}

#[test]
fn a_structured_event_is_read() {
    let event = Event::from_json(good().to_string().as_bytes(), now()).expect("usable");
    assert_eq!(event.id, "e-1");
    assert_eq!(event.source, "/shop");
    assert_eq!(event.kind, "order.placed");
    assert_eq!(event.subject, "c-42");
    assert_eq!(event.time, "2026-11-22T09:00:00Z".parse::<DateTime<Utc>>().expect("an instant"));
    assert_eq!(*event.data, json!({ "total": 12.5 }));
    assert_eq!(event.stamp(), Stamp { time: event.time, source: "/shop".into(), id: "e-1".into() });
}

#[test]
fn what_else_is_usable() {
    let cases = [
        ("no data", with("data", Value::Null)),
        ("data that is no object", with("data", json!([1, "two"]))),
        ("a later minor version", with("specversion", json!("1.1"))),
        ("an extension attribute", with("traceparent", json!("00-abc"))),
        ("UTC as Z", with("time", json!("2026-11-22T10:00:00Z"))),
        ("a day ahead, to the second", with("time", json!("2026-11-23T10:00:00Z"))),
        ("long ago", with("time", json!("1999-01-01T00:00:00Z"))),
        ("letters beyond ASCII", with("subject", json!("käufer-1"))),
        ("an id of 512 bytes", with("id", json!("x".repeat(512)))),
    ];
    for (case, value) in cases {
        let read = Event::from_value(value, now());
        assert!(read.is_ok(), "{case}: {read:?}");
    }
}

#[test]
fn times_are_kept_to_the_microsecond() {
    let event = Event::from_value(with("time", json!("2026-11-22T10:00:00.123456789Z")), now());
    let expected: DateTime<Utc> = "2026-11-22T10:00:00.123456Z".parse().expect("an instant");
    assert_eq!(event.expect("usable").time, expected);
}

#[test]
fn what_cannot_be_used_says_why() {
    use UnusableReason::*;
    let cases = [
        (json!("text"), NotCloudEvent, "not an object"),
        (json!([]), NotCloudEvent, "not an object"),
        (with("specversion", Value::Null), MissingAttribute, "`specversion` is missing"),
        (with("specversion", json!("0.3")), NotCloudEvent, "0.3"),
        (with("id", Value::Null), MissingAttribute, "`id` is missing"),
        (with("source", Value::Null), MissingAttribute, "`source` is missing"),
        (with("type", Value::Null), MissingAttribute, "`type` is missing"),
        (with("subject", Value::Null), MissingAttribute, "`subject` is missing"),
        (with("time", Value::Null), MissingAttribute, "`time` is missing"),
        (with("id", json!("")), InvalidAttribute, "`id` is empty"),
        (with("id", json!(7)), InvalidAttribute, "`id` must be a string, not a number"),
        (with("subject", json!({ "a": "b" })), InvalidAttribute, "not an object"),
        (with("id", json!("x".repeat(513))), InvalidAttribute, "513 bytes"),
        (with("id", json!("a\nb")), InvalidAttribute, "control character"),
        (with("subject", json!("a\0b")), InvalidAttribute, "control character"),
        (with("time", json!("yesterday")), InvalidAttribute, "RFC 3339"),
        (with("time", json!("2026-11-22T10:00:00")), InvalidAttribute, "RFC 3339"),
        (with("time", json!("2026-11-23T10:00:01Z")), TimeTooFarAhead, "24 h"),
        (with("time", json!("9999-12-31T23:59:59Z")), TimeTooFarAhead, "24 h"),
        (with("data_base64", json!("AAAA")), InvalidAttribute, "data_base64"),
        (with("data", json!({ "a": ["\0"] })), InvalidAttribute, "U+0000"),
        (with("data", json!({ "\0": 1 })), InvalidAttribute, "U+0000"),
    ];
    for (value, reason, words) in cases {
        let refusal = Event::from_value(value.clone(), now()).expect_err(&value.to_string());
        assert_eq!(refusal.reason, reason, "{value}");
        assert!(refusal.detail.contains(words), "{value}: {}", refusal.detail);
    }
}

#[test]
fn bytes_that_are_no_event() {
    use UnusableReason::*;
    let deep = "[".repeat(100_000);
    let cases: [(&[u8], UnusableReason); 6] = [
        (b"", NotJson),
        (b"hello", NotJson),
        (b"{\"id\":", NotJson),
        (b"\xff\xfe{}", NotJson),
        (b"{} {}", NotJson),
        (deep.as_bytes(), NotJson),
    ];
    for (body, reason) in cases {
        assert_eq!(Event::from_json(body, now()).expect_err("refused").reason, reason);
    }
    let large = format!("{}{}", good(), " ".repeat(MAX_EVENT_BYTES));
    let refusal = Event::from_json(large.as_bytes(), now()).expect_err("refused");
    assert_eq!(refusal.reason, TooLarge);
    assert!(refusal.to_string().starts_with("too_large: "), "{refusal}");
}

proptest::proptest! {
    #[test]
    fn no_input_panics(bytes: Vec<u8>, time: String, id: String) {
        let _ = Event::from_json(&bytes, now());
        let _ = Event::from_value(with("time", json!(time)), now());
        let _ = Event::from_value(with("id", json!(id)), now());
    }
}
