//! `purposes`: why we may write, each by its legal basis alone or with what customers are told of it.

use std::collections::BTreeMap;

use crate::domain::diagnostic::Diagnostic;
use crate::domain::rules::reader::{Fields, Reader, is_name};
use crate::domain::rules::tree::{Kind, Node};
use crate::domain::rules::{Basis, Policy, Purpose};

use super::is_locale;

/// The fields of a purpose in its long form.
pub(in super::super) const FIELDS: [&str; 4] = ["basis", "label", "double_opt_in", "confirm_within"];

const BASES: [(&str, Basis); 3] = [
    ("consent", Basis::Consent),
    ("legitimate_interest", Basis::LegitimateInterest),
    ("contract", Basis::Contract),
];

/// A label stands beside a checkbox; longer ones are a text.
const LONGEST_LABEL: usize = 120;

pub(super) fn purposes<'a>(reader: &mut Reader<'a>, node: &'a Node, policy: &mut Policy) {
    let Some(fields) = reader.open_fields(node, "`purposes`") else { return };
    for (key, value) in fields.iter() {
        if !is_name(&key.name) {
            let message =
                format!("`{}` cannot be a purpose: use small letters, digits, `-` and `_`", key.name);
            reader.error("E0403", key.span.clone(), message);
        }
        let Some(purpose) = purpose(reader, &key.name, value) else {
            // The name stands, so that rules which use it are not reported as well.
            policy.purposes.entry(key.name.clone()).or_insert(Purpose::of(Basis::Consent));
            continue;
        };
        if key.name == "marketing" && purpose.basis != Basis::Consent {
            let message =
                "marketing without consent: messages of this purpose will be sent to people who never agreed";
            let diagnostic = Diagnostic::warning("E0404", reader.path, value.span.clone(), message);
            reader.report(diagnostic.help(
                "e-mail marketing needs consent in the EU (ePrivacy directive, article 13); use another purpose for other mail",
            ));
        }
        policy.purposes.insert(key.name.clone(), purpose);
    }
}

/// `consent`, or `{ basis: consent, label: …, double_opt_in: true }`.
fn purpose<'a>(reader: &mut Reader<'a>, name: &str, node: &'a Node) -> Option<Purpose> {
    if !matches!(node.kind, Kind::Map(_)) {
        return reader.choice(node, name, &BASES).map(Purpose::of);
    }
    let fields = reader.fields(node, "a purpose", &FIELDS)?;
    let basis = reader.required(&fields, "basis", "a purpose", "basis: consent");
    let mut purpose = Purpose::of(reader.choice(basis?, "basis", &BASES)?);
    if let Some(node) = fields.get("label") {
        purpose.label = label(reader, node);
    }
    double_opt_in(reader, &fields, &mut purpose);
    Some(purpose)
}

fn double_opt_in<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, purpose: &mut Purpose) {
    let wrong = |reader: &mut Reader<'a>, at: std::ops::Range<usize>, message: &str, help: &str| {
        reader.report(Diagnostic::error("E0410", reader.path, at, message).help(help));
    };
    if let Some((key, node)) = fields.entry("double_opt_in")
        && let Some(on) = reader.choice(node, "double_opt_in", &[("true", true), ("false", false)])
    {
        if on && purpose.basis != Basis::Consent {
            let message = "there is nothing to confirm: this purpose does not stand on consent";
            let help = "take `double_opt_in` out, or write `basis: consent`";
            return wrong(reader, key.span.start..node.span.end, message, help);
        }
        purpose.double_opt_in = on;
    }
    let Some((key, node)) = fields.entry("confirm_within") else { return };
    let Some(time) = reader.duration(node, "confirm_within") else { return };
    let place = key.span.start..node.span.end;
    if !purpose.double_opt_in {
        let message = "`confirm_within` without `double_opt_in`: no link of this purpose has an end";
        wrong(reader, place, message, "add `double_opt_in: true`, or take `confirm_within` out");
    } else if time < chrono::TimeDelta::hours(1) {
        let message = "links that are over within the hour reach nobody in time";
        wrong(reader, place, message, "give people days, like `confirm_within: 30d`");
    } else {
        purpose.confirm_within = time;
    }
}

/// What customers are told it is, by language.
fn label<'a>(reader: &mut Reader<'a>, node: &'a Node) -> BTreeMap<String, String> {
    let mut label = BTreeMap::new();
    let Some(fields) = reader.open_fields(node, "`label`") else { return label };
    for (key, value) in fields.iter() {
        let Some(text) = reader.text(value, &key.name) else { continue };
        if !is_locale(&key.name) {
            let message = format!("`{}` is not a language", key.name);
            let found = Diagnostic::error("E0403", reader.path, key.span.clone(), message);
            reader.report(found.help("write the label by language: `label: { fr: …, en: … }`"));
        } else if text.contains(char::is_control) || text.chars().count() > LONGEST_LABEL {
            let message = format!("a label is one line of at most {LONGEST_LABEL} characters");
            reader.error("E0403", value.span.clone(), message);
        } else {
            label.insert(key.name.clone(), text.to_owned());
        }
    }
    label
}
