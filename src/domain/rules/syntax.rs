//! One rule file, from its tree to a [`Rule`], with the places that checks across files need.
//!
//! Knows the grammar of rules and nothing of other files. The steps are read by `steps`.

use std::ops::Range;

use super::condition::Condition;
use super::reader::{Fields, Placed, Reader, as_name, is_name};
use super::timing::{Cron, parse_duration, parse_zone};
use super::tree::{Kind, Node};
use super::{FieldPath, LeapDay, OnChange, ReEntry, Rule, Trigger, steps};
use crate::domain::diagnostic::{Diagnostic, did_you_mean};

/// A rule and the places of what it says about other files.
pub(super) struct Parsed {
    pub rule: Rule,
    pub name: Range<usize>,
    pub purpose: Range<usize>,
    /// Every event type it names.
    pub events: Vec<Placed<String>>,
    /// The paths that conditions and the key read, each with the place of the whole expression.
    pub reads: Vec<Placed<String>>,
}

const FIELDS: [&str; 9] =
    ["rule", "description", "enabled", "purpose", "trigger", "re_entry", "exit_on", "on_change", "steps"];

/// Reads a rule. `None` means that the reader has at least one error to report; errors may also be reported
/// beside a rule, which then must not be used.
pub(super) fn rule<'a>(reader: &mut Reader<'a>, tree: &'a Node) -> Option<Parsed> {
    if tree.kind == Kind::Empty {
        reader.error("E0101", 0..0, "the file is empty");
        return None;
    }
    let fields = reader.fields(tree, "a rule", &FIELDS)?;
    let mut reads = Vec::new();
    let mut events = Vec::new();
    let name = reader.required(&fields, "rule", "a rule", "rule: welcome").and_then(|node| {
        let text = reader.text(node, "rule")?;
        if !is_name(text) {
            let message = format!("`{text}` cannot be a rule's name: use small letters, digits, `-` and `_`");
            let diagnostic = Diagnostic::error("E0202", reader.path, node.span.clone(), message);
            reader.report(match as_name(text) {
                name if name.is_empty() => diagnostic,
                name => diagnostic.help(format!("write it like `{name}`")),
            });
            return None;
        }
        Some((text.to_owned(), node.span.clone()))
    });
    let description = fields
        .get("description")
        .and_then(|node| reader.text(node, "description"))
        .unwrap_or_default()
        .to_owned();
    let enabled = fields.get("enabled").map_or(Some(true), |node| switch(reader, node));
    let purpose = reader
        .required(&fields, "purpose", "a rule", "purpose: marketing")
        .and_then(|node| Some((reader.text(node, "purpose")?.to_owned(), node.span.clone())));
    let trigger = reader
        .required(&fields, "trigger", "a rule", "trigger: { event: customer.signed_up }")
        .and_then(|node| trigger(reader, node, &mut events, &mut reads));
    let re_entry = re_entry(reader, &fields, trigger.as_ref());
    let exit_on = exit_on(reader, &fields, trigger.as_ref(), &mut events);
    let on_change = fields.get("on_change").map_or(Some(OnChange::Keep), |node| {
        let known = [("keep", OnChange::Keep), ("migrate", OnChange::Migrate), ("exit", OnChange::Exit)];
        reader.choice(node, "on_change", &known)
    });
    let program = reader
        .required(&fields, "steps", "a rule", "steps: [{ send: { email: welcome } }]")
        .and_then(|node| steps::program(reader, node, &mut reads));
    if let Some(trigger) = &trigger {
        without_event(reader, trigger, &reads);
    }
    let (name, name_place) = name?;
    let (purpose, purpose_place) = purpose?;
    let rule = Rule {
        name,
        description,
        version: String::new(),
        source: reader.text.to_owned(),
        enabled: enabled?,
        purpose,
        trigger: trigger?,
        re_entry: re_entry?,
        exit_on: exit_on?,
        on_change: on_change?,
        program: program?,
    };
    Some(Parsed { rule, name: name_place, purpose: purpose_place, events, reads })
}

fn switch<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<bool> {
    reader.choice(node, "enabled", &[("true", true), ("false", false)])
}

/// Reads a condition and notes what it reads.
pub(super) fn condition<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    field: &str,
    reads: &mut Vec<Placed<String>>,
) -> Option<Condition> {
    let (condition, place) = reader.condition(node, field)?;
    reads.extend(condition.reads().iter().map(|path| (path.clone(), place.clone())));
    Some(condition)
}

/// The kinds of trigger, by the field that makes one, and the fields that each may have.
const TRIGGERS: [(&str, &[&str]); 4] = [
    ("event", &["event", "if", "key"]),
    ("absent", &["absent", "for", "if", "key"]),
    ("anniversary", &["anniversary", "at", "leap_day"]),
    ("schedule", &["schedule", "timezone", "audience"]),
];

