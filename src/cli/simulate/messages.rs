//! What a history would send: message by message, or in numbers.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::rows::{Batch, Rows};
use super::{Output, Stage, not_printed};
use crate::cli::Failure;
use crate::cli::table::{self, Format};
use crate::simulate::crowd;
use crate::simulate::story::{Group, Span};
use crate::simulate::tally::{OfRule, Summary};

const COLUMNS: [&str; 9] =
    ["at", "customer", "rule", "template", "locale", "to", "status", "reason", "subject"];

const SUMMARY_COLUMNS: [&str; 7] = ["rule", "channel", "status", "reason", "count", "segments", "cost"];

pub fn print(
    stage: &Stage,
    groups: impl Iterator<Item = Result<Group, Failure>> + Send,
    span: Span,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let rules = &stage.rules.book.active;
    let mut summary = Summary::of(rules.rules.keys().map(String::as_str));
    let price = rules.policy.sms.segment_cost.as_ref();
    let mut rows = Rows::new(&COLUMNS);
    let play = |group: &Group| {
        let (lines, tally) = crowd::play(&stage.rules, &stage.public_url, group, span);
        let mut summary = Summary::default();
        summary.count(&lines, &tally);
        let listed = if stage.output.listing().is_some() { &lines[..] } else { &[] };
        (
            summary,
            Batch::of(
                &COLUMNS,
                listed.iter().map(|line| ((0, line.at, line.customer.as_str()), json!(line))),
            ),
        )
    };
    stage.each(groups, bar, play, |(part, batch)| {
        summary.add(part);
        rows.add(batch)
    })?;
    match stage.output.listing() {
        Some(format) => {
            rows.print(format, usize::MAX).map_err(not_printed)?;
            in_words(&summary, price).iter().for_each(|words| eprintln!("{words}"));
            Ok(())
        }
        None if stage.output == Output::SummaryJson => {
            let of_rule = |(rule, did): (&String, &OfRule)| as_json(rule, did, price);
            table::print(&summary.0.iter().map(of_rule).collect::<Vec<_>>(), &[], Format::Json)
                .map_err(not_printed)
        }
        None => table::print(&as_rows(&summary, price), &SUMMARY_COLUMNS, Format::Table).map_err(not_printed),
    }
}

/// What an SMS costs by the segment, in hundred-thousandths, and in which currency.
type Price = (u64, String);

/// What so many segments cost, to the cent; none where the policy has no price.
fn cost(segments: u64, price: Option<&Price>) -> Option<String> {
    let (each, currency) = price?;
    let total = (each * segments) as f64 / 100_000.0;
    Some(format!("{total:.2} {currency}"))
}

/// The summary for whoever looks at the messages themselves.
fn in_words(summary: &Summary, price: Option<&Price>) -> Vec<String> {
    let mut words = Vec::new();
    for (rule, did) in &summary.0 {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, status, reason), count) in &did.messages {
            *counts.entry(reason.unwrap_or(status)).or_default() += count.messages;
        }
        words.extend(counts.into_iter().map(|(what, count)| format!("{rule}: {count} {what}")));
        for (reason, times) in &did.not_begun {
            words.push(format!("{rule}: not begun {times} times: {}", reason.words()));
        }
    }
    let sms = summary.sms();
    if sms.messages > 0 {
        let cost = cost(sms.segments, price).map(|cost| format!(", {cost}")).unwrap_or_default();
        words.push(format!("SMS: {} in {} segments{cost}", sms.messages, sms.segments));
    }
    words
}

/// A row for the entries of each rule, for what did not begin, and for what came of its messages.
fn as_rows(summary: &Summary, price: Option<&Price>) -> Vec<Value> {
    let mut rows = Vec::new();
    for (rule, did) in &summary.0 {
        rows.push(json!({ "rule": rule, "status": "begun", "count": did.entries }));
        for (reason, count) in &did.not_begun {
            rows.push(
                json!({ "rule": rule, "status": "not begun", "reason": reason.as_str(), "count": count }),
            );
        }
        for ((channel, status, reason), count) in &did.messages {
            let segments = (count.segments > 0).then_some(count.segments);
            rows.push(json!({
                "rule": rule,
                "channel": channel,
                "status": status,
                "reason": reason,
                "count": count.messages,
                "segments": segments,
                "cost": segments.and_then(|segments| cost(segments, price)),
            }));
        }
    }
    rows
}

/// A stable interface (`--format summary-json`).
fn as_json(rule: &str, did: &OfRule, price: Option<&Price>) -> Value {
    let messages = did.messages.iter().map(|((channel, status, reason), count)| {
        let segments = (count.segments > 0).then_some(count.segments);
        json!({
            "channel": channel,
            "status": status,
            "reason": reason,
            "messages": count.messages,
            "segments": segments,
            "cost": segments.and_then(|segments| cost(segments, price)),
        })
    });
    let not_begun: serde_json::Map<String, Value> =
        did.not_begun.iter().map(|(reason, times)| (reason.as_str().to_owned(), json!(times))).collect();
    json!({
        "rule": rule,
        "entries": did.entries,
        "not_begun": not_begun,
        "messages": messages.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cost_what_the_policy_says() {
        let price = (4_500, "EUR".to_owned());
        assert_eq!(cost(3, None), None);
        assert_eq!(cost(3, Some(&price)).as_deref(), Some("0.14 EUR"));
        assert_eq!(cost(1_000_000, Some(&price)).as_deref(), Some("45000.00 EUR"));
    }
}
