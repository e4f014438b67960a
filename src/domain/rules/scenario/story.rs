//! The first half of a test: its name, its start, its rules and what happens.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::super::reader::{Fields, Reader};
use super::super::tree::{Kind, Node};
use super::people::{Customers, customer, customers, known_as};
use super::{Happening, Scenario, Surroundings, expect, instants, line_of, unknown, values};
use crate::domain::diagnostic::{Diagnostic, did_you_mean};
use crate::domain::event::Event;

/// The fields of a file. All but the last are for all of its tests, and may stand in each.
pub const FILE: [&str; 4] = ["start", "customers", "rules", "tests"];

/// The fields of a test.
pub const TEST: [&str; 6] = ["name", "start", "customers", "rules", "events", "expect"];

/// The fields of an event, or of a move of the clock.
pub const HAPPENING: [&str; 5] = ["at", "customer", "event", "data", "clock"];

/// The customer of a test that names none.
const SOMEBODY: &str = "customer";

/// The tests of a file. One with a mistake is reported and left out.
pub fn tests<'a>(reader: &mut Reader<'a>, tree: &'a Node, around: Surroundings<'_>) -> Vec<Scenario> {
    let Some(fields) = reader.fields(tree, "a test file", &FILE) else { return Vec::new() };
    let shared = shared(reader, &fields, Shared::default(), around);
    let example = "tests: [{ name: …, start: …, events: […], expect: […] }]";
    let Some(node) = reader.required(&fields, "tests", "a test file", example) else { return Vec::new() };
    let mut names = BTreeSet::new();
    let items = list(reader, node, "tests");
    items.iter().filter_map(|item| test(reader, item, &shared, &mut names, around)).collect()
}

/// The three things that a test may take from its file.
#[derive(Clone, Default)]
struct Shared {
    start: Option<DateTime<Utc>>,
    /// Whether one is said, rightly or wrongly.
    has_start: bool,
    customers: Customers,
    rules: Option<BTreeSet<String>>,
}

/// Lays what these fields say over what holds already.
fn shared<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    mut shared: Shared,
    around: Surroundings<'_>,
) -> Shared {
    if let Some(node) = fields.get("start") {
        let text = reader.text(node, "start");
        let start = text.map(|text| instants::parse_dated(text, zone(around)));
        shared.start = start.and_then(|start| reader.checked(node, "E0702", start));
    }
    shared.has_start |= fields.is_given("start");
    if let Some(node) = fields.get("customers") {
        customers(reader, node, &mut shared.customers, around);
    }
    if let Some(node) = fields.get("rules") {
        shared.rules = Some(rules(reader, node, around));
    }
    shared
}

pub fn zone(around: Surroundings<'_>) -> Tz {
    around.rules.policy.default_timezone
}

fn test<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    of_file: &Shared,
    names: &mut BTreeSet<String>,
    around: Surroundings<'_>,
) -> Option<Scenario> {
    let before = reader.diagnostics.len();
    let fields = reader.fields(node, "a test", &TEST)?;
    let name =
        reader.required(&fields, "name", "a test", "name: A new customer is greeted").and_then(|node| {
            let name = reader.text(node, "name")?;
            if !names.insert(name.to_owned()) {
                let message = "another test of this file has this name";
                reader.error("E0703", node.span.clone(), message);
            }
            Some(name.to_owned())
        });
    let shared = shared(reader, &fields, of_file.clone(), around);
    if !shared.has_start {
        reader.required(&fields, "start", "a test", "start: 2026-03-02 10:00");
    }
    let rules = shared.rules.or_else(|| beside(reader, around));
    let mut customers = shared.customers;
    if customers.is_empty() {
        customers.entry(SOMEBODY.to_owned()).or_default();
    }
    // Without a start nothing can be told of the times that count from it.
    let start = shared.start?;
    let ids: Vec<String> = customers.keys().cloned().collect();
    let story = fields.get("events").map(|node| story(reader, node, start, &ids, around)).unwrap_or_default();
    let expected = reader.required(&fields, "expect", "a test", "expect: []").map(|node| {
        expect::expected(
            reader,
            node,
            &expect::About { start, customers: &ids, rules: rules.as_ref(), around },
        )
    });
    if reader.diagnostics.len() != before {
        return None;
    }
    Some(Scenario {
        path: reader.path.to_owned(),
        line: line_of(reader.text, node.span.start),
        name: name?,
        rules: rules?,
        start,
        known: customers
            .into_iter()
            .map(|(id, (profile, consents))| known_as(&id, profile, consents, start))
            .collect(),
        customers: ids,
        story,
        expected: expected?,
    })
}

/// The items of a list.
pub fn list<'a>(reader: &mut Reader<'a>, node: &'a Node, field: &str) -> &'a [Node] {
    match &node.kind {
        Kind::List(items) => items,
        other => {
            let message = format!("`{field}` must be a list, not {}", other.words());
            let diagnostic = Diagnostic::error("E0105", reader.path, node.span.clone(), message);
            reader.report(diagnostic.help("begin each item with `- `"));
            &[]
        }
    }
}

