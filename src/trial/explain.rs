//! Why a message did not come, or came: from what the simulation has noted.

use chrono::{DateTime, Utc};

use super::compare::{Found, Match, fate};
use super::words::{self, reason, since};
use super::{Problem, ProblemKind};
use crate::active::Active;
use crate::domain::message::MessageState;
use crate::domain::rules::scenario::{Expected, Scenario, What};
use crate::domain::rules::{Op, Rule, Trigger};
use crate::simulate::{Line, Note, Noted};

/// The difference that a match is, if it is one.
pub fn problem(active: &Active, scenario: &Scenario, m: &Match<'_>, notes: &[Note]) -> Option<Problem> {
    let about = |what: String, at: Option<DateTime<Utc>>, customer: &str| {
        let at = at.map(|at| format!(" at {}", since(scenario.start, at))).unwrap_or_default();
        let whose = if scenario.customers.len() > 1 { format!(" for {customer}") } else { String::new() };
        format!("{what}{at}{whose}")
    };
    let of = |expected: &Expected| about(words::expected(expected), expected.at, &expected.customer);
    Some(match (m.expected, m.found) {
        (Some(expected), None) => Problem {
            kind: ProblemKind::Missing,
            line: expected.line,
            what: of(expected),
            why: absence(active, scenario, expected, notes),
        },
        (Some(expected), Some(_)) if !m.differences.is_empty() => Problem {
            kind: ProblemKind::Different,
            line: expected.line,
            what: of(expected),
            why: m.differences.clone(),
        },
        (None, Some(Found::Message(line))) => Problem {
            kind: ProblemKind::Unexpected,
            line: scenario.line,
            what: about(words::message(line), Some(line.at), &line.customer),
            why: vec![presence(scenario, line)],
        },
        _ => return None,
    })
}

fn presence(scenario: &Scenario, line: &Line) -> String {
    let by = format!("the step `{}` of rule `{}`", line.step, line.rule);
    if line.status == MessageState::Sent.as_str() {
        let subject = line.subject.as_ref().or(line.text.as_ref());
        let says = subject.map(|subject| format!(", {}", words::fragment(subject))).unwrap_or_default();
        return format!("{by} sent it{says}");
    }
    format!("{by} asked for it at {}: {}", since(scenario.start, line.at), fate(line))
}

/// Why what was expected did not come, as far as the rules that could have brought it can tell.
fn absence(active: &Active, scenario: &Scenario, expected: &Expected, notes: &[Note]) -> Vec<String> {
    let rules = scenario.rules.iter().filter(|name| expected.rule.as_ref().is_none_or(|rule| rule == *name));
    let rules = rules.filter_map(|name| active.book.active.rules.get(name));
    let concerned = rules.filter(|rule| could_bring(rule, &expected.what));
    concerned.flat_map(|rule| of_rule(rule, scenario, expected, notes)).collect()
}

fn could_bring(rule: &Rule, what: &What) -> bool {
    match what {
        What::Sent { channel, template, .. } | What::NotSent { channel, template, .. } => {
            rule.program.iter().any(|op| match op {
                Op::Send(send) => send.channels().any(|(c, name)| c == *channel && name == template),
                _ => false,
            })
        }
        What::Neither(step) => rule.program.iter().any(|op| op.id() == Some(step)),
        What::NotBegun(_) | What::Ended(_) => true,
    }
}

fn of_rule(rule: &Rule, scenario: &Scenario, expected: &Expected, notes: &[Note]) -> Vec<String> {
    let name = &rule.name;
    let until = expected.at.map(|at| at + expected.within);
    let mine = notes.iter().filter(|note| note.rule == *name && note.customer == expected.customer);
    let mine: Vec<&Note> = mine.filter(|note| until.is_none_or(|until| note.at <= until)).collect();
    let told: Vec<String> = mine.iter().filter_map(|note| told(rule, scenario, note)).collect();
    match mine.iter().find(|note| note.what == Noted::Begun) {
        _ if !told.is_empty() => told,
        Some(begun) => {
            let at = since(scenario.start, begun.at);
            vec![format!("rule `{name}` began at {at} and brought nothing like it by then")]
        }
        None => vec![format!("nothing had set off rule `{name}` by then: {}", set_off_by(rule))],
    }
}

/// A note as a sentence; none where it explains nothing.
fn told(rule: &Rule, scenario: &Scenario, note: &Note) -> Option<String> {
    let name = &rule.name;
    let at = since(scenario.start, note.at);
    let more = |detail: &Option<String>| detail.as_ref().map(|d| format!("; {d}")).unwrap_or_default();
    Some(match &note.what {
        Noted::Begun => return None,
        Noted::NotBegun { reason: why, detail } => {
            format!("rule `{name}` was not begun at {at}: {}{}", reason(*why), more(detail))
        }
        Noted::Turned { step, then } => {
            let condition = condition(rule, step);
            format!("step `{step}` of rule `{name}` went to `{}` at {at}: {condition} was {then}", way(*then))
        }
        Noted::Neither { step, detail } => {
            format!(
                "step `{step}` of rule `{name}` did neither branch at {at}: {} cannot be told{}",
                condition(rule, step),
                more(detail)
            )
        }
        Noted::Ended { reason: why, detail } => {
            format!("rule `{name}` ended at {at}: {}{}", reason(*why), more(detail))
        }
    })
}

pub fn way(then: bool) -> &'static str {
    if then { "then" } else { "else" }
}

/// The condition of an `if` step, as it is written.
pub fn condition<'r>(rule: &'r Rule, step: &str) -> &'r str {
    let mut conditions = rule.program.iter().filter_map(|op| match op {
        Op::Branch { id, condition, .. } if id == step => Some(condition.source()),
        _ => None,
    });
    conditions.next().unwrap_or_default()
}

fn set_off_by(rule: &Rule) -> String {
    match &rule.trigger {
        _ if !rule.enabled => "it is disabled".to_owned(),
        Trigger::Event { kind, .. } => format!("it begins with `{kind}`"),
        Trigger::Absent { kind, .. } => format!("it begins when no `{kind}` has come for a while"),
        Trigger::Anniversary { attribute, .. } => {
            format!("no day of `customer.{attribute}` came; does the `clock` go on that far?")
        }
        Trigger::Schedule { cron, .. } => {
            format!("`{}` did not come for the customer; does the `clock` go on that far?", cron.source())
        }
    }
}
