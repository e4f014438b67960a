//! Sends that ask for a confirmation (double opt-in): whether there is something to confirm, whether the template has the
//! link, and that nobody is asked without end.

use chrono::TimeDelta;

use super::{Place, Read, Texts};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::rules::compile::POLICY;
use crate::domain::rules::{Basis, Op, Policy, ReEntry, Rule, RuleSet, Send};
use crate::domain::steps::basis;
use crate::domain::templates::Body;

/// Whoever did not ask for it has been written to by a shop that they may not know: one reminder, and no more.
const AT_MOST: usize = 2;

/// Whoever can fill in a form can have a stranger asked once in this time.
const RESTS: TimeDelta = TimeDelta::days(1);

/// Purposes that wait for a confirmation which no rule asks for: whoever agrees to one is never written to.
pub(super) fn unasked(rules: &RuleSet, texts: &Texts<'_>) -> Vec<Diagnostic> {
    let asks = |purpose: &str| {
        let sends = rules.rules.values().filter(|rule| rule.enabled).flat_map(|rule| &rule.program);
        sends.into_iter().any(|op| matches!(op, Op::Send(send) if send.confirm.as_deref() == Some(purpose)))
    };
    let waiting = rules.policy.purposes.iter().filter(|(name, purpose)| purpose.double_opt_in && !asks(name));
    let text = texts.get(POLICY).copied().unwrap_or_default();
    waiting
        .map(|(name, _)| {
            let named = format!("\n  {name}:");
            let span = text.find(&named).map_or(0..0, |at| at + 3..at + 3 + name.len());
            let message = format!(
                "no rule asks for the confirmation of `{name}`: who agrees to it is never written to"
            );
            Diagnostic::warning("E0613", POLICY, span, message)
                .help(format!("write a rule whose `send` has `confirm: {name}`, or take `double_opt_in` out"))
        })
        .collect()
}

/// What is wrong with a rule's confirmations, whatever their templates.
pub(super) fn check(rule: &Rule, policy: &Policy, texts: &Texts<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut asked: Vec<&str> = Vec::new();
    for op in &rule.program {
        let Op::Send(send) = op else { continue };
        let Some(purpose) = &send.confirm else { continue };
        let place = place(rule, send, texts);
        findings.extend(nothing_to_confirm(&place, rule, purpose, policy));
        if !asked.contains(&purpose.as_str()) && most(&rule.program, purpose) > AT_MOST {
            let message = format!("this rule asks more than twice to confirm `{purpose}`");
            findings.push(
                place
                    .error("E0612", message)
                    .help("ask once, and remind once: whoever has not answered then does not want to"),
            );
        }
        asked.push(purpose);
    }
    findings.extend(again(rule, texts));
    findings
}

fn place(rule: &Rule, send: &Send, texts: &Texts<'_>) -> Place {
    let (channel, template) = send.channels().next().unwrap_or((Channel::Email, ""));
    Place::of(rule, channel, template, texts)
}

/// A purpose that is not confirmed by any link, or one whose confirmation would have to wait for itself.
fn nothing_to_confirm(place: &Place, rule: &Rule, purpose: &str, policy: &Policy) -> Option<Diagnostic> {
    // A purpose that the policy does not have is reported where it is named.
    let known = policy.purposes.get(purpose)?;
    if !known.double_opt_in {
        let message = format!("there is nothing to confirm: `{purpose}` counts as soon as it is granted");
        let help = format!(
            "in rules/policy.yaml:\npurposes:\n  {purpose}: {{ basis: consent, double_opt_in: true }}\nor take `confirm` out"
        );
        return Some(place.error("E0609", message).help(help));
    }
    (basis(policy, &rule.purpose) == Basis::Consent).then(|| {
        let message = format!(
            "who has not confirmed `{purpose}` does not get this: the rule's purpose `{}` needs consent itself",
            rule.purpose
        );
        place.error("E0609", message).help("write `purpose: transactional`: it answers what the customer has asked for")
    })
}

/// How many sends that confirm this purpose one entry can come to.
fn most(program: &[Op], purpose: &str) -> usize {
    // From the end: operations lead forward only.
    let mut most = vec![0; program.len() + 1];
    for (at, op) in program.iter().enumerate().rev() {
        let from = |next: usize| most.get(next).copied().unwrap_or(0);
        most[at] = match op {
            Op::Branch { on_false, end, .. } => from(at + 1).max(from(*on_false)).max(from(*end)),
            Op::Jump(to) => from(*to),
            Op::Send(send) if send.confirm.as_deref() == Some(purpose) => 1 + from(at + 1),
            _ => from(at + 1),
        };
    }
    most[0]
}

/// A rule that asks again whenever its event comes again.
fn again(rule: &Rule, texts: &Texts<'_>) -> Option<Diagnostic> {
    let rests = match rule.re_entry {
        ReEntry::Never => true,
        ReEntry::After(time) => time >= RESTS,
        ReEntry::Always | ReEntry::Restart => false,
    };
    let send = rule.program.iter().find_map(|op| match op {
        Op::Send(send) if send.confirm.is_some() => Some(send),
        _ => None,
    });
    let place = place(rule, send.filter(|_| !rests)?, texts);
    let message =
        "each event asks for the confirmation again: whoever fills in a form fills a stranger's mailbox";
    Some(
        place
            .error("E0612", message.to_owned())
            .help("write `re_entry: { after: 30d }`, or leave `re_entry` out"),
    )
}

/// Whether a template has the link where its send confirms something, in each of its bodies, and only there.
pub(super) fn link(
    place: &Place,
    send: &Send,
    read: &Read<'_>,
    bodies: &[(Body, &[String])],
) -> Option<Diagnostic> {
    let named = format!("template `{}` ({})", read.name, read.locale);
    let has = |reads: &[String]| reads.iter().any(|variable| variable == "confirm_url");
    let Some(purpose) = &send.confirm else {
        return bodies.iter().any(|(_, reads)| has(reads)).then(|| {
            place
                .error("E0611", format!("{named} has a link to confirm, and this `send` confirms nothing"))
                .help("say what its link confirms, like `confirm: newsletter`, or use another template")
        });
    };
    let (body, _) = bodies.iter().find(|(_, reads)| !has(reads))?;
    let (what, help) = match body {
        Body::Html => ("", "<mj-button href=\"{{confirm_url}}\">…</mj-button>"),
        Body::Text => (" in its text", "{{confirm_url}}"),
    };
    let message = format!("{named} has no link{what} to confirm `{purpose}` by");
    Some(place.error("E0610", message).help(format!("write {help}")))
}
