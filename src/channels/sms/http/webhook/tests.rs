use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use chrono::TimeDelta;

use super::*;
use crate::channels::sms::{Inbound, Receipt, ReceiptState};

const BASE: &str = "https://news.example.com";
const KEY: &str = "0123456789abcdef0123";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn webhooks(config: &str) -> Result<Option<Webhooks>, String> {
    Webhooks::new(&toml::from_str(config).unwrap(), BASE)
}

fn preset(name: &str) -> Webhooks {
    let config = format!("preset = '{name}'\naccount = 'A'\nsecret = 's'\n[webhook]\nsecret = '{KEY}'");
    webhooks(&config).unwrap().unwrap()
}

fn take(webhooks: &Webhooks, target: &str, kind: &'static str, body: &str) -> Result<Vec<Incoming>, Refusal> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    webhooks.receive(Call { target, headers: &headers, body: body.as_bytes() }, now())
}

fn take_json(webhooks: &Webhooks, target: &str, body: &str) -> Result<Vec<Incoming>, Refusal> {
    take(webhooks, target, "application/json; charset=utf-8", body)
}

fn states(incoming: Result<Vec<Incoming>, Refusal>) -> Vec<(String, ReceiptState)> {
    let each = incoming.unwrap().into_iter().map(|incoming| match incoming {
        Incoming::Receipt(receipt) => (receipt.provider_id, receipt.state),
        other => panic!("{other:?}"),
    });
    each.collect()
}

fn words(incoming: Result<Vec<Incoming>, Refusal>) -> Inbound {
    match incoming.unwrap().into_iter().next().unwrap() {
        Incoming::Text(inbound) => inbound,
        other => panic!("{other:?}"),
    }
}

/// The example of Brevo's documentation, with other states.
#[test]
fn brevo_reports() {
    use ReceiptState::{Delivered, Failed, Pending};

    let brevo = preset("brevo");
    let path = format!("/sms/status/{KEY}");
    assert_eq!(brevo.status_url(), Some(format!("{BASE}{path}")));
    assert_eq!(brevo.inbound_url(), None);
    let cases = [
        ("sent", Pending),
        ("delivered", Delivered),
        ("soft_bounce", Failed { bad_address: false }),
        ("hard_bounce", Failed { bad_address: true }),
        ("of_next_year", Pending),
    ];
    for (word, state) in cases {
        let body = format!(
            r#"{{"id": 26570, "to": "918076001713", "messageId": 123, "msg_status": "{word}", "ts_event": 1794990000}}"#
        );
        let incoming = take_json(&brevo, &path, &body).unwrap();
        let at = now() - TimeDelta::seconds(10_000);
        let detail = Some(word.to_owned());
        assert_eq!(incoming, [Incoming::Receipt(Receipt { provider_id: "123".into(), state, at, detail })]);
    }
    // Several at once.
    let both = r#"[{"messageId": 1, "msg_status": "sent"}, {"messageId": 2, "msg_status": "delivered"}]"#;
    assert_eq!(states(take_json(&brevo, &path, both)), [("1".into(), Pending), ("2".into(), Delivered)]);
}

/// The examples of Octopush's documentation.
#[test]
fn octopush_reports_and_replies() {
    let octopush = preset("octopush");
    let report = r#"{"channel": "sms", "message_id": "sms_5fa275dbf21dc", "number": "+33600000000",
        "status": "DELIVERED", "delivery_date": "2020-11-04 11:11:45"}"#;
    let (status, inbound) = (format!("/sms/status/{KEY}"), format!("/sms/inbound/{KEY}"));
    let incoming = take_json(&octopush, &status, report).unwrap();
    // A time without its zone is not believed.
    let receipt = Receipt {
        provider_id: "sms_5fa275dbf21dc".into(),
        state: ReceiptState::Delivered,
        at: now(),
        detail: Some("DELIVERED".into()),
    };
    assert_eq!(incoming, [Incoming::Receipt(receipt)]);
    let reply = |date: &str| {
        format!(
            r#"{{"message_id": "sms_5fa275dbf21dc", "number": "+44600000000", "text": "STOP",
            "sim_card_number": "12345", "reception_date": "{date}"}}"#
        )
    };
    let first = words(take_json(&octopush, &inbound, &reply("2020-11-04 11:11:45")));
    let again = words(take_json(&octopush, &inbound, &reply("2020-11-04 11:11:45")));
    let later = words(take_json(&octopush, &inbound, &reply("2021-11-04 11:11:45")));
    assert_eq!(
        (first.from.as_str(), first.to.as_str(), first.text.as_str()),
        ("+44600000000", "12345", "STOP")
    );
    assert_eq!(first, again, "delivered again, it is the same message");
    assert_ne!(first.id, later.id, "the same words a year later are another message");
}

/// Octopush takes STOP itself and tells of it on a callback of its own, which has no message that was replied to.
#[test]
fn octopush_tells_of_opt_outs_elsewhere() {
    let octopush = preset("octopush");
    let told = r#"{"message_id": "sms_5fa275dbf21dc", "number": "+33600000000", "text": "STOP",
        "stop_date": "2020-11-04 11:11:45"}"#;
    let stop = words(take_json(&octopush, &format!("/sms/inbound/{KEY}"), told));
    assert_eq!((stop.from.as_str(), stop.to.as_str(), stop.text.as_str()), ("+33600000000", "", "STOP"));
    assert_ne!(stop.id, "sms_5fa275dbf21dc", "that is the message's name, not the STOP's");
}

