//! The schema of the event catalogue.

use serde_json::{Value, json};

use super::shapes::{any_of, choice, mapping, named, nothing_or, text};
use crate::domain::rules::catalogue::FIELDS;
use crate::domain::rules::condition::Type;

/// The file `rules/events.yaml`.
pub(super) fn catalogue() -> Value {
    let anything = json!({ "type": "null" });
    let names = json!({ "type": "array", "items": text("The name of a field of the event's data.") });
    let kinds = Type::OF_FIELDS.map(|(name, _)| (name, ""));
    let described = "What the field holds: a condition that compares it with anything else is a mistake.";
    let held = nothing_or(
        "What the field holds; nothing after the colon allows anything.",
        choice(described, kinds),
    );
    let by_field = named("Each field of the event's data with what it holds.", ".+", held);
    let fields = vec![anything, names, by_field];
    let described = "The fields of this event's data, with what they hold where that is known; nothing after the colon allows any.";
    let by_name = named(
        "Each event with the fields of its data, or nothing for any field.",
        ".+",
        any_of(described, fields),
    );
    let names = json!({ "type": "array", "items": text("The type of an event that the shop sends.") });
    mapping(
        "The events that the shop sends, so that `declic check` finds a misspelt one.",
        &FIELDS,
        &["events"],
        vec![(
            "events",
            any_of("Event types, alone or with the fields of their data.", vec![names, by_name]),
        )],
    )
}
