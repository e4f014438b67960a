//! Tests that have run, for people and for programs.

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::words::{since, wall};
use super::{Coverage, Row, Trial};

/// What differs, as a timeline with the explanations below it. `zone` is that of the clock shown.
pub fn failure(trial: &Trial<'_>, zone: Tz) -> String {
    let scenario = trial.scenario;
    let several = scenario.customers.len() > 1;
    let cells = |row: &Row| {
        let whose = |text: &str| match several && !text.is_empty() {
            true => format!("{}: {text}", row.customer),
            false => text.to_owned(),
        };
        [wall(zone, row.at), since(scenario.start, row.at), whose(&row.expected), whose(&row.actual)]
    };
    let head = [format!("when ({zone})"), String::new(), "expected".to_owned(), "actual".to_owned()];
    let rows: Vec<(char, [String; 4])> = std::iter::once((' ', head))
        .chain(trial.timeline.iter().map(|row| (row.mark.sign(), cells(row))))
        .collect();
    let width = |i: usize| rows.iter().map(|(_, cells)| cells[i].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for (sign, cells) in &rows {
        let mut line = format!("  {sign} ");
        for (cell, width) in cells.iter().zip(widths) {
            line += &format!("{cell:width$}  ");
        }
        line += &cells[3];
        text += line.trim_end();
        text.push('\n');
    }
    for problem in &trial.problems {
        text += &format!(
            "\n  {}: {} ({}:{})\n",
            problem.kind.as_str(),
            problem.what,
            scenario.path,
            problem.line
        );
        for why in &problem.why {
            text += &format!("    {why}\n");
        }
    }
    text
}

/// All tests and their coverage: a stable interface.
pub fn to_json(trials: &[Trial<'_>], coverage: &Coverage) -> Value {
    let tests = trials.iter().map(|trial| {
        let scenario = trial.scenario;
        json!({
            "file": scenario.path, "line": scenario.line, "name": scenario.name, "passed": trial.passed(),
            "problems": trial.problems, "timeline": trial.timeline,
        })
    });
    let tests: Vec<Value> = tests.collect();
    let passed = trials.iter().filter(|trial| trial.passed()).count();
    json!({ "passed": passed, "failed": trials.len() - passed, "tests": tests, "coverage": coverage.to_json() })
}
