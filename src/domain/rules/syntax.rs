//! One rule file, from its tree to a [`Rule`], with the places that checks across files need.
//!
//! Knows the grammar of rules and nothing of other files. The trigger is read by `triggers`, the steps by `steps`.

use super::condition::Condition;
use super::reader::{Fields, Placed, Reader, as_name, is_name};
use super::timing::parse_duration;
use super::tree::{Kind, Node};
use super::triggers::{event_type, trigger};
use super::{OnChange, ReEntry, Rule, Trigger, steps};
use crate::domain::diagnostic::{Diagnostic, did_you_mean};

/// A rule and the places of what it says about other files.
pub(super) struct Parsed {
    /// None when something in it is wrong; what it says about other files is checked all the same.
    pub rule: Option<Rule>,
    pub name: Option<Placed<String>>,
    pub purpose: Option<Placed<String>>,
    pub mentions: Mentions,
}

/// What a rule names and other files declare.
#[derive(Default)]
pub(super) struct Mentions {
    /// Every event type.
    pub events: Vec<Placed<String>>,
    /// The paths that conditions, the key and an anniversary read, each with the place of the whole expression.
    pub paths: Vec<Placed<String>>,
    pub conditions: Vec<Placed<Condition>>,
    /// The purposes that sends confirm.
    pub confirmed: Vec<Placed<String>>,
}

/// The fields of a rule.
pub(super) const FIELDS: [&str; 10] = [
    "rule",
    "description",
    "enabled",
    "purpose",
    "priority",
    "trigger",
    "re_entry",
    "exit_on",
    "on_change",
    "steps",
];

/// The fields of `re_entry` where it is a mapping.
pub(super) const RE_ENTRY: [&str; 1] = ["after"];

/// Reads a rule. `None` means that there is nothing to check further; errors may also be reported beside a rule, which
/// then must not be used.
pub(super) fn rule<'a>(reader: &mut Reader<'a>, tree: &'a Node) -> Option<Parsed> {
    if tree.kind == Kind::Empty {
        reader.error("E0101", 0..0, "the file is empty");
        return None;
    }
    let fields = reader.fields(tree, "a rule", &FIELDS)?;
    let mut mentions = Mentions::default();
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
    let priority = fields.get("priority").map_or(Some(0), |node| priority(reader, node));
    let trigger = reader
        .required(&fields, "trigger", "a rule", "trigger: { event: customer.signed_up }")
        .and_then(|node| trigger(reader, node, &mut mentions));
    let re_entry = re_entry(reader, &fields, trigger.as_ref());
    let exit_on = exit_on(reader, &fields, trigger.as_ref(), &mut mentions);
    let on_change = fields.get("on_change").map_or(Some(OnChange::Keep), |node| {
        let known = [("keep", OnChange::Keep), ("migrate", OnChange::Migrate), ("exit", OnChange::Exit)];
        reader.choice(node, "on_change", &known)
    });
    let program = reader
        .required(&fields, "steps", "a rule", "steps: [{ send: { email: welcome } }]")
        .and_then(|node| steps::program(reader, node, &mut mentions));
    if let Some(trigger) = &trigger {
        super::triggers::without_event(reader, trigger, &mentions.paths);
    }
    let source = reader.text.to_owned();
    let rule = || {
        Some(Rule {
            name: name.clone()?.0,
            description,
            version: String::new(),
            source,
            enabled: enabled?,
            purpose: purpose.clone()?.0,
            priority: priority?,
            trigger: trigger?,
            re_entry: re_entry?,
            exit_on: exit_on?,
            on_change: on_change?,
            program: program?,
        })
    };
    Some(Parsed { rule: rule(), name, purpose, mentions })
}

fn switch<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<bool> {
    reader.choice(node, "enabled", &[("true", true), ("false", false)])
}

/// A whole number; the range keeps people from outbidding each other for ever.
fn priority<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<i32> {
    let text = reader.text(node, "priority")?;
    let priority = text.parse().ok().filter(|n| (-100..=100).contains(n));
    if priority.is_none() {
        let message = format!("`{text}` is not a priority");
        let diagnostic = Diagnostic::error("E0212", reader.path, node.span.clone(), message);
        reader
            .report(diagnostic.help("write a whole number from -100 to 100; 0 is usual, higher goes first"));
    }
    priority
}

/// Reads a condition and notes it.
pub(super) fn condition<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    field: &str,
    mentions: &mut Mentions,
) -> Option<Condition> {
    let (condition, place) = reader.condition(node, field)?;
    mentions.paths.extend(condition.reads().iter().map(|path| (path.clone(), place.clone())));
    mentions.conditions.push((condition.clone(), place));
    Some(condition)
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
        let fields = reader.fields(node, "`re_entry`", &RE_ENTRY)?;
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
    mentions: &mut Mentions,
) -> Option<Vec<String>> {
    let Some(node) = fields.get("exit_on") else { return Some(Vec::new()) };
    let items = match &node.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    let mut kinds: Vec<String> = Vec::new();
    let mut whole = true;
    for item in items {
        let Some(kind) = event_type(reader, item, "exit_on", mentions) else {
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
