//! The hours of a week, as a policy writes them: on which days and between which local times.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::clocks;
use super::holidays::Calendar;

/// How far ahead hours are looked for. Any year has a day of each kind; hours that do not come within this time never
/// come.
pub const HORIZON: Days = Days::new(400);

/// When messages may go, in local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// Monday first. Each day's ranges are in order and neither overlap nor touch.
    pub week: [Vec<Range>; 7],
    pub holidays: Holidays,
}

/// A part of a day, in seconds after midnight by the clock on the wall; `to` is the first second outside, at most
/// 86 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    pub from: u32,
    pub to: u32,
}

/// On which holidays nothing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holidays {
    /// Holidays are days like others.
    None,
    /// Those of the reader's country; of most countries none are known.
    Local,
    Of(Calendar),
}

/// A time within which messages may go; `until` is the first instant outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

impl Range {
    pub fn length(self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.to.saturating_sub(self.from)))
    }
}

impl Hours {
    /// The opening that holds `at` (and begins there) or is the next one after it, for a reader in this country and
    /// zone. It ends early where clocks are changed. None: not within [`HORIZON`].
    ///
    /// What counts is what the clock on the wall shows: a range of hours that spring takes away does not come that day,
    /// and one that autumn repeats comes twice.
    pub fn opening(&self, country: Option<&str>, zone: Tz, at: DateTime<Utc>) -> Option<Opening> {
        let calendar = self.calendar(country);
        let last = at.checked_add_days(HORIZON)?;
        let mut from = at;
        // Each round moves on to a later change of the clocks, of which a year has few.
        while from <= last {
            let offset = clocks::offset(zone, from);
            let local = from.naive_utc().checked_add_signed(offset)?;
            let (begin, end) = self.next(calendar, local)?;
            let utc = |local: NaiveDateTime| Some(local.checked_sub_signed(offset)?.and_utc());
            let begins_now = begin == local;
            let opening = Opening { from: if begins_now { from } else { utc(begin)? }, until: utc(end)? };
            match clocks::next_change(zone, from, opening.until) {
                Some(change) if change <= opening.from => from = change,
                Some(change) => return Some(Opening { until: change.min(opening.until), ..opening }),
                None => return Some(opening),
            }
        }
        None
    }

    /// The longest time that can pass between two openings, where clocks are never changed; none: they never open.
    pub fn longest_closed(&self, country: Option<&str>) -> Option<TimeDelta> {
        let calendar = self.calendar(country);
        // Within 28 years each date falls on each day of the week.
        let first = NaiveDate::from_ymd_opt(2024, 1, 1)?;
        let days = first.iter_days().take(28 * 366).filter(|date| !calendar.is_some_and(|c| c.has(*date)));
        let (mut closed_at, mut longest) = (None, None);
        for date in days {
            for range in &self.week[date.weekday().num_days_from_monday() as usize] {
                let from = on(date, range.from)?;
                longest = longest.max(closed_at.map(|closed| from - closed));
                closed_at = Some(on(date, range.to)?);
            }
        }
        longest
    }

    fn calendar(&self, country: Option<&str>) -> Option<Calendar> {
        match self.holidays {
            Holidays::None => None,
            Holidays::Local => country.and_then(Calendar::of_country),
            Holidays::Of(calendar) => Some(calendar),
        }
    }

    /// As [`Hours::opening`], on a clock that is never changed.
    fn next(
        &self,
        calendar: Option<Calendar>,
        local: NaiveDateTime,
    ) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let today = local.date();
        let now = local.num_seconds_from_midnight();
        let end = today.checked_add_days(HORIZON)?;
        for date in today.iter_days().take_while(|date| *date <= end) {
            let ranges = &self.week[date.weekday().num_days_from_monday() as usize];
            let range = ranges.iter().find(|range| date > today || now < range.to);
            let Some(range) = range.filter(|_| !calendar.is_some_and(|c| c.has(date))) else { continue };
            let begin = on(date, range.from)?;
            return Some((begin.max(local), on(date, range.to)?));
        }
        None
    }
}

fn on(date: NaiveDate, seconds: u32) -> Option<NaiveDateTime> {
    date.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::seconds(i64::from(seconds)))
}
