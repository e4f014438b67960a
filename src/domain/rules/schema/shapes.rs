//! The shapes that values have, each with its description. What a reader takes as text may look like a number to YAML.

use serde_json::{Map, Value, json};

/// `90s`, `7d`, `1h30m`; that the units fall, `check` says.
const DURATION: &str = "([0-9]+[wdhms])+";

/// What [`name`] lets through.
pub const NAME: &str = "[a-z0-9][a-z0-9_-]{0,63}";

/// A mapping with these fields and no other. `known` is the list by which its reader goes.
pub fn mapping(description: &str, known: &[&str], required: &[&str], fields: Vec<(&str, Value)>) -> Value {
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
    debug_assert!(
        known.len() == properties.len() && known.iter().all(|name| properties.contains_key(*name)),
        "the reader knows {known:?}, the schema {:?}",
        properties.keys()
    );
    let mut shape = described(description, "object");
    shape["properties"] = properties.into();
    shape["additionalProperties"] = json!(false);
    if !required.is_empty() {
        shape["required"] = json!(required);
    }
    shape
}

/// A mapping in which these fields are explained; others may stand beside them.
pub fn open(description: &str, fields: Vec<(&str, Value)>) -> Value {
    let known: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let mut shape = mapping(description, &known, &[], fields);
    shape["additionalProperties"] = json!(true);
    shape
}

/// Whatever YAML can say.
pub fn any(description: &str, examples: &[&str]) -> Value {
    json!({ "description": description, "examples": examples })
}

/// Any single value.
pub fn text(description: &str) -> Value {
    json!({ "description": description, "type": ["string", "number", "boolean"] })
}

/// A text of this form.
pub fn form(description: &str, pattern: &str, examples: &[&str]) -> Value {
    json!({
        "description": description,
        "type": "string",
        "pattern": format!("^{pattern}$"),
        "examples": examples,
    })
}

/// A text of this form, where digits alone may be one: they look like a number unless they stand in quotes.
pub fn form_or_number(description: &str, pattern: &str, examples: &[&str]) -> Value {
    let mut shape = form(description, pattern, examples);
    shape["type"] = json!(["string", "integer"]);
    shape
}

/// A name as [`is_name`](crate::domain::rules::reader::is_name) wants it.
pub fn name(description: &str, examples: &[&str]) -> Value {
    form_or_number(description, NAME, examples)
}

/// One of a few words, each with its meaning (none where it says enough by itself).
pub fn choice<'a>(description: &str, words: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let (words, meanings): (Vec<&str>, Vec<&str>) = words.into_iter().unzip();
    let explained: Vec<String> = words
        .iter()
        .zip(&meanings)
        .filter(|(_, meaning)| !meaning.is_empty())
        .map(|(word, meaning)| format!("- {word}: {meaning}"))
        .collect();
    let description = match explained.is_empty() {
        true => description.to_owned(),
        false => format!("{description}\n{}", explained.join("\n")),
    };
    let mut shape = described(&description, "string");
    shape["enum"] = json!(words);
    if meanings.iter().any(|meaning| !meaning.is_empty()) {
        shape["enumDescriptions"] = json!(meanings);
    }
    shape
}

/// `true` or `false`.
pub fn switch(description: &str, default: bool) -> Value {
    json!({ "description": description, "type": "boolean", "default": default })
}

/// A whole number.
pub fn number(description: &str, from: i32, to: i32, default: i32) -> Value {
    json!({ "description": description, "type": "integer", "minimum": from, "maximum": to, "default": default })
}

/// A length of time.
pub fn duration(description: &str, examples: &[&str]) -> Value {
    form(description, DURATION, examples)
}

/// `after 30d`.
pub fn after_duration(description: &str) -> Value {
    form(description, &format!("after *{DURATION}"), &["after 30d"])
}

/// A time of day.
pub fn time(description: &str) -> Value {
    form(description, "[0-9]{2}:[0-9]{2}(:[0-9]{2})?", &["09:00"])
}

/// A condition in CEL.
pub fn condition(description: &str, examples: &[&str]) -> Value {
    let description = format!(
        "{description} A condition in CEL. It sees `data` (of the event), `customer`, `entry` and `now`. A field that \
         may be missing is asked for first: `has(data.coupon)`. Put it in single quotes where it begins with `!`, `\"` \
         or `[`, or holds `: ` or ` #`."
    );
    let mut shape = text(&description);
    shape["examples"] = json!(examples);
    shape
}

/// The type of an event.
pub fn event(description: &str) -> Value {
    let examples = ["customer.signed_up", "cart.updated", "order.placed"];
    let mut shape = text(description);
    shape["pattern"] = json!("^\\S+$");
    shape["examples"] = json!(examples);
    shape
}

/// A list of at least so many.
pub fn list(description: &str, least: usize, items: Value) -> Value {
    let mut shape = described(description, "array");
    shape["items"] = items;
    shape["minItems"] = json!(least);
    shape
}

/// One value, or a list of at least so many.
pub fn one_or_list(description: &str, least: usize, item: Value) -> Value {
    any_of(description, vec![item.clone(), list(description, least, item)])
}

/// Whatever one of these shapes fits.
pub fn any_of(description: &str, shapes: Vec<Value>) -> Value {
    json!({ "description": description, "anyOf": shapes })
}

/// A value of this shape, or nothing after the colon.
pub fn nothing_or(description: &str, shape: Value) -> Value {
    any_of(description, vec![json!({ "type": "null" }), shape])
}

/// A mapping whose names are free, within a pattern.
pub fn named(description: &str, names: &str, values: Value) -> Value {
    let mut shape = described(description, "object");
    shape["propertyNames"] = json!({ "pattern": format!("^{names}$") });
    shape["additionalProperties"] = values;
    shape
}

fn described(description: &str, kind: &str) -> Value {
    json!({ "description": description, "type": kind })
}
