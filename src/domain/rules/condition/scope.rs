//! What conditions are judged against, and the judging itself.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, IdedExpr, Value};
use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::{ENV, Truth, words};
use crate::domain::event::Event;

/// The names that conditions see: `event`, `data` (short for `event.data`), `customer`, `entry`, `now`.
/// Built once for an event or a decision and shared by all its conditions: building costs more than judging.
pub struct Scope {
    context: Context<'static, 'static>,
    /// The same values by name, to say what was missing. Cheap to keep: CEL's values share their contents.
    roots: Vec<(&'static str, Value)>,
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are a customer's: never in a log.
        f.debug_list().entries(self.roots.iter().map(|(name, _)| name)).finish()
    }
}

impl Scope {
    /// `customer`: the attributes as they were known at the instant that is judged. Without an `event` (an
    /// anniversary, a schedule) a condition that reads one cannot be told.
    pub fn new(
        event: Option<&Event>,
        customer: &serde_json::Map<String, Json>,
        entry: &Json,
        now: DateTime<Utc>,
    ) -> Self {
        let mut roots = vec![
            ("customer", object(customer)),
            ("entry", value(entry)),
            ("now", Value::Timestamp(now.fixed_offset())),
        ];
        if let Some(event) = event {
            let data = value(&event.data);
            let text = |s: &str| Value::String(Arc::new(s.to_owned()));
            roots.push(("data", data.clone()));
            roots.push((
                "event",
                map([
                    ("id".to_owned(), text(&event.id)),
                    ("source".to_owned(), text(&event.source)),
                    ("type".to_owned(), text(&event.kind)),
                    ("subject".to_owned(), text(&event.subject)),
                    ("time".to_owned(), Value::Timestamp(event.time.fixed_offset())),
                    ("data".to_owned(), data),
                ]),
            ));
        }
        let mut context = Context::with_env(ENV.clone());
        for (name, value) in &roots {
            context.add_variable_from_value(*name, value.clone());
        }
        Self { context, roots }
    }

    pub(super) fn eval(&self, expression: &IdedExpr, reads: &[String]) -> Truth {
        match self.context.resolve(expression) {
            Ok(Value::Bool(true)) => Truth::True,
            Ok(Value::Bool(false)) => Truth::False,
            Ok(other) => {
                Truth::Unknown(format!("the condition gives {}, not yes or no", words::kind(&other)))
            }
            Err(error) => Truth::Unknown(self.why(&error, reads)),
        }
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
                let kinds: Vec<_> = reads
                    .iter()
                    .filter_map(|path| Some((path.as_str(), words::kind(self.at(path)?))))
                    .collect();
                words::unlike(other, &kinds)
            }
        }
    }

    fn at(&self, path: &str) -> Option<&Value> {
        let mut segments = path.split('.');
        let root = segments.next()?;
        let root = &self.roots.iter().find(|(name, _)| *name == root)?.1;
        segments.try_fold(root, |value, name| match value {
            Value::Map(map) => map.map.get(&Key::from(name)),
            _ => None,
        })
    }

    /// The shortest beginning of `path` that is not there.
    fn missing_part(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
        ends.map(|end| &path[..end]).find(|part| self.at(part).is_none()).map(str::to_owned)
    }
}

fn object(fields: &serde_json::Map<String, Json>) -> Value {
    map(fields.iter().map(|(name, field)| (name.clone(), value(field))))
}

fn map(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    let fields: HashMap<Key, Value> =
        fields.into_iter().map(|(name, value)| (Key::from(name), value)).collect();
    Value::Map(Map { map: Arc::new(fields) })
}

/// JSON as CEL sees it. Whole numbers become `int`, never `uint`, which CEL would not calculate with.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(int) => Value::Int(int),
            None => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::String(Arc::new(s.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        Json::Object(fields) => object(fields),
    }
}
