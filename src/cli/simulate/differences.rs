//! What a history would send otherwise than by the rules of another folder.

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::rows::{Batch, Place, Rows};
use super::{Output, Stage, not_printed};
use crate::active::Active;
use crate::cli::Failure;
use crate::cli::table::{self, Format};
use crate::simulate::Line;
use crate::simulate::crowd;
use crate::simulate::difference::{Change, Changes, Difference, compare};
use crate::simulate::story::{Group, Span};

/// How many differences a table shows; all are for programs.
const SHOWN: usize = 20;

const COLUMNS: [&str; 8] = ["change", "at", "customer", "rule", "step", "channel", "before", "after"];

const KIND_COLUMNS: [&str; 6] = ["rule", "channel", "change", "before", "after", "messages"];

pub fn print(
    stage: &Stage,
    against: &Active,
    groups: impl Iterator<Item = Result<Group, Failure>> + Send,
    span: Span,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let (mut changes, mut rows) = (Changes::default(), Rows::new(&COLUMNS));
    let play = |group: &Group| {
        let by = |rules| crowd::play(rules, &stage.public_url, group, span).0;
        let differences = compare(&by(against), &by(&stage.rules));
        let listed = if stage.output.listing().is_some() { &differences[..] } else { &[] };
        let batch = Batch::of(&COLUMNS, listed.iter().map(|difference| row(difference, stage.output)));
        (Changes::count(&differences), batch)
    };
    stage.each(groups, bar, play, |(part, batch)| {
        changes.add(part);
        rows.add(batch)
    })?;
    match stage.output {
        Output::Json | Output::Ndjson => {
            eprintln!("{}", changes.headline());
            let format = stage.output.listing().unwrap_or(Format::Json);
            rows.print(format, usize::MAX).map_err(not_printed)
        }
        Output::SummaryJson => {
            let whole = json!({
                "headline": changes.headline(),
                "customers": changes.customers,
                "changes": kinds(&changes),
            });
            println!("{whole:#}");
            Ok(())
        }
        Output::Summary => print_kinds(&changes).map_err(not_printed),
        Output::Table => {
            print_kinds(&changes).map_err(not_printed)?;
            let more = rows.count().saturating_sub(SHOWN);
            if rows.count() > 0 {
                println!();
                rows.print(Format::Table, SHOWN).map_err(not_printed)?;
            }
            if more > 0 {
                println!("… and {more} more; --format ndjson lists all");
            }
            Ok(())
        }
    }
}

fn print_kinds(changes: &Changes) -> std::io::Result<()> {
    println!("{}", changes.headline());
    if changes.kinds.is_empty() {
        return Ok(());
    }
    println!();
    table::print(&kinds(changes), &KIND_COLUMNS, Format::Table)
}

fn kinds(changes: &Changes) -> Vec<Value> {
    let kinds = changes.kinds.iter().map(|((rule, channel, change, before, after), messages)| {
        json!({
            "rule": rule,
            "channel": channel,
            "change": change,
            "before": before,
            "after": after,
            "messages": messages,
        })
    });
    kinds.collect()
}

fn row(difference: &Difference, output: Output) -> (Place<'_>, Value) {
    let (rank, row) =
        if output == Output::Table { (rank(difference), cells(difference)) } else { (0, json!(difference)) };
    ((rank, difference.at, &difference.customer), row)
}

/// What stands first where only some are shown: what somebody gets or gets no more, then what comes otherwise, last what
/// nobody gets either way.
fn rank(difference: &Difference) -> u8 {
    let sent = [&difference.before, &difference.after].into_iter().flatten().any(Line::is_sent);
    match difference.change {
        _ if !sent => 2,
        Change::Added | Change::Removed | Change::Outcome => 0,
        Change::Time | Change::Words => 1,
    }
}

/// A difference as a row of a table: before and after, by what is different about them.
fn cells(difference: &Difference) -> Value {
    let cell = |line: &Option<Line>| {
        let line = line.as_ref()?;
        Some(match difference.change {
            Change::Time => json!(line.at),
            Change::Words => json!(line.subject.as_ref().or(line.text.as_ref())),
            Change::Added | Change::Removed | Change::Outcome => json!(line.reason.unwrap_or(line.status)),
        })
    };
    json!({
        "change": difference.change,
        "at": difference.at,
        "customer": difference.customer,
        "rule": difference.rule,
        "step": difference.step,
        "channel": difference.channel,
        "before": cell(&difference.before),
        "after": cell(&difference.after),
    })
}
