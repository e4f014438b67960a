//! Reports and customers' messages, read from a verified body as the configuration describes it.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::config::{Code, InboundFields, StateWord, StatusFields};
use super::form;
use super::outcome::scalar;
use super::webhook::{Call, Refusal};
use crate::channels::sms::{Inbound, Receipt, ReceiptState};
use crate::domain::hex;

/// A provider's word or code that is kept beside a receipt.
const LONGEST_DETAIL: usize = 100;

pub fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The body as a value; a form is one object, in which the first of several fields of one name counts.
pub fn parsed(call: Call<'_>) -> Result<Value, Refusal> {
    if is_form(call.headers) {
        let fields =
            form::decode(call.body).ok_or_else(|| Refusal::Malformed("the form is not UTF-8".to_owned()))?;
        let mut object = Map::new();
        for (name, value) in fields {
            object.entry(name).or_insert(Value::String(value));
        }
        return Ok(Value::Object(object));
    }
    serde_json::from_slice(call.body).map_err(|error| {
        Refusal::Malformed(format!("the body is not JSON (line {}, column {})", error.line(), error.column()))
    })
}

pub fn items(body: &Value, list: Option<&str>) -> Result<Vec<Value>, Refusal> {
    let found = match list {
        Some(pointer) => body
            .pointer(pointer)
            .ok_or_else(|| Refusal::Malformed(format!("there is nothing at `{pointer}`")))?,
        None => body,
    };
    match found {
        Value::Array(items) => Ok(items.clone()),
        Value::Object(_) => Ok(vec![found.clone()]),
        _ => Err(Refusal::Malformed("the body is neither an object nor a list".to_owned())),
    }
}

pub fn receipt(fields: &StatusFields, item: &Value, now: DateTime<Utc>) -> Result<Receipt, Refusal> {
    let word = required(item, fields.state.as_deref(), "webhook.status.state")?;
    let code = at(item, fields.code.as_deref());
    let known = fields.states.get(&word).copied();
    if known.is_none() {
        tracing::warn!(
            state = short(&word),
            "the SMS provider reports a state that `sms.webhook.status.states` does not know"
        );
    }
    let listed = code.as_deref().is_some_and(|code| fields.bad_address.iter().any(|own: &Code| own.is(code)));
    let state = match known.unwrap_or(StateWord::Pending) {
        StateWord::Pending => ReceiptState::Pending,
        StateWord::Delivered => ReceiptState::Delivered,
        StateWord::Failed => ReceiptState::Failed { bad_address: listed },
        StateWord::BadAddress => ReceiptState::Failed { bad_address: true },
    };
    let detail =
        [Some(word), code.filter(|code| code != "0")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    Ok(Receipt {
        provider_id: required(item, fields.id.as_deref(), "webhook.status.id")?,
        state,
        at: instant(item, fields.at.as_deref(), now),
        detail: Some(short(&detail)),
    })
}

pub fn text(fields: &InboundFields, item: &Value, now: DateTime<Utc>) -> Result<Inbound, Refusal> {
    // An empty text is a message too; a missing one is a mistake in the description.
    let text = fields.text.as_deref().and_then(|pointer| item.pointer(pointer)).and_then(Value::as_str);
    let text = text.ok_or_else(|| missing("webhook.inbound.text"))?;
    Ok(Inbound {
        // Hashed with all that it says, so that the same words at another time are another message.
        id: at(item, fields.id.as_deref())
            .unwrap_or_else(|| hex::encode(&Sha256::digest(item.to_string().as_bytes()))[..32].to_owned()),
        from: required(item, fields.from.as_deref(), "webhook.inbound.from")?,
        national: false,
        to: at(item, fields.to.as_deref()).unwrap_or_default(),
        text: text.to_owned(),
        at: instant(item, fields.at.as_deref(), now),
    })
}

fn at(item: &Value, pointer: Option<&str>) -> Option<String> {
    scalar(item.pointer(pointer?)?)
}

fn required(item: &Value, pointer: Option<&str>, key: &str) -> Result<String, Refusal> {
    at(item, pointer).ok_or_else(|| missing(key))
}

fn missing(key: &str) -> Refusal {
    Refusal::Malformed(format!("there is nothing where `sms.{key}` points"))
}

/// The provider's time, never later than ours: its clock may be fast, and a receipt tells of the past.
fn instant(item: &Value, pointer: Option<&str>, now: DateTime<Utc>) -> DateTime<Utc> {
    /// Seconds until the year 5138, milliseconds from 1973.
    const SECONDS_BELOW: i64 = 100_000_000_000;
    let said = at(item, pointer).and_then(|text| match text.parse::<i64>() {
        Ok(number) if number.abs() < SECONDS_BELOW => DateTime::from_timestamp(number, 0),
        Ok(number) => DateTime::from_timestamp_millis(number),
        Err(_) => DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc()),
    });
    said.map_or(now, |said| said.min(now))
}

fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_DETAIL).collect()
}
