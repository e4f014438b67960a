//! The events of a file, and the customers of another.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use crate::cli::{Failure, customers, environment, progress};
use crate::domain::event::Event;
use crate::simulate::story::Story;

/// Reads the events until `until` and the customers, telling of each line that is no event and counting them. Events before
/// `since` only say what is known of their customers.
pub fn read(
    events: &Path,
    known: Option<&Path>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<(Story, usize), Failure> {
    let (mut story, mut refused) = (Story::default(), 0);
    let mut first = since;
    let bar = progress::count("lines read");
    each_line(events, |number, line| {
        bar.inc(1);
        // No event of a history is ahead of its own time.
        match Event::from_json(line, DateTime::<Utc>::MAX_UTC) {
            // What comes later than asked for would only bring its years with it.
            Ok(event) if until.is_some_and(|until| event.time > until) => Ok(()),
            Ok(event) => {
                first = Some(first.map_or(event.time, |first| first.min(event.time)));
                let before = since.is_some_and(|since| event.time < since);
                let told = if before { story.known(&event) } else { story.happened(&event) };
                told.map_err(not_kept)
            }
            Err(error) => {
                refused += 1;
                bar.suspend(|| eprintln!("{}:{number}: {error}", events.display()));
                Ok(())
            }
        }
    })?;
    if let (Some(file), Some(first)) = (known, first) {
        // Known before all that is told.
        let at = first - TimeDelta::microseconds(1);
        each_line(file, |number, line| {
            bar.inc(1);
            let customer = customers::profile_event(&String::from_utf8_lossy(line), at)
                .map_err(|mistake| Failure::Refused(format!("{}:{number}: {mistake}", file.display())))?;
            story.known(&customer).map_err(not_kept)
        })?;
    }
    bar.finish_and_clear();
    Ok((story, refused))
}

/// Hands over each line that is not empty, with its number.
fn each_line(path: &Path, mut take: impl FnMut(usize, &[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::Refused(format!("cannot read {}: {e}", path.display()));
    let mut reader: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(failed)?))
    };
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            take(number, line.trim_ascii())?;
        }
    }
    Ok(())
}

/// A long history and its results wait in temporary files.
pub fn not_kept(error: std::io::Error) -> Failure {
    environment::failed(
        anyhow::Error::from(error)
            .context("cannot keep what is simulated in a temporary file (TMPDIR says where)"),
    )
}
