//! What a simulation comes to, in numbers: how much each rule began, sent, and did not, and why.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Line;
use crate::domain::consent::Channel;
use crate::domain::message::MessageState;
use crate::domain::sms::segments;
use crate::domain::verdict::Reason;

/// What rules did beside writing messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries that began, by rule.
    pub begun: BTreeMap<String, u64>,
    /// What was considered and not begun, by rule and reason.
    pub skipped: BTreeMap<(String, Reason), u64>,
}

/// What came of one kind of message of a rule: channel, status, and reason.
pub type Outcome = (&'static str, &'static str, Option<&'static str>);

/// The sum of many simulations, by rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary(pub BTreeMap<String, OfRule>);

/// What one rule did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfRule {
    pub entries: u64,
    pub not_begun: BTreeMap<Reason, u64>,
    pub messages: BTreeMap<Outcome, Count>,
}

/// How many messages, and of SMS that are sent, how many segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    pub messages: u64,
    pub segments: u64,
}

impl Summary {
    /// A summary in which these rules stand even if they do nothing.
    pub fn of<'a>(rules: impl IntoIterator<Item = &'a str>) -> Self {
        Self(rules.into_iter().map(|rule| (rule.to_owned(), OfRule::default())).collect())
    }

    /// Adds what one simulation came to.
    pub fn count(&mut self, lines: &[Line], tally: &Tally) {
        for (rule, entries) in &tally.begun {
            self.rule(rule).entries += entries;
        }
        for ((rule, reason), times) in &tally.skipped {
            *self.rule(rule).not_begun.entry(*reason).or_default() += times;
        }
        for line in lines {
            let count =
                self.rule(&line.rule).messages.entry((line.channel, line.status, line.reason)).or_default();
            count.messages += 1;
            count.segments += segments_of(line);
        }
    }

    /// Adds another summary to this one.
    pub fn add(&mut self, other: Self) {
        for (rule, theirs) in other.0 {
            let ours = self.0.entry(rule).or_default();
            ours.entries += theirs.entries;
            for (reason, times) in theirs.not_begun {
                *ours.not_begun.entry(reason).or_default() += times;
            }
            for (outcome, count) in theirs.messages {
                let sum = ours.messages.entry(outcome).or_default();
                sum.messages += count.messages;
                sum.segments += count.segments;
            }
        }
    }

    /// The SMS that are sent, all rules together.
    pub fn sms(&self) -> Count {
        let all = self.0.values().flat_map(|rule| &rule.messages);
        all.filter(|((channel, status, _), _)| *channel == Channel::Sms.as_str() && is_sent(status)).fold(
            Count::default(),
            |sum, (_, count)| Count {
                messages: sum.messages + count.messages,
                segments: sum.segments + count.segments,
            },
        )
    }

    fn rule(&mut self, name: &str) -> &mut OfRule {
        self.0.entry(name.to_owned()).or_default()
    }
}

fn segments_of(line: &Line) -> u64 {
    let text = line.text.as_deref().filter(|_| line.channel == Channel::Sms.as_str() && line.is_sent());
    text.map_or(0, |text| u64::from(segments(text).1))
}

fn is_sent(status: &str) -> bool {
    status == MessageState::Sent.as_str()
}

#[cfg(test)]
mod tests {
    use super::super::difference::tests::line;
    use super::*;

    #[test]
    fn messages_are_counted_by_what_came_of_them_and_sms_by_their_segments() {
        let sms = |text: &str| Line { text: Some(text.to_owned()), ..line("c-1 offer sms sent") };
        let lines = [
            sms("Bonjour"),
            sms(&"a".repeat(161)),
            Line { text: Some("a".repeat(161)), ..line("c-1 offer email sent") },
            line("c-2 offer sms suppressed no_consent"),
        ];
        let began = Tally {
            begun: [("offer".to_owned(), 2)].into(),
            skipped: [(("offer".to_owned(), Reason::TooOld), 3)].into(),
        };
        let mut summary = Summary::of(["offer", "quiet"]);
        summary.count(&lines, &began);
        let mut twice = summary.clone();
        twice.add(summary.clone());
        assert_eq!(summary.sms(), Count { messages: 2, segments: 3 });
        assert_eq!(summary.0["quiet"], OfRule::default());
        let offer = &twice.0["offer"];
        assert_eq!((offer.entries, offer.not_begun[&Reason::TooOld]), (4, 6));
        assert_eq!(offer.messages[&("email", "sent", None)], Count { messages: 2, segments: 0 });
        assert_eq!(offer.messages[&("sms", "suppressed", Some("no_consent"))].messages, 2);
    }
}
