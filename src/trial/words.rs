//! Times, messages and notes in a few words.

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use crate::domain::rules::scenario::{Expected, What};
use crate::domain::verdict::Reason;
use crate::simulate::{Line, Note, Noted};

/// The longest part of a text that is shown.
const SHOWN: usize = 400;

/// A length of time as rules write it: `1d1h`; `0s` for none.
pub fn span(length: TimeDelta) -> String {
    let mut seconds = length.num_seconds();
    let mut words = String::new();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if seconds >= size {
            words += &format!("{}{unit}", seconds / size);
            seconds %= size;
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words }
}

/// How long after the start: `+1d1h`, or `start` itself.
pub fn since(start: DateTime<Utc>, at: DateTime<Utc>) -> String {
    match at - start {
        length if length < TimeDelta::seconds(1) => "start".to_owned(),
        length => format!("+{}", span(length)),
    }
}

/// What a clock on the wall shows: `Mon 2026-03-02 10:00`.
pub fn wall(zone: Tz, at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&zone);
    let shape = if local.second() == 0 { "%a %Y-%m-%d %H:%M" } else { "%a %Y-%m-%d %H:%M:%S" };
    local.format(shape).to_string()
}

/// A reason in words, with the name by which a test expects it.
pub fn reason(reason: Reason) -> String {
    format!("{} ({})", reason.words(), reason.as_str())
}

/// The beginning of a text, in quotes.
pub fn fragment(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("“{shown}”")
}

/// What is expected, without its time and customer.
pub fn expected(expected: &Expected) -> String {
    match &expected.what {
        What::Sent { channel, template, .. } => format!("{} {template}", channel.as_str()),
        What::NotSent { channel, template, reason } => {
            format!("{} {template} not sent: {}", channel.as_str(), reason.as_str())
        }
        What::NotBegun(reason) => format!("not begun: {}", reason.as_str()),
        What::Ended(reason) => format!("ended: {}", reason.as_str()),
        What::Neither(step) => format!("neither branch of {step}"),
    }
}

/// A message, as [`expected`] would say it.
pub fn message(line: &Line) -> String {
    match line.reason {
        Some(reason) => format!("{} {} not sent: {reason}", line.channel, line.template),
        None => format!("{} {}", line.channel, line.template),
    }
}

/// A note, as [`expected`] would say it where it can be expected.
pub fn note(note: &Note) -> String {
    let because = |reason: &Reason, detail: &Option<String>| match detail {
        Some(detail) => format!("{} ({detail})", reason.as_str()),
        None => reason.as_str().to_owned(),
    };
    match &note.what {
        Noted::Begun => format!("{} begins", note.rule),
        Noted::NotBegun { reason, detail } => format!("{} not begun: {}", note.rule, because(reason, detail)),
        Noted::Turned { step, then } => format!("{step}: {}", if *then { "then" } else { "else" }),
        Noted::Neither { step, detail } => {
            let missing = detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("neither branch of {step}{missing}")
        }
        Noted::Ended { reason, detail } => format!("{} ended: {}", note.rule, because(reason, detail)),
    }
}