fn trigger<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    events: &mut Vec<Placed<String>>,
    reads: &mut Vec<Placed<String>>,
) -> Option<Trigger> {
    let Kind::Map(entries) = &node.kind else {
        let diagnostic = Diagnostic::error(
            "E0203",
            reader.path,
            node.span.clone(),
            "a trigger must say what it waits for",
        );
        let example = match &node.kind {
            Kind::Scalar(text) => format!("write it like `trigger: {{ event: {text} }}`"),
            _ => "write it like `trigger: { event: customer.signed_up }`".to_owned(),
        };
        reader.report(diagnostic.help(example));
        return None;
    };
    let mut kinds = TRIGGERS.iter().filter(|(kind, _)| entries.iter().any(|(key, _)| key.name == *kind));
    let Some((kind, known)) = kinds.next() else {
        let names = TRIGGERS.map(|(kind, _)| kind);
        let near = entries.iter().find_map(|(key, _)| Some((key, did_you_mean(&key.name, names)?)));
        let place = near.map_or(node.span.clone(), |(key, _)| key.span.clone());
        let message = "a trigger is one of `event`, `absent`, `anniversary` and `schedule`";
        let diagnostic = Diagnostic::error("E0203", reader.path, place, message);
        reader.report(match near {
            Some((_, near)) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("write it like `trigger: { event: customer.signed_up }`"),
        });
        return None;
    };
    if let Some((other, _)) = kinds.next() {
        let place =
            entries.iter().find(|(key, _)| key.name == *other).map_or(0..0, |(key, _)| key.span.clone());
        let diagnostic = Diagnostic::error(
            "E0203",
            reader.path,
            place,
            format!("a trigger cannot be both `{kind}` and `{other}`"),
        );
        reader.report(diagnostic.help("make two rules of it"));
        return None;
    }
    let what = match *kind {
        "event" => "an event trigger",
        "absent" => "an `absent` trigger",
        "anniversary" => "an anniversary trigger",
        _ => "a schedule trigger",
    };
    let fields = reader.fields(node, what, known)?;
    match *kind {
        "anniversary" => anniversary(reader, &fields),
        "schedule" => schedule(reader, &fields, reads),
        kind => on_event(reader, &fields, kind, events, reads),
    }
}

fn on_event<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    field: &str,
    events: &mut Vec<Placed<String>>,
    reads: &mut Vec<Placed<String>>,
) -> Option<Trigger> {
    let kind = fields.get(field).and_then(|node| event_type(reader, node, field, events));
    let condition = match fields.get("if") {
        Some(node) => condition(reader, node, "if", reads).map(Some),
        None => Some(None),
    };
    let key = match fields.get("key") {
        Some(node) => key(reader, node, reads).map(Some),
        None => Some(None),
    };
    if field == "event" {
        return Some(Trigger::Event { kind: kind?, condition: condition?, key: key? });
    }
    let after = reader
        .required(fields, "for", "an `absent` trigger", "for: 90d")
        .and_then(|node| reader.duration(node, "for"));
    Some(Trigger::Absent { kind: kind?, after: after?, condition: condition?, key: key? })
}

fn event_type<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    field: &str,
    events: &mut Vec<Placed<String>>,
) -> Option<String> {
    let text = reader.text(node, field)?;
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
    if text.len() > 200 || !text.chars().all(fits) {
        let message = format!("`{text}` cannot be an event's type: it is a name like `cart.updated`");
        reader.error("E0214", node.span.clone(), message);
        return None;
    }
    if text == "customer.deleted" {
        reader.error("E0214", node.span.clone(), "nobody is left to write to after `customer.deleted`");
        return None;
    }
    events.push((text.to_owned(), node.span.clone()));
    Some(text.to_owned())
}

fn key<'a>(reader: &mut Reader<'a>, node: &'a Node, reads: &mut Vec<Placed<String>>) -> Option<FieldPath> {
    let text = reader.text(node, "key")?;
    let path = text.strip_prefix("event.").unwrap_or(text);
    let names: Vec<String> = path.split('.').skip(1).map(str::to_owned).collect();
    let named =
        |name: &String| !name.is_empty() && !name.contains(char::is_whitespace) && !name.contains(['[', '(']);
    if !path.starts_with("data.") || !names.iter().all(named) {
        let diagnostic = Diagnostic::error(
            "E0215",
            reader.path,
            node.span.clone(),
            format!("`{text}` is not a field of the event"),
        );
        reader.report(diagnostic.help("a key is a path like `data.cart_id`"));
        return None;
    }
    reads.push((path.to_owned(), node.span.clone()));
    Some(FieldPath(names))
}

fn anniversary<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<Trigger> {
    let attribute = fields.get("anniversary").and_then(|node| {
        let text = reader.text(node, "anniversary")?;
        let name =
            text.strip_prefix("customer.").filter(|name| !name.is_empty() && !name.contains(['.', ' ', '[']));
        if name.is_none() {
            let message = format!("`{text}` is not a date of the customer");
            let diagnostic = Diagnostic::error("E0216", reader.path, node.span.clone(), message);
            reader.report(diagnostic.help("an anniversary is a field like `customer.birthday`"));
        }
        name.map(str::to_owned)
    });
    let at = reader
        .required(fields, "at", "an anniversary trigger", "at: \"09:00\"")
        .and_then(|node| reader.time(node, "at"));
    let leap_day = fields.get("leap_day").map_or(Some(LeapDay::Feb28), |node| {
        let known = [("feb28", LeapDay::Feb28), ("mar1", LeapDay::Mar1), ("skip", LeapDay::Skip)];
        reader.choice(node, "leap_day", &known)
    });
    Some(Trigger::Anniversary { attribute: attribute?, at: at?, leap_day: leap_day? })
}

