//! Mails whose customers are called all sorts of things, read by Python's parser and verified by dkimpy.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{mails, open};
use crate::support::shop::event;

/// What a customer is called, and how the subject says it: on one line.
const NAMES: &[(&str, &str)] = &[
    ("Zoé", "Zoé"),
    ("Анна-Мария", "Анна-Мария"),
    ("שירה", "שירה"),
    ("فاطمة", "فاطمة"),
    ("王小明", "王小明"),
    ("さくら 🌸", "さくら 🌸"),
    ("Ngọc Ánh", "Ngọc Ánh"),
    ("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
    ("O'Neil \"Bob\" <b@x>", "O'Neil \"Bob\" <b@x>"),
    ("=?utf-8?B?SGVsbG8=?=", "=?utf-8?B?SGVsbG8=?="),
    ("Eve\r\nBcc: victim@example.com", "Eve Bcc: victim@example.com"),
    ("Eve\nX-Evil: yes\n\n<p>body</p>", "Eve X-Evil: yes <p>body</p>"),
    ("Eve\r\n\r\nFrom: boss@example.com", "Eve From: boss@example.com"),
];

/// The same for any white space: where it was folded it comes back as one space.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn whatever_a_customer_is_called_the_mail_is_well_formed_and_signed() {
    let shop = open();
    let sender = "Maison « Lumière » 光, depuis 1920";
    shop.edit("rules/policy.yaml", "name: Maison Lumen", &format!("name: \"{sender}\""));
    let worker = shop.start();
    // A subject is cut where no program shows more of it.
    let long = "Jean-Baptiste de la Très Longue Particule ".repeat(20);
    let names = NAMES.iter().copied().chain([(long.as_str(), "Jean-Baptiste de la Très Longue Particule")]);
    let sign_ups: Vec<String> = names
        .clone()
        .enumerate()
        .map(|(n, (name, _))| {
            let data = json!({"email": format!("c{n}@example.com"), "first_name": name, "locale": "fr-FR"});
            event(&format!("s-{n}"), "customer.signed_up", &format!("c-{n}"), "2026-11-23T09:45:00Z", data)
        })
        .collect();
    shop.publish(&sign_ups);
    shop.sink.wait_for(sign_ups.len(), Duration::from_secs(60));
    let mails = mails(&shop);
    let by_address: BTreeMap<&str, &Value> =
        mails.iter().map(|mail| (mail["to"].as_str().expect("an address"), mail)).collect();
    for (n, (_, shown)) in names.enumerate() {
        let mail = by_address[format!("c{n}@example.com").as_str()];
        assert_eq!(mail["defects"], json!([]), "{mail}");
        let subject = in_one_line(mail["subject"].as_str().expect("a subject"));
        let expected = in_one_line(&format!("Bienvenue chez {sender}, {shown}"));
        assert!(
            subject == expected || n == NAMES.len() && subject.starts_with(&expected),
            "{subject}\n{expected}"
        );
        assert!(mail["from"].as_str().is_some_and(|from| from.contains("Lumière » 光")), "{}", mail["from"]);
        let headers: Vec<&str> =
            mail["headers"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for injected in ["bcc", "cc", "x-evil"] {
            assert!(!headers.contains(&injected), "{headers:?}");
        }
        assert_eq!(headers.iter().filter(|header| **header == "from").count(), 1, "{headers:?}");
    }
    assert_eq!(mails.len(), by_address.len(), "to nobody else");
    assert!(worker.terminate(Duration::from_secs(25)).success());
}
