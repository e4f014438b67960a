//! `declic simulate`: what a file of events would send, through the same core as the worker.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use super::table::{self, Format};
use super::{Failure, environment, progress};
use crate::active::Checked;
use crate::domain::consent::Channel;
use crate::domain::diagnostic::render;
use crate::domain::event::Event;
use crate::domain::sms::segments;
use crate::files;
use crate::simulate::{Line, Simulation, stand_in_secret};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The events: one CloudEvents JSON object a line (`-` reads standard input)
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// The folder that holds `rules/` and `templates/`
    #[arg(long, value_name = "DIR", default_value = ".")]
    rules: PathBuf,
    /// The last instant simulated, RFC 3339 (default: until no timer waits any more)
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// How the messages are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub fn simulate(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let files = files::read(&args.rules).map_err(|e| Failure::Refused(e.to_string()))?;
    let checked = Checked::new(&files);
    if checked.has_errors() {
        let report = render(&checked.diagnostics, &files, false);
        return Err(Failure::Refused(format!("the rules have errors\n{report}")));
    }
    let secret = config.secret.as_ref().map_or_else(stand_in_secret, |s| s.expose().as_bytes().to_vec());
    let active = checked.activate(&files, secret);
    let (mut events, refused) = read_events(&args.events)?;
    events.sort_by_key(Event::stamp);
    let Some(first) = events.first() else {
        return Err(Failure::Refused(format!("{} holds no usable event", args.events.display())));
    };
    let public_url = config.public.base_url();
    let mut simulation = Simulation::new(&active, &public_url, first.time - TimeDelta::microseconds(1));
    let bar = progress::bar(events.len() as u64, "events");
    // What comes later than asked for would only bring its years with it.
    for event in events.into_iter().filter(|event| args.until.is_none_or(|until| event.time <= until)) {
        simulation.event(event);
        bar.inc(1);
    }
    bar.finish_and_clear();
    match args.until {
        Some(until) => simulation.run_until(until),
        // Each timer may set the next one.
        None => {
            while let Some(last) = simulation.last_timer() {
                simulation.run_until(last);
            }
        }
    }
    let (lines, skipped) = simulation.into_lines();
    table::print(
        &lines,
        &["at", "customer", "rule", "template", "locale", "to", "status", "reason", "subject"],
        args.format,
    )
    .map_err(|e| Failure::Environment(format!("cannot print: {e}")))?;
    summarise(&lines, &skipped, refused);
    if let Some(words) = sms_words(&lines, active.book.active.policy.sms.segment_cost.as_ref()) {
        eprintln!("{words}");
    }
    Ok(())
}

fn summarise(
    lines: &[Line],
    skipped: &BTreeMap<(String, crate::domain::verdict::Reason), u64>,
    refused: usize,
) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in lines {
        *counts.entry((line.rule.as_str(), line.reason.unwrap_or(line.status))).or_default() += 1;
    }
    for ((rule, what), count) in counts {
        eprintln!("{rule}: {count} {what}");
    }
    for ((rule, reason), count) in skipped {
        eprintln!("{rule}: not begun {count} times: {}", reason.words());
    }
    if refused > 0 {
        eprintln!("{refused} lines were not usable as events");
    }
}

/// How many SMS there would be, of how many segments, and what they would cost.
fn sms_words(lines: &[Line], segment_cost: Option<&(u64, String)>) -> Option<String> {
    let texts: Vec<&str> = lines
        .iter()
        .filter(|line| line.channel == Channel::Sms.as_str() && line.status == "sent")
        .filter_map(|line| line.text.as_deref())
        .collect();
    if texts.is_empty() {
        return None;
    }
    let segments: u64 = texts.iter().map(|text| u64::from(segments(text).1)).sum();
    let cost = segment_cost.map(|(each, currency)| {
        // Kept in hundred-thousandths; shown to the cent.
        let total = (each * segments) as f64 / 100_000.0;
        format!(", {total:.2} {currency}")
    });
    Some(format!("SMS: {} in {segments} segments{}", texts.len(), cost.unwrap_or_default()))
}

/// Reads the events of a file, telling of each line that is none.
fn read_events(path: &Path) -> Result<(Vec<Event>, usize), Failure> {
    let failed = |e: std::io::Error| Failure::Refused(format!("cannot read {}: {e}", path.display()));
    let reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(failed)?))
    };
    let (mut events, mut refused) = (Vec::new(), 0);
    for (number, line) in reader.split(b'\n').enumerate() {
        let line = line.map_err(failed)?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        // No event of a history is ahead of its own time.
        match Event::from_json(line.trim_ascii(), DateTime::<Utc>::MAX_UTC) {
            Ok(event) => events.push(event),
            Err(error) => {
                refused += 1;
                eprintln!("{}:{}: {error}", path.display(), number + 1);
            }
        }
    }
    Ok((events, refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sms_are_counted_by_their_segments() {
        let line = |channel, status, text: &str| Line {
            at: DateTime::UNIX_EPOCH,
            customer: String::new(),
            rule: String::new(),
            step: String::new(),
            channel,
            template: String::new(),
            locale: None,
            to: None,
            status,
            reason: None,
            promo_code: None,
            subject: None,
            text: Some(text.to_owned()),
            detail: None,
        };
        let long = "a".repeat(161);
        let lines =
            [line("sms", "sent", "Bonjour"), line("sms", "sent", &long), line("email", "sent", &long)];
        let cost = (4_500, "EUR".to_owned());
        let words = |cost| sms_words(&lines, cost);
        assert_eq!(words(Some(&cost)).as_deref(), Some("SMS: 2 in 3 segments, 0.14 EUR"));
        assert_eq!(words(None).as_deref(), Some("SMS: 2 in 3 segments"));
        assert_eq!(sms_words(&lines[2..], None), None);
    }
}
