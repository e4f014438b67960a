//! From files to a [`RuleSet`], or to everything that is wrong with them.
//!
//! Knows which file is what, and has `across` check what one says about another; `syntax` and `policy` know the grammars.
//! Called by the worker, the simulator, `check` and `test`, always with all files at once.

mod across;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::catalogue::{Catalogue, catalogue};
use super::policy;
use super::reader::{Reader, read_file};
use super::syntax;
use super::{
    Discount, LeapDay, OnChange, Op, Policy, ReEntry, Rule, RuleSet, Trigger, Wait, condition, tree,
};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::domain::hex;

/// Where the policy lives.
pub const POLICY: &str = "rules/policy.yaml";

/// Where the catalogue of event types lives, if there is one.
const EVENTS: &str = "rules/events.yaml";

/// What compiling gives: the rules that are right, and what is wrong with the others. A caller must refuse the
/// whole set when [`Compiled::has_errors`].
#[derive(Debug, Clone)]
pub struct Compiled {
    pub rules: RuleSet,
    /// In the order of path and place.
    pub diagnostics: Vec<Diagnostic>,
    /// What `rules/events.yaml` declares; none without that file.
    pub events: Option<Catalogue>,
}

impl Compiled {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// Compiles all files below `rules/`; others are ignored, as are rule tests (`*.test.yaml`, read by `scenario`).
pub fn compile(files: &[SourceFile]) -> Compiled {
    condition::with_room(|| compiled(files))
}

fn compiled(files: &[SourceFile]) -> Compiled {
    let mut diagnostics = Vec::new();
    let policy = compile_policy(files, &mut diagnostics);
    let events = files.iter().find(|file| file.path == EVENTS);
    let events = events.and_then(|file| read_file(file, &mut diagnostics, catalogue).flatten());
    let mut rules: BTreeMap<String, Arc<Rule>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.starts_with("rules/")) {
        let Some(stem) = rule_stem(file, &mut diagnostics) else { continue };
        read_file(file, &mut diagnostics, |reader, tree| {
            let Some(parsed) = syntax::rule(reader, tree) else { return };
            across::check(reader, &parsed, stem, &policy, events.as_ref());
            let right = reader.diagnostics.iter().all(|d| d.severity != Severity::Error);
            let twin = parsed.name.as_ref().filter(|(name, _)| rules.contains_key(name));
            if let Some((name, place)) = twin {
                reader.error("E0201", place.clone(), format!("another file has a rule `{name}` too"));
            } else if let Some(rule) = parsed.rule.filter(|_| right) {
                let rule = versioned(rule);
                rules.insert(rule.name.clone(), Arc::new(rule));
            }
        });
    }
    diagnostics.sort_by(|a, b| (&a.path, a.span.start, a.span.end).cmp(&(&b.path, b.span.start, b.span.end)));
    diagnostics.dedup();
    Compiled { rules: RuleSet { rules, policy }, diagnostics, events }
}

/// Compiles one version of a rule that was accepted before: other files may have changed since, so they are not
/// asked.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn compile_rule(source: &str, path: &str) -> Result<Rule, Vec<Diagnostic>> {
    let tree = tree::parse(path, source)?;
    let mut reader = Reader::new(path, source);
    let rule = syntax::rule(&mut reader, &tree).and_then(|parsed| parsed.rule);
    match rule {
        Some(rule) if reader.diagnostics.iter().all(|d| d.severity != Severity::Error) => Ok(versioned(rule)),
        _ => Err(reader.diagnostics),
    }
}

fn compile_policy(files: &[SourceFile], diagnostics: &mut Vec<Diagnostic>) -> Policy {
    let Some(file) = files.iter().find(|file| file.path == POLICY) else {
        let missing =
            Diagnostic::error("E0401", POLICY, 0..0, "there is no policy: who writes, and on what ground?");
        diagnostics.push(missing.help(policy::begin_with()));
        return policy::placeholder();
    };
    read_file(file, diagnostics, policy::policy).unwrap_or_else(policy::placeholder)
}

