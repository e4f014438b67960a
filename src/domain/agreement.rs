//! Whether rules, templates and policy fit each other: what one file alone cannot tell.

mod confirmations;
mod kept;
mod room;
mod twins;

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::consent::Channel;
use super::diagnostic::{Diagnostic, SourceFile, did_you_mean};
use super::rules::catalogue::{Catalogue, Fields};
use super::rules::{Basis, Op, Policy, Rule, RuleSet, Send, Trigger};
use super::sms::estimate::{estimate, shows_what_customers_write};
use super::sms::plain::first_foreign;
use super::sms::sender::is_name;
use super::sms::{Encoding, cut, segments};
use super::steps::basis;
use super::templates::{Body, Template, Templates};

/// The text of each file, by its path.
type Texts<'a> = BTreeMap<&'a str, &'a str>;

/// The findings that a policy with a mistake would call forth, and that are gone with it: its default locale, purposes,
/// hours, caps and SMS.
pub const GOES_BY_POLICY: [&str; 8] =
    ["E0409", "E0505", "E0605", "E0606", "E0607", "E0608", "E0609", "E0613"];

/// Everything that is wrong between these rules, these templates and the policy.
pub fn check(
    rules: &RuleSet,
    templates: &Templates,
    catalogue: Option<&Catalogue>,
    files: &[SourceFile],
) -> Vec<Diagnostic> {
    let texts: Texts<'_> = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    let mut findings = twins::check(rules, &texts);
    findings.extend(confirmations::unasked(rules, &texts));
    findings.extend(kept::check(rules, &texts));
    let set = Set { policy: &rules.policy, templates, catalogue, texts };
    // The same for all rules of a purpose, and a walk through years of holidays.
    let mut closed = BTreeMap::new();
    for rule in rules.rules.values() {
        findings.extend(room::check(rule, &rules.policy, &set.texts));
        findings.extend(confirmations::check(rule, &rules.policy, &set.texts));
        for op in &rule.program {
            let Op::Send(send) = op else { continue };
            if let Some(email) = &send.email {
                let place = Place::of(rule, Channel::Email, email, &set.texts);
                findings.extend(set.mail(&place, rule, send, email));
            }
            if let Some(sms) = &send.sms {
                let place = Place::of(rule, Channel::Sms, sms, &set.texts);
                findings.extend(set.text(&place, rule, send, sms));
                let closed = closed.entry(rule.purpose.as_str()).or_insert_with(|| set.longest_closed(rule));
                findings.extend(short_lived(&place, send, *closed));
            }
        }
    }
    findings
}

/// What a rule is held against.
struct Set<'a> {
    policy: &'a Policy,
    templates: &'a Templates,
    catalogue: Option<&'a Catalogue>,
    texts: Texts<'a>,
}

impl Set<'_> {
    /// The longest time for which an SMS of this rule's purpose may have to wait for its hours.
    fn longest_closed(&self, rule: &Rule) -> Option<TimeDelta> {
        let (basis, country) = (basis(self.policy, &rule.purpose), self.policy.default_country.as_deref());
        self.policy.quiet_hours.longest_closed(Channel::Sms, &rule.purpose, basis, country)
    }

    fn mail(&self, place: &Place, rule: &Rule, send: &Send, name: &str) -> Vec<Diagnostic> {
        let templates = self.templates;
        if !templates.contains(name) {
            return self.missing(place, name, templates.names(), ["email.", "LOCALE.mjml"]);
        }
        let mut findings = Vec::new();
        let contract = basis(self.policy, &rule.purpose) == Basis::Contract;
        for template in templates.locales(name).filter_map(|l| templates.resolve(name, l)) {
            let origins = &template.source().origins;
            let read = Read { name, locale: &template.locale, variables: template.variables(), origins };
            findings.extend(unprovided(place, rule, &read, self.catalogue));
            findings.extend(promo_code(place, rule, &read));
            let bodies: Vec<_> =
                template.bodies().iter().map(|(body, reads)| (*body, reads.as_slice())).collect();
            findings.extend(confirmations::link(place, send, &read, &bodies));
            if !contract {
                findings.extend(owed(place, rule, &template));
            }
        }
        findings
    }

    fn text(&self, place: &Place, rule: &Rule, send: &Send, name: &str) -> Vec<Diagnostic> {
        let (templates, policy) = (self.templates, self.policy);
        if !templates.contains_sms(name) {
            return self.missing(place, name, templates.sms_names(), ["sms.", "LOCALE.txt"]);
        }
        let marketing = basis(policy, &rule.purpose) != Basis::Contract;
        let mut findings = Vec::new();
        for template in templates.sms_versions(name) {
            let origins = &template.source().origins;
            let variables = &template.variables();
            let read = Read { name, locale: &template.locale, variables, origins };
            findings.extend(unprovided(place, rule, &read, self.catalogue));
            findings.extend(promo_code(place, rule, &read));
            findings.extend(confirmations::link(place, send, &read, &[(Body::Text, variables.as_slice())]));
            findings.extend(too_long(place, &template.source().sms, &read, marketing, policy));
        }
        let sender = policy.sms.sender.as_deref();
        // The sender of a country may be a name too, or the only one.
        let named = sender.is_none_or(is_name) || policy.sms.senders.values().any(|s| is_name(s));
        if marketing && named && policy.sms.stop_number.is_none() {
            let who = sender.map_or("the provider's sender".to_owned(), |s| format!("`{s}`"));
            findings.push(
                place
                    .error("E0606", format!("nobody can answer STOP to {who}, and there is no `stop_number`"))
                    .help(
                        "put into rules/policy.yaml the number that takes STOP:\nsms: { stop_number: \"36180\" }",
                    ),
            );
        }
        findings
    }

    /// A template that is not there: not even with a mistake of its own, or in other languages only, which is reported
    /// there.
    fn missing<'a>(
        &self,
        place: &Place,
        template: &str,
        names: impl Iterator<Item = &'a str>,
        [file, rest]: [&str; 2],
    ) -> Vec<Diagnostic> {
        let begins = format!("templates/{template}/{file}");
        let next = self.texts.range(begins.as_str()..).next();
        if next.is_some_and(|(path, _)| path.starts_with(&begins)) {
            return Vec::new();
        }
        let finding = place.error("E0601", format!("there is no template `{template}`"));
        vec![match did_you_mean(template, names) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("write {begins}{rest}")),
        }]
    }
}

