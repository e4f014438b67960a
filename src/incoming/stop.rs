//! STOP: the withdrawal of consent to SMS, for all purposes that live by it, and its one confirmation.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Desk;
use crate::active::Active;
use crate::channels::sms::Inbound;
use crate::domain::admit::country_of;
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

impl Desk {
    /// Withdraws the consent of everyone who has this number; the first of them is told so, where the law asks for it
    /// and it is news.
    pub(super) async fn withdraw(
        &self,
        inbound: &Inbound,
        sender: &str,
        customers: &[String],
    ) -> Result<(), StoreError> {
        let active = self.shelf.get();
        let policy = &active.book.active.policy;
        let mut events = Vec::new();
        let mut confirmation = None;
        for id in customers {
            match self.store.customer(id).await {
                Ok(Some(customer)) if confirmation.is_none() && is_news(policy, &customer.consents) => {
                    confirmation = self.confirmation(&active, inbound, &customer, sender);
                }
                Ok(Some(_)) => {}
                Ok(None) => continue,
                // Their word is taken down all the same.
                Err(error) if error.is_about_content() => {}
                Err(error) => return Err(error),
            }
            events.push(self.event(policy, inbound, sender, id));
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

    fn event(&self, policy: &Policy, inbound: &Inbound, sender: &str, customer: &str) -> Event {
        let consents: Vec<Value> = stoppable(policy)
            .map(|purpose| {
                json!({
                    "channel": Channel::Sms.as_str(), "purpose": purpose, "status": "withdrawn",
                    "source": "sms", "text": inbound.text, "from": sender, "to": inbound.to,
                    "provider_message_id": inbound.id, "received_at": self.clock.now(),
                })
            })
            .collect();
        Event {
            id: inbound.id.clone(),
            source: SOURCE.to_owned(),
            kind: CONSENT_CHANGED.to_owned(),
            subject: customer.to_owned(),
            // A provider's clock may run ahead of ours, but the customer cannot have written in the future.
            time: inbound.at.min(self.clock.now()),
            data: json!({ "consents": consents }),
        }
    }

    fn confirmation(
        &self,
        active: &Active,
        inbound: &Inbound,
        customer: &CustomerState,
        sender: &str,
    ) -> Option<Message> {
        let policy = &active.book.active.policy;
        if !confirms_stop(country_of(&customer.profile, policy).as_deref()) {
            return None;
        }
        let (rule, step, now) = (STOP_CONFIRMATION, "confirm", self.clock.now());
        Some(Message {
            id: message_id(rule, &customer.customer_id, &inbound.id, step, Channel::Sms),
            customer_id: customer.customer_id.clone(),
            rule: rule.to_owned(),
            version: String::new(),
            occurrence: inbound.id.clone(),
            step: step.to_owned(),
            channel: Channel::Sms,
            purpose: PURPOSE.to_owned(),
            template: STOP_CONFIRMATION.to_owned(),
            planned_at: now,
            expires_at: now + CONFIRM_WITHIN,
            state: MessageState::Pending,
            reason: None,
            detail: None,
            context: json!({ "event": null, "promo_code": null }),
            promo_code: None,
            due_at: now,
            attempts: 0,
            template_hash: None,
            locale: None,
            address: Some(sender.to_owned()),
            reply: None,
            sent_at: None,
            lane: Lane::Transactional,
            priority: 0,
            fallback: None,
            slot_at: None,
        })
    }
}

/// The purposes that a customer can stop: all but those that are part of a contract.
fn stoppable(policy: &Policy) -> impl Iterator<Item = &str> {
    policy.purposes.keys().map(String::as_str).filter(|purpose| basis(policy, purpose) != Basis::Contract)
}

/// Whether there is something left to withdraw.
fn is_news(policy: &Policy, ledger: &Ledger) -> bool {
    stoppable(policy).any(|purpose| {
        let word = ledger.latest(Channel::Sms, purpose).map(|fact| fact.status);
        !matches!(word, Some(ConsentStatus::Withdrawn | ConsentStatus::Denied))
    })
}
