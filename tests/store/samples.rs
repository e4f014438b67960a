//! Small values to store, each complete; tests change the field they are about.

use std::time::Duration;

use chrono::{DateTime, Utc};
use declic::domain::consent::{Channel, ConsentFact, ConsentStatus};
use declic::domain::customer::Profile;
use declic::domain::event::Event;
use declic::domain::memory::{Entry, EntryStatus};
use declic::domain::message::{Lane, Message, MessageState};
use declic::domain::outcome::Outcome;
use declic::domain::rules::Discount;
use declic::domain::snapshot::PromoCode;
use declic::domain::trace::Trace;
use declic::store::{Changes, Claim, Store, Tx};
use serde_json::{Value, json};

/// A time of the day of the tests, `HH:MM` or `HH:MM:SS.ffffff`.
pub fn at(time: &str) -> DateTime<Utc> {
    let seconds = if time.len() == 5 { ":00" } else { "" };
    format!("2026-11-22T{time}{seconds}Z").parse().expect("a time")
}

/// What the store keeps proofs and erased addresses under.
pub const SECRET: &[u8] = b"a secret for tests";

/// Who is to be erased, with all that happened until noon.
pub fn erased(customer: &str) -> Vec<(String, DateTime<Utc>)> {
    vec![(customer.to_owned(), at("12:00"))]
}

pub fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|s| (*s).to_owned()).collect()
}

pub fn event(customer: &str, id: &str, kind: &str, time: &str) -> Event {
    Event {
        id: id.to_owned(),
        source: "/shop".to_owned(),
        kind: kind.to_owned(),
        subject: customer.to_owned(),
        time: at(time),
        data: json!({ "total": 42.5 }).into(),
        trace: trace(),
    }
}

pub fn profile(data: Value) -> Profile {
    let mut profile = Profile::default();
    profile.merge(&Event { data: data.into(), ..event("c-1", "e-1", "customer.signed_up", "09:00") });
    profile
}

pub fn consent(id: &str, status: ConsentStatus) -> ConsentFact {
    ConsentFact {
        channel: Channel::Email,
        purpose: "marketing".to_owned(),
        status,
        at: at("09:00"),
        event_source: "/shop".to_owned(),
        event_id: id.to_owned(),
        shown_at: None,
        said: None,
        proof: serde_json::from_value(json!({ "ip": "192.0.2.1" })).expect("a map"),
    }
}

pub fn entry(customer: &str, rule: &str, occurrence: &str) -> Entry {
    Entry {
        customer_id: customer.to_owned(),
        rule: rule.to_owned(),
        occurrence: occurrence.to_owned(),
        key: String::new(),
        version: "v1".to_owned(),
        // Its trace is the entry's own.
        trigger: Some(Event { trace: None, ..event(customer, "e-1", "cart.updated", "09:00") }),
        started_at: at("09:00"),
        status: EntryStatus::Active,
        position: 1,
        planned: at("09:00"),
        due_at: Some(at("10:00")),
        committed: false,
        exit: None,
        promo_step: None,
        reason: None,
        detail: None,
        trace: trace(),
    }
}

pub fn message(customer: &str, id: &str, due: &str) -> Message {
    Message {
        id: id.to_owned(),
        customer_id: customer.to_owned(),
        rule: "welcome".to_owned(),
        version: "v1".to_owned(),
        occurrence: format!("/shop#{id}"),
        step: "send-welcome".to_owned(),
        channel: Channel::Email,
        purpose: "marketing".to_owned(),
        template: "welcome".to_owned(),
        planned_at: at(due),
        expires_at: at("23:00"),
        state: MessageState::Pending,
        reason: None,
        detail: None,
        context: json!({ "event": { "total": 42.5 } }).into(),
        promo_code: None,
        due_at: at(due),
        attempts: 0,
        template_hash: None,
        locale: Some("fr-FR".to_owned()),
        address: Some("alice@example.com".to_owned()),
        reply: None,
        sent_at: None,
        lane: Lane::Event,
        priority: 0,
        fallback: None,
        slot_at: None,
        trace: trace(),
    }
}

pub fn promo_code(code: &str, customer: &str) -> PromoCode {
    PromoCode {
        code: code.to_owned(),
        customer_id: customer.to_owned(),
        rule: "birthday".to_owned(),
        occurrence: "2026".to_owned(),
        step: "promo".to_owned(),
        discount: Discount::Percent(1_500),
        valid_from: at("09:00"),
        valid_until: at("20:00"),
    }
}

pub fn outcome(customer: &str, id: &str) -> Outcome {
    Outcome {
        id: id.to_owned(),
        kind: "message.sent".to_owned(),
        customer_id: customer.to_owned(),
        time: at("09:00"),
        data: json!({ "to": "alice@example.com" }),
        trace: trace(),
    }
}

/// The trace that every sample is in.
pub fn trace() -> Option<Trace> {
    Trace::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
}

pub async fn begin(store: &Store) -> Tx {
    store.begin().await.expect("begin")
}

/// Locks the customers, writes the changes and commits.
pub async fn write(store: &Store, customers: &[&str], changes: Changes) {
    let mut tx = begin(store).await;
    tx.lock_customers(&texts(customers), &[]).await.expect("lock");
    tx.write(&changes).await.expect("write");
    tx.commit().await.expect("commit");
}

/// A lease that outlasts any test, and one that is over as soon as it begins.
pub const LONG: Duration = Duration::from_secs(3600);
pub const OVER: Duration = Duration::ZERO;

/// Claims e-mails of all lanes.
pub async fn claim(store: &Store, now: &str, limit: u32, token: &str, lease: Duration) -> Vec<Message> {
    claim_of(store, Channel::Email, ALL_LANES, now, limit, token, lease).await
}

pub const ALL_LANES: &[Lane] = &[Lane::Transactional, Lane::Event, Lane::Bulk];

pub async fn claim_of(
    store: &Store,
    channel: Channel,
    lanes: &[Lane],
    now: &str,
    limit: u32,
    token: &str,
    lease: Duration,
) -> Vec<Message> {
    let claim = Claim { channel, lanes, limit, now: at(now), token, lease };
    store.claim_messages(&claim).await.expect("claim").messages
}
