//! `rules/policy.yaml`: what all rules share.

pub(super) mod caps;
mod country;
pub(super) mod hours;
pub(super) mod purposes;
pub(super) mod register;
pub(super) mod retention;
pub(super) mod sms;
#[cfg(test)]
pub(super) mod tests;

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::reader::{Fields, Reader, listed};
use super::timing::parse_zone;
use super::tree::{Kind, Node};
use super::{Basis, Policy, Purpose, Sender};
use crate::domain::consent::Channel;
use crate::domain::diagnostic::{Diagnostic, did_you_mean};
use crate::domain::hours::QuietHours;
use crate::domain::register::Declared;
use crate::domain::retention::Retention;
use crate::domain::sms::SmsPolicy;

pub(in crate::domain) use hours::shipped_hours;

/// The purposes that are always there, and their legal basis.
pub(super) const BUILT_IN_PURPOSES: [(&str, Basis); 3] = [
    ("marketing", Basis::Consent),
    ("service", Basis::LegitimateInterest),
    ("transactional", Basis::Contract),
];

/// Whether a purpose is there in every policy, named or not.
pub(in crate::domain) fn is_built_in(purpose: &str) -> bool {
    BUILT_IN_PURPOSES.iter().any(|(name, _)| *name == purpose)
}

/// A whole policy file to begin with, shown to whoever has none.
pub const EXAMPLE: &str = "\
default_locale: fr
default_timezone: Europe/Paris
sender:
  name: My shop
  email: contact@my-shop.example
  postal_address: 1 rue de la République, 69001 Lyon, France
";

/// The fields of the policy.
pub(super) const FIELDS: [&str; 12] = [
    "default_locale",
    "default_timezone",
    "purposes",
    "sender",
    "max_age",
    "catch_up",
    "default_country",
    "quiet_hours",
    "frequency_caps",
    "sms",
    "register",
    "retention",
];

/// The fields of `sender`.
pub(super) const SENDER: [&str; 5] = ["name", "email", "reply_to", "website", "postal_address"];

/// What rules are checked against while the policy itself cannot be read.
pub(super) fn placeholder() -> Policy {
    Policy {
        default_locale: "en".to_owned(),
        default_timezone: Tz::UTC,
        purposes: BUILT_IN_PURPOSES
            .iter()
            .map(|(name, basis)| ((*name).to_owned(), Purpose::of(*basis)))
            .collect(),
        sender: Sender {
            name: String::new(),
            email: String::new(),
            reply_to: None,
            website: None,
            postal_address: String::new(),
        },
        max_age: TimeDelta::hours(24),
        catch_up: TimeDelta::hours(12),
        default_country: None,
        quiet_hours: QuietHours::default(),
        frequency_caps: Vec::new(),
        sms: SmsPolicy::default(),
        register: Declared::default(),
        retention: Retention::default(),
    }
}

/// Reads the policy, with placeholders where it is wrong (and reported).
pub(super) fn policy<'a>(reader: &mut Reader<'a>, tree: &'a Node) -> Policy {
    let mut policy = placeholder();
    if tree.kind == Kind::Empty {
        reader
            .report(Diagnostic::error("E0401", reader.path, 0..0, "the policy is empty").help(begin_with()));
        return policy;
    }
    let Some(fields) = reader.fields(tree, "the policy", &FIELDS) else { return policy };
    let locale = reader.required(&fields, "default_locale", "the policy", "default_locale: fr");
    if let Some(locale) = locale.and_then(|node| locale_tag(reader, node)) {
        policy.default_locale = locale;
    }
    let zone = reader.required(&fields, "default_timezone", "the policy", "default_timezone: Europe/Paris");
    if let Some(node) = zone
        && let Some(text) = reader.text(node, "default_timezone")
        && let Some(zone) = reader.checked(node, "E0206", parse_zone(text))
    {
        policy.default_timezone = zone;
    }
    if let Some(node) = fields.get("purposes") {
        purposes::purposes(reader, node, &mut policy);
    }
    let example = "sender: { name: …, email: …, postal_address: … }";
    if let Some(sender) =
        reader.required(&fields, "sender", "the policy", example).and_then(|n| sender(reader, n))
    {
        policy.sender = sender;
    }
    for (name, value) in [("max_age", &mut policy.max_age), ("catch_up", &mut policy.catch_up)] {
        if let Some(duration) = fields.get(name).and_then(|node| reader.duration(node, name)) {
            *value = duration;
        }
    }
    if let Some(node) = fields.get("default_country") {
        policy.default_country = country::code(reader, node, "default_country");
    }
    // Both name purposes, which have been read above.
    if let Some(node) = fields.get("quiet_hours") {
        policy.quiet_hours = hours::quiet_hours(reader, node, &policy);
    }
    if let Some(node) = fields.get("frequency_caps") {
        policy.frequency_caps = caps::frequency_caps(reader, node, &policy);
    }
    if let Some(node) = fields.get("sms") {
        policy.sms = sms::sms(reader, node, policy.default_country.as_deref());
    }
    if let Some(node) = fields.get("register") {
        policy.register = register::register(reader, node);
    }
    // Held against the caps and ages above.
    if let Some(node) = fields.get("retention") {
        policy.retention = retention::retention(reader, node, &policy);
    }
    policy
}

