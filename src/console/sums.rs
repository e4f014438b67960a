//! Figures added up in the terms of the pages.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::domain::figures::{Figure, Grain, Kind, SLOT_MINUTES, slot};
use crate::domain::message::MessageState;

/// What the figures of a time come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// New events.
    pub events: i64,
    /// Events that could not be used.
    pub refused: i64,
    /// Entries begun.
    pub begun: i64,
    /// Messages that a provider has accepted.
    pub sent: i64,
    /// Of those, the ones that are known to have arrived.
    pub delivered: i64,
    /// Messages that were not to be sent: no consent, too late, a cap.
    pub held: i64,
    /// Messages that went wrong: refused, came back, nobody knows.
    pub failed: i64,
    /// Promo codes issued.
    pub codes: i64,
    /// Messages by `state` or `state:reason`.
    pub messages: BTreeMap<String, i64>,
    /// Entries that were not begun, by reason.
    pub skipped: BTreeMap<String, i64>,
    /// Seconds of trouble, by what it was about.
    pub trouble: BTreeMap<String, i64>,
}

impl Sums {
    pub fn of<'a>(figures: impl IntoIterator<Item = &'a Figure>) -> Self {
        let mut sums = Self::default();
        figures.into_iter().for_each(|figure| sums.add(figure));
        sums
    }

    fn add(&mut self, figure: &Figure) {
        let (count, what) = (figure.count, figure.what.as_str());
        match (figure.kind, what) {
            (Kind::Events, "new") => self.events += count,
            (Kind::Events, "refused") => self.refused += count,
            (Kind::Events, _) | (Kind::Started, _) => {}
            (Kind::Entries, "begun") => self.begun += count,
            (Kind::Entries, reason) => *self.skipped.entry(reason.to_owned()).or_default() += count,
            (Kind::Codes, _) => self.codes += count,
            (Kind::Trouble, about) => *self.trouble.entry(about.to_owned()).or_default() += count,
            (Kind::Messages, what) => {
                *self.messages.entry(what.to_owned()).or_default() += count;
                match MessageState::parse(state_of(what)) {
                    Some(MessageState::Sent) => self.sent += count,
                    Some(MessageState::Delivered) => self.delivered += count,
                    Some(MessageState::Suppressed | MessageState::Expired) => self.held += count,
                    Some(
                        MessageState::Failed
                        | MessageState::Uncertain
                        | MessageState::Bounced
                        | MessageState::Complained,
                    ) => self.failed += count,
                    _ => {}
                }
            }
        }
    }
}

impl Sums {
    /// How many messages came to one of these states, whatever the reason.
    pub fn in_states(&self, states: &[MessageState]) -> i64 {
        let counted = |what: &&String| states.iter().any(|state| state.as_str() == state_of(what));
        self.messages.iter().filter(|(what, _)| counted(what)).map(|(_, n)| n).sum()
    }
}

/// The state in `state:reason`.
pub(super) fn state_of(what: &str) -> &str {
    what.split_once(':').map_or(what, |(state, _)| state)
}

/// Which span a page is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    span: Option<String>,
}

impl Asked {
    /// A day where the query says nothing that is one.
    pub fn span(&self) -> Span {
        Span::ALL.into_iter().find(|span| Some(span.as_str()) == self.span.as_deref()).unwrap_or(Span::Day)
    }
}

/// How far back a page looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Hours,
    Day,
    Week,
}

impl Span {
    pub const ALL: [Self; 3] = [Self::Hours, Self::Day, Self::Week];

    /// As in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hours => "3h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    fn step(self) -> TimeDelta {
        match self {
            Self::Hours => TimeDelta::minutes(SLOT_MINUTES),
            Self::Day => TimeDelta::minutes(30),
            Self::Week => TimeDelta::hours(4),
        }
    }

    fn whole(self) -> TimeDelta {
        match self {
            Self::Hours => TimeDelta::hours(3),
            Self::Day => TimeDelta::hours(24),
            Self::Week => TimeDelta::days(7),
        }
    }

    /// How finely its figures are looked at: no coarser than its steps.
    pub fn grain(self) -> Grain {
        match self {
            Self::Hours | Self::Day => Grain::Slot,
            Self::Week => Grain::Hour,
        }
    }

    /// Its steps up to now, the oldest first: the last one is under way. Each begins where its length divides the time
    /// since 1970, so that a bar stands for the same time whenever it is looked at.
    pub fn steps(self, now: DateTime<Utc>) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let step = self.step();
        let into = TimeDelta::seconds(slot(now).timestamp().rem_euclid(step.num_seconds()));
        let last = slot(now) - into;
        let count = i32::try_from(self.whole().num_seconds() / step.num_seconds()).unwrap_or(1);
        (0..count).rev().map(|back| last - step * back).map(|from| (from, from + step)).collect()
    }

    /// What the figures of each step come to; they are in the order of their slots.
    pub fn sums(self, figures: &[Figure], now: DateTime<Utc>) -> Vec<(DateTime<Utc>, DateTime<Utc>, Sums)> {
        let before = |at: DateTime<Utc>| figures.partition_point(|figure| figure.slot < at);
        let of_step = |(from, until)| (from, until, Sums::of(&figures[before(from)..before(until)]));
        self.steps(now).into_iter().map(of_step).collect()
    }

    /// Until the end of the last of its steps.
    pub fn until(self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.steps(now).last().map_or(now, |(_, until)| *until)
    }

    /// From the first of its steps on.
    pub fn since(self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.steps(now).first().map_or(now, |(from, _)| *from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(kind: Kind, what: &str, count: i64) -> Figure {
        Figure {
            slot: DateTime::UNIX_EPOCH,
            kind,
            rule: String::new(),
            channel: String::new(),
            what: what.to_owned(),
            count,
        }
    }

    #[test]
    fn each_message_is_counted_as_what_became_of_it() {
        let sums = Sums::of(&[
            figure(Kind::Events, "new", 5),
            figure(Kind::Events, "known", 2),
            figure(Kind::Messages, "pending", 9),
            figure(Kind::Messages, "deferred:quiet_hours", 4),
            figure(Kind::Messages, "sent", 3),
            figure(Kind::Messages, "suppressed:no_consent", 2),
            figure(Kind::Messages, "expired:expired", 1),
            figure(Kind::Messages, "failed:refused", 1),
            figure(Kind::Messages, "bounced:bounced", 1),
            figure(Kind::Entries, "begun", 7),
            figure(Kind::Entries, "condition_false", 6),
        ]);
        assert_eq!((sums.events, sums.sent, sums.held, sums.failed, sums.begun), (5, 3, 3, 2, 7));
        assert_eq!(sums.skipped["condition_false"], 6);
        assert_eq!(sums.messages["deferred:quiet_hours"], 4);
    }

    #[test]
    fn steps_fit_together_and_hold_the_present() {
        let now: DateTime<Utc> = "2026-11-22T13:17:42Z".parse().unwrap();
        for span in Span::ALL {
            let steps = span.steps(now);
            assert!(steps.windows(2).all(|pair| pair[0].1 == pair[1].0), "{span:?}");
            let (from, until) = *steps.last().unwrap();
            assert!(from <= now && now < until, "{span:?}");
            assert_eq!(span.since(now), steps[0].0);
        }
        assert_eq!(Span::Day.steps(now).len(), 48);
    }
}
