//! What a simulation's rules did beside writing messages, kept on request: what a rule test tells a difference by.

use chrono::{DateTime, Utc};

use crate::domain::memory::Entry;
use crate::domain::snapshot::{Skip, Snapshot, Verdicts};
use crate::domain::verdict::Reason;

/// One thing that a rule did for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When it was decided; of an end, the instant that ended it.
    pub at: DateTime<Utc>,
    pub customer: String,
    pub rule: String,
    pub what: Noted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// An entry began.
    Begun,
    /// An entry might have begun and did not.
    NotBegun { reason: Reason, detail: Option<String> },
    /// An `if` step chose: its `then`, or what is to be done otherwise.
    Turned { step: String, then: bool },
    /// An `if` step could not choose.
    Neither { step: String, detail: Option<String> },
    /// An entry ended before its last step.
    Ended { reason: Reason, detail: Option<String> },
}

/// What the verdicts bring of news, for a customer as they are before.
pub fn notes(before: &Snapshot, verdicts: &Verdicts, now: DateTime<Utc>) -> Vec<Note> {
    let note =
        |at, rule: &str, what| Note { at, customer: before.customer_id.clone(), rule: rule.to_owned(), what };
    let begun = begun(before, verdicts, now);
    let mut notes: Vec<Note> = begun.map(|entry| note(now, &entry.rule, Noted::Begun)).collect();
    for Skip { rule, step, reason, detail, .. } in &verdicts.skipped {
        let detail = detail.clone();
        let what = match step {
            Some(step) => Noted::Neither { step: step.clone(), detail },
            None => Noted::NotBegun { reason: *reason, detail },
        };
        notes.push(note(now, rule, what));
    }
    for turn in &verdicts.turns {
        notes.push(note(now, &turn.rule, Noted::Turned { step: turn.step.clone(), then: turn.then }));
    }
    for entry in entries(verdicts) {
        let Some(reason) = entry.reason.filter(|_| !entry.is_active()) else { continue };
        if known(before, entry).is_none_or(|before| before.is_active() || before.reason != entry.reason) {
            let at = entry.exit.as_ref().map_or(now, |exit| exit.at);
            notes.push(note(at, &entry.rule, Noted::Ended { reason, detail: entry.detail.clone() }));
        }
    }
    for (rule, _) in &verdicts.dropped {
        notes.push(note(now, rule, Noted::NotBegun { reason: Reason::Superseded, detail: None }));
    }
    notes
}

/// The entries that begin by these verdicts.
pub fn begun<'a>(
    before: &'a Snapshot,
    verdicts: &'a Verdicts,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a Entry> {
    let comes = move |e: &&Entry| e.started_at <= now && known(before, e).is_none_or(waits_for_its_start);
    entries(verdicts).filter(comes)
}

/// The entries of the verdicts, without those that were refused: the condition of an absence is judged when its entry
/// would begin.
fn entries(verdicts: &Verdicts) -> impl Iterator<Item = &Entry> {
    let refused = |e: &Entry| {
        verdicts.skipped.iter().any(|s| s.step.is_none() && s.rule == e.rule && s.occurrence == e.occurrence)
    };
    verdicts.entries.iter().filter(move |e| !refused(e))
}

fn known<'a>(before: &'a Snapshot, entry: &Entry) -> Option<&'a Entry> {
    before.entries.iter().find(|b| b.rule == entry.rule && b.occurrence == entry.occurrence)
}

/// Whether an entry is one to come: an absence that is not over yet.
fn waits_for_its_start(entry: &Entry) -> bool {
    entry.position == 0 && entry.due_at == Some(entry.started_at)
}
