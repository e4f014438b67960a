//! Which message or note is the one that was expected, and in what it differs.

use chrono::{DateTime, TimeDelta, Utc};

use super::words::{fragment, reason, span};
use crate::domain::message::MessageState;
use crate::domain::rules::scenario::{Expected, What, Words};
use crate::domain::verdict::Reason;
use crate::simulate::{Line, Note, Noted};

/// What was expected beside what came; one of the two may be missing.
#[derive(Debug)]
pub struct Match<'a> {
    pub expected: Option<&'a Expected>,
    pub found: Option<Found<'a>>,
    /// In what they differ, a sentence each.
    pub differences: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    Message(&'a Line),
    Note(&'a Note),
}

/// Pairs off what fits exactly, then what is nearest to it; the rest stands alone.
pub fn compare<'a>(expected: &'a [Expected], lines: &'a [Line], notes: &'a [Note]) -> Vec<Match<'a>> {
    let mut lines: Vec<Option<&Line>> = lines.iter().map(Some).collect();
    let mut notes: Vec<Option<&Note>> = notes.iter().map(Some).collect();
    let mut matches: Vec<Match<'a>> = expected.iter().map(alone).collect();
    for m in &mut matches {
        let Some(expected) = m.expected else { continue };
        let fits = |note: &Note| concerns(expected, note) && is_at(expected, note.at);
        let note = notes.iter_mut().find(|note| note.is_some_and(fits)).and_then(Option::take);
        m.found = note.map(Found::Note);
    }
    let passes: [fn(&Expected, &Line) -> bool; 4] = [
        |expected, line| is_kin(expected, line) && differences(expected, line).is_empty(),
        |expected, line| is_kin(expected, line) && is_at(expected, line.at),
        is_kin,
        // Another template in its place.
        |expected, line| is_near(expected, line) && is_at(expected, line.at),
    ];
    for fits in passes {
        for m in matches.iter_mut().filter(|m| m.found.is_none()) {
            let Some(expected) = m.expected else { continue };
            let far = |line: &Line| expected.at.map_or(TimeDelta::zero(), |at| (line.at - at).abs());
            let candidates = lines.iter_mut().filter(|line| line.is_some_and(|line| fits(expected, line)));
            if let Some(line) = candidates.min_by_key(|line| line.map(far)).and_then(Option::take) {
                m.found = Some(Found::Message(line));
                m.differences = differences(expected, line);
            }
        }
    }
    let left =
        lines.into_iter().flatten().map(Found::Message).chain(notes.into_iter().flatten().map(Found::Note));
    matches.extend(left.map(|found| Match { expected: None, found: Some(found), differences: Vec::new() }));
    matches
}

fn alone(expected: &Expected) -> Match<'_> {
    Match { expected: Some(expected), found: None, differences: Vec::new() }
}

/// To the second: nobody writes less.
fn is_at(expected: &Expected, at: DateTime<Utc>) -> bool {
    expected.at.is_none_or(|from| {
        let late = at.timestamp() - from.timestamp();
        (0..=expected.within.num_seconds()).contains(&late)
    })
}

fn is_about(expected: &Expected, customer: &str, rule: &str) -> bool {
    expected.customer == customer && expected.rule.as_deref().is_none_or(|name| name == rule)
}

/// Whether a note is of the kind that is expected, whenever it was made.
fn concerns(expected: &Expected, note: &Note) -> bool {
    let kind = match (&expected.what, &note.what) {
        (What::NotBegun(expected), Noted::NotBegun { reason, .. })
        | (What::Ended(expected), Noted::Ended { reason, .. }) => expected == reason,
        (What::Neither(expected), Noted::Neither { step, .. }) => expected == step,
        _ => false,
    };
    kind && is_about(expected, &note.customer, &note.rule)
}

/// Whether it is about the same customer on the same channel.
fn is_near(expected: &Expected, line: &Line) -> bool {
    let channel = match &expected.what {
        What::Sent { channel, .. } | What::NotSent { channel, .. } => channel.as_str(),
        _ => return false,
    };
    channel == line.channel && is_about(expected, &line.customer, &line.rule)
}

/// Whether it is the same mail or SMS, as far as its template says.
fn is_kin(expected: &Expected, line: &Line) -> bool {
    is_near(expected, line) && template(expected) == Some(&line.template)
}

fn template(expected: &Expected) -> Option<&String> {
    match &expected.what {
        What::Sent { template, .. } | What::NotSent { template, .. } => Some(template),
        _ => None,
    }
}

fn differences(expected: &Expected, line: &Line) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(name) = template(expected).filter(|name| **name != line.template) {
        found.push(format!("it is `{}`, not `{name}`", line.template));
    }
    if let Some(at) = expected.at.filter(|_| !is_at(expected, line.at)) {
        let (early, apart) = (line.at < at, span((line.at - at).abs()));
        found.push(format!("it came {apart} {}", if early { "sooner" } else { "later" }));
    }
    let sent = line.status == MessageState::Sent.as_str();
    match &expected.what {
        What::Sent { words, .. } if sent => said(words, line, &mut found),
        What::Sent { .. } => found.push(format!("it was not sent: {}", fate(line))),
        What::NotSent { .. } if sent => found.push("it was sent".to_owned()),
        What::NotSent { reason: expected, .. } if line.reason != Some(expected.as_str()) => {
            found.push(format!("it was not sent for another reason: {}", fate(line)));
        }
        _ => {}
    }
    found
}

/// Why a message was not sent, in words.
pub fn fate(line: &Line) -> String {
    let words = line.reason.and_then(Reason::parse).map_or_else(|| line.status.to_owned(), reason);
    match &line.detail {
        Some(detail) => format!("{words}; {detail}"),
        None => words,
    }
}

/// What a message that went out does not say as expected.
fn said(words: &Words, line: &Line, found: &mut Vec<String>) {
    if let Some(locale) = words.locale.as_ref().filter(|locale| line.locale.as_ref() != Some(locale)) {
        found.push(format!("it is in `{}`, not in `{locale}`", line.locale.as_deref().unwrap_or("-")));
    }
    if let Some(to) = words.to.as_ref().filter(|to| line.to.as_ref() != Some(to)) {
        found.push(format!("it went to {}, not to {to}", line.to.as_deref().unwrap_or("nobody")));
    }
    let subject = line.subject.as_deref().map(spaced).unwrap_or_default();
    if let Some(expected) = words.subject.as_ref().filter(|expected| spaced(expected) != subject) {
        found.push(format!("its subject is “{subject}”, not “{expected}”"));
    }
    let text = line.text.as_deref().map(spaced).unwrap_or_default();
    let lacking: Vec<String> = words
        .contains
        .iter()
        .filter(|part| !text.contains(&spaced(part)))
        .map(|part| format!("“{part}”"))
        .collect();
    if !lacking.is_empty() {
        found.push(format!("its text does not contain {}: {}", lacking.join(" nor "), fragment(&text)));
    }
    match (words.promo_code, &line.promo_code) {
        (Some(true), None) => found.push("it carries no promo code".to_owned()),
        (Some(false), Some(code)) => found.push(format!("it carries the promo code {code}")),
        _ => {}
    }
}

/// With one plain space wherever there is white space: lines break anywhere, and French has spaces of its own.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