/// The name that a rule file's rule must have; none for files that are no rules.
fn rule_stem<'a>(file: &'a SourceFile, diagnostics: &mut Vec<Diagnostic>) -> Option<&'a str> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if file.path == POLICY || file.path == EVENTS || name.ends_with(".test.yaml") {
        return None;
    }
    if let Some(stem) = name.strip_suffix(".yml") {
        let message = "rule files end in `.yaml`; this one would not be read";
        let diagnostic = Diagnostic::error("E0201", &file.path, 0..0, message);
        diagnostics.push(diagnostic.help(format!("rename it to `{stem}.yaml`")));
        return None;
    }
    name.strip_suffix(".yaml")
}

/// Gives a rule its version: a hash of what it means.
fn versioned(mut rule: Rule) -> Rule {
    let digest = Sha256::digest(meaning(&rule).to_string().as_bytes());
    rule.version = hex::encode(&digest[..8]);
    rule
}

/// A rule's meaning as canonical JSON: what it does, not how it is written or described. Changing this form gives
/// all rules a new version once, which `on_change` then treats as an edit.
fn meaning(rule: &Rule) -> Value {
    json!([
        rule.name,
        rule.enabled,
        rule.purpose,
        trigger(&rule.trigger),
        match rule.re_entry {
            ReEntry::Never => json!("never"),
            ReEntry::Always => json!("always"),
            ReEntry::Restart => json!("restart"),
            ReEntry::After(length) => json!(length.num_seconds()),
        },
        rule.exit_on,
        match rule.on_change {
            OnChange::Keep => "keep",
            OnChange::Migrate => "migrate",
            OnChange::Exit => "exit",
        },
        rule.program.iter().map(operation).collect::<Vec<_>>(),
        rule.priority,
    ])
}

fn trigger(trigger: &Trigger) -> Value {
    match trigger {
        Trigger::Event { kind, condition, key } => {
            json!(["event", kind, condition.as_ref().map(|c| c.source()), key.as_ref().map(|k| &k.0)])
        }
        Trigger::Absent { kind, after, condition, key } => json!([
            "absent",
            kind,
            after.num_seconds(),
            condition.as_ref().map(|c| c.source()),
            key.as_ref().map(|k| &k.0)
        ]),
        Trigger::Anniversary { attribute, at, leap_day } => {
            let leap_day = match leap_day {
                LeapDay::Feb28 => "feb28",
                LeapDay::Mar1 => "mar1",
                LeapDay::Skip => "skip",
            };
            json!(["anniversary", attribute, at.to_string(), leap_day])
        }
        Trigger::Schedule { cron, zone, audience } => {
            json!(["schedule", cron.source(), zone.map(|z| z.name()), audience.as_ref().map(|c| c.source())])
        }
    }
}

fn operation(op: &Op) -> Value {
    match op {
        Op::Wait { id, wait: Wait::For(length) } => json!(["wait", id, length.num_seconds()]),
        Op::Wait { id, wait: Wait::Until(time) } => json!(["until", id, time.to_string()]),
        Op::Send(send) => {
            let mut meaning = json!([
                "send",
                send.id,
                send.email,
                send.expire_after.num_seconds(),
                send.wait_for_consent.map(|length| length.num_seconds()),
                send.sms,
                send.prefer.map(Channel::as_str)
            ]);
            // Only where it is there: rules without it keep the version that they have.
            if let (Some(purpose), Some(fields)) = (&send.confirm, meaning.as_array_mut()) {
                fields.push(json!(["confirm", purpose]));
            }
            meaning
        }
        Op::Branch { id, condition, on_false, end } => json!(["if", id, condition.source(), on_false, end]),
        Op::Jump(to) => json!(["jump", to]),
        Op::PromoCode(promo) => {
            let discount = match &promo.discount {
                Discount::Percent(hundredths) => json!(["percent", hundredths]),
                Discount::Amount(hundredths, currency) => json!([currency, hundredths]),
            };
            json!(["promo", promo.id, promo.prefix, discount, promo.valid_for.num_seconds()])
        }
    }
}
