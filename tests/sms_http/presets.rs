//! What each preset sends, byte for byte, and what a configuration may not say.

use declic::channels::sms::http::preset_names;
use declic::channels::{Answer, HttpSms};

use crate::stub::{Stub, json};
use crate::{channel, config, sms};

const KEY: &str = "hook-0123456789abcdef";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Head in lines, sorted but for the first, and the body.
fn parts(request: &str) -> (String, Vec<String>, String) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let first = lines.next().unwrap();
    let mut headers: Vec<_> = lines.filter(|line| !line.starts_with("host: ")).collect();
    headers.sort();
    (first, headers, body.to_owned())
}

/// Sends one message through the preset to a provider on this machine, under the preset's own path.
async fn sent(preset: &str, path: &str, answer: &str) -> (Answer, (String, Vec<String>, String)) {
    let stub = Stub::start(vec![json("201 Created", answer)]).await;
    let url = format!("http://127.0.0.1:{}{path}", stub.port);
    let config = format!(
        "preset = '{preset}'\naccount = 'AC12'\nsecret = 'k:1'\nurl = '{url}'\n[webhook]\nsecret = '{KEY}'"
    );
    let answer = channel(&config).send(&sms()).await;
    (answer, parts(&stub.requests()[0]))
}

fn headers(own: &[&str], kind: &str, length: usize) -> Vec<String> {
    let mut all: Vec<String> = own.iter().map(|&line| line.to_owned()).collect();
    all.push("accept: application/json".to_owned());
    all.push(format!("content-type: {kind}"));
    all.push(format!("content-length: {length}"));
    all.push(format!("user-agent: declic/{VERSION}"));
    all.sort();
    all
}

fn accepted(id: &str) -> Answer {
    Answer::Accepted { reply: format!("201 {id}"), ids: vec![id.to_owned()] }
}

#[tokio::test]
async fn twilio() {
    let path = "/2010-04-01/Accounts/{{account}}/Messages.json";
    let (answer, (first, head, body)) =
        sent("twilio", path, "{\"sid\": \"SM9\", \"error_code\": null}").await;
    assert_eq!(answer, accepted("SM9"));
    assert_eq!(first, "POST /2010-04-01/Accounts/AC12/Messages.json HTTP/1.1");
    // AC12:k:1
    let own = ["authorization: Basic QUMxMjprOjE="];
    assert_eq!(head, headers(&own, "application/x-www-form-urlencoded", body.len()));
    assert_eq!(
        body,
        "Body=Zo%C3%A9+%3A+-20+%25+%26+%22plus%22%0ASTOP+36111&From=LUMEN\
         &StatusCallback=https%3A%2F%2Fnews.example.com%2Fsms%2Fstatus&To=%2B33612345678"
    );
}

#[tokio::test]
async fn brevo() {
    let (answer, (first, head, body)) = sent("brevo", "/v3/x", "{\"messageId\": 1511882900176220}").await;
    assert_eq!(answer, accepted("1511882900176220"));
    assert_eq!(first, "POST /v3/x HTTP/1.1");
    assert_eq!(head, headers(&["api-key: k:1"], "application/json", body.len()));
    assert_eq!(
        body,
        format!(
            r#"{{"content":"Zoé : -20 % & \"plus\"\nSTOP 36111","recipient":"33612345678","sender":"LUMEN","type":"transactional","unicodeEnabled":true,"webUrl":"https://news.example.com/sms/status/{KEY}"}}"#
        )
    );
}

#[tokio::test]
async fn smsmode() {
    let (answer, (_, head, body)) = sent("smsmode", "/sms/v1/messages", "{\"messageId\": \"0c3d\"}").await;
    assert_eq!(answer, accepted("0c3d"));
    assert_eq!(head, headers(&["x-api-key: k:1"], "application/json", body.len()));
    assert_eq!(
        body,
        r#"{"body":{"text":"Zoé : -20 % & \"plus\"\nSTOP 36111"},"from":"LUMEN","recipient":{"to":"33612345678"},"refClient":"0123456789abcdef0123456789abcdef"}"#
    );
}

