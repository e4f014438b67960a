//! What conditions are judged against, and the judging itself.

use std::collections::HashMap;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp,
};
use cel::common::value::Val;
use cel::{Context, ExecutionError, Value};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

use super::{Compiled, ENV, Truth, words};
use crate::domain::event::Event;

/// The names that conditions see: `event`, `data` (short for `event.data`), `customer`, `entry`, `now`.
/// Cheap to make: CEL is given only what the condition at hand names, without a copy of its texts, for giving it
/// everything costs many times as much as judging.
pub struct Scope<'a> {
    event: Option<&'a Event>,
    customer: &'a Map<String, Json>,
    entry: &'a Json,
    now: DateTime<Utc>,
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are a customer's: never in a log.
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl<'a> Scope<'a> {
    /// `customer`: the attributes as they were known at the instant that is judged. Without an `event` (an
    /// anniversary, a schedule) a condition that reads one cannot be told.
    pub fn new(
        event: Option<&'a Event>,
        customer: &'a Map<String, Json>,
        entry: &'a Json,
        now: DateTime<Utc>,
    ) -> Self {
        Self { event, customer, entry, now }
    }

    pub(super) fn eval(&self, condition: &Compiled) -> Truth {
        let mut context = Context::with_env(ENV.clone());
        for root in &condition.roots {
            if let Some(value) = self.value_of(root, &condition.found.reads) {
                context.add_variable_as_val(*root, value);
            }
        }
        match context.resolve(&condition.expression) {
            Ok(Value::Bool(true)) => Truth::True,
            Ok(Value::Bool(false)) => Truth::False,
            Ok(other) => {
                Truth::Unknown(format!("the condition gives {}, not yes or no", words::kind(&other)))
            }
            Err(error) => Truth::Unknown(self.why(&error, &condition.found.reads)),
        }
    }

    fn value_of(&self, root: &str, reads: &[String]) -> Option<Box<dyn Val + 'a>> {
        let value = match root {
            "customer" => fields_read(self.customer, root, reads),
            "entry" => value(self.entry),
            "now" => instant(self.now),
            "data" => data_read(self.event?, reads),
            _ => {
                let event = self.event?;
                map([
                    ("id", text(&event.id)),
                    ("source", text(&event.source)),
                    ("type", text(&event.kind)),
                    ("subject", text(&event.subject)),
                    ("time", instant(event.time)),
                    ("data", data_read(event, reads)),
                ])
            }
        };
        Some(value)
    }

    /// Names the missing field, or says what did not go together.
    fn why(&self, error: &ExecutionError, reads: &[String]) -> String {
        let missing = |key: &str| {
            let mut found = reads.iter().filter_map(|path| self.missing_part(path));
            found.find(|part| part.rsplit('.').next() == Some(key)).unwrap_or_else(|| key.to_owned())
        };
        match error {
            ExecutionError::NoSuchKey(key) => missing(key),
            // An absent event: the whole name is undeclared.
            ExecutionError::UndeclaredReference(name) => {
                let of = reads.iter().find(|path| path.split('.').next() == Some(name.as_str()));
                of.cloned().unwrap_or_else(|| name.to_string())
            }
            // A step into something that has no fields, such as data that is null.
            ExecutionError::NoSuchOverload(call) if call.function() == "_._" => {
                let first = reads.iter().find_map(|path| self.missing_part(path));
                first.unwrap_or_else(|| "a field of something that has none".to_owned())
            }
            other => {
                let kinds: Vec<_> =
                    reads.iter().filter_map(|path| Some((path.as_str(), self.kind_of(path)?))).collect();
                words::unlike(other, &kinds)
            }
        }
    }

    /// What stands at a path, with its article; none where nothing does.
    fn kind_of(&self, path: &str) -> Option<&'static str> {
        Some(match self.find(path)? {
            Found::Json(json) => words::kind_of_json(json),
            Found::Text(_) => words::TEXT,
            Found::Instant(_) => words::INSTANT,
            Found::Fields => words::OBJECT,
        })
    }

    /// What stands at a path that a condition reads; none where nothing does.
    pub(super) fn find(&self, path: &str) -> Option<Found<'a>> {
        let mut names = path.split('.');
        let found = match (names.next()?, self.event) {
            ("customer", _) => match names.next() {
                None => return Some(Found::Fields),
                Some(name) => self.customer.get(name)?,
            },
            ("entry", _) => self.entry,
            ("data", Some(event)) => &event.data,
            ("now", _) => return Some(Found::Instant(self.now)),
            ("event", Some(event)) => {
                // What it carries is noted as `data`; its other attributes have no fields.
                return match (names.next(), names.next()) {
                    (None, _) => Some(Found::Fields),
                    (Some("time"), None) => Some(Found::Instant(event.time)),
                    (Some("id"), None) => Some(Found::Text(&event.id)),
                    (Some("source"), None) => Some(Found::Text(&event.source)),
                    (Some("type"), None) => Some(Found::Text(&event.kind)),
                    (Some("subject"), None) => Some(Found::Text(&event.subject)),
                    (Some(_), _) => None,
                };
            }
            _ => return None,
        };
        names.try_fold(found, |value, name| value.as_object()?.get(name)).map(Found::Json)
    }

    /// The shortest beginning of `path` that is not there.
    fn missing_part(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
        ends.map(|end| &path[..end]).find(|part| self.kind_of(part).is_none()).map(str::to_owned)
    }
}

