//! What rules and templates read of customers, by reading them: no customer is looked at.
//!
//! Conditions are compiled CEL and templates parsed handlebars, so nothing is overlooked that could be read, whichever
//! branch is taken: each path of each counts. A path that ends early (`lookup customer name`, `event`) means all below it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::consent::Channel;
use crate::domain::rules::{Condition, Op, Rule, Trigger};
use crate::domain::templates::Templates;

/// Attributes that every message is made and timed by: its language, its reader's clock, the laws of their country,
/// and whether they have asked that nothing be done (GDPR article 18).
const OF_EVERY_MESSAGE: [&str; 4] = ["locale", "timezone", "country", crate::domain::customer::RESTRICTED];

/// What is read of a profile or of an event's data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// All of it: which fields is not told.
    All,
    /// One, as a dotted path.
    Named(String),
}

/// Who reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// Every message, to find its way, its language and its hour.
    Message,
    Rule(String),
    /// One of its versions, on either channel.
    Template(String),
}

/// Fields, and who reads each.
pub type Fields = BTreeMap<Field, BTreeSet<Reader>>;

/// What some rules and their templates read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Of the profile.
    pub customer: Fields,
    /// Of the data of events, by their type; one whose coming alone counts has no fields.
    pub events: BTreeMap<String, Fields>,
}

impl Reads {
    /// Adds what a rule reads.
    pub(super) fn add(&mut self, rule: &Rule, templates: &Templates) {
        let reader = Reader::Rule(rule.name.clone());
        let mut key = None;
        match &rule.trigger {
            Trigger::Event { kind, condition, key: of }
            | Trigger::Absent { kind, condition, key: of, .. } => {
                self.events.entry(kind.clone()).or_default();
                self.condition(rule, condition.as_ref());
                key = of.as_ref().map(|path| Field::Named(path.0.join(".")));
                if let Some(key) = &key {
                    self.of_event(kind, key.clone(), &reader);
                }
            }
            Trigger::Anniversary { attribute, .. } => self.of_customer(attribute, &reader),
            Trigger::Schedule { audience, .. } => self.condition(rule, audience.as_ref()),
        }
        for kind in &rule.exit_on {
            self.events.entry(kind.clone()).or_default();
            // An exit is of the same key, where the event has it.
            if let Some(key) = &key {
                self.of_event(kind, key.clone(), &reader);
            }
        }
        for op in &rule.program {
            match op {
                Op::Branch { condition, .. } => self.condition(rule, Some(condition)),
                Op::Send(send) => {
                    for (channel, template) in send.channels() {
                        self.message(rule, channel, template, templates);
                    }
                }
                Op::Wait { .. } | Op::PromoCode(_) | Op::Jump(_) => {}
            }
        }
    }

    /// A message: its address, what every one needs, and what each version of its template shows.
    fn message(&mut self, rule: &Rule, channel: Channel, name: &str, templates: &Templates) {
        let address = match channel {
            Channel::Email => "email",
            Channel::Sms => "phone",
        };
        for attribute in OF_EVERY_MESSAGE.into_iter().chain([address]) {
            self.of_customer(attribute, &Reader::Message);
        }
        let reader = Reader::Template(name.to_owned());
        match channel {
            Channel::Email => {
                for template in templates.locales(name).filter_map(|locale| templates.resolve(name, locale)) {
                    let items = template.items();
                    let paths = template.variables().iter().chain(&items);
                    paths.for_each(|path| self.path(rule, path, &reader));
                }
            }
            Channel::Sms => {
                for template in templates.sms_versions(name) {
                    let paths = template.variables().into_iter().chain(template.items());
                    paths.for_each(|path| self.path(rule, &path, &reader));
                }
            }
        }
    }

    fn condition(&mut self, rule: &Rule, condition: Option<&Condition>) {
        let reader = Reader::Rule(rule.name.clone());
        for path in
            condition.into_iter().flat_map(|condition| condition.reads().iter().chain(condition.items()))
        {
            self.path(rule, path, &reader);
        }
    }

    /// A dotted path of a condition or a template.
    fn path(&mut self, rule: &Rule, path: &str, reader: &Reader) {
        let path = path.strip_prefix("event.").filter(|rest| is_or_below(rest, "data")).unwrap_or(path);
        if path == "customer" {
            entry(&mut self.customer, Field::All, reader);
        } else if let Some(attribute) = path.strip_prefix("customer.") {
            self.of_customer(attribute, reader);
        } else if let Some(kind) = started_by(rule) {
            if path == "event" || path == "data" {
                self.of_event(kind, Field::All, reader);
            } else if let Some(field) = path.strip_prefix("data.") {
                self.of_event(kind, Field::Named(field.to_owned()), reader);
            }
        }
    }

    fn of_customer(&mut self, attribute: &str, reader: &Reader) {
        // The id is Declic's own name for the customer, and in everything.
        if attribute != "id" {
            entry(&mut self.customer, Field::Named(attribute.to_owned()), reader);
        }
    }

    fn of_event(&mut self, kind: &str, field: Field, reader: &Reader) {
        entry(self.events.entry(kind.to_owned()).or_default(), field, reader);
    }
}

fn entry(fields: &mut Fields, field: Field, reader: &Reader) {
    fields.entry(field).or_default().insert(reader.clone());
}

fn is_or_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The type of the event whose data a rule's conditions and templates see.
fn started_by(rule: &Rule) -> Option<&str> {
    match &rule.trigger {
        Trigger::Event { kind, .. } | Trigger::Absent { kind, .. } => Some(kind),
        Trigger::Anniversary { .. } | Trigger::Schedule { .. } => None,
    }
}
