//! The customers of a test: who they are, what they have agreed to, and which one an item is about.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::super::book::UPDATED;
use super::super::reader::{Fields, Reader, listed};
use super::super::tree::{Kind, Node};
use super::{Surroundings, unknown, values};
use crate::domain::consent::{Channel, ConsentStatus};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::event::Event;

/// By id, what customers are like before the story: attributes, and consents as an event brings them.
pub type Customers = BTreeMap<String, (Map<String, Value>, Vec<Value>)>;

/// What a customer may have agreed to.
pub const STATUSES: [ConsentStatus; 4] =
    [ConsentStatus::Granted, ConsentStatus::Pending, ConsentStatus::Denied, ConsentStatus::Withdrawn];

/// By which channels they may be reached.
pub const CHANNELS: [Channel; 2] = [Channel::Email, Channel::Sms];

/// `customers`: each with attributes of the profile, and `consents`. What is said of one known already is laid over it.
pub fn customers<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    customers: &mut Customers,
    around: Surroundings<'_>,
) {
    let Some(fields) = reader.open_fields(node, "`customers`") else { return };
    for (id, node) in fields.iter() {
        let (profile, consented) = customers.entry(id.name.clone()).or_default();
        if node.kind == Kind::Empty {
            continue;
        }
        let Some(fields) = reader.open_fields(node, "a customer") else { continue };
        for (key, value) in fields.iter() {
            if key.name == "consents" {
                *consented = consents(reader, value, around);
            } else {
                profile.insert(key.name.clone(), values::json(reader, value));
            }
        }
    }
}

/// `consents: { email: { marketing: granted } }`, as the list that events carry.
fn consents<'a>(reader: &mut Reader<'a>, node: &'a Node, around: Surroundings<'_>) -> Vec<Value> {
    let statuses = STATUSES.map(|status| (status.as_str(), status));
    let channels = CHANNELS.map(Channel::as_str);
    let purposes = &around.rules.policy.purposes;
    let mut list = Vec::new();
    let Some(fields) = reader.fields(node, "`consents`", &channels) else { return Vec::new() };
    for (channel, words) in fields.iter() {
        let Some(words) = reader.open_fields(words, &format!("the consent to {}", channel.name)) else {
            continue;
        };
        for (purpose, status) in words.iter() {
            if !purposes.contains_key(&purpose.name) {
                let message = format!("the policy has no purpose `{}`", purpose.name);
                let known = purposes.keys().map(String::as_str);
                unknown(reader, &purpose.span, "E0402", &message, &purpose.name, known);
            }
            if let Some(status) = reader.choice(status, &purpose.name, &statuses) {
                list.push(json!({"channel": channel.name, "purpose": purpose.name, "status": status}));
            }
        }
    }
    list
}

/// What is known of a customer, as an event just before the start.
pub fn known_as(
    id: &str,
    mut profile: Map<String, Value>,
    consents: Vec<Value>,
    start: DateTime<Utc>,
) -> Event {
    profile.insert("consents".to_owned(), Value::Array(consents));
    Event {
        id: format!("customer {id}"),
        source: "/test".to_owned(),
        kind: UPDATED.to_owned(),
        subject: id.to_owned(),
        time: start - TimeDelta::microseconds(1),
        data: Value::Object(profile).into(),
        trace: None,
    }
}

/// Whom it is about: the field `customer`, which may be left out where there is only one.
pub fn customer<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    item: &'a Node,
    customers: &[String],
) -> Option<String> {
    match (fields.get("customer"), customers) {
        (None, [only]) => Some(only.clone()),
        (None, _) => {
            let message = "it must say which customer: there is more than one";
            let place = item.span.start..item.span.start;
            let names: Vec<&str> = customers.iter().map(String::as_str).collect();
            let diagnostic = Diagnostic::error("E0705", reader.path, place, message);
            reader.report(diagnostic.help(format!("add `customer:` with one of {}", listed(&names))));
            None
        }
        (Some(node), _) => {
            let name = reader.text(node, "customer")?;
            if customers.iter().any(|known| known == name) {
                return Some(name.to_owned());
            }
            let message = format!("there is no customer `{name}` in this test");
            unknown(reader, &node.span, "E0705", &message, name, customers.iter().map(String::as_str));
            None
        }
    }
}
