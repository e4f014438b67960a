//! Mails that came back, with a real worker, broker, database and mail server: from the return path on the envelope to the
//! next mail that is not sent.

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use support::shop::{Shop, event, lines};
use support::{Folder, run};

const PATIENCE: Duration = Duration::from_secs(30);

fn sign_up(customer: &str, email: &str) -> String {
    let word = json!({ "channel": "email", "purpose": "marketing", "status": "granted" });
    let profile = json!({ "email": email, "consents": [word] });
    event(&format!("in-{customer}"), "customer.signed_up", customer, "2026-11-23T10:00:00Z", profile)
}

/// A maildir with one mail in it.
fn deliver(maildir: &Path, name: &str, mail: &str) {
    let written = maildir.join("tmp").join(name);
    std::fs::write(&written, mail).expect("our own folder");
    std::fs::rename(written, maildir.join("new").join(name)).expect("our own folder");
}

/// What a mail server says that could not deliver a mail (RFC 3464), to whom the mail came from.
fn bounce(return_path: &str, recipient: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example.com\nTo: <{return_path}>\nSubject: Undelivered Mail Returned to Sender\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\nMIME-Version: 1.0\n\n\
         --b\nContent-Type: text/plain\n\nI'm sorry to have to inform you\n\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n\n\
         Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: User unknown\n\n--b--\n"
    )
}

/// What a mailbox provider says when a reader calls a mail unwanted (RFC 5965).
fn complaint(message_id: &str, recipient: &str) -> String {
    format!(
        "From: abuse@mx.example.com\nTo: abuse@news.example.org\nSubject: Abuse report\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\nMIME-Version: 1.0\n\n\
         --b\nContent-Type: text/plain\n\nThis is an abuse report\n\n\
         --b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: MX/1\nVersion: 1\n\
         Original-Rcpt-To: <{recipient}>\n\n\
         --b\nContent-Type: text/rfc822-headers\n\nFrom: contact@maison-lumen.example\nTo: <{recipient}>\n\
         Message-ID: <{message_id}@maison-lumen.example>\nSubject: Bienvenue\n\n--b--\n"
    )
}