fn channel<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<Channel> {
    reader.choice(node, "channel", &[("email", Channel::Email), ("sms", Channel::Sms)])
}

/// A purpose that the policy has.
fn purpose<'a>(reader: &mut Reader<'a>, node: &'a Node, policy: &Policy) -> Option<String> {
    let text = reader.text(node, "purpose")?;
    if policy.purposes.contains_key(text) {
        return Some(text.to_owned());
    }
    let names = || policy.purposes.keys().map(String::as_str);
    let diagnostic =
        Diagnostic::error("E0402", reader.path, node.span.clone(), format!("there is no purpose `{text}`"));
    reader.report(match did_you_mean(text, names()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("the purposes are {}", listed(&names().collect::<Vec<_>>()))),
    });
    None
}

/// The help for whoever has no policy.
pub(super) fn begin_with() -> String {
    format!("create `rules/policy.yaml` with your own values:\n{EXAMPLE}")
}

fn locale_tag<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<String> {
    let text = reader.text(node, "default_locale")?;
    if !is_locale(text) {
        let message = format!("`{text}` is not a locale");
        let diagnostic = Diagnostic::error("E0403", reader.path, node.span.clone(), message);
        reader.report(diagnostic.help("write a language, or a language and a country, like `fr` or `fr-CH`"));
        return None;
    }
    Some(text.to_owned())
}

/// Whether it has the shape of a locale: `fr`, `fr-CH`.
fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language =
        parts.next().is_some_and(|l| (2..=3).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_lowercase()));
    language && parts.all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn sender<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<Sender> {
    let fields = reader.fields(node, "the sender", &SENDER)?;
    let name = line(reader, &fields, "name", "name: My shop");
    let email = line(reader, &fields, "email", "email: contact@my-shop.example");
    let postal =
        line(reader, &fields, "postal_address", "postal_address: 1 rue de la République, 69001 Lyon");
    for field in ["email", "reply_to"] {
        let Some(node) = fields.get(field) else { continue };
        let Some(text) = reader.text(node, field) else { continue };
        let shaped = text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.contains('@') && domain.contains('.') && !domain.ends_with('.')
        });
        if !shaped
            || text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ','))
        {
            let message = format!("`{text}` is not an e-mail address");
            let diagnostic = Diagnostic::error("E0403", reader.path, node.span.clone(), message);
            reader.report(diagnostic.help("write the address alone, like `contact@my-shop.example`"));
        }
    }
    let website = fields.get("website").and_then(|node| {
        let text = reader.text(node, "website")?;
        if !text.starts_with("https://") && !text.starts_with("http://") {
            let diagnostic = Diagnostic::error(
                "E0403",
                reader.path,
                node.span.clone(),
                format!("`{text}` is not a web address"),
            );
            reader.report(diagnostic.help(format!("write it with its scheme: `https://{text}`")));
        }
        Some(text.to_owned())
    });
    let reply_to = fields.get("reply_to").and_then(|node| reader.text(node, "reply_to")).map(str::to_owned);
    Some(Sender { name: name?, email: email?, reply_to, website, postal_address: postal? })
}

/// A required text on one line: it goes into a header or a footer.
fn line<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, name: &str, example: &str) -> Option<String> {
    let node = reader.required(fields, name, "the sender", example)?;
    let text = reader.text(node, name)?;
    if text.contains(char::is_control) {
        reader.error("E0403", node.span.clone(), format!("`{name}` must stand on one line"));
        return None;
    }
    Some(text.to_owned())
}
