//! Rule tests, run: each story goes through the simulator, and what came is laid beside what was expected.
//!
//! Called by `declic test`. Has no engine of its own, and prints nothing: `report` and `junit` make texts.

mod compare;
mod coverage;
mod explain;
mod junit;
mod report;
mod timeline;
mod words;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde::Serialize;

use crate::active::Active;
use crate::domain::rules::scenario::{Happening, Scenario};
use crate::simulate::{Line, Note, Simulation};
pub use coverage::Coverage;
use coverage::Point;
pub use junit::junit;
pub use report::{failure, to_json};
pub use timeline::Row;

/// Where the links of a test's messages lead: to nobody's pages.
const PUBLIC_URL: &str = "https://declic.example";

/// A test that has run.
#[derive(Debug)]
pub struct Trial<'s> {
    pub scenario: &'s Scenario,
    /// Empty: it has passed.
    pub problems: Vec<Problem>,
    /// What was expected and what came, by time.
    pub timeline: Vec<Row>,
    reached: BTreeSet<Point>,
}

impl Trial<'_> {
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One difference between what was expected and what came. Stable as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub kind: ProblemKind,
    /// Where in the test file the expectation stands; of what was not expected, where the test begins.
    pub line: usize,
    /// What it is about, in a few words.
    pub what: String,
    /// What differs, or why it came or did not: a sentence each, without a full stop.
    pub why: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    Missing,
    Unexpected,
    Different,
}

impl ProblemKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Different => "different",
        }
    }
}

/// Runs one test. It ends when nothing waits any more and its clock has made all its moves.
pub fn run<'s>(active: &Active, scenario: &'s Scenario) -> Trial<'s> {
    let (lines, notes) = play(active, scenario);
    let matches = compare::compare(&scenario.expected, &lines, &notes);
    Trial {
        scenario,
        problems: matches.iter().filter_map(|m| explain::problem(active, scenario, m, &notes)).collect(),
        timeline: timeline::timeline(active, scenario, &matches),
        reached: coverage::reached(&lines, &notes),
    }
}

/// The messages and notes of the rules that the test is about.
fn play(active: &Active, scenario: &Scenario) -> (Vec<Line>, Vec<Note>) {
    let begin = scenario.start - TimeDelta::microseconds(1);
    let mut simulation = Simulation::new(active, PUBLIC_URL, begin).with_journal();
    scenario.known.iter().for_each(|event| simulation.know(event));
    for happening in &scenario.story {
        match happening {
            Happening::Event(event) => simulation.event(event.clone()),
            Happening::Clock(to) => simulation.run_until(*to),
        }
    }
    simulation.finish();
    let (mut lines, mut notes) = simulation.into_journal();
    lines.retain(|line| scenario.rules.contains(&line.rule));
    notes.retain(|note| scenario.rules.contains(&note.rule));
    (lines, notes)
}
