//! What two rule sets do differently with the same history, message by message, and in numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Line;
use crate::domain::message::MessageState;
use crate::domain::verdict::Reason;

/// One message that is not the same. A stable interface (`--against … --format json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// When the message goes, or went before where it does not any more.
    pub at: DateTime<Utc>,
    pub customer: String,
    pub rule: String,
    pub step: String,
    pub channel: &'static str,
    pub change: Change,
    /// The message by the rules compared with.
    pub before: Option<Line>,
    /// The message by the rules in question.
    pub after: Option<Line>,
}

/// How a message differs: the first of these that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// There was no such message.
    Added,
    /// There is no such message any more.
    Removed,
    /// Something else comes of it: its status or the reason for it.
    Outcome,
    /// It goes at another time.
    Time,
    /// It goes to another address, in other words, or by another version of its template.
    Words,
}

/// The same message under both rule sets: customer, rule, occurrence, step, channel.
fn identity(line: &Line) -> (&str, &str, &str, &str, &str) {
    (&line.customer, &line.rule, &line.occurrence, &line.step, line.channel)
}

/// All messages that differ, in the order of the output. Both lists are of the same customers and the same history.
pub fn compare(before: &[Line], after: &[Line]) -> Vec<Difference> {
    let mut pairs: BTreeMap<_, (Option<&Line>, Option<&Line>)> = BTreeMap::new();
    before.iter().for_each(|line| pairs.entry(identity(line)).or_default().0 = Some(line));
    after.iter().for_each(|line| pairs.entry(identity(line)).or_default().1 = Some(line));
    let mut differences: Vec<Difference> = pairs
        .into_values()
        .filter_map(|(before, after)| {
            let change = change(before, after)?;
            let line = after.or(before)?;
            Some(Difference {
                at: line.at,
                customer: line.customer.clone(),
                rule: line.rule.clone(),
                step: line.step.clone(),
                channel: line.channel,
                change,
                before: before.cloned(),
                after: after.cloned(),
            })
        })
        .collect();
    differences.sort_by(|a, b| place(a).cmp(&place(b)));
    differences
}

fn place(d: &Difference) -> (DateTime<Utc>, &str, &str, &str, &str) {
    (d.at, &d.customer, &d.rule, &d.step, d.channel)
}

fn change(before: Option<&Line>, after: Option<&Line>) -> Option<Change> {
    let (Some(before), Some(after)) = (before, after) else {
        return Some(if before.is_none() { Change::Added } else { Change::Removed });
    };
    if (before.status, before.reason) != (after.status, after.reason) {
        Some(Change::Outcome)
    } else if before.at != after.at {
        Some(Change::Time)
    } else {
        (before != after).then_some(Change::Words)
    }
}

/// One kind of difference of a rule: its channel, what changed, and what came of the message before and after.
pub type Kind = (String, &'static str, Change, Option<&'static str>, Option<&'static str>);

/// How many messages differ, by kind, and how many customers that concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub kinds: BTreeMap<Kind, u64>,
    /// How many customers are concerned.
    pub customers: u64,
}

impl Changes {
    /// Counts all the differences of some customers, of whom no other call tells.
    pub fn count(differences: &[Difference]) -> Self {
        let mut changes = Self::default();
        let mut customers: Vec<&str> = differences.iter().map(|d| d.customer.as_str()).collect();
        customers.sort_unstable();
        customers.dedup();
        changes.customers = customers.len() as u64;
        for d in differences {
            let kind = (d.rule.clone(), d.channel, d.change, outcome(&d.before), outcome(&d.after));
            *changes.kinds.entry(kind).or_default() += 1;
        }
        changes
    }

    /// Adds the differences of other customers.
    pub fn add(&mut self, other: Self) {
        self.customers += other.customers;
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
    }

    /// The whole difference in a line: `+412 mails, −37, 9 now capped`. A plus is a message that is now sent, a minus one
    /// that was sent and is planned no more; what is now refused has its reason instead.
    pub fn headline(&self) -> String {
        let parts =
            [("email", "mails"), ("sms", "SMS")].map(|(channel, noun)| self.of_channel(channel, noun));
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let said = match (parts.is_empty(), self.kinds.is_empty()) {
            (false, _) => parts.join("; "),
            (true, false) => "no difference in what is sent".to_owned(),
            (true, true) => return "no difference".to_owned(),
        };
        let customers = if self.customers == 1 { "customer" } else { "customers" };
        format!("{said} ({} {customers} concerned)", self.customers)
    }

    fn of_channel(&self, channel: &str, noun: &str) -> Option<String> {
        let sent = Some(MessageState::Sent.as_str());
        let (mut more, mut fewer, mut moved, mut reworded) = (0, 0, 0, 0);
        let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, _, change, before, after), count) in
            self.kinds.iter().filter(|((_, c, ..), _)| *c == channel)
        {
            match (change, *before == sent, *after == sent) {
                (Change::Time, true, true) => moved += count,
                (Change::Words, true, true) => reworded += count,
                (Change::Removed, true, _) => fewer += count,
                (_, false, true) => more += count,
                (_, true, false) => *refused.entry(after.map_or("", now)).or_default() += count,
                _ => {}
            }
        }
        let mut words = String::new();
        if more + fewer > 0 || !refused.is_empty() {
            let _ = write!(words, "+{more} {noun}, −{fewer}");
            refused.iter().for_each(|(reason, count)| {
                let _ = write!(words, ", {count} now {reason}");
            });
        } else if moved + reworded > 0 {
            let _ = write!(words, "+0 {noun}, −0");
        }
        for (count, how) in [(moved, "at another time"), (reworded, "in other words")] {
            if count > 0 {
                let _ = write!(words, ", {count} {how}");
            }
        }
        (!words.is_empty()).then_some(words)
    }
}

/// What came of a message: the reason where there is one, else its status.
fn outcome(line: &Option<Line>) -> Option<&'static str> {
    line.as_ref().map(|line| line.reason.unwrap_or(line.status))
}

/// What a message is now, in a word or two.
fn now(outcome: &'static str) -> &'static str {
    if outcome == Reason::FrequencyCap.as_str() { "capped" } else { outcome }
}

#[cfg(test)]
pub(super) mod tests;