/// An SMS that is worthless before its hours begin again: planned for a Saturday evening, it never goes.
fn short_lived(place: &Place, send: &Send, closed: Option<TimeDelta>) -> Option<Diagnostic> {
    // What can go by mail instead is not lost.
    let closed = closed.filter(|_| send.prefer.is_none())?;
    let hours = |time: TimeDelta| (time.num_minutes() + 59) / 60;
    (send.expire_after < closed).then(|| {
        let message = format!(
            "this SMS expires after {} h, and its hours may be closed for {} h: planned within them it may never go",
            hours(send.expire_after),
            hours(closed)
        );
        let help = format!("give this `send` an `expire_after` of {}d or more", (hours(closed) + 23) / 24);
        Diagnostic::warning("E0607", &place.path, place.span.clone(), message).help(help)
    })
}

/// What one version of a template reads.
struct Read<'a> {
    name: &'a str,
    locale: &'a str,
    variables: &'a [String],
    /// Where each is first read (`path:line`), as it is spelt there.
    origins: &'a BTreeMap<String, String>,
}

/// A text that may take more segments than the policy wants, as far as can be told before it is filled in.
fn too_long(
    place: &Place,
    source: &str,
    read: &Read<'_>,
    marketing: bool,
    policy: &Policy,
) -> Option<Diagnostic> {
    let estimate = estimate(source, read.locale, marketing, policy);
    let (encoding, segments) = segments(&estimate);
    if segments <= policy.sms.max_segments {
        return longer_by_a_name(place, source, read, &estimate, policy);
    }
    let message = format!(
        "template `{}` ({}) may take {segments} segments, more than the {} of `max_segments`",
        read.name, read.locale, policy.sms.max_segments
    );
    let finding = Diagnostic::warning("E0605", &place.path, place.span.clone(), message);
    let dear = first_foreign(source, policy.sms.transliterate).filter(|_| encoding == Encoding::Ucs2);
    Some(match dear {
        Some((_, c)) => finding.help(format!(
            "`{c}` is not in the alphabet of SMS: with it a segment holds 70 characters, not 160"
        )),
        None => finding.help("shorten it, or raise `max_segments` in the `sms` section of rules/policy.yaml"),
    })
}

/// A text that fits, but not for customers whose name is outside of the alphabet of SMS.
fn longer_by_a_name(
    place: &Place,
    source: &str,
    read: &Read<'_>,
    estimate: &str,
    policy: &Policy,
) -> Option<Diagnostic> {
    let segments = cut(estimate, Encoding::Ucs2).count();
    if segments <= policy.sms.max_segments as usize || !shows_what_customers_write(source) {
        return None;
    }
    let message = format!(
        "template `{}` ({}) takes {segments} segments, more than the {} of `max_segments`, for a customer with a name \
         like \"Анна\"",
        read.name, read.locale, policy.sms.max_segments
    );
    let (alone, _) = Encoding::Ucs2.limits();
    Some(Diagnostic::warning("E0608", &place.path, place.span.clone(), message).help(format!(
        "one letter that is not in the alphabet of SMS makes a segment hold {alone} characters, not 160: shorten the \
         text, leave out what customers write, or raise `max_segments`"
    )))
}

/// Where a rule names its template.
struct Place {
    path: String,
    span: std::ops::Range<usize>,
}

