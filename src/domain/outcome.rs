//! Outcomes: what the shop and the CRM are told about messages and promo codes, as CloudEvents.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::message::Message;
use super::snapshot::PromoCode;

/// One fact to publish. Its id is derived, so that publishing it again is recognisable as the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub id: String,
    /// The CloudEvents type and routing key, for instance `message.sent`.
    pub kind: String,
    pub customer_id: String,
    pub time: DateTime<Utc>,
    pub data: Value,
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
        })
    }

    /// A promo code now exists. Published before the mail that carries it, so that the shop knows it first.
    pub fn of_promo_code(code: &PromoCode, at: DateTime<Utc>) -> Self {
        let mut data = code.to_json();
        data["rule"] = code.rule.as_str().into();
        Self {
            id: promo_outcome_id(&code.code),
            kind: "promo_code.issued".to_owned(),
            customer_id: code.customer_id.clone(),
            time: at,
            data,
        }
    }
}

/// The id of the outcome that announces a promo code.
pub fn promo_outcome_id(code: &str) -> String {
    format!("promo-{code}")
}
