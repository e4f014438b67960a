//! Durations, time zones and local times: how the words of a rule file become instants.
//!
//! Pure and total: any input gives an answer or an error in plain words, never a panic. Daylight-saving rules
//! are decided here once (RFC 5545 §3.3.5): a local time in a gap is read with the offset in force before the
//! gap, a local time in an overlap means the first of the two. Called by `compile` and by the deciding core.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset};
use chrono::{TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::LeapDay;
use crate::domain::diagnostic::did_you_mean;

pub use super::schedule::Cron;

/// The longest duration accepted. Longer ones are typing mistakes, and dates stay far from the calendar's ends.
pub const MAX_DURATION: TimeDelta = TimeDelta::days(3650);

/// The units in falling order: a combined duration names each at most once, in this order.
const UNITS: [(char, i64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads `90s`, `15m`, `1h`, `7d`, `2w`, or several in falling order such as `1h30m`. `1d` is 24 hours.
///
/// # Errors
/// In plain words, with the nearest right spelling where there is one.
pub fn parse_duration(text: &str) -> Result<TimeDelta, String> {
    const SHAPE: &str = "write a whole number and a unit, like `90s`, `15m`, `1h`, `7d` or `2w`";
    if text.is_empty() {
        return Err(format!("a duration is missing: {SHAPE}"));
    }
    if text.len() > 40 {
        return Err(format!("this is not a duration: {SHAPE}"));
    }
    let mut seconds: i64 = 0;
    let mut smallest = i64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let unit = rest[digits..].chars().next();
        let (Ok(count), Some(unit)) = (rest[..digits].parse::<i64>(), unit) else {
            return Err(match spelled_out(text) {
                Some(short) => format!("`{text}` is not a duration: write it `{short}`"),
                None if text.chars().all(|c| c.is_ascii_digit()) => {
                    format!("`{text}` has no unit: {SHAPE}")
                }
                None => format!("`{text}` is not a duration: {SHAPE}"),
            });
        };
        let Some(&(_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(match spelled_out(text) {
                Some(short) => format!("`{text}` is not a duration: write it `{short}`"),
                None => format!("`{unit}` in `{text}` is not a unit of time: use s, m (minutes), h, d or w"),
            });
        };
        if length >= smallest {
            return Err(match spelled_out(text) {
                Some(short) => format!("`{text}` is not a duration: write it `{short}`"),
                None => format!("the units of `{text}` must go from the largest to the smallest, each once"),
            });
        }
        smallest = length;
        seconds = count
            .checked_mul(length)
            .and_then(|part| seconds.checked_add(part))
            .filter(|total| *total <= MAX_DURATION.num_seconds())
            .ok_or_else(|| format!("`{text}` is longer than ten years"))?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    if seconds == 0 {
        return Err(format!("`{text}` is no time at all: a duration must be longer than zero"));
    }
    Ok(TimeDelta::seconds(seconds))
}

/// `2 days` → `2d`: what a duration in words would be in our spelling.
fn spelled_out(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let word = text[digits..].trim().to_lowercase();
    let count: u32 = text[..digits].parse().ok()?;
    let unit = match word.as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "wk" | "week" | "weeks" => "w",
        "month" | "months" => return Some(format!("{}d", count.checked_mul(30)?)),
        "y" | "year" | "years" => return Some(format!("{}d", count.checked_mul(365)?)),
        _ => return None,
    };
    Some(format!("{count}{unit}"))
}

/// Reads a local time of day, `"09:00"` (or `"09:00:30"`).
///
/// # Errors
/// In plain words.
pub fn parse_time(text: &str) -> Result<NaiveTime, String> {
    let two_digits = text.split(':').all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()));
    let parsed = match text.len() {
        5 if two_digits => NaiveTime::parse_from_str(text, "%H:%M"),
        8 if two_digits && !text.ends_with("60") => NaiveTime::parse_from_str(text, "%H:%M:%S"),
        _ => return Err(format!("`{text}` is not a time of day: write it like `\"09:00\"` (24 hours)")),
    };
    parsed
        .map_err(|_| format!("`{text}` is not a time of day: hours go from 00 to 23, minutes from 00 to 59"))
}

/// Reads a time zone by its IANA name, such as `Europe/Paris`.
///
/// # Errors
/// In plain words, with the nearest known name.
pub fn parse_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| {
        let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
        let near = names()
            .find(|name| name.eq_ignore_ascii_case(text))
            .or_else(|| {
                names().find(|name| name.rsplit('/').next().is_some_and(|c| c.eq_ignore_ascii_case(text)))
            })
            .or_else(|| (text.len() <= 40).then(|| did_you_mean(text, names())).flatten());
        match near {
            Some(name) => format!("there is no time zone `{text}`; did you mean `{name}`?"),
            None => format!("there is no time zone `{text}`: use a name like `Europe/Paris`"),
        }
    })
}

