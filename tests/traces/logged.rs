//! Whatever happens to a message and however much is logged, no address and no number is.

use super::*;
use crate::support::shop::ask;

/// Not to be there by chance, in any way that addresses and numbers are written.
const NAME: &str = "zqxjkv";
const DOMAIN: &str = "wyvern-quoll.example";
const NUMBER: &str = "698173542";

#[test]
fn no_line_of_any_level_has_an_address() {
    let refusing = Listener::start(
        "400 Bad Request",
        "application/json",
        b"{\"message\":\"number +33698173542 (06 98 17 35 42) is not served\"}",
    );
    let mut shop = shop(&refusing);
    shop.set("RUST_LOG", "declic=trace");
    let worker = shop.start();
    let customer = |n: u8, local: &str| {
        let data = json!({ "email": format!("{local}@{DOMAIN}"), "phone": format!("+33{NUMBER}"), "locale": "fr-FR" });
        with(event(&format!("e{n}"), "customer.signed_up", &format!("c{n}"), &data), &traceparent(n, "01"))
    };
    // Sent, and an SMS that is refused with the number in its words.
    let sale = event("sale", "flash.sale", "c1", &json!({}));
    shop.post(&[customer(1, NAME).to_string(), sale.to_string()]);
    outcomes(&shop, "message.sent", 1);
    outcomes(&shop, "message.failed", 1);
    // Refused with the address in the server's words, at RCPT and after DATA, for good and for now.
    for (n, stage, words) in [
        (2, "rcpt", "550 5.1.1 <{}>: no such user here"),
        (3, "data", "554 5.6.0 {} is not welcome"),
        (4, "rcpt", "451 4.2.1 mailbox of {} is busy"),
    ] {
        let local = format!("{NAME}{n}");
        shop.sink.behave(&[(stage, &words.replace("{}", &format!("{local}@{DOMAIN}")))]);
        shop.post(&[customer(n, &local).to_string()]);
        let customer = format!("c{n}");
        shop.wait_for(PATIENCE, |all| {
            all.iter().any(|m| m["customer"] == customer.as_str() && m["reply"].is_string())
        });
    }
    shop.sink.behave(&[]);
    // An address that is none, events that cannot be used, and a traceparent that is an address.
    shop.post(&[with(customer(5, &format!("{NAME} {NAME}")), &format!("{NAME}@{DOMAIN}")).to_string()]);
    let broken = format!("{{\"id\":\"{NAME}@{DOMAIN}\",\"subject\":\"{NUMBER}\"");
    let head = "POST /events HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\n";
    let answer = ask(shop.admin, &format!("{head}Content-Length: {}\r\n\r\n{broken}", broken.len()));
    assert!(answer.is_some_and(|a| a.contains(" 400 ")));
    shop.wait_for(PATIENCE, |all| all.iter().any(|m| m["customer"] == "c5"));
    let messages = shop.messages();
    let log = log_of(&worker);
    assert!(worker.terminate(PATIENCE).success());

    // The lines are there.
    for message in messages.iter().filter(|m| m["state"] != "pending") {
        let id = message["id"].as_str().expect("an id");
        assert!(lines_about(&log, "message_id", id).next().is_some(), "{message}");
    }
    let replies = log.iter().filter(|line| line["fields"]["reply"].is_string()).count();
    assert!(replies >= 4, "{log:#?}");
    for line in &log {
        let text = line.to_string().to_ascii_lowercase();
        let digits: String = text.chars().filter(|c| !" .-()/".contains(*c)).collect();
        // Domains are not secret, and who runs a server wants to know which one is slow.
        assert!(!text.contains(NAME) && !digits.contains(NUMBER), "{line}");
    }
}

#[test]
fn lines_have_the_form_that_is_asked_for() {
    let mut shop = Shop::open(CLOCK);
    shop.set("DECLIC_TELEMETRY__LOG_FORMAT", "human");
    let worker = shop.start();
    let log = worker.log();
    assert!(!log.is_empty() && log.lines().all(|line| !line.starts_with('{')), "{log}");
    drop(worker);
    shop.set("DECLIC_TELEMETRY__LOG_FORMAT", "xml");
    let output = shop.declic().arg("run").output().expect("declic starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("LOG_FORMAT") && words.contains("`human`"), "{words}");
}
