//! STOP: the withdrawal of consent to SMS, for all purposes that live by it, and its one confirmation.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::Desk;
use crate::active::Active;
use crate::channels::sms::{Inbound, OptOut};
use crate::domain::admit::{address_of, country_of};
use crate::domain::consent::{Channel, ConsentStatus, Ledger};
use crate::domain::event::Event;
use crate::domain::message::{Lane, Message, MessageState, message_id};
use crate::domain::rules::book::CONSENT_CHANGED;
use crate::domain::rules::{Basis, Policy};
use crate::domain::sms::confirms_stop;
use crate::domain::sms::laws::STOP_CONFIRMATION;
use crate::domain::steps::basis;
use crate::process::ProcessError;
use crate::store::{Changes, CustomerState, DeadLetter, StoreError};
use crate::telemetry;

/// The CloudEvents `source` of withdrawals by telephone.
const SOURCE: &str = "/declic/sms-stop";

/// The purpose of the confirmation: it answers what the customer asked for.
const PURPOSE: &str = "transactional";

/// A confirmation that comes later than this only puzzles.
const CONFIRM_WITHIN: TimeDelta = TimeDelta::hours(1);

/// What makes us withdraw a consent.
pub(super) struct Stop {
    /// The same when it is told again.
    id: String,
    at: DateTime<Utc>,
    /// In E.164.
    number: String,
    proof: Map<String, Value>,
    /// Whether the customer wrote to us, and so hears from us.
    to_us: bool,
}

impl Stop {
    /// The customer wrote a word such as STOP. `now` bounds the provider's clock, which may run ahead of ours: the
    /// customer cannot have written in the future.
    pub(super) fn by_text(inbound: &Inbound, number: &str, now: DateTime<Utc>) -> Self {
        let proof = json!({
            "source": "sms", "text": inbound.text, "from": number, "to": inbound.to,
            "provider_message_id": inbound.id, "received_at": now,
        });
        Self {
            id: inbound.id.clone(),
            at: inbound.at.min(now),
            number: number.to_owned(),
            proof: fields(proof),
            to_us: true,
        }
    }

    /// The provider wrote nothing to the customer, who had told it to stop.
    pub(super) fn by_refusal(opt_out: &OptOut, now: DateTime<Utc>) -> Self {
        let proof = json!({
            "source": "sms-provider", "answer": opt_out.answer, "from": opt_out.number,
            "message_id": opt_out.message_id, "received_at": now,
        });
        Self {
            id: format!("{}-refused", opt_out.message_id),
            at: now,
            number: opt_out.number.clone(),
            proof: fields(proof),
            to_us: false,
        }
    }
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl Desk {
    /// Withdraws the consent of these customers, who have this number or had it; the first of those who have it still is
    /// told so, where the law asks for it and it is news.
    pub(super) async fn withdraw(&self, stop: &Stop, customers: &[String]) -> Result<(), StoreError> {
        let active = self.shelf.get();
        let policy = &active.book.active.policy;
        let mut events = Vec::new();
        let mut confirmation = None;
        for id in customers {
            let customer = match self.store.customer(id).await {
                Ok(Some(customer)) => Some(customer),
                Ok(None) => continue,
                // Their word is taken down all the same.
                Err(error) if error.is_about_content() => None,
                Err(error) => return Err(error),
            };
            // It would go to their present number.
            let reached = |customer: &CustomerState| {
                address_of(Channel::Sms, &customer.profile, policy).is_ok_and(|to| to == stop.number)
            };
            let told = customer.filter(|c| stop.to_us && is_news(policy, &c.consents) && reached(c));
            if let Some(customer) = told.filter(|_| confirmation.is_none()) {
                confirmation = self.confirmation(&active, stop, &customer);
            }
            events.push(event(policy, stop, id));
        }
        if events.is_empty() {
            return Ok(());
        }
        // The confirmation first: should the rest fail, all of this is delivered again, and the message is known by
        // its identity.
        let mut tx = self.store.begin().await?;
        tx.write(&Changes { messages: confirmation.into_iter().collect(), ..Changes::default() }).await?;
        tx.commit().await?;
        match self.processor.accept(&events).await {
            Ok(_) => Ok(()),
            Err(ProcessError::Store(error)) => Err(error),
            Err(ProcessError::Poison(_)) => self.one_by_one(events).await,
        }
    }

    /// Whoever cannot be processed keeps nobody else's word from being heard, and their own is kept as a dead letter.
    async fn one_by_one(&self, events: Vec<Event>) -> Result<(), StoreError> {
        for event in events {
            match self.processor.accept(std::slice::from_ref(&event)).await {
                Ok(_) => {}
                Err(ProcessError::Store(error)) => return Err(error),
                Err(ProcessError::Poison(words)) => {
                    let letter = DeadLetter::of_event("sms", &event, &words, self.clock.now());
                    self.store.park(&letter).await?;
                    telemetry::set_aside("sms", &event.subject, &letter.id);
                }
            }
        }
        Ok(())
    }

    fn confirmation(&self, active: &Active, stop: &Stop, customer: &CustomerState) -> Option<Message> {
        let policy = &active.book.active.policy;
        if !confirms_stop(country_of(&customer.profile, policy).as_deref()) {
            return None;
        }
        let (rule, step, now) = (STOP_CONFIRMATION, "confirm", self.clock.now());
        Some(Message {
            id: message_id(rule, &customer.customer_id, &stop.id, step, Channel::Sms),
            customer_id: customer.customer_id.clone(),
            rule: rule.to_owned(),
            version: String::new(),
            occurrence: stop.id.clone(),
            step: step.to_owned(),
            channel: Channel::Sms,
            purpose: PURPOSE.to_owned(),
            template: STOP_CONFIRMATION.to_owned(),
            planned_at: now,
            expires_at: now + CONFIRM_WITHIN,
            state: MessageState::Pending,
            reason: None,
            detail: None,
            context: json!({ "event": null, "promo_code": null }).into(),
            promo_code: None,
            due_at: now,
            attempts: 0,
            template_hash: None,
            locale: None,
            address: Some(stop.number.clone()),
            reply: None,
            sent_at: None,
            lane: Lane::Transactional,
            priority: 0,
            fallback: None,
            slot_at: None,
            trace: None,
        })
    }
}

fn event(policy: &Policy, stop: &Stop, customer: &str) -> Event {
    let consents: Vec<Value> = stoppable(policy)
        .map(|purpose| {
            let mut word = stop.proof.clone();
            for (key, value) in [("channel", "sms"), ("purpose", purpose), ("status", "withdrawn")] {
                word.insert(key.to_owned(), value.into());
            }
            Value::Object(word)
        })
        .collect();
    Event {
        id: stop.id.clone(),
        source: SOURCE.to_owned(),
        kind: CONSENT_CHANGED.to_owned(),
        subject: customer.to_owned(),
        time: stop.at,
        data: json!({ "consents": consents }).into(),
        trace: None,
    }
}

/// The purposes that a customer can stop: all but those that are part of a contract.
pub(super) fn stoppable(policy: &Policy) -> impl Iterator<Item = &str> {
    policy.purposes.keys().map(String::as_str).filter(|purpose| basis(policy, purpose) != Basis::Contract)
}

/// Whether there is something left to withdraw.
fn is_news(policy: &Policy, ledger: &Ledger) -> bool {
    stoppable(policy).any(|purpose| {
        let word = ledger.latest(Channel::Sms, purpose).map(|fact| fact.status);
        !matches!(word, Some(ConsentStatus::Withdrawn | ConsentStatus::Denied))
    })
}