/// Feeds a mail to `declic bounces ingest`, as a mail server's pipe does; the exit code and what it says.
fn ingest(shop: &Shop, mail: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = shop.declic();
    for (name, value) in variables {
        command.env(name, value);
    }
    command.args(["bounces", "ingest"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("declic starts");
    child.stdin.take().expect("piped").write_all(mail.as_bytes()).expect("it reads all of it");
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn told(shop: &Shop, arguments: &[&str]) -> Vec<Value> {
    let mut command: Command = shop.declic();
    lines(&run(command.args(arguments).args(["--format", "ndjson"])))
}

#[test]
fn what_comes_back_ends_its_message_and_is_the_last_mail_to_its_address() {
    let maildir = Folder::new("maildir");
    for part in ["tmp", "new", "cur"] {
        std::fs::create_dir(maildir.join(part)).expect("our own folder");
    }
    let section = format!(
        "bounce_address = 'bounces@news.example.org'\n[bounces]\nmaildir = '{}'\n",
        maildir.path().display()
    );
    let shop = Shop::open_with(&section, "start = 2026-11-23T10:00:00Z\nspeed = 60.0");
    let worker = shop.start();
    shop.publish(&[sign_up("alice", "alice@example.com"), sign_up("bob", "bob@example.com")]);
    shop.wait_for(PATIENCE, |all| all.len() == 2 && all.iter().all(|m| m["state"] == "sent"));
    let mails = shop.sink.wait_for(2, PATIENCE);
    let of = |who: &str| mails.iter().find(|mail| mail.envelope["to"][0] == who).expect("a mail");
    let path = |who: &str| of(who).envelope["from"].as_str().expect("a sender").to_owned();
    let message = |customer: &str| {
        let all = shop.messages();
        all.iter().find(|m| m["customer"] == customer).expect("a message").clone()
    };
    let alice = path("alice@example.com");
    let id = message("alice")["id"].as_str().expect("an id").to_owned();
    assert!(alice.starts_with(&format!("bounces+{id}-")) && alice.ends_with("@news.example.org"), "{alice}");
    assert_ne!(alice, path("bob@example.com"));

    // Whoever makes a return path up bounces nobody, nor does a message's id without its recipient.
    let (begin, tag) = path("bob@example.com")
        .rsplit_once('@')
        .map(|(l, _)| l.to_owned())
        .map(|local| {
            let (begin, tag) = local.rsplit_once('-').expect("a tag");
            (begin.to_owned(), tag.to_owned())
        })
        .expect("an address");
    let forged = format!("{begin}-{}@news.example.org", tag.chars().rev().collect::<String>());
    deliver(maildir.path(), "1.forged", &bounce(&forged, "bob@example.com"));
    deliver(maildir.path(), "2.stranger", &bounce("bounces@news.example.org", "bob@example.com"));
    deliver(maildir.path(), "3.real", &bounce(&alice, "alice@example.com"));
    let bounced = |all: &[Value]| all.iter().any(|m| m["customer"] == "alice" && m["state"] == "bounced");
    shop.wait_for(PATIENCE, bounced);
    assert_eq!(message("bob")["state"], "sent");
    let seen = std::fs::read_dir(maildir.join("cur")).expect("a folder").count();
    assert_eq!((seen, std::fs::read_dir(maildir.join("new")).expect("a folder").count()), (3, 0));
    let list = told(&shop, &["suppressions", "list"]);
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((&list[0]["address"], &list[0]["reason"]), (&json!("alice@example.com"), &json!("bounced")));

    // The same address under another name: not written to.
    shop.publish(&[sign_up("alice-again", "Alice@example.com")]);
    let all = shop.wait_for(PATIENCE, |all| {
        all.len() == 3 && all.iter().all(|m| m["state"] != "claimed" && m["state"] != "pending")
    });
    let again = all.iter().find(|m| m["customer"] == "alice-again").expect("a message");
    assert_eq!((&again["state"], &again["reason"]), (&json!("suppressed"), &json!("suppressed_address")));

    // What never left cannot have come back, whoever says so.
    let never = complaint(again["id"].as_str().expect("an id"), "alice@example.com");
    ingest(&shop, &never, &[]);
    let all = shop.messages();
    let again = all.iter().find(|m| m["customer"] == "alice-again").expect("a message");
    assert_eq!(again["state"], "suppressed");
    let words = told(&shop, &["consents", "show", "alice-again"]);
    assert!(words.iter().all(|word| word["status"] == "granted"), "{words:?}");

    // A complaint by the pipe of a mail server, twice: a withdrawal like any other.
    let report = complaint(message("bob")["id"].as_str().expect("an id"), "bob@example.com");
    assert_eq!(ingest(&shop, &report, &[]), (Some(0), "complaint".to_owned()));
    assert_eq!(ingest(&shop, &report, &[]), (Some(0), "known".to_owned()));
    assert_eq!(message("bob")["state"], "complained");
    let words = told(&shop, &["consents", "show", "bob"]);
    let word = words.iter().find(|word| word["purpose"] == "marketing" && word["status"] == "withdrawn");
    assert_eq!(word.expect("a withdrawal")["proof"]["source"], "complaint", "{words:?}");
    // What is no report says so and is no error; where nothing can be kept, the mail server tries again.
    assert_eq!(ingest(&shop, "Subject: hello\n\nHow are you?\n", &[]).0, Some(0));
    let away = [("DECLIC_DATABASE__URL", "postgres://app@127.0.0.1:1/none")];
    assert_eq!(ingest(&shop, &report, &away).0, Some(75), "EX_TEMPFAIL");
    drop(worker);
}

/// Posts to the provider's webhook; the status of the answer.
fn post(shop: &Shop, key: &str, body: &Value) -> u16 {
    let body = body.to_string();
    let head = format!("POST /email/{key} HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/plain\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let answer = support::shop::ask(shop.public, &request).expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

#[test]
fn a_provider_and_the_shop_tell_what_came_back() {
    let key = "0123456789abcdef0123456789abcdef";
    let section = format!("[bounces.webhook]\nprovider = 'ses'\nsecret = '{key}'\n");
    let shop = Shop::open_with(&section, "start = 2026-11-23T10:00:00Z\nspeed = 60.0");
    let worker = shop.start();
    let customers = ["alice", "bob", "carla", "dora"];
    let sign_ups = customers.map(|customer| sign_up(customer, &format!("{customer}@example.com")));
    shop.publish(&sign_ups);
    let all = shop.wait_for(PATIENCE, |all| all.len() == 4 && all.iter().all(|m| m["state"] == "sent"));
    let id = |customer: &str| {
        let message = all.iter().find(|m| m["customer"] == customer).expect("a message");
        message["id"].as_str().expect("an id").to_owned()
    };

    // The provider, in the envelope of its topic; a stranger, and a word that it wants to be welcome.
    let message = json!({
        "notificationType": "Bounce",
        "bounce": {"bounceType": "Permanent", "feedbackId": "f-1", "bouncedRecipients": [
            {"emailAddress": "alice@example.com", "status": "5.1.1", "diagnosticCode": "smtp; 550 no such user"}]},
        "mail": {"commonHeaders": {"messageId": format!("<{}@maison-lumen.example>", id("alice"))}},
    });
    let notification = json!({"Type": "Notification", "Message": message.to_string()});
    assert_eq!(post(&shop, "0123456789abcdef0123456789abcdee", &notification), 403);
    assert_eq!(post(&shop, key, &json!({"Type": "Notification", "Message": "?"})), 400);
    assert_eq!(post(&shop, key, &notification), 200);
    assert_eq!(post(&shop, key, &notification), 200, "twice");
    let url = "https://sns.eu-west-3.amazonaws.com/?Action=ConfirmSubscription&Token=1";
    assert_eq!(post(&shop, key, &json!({"Type": "SubscriptionConfirmation", "SubscribeURL": url})), 200);
    assert!(worker.log().contains(url), "{}", worker.log());

    // The shop: by the address, by the message, of an address that nobody knows, and too little.
    let tell = |id: &str, kind: &str, customer: &str, data: Value| {
        event(id, kind, customer, "2026-11-23T10:05:00Z", data)
    };
    shop.publish(&[
        tell("b-1", "email.bounced", "bob", json!({"email": "Bob@example.com", "status": "5.1.1"})),
        tell("b-2", "email.bounced", "carla", json!({"message_id": id("carla"), "kind": "soft"})),
        tell("b-3", "email.complained", "dora", json!({"message_id": id("dora")})),
        tell("b-4", "email.bounced", "zoe", json!({"email": "zoe@example.com", "kind": "hard"})),
        tell("b-5", "email.bounced", "alice", json!({"kind": "hard"})),
    ]);
    let state = |all: &[Value], customer: &str| {
        all.iter().find(|m| m["customer"] == customer).map_or(Value::Null, |m| m["state"].clone())
    };
    let all = shop.wait_for(PATIENCE, |all| {
        customers.iter().all(|customer| ["bounced", "complained"].iter().any(|s| state(all, customer) == *s))
    });
    assert_eq!(
        customers.map(|customer| state(&all, customer)),
        ["bounced", "bounced", "bounced", "complained"]
    );
    let words = told(&shop, &["consents", "show", "dora"]);
    assert!(words.iter().any(|word| word["status"] == "withdrawn" && word["proof"]["source"] == "complaint"));
    let listed = || -> Vec<String> {
        let list = told(&shop, &["suppressions", "list"]);
        let mut list: Vec<String> =
            list.iter().map(|row| row["address"].as_str().unwrap_or_default().to_owned()).collect();
        list.sort();
        list
    };
    let expected = ["alice@example.com", "bob@example.com", "dora@example.com", "zoe@example.com"];
    assert!(support::wait_until(PATIENCE, || listed() == expected), "{:?}", listed());
    let letters = told(&shop, &["dead-letters", "list"]);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0]["detail"].as_str().is_some_and(|words| words.contains("data.email")), "{letters:?}");
    drop(worker);
}
