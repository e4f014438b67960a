//! Times of a test: since its start (`1h`), on a clock (`2026-03-02 09:00`), or with their offset.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;

use super::super::timing::{MAX_DURATION, parse_duration, parse_zone, resolve};

/// Reads an instant with a date: RFC 3339, or a local time in the zone that it names, else in `zone`.
///
/// # Errors
/// In plain words.
pub fn parse_dated(text: &str, zone: Tz) -> Result<DateTime<Utc>, String> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    let mut parts = text.splitn(3, [' ', 'T']);
    let local = [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()].join(" ");
    let local = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]
        .iter()
        .find_map(|shape| NaiveDateTime::parse_from_str(&local, shape).ok())
        .ok_or_else(|| {
            format!(
                "`{text}` is not a date and time: write it like `2026-03-02 10:00`, \
                 `2026-03-02 10:00 Europe/Paris` or `2026-03-02T10:00:00+01:00`"
            )
        })?;
    let zone = parts.next().map_or(Ok(zone), |name| parse_zone(name.trim()))?;
    Ok(resolve(zone, local))
}

/// Reads an instant of a test that begins at `start`: as [`parse_dated`], or how long after the start.
///
/// # Errors
/// In plain words; also when it lies before the start or more than ten years after it.
pub fn parse(text: &str, start: DateTime<Utc>, zone: Tz) -> Result<DateTime<Utc>, String> {
    let since = text.strip_prefix('+').unwrap_or(text);
    let at = if since.trim_end_matches(['s', 'm', 'h', 'd', 'w']) == "0" {
        start
    } else if text.contains('-') {
        parse_dated(text, zone)?
    } else {
        let length = parse_duration(since)
            .map_err(|words| format!("{words}; or a date and time, like `2026-03-02 10:00`"))?;
        start + length
    };
    if at < start {
        return Err(format!("`{text}` lies before the start of the test"));
    }
    if at - start > MAX_DURATION {
        return Err(format!("`{text}` lies more than ten years after the start of the test"));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_people_write_them() {
        let start: DateTime<Utc> = "2026-03-02T09:00:00Z".parse().unwrap();
        let read = |text: &str| parse(text, start, Tz::Europe__Paris);
        for (text, expected) in [
            ("0", "2026-03-02T09:00:00Z"),
            ("0m", "2026-03-02T09:00:00Z"),
            ("1h", "2026-03-02T10:00:00Z"),
            ("+1d1h", "2026-03-03T10:00:00Z"),
            ("2026-03-02 10:00", "2026-03-02T09:00:00Z"),
            ("2026-03-02T10:00:30", "2026-03-02T09:00:30Z"),
            ("2026-03-02 09:00 America/New_York", "2026-03-02T14:00:00Z"),
            ("2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00Z"),
            // The hour that spring takes away.
            ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),
        ] {
            assert_eq!(read(text), Ok(expected.parse().unwrap()), "{text}");
        }
        for (text, words) in [
            ("2026-03-02 09:59", "before the start"),
            ("2036-03-02 10:00", "more than ten years"),
            ("-1h", "not a date and time"),
            ("2026-02-30 10:00", "not a date and time"),
            ("2026-03-02 10:00 Europe/Pairs", "did you mean `Europe/Paris`"),
            ("1 hour", "write it `1h`"),
            ("soon", "or a date and time"),
            ("00", "no unit"),
        ] {
            assert!(read(text).is_err_and(|e| e.contains(words)), "{text}: {:?}", read(text));
        }
    }
}
