//! CEL's errors in a marketer's words.

use cel::{ExecutionError, Value};
use serde_json::Value as Json;

pub(super) const INSTANT: &str = "an instant";
pub(super) const OBJECT: &str = "an object";
pub(super) const TEXT: &str = "a text";

/// What a value is, with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) | Value::Struct(_) => OBJECT,
        Value::Int(_) | Value::UInt(_) => "a whole number",
        Value::Float(_) => "a decimal number",
        Value::String(_) => TEXT,
        Value::Bool(_) => "a yes or no",
        Value::Duration(_) => "a duration",
        Value::Timestamp(_) => INSTANT,
        Value::Null => "nothing",
        Value::Bytes(_) | Value::Function(..) | Value::Opaque(_) => "something else",
    }
}

/// The same for what CEL would be given.
pub(super) fn kind_of_json(value: &Json) -> &'static str {
    match value {
        Json::Null => "nothing",
        Json::Bool(_) => "a yes or no",
        Json::Number(n) if n.as_i64().is_some() => "a whole number",
        Json::Number(_) => "a decimal number",
        Json::String(_) => TEXT,
        Json::Array(_) => "a list",
        Json::Object(_) => OBJECT,
    }
}

/// The same for the name of a CEL type.
fn kind_named(name: &str) -> &'static str {
    match name {
        "list" => "a list",
        "map" => "an object",
        "int" | "uint" => "a whole number",
        "double" => "a decimal number",
        "string" => "a text",
        "bool" => "a yes or no",
        "google.protobuf.Duration" | "duration" => "a duration",
        "google.protobuf.Timestamp" | "timestamp" => "an instant",
        "null_type" | "null" => "nothing",
        _ => "something else",
    }
}

/// Why an evaluation failed, other than by a missing field. `read` lists the fields that are there and what they are.
pub(super) fn unlike(error: &ExecutionError, read: &[(&str, &'static str)]) -> String {
    let about = |wrong: &[&'static str]| {
        let fields: Vec<_> = read
            .iter()
            .filter(|(_, k)| wrong.contains(k))
            .map(|(path, k)| format!("{path} is {k}"))
            .collect();
        if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) }
    };
    match error {
        ExecutionError::NoSuchOverload(call) => {
            let kinds: Vec<_> = call.argument_types().iter().map(|t| kind_named(t)).collect();
            format!(
                "`{}` does not work with {}{}",
                operator(call.function()),
                kinds.join(" and "),
                about(&kinds)
            )
        }
        ExecutionError::UnsupportedBinaryOperator(name, a, b) => {
            let kinds = [kind(a), kind(b)];
            format!("`{}` does not work with {}{}", operator(name), kinds.join(" and "), about(&kinds))
        }
        ExecutionError::ValuesNotComparable(a, b) => {
            let kinds = [kind(a), kind(b)];
            format!("{} cannot be compared with {}{}", kinds[0], kinds[1], about(&kinds))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "a division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number too large to calculate with".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => {
            "a list with fewer items than the condition asks for".to_owned()
        }
        ExecutionError::FunctionError { function, .. } => {
            format!("`{}` cannot use what it is given{}", operator(function), about(&["a text"]))
        }
        // The others carry values, which may be a customer's: they are not repeated.
        _ => {
            let fields: Vec<_> = read.iter().map(|(path, k)| format!("{path} is {k}")).collect();
            match fields.is_empty() {
                true => "values that do not go together".to_owned(),
                false => format!("values that do not go together ({})", fields.join(", ")),
            }
        }
    }
}

/// `_>=_` as a marketer writes it.
fn operator(name: &str) -> &str {
    match name {
        "add" | "@mixed_add" => "+",
        "sub" | "@mixed_subtract" => "-",
        "mul" | "@mixed_multiply" => "*",
        "div" | "@mixed_divide" => "/",
        "rem" => "%",
        "@in" => "in",
        "_[_]" => "[ ]",
        "_._" => ".",
        "_?_:_" => "? :",
        other => other.trim_matches('_'),
    }
}
