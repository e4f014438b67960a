//! Figures over time: how much of what happened, in slots of five minutes.
//!
//! For looking back ("why did sends drop at 14:00?"), never for deciding. Counted by `telemetry::tally`, kept by
//! `store::figures`. The tables of messages and entries are the truth: a crash loses the last seconds of what is counted.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

/// Five minutes: what is counted together.
pub const SLOT_MINUTES: i64 = 5;

/// The start of the slot that an instant lies in.
pub fn slot(at: DateTime<Utc>) -> DateTime<Utc> {
    Grain::Slot.start(at)
}

/// How finely figures are looked at. Both are kept, so that a week is read as quickly as a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    Slot,
    Hour,
}

impl Grain {
    pub const ALL: &[Self] = &[Self::Slot, Self::Hour];

    /// How long one is.
    pub fn minutes(self) -> i64 {
        match self {
            Self::Slot => SLOT_MINUTES,
            Self::Hour => 60,
        }
    }

    /// The start of the one that an instant lies in.
    pub fn start(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let seconds = at.timestamp().rem_euclid(self.minutes() * 60);
        let start = at - TimeDelta::seconds(seconds);
        start - TimeDelta::nanoseconds(i64::from(start.timestamp_subsec_nanos()))
    }
}

/// What is counted. What `rule`, `channel` and `what` of a [`Figure`] hold depends on it; what does not apply is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Events that came in: `new`, `known` (taken in before), `refused`.
    Events,
    /// Entries, by rule: `begun`, or the reason for which one was not.
    Entries,
    /// What became of messages, by rule and channel: the state, or `state:reason`. Each transition is counted: one message
    /// may be `pending`, `deferred:quiet_hours`, `sent` and `delivered` in turn. `pending` is said once, when it is decided
    /// that it is to be sent.
    Messages,
    /// Promo codes, by rule: `issued`.
    Codes,
    /// Seconds of real time in which something was wrong, as one worker saw it; those of several workers add up. See
    /// [`Trouble`].
    Trouble,
    /// Workers that have started: the version.
    Started,
}

impl Kind {
    pub const ALL: &[Self] =
        &[Self::Events, Self::Entries, Self::Messages, Self::Codes, Self::Trouble, Self::Started];

    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Entries => "entries",
            Self::Messages => "messages",
            Self::Codes => "codes",
            Self::Trouble => "trouble",
            Self::Started => "started",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// What may be wrong for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// There is no session with the broker.
    Broker,
    /// The database does not answer; written when it answers again.
    Database,
    /// The provider of e-mail takes nothing, or refuses us.
    Email,
    /// The same of SMS.
    Sms,
    /// The rule files have errors; older rules are in force.
    Rules,
}

impl Trouble {
    pub const ALL: &[Self] = &[Self::Broker, Self::Database, Self::Email, Self::Sms, Self::Rules];

    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Database => "database",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Rules => "rules",
        }
    }
}

/// How often something happened within a slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    /// When the slot begins, or the hour.
    pub slot: DateTime<Utc>,
    pub kind: Kind,
    /// Empty where it belongs to none.
    pub rule: String,
    /// `email`, `sms`, or empty.
    pub channel: String,
    /// See [`Kind`].
    pub what: String,
    pub count: i64,
}

impl fmt::Display for Figure {
    /// One line, for tests and logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, kind, rule, channel, what, count } = self;
        let (slot, kind) = (slot.format("%Y-%m-%dT%H:%MZ"), kind.as_str());
        write!(f, "{slot} {kind} {rule}/{channel}/{what} {count}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_begins_at_a_multiple_of_five_minutes() {
        for (at, start) in [
            ("2026-11-23T14:00:00Z", "2026-11-23T14:00:00Z"),
            ("2026-11-23T14:04:59.999999Z", "2026-11-23T14:00:00Z"),
            ("2026-11-23T14:05:00.000001Z", "2026-11-23T14:05:00Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:55:00Z"),
        ] {
            let (at, start): (DateTime<Utc>, DateTime<Utc>) = (at.parse().unwrap(), start.parse().unwrap());
            assert_eq!(slot(at), start, "{at}");
            assert_eq!(slot(start), start);
        }
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(Kind::parse("something of a newer build"), None);
    }
}
