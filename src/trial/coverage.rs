//! What of the rules and templates tests have reached.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::Trial;
use super::explain::{condition, way};
use crate::active::Active;
use crate::domain::consent::Channel;
use crate::domain::message::MessageState;
use crate::domain::rules::{Op, RuleSet};
use crate::domain::templates::Templates;
use crate::simulate::{Line, Note, Noted};

/// One thing that a test can reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// A rule begins.
    Rule(String),
    /// A way of an `if` step. That it does neither is no way: some conditions can always be told.
    Branch { rule: String, step: String, then: bool },
    /// A template goes out in one of its locales.
    Template { channel: &'static str, name: String, locale: String },
}

/// What tests have reached of all that there is in enabled rules.
#[derive(Debug)]
pub struct Coverage {
    pub total: usize,
    pub missing: Vec<Point>,
}

impl Coverage {
    /// Of these tests together.
    pub fn of(active: &Active, trials: &[Trial<'_>]) -> Self {
        let all = all(&active.book.active, &active.templates);
        let reached: BTreeSet<&Point> = trials.iter().flat_map(|trial| &trial.reached).collect();
        let total = all.len();
        Self { total, missing: all.into_iter().filter(|point| !reached.contains(point)).collect() }
    }

    /// In whole percent, rounded down: 100 means all.
    pub fn percent(&self) -> usize {
        ((self.total - self.missing.len()) * 100).checked_div(self.total).unwrap_or(100)
    }

    /// For people: how much, and a line for each thing that no test reaches.
    pub fn words(&self, active: &Active) -> String {
        let reached = self.total - self.missing.len();
        let (total, percent) = (self.total, self.percent());
        let mut words = format!("coverage: {reached} of {total} rules, branches and templates ({percent} %)");
        if !self.missing.is_empty() {
            words += ", no test reaches";
        }
        for point in &self.missing {
            words += &format!("\n  {}", point.words(&active.book.active));
        }
        words
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({
            "percent": self.percent(), "reached": self.total - self.missing.len(), "total": self.total,
            "missing": self.missing,
        })
    }
}

impl Point {
    fn words(&self, rules: &RuleSet) -> String {
        match self {
            Self::Rule(name) => format!("rule {name}"),
            Self::Branch { rule, step, then } => {
                let condition = rules.rules.get(rule).map(|rule| condition(rule, step)).unwrap_or_default();
                format!("rule {rule}, step {step}, {}: {condition} is never {then}", way(*then))
            }
            Self::Template { channel, name, locale } => format!("{channel} {name} in {locale}"),
        }
    }
}

/// All that enabled rules can reach.
fn all(rules: &RuleSet, templates: &Templates) -> BTreeSet<Point> {
    let mut points = BTreeSet::new();
    for rule in rules.rules.values().filter(|rule| rule.enabled) {
        points.insert(Point::Rule(rule.name.clone()));
        for op in &rule.program {
            match op {
                Op::Branch { id, .. } => points.extend([true, false].map(|then| Point::Branch {
                    rule: rule.name.clone(),
                    step: id.clone(),
                    then,
                })),
                Op::Send(send) => {
                    points.extend(send.channels().flat_map(|(c, name)| versions(templates, c, name)))
                }
                Op::Wait { .. } | Op::Jump(_) | Op::PromoCode(_) => {}
            }
        }
    }
    points
}

fn versions(templates: &Templates, channel: Channel, name: &str) -> Vec<Point> {
    let locales: Vec<&str> = match channel {
        Channel::Email => templates.locales(name).collect(),
        Channel::Sms => templates.sms_versions(name).map(|template| template.locale.as_str()).collect(),
    };
    let point = |locale: &str| Point::Template {
        channel: channel.as_str(),
        name: name.to_owned(),
        locale: locale.to_owned(),
    };
    locales.into_iter().map(point).collect()
}

/// What one test has reached, of the rules that it is about.
pub fn reached(lines: &[Line], notes: &[Note]) -> BTreeSet<Point> {
    let of_notes = notes.iter().filter_map(|note| match &note.what {
        Noted::Begun => Some(Point::Rule(note.rule.clone())),
        Noted::Turned { step, then } => {
            Some(Point::Branch { rule: note.rule.clone(), step: step.clone(), then: *then })
        }
        _ => None,
    });
    let sent = lines.iter().filter(|line| line.status == MessageState::Sent.as_str());
    let of_lines = sent.filter_map(|line| {
        let (channel, name) = (line.channel, line.template.clone());
        Some(Point::Template { channel, name, locale: line.locale.clone()? })
    });
    of_notes.chain(of_lines).collect()
}
