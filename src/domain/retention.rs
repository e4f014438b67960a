//! How long each kind of data is kept, in the CNIL's phases: active use, intermediate archive, deletion (GDPR article
//! 5(1)(e)).
//!
//! What the policy says, as plain values; the store carries it out. A kind that the policy does not name is kept as if there
//! were no retention.

use std::collections::BTreeMap;

use chrono::{DateTime, Months, TimeDelta, Utc};

use super::rules::timing::parse_duration;

/// A kind of data that is kept for a time of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Events as they came in, from their own time on.
    Events,
    /// Messages from their last change on, with their outcomes, and the entries that made them.
    Messages,
    /// Promo codes, from the end of their validity on.
    PromoCodes,
    /// Profiles, from the customer's last event on.
    Customers,
    /// Whole ledgers of consents, from the end of the relation and from their last line on.
    Consents,
    /// What customers wrote by telephone, from when it came in on.
    Texts,
    /// Reports on mails that came back, from when they came in on.
    Bounces,
    /// What could not be used, from when it came in on.
    DeadLetters,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Events,
        Self::Messages,
        Self::PromoCodes,
        Self::Customers,
        Self::Consents,
        Self::Texts,
        Self::Bounces,
        Self::DeadLetters,
    ];

    /// As the policy, reports and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Messages => "messages",
            Self::PromoCodes => "promo_codes",
            Self::Customers => "customers",
            Self::Consents => "consents",
            Self::Texts => "texts",
            Self::Bounces => "bounces",
            Self::DeadLetters => "dead_letters",
        }
    }

    /// Whether it has an archive: what belongs to a customer by itself, whose key seals it. A ledger is its own proof where
    /// it is, and the rest is known by an address or by nobody.
    pub fn can_be_archived(self) -> bool {
        matches!(self, Self::Events | Self::Messages | Self::PromoCodes | Self::Customers)
    }
}

/// What is done with data whose time in a phase is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Archived,
    Deleted,
}

impl Phase {
    /// As reports and metrics write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Archived => "archived",
            Self::Deleted => "deleted",
        }
    }
}

/// A length of time in which years and months are the calendar's: three years from 29 February 2024 end on
/// 28 February 2027.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    months: u32,
    rest: TimeDelta,
}

/// Longer spans are typing mistakes.
const MOST_MONTHS: u32 = 100 * 12;

const SHAPE: &str = "write whole numbers and units, like `3y`, `18mo`, `1y6mo` or `90d`";

