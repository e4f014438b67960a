use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;
use crate::active::Checked;
use crate::domain::consent::{Channel, ConsentStatus};
use crate::domain::diagnostic::SourceFile;
use crate::domain::event::Event;
use crate::domain::message::Message;
use crate::domain::rules::policy::EXAMPLE;
use crate::domain::sms::laws::STOP_CONFIRMATION;
use crate::store::{Changes, MessageFilter};

#[test]
fn a_number_is_read_in_the_ways_that_providers_write_it() {
    let cases: [(&str, bool, Option<&str>, &[&str]); 11] = [
        ("+33612345678", false, None, &["+33612345678"]),
        ("33612345678", false, None, &["+33612345678"]),
        ("33612345678", false, Some("FR"), &["+33612345678"]),
        ("0033612345678", false, None, &["+33612345678"]),
        ("0612345678", false, Some("FR"), &["+33612345678"]),
        ("0612345678", true, Some("FR"), &["+33612345678"]),
        // Some say so of numbers that have their country's code.
        ("33612345678", true, Some("FR"), &["+33612345678"]),
        ("0612345678", false, None, &[]),
        // A mobile number in Norway, or one in Arkansas.
        ("4794123456", false, Some("US"), &["+4794123456", "+14794123456"]),
        ("4794123456", true, Some("US"), &["+14794123456", "+4794123456"]),
        ("36180", false, Some("FR"), &[]),
    ];
    for (from, national, country, expected) in cases {
        let inbound = Inbound {
            id: String::new(),
            from: from.to_owned(),
            national,
            to: String::new(),
            text: String::new(),
            at: DateTime::UNIX_EPOCH,
        };
        assert_eq!(readings(&inbound, country), expected, "{from} {national} {country:?}");
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn shelf(country: &str) -> Shelf {
    let text = format!("{EXAMPLE}default_country: {country}\nsms: {{ stop_number: \"36180\" }}\n");
    let files = [SourceFile { path: "rules/policy.yaml".to_owned(), text }];
    Shelf::new(Checked::new(&files).activate(&files, b"secret".to_vec()))
}

async fn desk() -> Desk {
    let (clock, shelf) = (Clock::manual(now()), shelf("FR"));
    let store = Store::open("sqlite::memory:", 1).await.unwrap().with_clock(clock.clone());
    let store = store.with_secrets([&b"secret"[..]]);
    store.migrate().await.unwrap();
    let processor = Processor::new(store.clone(), shelf.clone(), clock.clone());
    Desk { store, shelf, clock, processor }
}

impl Desk {
    /// The shop tells something of a customer, who has agreed to SMS.
    async fn told(&self, id: &str, customer: &str, mut data: Value) {
        data["consents"] =
            json!([{"channel": "sms", "purpose": "marketing", "status": "granted", "source": "form"}]);
        let event = Event {
            id: id.to_owned(),
            source: "/shop".to_owned(),
            kind: "customer.updated".to_owned(),
            subject: customer.to_owned(),
            time: now() - TimeDelta::hours(1),
            data: data.into(),
            trace: None,
        };
        self.processor.accept(&[event]).await.unwrap();
    }

    /// An SMS went to this number.
    async fn wrote(&self, customer: &str, number: &str) {
        let message: Message = serde_json::from_value(json!({
            "id": format!("m-{customer}"), "customer_id": customer, "rule": "r", "version": "1", "occurrence": "o",
            "step": "s", "channel": "sms", "purpose": "marketing", "template": "t", "planned_at": now(),
            "expires_at": now(), "state": "sent", "reason": null, "detail": null, "promo_code": null,
            "due_at": now(), "attempts": 1, "template_hash": null, "locale": null, "address": number,
            "reply": null, "sent_at": now(), "context": null,
        }))
        .unwrap();
        let mut tx = self.store.begin().await.unwrap();
        tx.write(&Changes { messages: vec![message], ..Changes::default() }).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn receives(&self, id: &str, from: &str, text: &str) {
        let inbound = Inbound {
            id: id.to_owned(),
            from: from.to_owned(),
            national: false,
            to: "36180".to_owned(),
            text: text.to_owned(),
            at: now(),
        };
        self.take(vec![Incoming::Text(inbound)]).await.unwrap();
    }

    /// The customer's last word about advertising by SMS, and its proof.
    async fn word(&self, customer: &str) -> (ConsentStatus, Value) {
        let state = self.store.customer(customer).await.unwrap().unwrap();
        let fact = state.consents.latest(Channel::Sms, "marketing").unwrap();
        (fact.status, Value::Object(fact.proof.clone()))
    }

    async fn confirmations(&self) -> Vec<String> {
        let rule = Some(STOP_CONFIRMATION.to_owned());
        let filter = MessageFilter { rule, ..MessageFilter::default() };
        self.store.messages(&filter).await.unwrap().into_iter().map(|m| m.customer_id).collect()
    }
}

#[tokio::test]
async fn a_stop_in_national_form_withdraws_and_is_confirmed() {
    let desk = desk().await;
    desk.told("1", "alice", json!({"phone": "06 12 34 56 78"})).await;
    desk.receives("in-1", "0612345678", "Stop.").await;
    let (status, proof) = desk.word("alice").await;
    assert_eq!(status, ConsentStatus::Withdrawn);
    for (field, value) in
        [("from", "+33612345678"), ("to", "36180"), ("text", "Stop."), ("provider_message_id", "in-1")]
    {
        assert_eq!(proof[field], value, "{proof}");
    }
    assert_eq!(desk.confirmations().await, ["alice"]);
    desk.receives("in-2", "+33612345678", "STOP").await;
    assert_eq!(desk.confirmations().await, ["alice"], "once");
}

#[tokio::test]
async fn a_stop_from_a_former_number_withdraws_and_nobody_else_is_told() {
    let desk = desk().await;
    desk.told("1", "alice", json!({"phone": "+33698765432"})).await;
    desk.wrote("alice", "+33612345678").await;
    desk.receives("in-1", "33612345678", "STOP").await;
    assert_eq!(desk.word("alice").await.0, ConsentStatus::Withdrawn);
    assert!(desk.confirmations().await.is_empty(), "whoever has the other number has not asked");
    assert_eq!(desk.store.inbound(None, 1).await.unwrap()[0].customers, 1);
}

#[tokio::test]
async fn a_refusal_for_a_stop_withdraws_with_the_answer_as_its_proof() {
    let desk = desk().await;
    desk.told("1", "alice", json!({"phone": "+33612345678"})).await;
    let opt_out = OptOut {
        message_id: "m-1".to_owned(),
        number: "+33612345678".to_owned(),
        answer: "400 21610 unsubscribed".to_owned(),
    };
    for _ in 0..2 {
        desk.take(vec![Incoming::OptOut(opt_out.clone())]).await.unwrap();
    }
    let (status, proof) = desk.word("alice").await;
    assert_eq!(status, ConsentStatus::Withdrawn);
    assert_eq!(
        (&proof["answer"], &proof["source"]),
        (&json!("400 21610 unsubscribed"), &json!("sms-provider"))
    );
    assert!(desk.confirmations().await.is_empty(), "the provider would refuse it too");
}

/// Profiles from before numbers were kept in a column, and those read with another country.
#[tokio::test]
async fn numbers_are_read_anew() {
    let desk = desk().await;
    desk.told("1", "alice", json!({"phone": "06 12 34 56 78"})).await;
    desk.told("2", "bruno", json!({"phone": "+33698765432"})).await;
    desk.told("3", "chloe", json!({"email": "c@example.com"})).await;
    let mut tx = desk.store.begin().await.unwrap();
    let phones = ["alice", "bruno"].map(|customer| (customer.to_owned(), None)).to_vec();
    tx.write(&Changes { phones, ..Changes::default() }).await.unwrap();
    tx.commit().await.unwrap();
    let found = async |number: &str| desk.store.customers_by_phone(number).await.unwrap();
    assert!(found("+33612345678").await.is_empty());
    while numbers::batch(&desk.store, &desk.shelf).await.unwrap() {}
    assert_eq!(
        (found("+33612345678").await, found("+33698765432").await),
        (vec!["alice".to_owned()], vec!["bruno".to_owned()])
    );
    assert!(!numbers::batch(&desk.store, &desk.shelf).await.unwrap(), "once is enough");
    // In Belgium nobody has the first number.
    let belgian = shelf("BE");
    while numbers::batch(&desk.store, &belgian).await.unwrap() {}
    assert!(found("+33612345678").await.is_empty());
    assert_eq!(found("+33698765432").await, ["bruno"]);
}
