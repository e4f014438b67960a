//! What was expected and what came, side by side in the order of time.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::compare::{Found, Match};
use super::words;
use crate::active::Active;
use crate::domain::rules::scenario::{Happening, Scenario};
use crate::simulate::Noted;

/// One row of a timeline. Stable as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub at: DateTime<Utc>,
    pub mark: Mark,
    pub customer: String,
    /// Empty where nothing was expected.
    pub expected: String,
    /// Empty where nothing came.
    pub actual: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Nothing to compare: an event, or what a rule did.
    None,
    Same,
    Missing,
    Unexpected,
    Different,
}

impl Mark {
    pub fn sign(self) -> char {
        match self {
            Self::None => ' ',
            Self::Same => '=',
            Self::Missing => '-',
            Self::Unexpected => '+',
            Self::Different => '~',
        }
    }
}

/// All rows, sorted; of one instant, first what happened, then what rules did, then messages.
pub fn timeline(active: &Active, scenario: &Scenario, matches: &[Match<'_>]) -> Vec<Row> {
    let mut rows = story(scenario);
    let (notes, messages): (Vec<_>, Vec<_>) =
        matches.iter().partition(|m| matches!(m.found, Some(Found::Note(_))));
    rows.extend(notes.into_iter().chain(messages).flat_map(|m| of_match(active, scenario, m)));
    rows.sort_by_key(|row| row.at);
    rows
}

fn story(scenario: &Scenario) -> Vec<Row> {
    let mut clock = scenario.start;
    let mut rows = Vec::new();
    for happening in &scenario.story {
        match happening {
            Happening::Clock(to) => clock = clock.max(*to),
            Happening::Event(event) => {
                let late = event.time < clock;
                clock = clock.max(event.time);
                let of = words::since(scenario.start, event.time);
                let actual = if late { format!("{} of {of}, late", event.kind) } else { event.kind.clone() };
                rows.push(row(clock, Mark::None, &event.subject, String::new(), actual));
            }
        }
    }
    rows
}

fn row(at: DateTime<Utc>, mark: Mark, customer: &str, expected: String, actual: String) -> Row {
    Row { at, mark, customer: customer.to_owned(), expected, actual }
}

fn of_match(active: &Active, scenario: &Scenario, m: &Match<'_>) -> Vec<Row> {
    let expected = m.expected.map(words::expected).unwrap_or_default();
    let (at, customer, actual) = match m.found {
        Some(Found::Message(line)) => (line.at, &line.customer, words::message(line)),
        Some(Found::Note(note)) => {
            let mut actual = words::note(note);
            if let (Noted::Turned { step, .. }, Some(rule)) =
                (&note.what, active.book.active.rules.get(&note.rule))
            {
                actual = format!("{actual} ({})", super::explain::condition(rule, step));
            }
            (note.at, &note.customer, actual)
        }
        None => {
            let Some(missing) = m.expected else { return Vec::new() };
            let at = missing.at.unwrap_or(scenario.start);
            return vec![row(at, Mark::Missing, &missing.customer, expected, String::new())];
        }
    };
    let mark = match (m.expected, m.found) {
        (None, Some(Found::Message(_))) => Mark::Unexpected,
        (None, _) => Mark::None,
        (Some(_), _) if m.differences.is_empty() => Mark::Same,
        (Some(_), _) => Mark::Different,
    };
    // At another time than expected: a row for each.
    let elsewhere = m.expected.and_then(|e| e.at).filter(|when| mark == Mark::Different && *when != at);
    match elsewhere {
        Some(when) => vec![
            row(when, mark, customer, expected, String::new()),
            row(at, mark, customer, String::new(), actual),
        ],
        None => vec![row(at, mark, customer, expected, actual)],
    }
}