impl Span {
    /// Reads `3y`, `18mo`, `1y6mo`, `90d`: years and months first, then a duration as rules write it.
    ///
    /// # Errors
    /// In plain words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (years, rest) = leading(text, &["y"]);
        let (months, rest) = leading(rest, &["mo"]);
        let months = years.unwrap_or(0).saturating_mul(12).saturating_add(months.unwrap_or(0));
        if months > MOST_MONTHS {
            return Err(format!("`{text}` is longer than a hundred years"));
        }
        if text.contains(char::is_whitespace) || ["month", "year"].iter().any(|word| text.contains(word)) {
            return Err(format!("`{text}` is not a length of time: {SHAPE}"));
        }
        let rest = match rest {
            "" if months > 0 => TimeDelta::zero(),
            "" => return Err(format!("`{text}` is no time at all: {SHAPE}")),
            rest => parse_duration(rest).map_err(|error| match months {
                0 => error,
                _ => format!("`{text}` is not a length of time: {SHAPE}"),
            })?,
        };
        Ok(Self { months, rest })
    }

    /// The instant that lies this long before another.
    pub fn before(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let months = instant.checked_sub_months(Months::new(self.months)).unwrap_or(DateTime::<Utc>::MIN_UTC);
        months.checked_sub_signed(self.rest).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// The instant that lies this long after another.
    pub fn after(self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let months = instant.checked_add_months(Months::new(self.months)).unwrap_or(DateTime::<Utc>::MAX_UTC);
        months.checked_add_signed(self.rest).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// What it is made of, the longest unit first, each as it is written: `3` and `y`.
    pub fn parts(self) -> impl Iterator<Item = (i64, &'static str)> {
        let (months, seconds) = (i64::from(self.months), self.rest.num_seconds());
        let parts = [
            (months / 12, "y"),
            (months % 12, "mo"),
            (seconds / 86_400, "d"),
            (seconds % 86_400 / 3_600, "h"),
            (seconds % 3_600 / 60, "m"),
            (seconds % 60, "s"),
        ];
        parts.into_iter().filter(|(count, _)| *count > 0)
    }

    /// How long it is at least, whichever months it goes over.
    pub fn at_least(self) -> TimeDelta {
        let (years, months) = (i64::from(self.months / 12), i64::from(self.months % 12));
        TimeDelta::days(years * 365 + months * 28) + self.rest
    }
}

/// The number before one of these units at the beginning of a text, and what follows.
fn leading<'a>(text: &'a str, units: &[&str]) -> (Option<u32>, &'a str) {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    let after = units.iter().find_map(|unit| rest.strip_prefix(unit));
    match (number.parse(), after) {
        (Ok(number), Some(after)) => (Some(number), after),
        _ => (None, text),
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parts().try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

/// How long a kind of data stays in each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phases {
    pub active: Span,
    /// How long it is archived after that; none: it is deleted at once.
    pub archive: Option<Span>,
}

/// What the policy says of each kind, for whoever carries it out or tells of it (a register of processing).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Retention(pub BTreeMap<Kind, Phases>);

impl Retention {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long a kind is kept; none: without an end, or by the worker's configuration.
    pub fn of(&self, kind: Kind) -> Option<Phases> {
        self.0.get(&kind).copied()
    }

    /// The instant before which a kind's active time is over.
    pub fn horizon(&self, kind: Kind, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.of(kind).map(|phases| phases.active.before(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn years_and_months_are_the_calendar_s() {
        let cases = [
            ("3y", "2024-02-29T10:00:00Z", "2027-02-28T10:00:00Z", 1095),
            ("1mo", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", 28),
            ("18mo", "2026-01-01T00:00:00Z", "2027-07-01T00:00:00Z", 365 + 6 * 28),
            ("1y6mo", "2026-01-01T00:00:00Z", "2027-07-01T00:00:00Z", 365 + 6 * 28),
            ("1mo2d", "2026-01-01T00:00:00Z", "2026-02-03T00:00:00Z", 30),
            ("90d", "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", 90),
        ];
        for (text, from, to, days) in cases {
            let span = Span::parse(text).unwrap();
            assert_eq!(span.after(at(from)), at(to), "{text}");
            assert_eq!(span.at_least(), TimeDelta::days(days), "{text}");
            assert!(span.before(span.after(at(from))) <= at(from) + TimeDelta::days(1), "{text}");
        }
        assert_eq!(Span::parse("3y").unwrap().before(at("2027-02-28T10:00:00Z")), at("2024-02-28T10:00:00Z"));
    }

    #[test]
    fn a_span_is_written_as_it_is_read() {
        for text in ["3y", "18d", "1y6mo", "1mo2d3h", "15m", "90s", "11mo"] {
            let span = Span::parse(text).unwrap();
            assert_eq!(Span::parse(&span.to_string()), Ok(span), "{text}");
        }
        assert_eq!(Span::parse("18mo").unwrap().to_string(), "1y6mo");
    }

    #[test]
    fn what_is_no_span_is_refused_in_words() {
        for text in [
            "",
            "3",
            "y",
            "3 years",
            "3years",
            "0y",
            "0mo",
            "6mo3y",
            "-1y",
            "1y 6mo",
            "999y",
            "99999999999y",
            "3a",
        ] {
            let error = Span::parse(text).expect_err(text);
            assert!(!error.is_empty(), "{text}");
        }
        assert!(Span::parse("3 years").unwrap_err().contains("`3y`"));
    }
}
