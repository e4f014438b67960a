//! The trigger of a rule: its four kinds and their fields.

use super::reader::{Fields, Placed, Reader};
use super::syntax::{Mentions, condition};
use super::timing::{Cron, parse_zone};
use super::tree::{Kind, Node};
use super::{FieldPath, LeapDay, Trigger};
use crate::domain::diagnostic::{Diagnostic, did_you_mean};

/// The kinds of trigger, by the field that makes one, and the fields that each may have.
pub(super) const TRIGGERS: [(&str, &[&str]); 4] = [
    ("event", &["event", "if", "key"]),
    ("absent", &["absent", "for", "if", "key"]),
    ("anniversary", &["anniversary", "at", "leap_day"]),
    ("schedule", &["schedule", "timezone", "audience"]),
];

/// Reads a trigger, and notes what it names.
pub(super) fn trigger<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    mentions: &mut Mentions,
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
        "anniversary" => anniversary(reader, &fields, mentions),
        "schedule" => schedule(reader, &fields, mentions),
        kind => on_event(reader, &fields, kind, mentions),
    }
}

fn on_event<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    field: &str,
    mentions: &mut Mentions,
) -> Option<Trigger> {
    let kind = fields.get(field).and_then(|node| event_type(reader, node, field, mentions));
    let condition = match fields.get("if") {
        Some(node) => condition(reader, node, "if", mentions).map(Some),
        None => Some(None),
    };
    let key = match fields.get("key") {
        Some(node) => key(reader, node, mentions).map(Some),
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

/// Reads the type of an event.
pub(super) fn event_type<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    field: &str,
    mentions: &mut Mentions,
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
    mentions.events.push((text.to_owned(), node.span.clone()));
    Some(text.to_owned())
}

fn key<'a>(reader: &mut Reader<'a>, node: &'a Node, mentions: &mut Mentions) -> Option<FieldPath> {
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
    mentions.paths.push((path.to_owned(), node.span.clone()));
    Some(FieldPath(names))
}

fn anniversary<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, mentions: &mut Mentions) -> Option<Trigger> {
    let attribute = fields.get("anniversary").and_then(|node| {
        let text = reader.text(node, "anniversary")?;
        let name =
            text.strip_prefix("customer.").filter(|name| !name.is_empty() && !name.contains(['.', ' ', '[']));
        if name.is_none() {
            let message = format!("`{text}` is not a date of the customer");
            let diagnostic = Diagnostic::error("E0216", reader.path, node.span.clone(), message);
            reader.report(diagnostic.help("an anniversary is a field like `customer.birthday`"));
        }
        mentions.paths.extend(name.map(|_| (text.to_owned(), node.span.clone())));
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

fn schedule<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, mentions: &mut Mentions) -> Option<Trigger> {
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
        Some(node) => condition(reader, node, "audience", mentions).map(Some),
        None => Some(None),
    };
    Some(Trigger::Schedule { cron: cron?, zone: zone?, audience: audience? })
}

/// Anniversaries and schedules have no event, so a condition on one could never be told.
pub(super) fn without_event(reader: &mut Reader<'_>, trigger: &Trigger, reads: &[Placed<String>]) {
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
