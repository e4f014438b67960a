use super::super::config::HttpSmsConfig;
use super::super::presets::with_preset;
use super::*;

const TO: &str = "+33612345678";

fn provider(config: &str) -> Provider {
    let config: HttpSmsConfig = toml::from_str(config).unwrap();
    Provider::new(&with_preset(&config).unwrap()).unwrap()
}

fn preset(name: &str) -> Provider {
    provider(&format!("preset = '{name}'\naccount = 'AC1'\nsecret = 'key-of-ours'"))
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, date: None, body: Ok(body.as_bytes().to_vec()) }
}

fn lost(status: u16) -> Reply {
    Reply { status, retry_after: None, date: None, body: Err("its text was cut short".to_owned()) }
}

fn scope(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accepted { .. } => "accepted",
        Answer::Retry { .. } => "retry",
        Answer::Busy { .. } => "busy",
        Answer::Wait { .. } => "wait",
        Answer::Refused { bad_address: true, .. } => "address",
        Answer::Refused { bad_address: false, .. } => "message",
        Answer::ProviderRefused { .. } => "us",
        Answer::Uncertain { .. } => "uncertain",
        Answer::Invalid { .. } => "invalid",
    }
}

#[test]
fn what_each_preset_says() {
    let cases = [
        (
            "twilio",
            201,
            r#"{"sid": "SM12", "status": "queued", "error_code": null, "body": "x"}"#,
            "accepted",
        ),
        ("twilio", 201, r#"{"status": "queued"}"#, "accepted"),
        (
            "twilio",
            400,
            r#"{"code": 21211, "message": "The 'To' number 5 is not valid", "status": 400}"#,
            "address",
        ),
        ("twilio", 400, r#"{"code": 21614, "message": "not a mobile number", "status": 400}"#, "address"),
        ("twilio", 400, r#"{"code": 21610, "message": "unsubscribed recipient", "status": 400}"#, "message"),
        ("twilio", 400, r#"{"code": 21606, "message": "not a Twilio number", "status": 400}"#, "us"),
        ("twilio", 400, r#"{"code": 99999, "message": "something new", "status": 400}"#, "message"),
        ("twilio", 401, r#"{"code": 20003, "message": "Authenticate", "status": 401}"#, "us"),
        ("twilio", 404, r#"{"code": 20404, "message": "not found", "status": 404}"#, "us"),
        ("twilio", 429, r#"{"code": 20429, "message": "Too Many Requests", "status": 429}"#, "busy"),
        ("twilio", 400, r#"{"code": 21611, "message": "queue is full", "status": 400}"#, "busy"),
        ("brevo", 201, r#"{"messageId": 1511882900176220}"#, "accepted"),
        ("brevo", 201, r#"{"reference": "ab1", "messageId": 1511882900176220, "smsCount": 2}"#, "accepted"),
        ("brevo", 402, r#"{"code": "not_enough_credits", "message": "Not enough credits"}"#, "us"),
        ("brevo", 400, r#"{"code": "not_enough_credits", "message": "Not enough credits"}"#, "us"),
        ("brevo", 400, r#"{"code": "invalid_parameter", "message": "Invalid phone number"}"#, "message"),
        ("brevo", 401, r#"{"code": "unauthorized", "message": "Key not found"}"#, "us"),
        ("smsmode", 201, r#"{"messageId": "0c3d28c6-1b2a", "price": {"amount": 0.05}}"#, "accepted"),
        ("smsmode", 403, r#"{"status": 403, "message": "Channel type mismatch"}"#, "us"),
        ("smsmode", 400, r#"{"status": 400, "message": "Validation error", "detail": "x"}"#, "message"),
        ("octopush", 201, r#"{"sms_ticket": "sms_5fa275dbf21dc", "number_of_contacts": 1}"#, "accepted"),
        ("octopush", 400, r#"{"code": 120, "message": "A SMS with the same request_id"}"#, "accepted"),
        ("octopush", 400, r#"{"code": 117, "message": "no correct numbers"}"#, "address"),
        ("octopush", 400, r#"{"code": 104, "message": "run out of credit"}"#, "us"),
        ("octopush", 422, r#"{"code": 107, "message": "text is missing"}"#, "message"),
    ];
    for (name, status, body, expected) in cases {
        let answer = answer(&preset(name), &reply(status, body), TO);
        assert_eq!(scope(&answer), expected, "{name} {status} {body}: {answer:?}");
    }
}

#[test]
fn what_a_status_alone_says() {
    // (status, without, with an idempotency header).
    let cases = [
        (204, "accepted", "accepted"),
        (301, "us", "us"),
        (307, "us", "us"),
        (400, "message", "message"),
        (401, "us", "us"),
        (402, "us", "us"),
        (403, "us", "us"),
        (404, "us", "us"),
        (405, "us", "us"),
        (408, "busy", "busy"),
        (409, "message", "busy"),
        (413, "message", "message"),
        (422, "message", "message"),
        (425, "busy", "busy"),
        (429, "busy", "busy"),
        (500, "uncertain", "busy"),
        (501, "us", "us"),
        (502, "uncertain", "busy"),
        (503, "busy", "busy"),
        (504, "uncertain", "busy"),
        (505, "us", "us"),
        (520, "uncertain", "busy"),
        (101, "uncertain", "busy"),
    ];
    let text = "preset = 'twilio'\naccount = 'A'\nsecret = 's'";
    let (plain, idempotent) =
        (provider(text), provider(&format!("{text}\nidempotency_header = 'Idempotency-Key'")));
    for (status, without, with) in cases {
        assert_eq!(scope(&answer(&plain, &reply(status, "{}"), TO)), without, "{status}");
        assert_eq!(scope(&answer(&idempotent, &reply(status, "{}"), TO)), with, "{status}, idempotent");
    }
}

#[test]
fn bodies_that_say_nothing() {
    let twilio = preset("twilio");
    let strict = provider("preset = 'twilio'\naccount = 'A'\nsecret = 's'\nerrors_in_2xx = true");
    let silent = provider("url = 'https://x.example'\nbody = { a = '{{to}}' }");
    let html = "<html>captive portal</html>";
    let cases = [
        (&twilio, reply(201, ""), "accepted"),
        (&twilio, reply(201, html), "uncertain"),
        (&twilio, lost(201), "accepted"),
        (&strict, lost(201), "uncertain"),
        (&twilio, reply(201, r#"{"sid": ""}"#), "accepted"),
        (&twilio, reply(201, r#"{"sid": {"a": 1}}"#), "accepted"),
        (&twilio, reply(200, r#"{"code": 21211}"#), "address"),
        (&twilio, reply(200, r#"{"code": 4711}"#), "message"),
        (&twilio, reply(200, r#"{"code": 0}"#), "accepted"),
        (&twilio, reply(200, r#"{"code": "OK"}"#), "accepted"),
        // Not in the provider's form: not the provider's word on this message.
        (&twilio, reply(400, html), "us"),
        (&twilio, reply(400, r#"{"code": 212"#), "us"),
        (&twilio, lost(400), "retry"),
        (&twilio, lost(401), "us"),
        (&twilio, lost(500), "uncertain"),
        (&twilio, lost(503), "busy"),
        // A provider that is not said to speak JSON may say what it likes.
        (&silent, reply(200, "OK 1"), "accepted"),
        (&silent, reply(400, "bad number"), "message"),
    ];
    for (provider, reply, expected) in cases {
        let answer = answer(provider, &reply, TO);
        assert_eq!(scope(&answer), expected, "{reply:?}: {answer:?}");
    }
}

#[test]
fn names_of_the_message() {
    let one = |body: &str, pointer: &str| {
        let config = format!("url = 'https://x.example'\nbody = {{ a = '1' }}\nid_pointer = '{pointer}'");
        match answer(&provider(&config), &reply(200, body), TO) {
            Answer::Accepted { ids, .. } => ids,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(one(r#"{"id": 1511882900176220}"#, "/id"), ["1511882900176220"]);
    assert_eq!(one(r#"{"messages": [{"id": "a"}]}"#, "/messages/0/id"), ["a"]);
    assert_eq!(one(r#"{"ids": ["a", "b", "a", "", null, 3]}"#, "/ids"), ["a", "b", "3"]);
    assert_eq!(one(r#"["a"]"#, ""), ["a"]);
    assert!(one(r#"{"id": true}"#, "/id").is_empty());
}

#[test]
fn a_status_can_be_listed() {
    let provider = provider(
        "preset = 'twilio'\naccount = 'A'\nsecret = 's'\n[errors]\npermanent = ['http:404']\nthrottled = [21211]",
    );
    assert_eq!(scope(&answer(&provider, &reply(404, "{}"), TO)), "message");
    // The own lists come with the preset's; the code that says more about the message wins.
    assert_eq!(scope(&answer(&provider, &reply(404, r#"{"code": 21614}"#), TO)), "address");
}

#[test]
fn a_wait_is_kept_where_the_provider_is_busy() {
    let twilio = preset("twilio");
    let asked = |status, wait: &str, date: Option<&str>| {
        let retry_after = Some(wait.to_owned());
        let reply = Reply { retry_after, date: date.map(str::to_owned), ..reply(status, "{}") };
        match super::answer(&twilio, &reply, TO) {
            Answer::Wait { pause, .. } => Some(pause.as_secs()),
            _ => None,
        }
    };
    let (date, then) = ("Mon, 23 Nov 2026 10:00:00 GMT", "Mon, 23 Nov 2026 10:02:05 GMT");
    assert_eq!(asked(429, "30", None), Some(30));
    assert_eq!(asked(503, " 7 ", Some(date)), Some(7));
    assert_eq!(asked(429, then, Some(date)), Some(125), "by the provider's own clock");
    assert_eq!(asked(429, then, None), None, "ours may be another");
    assert_eq!(asked(429, date, Some(then)), None, "in the past");
    assert_eq!(asked(429, "soon", Some(date)), None);
    assert_eq!(asked(401, "30", None), None, "a refusal has a pause of its own");
}

#[test]
fn words_are_short_and_hold_no_number() {
    let twilio = preset("twilio");
    let body = r#"{"code": 21211, "message": "The 'To' number +33612345678 or 0612345678\nis not valid"}"#;
    let mut answered = reply(400, body);
    answered.retry_after = Some("30".to_owned());
    let mut answer = super::answer(&twilio, &answered, TO);
    assert_eq!(answer.words_mut(), "400 21211 The 'To' number …78 or …78 is not valid (asks to wait: 30)",);
    let long = format!(r#"{{"message": "{}"}}"#, "é".repeat(1000));
    assert_eq!(super::answer(&twilio, &reply(400, &long), TO).words_mut().chars().count(), LONGEST_WORDS);
}
