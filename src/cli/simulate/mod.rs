//! `declic simulate`: what a history of events would send, through the same core as the worker.

mod differences;
mod history;
mod messages;
mod rows;
mod told;

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use indicatif::ProgressBar;

use super::table::Format;
use super::{Failure, environment, progress};
use crate::active::{Active, Checked};
use crate::domain::rules::timing::parse_duration;
use crate::files;
use crate::simulate::crowd;
use crate::simulate::stand_in_secret;
use crate::simulate::story::{Group, Span};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The events: one CloudEvents JSON object a line (`-` reads standard input)
    #[arg(long, value_name = "FILE", required_unless_present = "history", conflicts_with = "history")]
    events: Option<PathBuf>,
    /// The events of this last time, such as `30d`, from the database of the configuration
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    history: Option<TimeDelta>,
    /// Customers known before the first event, written as `declic customers import` reads them
    #[arg(long, value_name = "FILE", conflicts_with = "history")]
    customers: Option<PathBuf>,
    /// The folder that holds `rules/` and `templates/`
    #[arg(long, value_name = "DIR", default_value = ".")]
    rules: PathBuf,
    /// Shows only what is different from what the rules and templates of this folder would send
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The first instant simulated, RFC 3339: what came earlier is known and starts nothing (default: the first event)
    #[arg(long, value_name = "TIME", conflicts_with = "history")]
    since: Option<DateTime<Utc>>,
    /// The last instant simulated, RFC 3339 (default: the last event, and the end of all that is under way then)
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// How the results are printed
    #[arg(long, value_enum, default_value_t = Output::Table)]
    format: Output,
}

/// How results are printed. JSON is a stable interface; the rest is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Aligned columns
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
    /// Numbers by rule
    Summary,
    /// Numbers by rule, as JSON
    SummaryJson,
}

impl Output {
    /// How each message is printed, where each is.
    fn listing(self) -> Option<Format> {
        match self {
            Self::Table => Some(Format::Table),
            Self::Json => Some(Format::Json),
            Self::Ndjson => Some(Format::Ndjson),
            Self::Summary | Self::SummaryJson => None,
        }
    }
}

/// What is simulated, and by what.
struct Stage {
    rules: Active,
    /// The rules to compare with.
    against: Option<Active>,
    public_url: String,
    output: Output,
}

pub async fn simulate(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let secret = config.secret.as_ref().map_or_else(stand_in_secret, |s| s.expose().as_bytes().to_vec());
    let stage = Stage {
        rules: rules(&args.rules, &secret)?,
        against: args.against.as_deref().map(|folder| rules(folder, &secret)).transpose()?,
        public_url: config.public.base_url(),
        output: args.format,
    };
    if let Some(age) = args.history {
        let now = config.clock().now();
        let begin = now.checked_sub_signed(age).unwrap_or(DateTime::UNIX_EPOCH);
        let span = Span { begin, end: args.until.unwrap_or(now), finish: args.until.is_none() };
        let history = history::History::new(environment::store(&config).await?, begin);
        let bar = progress::count("events");
        stage.play(history, span, &bar)?;
        if bar.position() == 0 {
            eprintln!("the database keeps no events since {begin:?}");
        }
        return Ok(());
    }
    let Some(file) = &args.events else { return Ok(()) };
    let (story, refused) = told::read(file, args.customers.as_deref(), args.since, args.until)?;
    let Some(span) = story.span(args.since, args.until) else {
        let until = args.until.map(|until| format!(" up to {until:?}")).unwrap_or_default();
        return Err(Failure::Refused(format!("{} holds no usable event{until}", file.display())));
    };
    let bar = progress::bar(story.count(), "events");
    let groups = story.into_groups().map_err(told::not_kept)?;
    stage.play(groups.map(|group| group.map_err(told::not_kept)), span, &bar)?;
    if refused > 0 {
        eprintln!("{refused} lines were not usable as events");
    }
    Ok(())
}

impl Stage {
    fn play(
        &self,
        groups: impl Iterator<Item = Result<Group, Failure>> + Send,
        span: Span,
        bar: &ProgressBar,
    ) -> Result<(), Failure> {
        if span.end < span.begin {
            let words = "--until comes before the first instant simulated: give a later one";
            return Err(Failure::Refused(words.to_owned()));
        }
        match &self.against {
            Some(against) => differences::print(self, against, groups, span, bar),
            None => messages::print(self, groups, span, bar),
        }
    }

    /// Lets `of` make something of each group, and `take` have it, until all groups are done.
    fn each<T>(
        &self,
        groups: impl Iterator<Item = Result<Group, Failure>> + Send,
        bar: &ProgressBar,
        of: impl Fn(&Group) -> T + Sync,
        mut take: impl FnMut(T) -> std::io::Result<()> + Send,
    ) -> Result<(), Failure> {
        let done = crowd::each(groups, of, |group, result| {
            bar.inc((group.known.len() + group.events.len()) as u64);
            take(result).map_err(told::not_kept)
        });
        bar.finish_and_clear();
        done
    }
}

fn rules(folder: &Path, secret: &[u8]) -> Result<Active, Failure> {
    let files = files::read(folder)?;
    let checked = Checked::new(&files);
    if checked.has_errors() {
        let rules = format!("the rules in {}", folder.display());
        return Err(Failure::errors_in(&rules, &checked.diagnostics, &files));
    }
    Ok(checked.activate(&files, secret.to_vec()))
}

fn not_printed(error: std::io::Error) -> Failure {
    Failure::Environment(format!("cannot print: {error}"))
}
