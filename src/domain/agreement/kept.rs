//! Rules that look further back than the policy keeps what they look at.

use super::Texts;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::retention::Kind;
use crate::domain::rules::book::look_back;
use crate::domain::rules::compile::POLICY;
use crate::domain::rules::{Rule, RuleSet};

/// Each rule for which events would be gone while they may still matter to it: an absence that lasts longer, a re-entry or
/// waits that do.
pub(super) fn check(rules: &RuleSet, texts: &Texts<'_>) -> Vec<Diagnostic> {
    let Some(events) = rules.policy.retention.of(Kind::Events) else { return Vec::new() };
    let kept = events.active.at_least();
    let too_far = |rule: &&std::sync::Arc<Rule>| look_back(rule, rules.policy.max_age) > kept;
    rules
        .rules
        .values()
        .filter(too_far)
        .map(|rule| {
            let days = (look_back(rule, rules.policy.max_age).num_hours() + 23) / 24;
            let message = format!(
                "the rule `{}` looks back {days} days, and `events` are kept for {}",
                rule.name, events.active
            );
            let help = format!(
                "keep `events` for {days}d or longer, or shorten what the rule waits for (`for`, `re_entry`, `wait`)"
            );
            Diagnostic::error("E0413", POLICY, place(texts), message).help(help)
        })
        .collect()
}

/// Where the policy says how long events are kept.
fn place(texts: &Texts<'_>) -> std::ops::Range<usize> {
    const KEY: &str = "events";
    let text = texts.get(POLICY).copied().unwrap_or_default();
    let section = text.find("retention").unwrap_or(0);
    let start = text[section..].find(KEY).map_or(0, |at| section + at);
    start..(start + KEY.len()).min(text.len())
}