/// The instant at which clocks in `zone` show `local`.
///
/// In a gap, the offset in force before it counts (02:30 becomes 03:30, a missing day becomes the next one);
/// in an overlap, the first time.
pub fn resolve(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) => at.to_utc(),
        MappedLocalTime::Ambiguous(a, b) => a.to_utc().min(b.to_utc()),
        MappedLocalTime::None => offset_before(zone, local)
            .and_then(|offset| local.checked_sub_signed(TimeDelta::seconds(offset)))
            .unwrap_or(local)
            .and_utc(),
    }
}

/// The offset, in seconds east of UTC, in force just before the gap that holds `local`.
fn offset_before(zone: Tz, local: NaiveDateTime) -> Option<i64> {
    // The longest gaps are whole days skipped at the date line; the step is finer than any time between two
    // transitions.
    (1..=104).find_map(|quarters| {
        let earlier = local.checked_sub_signed(TimeDelta::minutes(15 * quarters))?;
        let offset = zone.offset_from_local_datetime(&earlier).latest()?;
        Some(i64::from(offset.fix().local_minus_utc()))
    })
}

/// What clocks in `zone` show at `at`; none at the ends of the calendar, where adding an offset overflows.
pub fn local_time(zone: Tz, at: DateTime<Utc>) -> Option<NaiveDateTime> {
    let utc = at.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    utc.checked_add_signed(TimeDelta::seconds(i64::from(offset)))
}

/// The first instant strictly after `after` at which clocks in `zone` show `at` (resolved as by [`resolve`]).
pub fn next_local_time(zone: Tz, after: DateTime<Utc>, at: NaiveTime) -> DateTime<Utc> {
    let today = local_time(zone, after).unwrap_or(after.naive_utc()).date();
    // From two days back because a gap can push a local time past midnight, by up to a whole day.
    let first = today.checked_sub_days(Days::new(2)).unwrap_or(today);
    first
        .iter_days()
        .take(6)
        .map(|day| resolve(zone, day.and_time(at)))
        .filter(|instant| *instant > after)
        .min()
        // Only at the end of the calendar is there no such day.
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The month-days (`MM-DD`) of the dates whose anniversary is kept on `date`, in order.
///
/// On 28 February of a common year, [`LeapDay::Feb28`] gives `02-28` and `02-29`; on 1 March of one,
/// [`LeapDay::Mar1`] gives `02-29` and `03-01`. In a leap year each day keeps its own.
pub fn month_days_kept_on(date: NaiveDate, leap: LeapDay) -> Vec<String> {
    let mut days = vec![format!("{:02}-{:02}", date.month(), date.day())];
    let also_leap_day = match (leap, date.month(), date.day()) {
        (LeapDay::Feb28, 2, 28) | (LeapDay::Mar1, 3, 1) => !date.leap_year(),
        _ => false,
    };
    if also_leap_day {
        days.push("02-29".to_owned());
        days.sort_unstable();
    }
    days
}
