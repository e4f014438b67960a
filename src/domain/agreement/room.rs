//! Frequency caps that a rule fills by itself: what it sends next is then sent to nobody.

use chrono::TimeDelta;

use super::twins::certain_sends;
use super::{Place, Texts};
use crate::domain::caps::{Cap, WhenFull};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::rules::{Basis, Op, Policy, Rule, Wait};
use crate::domain::steps::basis;

/// The most that a wait until a time of day takes, the night of the longer hour included.
const UNTIL: TimeDelta = TimeDelta::hours(25);

/// A message that every entry comes to.
struct Planned<'a> {
    /// At the latest, counted from the start of the entry.
    at: TimeDelta,
    channel: Channel,
    template: &'a str,
    expire_after: TimeDelta,
}

/// Warns of the first message of a rule for which those before it leave no room.
pub(super) fn check(rule: &Rule, policy: &Policy, texts: &Texts<'_>) -> Option<Diagnostic> {
    let contract = basis(policy, &rule.purpose) == Basis::Contract;
    let planned = planned(rule);
    let (cap, message) = planned.iter().enumerate().find_map(|(index, message)| {
        let full = |cap: &&Cap| {
            cap.covers(message.channel, &rule.purpose, contract)
                && leaves_no_room(cap, rule, contract, &planned[..=index])
        };
        Some((policy.frequency_caps.iter().find(full)?, message))
    })?;
    let place = Place::of(rule, message.channel, message.template, texts);
    let (limit, hours) = (cap.limit, cap.period.num_hours());
    let cap = if hours % 24 == 0 {
        format!("{limit} per {}d", hours / 24)
    } else {
        format!("{limit} per {hours}h")
    };
    let text = format!(
        "the frequency cap `{cap}` leaves no room for this: what the rule has sent before it fills the cap"
    );
    Some(Diagnostic::warning("E0409", &place.path, place.span, text).help(
        "wait longer before it, use `prefer` for one channel only, or raise the limit in rules/policy.yaml",
    ))
}

/// Whether the cap is full when the last of these is planned, and stays so until that has expired.
fn leaves_no_room(cap: &Cap, rule: &Rule, contract: bool, planned: &[Planned<'_>]) -> bool {
    let Some((last, before)) = planned.split_last() else { return false };
    let counting = before.iter().filter(|m| cap.covers(m.channel, &rule.purpose, contract));
    let counting: Vec<TimeDelta> =
        counting.map(|m| m.at + cap.period).filter(|until| *until > last.at).collect();
    let Some(over) = counting.len().checked_sub(cap.limit as usize) else { return false };
    // A message that waits for room is lost only where it expires before.
    cap.when_full == WhenFull::Skip
        || counting.get(over).is_some_and(|until| *until >= last.at + last.expire_after)
}

/// What every entry of a rule comes to, in order.
fn planned(rule: &Rule) -> Vec<Planned<'_>> {
    let mut waited = TimeDelta::zero();
    let mut done = 0;
    let mut planned = Vec::new();
    for (at, send) in certain_sends(&rule.program) {
        // Waits within an `if` may be made: those of both its branches are more than enough.
        waited += rule.program[done..at].iter().map(length).sum();
        done = at;
        // With `prefer`, one goes.
        let channels = if send.prefer.is_some() { 1 } else { 2 };
        planned.extend(send.channels().take(channels).map(|(channel, template)| Planned {
            at: waited,
            channel,
            template,
            expire_after: send.expire_after,
        }));
    }
    planned
}

fn length(op: &Op) -> TimeDelta {
    match op {
        Op::Wait { wait: Wait::For(length), .. } => *length,
        Op::Wait { wait: Wait::Until(_), .. } => UNTIL,
        _ => TimeDelta::zero(),
    }
}
