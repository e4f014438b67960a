//! What one rule says of other files: its own name, the policy's purposes, the catalogue's events and their fields.

use std::ops::Range;

use super::super::catalogue::{Catalogue, Fields};
use super::super::reader::{Reader, listed};
use super::super::syntax::Parsed;
use super::super::{Policy, Trigger};
use crate::domain::diagnostic::{Diagnostic, did_you_mean};

/// Checks a rule against its file's name, the policy and the catalogue.
pub(super) fn check(
    reader: &mut Reader<'_>,
    parsed: &Parsed,
    stem: &str,
    policy: &Policy,
    catalogue: Option<&Catalogue>,
) {
    if let Some((name, place)) = parsed.name.as_ref().filter(|(name, _)| name != stem) {
        let message = format!("the rule is named `{name}`, its file `{stem}.yaml`");
        let diagnostic = Diagnostic::error("E0201", reader.path, place.clone(), message);
        reader.report(diagnostic.help(format!("write `rule: {stem}`, or rename the file to `{name}.yaml`")));
    }
    let purposes = parsed.purpose.iter().chain(&parsed.mentions.confirmed);
    for (purpose, place) in purposes.filter(|(name, _)| !policy.purposes.contains_key(name)) {
        let message = format!("the policy has no purpose `{purpose}`");
        let diagnostic = Diagnostic::error("E0402", reader.path, place.clone(), message);
        let names: Vec<&str> = policy.purposes.keys().map(String::as_str).collect();
        reader.report(match did_you_mean(purpose, names.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("it has {}", listed(&names))),
        });
    }
    let trigger = parsed.rule.as_ref().map(|rule| &rule.trigger);
    let event = match trigger {
        Some(Trigger::Event { kind, .. } | Trigger::Absent { kind, .. }) => Some(kind.as_str()),
        _ => None,
    };
    if let Some(catalogue) = catalogue {
        events(reader, parsed, catalogue);
        paths(reader, parsed, event, catalogue);
    }
    let nothing = Catalogue::default();
    let catalogue = catalogue.unwrap_or(&nothing);
    for (condition, place) in &parsed.mentions.conditions {
        for error in condition.unlike(|path| catalogue.type_of(event, path)) {
            let place = reader.place_in(place, condition.source(), error.offset);
            let mut diagnostic = Diagnostic::error("E0305", reader.path, place, error.message);
            diagnostic.help = error.help;
            reader.report(diagnostic);
        }
    }
}

/// Event types that nobody sends.
fn events(reader: &mut Reader<'_>, parsed: &Parsed, catalogue: &Catalogue) {
    for (kind, place) in parsed.mentions.events.iter().filter(|(kind, _)| !catalogue.knows(kind)) {
        let message = format!("`rules/events.yaml` has no event type `{kind}`");
        let diagnostic = Diagnostic::error("E0214", reader.path, place.clone(), message);
        reader.report(match did_you_mean(kind, catalogue.events()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("add it there, if the shop sends it"),
        });
    }
}

/// Fields of the event and of the profile that nobody sends, where they are declared.
fn paths(reader: &mut Reader<'_>, parsed: &Parsed, event: Option<&str>, catalogue: &Catalogue) {
    let of_event = event.and_then(|event| Some((event, catalogue.fields(event)?)));
    for (path, place) in &parsed.mentions.paths {
        let mut names = path.split('.');
        let (Some(root), Some(field)) = (names.next(), names.next()) else { continue };
        match (root, of_event, catalogue.profile()) {
            ("data", Some((event, fields)), _) if !fields.contains_key(field) => {
                let message = format!("`{event}` has no field `{field}`, says `rules/events.yaml`");
                unknown(reader, place, field, "E0304", message, fields);
            }
            ("customer", _, Some(fields)) if !fields.contains_key(field) => {
                let message = format!("no event of `rules/events.yaml` gives a customer a `{field}`");
                unknown(reader, place, field, "E0306", message, fields);
            }
            _ => {}
        }
    }
}

fn unknown(
    reader: &mut Reader<'_>,
    place: &Range<usize>,
    field: &str,
    code: &'static str,
    message: String,
    known: &Fields,
) {
    // The place of the whole expression, narrowed to the field where it is written once.
    let mut found = reader.text[place.clone()].match_indices(field);
    let place = match (found.next(), found.next()) {
        (Some((at, _)), None) => place.start + at..place.start + at + field.len(),
        _ => place.clone(),
    };
    let diagnostic = Diagnostic::error(code, reader.path, place, message);
    reader.report(match did_you_mean(field, known.keys().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("add it there, if the shop sends it"),
    });
}
