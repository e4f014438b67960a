//! The second half of a test: what is expected.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::super::reader::{Fields, Reader, listed};
use super::super::tree::{Kind, Node};
use super::super::{Op, Rule};
use super::people::customer;
use super::story::{instant, list, rule};
use super::{Expected, Surroundings, What, Words, line_of, unknown};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::verdict::Reason;

/// What can be expected: exactly one of these is in each item.
const KINDS: [&str; 5] = ["email", "sms", "not_begun", "ended", "neither"];

/// What may be said of each of these.
pub const COMMON: [&str; 4] = ["at", "within", "customer", "rule"];

/// What only a message has: why it does not go.
pub const NOT_SENT: &str = "not_sent";

/// What only a message that goes out has.
pub const WORDS: [&str; 5] = ["locale", "to", "subject", "contains", "promo_code"];

/// All that can be said of something expected.
pub fn fields() -> Vec<&'static str> {
    [&COMMON[..], &[NOT_SENT], &KINDS, &WORDS].concat()
}

/// The test that something is expected in.
pub struct About<'t> {
    pub start: DateTime<Utc>,
    pub customers: &'t [String],
    /// None where a mistake is reported already.
    pub rules: Option<&'t BTreeSet<String>>,
    pub around: Surroundings<'t>,
}

impl About<'_> {
    fn rules(&self) -> impl Iterator<Item = &Rule> {
        let names = self.rules.into_iter().flatten();
        names.filter_map(|name| self.around.rules.rules.get(name)).map(AsRef::as_ref)
    }

    /// Whether all rules that it is about are right: else nothing can be said of what they send.
    fn is_whole(&self) -> bool {
        self.rules.is_some_and(|names| names.iter().all(|name| self.around.rules.rules.contains_key(name)))
    }
}

/// Reads `expect`. One with a mistake is reported and left out.
pub fn expected<'a>(reader: &mut Reader<'a>, node: &'a Node, about: &About<'_>) -> Vec<Expected> {
    let items = list(reader, node, "expect");
    items.iter().filter_map(|item| one(reader, item, about)).collect()
}

fn one<'a>(reader: &mut Reader<'a>, node: &'a Node, about: &About<'_>) -> Option<Expected> {
    const WHAT: &str = "an expectation";
    let before = reader.diagnostics.len();
    let fields = reader.fields(node, WHAT, &fields())?;
    let mut kinds = fields.iter().filter(|(key, _)| KINDS.contains(&key.name.as_str()));
    let Some((kind, value)) = kinds.next() else {
        // A misspelt one is reported already.
        if reader.diagnostics.len() == before {
            let message = format!("{WHAT} says what is expected: one of {}", listed(&KINDS));
            reader.error("E0706", node.span.start..node.span.start, message);
        }
        return None;
    };
    if let Some((other, _)) = kinds.next() {
        let message = format!("{WHAT} cannot be both `{}` and `{}`", kind.name, other.name);
        let diagnostic = Diagnostic::error("E0706", reader.path, other.span.clone(), message);
        reader.report(diagnostic.help("make two items of it"));
        return None;
    }
    let at = fields.get("at").map(|node| instant(reader, node, "at", about.start, about.around));
    let within = fields.get("within").map(|node| reader.duration(node, "within"));
    if let (Some((key, _)), None) = (fields.entry("within"), &at) {
        let message = "`within` says how much later than `at`, which is not there";
        reader.error("E0706", key.span.clone(), message);
    }
    let customer = customer(reader, &fields, node, about.customers);
    let named = match (fields.get("rule"), about.rules) {
        (Some(node), Some(known)) => rule(reader, node, "rule", known, about.around),
        _ => None,
    };
    let what = match kind.name.as_str() {
        "email" => message(reader, &fields, value, Channel::Email, about),
        "sms" => message(reader, &fields, value, Channel::Sms, about),
        other => {
            unfitting(reader, &fields, &[&WORDS[..], &[NOT_SENT]].concat(), &format!("`{other}`"));
            match other {
                "not_begun" => reason(reader, value, other).map(What::NotBegun),
                "ended" => reason(reader, value, other).map(What::Ended),
                _ => step(reader, value, about).map(What::Neither),
            }
        }
    };
    if reader.diagnostics.len() != before {
        return None;
    }
    Some(Expected {
        line: line_of(reader.text, node.span.start),
        at: at.flatten(),
        within: within.flatten().unwrap_or(TimeDelta::zero()),
        customer: customer?,
        rule: named,
        what: what?,
    })
}