#[test]
fn only_the_provider_is_heard() {
    let brevo = preset("brevo");
    let body = r#"{"messageId": 1, "msg_status": "sent"}"#;
    let cases = [
        (format!("/sms/status/{KEY}"), Ok(1)),
        (format!("/sms/status/{KEY}?x=1"), Ok(1)),
        (format!("/sms/status/{KEY}0"), Err(Refusal::Forbidden)),
        (format!("/sms/status/{}", &KEY[1..]), Err(Refusal::Forbidden)),
        ("/sms/status/".into(), Err(Refusal::Forbidden)),
        ("/sms/status".into(), Err(Refusal::Forbidden)),
        (format!("/sms/status?{KEY}"), Err(Refusal::Forbidden)),
        (format!("/sms/statuses/{KEY}"), Err(Refusal::Unknown)),
        (format!("/sms/inbound/{KEY}"), Err(Refusal::Unknown)),
        ("/".into(), Err(Refusal::Unknown)),
    ];
    for (target, expected) in cases {
        assert_eq!(take_json(&brevo, &target, body).map(|incoming| incoming.len()), expected, "{target}");
        // What does not come from the provider is not read: how wrong it is makes no difference.
        if expected == Err(Refusal::Forbidden) {
            assert_eq!(take_json(&brevo, &target, "{"), Err(Refusal::Forbidden), "{target}");
        }
    }
}

#[test]
fn what_cannot_be_read_says_where() {
    let brevo = preset("brevo");
    let path = format!("/sms/status/{KEY}");
    let cases = [
        ("", "the body is not JSON (line 1, column 0)"),
        ("{\"secret\":", "the body is not JSON (line 1, column 10)"),
        ("3", "the body is neither an object nor a list"),
        (r#"{"messageId": 1}"#, "there is nothing where `sms.webhook.status.state` points"),
        (r#"{"msg_status": "sent"}"#, "there is nothing where `sms.webhook.status.id` points"),
        (
            r#"[{"messageId": 1, "msg_status": "sent"}, {}]"#,
            "there is nothing where `sms.webhook.status.state` points",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(take_json(&brevo, &path, body), Err(Refusal::Malformed(expected.to_owned())), "{body}");
    }
    assert_eq!(take_json(&brevo, &path, "[]"), Ok(Vec::new()));
    let form = take(&brevo, &path, "application/x-www-form-urlencoded", "messageId=%ff");
    assert_eq!(form, Err(Refusal::Malformed("the form is not UTF-8".to_owned())));
    let deep = "[".repeat(100_000);
    assert!(matches!(take_json(&brevo, &path, &deep), Err(Refusal::Malformed(_))));
}

#[test]
fn descriptions_of_ones_own() {
    let config = r#"
        url = "https://x.example"
        [body]
        a = "{{to}}"
        [webhook]
        secret = "k"
        verify = { basic = { username = "shop" } }
        [webhook.status]
        items = "/results"
        id = "/sms/id"
        state = "/state"
        code = "/code"
        at = "/when"
        bad_address = ["absent"]
        [webhook.status.states]
        gone = "failed"
    "#;
    let own = webhooks(config).unwrap().unwrap();
    assert_eq!(own.status_url().as_deref(), Some("https://news.example.com/sms/status"));
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let body = br#"{"results": [
        {"sms": {"id": "a"}, "state": "gone", "code": "absent", "when": "2026-11-18T09:00:00+01:00"},
        {"sms": {"id": "b"}, "state": "gone", "code": "full", "when": 1795000000999}]}"#;
    let call = |headers: &HeaderMap| own.receive(Call { target: "/sms/status", headers, body }, now());
    assert_eq!(call(&headers), Err(Refusal::Forbidden));
    headers.insert("authorization", HeaderValue::from_static("Basic c2hvcDpr"));
    let Ok(incoming) = call(&headers) else { panic!("refused") };
    let expected = |id: &str, bad_address, at, detail: &str| {
        let state = ReceiptState::Failed { bad_address };
        Incoming::Receipt(Receipt { provider_id: id.into(), state, at, detail: Some(detail.into()) })
    };
    let at = DateTime::parse_from_rfc3339("2026-11-18T08:00:00Z").unwrap().to_utc();
    // The second one's clock is fast.
    assert_eq!(incoming, [expected("a", true, at, "gone absent"), expected("b", false, now(), "gone full")]);
}

#[test]
fn webhooks_are_off_until_they_can_be_verified() {
    assert!(webhooks("preset = 'brevo'\nsecret = 's'").unwrap().is_none());
    assert!(webhooks("url = 'https://x.example'").unwrap().is_none());
    // Twilio signs with the account's own secret.
    assert!(webhooks("preset = 'twilio'\naccount = 'A'\nsecret = 's'").unwrap().is_some());
    let smsmode = preset("smsmode");
    assert_eq!(
        (smsmode.status_url(), smsmode.inbound_url()),
        (None, None),
        "nobody asks for what cannot be read"
    );
    let cases = [
        ("[webhook]\nsecret = 'x'", "`webhook.verify` is missing"),
        ("[webhook]\nsecret = 'short'\nverify = 'path'", "at least 16 letters"),
        ("[webhook]\nsecret = '0123456789/abcdef'\nverify = 'path'", "at least 16 letters"),
        ("[webhook]\nsecret = ''\nverify = { basic = { username = 'a' } }", "`webhook.secret` is empty"),
        ("[webhook]\nsecret = 'x'\nverify = { header = { name = 'a b' } }", "`a b` is not a header's name"),
        (
            "[webhook]\nsecret = 'x'\nverify = { basic = { username = 'a' } }\nstatus = { id = 'id' }",
            "`webhook.status.id`: `id` is not a JSON pointer: write it like /id",
        ),
        (
            "[webhook]\nsecret = 'x'\nverify = { basic = { username = 'a' } }\nstatus = { id = '/id' }",
            "go together: one of them is missing",
        ),
    ];
    for (config, expected) in cases {
        let error = webhooks(config).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
