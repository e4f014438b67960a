//! Events from a file or from standard input, one CloudEvents object a line (NDJSON).
//!
//! Memory stays bounded whatever the file: a batch of events and one line at a time. Running the same file
//! again is safe, as what was committed before counts as a duplicate. Called by the demo, by imports and by
//! whoever wants to replay a day.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::event::{CLOUDEVENT, Event, MAX_EVENT_BYTES, Unusable, UnusableReason, too_large};

use super::{BATCH_SIZE, Counts, DeadLetter, Origin, Sink, decode, settle};

/// How far ahead of the clock an event may lie in a paced file. It waits for its time, so the usual limit
/// on an event's time makes no sense, but a mistyped century should not wait for ever.
const PACED_AHEAD: TimeDelta = TimeDelta::days(366);

/// How long events wait for more of them when the other end of a pipe is slow.
const LINGER: Duration = Duration::from_millis(200);

/// Why a file could not be read to its end. What was counted is committed or parked.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{} cannot be read: {error}", .path.display())]
    Read { path: PathBuf, error: std::io::Error, counts: Counts },
    #[error("stopped before line {line}: {detail}")]
    Unavailable {
        /// The first line that is not known to be committed, from 1.
        line: u64,
        detail: String,
        counts: Counts,
    },
}

/// One line, as far as it could be read.
struct Line {
    number: u64,
    /// The text, cut after [`MAX_EVENT_BYTES`] bytes and one.
    text: Vec<u8>,
    /// How long it was.
    length: usize,
}

/// Reads `path` (`-` is standard input) to its end, or until `shutdown` is cancelled, and hands its events
/// to the sink in batches. With `pace`, an event is held until the clock shows its time; events that are
/// late by then, or out of order, are due at once.
pub async fn from_file(
    path: &Path,
    sink: &Sink,
    clock: &Clock,
    pace: bool,
    shutdown: &CancellationToken,
) -> Result<Counts, FileError> {
    let failed = |error| FileError::Read { path: path.to_owned(), error, counts: Counts::default() };
    if path == Path::new("-") {
        return read_all(BufReader::new(tokio::io::stdin()), path, sink, clock, pace, shutdown).await;
    }
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let reader = BufReader::with_capacity(256 * 1024, file);
    read_all(reader, path, sink, clock, pace, shutdown).await
}

/// Reads events from anything that yields lines; `path` names it in dead letters and errors.
pub async fn read_all<R: AsyncBufRead + Unpin>(
    reader: R,
    path: &Path,
    sink: &Sink,
    clock: &Clock,
    pace: bool,
    shutdown: &CancellationToken,
) -> Result<Counts, FileError> {
    let mut import = Import { path, sink, clock, counts: Counts::default(), batch: Vec::new() };
    let mut lines = Lines::new(reader);
    loop {
        let line = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            line = lines.next() => line,
            () = tokio::time::sleep(LINGER), if !import.batch.is_empty() => {
                import.flush().await?;
                continue;
            }
        };
        let line =
            line.map_err(|error| FileError::Read { path: path.to_owned(), error, counts: import.counts })?;
        let Some(line) = line else { break };
        if line.text.is_empty() {
            continue;
        }
        let read = import.decode(&line, pace);
        if pace && let Ok(event) = &read {
            let wait = clock.real_time_until(event.time);
            if !wait.is_zero() && !import.hold(wait, shutdown).await? {
                break;
            }
        }
        import.batch.push((line, read));
        if import.batch.len() >= BATCH_SIZE {
            import.flush().await?;
        }
    }
    import.flush().await?;
    Ok(import.counts)
}

struct Import<'a> {
    path: &'a Path,
    sink: &'a Sink,
    clock: &'a Clock,
    counts: Counts,
    batch: Vec<(Line, Result<Event, Unusable>)>,
}

impl Import<'_> {
    fn decode(&self, line: &Line, pace: bool) -> Result<Event, Unusable> {
        if line.length > MAX_EVENT_BYTES {
            return Err(too_large(line.length));
        }
        let now = self.clock.now();
        if !pace {
            return decode::structured_mode(&line.text, now);
        }
        decode::structured_mode(&line.text, now + PACED_AHEAD).map_err(|mut refusal| {
            if refusal.reason == UnusableReason::TimeTooFarAhead {
                refusal.detail = format!("its time lies over {} days ahead", PACED_AHEAD.num_days());
            }
            refusal
        })
    }

    /// Commits what is due and waits for the next event's time. False when told to stop meanwhile.
    async fn hold(&mut self, wait: Duration, shutdown: &CancellationToken) -> Result<bool, FileError> {
        self.flush().await?;
        tokio::select! {
            () = shutdown.cancelled() => Ok(false),
            () = tokio::time::sleep(wait) => Ok(true),
        }
    }

    async fn flush(&mut self) -> Result<(), FileError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let (lines, read): (Vec<Line>, Vec<_>) = std::mem::take(&mut self.batch).into_iter().unzip();
        let letter = |index: usize, refusal: &Unusable| self.letter(&lines[index], refusal, now);
        match settle(self.sink, Origin::File, read, letter).await {
            Ok(settled) => {
                self.counts.add(Counts::of(&settled));
                Ok(())
            }
            Err(unavailable) => Err(FileError::Unavailable {
                line: lines.first().map_or(0, |line| line.number),
                detail: unavailable.0,
                counts: self.counts,
            }),
        }
    }

    fn letter(&self, line: &Line, refusal: &Unusable, now: DateTime<Utc>) -> DeadLetter {
        let mut headers = Map::new();
        headers.insert("content-type".into(), CLOUDEVENT.into());
        headers.insert("file".into(), self.path.display().to_string().into());
        headers.insert("line".into(), json!(line.number));
        let refusal =
            Unusable { reason: refusal.reason, detail: format!("line {}: {}", line.number, refusal.detail) };
        DeadLetter::new(Origin::File, &refusal, &line.text, headers, now)
    }
}

/// Splits what it reads into lines. Of a line that is too long only the beginning is kept, so that a file
/// without line ends does not fill memory. `next` may be dropped and called again: nothing read is lost.
struct Lines<R> {
    reader: R,
    number: u64,
    text: Vec<u8>,
    length: usize,
    begun: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    fn new(reader: R) -> Self {
        Self { reader, number: 0, text: Vec::new(), length: 0, begun: false }
    }

    /// The next line without its end and surrounding white space; none at the end of the file.
    async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(self.begun.then(|| self.finish()));
            }
            self.begun = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            let room = (MAX_EVENT_BYTES + 1).saturating_sub(self.text.len());
            self.text.extend_from_slice(&piece[..piece.len().min(room)]);
            self.length += piece.len();
            let consumed = end.map_or(chunk.len(), |at| at + 1);
            self.reader.consume(consumed);
            if end.is_some() {
                return Ok(Some(self.finish()));
            }
        }
    }

    fn finish(&mut self) -> Line {
        self.begun = false;
        self.number += 1;
        let mut text = std::mem::take(&mut self.text);
        let mut length = std::mem::take(&mut self.length);
        if self.number == 1 && text.starts_with(b"\xef\xbb\xbf") {
            // The byte order mark that some editors put before the first line.
            text.drain(..3);
            length -= 3;
        }
        let text = text.trim_ascii().to_vec();
        if length <= MAX_EVENT_BYTES {
            length = text.len();
        }
        Line { number: self.number, text, length }
    }
}
