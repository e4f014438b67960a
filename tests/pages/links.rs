//! Links as programs use them: the one click of mailbox providers (RFC 8058), scanners that open whatever they see, and
//! strangers who guess.

use std::time::Duration;

use serde_json::Value;

use super::{SHORT, ledger, mail, open, path, sign_up};
use crate::support::shop::{Shop, ask};
use crate::support::wait_until;

const STOPPED: Duration = Duration::from_secs(25);

/// Sends a request to the public pages; its status, headers and body.
fn request(shop: &Shop, method: &str, path: &str, kind: &str, body: &str) -> (u16, String, String) {
    let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: news.example.com\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(shop.public, &request).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_ascii_lowercase(), body.to_owned())
}

const FORM: &str = "application/x-www-form-urlencoded";

/// What no program that looks at a link, and nobody who asks for something else, may change.
fn look(shop: &Shop, path: &str) {
    for method in ["GET", "HEAD"] {
        let (status, head, body) = request(shop, method, path, "", "");
        assert_eq!(status, 200, "{method}: {head}");
        assert_eq!(body.is_empty(), method == "HEAD");
        for header in [
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "x-robots-tag: noindex",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
        assert!(!head.contains("set-cookie") && !head.contains("location:"), "{head}");
    }
    for (method, kind, body, expected) in [
        ("POST", FORM, "", 400),
        ("POST", FORM, "List-Unsubscribe=No", 400),
        ("POST", "application/json", "{\"confirm\":\"yes\"}", 400),
        ("POST", "", "anything at all", 400),
        ("PUT", FORM, "List-Unsubscribe=One-Click", 405),
        ("DELETE", "", "", 405),
        ("OPTIONS", "", "", 405),
    ] {
        let (status, _, _) = request(shop, method, path, kind, body);
        assert_eq!(status, expected, "{method} {body}");
    }
}

/// Tokens near this one, none of which is one.
fn tampered(path: &str) -> Vec<String> {
    let (kind, token) = path.split_at(3);
    let mut tokens: Vec<String> = (0..token.len())
        .step_by(token.len() / 24)
        .map(|at| {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{kind}{}{other}{}", &token[..at], &token[at + 1..])
        })
        .collect();
    tokens.push(path[..path.len() - 1].to_owned());
    tokens.push(format!("{path}A"));
    tokens.push(kind.to_owned());
    // A link of one kind is none of another.
    tokens.extend(
        ["/u/", "/p/", "/c/"].into_iter().filter(|other| *other != kind).map(|k| format!("{k}{token}")),
    );
    tokens
}

#[test]
fn a_mailbox_provider_unsubscribes_with_one_click() {
    let shop = open();
    let worker = shop.start();
    sign_up(&shop, "alice", "fr-FR");
    let welcome = mail(&shop, "alice@", "Bienvenue");

    // RFC 8058 §4: an https URI, the field that announces one click, and a signature over both.
    let link = welcome["list_unsubscribe"].as_str().expect("a header");
    assert_eq!(link.matches("https://").count(), 1, "{link}");
    assert_eq!(welcome["list_unsubscribe_post"], "List-Unsubscribe=One-Click");
    let raw = shop
        .sink
        .mails()
        .into_iter()
        .map(|mail| String::from_utf8_lossy(&mail.raw).replace("\r\n\t", "\r\n "));
    for raw in raw.filter(|raw| raw.contains("List-Unsubscribe:")) {
        let unfolded = raw.replace("\r\n ", " ");
        let signature =
            unfolded.lines().find(|line| line.starts_with("DKIM-Signature:")).expect("a signature");
        let signed =
            signature.split(';').find_map(|tag| tag.trim().strip_prefix("h=")).expect("signed fields");
        let signed: Vec<String> = signed.split(':').map(|field| field.trim().to_ascii_lowercase()).collect();
        for field in ["list-unsubscribe", "list-unsubscribe-post"] {
            assert!(signed.iter().any(|name| name == field), "{field} is not signed: {signature}");
        }
    }

    let path = path(&welcome["list_unsubscribe"], "/u/");
    let before = ledger(&shop, "alice");
    assert_eq!(before, ["email newsletter pending"]);
    look(&shop, &path);
    for path in tampered(&path) {
        let (status, _, _) = request(&shop, "POST", &path, FORM, "List-Unsubscribe=One-Click");
        assert!(status == 404 || status == 429, "{path}: {status}");
    }
    assert_eq!(ledger(&shop, "alice"), before, "nothing has changed");

    // §3.1: the body, exactly, in either form; no redirect, no cookie, no question. A client that was limited for
    // guessing is heard all the same: it may be a provider that carries everybody's clicks.
    let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    for (kind, body) in [(FORM, "List-Unsubscribe=One-Click"), ("multipart/form-data; boundary=b", multipart)]
    {
        let (status, head, _) = request(&shop, "POST", &path, kind, body);
        assert_eq!(status, 200, "{kind}");
        assert!(!head.contains("set-cookie") && !head.contains("location:"), "{head}");
    }
    let withdrawn = ["email newsletter pending", "email service withdrawn", "email service withdrawn"];
    assert_eq!(ledger(&shop, "alice"), withdrawn, "what was said twice holds once");
    assert!(worker.terminate(STOPPED).success());
}

fn confirm(shop: &Shop, path: &str) -> u16 {
    request(shop, "POST", path, FORM, "confirm=yes").0
}

#[test]
fn a_confirmation_link_confirms_once_in_its_time_and_never_against_a_refusal() {
    let shop = open();
    let worker = shop.start();
    for customer in ["alice", "bruno", "carla"] {
        sign_up(&shop, customer, "fr-FR");
    }
    let paths = ["alice", "bruno", "carla"].map(|customer| {
        let asked = mail(&shop, &format!("{customer}@"), "Un clic pour recevoir notre lettre");
        assert_eq!(asked["list_unsubscribe"], Value::Null, "it is the answer to what was asked");
        path(&asked["text"], "/c/")
    });
    let [alice, bruno, carla] = paths;
    look(&shop, &alice);
    for path in tampered(&alice) {
        assert!(matches!(confirm(&shop, &path), 404 | 429), "{path}");
    }
    assert_eq!(ledger(&shop, "alice"), ["email newsletter pending"]);

    assert_eq!(confirm(&shop, &alice), 200);
    let confirmed = ["email newsletter pending", "email newsletter granted"];
    assert_eq!(ledger(&shop, "alice"), confirmed);
    assert_eq!(confirm(&shop, &alice), 200, "again, it is confirmed already");
    assert_eq!(ledger(&shop, "alice"), confirmed);

    // Bruno says no by the link in another mail, and somebody opens the old link afterwards.
    let centre = path(&mail(&shop, "bruno@", "Bienvenue")["text"], "/p/");
    assert_eq!(request(&shop, "POST", &centre, FORM, "all=yes").0, 200);
    let refused = ledger(&shop, "bruno");
    assert!(refused.contains(&"email newsletter withdrawn".to_owned()), "{refused:?}");
    assert_eq!(confirm(&shop, &bruno), 410);
    assert_eq!(ledger(&shop, "bruno"), refused, "the no stands");

    // Carla opens hers a month too late.
    assert!(worker.terminate(STOPPED).success());
    shop.set_clock("start = 2026-12-24T10:00:00Z");
    let worker = shop.start();
    assert_eq!(confirm(&shop, &carla), 410);
    assert_eq!(ledger(&shop, "carla"), ["email newsletter pending"]);
    let reminded =
        || shop.messages().iter().filter(|m| m["step"] == "send-confirm-newsletter-reminder").count() == 3;
    assert!(wait_until(SHORT, reminded), "each would have been reminded once");
    assert!(worker.terminate(STOPPED).success());
}