impl Place {
    fn of(rule: &Rule, channel: Channel, template: &str, texts: &Texts<'_>) -> Self {
        let key = match channel {
            Channel::Email => "email:",
            Channel::Sms => "sms:",
        };
        let path = format!("rules/{}.yaml", rule.name);
        let source = texts.get(path.as_str()).copied().unwrap_or_default();
        let start = source
            .match_indices(key)
            .filter_map(|(at, key)| {
                let value = source[at + key.len()..].trim_start_matches([' ', '"', '\'']);
                let rest = value.strip_prefix(template)?;
                // `abandoned-cart` is not where `abandoned-cart-offer` stands.
                let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_');
                ends.then_some(source.len() - value.len())
            })
            .next()
            .unwrap_or(0);
        Self { path, span: start..(start + template.len()).min(source.len()) }
    }

    fn error(&self, code: &'static str, message: String) -> Diagnostic {
        Diagnostic::error(code, &self.path, self.span.clone(), message)
    }
}

/// Variables that the rule's trigger, or the profile, cannot provide.
fn unprovided(place: &Place, rule: &Rule, read: &Read<'_>, catalogue: Option<&Catalogue>) -> Vec<Diagnostic> {
    let nothing = Fields::new();
    let of_event = match &rule.trigger {
        Trigger::Event { kind, .. } | Trigger::Absent { kind, .. } => catalogue.and_then(|c| c.fields(kind)),
        // No event starts these, so there is no data at all.
        Trigger::Anniversary { .. } | Trigger::Schedule { .. } => Some(&nothing),
    };
    let of_profile = catalogue.and_then(Catalogue::profile);
    let unknown = read.variables.iter().filter_map(|variable| {
        let path =
            variable.strip_prefix("event.").filter(|path| path.starts_with("data.")).unwrap_or(variable);
        let (root, rest) = path.split_once('.')?;
        let field = rest.split(['.', '[']).next()?;
        let (fields, whose) = match root {
            "data" => (of_event?, "which the trigger of this rule does not provide"),
            "customer" => (of_profile?, "which no event of rules/events.yaml gives a customer"),
            _ => return None,
        };
        (!field.is_empty() && !fields.contains_key(field)).then_some((root, field, fields, whose))
    });
    unknown
        .map(|(root, field, fields, whose)| {
            let named = format!("template `{}` ({}) reads `{root}.{field}`", read.name, read.locale);
            let finding = place.error("E0602", format!("{named}, {whose}"));
            let finding = match read.origins.get(&format!("{root}.{field}")) {
                Some(origin) => finding.label(format!("read in {origin}")),
                None => finding,
            };
            match did_you_mean(field, fields.keys().map(String::as_str)) {
                Some(near) => finding.help(format!("did you mean `{root}.{near}`?")),
                None if root == "data" && fields.is_empty() => {
                    finding.help("no event starts this rule: use a template that reads the customer only")
                }
                None => finding.help("list it in rules/events.yaml if the shop sends it"),
            }
        })
        .collect()
}

/// A template that shows a promo code in a rule that makes none. One that only asks whether there is a code may do so.
fn promo_code(place: &Place, rule: &Rule, read: &Read<'_>) -> Option<Diagnostic> {
    let makes = rule.program.iter().any(|op| matches!(op, Op::PromoCode(_)));
    let reads = read.variables.iter().any(|v| v.starts_with("promo_code"));
    let asks = read.variables.iter().any(|v| v == "promo_code");
    (reads && !asks && !makes).then(|| {
        place
            .error("E0603", format!("template `{}` shows a promo code and this rule makes none", read.name))
            .help("add a `promo_code` step before this send")
    })
}

/// What the law wants in each mail that is no part of a contract: a way out of it in each of its bodies, and somewhere
/// who writes from where.
fn owed(place: &Place, rule: &Rule, template: &Template) -> Vec<Diagnostic> {
    let named = format!("template `{}` ({})", template.name, template.locale);
    let mut findings = Vec::new();
    let bodies = template.bodies();
    let without = bodies.iter().find(|(_, reads)| !reads.iter().any(|v| v == "unsubscribe_url"));
    if let Some((body, _)) = without {
        let (what, help) = match body {
            Body::Html => ("has no unsubscribe link", "include the footer: <mj-include path=\"footer\" />"),
            Body::Text => ("has no unsubscribe link in its plain text", "include the footer: {{> footer}}"),
        };
        let message = format!("{named} {what}, which mail for the purpose `{}` must have", rule.purpose);
        findings.push(place.error("E0604", message).help(help));
    }
    if !bodies.iter().flat_map(|(_, reads)| reads).any(|v| v == "sender" || v == "sender.postal_address") {
        let message = format!("{named} does not show the sender's postal address");
        let finding = Diagnostic::warning("E0620", &place.path, place.span.clone(), message);
        findings.push(finding.help("write {{sender.postal_address}} at its end, as the shipped footer does"));
    }
    findings
}