fn message<'a>(
    reader: &mut Reader<'a>,
    fields: &Fields<'a>,
    node: &'a Node,
    channel: Channel,
    about: &About<'_>,
) -> Option<What> {
    let template = reader.text(node, channel.as_str())?.to_owned();
    let sends = about.rules().flat_map(|rule| &rule.program).filter_map(|op| match op {
        Op::Send(send) => Some(send),
        _ => None,
    });
    let templates: BTreeSet<&str> =
        sends.flat_map(|send| send.channels()).filter(|(c, _)| *c == channel).map(|(_, name)| name).collect();
    if about.is_whole() && !templates.contains(template.as_str()) {
        let names: Vec<&str> = about.rules.into_iter().flatten().map(String::as_str).collect();
        let message = format!("no step of {} sends `{template}` by {}", listed(&names), channel.as_str());
        unknown(reader, &node.span, "E0707", &message, &template, templates);
    }
    if let Some(node) = fields.get(NOT_SENT) {
        unfitting(reader, fields, &WORDS, "a message that is not sent");
        return Some(What::NotSent { channel, template, reason: reason(reader, node, NOT_SENT)? });
    }
    reader.required(fields, "at", "an expected message", "at: 1h");
    if channel == Channel::Sms {
        unfitting(reader, fields, &["subject"], "an SMS");
    }
    let mut text = |field| fields.get(field).and_then(|node| reader.text(node, field)).map(str::to_owned);
    let (locale, to, subject) = (text("locale"), text("to"), text("subject"));
    let contains = match fields.get("contains") {
        Some(Node { kind: Kind::List(items), .. }) => items.iter().collect(),
        one => Vec::from_iter(one),
    };
    let contains = contains.into_iter().filter_map(|item| reader.text(item, "contains").map(str::to_owned));
    let contains = contains.collect();
    let promo_code = fields
        .get("promo_code")
        .and_then(|node| reader.choice(node, "promo_code", &[("true", true), ("false", false)]));
    Some(What::Sent {
        channel,
        template,
        words: Box::new(Words { locale, to, subject, contains, promo_code }),
    })
}

/// Reports fields that have no meaning here.
fn unfitting(reader: &mut Reader<'_>, fields: &Fields<'_>, names: &[&str], what: &str) {
    for (key, _) in fields.iter().filter(|(key, _)| names.contains(&key.name.as_str())) {
        let message = format!("{what} has no `{}`", key.name);
        let diagnostic = Diagnostic::error("E0706", reader.path, key.span.clone(), message);
        reader.report(diagnostic.help("take it out"));
    }
}

fn reason<'a>(reader: &mut Reader<'a>, node: &'a Node, field: &str) -> Option<Reason> {
    let name = reader.text(node, field)?;
    let reason = Reason::parse(name);
    if reason.is_none() {
        let known = Reason::ALL.iter().map(|reason| reason.as_str());
        unknown(reader, &node.span, "E0708", &format!("there is no reason `{name}`"), name, known);
    }
    reason
}

/// The id of an `if` step.
fn step<'a>(reader: &mut Reader<'a>, node: &'a Node, about: &About<'_>) -> Option<String> {
    let name = reader.text(node, "neither")?;
    let branches = about.rules().flat_map(|rule| &rule.program).filter_map(|op| match op {
        Op::Branch { id, .. } => Some(id.as_str()),
        _ => None,
    });
    let branches: BTreeSet<&str> = branches.collect();
    if about.is_whole() && !branches.contains(name) {
        let message = format!("there is no `if` step `{name}` here");
        unknown(reader, &node.span, "E0709", &message, name, branches);
        return None;
    }
    Some(name.to_owned())
}
