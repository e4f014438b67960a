//! What the cases stand on: the shipped rules and templates, a shop's events, and customers with a past.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use declic::active::{Active, Checked};
use declic::domain::decide;
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::event::Event;
use declic::domain::rules::book::Book;
use declic::domain::snapshot::{Fact, Snapshot};
use serde_json::{Value, json};

/// The shipped rules and templates, in force.
pub fn shipped() -> Active {
    let files = declic::files::read(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the shipped files");
    compiled(&files)
}

/// A shop with this many rules, of which three are about carts.
pub fn with_rules(count: usize) -> Active {
    let mut files = declic::files::read(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the shipped files");
    // Its catalogue names the shipped event types alone.
    files.retain(|file| file.path != "rules/events.yaml");
    let shipped = files.iter().filter(|file| file.path.starts_with("rules/")).count() - 1;
    let mut add = |name: &str, trigger: &str| {
        let text = format!(
            "rule: {name}\npurpose: marketing\ntrigger: {{ {trigger} }}\nre_entry: always\n\
             exit_on: [order.placed]\nsteps: [{{ wait: 1h }}, {{ send: {{ email: welcome }} }}]\n"
        );
        files.push(SourceFile { path: format!("rules/{name}.yaml"), text });
    };
    add("large-cart", "event: cart.updated, if: data.total > 5000");
    add("regulars-cart", "event: cart.updated, if: '\"regular\" in customer.tags && data.total > 20'");
    for number in shipped + 2..count {
        let kind = format!("shop.fact_{number}");
        add(&format!("rule-{number}"), &format!("event: {kind}, if: data.total > 10, key: data.id"));
    }
    compiled(&files)
}

fn compiled(files: &[SourceFile]) -> Active {
    let checked = Checked::new(files);
    assert!(!checked.has_errors(), "{}", render(&checked.diagnostics, files, false));
    checked.activate(files, b"a secret of thirty-two characters".to_vec())
}

/// The instant at which the cases are decided: a Monday morning in Paris.
pub fn now() -> DateTime<Utc> {
    "2026-11-23T09:30:00Z".parse().expect("an instant")
}

/// An event of the customer `c-42`, so many minutes ago.
pub fn event(minutes_ago: i64, kind: &str, data: Value) -> Event {
    Event {
        id: format!("01JDC8V3QK7{minutes_ago:05}{}", kind.replace(['.', '_'], "").to_uppercase()),
        source: "/shop".to_owned(),
        kind: kind.to_owned(),
        subject: "c-42".to_owned(),
        time: now() - TimeDelta::minutes(minutes_ago),
        data: data.into(),
        trace: None,
    }
}

pub fn signed_up(minutes_ago: i64) -> Event {
    let data = json!({
        "email": "alice@example.com", "first_name": "Alice", "last_name": "Martin", "locale": "fr-FR",
        "timezone": "Europe/Paris", "country": "FR", "phone": "+33612345678", "birthday": "1990-02-28",
        "tags": ["newsletter", "regular"],
        "consents": [
            { "channel": "email", "purpose": "marketing", "status": "granted", "source": "signup-form", "wording": "2026-09" },
            { "channel": "sms", "purpose": "marketing", "status": "granted", "source": "signup-form", "wording": "2026-09" },
        ],
    });
    event(minutes_ago, "customer.signed_up", data)
}

pub fn updated(minutes_ago: i64) -> Event {
    let data = json!({ "first_name": "Alice", "last_name": "Durand", "city": "Lyon", "points": 120 });
    event(minutes_ago, "customer.updated", data)
}

pub fn cart(minutes_ago: i64, cart: &str) -> Event {
    let data = json!({
        "cart_id": cart, "currency": "EUR", "total": 128.0,
        "cart_url": format!("https://maison-lumen.example/panier/{cart}"),
        "items": [
            { "name": "Lampe « Aube » en laiton", "quantity": 1, "price": 89.0 },
            { "name": "Bougie figuier", "quantity": 2, "price": 19.5 },
        ],
    });
    event(minutes_ago, "cart.updated", data)
}

pub fn order(minutes_ago: i64, cart: &str) -> Event {
    let data = json!({
        "order_id": "o-9001", "cart_id": cart, "currency": "EUR", "total": 128.0,
        "items": [
            { "name": "Lampe « Aube » en laiton", "quantity": 1, "price": 89.0 },
            { "name": "Bougie figuier", "quantity": 2, "price": 19.5 },
        ],
    });
    event(minutes_ago, "order.placed", data)
}

/// A fact that no shipped rule is about: most of what a shop says.
pub fn viewed(minutes_ago: i64) -> Event {
    let data = json!({
        "sku": "LAMPE-AUBE", "name": "Lampe « Aube » en laiton", "category": ["luminaires", "lampes"],
        "price": 89.0, "currency": "EUR", "url": "https://maison-lumen.example/lampes/aube",
        "referrer": "https://maison-lumen.example/lampes",
    });
    event(minutes_ago, "product.viewed", data)
}

pub fn withdrawn(minutes_ago: i64) -> Event {
    let data =
        json!({ "channel": "sms", "purpose": "marketing", "status": "withdrawn", "source": "preferences" });
    event(minutes_ago, "consent.changed", data)
}

/// The customer after these events, each taken in when it happened, with timers run when they were due: what a worker
/// on time has stored.
pub fn lived(book: &Book, past: &[Event]) -> Snapshot {
    let mut customer = Snapshot { customer_id: "c-42".to_owned(), ..Snapshot::default() };
    for event in past {
        run_timers(book, &mut customer, event.time);
        remember(book, &mut customer, event);
        let verdicts = decide::on_events(book, &customer, std::slice::from_ref(event), event.time);
        customer.evolve(&verdicts);
    }
    run_timers(book, &mut customer, now());
    customer
}

fn run_timers(book: &Book, customer: &mut Snapshot, until: DateTime<Utc>) {
    while let Some(due) = customer.next_due().filter(|due| *due < until) {
        let verdicts = decide::on_timer(book, customer, due);
        customer.evolve(&verdicts);
    }
}

/// Puts the event into the history as the shell would load it: types that no rule looks back at are left out.
pub fn remember(book: &Book, customer: &mut Snapshot, event: &Event) {
    let kinds = book.needs(book_kinds(book), event.time).kinds;
    if kinds.contains(&event.kind) {
        customer.history.push(Fact { event: event.clone(), received_at: event.time });
    }
}

/// All event types that some rule is about.
fn book_kinds(book: &Book) -> Vec<&str> {
    use declic::domain::rules::Trigger;
    let rules = book.active.rules.values();
    let kinds = rules.flat_map(|rule| {
        let trigger = match &rule.trigger {
            Trigger::Event { kind, .. } | Trigger::Absent { kind, .. } => Some(kind.as_str()),
            Trigger::Anniversary { .. } | Trigger::Schedule { .. } => None,
        };
        rule.exit_on.iter().map(String::as_str).chain(trigger)
    });
    kinds.collect()
}
