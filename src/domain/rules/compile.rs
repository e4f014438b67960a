//! From files to a [`RuleSet`], or to everything that is wrong with them.
//!
//! Knows which file is what and checks what one file says about another; `syntax` and `policy` know the grammars.
//! Called by the worker, the simulator, `check` and `test`, always with all files at once.

#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::policy::{self, BUILT_IN_EVENTS, Catalogue};
use super::reader::Reader;
use super::syntax::{self, Parsed};
use super::{Discount, LeapDay, OnChange, Op, Policy, ReEntry, Rule, RuleSet, Trigger, Wait, tree};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile, did_you_mean};
use crate::domain::hex;

/// Where the policy lives.
const POLICY: &str = "rules/policy.yaml";

/// Where the catalogue of event types lives, if there is one.
const EVENTS: &str = "rules/events.yaml";

/// What compiling gives: the rules that are right, and what is wrong with the others. A caller must refuse the
/// whole set when [`Compiled::has_errors`].
#[derive(Debug, Clone)]
pub struct Compiled {
    pub rules: RuleSet,
    /// In the order of path and place.
    pub diagnostics: Vec<Diagnostic>,
    /// What `rules/events.yaml` declares: each event type with the fields of its data, where they are listed.
    /// None without that file.
    pub events: Option<BTreeMap<String, Option<Vec<String>>>>,
}

impl Compiled {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// Compiles all files below `rules/`; others are ignored, as are rule tests (`*.test.yaml`, read by `scenario`).
pub fn compile(files: &[SourceFile]) -> Compiled {
    let mut diagnostics = Vec::new();
    let policy = compile_policy(files, &mut diagnostics);
    let events = files.iter().find(|file| file.path == EVENTS).and_then(|file| {
        let tree = tree::parse(&file.path, &file.text).map_err(|found| diagnostics.extend(found)).ok()?;
        let mut reader = Reader::new(&file.path, &file.text);
        let catalogue = policy::events(&mut reader, &tree);
        diagnostics.append(&mut reader.diagnostics);
        catalogue
    });
    let mut rules: BTreeMap<String, Arc<Rule>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.starts_with("rules/")) {
        let Some(stem) = rule_stem(file, &mut diagnostics) else { continue };
        let tree = match tree::parse(&file.path, &file.text) {
            Ok(tree) => tree,
            Err(found) => {
                diagnostics.extend(found);
                continue;
            }
        };
        let mut reader = Reader::new(&file.path, &file.text);
        if let Some(parsed) = syntax::rule(&mut reader, &tree) {
            check(&mut reader, &parsed, stem, &policy, events.as_ref());
            let right = reader.diagnostics.iter().all(|d| d.severity != Severity::Error);
            let twin = parsed.name.as_ref().filter(|(name, _)| rules.contains_key(name));
            if let Some((name, place)) = twin {
                reader.error("E0201", place.clone(), format!("another file has a rule `{name}` too"));
            } else if let Some(rule) = parsed.rule.filter(|_| right) {
                let rule = versioned(rule);
                rules.insert(rule.name.clone(), Arc::new(rule));
            }
        }
        diagnostics.append(&mut reader.diagnostics);
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
    match tree::parse(&file.path, &file.text) {
        Ok(tree) => {
            let mut reader = Reader::new(&file.path, &file.text);
            let policy = policy::policy(&mut reader, &tree);
            diagnostics.append(&mut reader.diagnostics);
            policy
        }
        Err(found) => {
            diagnostics.extend(found);
            policy::placeholder()
        }
    }
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

/// What a rule says of its file's name, the policy and the catalogue.
fn check(reader: &mut Reader<'_>, parsed: &Parsed, stem: &str, policy: &Policy, events: Option<&Catalogue>) {
    if let Some((name, place)) = parsed.name.as_ref().filter(|(name, _)| name != stem) {
        let message = format!("the rule is named `{name}`, its file `{stem}.yaml`");
        let diagnostic = Diagnostic::error("E0201", reader.path, place.clone(), message);
        reader.report(diagnostic.help(format!("write `rule: {stem}`, or rename the file to `{name}.yaml`")));
    }
    if let Some((purpose, place)) =
        parsed.purpose.as_ref().filter(|(name, _)| !policy.purposes.contains_key(name))
    {
        let message = format!("the policy has no purpose `{purpose}`");
        let diagnostic = Diagnostic::error("E0402", reader.path, place.clone(), message);
        let names: Vec<&str> = policy.purposes.keys().map(String::as_str).collect();
        reader.report(match did_you_mean(purpose, names.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("it has {}", super::reader::listed(&names))),
        });
    }
    let Some(events) = events else { return };
    for (kind, place) in &parsed.events {
        if events.contains_key(kind) || BUILT_IN_EVENTS.contains(&kind.as_str()) {
            continue;
        }
        let message = format!("`rules/events.yaml` has no event type `{kind}`");
        let diagnostic = Diagnostic::error("E0214", reader.path, place.clone(), message);
        let known = events.keys().map(String::as_str).chain(BUILT_IN_EVENTS);
        reader.report(match did_you_mean(kind, known) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("add it there, if the shop sends it"),
        });
    }
    check_fields(reader, parsed, events);
}

/// Whether conditions and keys read fields that the catalogue declares, where it declares any.
fn check_fields(reader: &mut Reader<'_>, parsed: &Parsed, events: &Catalogue) {
    let trigger = parsed.rule.as_ref().map(|rule| &rule.trigger);
    let Some(Trigger::Event { kind, .. } | Trigger::Absent { kind, .. }) = trigger else { return };
    let Some(Some(declared)) = events.get(kind) else { return };
    for (path, place) in &parsed.reads {
        let Some(field) = path.strip_prefix("data.").and_then(|rest| rest.split('.').next()) else {
            continue;
        };
        if declared.iter().any(|known| known == field) {
            continue;
        }
        // The place of the whole expression, narrowed to the field where it is written once.
        let written = &reader.text[place.clone()];
        let mut found = written.match_indices(field);
        let place = match (found.next(), found.next()) {
            (Some((at, _)), None) => place.start + at..place.start + at + field.len(),
            _ => place.clone(),
        };
        let message = format!("`{kind}` has no field `{field}`, says `rules/events.yaml`");
        let diagnostic = Diagnostic::error("E0304", reader.path, place, message);
        reader.report(match did_you_mean(field, declared.iter().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("add it there, if the shop sends it"),
        });
    }
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
        Op::Send(send) => json!([
            "send",
            send.id,
            send.email,
            send.expire_after.num_seconds(),
            send.wait_for_consent.map(|length| length.num_seconds()),
            send.sms,
            send.prefer.map(Channel::as_str)
        ]),
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
