//! How far the clocks of a zone are from UTC, and when that changes.

use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// The time by which the zone's clocks are ahead of UTC.
pub fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    let seconds = zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    TimeDelta::seconds(i64::from(seconds))
}

/// The first instant after `from`, and at most `until`, at which the zone's clocks are changed.
pub fn next_change(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let before = offset(zone, from);
    let mut same = from;
    // Since 1970 no zone has changed its clocks twice within six days, so looking once a day misses nothing.
    while same < until {
        let next = same.checked_add_signed(TimeDelta::days(1)).map_or(until, |next| next.min(until));
        if offset(zone, next) != before {
            return Some(between(zone, same, next));
        }
        same = next;
    }
    None
}

/// The instant of the change between two instants. Changes happen on whole seconds.
fn between(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> DateTime<Utc> {
    let before = offset(zone, from);
    let (mut before_it, mut after_it) = (from.timestamp(), until.timestamp());
    while after_it - before_it > 1 {
        let middle = before_it + (after_it - before_it) / 2;
        match DateTime::from_timestamp(middle, 0) {
            Some(at) if offset(zone, at) == before => before_it = middle,
            _ => after_it = middle,
        }
    }
    DateTime::from_timestamp(after_it, 0).unwrap_or(until)
}