#[tokio::test]
async fn octopush() {
    let (answer, (_, head, body)) = sent("octopush", "/v1", "{\"sms_ticket\": \"sms_5f\"}").await;
    assert_eq!(answer, accepted("sms_5f"));
    assert_eq!(head, headers(&["api-key: k:1", "api-login: AC12"], "application/json", body.len()));
    assert_eq!(
        body,
        r#"{"auto_optimize_text":false,"purpose":"wholesale","recipients":[{"phone_number":"+33612345678"}],"request_id":"0123456789abcdef0123456789abcdef","sender":"LUMEN","text":"Zoé : -20 % & \"plus\"\nSTOP 36111"}"#
    );
}

#[tokio::test]
async fn presets_can_be_bent() {
    let stub = Stub::start(vec![json("200 OK", "{}")]).await;
    let channel = channel(&format!(
        "preset = 'brevo'\nsecret = 'k'\nurl = '{}'\nmethod = 'PUT'\n[headers]\nX-Shop = 'lumen'\n\
         [body]\ntype = 'marketing'\ntag = ['{{{{message_id}}}}']\n",
        stub.url()
    ));
    let mut message = sms();
    message.from = None;
    message.text = "{{to}}".to_owned();
    channel.send(&message).await;
    let (first, head, body) = parts(&stub.requests()[0]);
    assert_eq!(first, "PUT /send HTTP/1.1");
    assert!(head.contains(&"x-shop: lumen".to_owned()));
    // Absent values leave their fields out; what stands in a value is no template.
    assert_eq!(
        body,
        r#"{"content":"{{to}}","recipient":"33612345678","tag":["0123456789abcdef0123456789abcdef"],"type":"marketing","unicodeEnabled":true}"#
    );
}

#[test]
fn every_preset_is_whole() {
    let mut seen = 0;
    for name in preset_names() {
        let config = config(&format!("preset = '{name}'\naccount = 'A'\nsecret = 's'"));
        HttpSms::new(&config, "https://x.example").unwrap_or_else(|e| panic!("{name}: {e}"));
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("preset = 'twillio'", "`preset` is `twillio`; there are `brevo`, `octopush`, `smsmode`, `twilio`"),
        ("preset = 'twilio'\nsecret = 's'", "`account` is missing: `url` is `https://api.twilio.com/"),
        ("preset = 'brevo'", "`secret` (or `secret_file`) is missing"),
        ("preset = 'brevo'\nsecret = \"a\\nb\"", "`secret` cannot be a header's value"),
        ("secret = 's'", "`url` is missing, and no `preset` gives it"),
        ("url = 'https://x.example'", "`body` is missing"),
        ("url = 'x.example'\nbody = { a = 'b' }", "`url`: `x.example`"),
        ("url = 'ftp://x.example'\nbody = { a = 'b' }", "neither https:// nor http://"),
        ("url = 'http://x.example'\nbody = { a = 'b' }", "would send secret and texts to x.example readable"),
        ("url = 'https://u:p@x.example'\nbody = { a = 'b' }", "`url` holds a user"),
        ("url = 'https://x.example/{{to}}'\nbody = { a = 'b' }", "may name the account only"),
        ("url = 'https://x.example'\nbody = { a = '{{tox}}' }", "`body.a`: `{{tox}}` is not known"),
        (
            "url = 'https://x.example'\ncontent_type = 'form'\nbody = { a = { b = 'c' } }",
            "`body.a`: a form has no",
        ),
        ("url = 'https://x.example'\nbody = { a = 'b' }\nid_pointer = 'id'", "write it like /id"),
        ("url = 'https://x.example'\nbody = { a = 'b' }\ncheck_path = 'id'", "`check_path` is not a path"),
        (
            "url = 'https://x.example'\nbody = { a = 'b' }\nca_file = '/nowhere.pem'",
            "`ca_file` /nowhere.pem cannot be read",
        ),
        (
            "url = 'https://x.example'\nbody = { a = 'b' }\nheaders = { 'a b' = 'c' }",
            "`headers.a b`: `a b` is not",
        ),
    ];
    for (text, expected) in cases {
        let error = HttpSms::new(&config(text), "https://news.example.com").unwrap_err();
        assert!(error.contains(expected), "{text}\n{error}");
    }
    for text in [
        "url = 'http://127.0.0.1:1'\nbody = { a = 'b' }",
        "url = 'http://[::1]:1'\nbody = { a = 'b' }",
        "url = 'http://localhost'\nbody = { a = 'b' }",
        "url = 'http://x.example'\nallow_http = true\nbody = { a = 'b' }",
    ] {
        channel(text);
    }
    assert!(toml::from_str::<declic::channels::HttpSmsConfig>("urll = 'x'").is_err());
}
