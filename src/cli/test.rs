//! `declic test`: the rules against what their tests expect.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use super::Failure;
use crate::active::{Active, Checked};
use crate::domain::rules::scenario::Scenario;
use crate::files;
use crate::simulate::stand_in_secret;
use crate::trial::{self, Coverage, Trial};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that holds `rules/` and `templates/`
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Only tests whose file or name contains this
    filter: Option<String>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Exit code 1 where tests reach less of the rules' branches and templates
    #[arg(long, value_name = "PERCENT", conflicts_with = "filter", value_parser = clap::value_parser!(u8).range(..=100))]
    min_coverage: Option<u8>,
}

/// JSON is a stable interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: failures as timelines
    Human,
    /// One JSON object
    Json,
    /// JUnit's XML, for continuous integration
    Junit,
}

pub fn test(args: &Args) -> Result<(), Failure> {
    let files = files::read(&args.folder)?;
    let tests = files::read_tests(&args.folder)?;
    let checked = Checked::new(&files);
    if checked.has_errors() {
        return Err(Failure::errors_in("the rules", &checked.diagnostics, &files));
    }
    let (mut scenarios, findings) = checked.scenarios(&files, &tests);
    if !findings.is_empty() {
        return Err(Failure::errors_in("the tests", &findings, &tests));
    }
    scenarios.retain(|scenario| args.filter.as_deref().is_none_or(|filter| is_meant(scenario, filter)));
    if scenarios.is_empty() {
        return Err(Failure::Refused(match &args.filter {
            Some(filter) => format!("no test has `{filter}` in its file or name"),
            None => "there are no tests: write `rules/NAME.test.yaml` beside `rules/NAME.yaml`".to_owned(),
        }));
    }
    let active = checked.activate(&files, stand_in_secret());
    let trials: Vec<Trial<'_>> = scenarios.iter().map(|scenario| trial::run(&active, scenario)).collect();
    let coverage = Coverage::of(&active, &trials);
    let text = printed(args, &active, &trials, &coverage);
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|e| Failure::Environment(format!("cannot print: {e}")))?;
    let failed = trials.iter().filter(|trial| !trial.passed()).count();
    if failed > 0 {
        return Err(Failure::Refused(format!("{failed} of {} tests failed", trials.len())));
    }
    match args.min_coverage {
        Some(least) if coverage.percent() < usize::from(least) => Err(Failure::Refused(format!(
            "the tests reach {} % of the rules' branches and templates, and {least} % are asked for",
            coverage.percent()
        ))),
        _ => Ok(()),
    }
}

fn is_meant(scenario: &Scenario, filter: &str) -> bool {
    format!("{} {}", scenario.path, scenario.name).to_lowercase().contains(&filter.to_lowercase())
}

fn printed(args: &Args, active: &Active, trials: &[Trial<'_>], coverage: &Coverage) -> String {
    let zone = active.book.active.policy.default_timezone;
    match args.format {
        Format::Json => format!("{:#}\n", trial::to_json(trials, coverage)),
        Format::Junit => trial::junit(trials, zone),
        Format::Human => {
            let mut text = String::new();
            for trial in trials {
                let (name, path, line) = (&trial.scenario.name, &trial.scenario.path, trial.scenario.line);
                if trial.passed() {
                    text += &format!("ok    {path}:{line} {name}\n");
                } else {
                    text += &format!("FAIL  {path}:{line} {name}\n\n{}\n", trial::failure(trial, zone));
                }
            }
            let passed = trials.iter().filter(|trial| trial.passed()).count();
            text += &format!("{passed} of {} tests passed\n", trials.len());
            // Of a few tests it would say nothing.
            if args.filter.is_none() {
                text += &coverage.words(active);
                text.push('\n');
            }
            text
        }
    }
}
