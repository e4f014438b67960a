//! `retention` of the policy: how long each kind of data is kept.

use chrono::TimeDelta;

use super::super::Policy;
use super::super::reader::{Fields, Reader};
use super::super::tree::Node;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::retention::{Kind, Phases, Retention, Span};

/// The kinds of data.
pub(in super::super) const KINDS: [&str; 8] =
    ["events", "messages", "promo_codes", "customers", "consents", "texts", "bounces", "dead_letters"];

/// The phases of a kind.
pub(in super::super) const PHASES: [&str; 2] = ["active", "archive"];

/// Reads `retention`. The policy's ages and caps must be known.
pub(super) fn retention<'a>(reader: &mut Reader<'a>, node: &'a Node, policy: &Policy) -> Retention {
    let mut retention = Retention::default();
    let Some(fields) = reader.fields(node, "`retention`", &KINDS) else { return retention };
    for kind in Kind::ALL {
        if let Some(phases) = fields.get(kind.as_str()).and_then(|node| phases(reader, node, kind)) {
            retention.0.insert(kind, phases);
        }
    }
    fit(reader, &fields, &retention, policy);
    retention
}

fn phases<'a>(reader: &mut Reader<'a>, node: &'a Node, kind: Kind) -> Option<Phases> {
    let what = format!("`{}`", kind.as_str());
    let fields = reader.fields(node, &what, &PHASES)?;
    let active =
        reader.required(&fields, "active", &what, "active: 3y").and_then(|node| span(reader, node, "active"));
    let archive = fields.get("archive").and_then(|node| span(reader, node, "archive"));
    if let Some((key, node)) = fields.entry("archive").filter(|_| !kind.can_be_archived()) {
        let message = format!("{what} have no archive");
        let finding = Diagnostic::error("E0411", reader.path, key.span.start..node.span.end, message);
        reader.report(finding.help("say with `active` alone how long they are kept"));
        return None;
    }
    Some(Phases { active: active?, archive })
}

fn span<'a>(reader: &mut Reader<'a>, node: &'a Node, field: &str) -> Option<Span> {
    let text = reader.text(node, field)?;
    reader.checked(node, "E0411", Span::parse(text))
}

/// What would be gone while something else still stands on it.
fn fit<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, retention: &Retention, policy: &Policy) {
    let active = |kind| retention.of(kind).map(|phases: Phases| phases.active);
    let mut refuse = |kind: Kind, message: String, help: String| {
        let Some((key, _)) = fields.entry(kind.as_str()) else { return };
        reader.report(Diagnostic::error("E0412", reader.path, key.span.clone(), message).help(help));
    };
    // What an event may still begin is known by the entry that it began.
    for kind in [Kind::Messages, Kind::Customers] {
        let Some(kept) = active(kind) else { continue };
        let name = kind.as_str();
        match active(Kind::Events) {
            None if fields.get("events").is_some() => {}
            None => refuse(
                kind,
                format!("`{name}` have an end, and `events` have none"),
                format!(
                    "an event that is still there would begin anew what has been forgotten: add\nevents: {{ active: {kept} }}"
                ),
            ),
            Some(events) if kept.at_least() < events.at_least() => refuse(
                kind,
                format!("`{name}` go after {kept}, and `events` after {events}"),
                format!(
                    "an event that is still there would begin anew what has been forgotten: keep `{name}` for {events} or longer, or `events` for {kept} at most"
                ),
            ),
            Some(_) => {}
        }
    }
    let Some(messages) = active(Kind::Messages) else { return };
    let longest = policy.frequency_caps.iter().map(|cap| cap.period).max().unwrap_or_default();
    let needed = longest.max(policy.catch_up);
    if messages.at_least() < needed {
        let hours = (needed + TimeDelta::minutes(59)).num_hours();
        refuse(
            Kind::Messages,
            format!(
                "`messages` go after {messages}, and the longest frequency cap or `catch_up` looks back {hours} h"
            ),
            format!(
                "a customer would get more than the cap allows: keep `messages` for {}d or longer",
                (hours + 23) / 24
            ),
        );
    }
}
