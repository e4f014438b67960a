//! Data of events and attributes of customers: YAML as the JSON that the shop would send.

use serde_json::{Map, Number, Value};

use super::super::reader::Reader;
use super::super::tree::{Kind, Node};

/// The value as JSON. What JSON would write as a number or a truth value is one, unless it stands in quotes; all else is
/// text, also `+33612345678`, `0600` and `1990-02-28`.
pub fn json<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Value {
    match &node.kind {
        Kind::Empty => Value::Null,
        Kind::Scalar(text) => scalar(text, &reader.text[node.span.clone()]),
        Kind::List(items) => Value::Array(items.iter().map(|item| json(reader, item)).collect()),
        Kind::Map(_) => Value::Object(object(reader, node, "the data").unwrap_or_default()),
    }
}

/// The fields of a mapping as JSON; an empty value is no field at all.
pub fn object<'a>(reader: &mut Reader<'a>, node: &'a Node, what: &str) -> Option<Map<String, Value>> {
    if node.kind == Kind::Empty {
        return Some(Map::new());
    }
    let fields = reader.open_fields(node, what)?;
    Some(fields.iter().map(|(key, value)| (key.name.clone(), json(reader, value))).collect())
}

/// `written` is the text as it stands in the file, with its quotes.
fn scalar(text: &str, written: &str) -> Value {
    if written.starts_with(['"', '\'', '|', '>']) {
        return text.into();
    }
    match text {
        "true" => true.into(),
        "false" => false.into(),
        _ => serde_json::from_str::<Number>(text).map_or_else(|_| text.into(), Value::Number),
    }
}