/// The rule beside whose file the test stands.
fn beside(reader: &mut Reader<'_>, around: Surroundings<'_>) -> Option<BTreeSet<String>> {
    let rule = reader.path.strip_suffix(".test.yaml")?.rsplit('/').next()?.to_owned();
    if around.rules.rules.contains_key(&rule) {
        return Some(BTreeSet::from([rule]));
    }
    let missing = |finding: &Diagnostic| finding.code == "E0701" && finding.span == (0..0);
    // Said once for the file.
    if !has_mistakes(&rule, around) && !reader.diagnostics.iter().any(missing) {
        let message = format!("there is no rule `{rule}` beside this test");
        let diagnostic = Diagnostic::error("E0701", reader.path, 0..0, message);
        let names = around.rules.rules.keys().map(String::as_str);
        reader.report(match did_you_mean(&rule, names) {
            Some(near) => diagnostic.help(format!("did you mean `{near}.test.yaml`?")),
            None => diagnostic.help("name it after its rule, or say with `rules:` which ones it is about"),
        });
    }
    None
}

/// Whether there is a file for the rule, which then has mistakes of its own.
fn has_mistakes(rule: &str, around: Surroundings<'_>) -> bool {
    let name = format!("{rule}.yaml");
    around.files.iter().any(|file| file.path.rsplit('/').next() == Some(&name))
}

/// `rules: all`, one, or a list.
fn rules<'a>(reader: &mut Reader<'a>, node: &'a Node, around: Surroundings<'_>) -> BTreeSet<String> {
    let all = || around.rules.rules.keys().cloned();
    let items = match &node.kind {
        Kind::Scalar(text) if text == "all" => return all().collect(),
        Kind::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    items.into_iter().filter_map(|item| rule(reader, item, "rules", &all().collect(), around)).collect()
}

/// The name of a rule, one of `known`.
pub fn rule<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    field: &str,
    known: &BTreeSet<String>,
    around: Surroundings<'_>,
) -> Option<String> {
    let name = reader.text(node, field)?;
    if !known.contains(name) && !has_mistakes(name, around) {
        let message = format!("there is no rule `{name}` here");
        unknown(reader, &node.span, "E0701", &message, name, known.iter().map(String::as_str));
        return None;
    }
    Some(name.to_owned())
}

/// `events`: what arrives, in this order, and moves of the clock.
fn story<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    start: DateTime<Utc>,
    customers: &[String],
    around: Surroundings<'_>,
) -> Vec<Happening> {
    let items = list(reader, node, "events").iter().enumerate();
    items.filter_map(|(i, item)| happening(reader, item, i + 1, start, customers, around)).collect()
}

fn happening<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    number: usize,
    start: DateTime<Utc>,
    customers: &[String],
    around: Surroundings<'_>,
) -> Option<Happening> {
    let fields = reader.fields(node, "an event", &HAPPENING)?;
    if let Some((key, to)) = fields.entry("clock") {
        if fields.iter().count() > 1 {
            let message = "a move of the clock stands by itself";
            let diagnostic = Diagnostic::error("E0704", reader.path, key.span.clone(), message);
            reader.report(diagnostic.help("make two items of it"));
            return None;
        }
        return instant(reader, to, "clock", start, around).map(Happening::Clock);
    }
    let at = match fields.get("at") {
        Some(node) => instant(reader, node, "at", start, around),
        None => Some(start),
    };
    let customer = customer(reader, &fields, node, customers);
    let kind = reader.required(&fields, "event", "an event", "event: order.placed");
    let kind = kind.and_then(|node| event_type(reader, node, around));
    let data = match fields.get("data") {
        Some(node) => {
            if let Some(kind) = &kind {
                declared(reader, node, kind, around);
            }
            values::object(reader, node, "`data`")
        }
        None => Some(Map::new()),
    };
    Some(Happening::Event(Event {
        id: number.to_string(),
        source: "/test".to_owned(),
        kind: kind?,
        subject: customer?,
        time: at?,
        data: Value::Object(data?).into(),
        trace: None,
    }))
}

/// An instant of the test.
pub fn instant<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    field: &str,
    start: DateTime<Utc>,
    around: Surroundings<'_>,
) -> Option<DateTime<Utc>> {
    let text = reader.text(node, field)?;
    reader.checked(node, "E0702", instants::parse(text, start, zone(around)))
}

fn event_type<'a>(reader: &mut Reader<'a>, node: &'a Node, around: Surroundings<'_>) -> Option<String> {
    let kind = reader.text(node, "event")?;
    if let Some(events) = around.events
        && !events.knows(kind)
    {
        let message = format!("`rules/events.yaml` has no event type `{kind}`");
        unknown(reader, &node.span, "E0214", &message, kind, events.events());
        return None;
    }
    Some(kind.to_owned())
}

/// Whether the data has only fields that the catalogue declares, where it declares any.
fn declared<'a>(reader: &mut Reader<'a>, node: &'a Node, kind: &str, around: Surroundings<'_>) {
    let Some(declared) = around.events.and_then(|events| events.fields(kind)) else { return };
    let Kind::Map(entries) = &node.kind else { return };
    for (key, _) in entries.iter().filter(|(key, _)| !declared.contains_key(&key.name)) {
        let message = format!("`{kind}` has no field `{}`, says `rules/events.yaml`", key.name);
        unknown(reader, &key.span, "E0304", &message, &key.name, declared.keys().map(String::as_str));
    }
}