/// What a path leads to.
pub(super) enum Found<'a> {
    Json(&'a Json),
    Text(&'a str),
    Instant(DateTime<Utc>),
    /// The whole customer, the whole event.
    Fields,
}

/// An event's data, as far as the condition reads it. What reads the event as a whole reads all of it.
fn data_read<'a>(event: &'a Event, reads: &[String]) -> Box<dyn Val + 'a> {
    match &*event.data {
        Json::Object(fields) if !reads.iter().any(|path| path == "event") => {
            fields_read(fields, "data", reads)
        }
        whole => value(whole),
    }
}

/// An object with those of its fields that the condition reads.
fn fields_read<'a>(fields: &'a Map<String, Json>, root: &str, reads: &[String]) -> Box<dyn Val + 'a> {
    // A name may hold dots itself (`data["a.b"]`), so any field that begins the rest of a path is taken for read.
    let begins = |path: &str, name: &str| match path.strip_prefix(root) {
        Some("") => true,
        Some(rest) => {
            let after = rest.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
            after.is_some_and(|after| after.is_empty() || after.starts_with('.'))
        }
        None => false,
    };
    let read = fields.iter().filter(|(name, _)| reads.iter().any(|path| begins(path, name)));
    map(read.map(|(name, field)| (name.as_str(), value(field))))
}

fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Box<dyn Val + 'a>)>) -> Box<dyn Val + 'a> {
    let fields: HashMap<CelMapKey<'a>, Box<dyn Val + 'a>> =
        fields.into_iter().map(|(name, value)| (CelMapKey::from(name), value)).collect();
    Box::new(CelMap::from(fields))
}

fn text<'a>(text: &'a str) -> Box<dyn Val + 'a> {
    Box::new(CelString::from(text))
}

fn instant<'a>(at: DateTime<Utc>) -> Box<dyn Val + 'a> {
    Box::new(CelTimestamp::from(at.fixed_offset()))
}

/// JSON as CEL sees it. Whole numbers become `int`, never `uint`, which CEL would not calculate with.
fn value(json: &Json) -> Box<dyn Val + '_> {
    match json {
        Json::Null => Box::new(CelNull),
        Json::Bool(b) => Box::new(CelBool::from(*b)),
        Json::Number(n) => match n.as_i64() {
            Some(int) => Box::new(CelInt::from(int)),
            None => Box::new(CelDouble::from(n.as_f64().unwrap_or(f64::NAN))),
        },
        Json::String(s) => text(s),
        Json::Array(items) => Box::new(CelList::from(items.iter().map(value).collect::<Vec<_>>())),
        Json::Object(fields) => map(fields.iter().map(|(name, field)| (name.as_str(), value(field)))),
    }
}
