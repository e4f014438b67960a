//! Settling a batch: everything usable is committed, everything else is parked, one answer for each.
//!
//! A batch that fails for reasons of its content is halved until the event that fails stands alone, so that
//! one bad event harms only itself. Called by all sources; never retries what is merely unavailable.

use crate::domain::event::{Event, Unusable, UnusableReason};
use crate::telemetry::spans;

use super::{AcceptError, Accepted, Counts, DeadLetter, Origin, Sink, count};

/// What became of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    Accepted(Accepted),
    /// It is parked; the words say why.
    Refused(Unusable),
}

/// The database is away: some of the batch may be committed, none of it may be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unavailable(pub String);

/// Settles a batch, in order, after the pause that the outbox asks for. `letter` makes the dead letter of the event at an index.
pub(crate) async fn settle<L>(
    sink: &Sink,
    origin: Origin,
    read: Vec<Result<Event, Unusable>>,
    letter: L,
) -> Result<Vec<Settled>, Unavailable>
where
    L: Fn(usize, &Unusable) -> DeadLetter,
{
    sink.brake.wait().await;
    let mut settled: Vec<Settled> = Vec::with_capacity(read.len());
    let mut usable = Vec::with_capacity(read.len());
    for (index, item) in read.into_iter().enumerate() {
        match item {
            Ok(event) => {
                usable.push((index, event));
                settled.push(Settled::Accepted(Accepted::New));
            }
            Err(refusal) => settled.push(Settled::Refused(refusal)),
        }
    }
    accept_all(sink, origin, usable, &mut settled).await?;

    let letters: Vec<DeadLetter> = settled
        .iter()
        .enumerate()
        .filter_map(|(index, outcome)| match outcome {
            Settled::Refused(refusal) => Some(letter(index, refusal)),
            Settled::Accepted(_) => None,
        })
        .collect();
    note_refusals(origin, &letters);
    park_all(sink, letters).await?;
    count(origin, &Counts::of(&settled));
    Ok(settled)
}

/// Commits what can be committed: halves on poison, left half first, so that order is kept.
async fn accept_all(
    sink: &Sink,
    origin: Origin,
    events: Vec<(usize, Event)>,
    settled: &mut [Settled],
) -> Result<(), Unavailable> {
    let mut left_to_do = vec![events];
    while let Some(mut part) = left_to_do.pop() {
        if part.is_empty() {
            continue;
        }
        // Cloned because a poisoned batch is needed again; small beside the commit it precedes.
        let batch: Vec<Event> = part.iter().map(|(_, event)| event.clone()).collect();
        metrics::histogram!("declic_event_batch_size").record(batch.len() as f64);
        let began = std::time::Instant::now();
        let span = spans::events(origin.as_str(), &batch);
        let answers = (sink.accept)(batch).await;
        spans::end(&span);
        match answers {
            Ok(answers) => {
                metrics::histogram!("declic_event_batch_seconds").record(began.elapsed().as_secs_f64());
                for (at, (index, _)) in part.iter().enumerate() {
                    let answer = answers.get(at).copied().unwrap_or(Accepted::New);
                    settled[*index] = Settled::Accepted(answer);
                }
            }
            Err(AcceptError::Unavailable(detail)) => {
                spans::failed(&span);
                return Err(Unavailable(detail));
            }
            Err(AcceptError::Poison(detail)) if part.len() == 1 => {
                settled[part[0].0] = Settled::Refused(Unusable { reason: UnusableReason::Poison, detail });
            }
            Err(AcceptError::Poison(_)) => {
                let right = part.split_off(part.len() / 2);
                left_to_do.push(right);
                left_to_do.push(part);
            }
        }
    }
    Ok(())
}

/// Parks letters together and, where that fails because of what is in one of them, each by itself.
async fn park_all(sink: &Sink, letters: Vec<DeadLetter>) -> Result<(), Unavailable> {
    if letters.is_empty() {
        return Ok(());
    }
    match (sink.park)(letters.clone()).await {
        Ok(()) => return Ok(()),
        Err(AcceptError::Unavailable(detail)) => return Err(Unavailable(detail)),
        Err(AcceptError::Poison(_)) => {}
    }
    for letter in letters {
        let fingerprint = letter.fingerprint();
        match (sink.park)(vec![letter]).await {
            Ok(()) => {}
            Err(AcceptError::Unavailable(detail)) => return Err(Unavailable(detail)),
            // A letter that cannot even be parked must not stop those behind it. From the broker it still
            // reaches the dead-letter queue; elsewhere its sender is told that it was refused.
            // The database's words may quote the letter, so they stay out of the log.
            Err(AcceptError::Poison(_)) => {
                tracing::error!(fingerprint, "an unusable event could not be parked in the database");
                metrics::counter!("declic_dead_letters_unparked_total").increment(1);
            }
        }
    }
    Ok(())
}

/// One log line a batch: a producer gone wrong must not bury the log.
fn note_refusals(origin: Origin, letters: &[DeadLetter]) {
    for letter in letters {
        let reason = letter.reason.as_str();
        metrics::counter!("declic_dead_letters_total", "origin" => origin.as_str(), "reason" => reason)
            .increment(1);
    }
    if let Some(first) = letters.first() {
        // The detail can quote what a producer sent, so only the reason goes to the log.
        tracing::warn!(
            origin = origin.as_str(),
            letters = letters.len(),
            reason = first.reason.as_str(),
            fingerprint = first.fingerprint(),
            "events that cannot be used are parked: see `declic dead-letters list`"
        );
    }
}

impl Counts {
    pub(crate) fn of(settled: &[Settled]) -> Self {
        let mut counts = Self::default();
        for outcome in settled {
            match outcome {
                Settled::Accepted(Accepted::New) => counts.accepted += 1,
                Settled::Accepted(Accepted::Duplicate) => counts.duplicates += 1,
                Settled::Refused(_) => counts.refused += 1,
            }
        }
        counts
    }
}
