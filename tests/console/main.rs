//! The console as operators use it: in Chromium, against a worker on the real servers; and as whoever is not let in.

#[path = "../support/mod.rs"]
mod support;

mod acts;
mod guard;
mod many;
mod pages;

use serde_json::{Value, json};

use support::shop::{Shop, Worker, event};

/// What opens the console of these shops.
const TOKEN: &str = "a token for the console of tests";

/// Real time from Monday, eleven in the morning in Paris.
const CLOCK: &str = "start = 2026-11-23T10:00:00Z";

const TIME: &str = "2026-11-23T10:00:00Z";

const SHORT: std::time::Duration = std::time::Duration::from_secs(60);

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\ndefault_country: FR\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n";

const MAIL: &str = "---\nsubject: Bonjour {{customer.first_name}}\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>Votre \
    code : {{promo_code.code}}. {{unsubscribe_url}}</mj-text></mj-column></mj-section></mj-body></mjml>\n";

/// A shop of two rules, each of which sends a mail with a code: who signs up is welcomed, who orders is thanked.
fn shop() -> Shop {
    let mut shop = Shop::open(CLOCK);
    shop.set("DECLIC_ADMIN__TOKEN", TOKEN);
    let rule = |name: &str, on: &str| {
        format!(
            "rule: {name}\ndescription: What {name} is for\npurpose: marketing\ntrigger: {{ event: {on} }}\nre_entry: always\n\
             steps:\n  - promo_code: {{ prefix: {}, discount: 10%, valid_for: 30d }}\n  - send: {{ email: m }}\n",
            name.to_uppercase()
        )
    };
    shop.replace_files(&[
        ("rules/policy.yaml", POLICY.to_owned()),
        ("rules/welcome.yaml", rule("welcome", "customer.signed_up")),
        ("rules/thanks.yaml", rule("thanks", "order.placed")),
        ("templates/m/email.fr.mjml", MAIL.to_owned()),
    ]);
    shop
}

/// Two customers who agree to mail, one who does not, and something that cannot be used.
fn busy_shop() -> (Shop, Worker) {
    let shop = shop();
    let worker = shop.start();
    shop.publish(&[
        signs_up("alice", "granted"),
        signs_up("bob", "granted"),
        signs_up("carol", "denied"),
        event("bad", "customer.signed_up", "dave", "yesterday", json!({})),
    ]);
    shop.wait_for(SHORT, |messages| {
        let count = |state: &str| messages.iter().filter(|message| message["state"] == state).count();
        count("sent") == 2 && count("suppressed") == 1
    });
    (shop, worker)
}

fn signs_up(customer: &str, status: &str) -> String {
    let word =
        json!([{"channel": "email", "purpose": "marketing", "status": status, "source": "sign-up form"}]);
    let profile = json!({
        "email": format!("{customer}@example.com"), "first_name": customer, "phone": "+33612345678", "consents": word,
    });
    event(&format!("s-{customer}"), "customer.signed_up", customer, TIME, profile)
}

fn orders(customer: &str, id: &str) -> String {
    event(id, "order.placed", customer, TIME, json!({}))
}

/// The one message of a customer.
fn message_of(shop: &Shop, customer: &str) -> Value {
    let mut messages = shop.messages();
    messages.retain(|message| message["customer"] == customer);
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}
