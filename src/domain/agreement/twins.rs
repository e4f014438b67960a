//! Two rules that send the same for the same: whoever meets both gets it twice.

use std::collections::BTreeMap;

use super::{Place, Texts};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::rules::{Condition, Op, Rule, RuleSet, Trigger};

/// Warns of each rule that certainly sends, for the trigger of an earlier one, a template that the earlier one
/// certainly sends too. What stands within an `if` is not certain.
pub(super) fn check(rules: &RuleSet, texts: &Texts<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut sent: BTreeMap<(String, Channel, &str), Vec<&Rule>> = BTreeMap::new();
    for rule in rules.rules.values().filter(|rule| rule.enabled) {
        for (channel, template) in certain_sends(&rule.program).flat_map(|(_, send)| send.channels()) {
            let earlier = sent.entry((occasion(&rule.trigger), channel, template)).or_default();
            if let Some(twin) =
                earlier.iter().find(|e| e.name != rule.name && meet(&e.trigger, &rule.trigger))
            {
                let place = Place::of(rule, channel, template, texts);
                let message = format!(
                    "the rule `{}` sends `{template}` for the same trigger: customers get it twice",
                    twin.name
                );
                findings.push(
                    Diagnostic::warning("E0220", &place.path, place.span, message)
                        .help("take the step out of one of them, or tell them apart by an `if`"),
                );
            }
            earlier.push(rule);
        }
    }
    findings
}

/// The sends that every entry comes to, and the place of each in the program.
pub(super) fn certain_sends(program: &[Op]) -> impl Iterator<Item = (usize, &crate::domain::rules::Send)> {
    let mut certain_from = 0;
    program.iter().enumerate().filter_map(move |(at, op)| match op {
        Op::Branch { end, .. } => {
            certain_from = certain_from.max(*end);
            None
        }
        Op::Send(send) if at >= certain_from => Some((at, send)),
        _ => None,
    })
}

/// What a trigger waits for, whatever its conditions.
fn occasion(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Event { kind, .. } => format!("event {kind}"),
        Trigger::Absent { kind, after, .. } => format!("absent {kind} {after}"),
        Trigger::Anniversary { attribute, .. } => format!("anniversary {attribute}"),
        Trigger::Schedule { cron, zone, .. } => format!("schedule {zone:?} {}", cron.source()),
    }
}

/// Whether some customer certainly may start both: where each has a condition of its own, they may exclude each other.
fn meet(one: &Trigger, other: &Trigger) -> bool {
    match (condition(one), condition(other)) {
        (Some(one), Some(other)) => one.source() == other.source(),
        _ => true,
    }
}

fn condition(trigger: &Trigger) -> Option<&Condition> {
    match trigger {
        Trigger::Event { condition, .. } | Trigger::Absent { condition, .. } => condition.as_ref(),
        Trigger::Schedule { audience, .. } => audience.as_ref(),
        Trigger::Anniversary { .. } => None,
    }
}
