//! Cron lines, made safe for daylight saving.
//!
//! The `cron` crate runs on the wall clock disguised as UTC, so it never meets a gap or an overlap; this file
//! turns its local ticks into instants. Each tick happens once: not skipped in a gap, not repeated in an overlap.
//! It also makes days of the week mean what crontab(5) says, whatever the form of the line.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use super::timing::{local_time, resolve};
use crate::domain::diagnostic::did_you_mean;

/// The longest line read; longer ones are not schedules.
const MAX_LINE: usize = 200;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// A schedule on the local clock: a cron line of five fields, or the cron crate's own six or seven
/// (seconds first, year last). Where a day of the month and a day of the week are both given, both must hold.
#[derive(Clone)]
pub struct Cron {
    source: String,
    schedule: Arc<cron::Schedule>,
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cron").field(&self.source).finish()
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Cron {
    /// Reads a cron line.
    ///
    /// # Errors
    /// In plain words: a wrong number of fields, a value out of range, a line that never fires.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LINE {
            return Err(format!("a schedule has at most {MAX_LINE} characters"));
        }
        let line = own_form(text)?;
        let schedule = cron::Schedule::from_str(&line).map_err(|_| plain(text))?;
        let cron = Self { source: text.to_owned(), schedule: Arc::new(schedule) };
        // The crate knows the years 1970 to 2100; what has no tick in them has none at all.
        if cron.next_local(NaiveDateTime::default()).is_none() {
            return Err(format!("`{text}` never comes: there is no such day"));
        }
        Ok(cron)
    }

    /// The line as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The first local tick strictly after `after`; none when the line has no more.
    pub fn next_local(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        // Ticks are whole seconds, so the part below is dropped without losing "strictly after".
        let after = after.with_nanosecond(0).unwrap_or(after).and_utc();
        self.schedule.after(&after).next().map(|tick| tick.naive_utc())
    }

    /// The next instant strictly after `after`, and the local tick it stands for (the occurrence's key).
    ///
    /// Instants strictly increase from call to call, and a tick's instant does not depend on `after`. When a gap
    /// moves two ticks onto one instant, it happens once, under the earlier tick.
    pub fn next(&self, zone: Tz, after: DateTime<Utc>) -> Option<(NaiveDateTime, DateTime<Utc>)> {
        let mut cursor = first_candidate(zone, after)?;
        let mut best: Option<(NaiveDateTime, DateTime<Utc>)> = None;
        loop {
            let tick = self.next_local(cursor);
            match (tick, best) {
                (None, _) => return best,
                // A tick outside a gap is never earlier than what the clock shows at the best instant so far.
                (Some(tick), Some((_, at))) if local_time(zone, at).is_none_or(|shown| tick > shown) => {
                    return best;
                }
                (Some(tick), _) => {
                    let at = resolve(zone, tick);
                    if at > after && best.is_none_or(|(_, earliest)| at < earliest) {
                        best = Some((tick, at));
                    }
                    cursor = tick;
                }
            }
        }
    }
}

/// The local time after which the ticks that come after the instant `after` are to be looked for: what the clock
/// shows, or earlier while ticks pushed forward by a gap may still be due.
fn first_candidate(zone: Tz, after: DateTime<Utc>) -> Option<NaiveDateTime> {
    let local = local_time(zone, after)?;
    let shown_offset =
        |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    let before = after.checked_sub_signed(TimeDelta::hours(25))?;
    let shift = TimeDelta::seconds(i64::from(shown_offset(after) - shown_offset(before)));
    if shift <= TimeDelta::zero() || shown_offset(after - shift) == shown_offset(after) {
        return Some(local);
    }
    // One second more, since the search is strictly after and a tick may stand at the very start of the gap.
    local.checked_sub_signed(shift + TimeDelta::seconds(1))
}

