//! Frequency caps with two workers on one database: exact, and the more important rules go first.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use support::postgres::Postgres;
use support::shop::{Shop, Worker, event};
use support::{free_port, wait_until};

const CUSTOMERS: usize = 120;
const RULES: usize = 6;
const LIMIT: usize = 2;

const TEMPLATE: &str = "---\nsubject: \"{{message_id}}\"\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>\
    {{unsubscribe_url}}</mj-text></mj-column></mj-section></mj-body></mjml>\n";

/// A shop with six rules for one event, the last of them the most important, and room for two mails a week.
fn shop() -> Shop {
    let shop = Shop::open("start = 2026-11-23T10:00:00Z");
    std::fs::remove_dir_all(shop.folder.join("rules")).expect("the shipped rules go");
    std::fs::create_dir_all(shop.folder.join("rules")).expect("a folder");
    std::fs::create_dir_all(shop.folder.join("templates/offer")).expect("a folder");
    let write = |path: &str, text: String| std::fs::write(shop.folder.join(path), text).expect("written");
    write("templates/offer/email.fr.mjml", TEMPLATE.to_owned());
    let policy = format!(
        "default_locale: fr\ndefault_timezone: Europe/Paris\n\
         sender: {{ name: Shop, email: shop@example.com, postal_address: 1 rue X }}\n\
         frequency_caps:\n  - {{ channel: email, purpose: marketing, limit: {LIMIT} per 7d }}\n"
    );
    write("rules/policy.yaml", policy);
    for n in 0..RULES {
        let rule = format!(
            "rule: offer-{n}\npurpose: marketing\npriority: {n}\ntrigger: {{ event: offer.made }}\n\
             re_entry: always\nsteps: [{{ send: {{ email: offer }} }}]\n"
        );
        write(&format!("rules/offer-{n}.yaml"), rule);
    }
    shop
}

fn second_worker(shop: &Shop) -> Worker {
    let mut command = shop.declic();
    for name in ["ADMIN", "PUBLIC"] {
        command.env(format!("DECLIC_{name}__LISTEN"), format!("127.0.0.1:{}", free_port()));
    }
    Worker::spawn(command.arg("run"), shop.folder.join("second.log"))
}

fn text<'a>(message: &'a Value, field: &str) -> &'a str {
    message[field].as_str().unwrap_or_default()
}

#[test]
fn two_workers_never_exceed_a_cap_and_the_important_rule_wins() {
    let shop = shop();
    let (one, two) = (shop.start(), second_worker(&shop));
    let consent =
        json!([{"channel": "email", "purpose": "marketing", "status": "granted", "source": "form"}]);
    let profile = |i: usize| json!({"email": format!("c{i}@example.com"), "consents": consent});
    let ids: Vec<String> = (0..CUSTOMERS).map(|i| format!("c-{i}")).collect();
    let told = |(i, id): (usize, &String)| {
        event(&format!("{id}-a"), "customer.signed_up", id, "2026-11-23T09:59:00Z", profile(i))
    };
    shop.publish(&ids.iter().enumerate().map(told).collect::<Vec<_>>());
    // Two workers may take an offer in before its customer: that would be another test.
    let known = || Postgres::shared().psql(&shop.database, "SELECT count(*) FROM customers");
    let all_known = wait_until(Duration::from_secs(60), || known().trim() == CUSTOMERS.to_string());
    assert!(all_known, "{} customers are known:\n{}", known(), one.log());
    let mut events = Vec::new();
    for id in &ids {
        // Three offers at three times: eighteen messages for two places.
        for (n, time) in ["09:59:10", "09:59:20", "09:59:30"].iter().enumerate() {
            let at = format!("2026-11-23T{time}Z");
            events.push(event(&format!("{id}-{n}"), "offer.made", id, &at, json!({})));
        }
    }
    shop.publish(&events);
    let expected = CUSTOMERS * RULES * 3;
    let settled = |all: &[Value]| {
        let open = ["pending", "deferred", "claimed", "sending"];
        all.len() == expected && all.iter().all(|m| !open.contains(&text(m, "state")))
    };
    let messages = shop.wait_for(Duration::from_secs(120), settled);
    let mut sent: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in &messages {
        match text(message, "state") {
            "sent" => sent.entry(text(message, "customer")).or_default().push(text(message, "rule")),
            "suppressed" => assert_eq!(text(message, "reason"), "frequency_cap", "{message}"),
            _ => panic!("{message}"),
        }
    }
    assert_eq!(sent.len(), CUSTOMERS, "everyone gets something");
    for (customer, rules) in &sent {
        assert_eq!(rules.len(), LIMIT, "{customer}: {rules:?}");
        // Each event's messages are committed together, so the least important never find room.
        assert!(rules.iter().all(|rule| *rule >= "offer-4"), "{customer}: {rules:?}");
    }
    assert_eq!(shop.sink.mails().len(), CUSTOMERS * LIMIT, "as many arrived");
    for worker in [one, two] {
        assert!(worker.terminate(Duration::from_secs(25)).success());
    }
}
