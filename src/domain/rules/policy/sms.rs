//! `sms` of the policy: who messages come from, where STOP goes, and how long they may be.

use super::super::reader::{Fields, Reader};
use super::super::tree::Node;
use super::country;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::sms::SmsPolicy;
use crate::domain::sms::sender::{Kind, kind, objection};

/// The fields of `sms`.
pub(in super::super) const FIELDS: [&str; 6] =
    ["sender", "senders", "stop_number", "max_segments", "transliterate", "segment_cost"];

/// More parts than this no shop wants to pay for.
const MOST_SEGMENTS: u32 = 10;

/// Decimals of a price: networks charge fractions of a cent.
const DECIMALS: usize = 5;

/// Reads `sms`. `home`: the policy's `default_country`, where most messages go.
pub(super) fn sms<'a>(reader: &mut Reader<'a>, node: &'a Node, home: Option<&str>) -> SmsPolicy {
    let mut policy = SmsPolicy::default();
    let Some(fields) = reader.fields(node, "`sms`", &FIELDS) else { return policy };
    if let Some(node) = fields.get("senders")
        && let Some(by_country) = reader.open_fields(node, "`senders`")
    {
        for (key, value) in by_country.iter() {
            let Some(country) = country::written(reader, &key.name, key.span.clone()) else { continue };
            if let Some(sender) = sender(reader, value, Some(&country)) {
                policy.senders.insert(country, sender);
            }
        }
    }
    if let Some(node) = fields.get("sender") {
        // The sender of a country takes its place there.
        let home = home.filter(|home| !policy.senders.contains_key(*home));
        policy.sender = sender(reader, node, home);
    }
    if let Some(node) = fields.get("stop_number") {
        policy.stop_number = stop_number(reader, node);
    }
    if let Some(most) = max_segments(reader, &fields) {
        policy.max_segments = most;
    }
    if let Some(node) = fields.get("transliterate")
        && let Some(on) = reader.choice(node, "transliterate", &[("true", true), ("false", false)])
    {
        policy.transliterate = on;
    }
    policy.segment_cost = fields.get("segment_cost").and_then(|node| {
        let text = reader.text(node, "segment_cost")?;
        reader.checked(node, "E0408", price(text))
    });
    policy
}

fn sender<'a>(reader: &mut Reader<'a>, node: &'a Node, country: Option<&str>) -> Option<String> {
    let text = reader.text(node, "sender")?;
    if let Err(words) = kind(text) {
        let diagnostic = Diagnostic::error("E0408", reader.path, node.span.clone(), words);
        reader.report(
            diagnostic.help("write a name like `MaisonLumen`, a number like `+33612345678`, or a short code"),
        );
        return None;
    }
    if let Some(words) = country.and_then(|country| objection(text, country)) {
        let diagnostic = Diagnostic::error("E0408", reader.path, node.span.clone(), words);
        reader.report(diagnostic.help("write a sender that your provider has for that country"));
        return None;
    }
    Some(text.to_owned())
}

fn stop_number<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<String> {
    let text = reader.text(node, "stop_number")?;
    if !matches!(kind(text), Ok(Kind::ShortCode | Kind::Number)) {
        let message = format!("`{text}` is not a number that STOP can be sent to");
        let diagnostic = Diagnostic::error("E0408", reader.path, node.span.clone(), message);
        reader.report(diagnostic.help("write the short code that your provider gave you, like `\"36180\"`"));
        return None;
    }
    Some(text.to_owned())
}

fn max_segments<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<u32> {
    let node = fields.get("max_segments")?;
    let text = reader.text(node, "max_segments")?;
    let most = text.parse().ok().filter(|n| (1..=MOST_SEGMENTS).contains(n));
    if most.is_none() {
        let message = format!("`{text}` is not a number of segments");
        let diagnostic = Diagnostic::error("E0408", reader.path, node.span.clone(), message);
        reader.report(diagnostic.help(format!("write a whole number from 1 to {MOST_SEGMENTS}")));
    }
    most
}

/// Reads `0.045 EUR` as hundred-thousandths and a currency.
fn price(text: &str) -> Result<(u64, String), String> {
    let wrong = || format!("`{text}` is not a price: write it like `0.045 EUR`");
    let (number, currency) = text.split_once(' ').ok_or_else(wrong)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let currency = currency.trim();
    let shaped = digits(whole)
        && digits(decimals)
        && whole.len() <= 6
        && decimals.len() <= DECIMALS
        && currency.len() == 3
        && currency.bytes().all(|b| b.is_ascii_uppercase());
    if !shaped {
        return Err(wrong());
    }
    let parsed = format!("{whole}{decimals:0<DECIMALS$}").parse().map_err(|_| wrong())?;
    Ok((parsed, currency.to_owned()))
}
