//! `frequency_caps` of the policy.

use chrono::TimeDelta;

use super::super::Policy;
use super::super::reader::Reader;
use super::super::timing::parse_duration;
use super::super::tree::{Kind, Node};
use super::{channel, purpose};
use crate::domain::caps::{Cap, WhenFull};
use crate::domain::diagnostic::Diagnostic;

/// The fields of a cap.
pub(in super::super) const FIELDS: [&str; 4] = ["channel", "purpose", "limit", "when_full"];

/// More than this in one period is a typing mistake.
const MOST: u32 = 1000;

const SHAPE: &str = "write how many and in what time, like `2 per 7d` or `1 per day`";

/// Reads `frequency_caps`. The policy's purposes must be known.
pub(super) fn frequency_caps<'a>(reader: &mut Reader<'a>, node: &'a Node, policy: &Policy) -> Vec<Cap> {
    let Kind::List(nodes) = &node.kind else {
        let message = format!("`frequency_caps` must be a list, not {}", node.kind.words());
        let diagnostic = Diagnostic::error("E0105", reader.path, node.span.clone(), message);
        reader.report(diagnostic.help("begin each with a dash: `- { channel: sms, limit: 2 per 7d }`"));
        return Vec::new();
    };
    let mut caps: Vec<Cap> = Vec::new();
    for node in nodes {
        let Some(cap) = cap(reader, node, policy) else { continue };
        let same = |c: &Cap| (c.channel, &c.purpose, c.period) == (cap.channel, &cap.purpose, cap.period);
        if caps.iter().any(same) {
            let message = "an earlier cap has the same channel, purpose and time";
            let diagnostic = Diagnostic::error("E0406", reader.path, node.span.clone(), message);
            reader.report(diagnostic.help("all caps hold together: keep the lower one"));
        }
        caps.push(cap);
    }
    caps
}

fn cap<'a>(reader: &mut Reader<'a>, node: &'a Node, policy: &Policy) -> Option<Cap> {
    let fields = reader.fields(node, "a frequency cap", &FIELDS)?;
    let before = reader.diagnostics.len();
    let channel = fields.get("channel").and_then(|node| channel(reader, node));
    let purpose = fields.get("purpose").and_then(|node| purpose(reader, node, policy));
    let limit = reader
        .required(&fields, "limit", "a frequency cap", "limit: 2 per 7d")
        .and_then(|node| limit(reader, node));
    let words = [("skip", WhenFull::Skip), ("defer", WhenFull::Defer)];
    let when_full = match fields.get("when_full") {
        Some(node) => reader.choice(node, "when_full", &words),
        None => Some(WhenFull::Skip),
    };
    let ((limit, period), when_full) = (limit?, when_full?);
    let cap = Cap { channel, purpose, limit, period, when_full };
    (reader.diagnostics.len() == before).then_some(cap)
}

/// `2 per 7d`.
fn limit<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<(u32, TimeDelta)> {
    let text = reader.text(node, "limit")?;
    let refuse = |message: String, help: &str| {
        Diagnostic::error("E0406", reader.path, node.span.clone(), message).help(help)
    };
    let Some((count, time)) = text.split_once(" per ") else {
        let diagnostic = refuse(format!("`{text}` is not a limit"), SHAPE);
        reader.report(diagnostic);
        return None;
    };
    let count = match count.trim().parse::<u32>() {
        Ok(count @ 1..=MOST) => count,
        Ok(0) => {
            let help = "to have no cap, leave it out; to send nothing, write `enabled: false` in the rules";
            let diagnostic = refuse(format!("`{text}` would let nothing through"), help);
            reader.report(diagnostic);
            return None;
        }
        _ => {
            let message = format!("`{}` is not a number of messages from 1 to {MOST}", count.trim());
            let diagnostic = refuse(message, SHAPE);
            reader.report(diagnostic);
            return None;
        }
    };
    let period = match time.trim() {
        "hour" => Ok(TimeDelta::hours(1)),
        "day" => Ok(TimeDelta::days(1)),
        "week" => Ok(TimeDelta::weeks(1)),
        "month" => Err("months differ in length: write `30d`".to_owned()),
        "year" => Err("years differ in length: write `365d`".to_owned()),
        duration => parse_duration(duration),
    };
    Some((count, reader.checked(node, "E0204", period)?))
}