fn schedule<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    reads: &mut Vec<Placed<String>>,
) -> Option<Trigger> {
    let cron = fields.get("schedule").and_then(|node| {
        let text = reader.text(node, "schedule")?;
        reader.checked(node, "E0205", Cron::parse(text))
    });
    let zone = match fields.get("timezone") {
        Some(node) => {
            let zone = reader.text(node, "timezone").map(parse_zone);
            zone.and_then(|zone| reader.checked(node, "E0206", zone)).map(Some)
        }
        None => Some(None),
    };
    let audience = match fields.get("audience") {
        Some(node) => condition(reader, node, "audience", reads).map(Some),
        None => Some(None),
    };
    Some(Trigger::Schedule { cron: cron?, zone: zone?, audience: audience? })
}

/// `re_entry: never | always | restart | after 30d | { after: 30d }`.
///
/// The default is `never`, but `always` for an `absent` trigger: each last event starts it once by itself.
fn re_entry<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, trigger: Option<&Trigger>) -> Option<ReEntry> {
    let Some((key, node)) = fields.entry("re_entry") else {
        return Some(match trigger {
            Some(Trigger::Event { .. }) | None => ReEntry::Never,
            Some(_) => ReEntry::Always,
        });
    };
    if let Some(Trigger::Anniversary { .. } | Trigger::Schedule { .. }) = trigger {
        let message =
            "`re_entry` has no meaning here: each anniversary and each tick of a schedule comes once";
        let diagnostic = Diagnostic::error("E0212", reader.path, key.span.clone(), message);
        reader.report(diagnostic.help("take it out"));
        return None;
    }
    if matches!(node.kind, Kind::Map(_)) {
        let fields = reader.fields(node, "`re_entry`", &["after"])?;
        let after = reader.required(&fields, "after", "`re_entry`", "re_entry: { after: 30d }")?;
        return reader.duration(after, "after").map(ReEntry::After);
    }
    let text = reader.text(node, "re_entry")?;
    if let Some(after) = text.strip_prefix("after") {
        return reader.checked(node, "E0204", parse_duration(after.trim())).map(ReEntry::After);
    }
    let known = [("never", ReEntry::Never), ("always", ReEntry::Always), ("restart", ReEntry::Restart)];
    if known.iter().all(|(word, _)| did_you_mean(text, [*word]).is_none()) {
        let diagnostic = Diagnostic::error(
            "E0212",
            reader.path,
            node.span.clone(),
            format!("`re_entry` cannot be `{text}`"),
        );
        reader.report(diagnostic.help("it is `never`, `always`, `restart`, or like `after 30d`"));
        return None;
    }
    reader.choice(node, "re_entry", &known)
}

fn exit_on<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    trigger: Option<&Trigger>,
    events: &mut Vec<Placed<String>>,
) -> Option<Vec<String>> {
    let Some(node) = fields.get("exit_on") else { return Some(Vec::new()) };
    let items = match &node.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    let mut kinds: Vec<String> = Vec::new();
    let mut whole = true;
    for item in items {
        let Some(kind) = event_type(reader, item, "exit_on", events) else {
            whole = false;
            continue;
        };
        if let Some(Trigger::Event { kind: trigger, .. }) = trigger
            && *trigger == kind
        {
            let message = format!("`{kind}` starts this rule and cannot end it too");
            let diagnostic = Diagnostic::error("E0213", reader.path, item.span.clone(), message);
            reader
                .report(diagnostic.help("for a newer one to start the rule anew, write `re_entry: restart`"));
            whole = false;
        } else if kinds.contains(&kind) {
            reader.error("E0213", item.span.clone(), format!("`{kind}` is named twice"));
            whole = false;
        } else {
            kinds.push(kind);
        }
    }
    whole.then_some(kinds)
}

/// Anniversaries and schedules have no event, so a condition on one could never be told.
fn without_event(reader: &mut Reader<'_>, trigger: &Trigger, reads: &[Placed<String>]) {
    if !matches!(trigger, Trigger::Anniversary { .. } | Trigger::Schedule { .. }) {
        return;
    }
    for (path, place) in reads {
        if matches!(path.split('.').next(), Some("data" | "event")) {
            let message = format!("there is no event here, so `{path}` is never known");
            let diagnostic = Diagnostic::error("E0303", reader.path, place.clone(), message);
            reader.report(
                diagnostic.help("this kind of trigger knows the customer only, like `customer.country`"),
            );
        }
    }
}