/// The line in the cron crate's own form, its days of the week by name.
fn own_form(text: &str) -> Result<String, String> {
    const SHAPE: &str = "minute, hour, day of the month, month, day of the week, like `0 9 * * Mon`";
    let mut fields: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    match fields.as_slice() {
        [] => return Err(format!("a schedule is missing: {SHAPE}")),
        [one] if one.starts_with('@') => {
            let known = ["@yearly", "@monthly", "@weekly", "@daily", "@hourly"];
            return match known.contains(&one.as_str()) {
                true => Ok(one.clone()),
                false => Err(match did_you_mean(one, known) {
                    Some(near) => format!("`{one}` is not a schedule; did you mean `{near}`?"),
                    None => format!("`{one}` is not a schedule: use one of {}", known.join(", ")),
                }),
            };
        }
        [_, _, _, _, _] => {
            fields[4] = days_of_week(&fields[4], true)?;
            fields.insert(0, "0".to_owned());
        }
        [_, _, _, _, _, _] | [_, _, _, _, _, _, _] => fields[5] = days_of_week(&fields[5], false)?,
        other => return Err(format!("a schedule has five fields, this one {}: {SHAPE}", other.len())),
    }
    for field in &fields {
        // The cron crate would step by nothing.
        if field
            .split(',')
            .filter_map(|part| part.split_once('/'))
            .any(|(_, n)| n.trim_start_matches('0').is_empty())
        {
            return Err(format!("`{field}` steps by zero"));
        }
    }
    Ok(fields.join(" "))
}

/// The days of a week field as a list of names. Numbers count as in crontab(5) (0 and 7 are Sunday) where
/// `numbers` allows them; the cron crate would count Sunday as 1.
fn days_of_week(field: &str, numbers: bool) -> Result<String, String> {
    if field == "*" || field == "?" {
        return Ok("*".to_owned());
    }
    let mut on = [false; 7];
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|n| (1..=7).contains(n))),
            None => (part, Some(1)),
        };
        let step = step.ok_or_else(|| format!("`{part}` is not a step of days"))?;
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (day(first, numbers)?, day(last, numbers)?),
            None if part.contains('/') => (day(range, numbers)?, 6),
            None => (day(range, numbers)?, day(range, numbers)?),
        };
        // `5-7` ends on a Sunday, `Sat-Sun` runs over the end of the week.
        let length = (last + 7 - first) % 7;
        for offset in (0..=length).step_by(step) {
            on[(first + offset) % 7] = true;
        }
    }
    if on == [true; 7] {
        return Ok("*".to_owned());
    }
    Ok(DAYS.iter().zip(on).filter(|(_, on)| *on).map(|(name, _)| *name).collect::<Vec<_>>().join(","))
}

fn day(text: &str, numbers: bool) -> Result<usize, String> {
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        return match text.parse::<usize>() {
            Ok(n @ 0..=7) if numbers => Ok(n % 7),
            Ok(0..=7) => Err(format!(
                "write the day of the week by name (Mon, Tue, …), not `{text}`: in a line with seconds some count Sunday as 0 and some as 1"
            )),
            _ => Err(format!("`{text}` is not a day of the week: use Mon, Tue, Wed, Thu, Fri, Sat or Sun")),
        };
    }
    const NAMES: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let word = text.to_lowercase();
    let found = NAMES.iter().position(|name| word.len() >= 3 && name.starts_with(&word));
    found.ok_or_else(|| format!("`{text}` is not a day of the week: use Mon, Tue, Wed, Thu, Fri, Sat or Sun"))
}

/// Why the cron crate refused the line, in plain words; its own complaint is a parser's.
fn plain(text: &str) -> String {
    let fields: Vec<&str> = text.split_whitespace().collect();
    const RANGES: [(&str, u32, u32); 4] =
        [("a minute", 0, 59), ("an hour", 0, 23), ("a day of the month", 1, 31), ("a month", 1, 12)];
    let skip = usize::from(fields.len() > 5);
    for (field, (name, low, high)) in fields.iter().skip(skip).zip(RANGES) {
        let numbers = field.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u32>().ok());
        // A step may exceed the range without harm; it is named here only if nothing better is found.
        if let Some(wrong) = numbers.into_iter().find(|n| !(low..=high).contains(n)) {
            return format!("`{wrong}` is not {name}: it goes from {low} to {high}");
        }
    }
    match fields.iter().find(|f| f.contains(['L', '#', 'W']) && f.len() <= 4) {
        Some(field) => {
            format!("`{field}` is not understood in a schedule: `L`, `W` and `#` do not exist here")
        }
        None => format!("`{text}` is not a schedule: five fields are expected, like `0 9 * * Mon`"),
    }
}
