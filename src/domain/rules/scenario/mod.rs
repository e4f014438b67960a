//! Rule tests: what `rules/NAME.test.yaml` tells of customers, events and the messages that are expected.
//!
//! [`read`] turns files into [`Scenario`]s or reports everything that is wrong with them. Knows the grammar, and what of
//! it the rules, the policy and the catalogue can confirm; runs nothing. Called by `check` and `test`.

pub(super) mod expect;
mod instants;
pub(super) mod people;
pub(super) mod story;
#[cfg(test)]
pub(super) mod tests;
mod values;

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use super::RuleSet;
use super::catalogue::Catalogue;
use super::reader::{Reader, listed, read_file};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::{Diagnostic, SourceFile, did_you_mean};
use crate::domain::event::Event;
use crate::domain::verdict::Reason;

/// One test: a story, and what its rules must make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The file it stands in.
    pub path: String,
    /// Where in the file it begins, from 1.
    pub line: usize,
    pub name: String,
    /// The rules whose messages it is about; all others run too.
    pub rules: BTreeSet<String>,
    pub start: DateTime<Utc>,
    /// The ids of its customers.
    pub customers: Vec<String>,
    /// What is known of them before the start, as events that no rule hears of.
    pub known: Vec<Event>,
    pub story: Vec<Happening>,
    pub expected: Vec<Expected>,
}

/// What happens in a story, in the order in which it reaches us.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The clock goes on to the event's time, unless it is past that, and the event arrives.
    Event(Event),
    /// The clock goes on.
    Clock(DateTime<Utc>),
}

/// One thing that is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Where in the file it stands, from 1.
    pub line: usize,
    /// Any time, where it does not say.
    pub at: Option<DateTime<Utc>>,
    /// How much later than `at` it may be.
    pub within: TimeDelta,
    pub customer: String,
    /// Any rule that the test is about, where it does not say.
    pub rule: Option<String>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A message goes out.
    Sent { channel: Channel, template: String, words: Box<Words> },
    /// A message was decided about and does not go.
    NotSent { channel: Channel, template: String, reason: Reason },
    /// The rule does not begin.
    NotBegun(Reason),
    /// The rule's run ends before its last step.
    Ended(Reason),
    /// The `if` step of this id runs neither branch.
    Neither(String),
}

/// What is expected of a message's words; what is not said may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Of the template.
    pub locale: Option<String>,
    /// The address.
    pub to: Option<String>,
    /// The whole subject.
    pub subject: Option<String>,
    /// Fragments of the text.
    pub contains: Vec<String>,
    /// Whether it carries a promo code.
    pub promo_code: Option<bool>,
}

/// What test files are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    pub rules: &'a RuleSet,
    pub events: Option<&'a Catalogue>,
    /// The files of the set: a rule that has mistakes of its own is not said to be missing.
    pub files: &'a [SourceFile],
}

/// Reads test files. Diagnostics are in the order of the files and of their places.
pub fn read(tests: &[SourceFile], around: Surroundings<'_>) -> (Vec<Scenario>, Vec<Diagnostic>) {
    let (mut scenarios, mut diagnostics) = (Vec::new(), Vec::new());
    for file in tests {
        let read = read_file(file, &mut diagnostics, |reader, tree| {
            let tests = story::tests(reader, tree, around);
            reader.diagnostics.sort_by_key(|finding| finding.span.start);
            tests
        });
        scenarios.extend(read.into_iter().flatten());
    }
    (scenarios, diagnostics)
}

/// The line of a place, from 1.
fn line_of(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

/// Reports a name that is none of those known, with the one that was meant or all that there are.
fn unknown<'k>(
    reader: &mut Reader<'_>,
    place: &Range<usize>,
    code: &'static str,
    message: &str,
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
) {
    let diagnostic = Diagnostic::error(code, reader.path, place.clone(), message);
    let names: Vec<&str> = known.into_iter().collect();
    reader.report(match did_you_mean(name, names.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => diagnostic,
        None => diagnostic.help(format!("it is one of {}", listed(&names))),
    });
}
