//! Mails as another program reads them, and the pages behind their links: as a mailbox provider uses them, as scanners and
//! strangers do, and in a real browser.

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod links;
mod mails;

use serde_json::{Value, json};
use support::shop::{Shop, event, lines};
use support::{python, run};

const SHORT: std::time::Duration = std::time::Duration::from_secs(60);

/// The DNS record of the key that mails are signed with.
const DKIM_TXT: &str = include_str!("../data/smtp/dkim-rsa.txt");

/// The shop's day, at a pace at which a test can follow.
const CLOCK: &str = "start = 2026-11-23T09:45:00Z\nspeed = 60.0";

/// A shop that signs its mail.
fn open() -> Shop {
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/smtp/dkim-rsa.pem");
    let dkim = format!(
        "[[smtp.dkim]]\ndomain = 'maison-lumen.example'\nselector = 'declic'\nalgorithm = 'rsa-sha256'\n\
         private_key_file = '{key}'"
    );
    Shop::open_with(&dkim, CLOCK)
}

/// A customer signs up, with a tick for the newsletter.
fn sign_up(shop: &Shop, customer: &str, locale: &str) {
    let data = json!({
        "email": format!("{customer}@example.com"), "first_name": "Alice", "locale": locale,
        "consents": [{"channel": "email", "purpose": "newsletter", "status": "granted", "source": "sign-up form"}],
    });
    let id = format!("signed-up-{customer}");
    shop.publish(&[event(&id, "customer.signed_up", customer, "2026-11-23T09:45:00Z", data)]);
}

/// The mails that were sent so far, as Python's parser reads them; each is well formed and its signature right.
fn mails(shop: &Shop) -> Vec<Value> {
    let mut check = python("check_mail.py");
    let mails = lines(&run(check.args(["--dkim-txt", DKIM_TXT.trim()]).arg(shop.sink.folder())));
    for mail in &mails {
        assert_eq!(mail["dkim"], true, "the signature of {mail}");
    }
    mails
}

/// Waits for the mail with these words in its subject.
fn mail(shop: &Shop, to: &str, words: &str) -> Value {
    let mut found = None;
    let came = support::wait_until(SHORT, || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let is_it = |mail: &Value| {
            let has =
                |field: &str, words: &str| mail[field].as_str().is_some_and(|text| text.contains(words));
            has("to", to) && has("subject", words)
        };
        found = mails(shop).into_iter().find(is_it);
        found.is_some()
    });
    assert!(came, "no mail to {to} about {words}");
    found.expect("it came")
}

/// The path of the first link of this kind (`/c/`) in a text.
fn path(text: &Value, kind: &str) -> String {
    let text = text.as_str().expect("a text");
    let start = text.find(&format!("https://news.example.com{kind}")).expect("our own link");
    let link = &text[start + "https://news.example.com".len()..];
    link[..link.find(|c: char| c.is_whitespace() || "\"<>".contains(c)).unwrap_or(link.len())].to_owned()
}

/// The ledger of a customer, the oldest line first, each as `channel purpose status`.
fn ledger(shop: &Shop, customer: &str) -> Vec<String> {
    let shown = run(shop.declic().args(["consents", "show", customer, "--format", "ndjson"]));
    let word = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    lines(&shown)
        .iter()
        .map(|line| format!("{} {} {}", word(line, "channel"), word(line, "purpose"), word(line, "status")))
        .collect()
}
