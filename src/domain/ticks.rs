//! When anniversaries and schedules come: for which customers a tick is, and the next one after an instant.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use super::customer::Profile;
use super::rules::timing::{next_local_time, parse_zone};
use super::rules::{Policy, Rule, Trigger};

/// The customers that one tick is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everybody: a schedule with a `timezone` of its own.
    Everyone(String),
    /// Those whose profile names this zone; empty for those who name none that exists.
    Zone(String),
}

impl Scope {
    /// The scope of a rule whose ticks do not depend on where the customer is.
    pub fn of_rule(rule: &Rule) -> Option<Self> {
        match &rule.trigger {
            Trigger::Schedule { zone: Some(zone), .. } => Some(Self::Everyone(zone.name().to_owned())),
            _ => None,
        }
    }

    /// The scope that a customer belongs to.
    pub fn of_customer(profile: &Profile) -> Self {
        let named = profile.text("timezone").and_then(|name| parse_zone(name).ok());
        Self::Zone(named.map_or_else(String::new, |zone| zone.name().to_owned()))
    }

    /// How the scope is written in a table: a zone's name, with a star before it for everyone.
    pub fn key(&self) -> String {
        match self {
            Self::Everyone(zone) => format!("*{zone}"),
            Self::Zone(zone) => zone.clone(),
        }
    }

    /// Reads what [`Self::key`] wrote.
    pub fn from_key(key: &str) -> Self {
        match key.strip_prefix('*') {
            Some(zone) => Self::Everyone(zone.to_owned()),
            None => Self::Zone(key.to_owned()),
        }
    }

    pub fn zone(&self) -> &str {
        match self {
            Self::Everyone(zone) | Self::Zone(zone) => zone,
        }
    }

    pub fn covers(&self, profile: &Profile) -> bool {
        match self {
            Self::Everyone(_) => true,
            Self::Zone(_) => *self == Self::of_customer(profile),
        }
    }

    fn tz(&self, policy: &Policy) -> Tz {
        parse_zone(self.zone()).unwrap_or(policy.default_timezone)
    }
}

/// The first tick of the rule in this scope strictly after `after`: its local name and its instant.
pub fn next_tick(
    rule: &Rule,
    scope: &Scope,
    policy: &Policy,
    after: DateTime<Utc>,
) -> Option<(String, DateTime<Utc>)> {
    let zone = scope.tz(policy);
    match &rule.trigger {
        Trigger::Anniversary { at, .. } => {
            let (date, instant) = next_day(zone, after, *at);
            Some((date.to_string(), instant))
        }
        Trigger::Schedule { cron, .. } => {
            let (local, instant) = cron.next(zone, after)?;
            Some((local.format("%Y-%m-%dT%H:%M:%S").to_string(), instant))
        }
        Trigger::Event { .. } | Trigger::Absent { .. } => None,
    }
}

/// The next day's `at` and the date it is on: in a gap of local time the instant may fall on the clock's next hour,
/// never on another date than the one asked for.
fn next_day(zone: Tz, after: DateTime<Utc>, at: NaiveTime) -> (NaiveDate, DateTime<Utc>) {
    let instant = next_local_time(zone, after, at);
    (instant.with_timezone(&zone).date_naive(), instant)
}
