//! Outcomes: what the shop and the CRM are told about messages and promo codes, as CloudEvents.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::consent::{ConsentFact, SHOWN_AT};
use super::message::{Message, message_id};
use super::rules::book::CONSENT_CHANGED;
use super::snapshot::PromoCode;
use super::trace::Trace;

/// One fact to publish. Its id is derived, so that publishing it again is recognisable as the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub id: String,
    /// The CloudEvents type and routing key, for instance `message.sent`.
    pub kind: String,
    pub customer_id: String,
    pub time: DateTime<Utc>,
    pub data: Value,
    /// The trace of what it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

impl Outcome {
    /// What became of a message, once it is in a state that nothing changes by itself.
    pub fn of_message(message: &Message, at: DateTime<Utc>) -> Option<Self> {
        message.state.is_final().then(|| Self {
            id: format!("{}-{}", message.id, message.state.as_str()),
            kind: format!("message.{}", message.state.as_str()),
            customer_id: message.customer_id.clone(),
            time: at,
            data: json!({
                "message_id": message.id,
                "rule": message.rule,
                "step": message.step,
                "channel": message.channel,
                "purpose": message.purpose,
                "template": message.template,
                "locale": message.locale,
                "planned_at": message.planned_at,
                "reason": message.reason,
                "promo_code": message.promo_code,
            }),
            trace: message.trace,
        })
    }

    /// A promo code now exists. Published before the mail that carries it, so that the shop knows it first.
    pub fn of_promo_code(code: &PromoCode, trace: Option<Trace>, at: DateTime<Utc>) -> Self {
        let mut data = code.to_json();
        data["rule"] = code.rule.as_str().into();
        Self {
            id: promo_outcome_id(&code.code),
            kind: "promo_code.issued".to_owned(),
            customer_id: code.customer_id.clone(),
            time: at,
            data,
            trace,
        }
    }
}

/// Where the sources of events begin that Declic makes of what customers tell it: a click on a link, a STOP.
const OURS: &str = "/declic/";

impl Outcome {
    /// A word that a customer gave to Declic and not to the shop, which keeps it so: it is an event that Declic takes
    /// in again, should its database have forgotten it. Without the proof, which holds addresses.
    pub fn of_consent(customer_id: &str, fact: &ConsentFact) -> Option<Self> {
        let told_to_us = fact.event_source.starts_with(OURS) && fact.event_source != IMPORT;
        told_to_us.then(|| {
            let (channel, status) = (fact.channel.as_str(), fact.status.as_str());
            let about =
                message_id(&fact.event_source, customer_id, &fact.event_id, &fact.purpose, fact.channel);
            let mut data = json!({
                "channel": channel, "purpose": fact.purpose, "status": status, "source": fact.event_source,
            });
            // What weighs it against other words belongs to the word.
            if let Some(shown_at) = fact.shown_at {
                data[SHOWN_AT] = json!(shown_at);
            }
            Self {
                id: format!("consent-{about}"),
                kind: CONSENT_CHANGED.to_owned(),
                customer_id: customer_id.to_owned(),
                time: fact.at,
                data,
                trace: None,
            }
        })
    }
}

/// What an import says, the shop knows.
const IMPORT: &str = "/declic/import";

/// The id of the outcome that announces a promo code.
pub fn promo_outcome_id(code: &str) -> String {
    format!("promo-{code}")
}
