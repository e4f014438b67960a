//! Exact instants around daylight-saving nights, date-line days and leap days, and properties of schedules.

use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
}

fn zone(name: &str) -> Tz {
    parse_zone(name).unwrap()
}

#[test]
fn durations() {
    for (text, seconds) in [
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1h30m", 5400),
        ("3650d", 315_360_000),
    ] {
        assert_eq!(parse_duration(text), Ok(TimeDelta::seconds(seconds)), "{text}");
    }
    for (text, words) in [
        ("", "missing"),
        ("5", "no unit"),
        ("1 h", "write it `1h`"),
        ("2 days", "write it `2d`"),
        ("15min", "write it `15m`"),
        ("1 month", "write it `30d`"),
        ("1x", "not a unit"),
        ("0s", "longer than zero"),
        ("-1h", "not a duration"),
        ("1.5h", "not a unit"),
        ("30m1h", "largest to the smallest"),
        ("1h1h", "largest to the smallest"),
        ("3651d", "ten years"),
        ("99999999999999999999d", "not a duration"),
        ("9223372036854775807w", "ten years"),
        ("١h", "not a duration"),
    ] {
        let error = parse_duration(text).unwrap_err();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn times_of_day() {
    assert_eq!(parse_time("09:00"), Ok(NaiveTime::from_hms_opt(9, 0, 0).unwrap()));
    for text in ["9:00", "24:00", "09:60", "09", "540", "9am", "09:00:60", "0é:00"] {
        assert!(parse_time(text).is_err(), "{text}");
    }
}

#[test]
fn zones() {
    assert!(parse_zone("Europe/Pari").unwrap_err().contains("`Europe/Paris`"));
    assert!(parse_zone("europe/paris").unwrap_err().contains("`Europe/Paris`"));
    assert!(parse_zone("Paris").unwrap_err().contains("`Europe/Paris`"));
    assert!(parse_zone("nowhere at all").unwrap_err().contains("like `Europe/Paris`"));
}

#[test]
fn local_times_resolve_to_exact_instants() {
    for (name, at, expected) in [
        // Paris, spring: 02:00 to 03:00 does not exist; read with the offset before, 02:30 is 03:30.
        ("Europe/Paris", "2026-03-29 01:59", "2026-03-29T00:59:00Z"),
        ("Europe/Paris", "2026-03-29 02:00", "2026-03-29T01:00:00Z"),
        ("Europe/Paris", "2026-03-29 02:30", "2026-03-29T01:30:00Z"),
        ("Europe/Paris", "2026-03-29 03:30", "2026-03-29T01:30:00Z"),
        // Autumn: 02:30 comes twice, the first counts.
        ("Europe/Paris", "2026-10-25 02:30", "2026-10-25T00:30:00Z"),
        ("Europe/Paris", "2026-10-25 03:00", "2026-10-25T02:00:00Z"),
        // Newfoundland stands half an hour apart.
        ("America/St_Johns", "2026-03-08 02:30", "2026-03-08T06:00:00Z"),
        ("America/St_Johns", "2026-11-01 01:30", "2026-11-01T04:00:00Z"),
        // Samoa had no 30 December 2011.
        ("Pacific/Apia", "2011-12-29 23:59", "2011-12-30T09:59:00Z"),
        ("Pacific/Apia", "2011-12-30 09:00", "2011-12-30T19:00:00Z"),
        ("Pacific/Apia", "2011-12-31 09:00", "2011-12-30T19:00:00Z"),
    ] {
        assert_eq!(resolve(zone(name), local(at)), utc(expected), "{name} {at}");
    }
}

#[test]
fn the_next_local_time_is_strictly_later() {
    let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap();
    let half_past_two = NaiveTime::from_hms_opt(2, 30, 0).unwrap();
    for (name, after, at, expected) in [
        ("Europe/Paris", "2026-11-22T07:59:59Z", nine, "2026-11-22T08:00:00Z"),
        ("Europe/Paris", "2026-11-22T08:00:00Z", nine, "2026-11-23T08:00:00Z"),
        ("Europe/Paris", "2026-03-28T12:00:00Z", half_past_two, "2026-03-29T01:30:00Z"),
        ("Europe/Paris", "2026-03-29T01:30:00Z", half_past_two, "2026-03-30T00:30:00Z"),
        // Between the two 02:30 of the autumn night, the next is tomorrow's.
        ("Europe/Paris", "2026-10-25T00:30:00Z", half_past_two, "2026-10-26T01:30:00Z"),
        ("Pacific/Apia", "2011-12-29T19:00:00Z", nine, "2011-12-30T19:00:00Z"),
        ("Pacific/Apia", "2011-12-30T19:00:00Z", nine, "2011-12-31T19:00:00Z"),
    ] {
        assert_eq!(next_local_time(zone(name), utc(after), at), utc(expected), "{name} {after}");
    }
}

#[test]
fn leap_days() {
    let kept = |y, m, d, leap| month_days_kept_on(NaiveDate::from_ymd_opt(y, m, d).unwrap(), leap);
    assert_eq!(kept(2027, 2, 28, LeapDay::Feb28), ["02-28", "02-29"]);
    assert_eq!(kept(2028, 2, 28, LeapDay::Feb28), ["02-28"]);
    assert_eq!(kept(2028, 2, 29, LeapDay::Feb28), ["02-29"]);
    assert_eq!(kept(2027, 3, 1, LeapDay::Feb28), ["03-01"]);
    assert_eq!(kept(2027, 3, 1, LeapDay::Mar1), ["02-29", "03-01"]);
    assert_eq!(kept(2027, 2, 28, LeapDay::Mar1), ["02-28"]);
    assert_eq!(kept(2028, 3, 1, LeapDay::Mar1), ["03-01"]);
    assert_eq!(kept(2028, 2, 29, LeapDay::Skip), ["02-29"]);
    assert_eq!(kept(2027, 2, 28, LeapDay::Skip), ["02-28"]);
    assert_eq!(kept(2100, 2, 28, LeapDay::Feb28), ["02-28", "02-29"], "2100 is not a leap year");
}

/// The first `count` ticks of a line after an instant, as `local tick → UTC`.
fn ticks(line: &str, name: &str, after: &str, count: usize) -> Vec<String> {
    let cron = Cron::parse(line).unwrap();
    let mut at = utc(after);
    (0..count)
        .map_while(|_| {
            let (tick, instant) = cron.next(zone(name), at)?;
            at = instant;
            Some(format!("{} → {}", tick.format("%d %H:%M"), instant.format("%d %H:%M")))
        })
        .collect()
}

#[test]
fn schedules_on_daylight_saving_nights() {
    assert_eq!(
        ticks("30 2 * * *", "Europe/Paris", "2026-03-27T12:00:00Z", 3),
        ["28 02:30 → 28 01:30", "29 02:30 → 29 01:30", "30 02:30 → 30 00:30"]
    );
    assert_eq!(
        ticks("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 2),
        ["25 02:30 → 25 00:30", "26 02:30 → 26 01:30"]
    );
    // In the gap two ticks fall on one instant: it happens once, under the first.
    assert_eq!(
        ticks("*/30 * * * *", "Europe/Paris", "2026-03-29T00:15:00Z", 5),
        [
            "29 01:30 → 29 00:30",
            "29 02:00 → 29 01:00",
            "29 02:30 → 29 01:30",
            "29 04:00 → 29 02:00",
            "29 04:30 → 29 02:30"
        ]
    );
    assert_eq!(
        ticks("15 2,3 * * *", "Europe/Paris", "2026-03-29T00:45:00Z", 2),
        ["29 02:15 → 29 01:15", "30 02:15 → 30 00:15"]
    );
    // A tick pushed out of the gap comes after one that stands behind the gap.
    assert_eq!(
        ticks("45,10 2,3 * * *", "Europe/Paris", "2026-03-29T00:45:00Z", 2),
        ["29 02:10 → 29 01:10", "29 02:45 → 29 01:45"]
    );
    // The repeated hour runs once.
    assert_eq!(
        ticks("*/30 * * * *", "Europe/Paris", "2026-10-24T23:45:00Z", 4),
        ["25 02:00 → 25 00:00", "25 02:30 → 25 00:30", "25 03:00 → 25 02:00", "25 03:30 → 25 02:30"]
    );
    assert_eq!(
        ticks("0 9 * * *", "Pacific/Apia", "2011-12-28T20:00:00Z", 3),
        ["29 09:00 → 29 19:00", "30 09:00 → 30 19:00", "01 09:00 → 31 19:00"]
    );
    assert_eq!(
        ticks("0 9 * * *", "America/St_Johns", "2026-03-07T12:00:00Z", 3),
        ["07 09:00 → 07 12:30", "08 09:00 → 08 11:30", "09 09:00 → 09 11:30"]
    );
}

#[test]
fn days_of_the_week_mean_what_crontab_says() {
    // 22 November 2026 is a Sunday.
    let days = |line: &str| {
        let cron = Cron::parse(line).unwrap();
        let mut at = local("2026-11-21 23:59");
        let mut days = Vec::new();
        while let Some(tick) = cron.next_local(at).filter(|t| *t < local("2026-11-29 00:00")) {
            days.push(tick.format("%a").to_string());
            at = tick;
        }
        days.join(" ")
    };
    assert_eq!(days("0 9 * * Mon"), "Mon");
    assert_eq!(days("0 9 * * 1-5"), "Mon Tue Wed Thu Fri");
    assert_eq!(days("0 9 * * mon-fri"), "Mon Tue Wed Thu Fri");
    assert_eq!(days("0 9 * * 0"), "Sun");
    assert_eq!(days("0 9 * * 7"), "Sun");
    assert_eq!(days("0 9 * * 6-7"), "Sun Sat");
    assert_eq!(days("0 9 * * Sat-Sun"), "Sun Sat");
    assert_eq!(days("0 9 * * 1-5/2"), "Mon Wed Fri");
    assert_eq!(days("0 9 * * */3"), "Sun Wed Sat");
    assert_eq!(days("0 0 9 * * Wednesday,Thu"), "Wed Thu");
    assert_eq!(days("0 9 * * *"), "Sun Mon Tue Wed Thu Fri Sat");
    assert_eq!(days("@weekly"), "Sun");
}

#[test]
fn wrong_schedules_are_explained() {
    for (line, words) in [
        ("", "missing"),
        ("0 9 * *", "five fields, this one 4"),
        ("0 0 9 1 1 Mon 2030 1", "five fields, this one 8"),
        ("0 9 30 Feb *", "never comes"),
        ("0 9 31 4 *", "never comes"),
        ("0 25 * * *", "`25` is not an hour"),
        ("61 9 * * *", "`61` is not a minute"),
        ("0 9 * 13 *", "`13` is not a month"),
        ("*/0 9 * * *", "steps by zero"),
        ("0 9 * * 8", "not a day of the week"),
        ("0 9 * * Moon", "not a day of the week"),
        ("0 0 9 * * 1", "by name"),
        ("0 9 L * *", "`L`"),
        ("@dayly", "did you mean `@daily`"),
        ("every monday at nine", "this one 4"),
    ] {
        let error = Cron::parse(line).unwrap_err();
        assert!(error.contains(words), "{line}: {error}");
    }
}

fn any_line() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        "[0-9]",
        "[1-5][0-9]",
        Just("*/7".to_owned()),
        Just("*".to_owned()),
        Just("0,30".to_owned())
    ];
    let hour =
        prop_oneof!["[0-9]", "1[0-9]", Just("*".to_owned()), Just("1-4".to_owned()), Just("*/2".to_owned())];
    let day = prop_oneof![Just("*".to_owned()), "[1-9]", "2[0-8]", Just("29-31".to_owned())];
    let week = prop_oneof![Just("*".to_owned()), Just("Sun".to_owned()), Just("Mon-Fri".to_owned())];
    (minute, hour, day, week).prop_map(|(m, h, d, w)| format!("{m} {h} {d} * {w}"))
}

proptest! {
    #[test]
    fn instants_strictly_increase(line in any_line(), zone in 0..TZ_VARIANTS.len(), start in -631_152_000i64..4_000_000_000) {
        let (cron, zone) = (Cron::parse(&line).unwrap(), TZ_VARIANTS[zone]);
        let mut at = DateTime::from_timestamp(start, 0).unwrap();
        for _ in 0..20 {
            let Some((tick, next)) = cron.next(zone, at) else { break };
            prop_assert!(next > at, "{line} in {zone}: {next} after {at}");
            prop_assert_eq!(resolve(zone, tick), next);
            at = next;
        }
    }

    /// Around a transition no tick is lost and none comes twice, whatever instant the search starts from.
    #[test]
    fn every_tick_is_found_around_transitions(
        zone in prop_oneof![Just("Europe/Paris"), Just("America/St_Johns"), Just("Australia/Lord_Howe"), Just("Pacific/Apia")],
        line in any_line(),
        hours in 0i64..8760,
        offset in 0i64..3600,
    ) {
        let (cron, zone) = (Cron::parse(&line).unwrap(), parse_zone(zone).unwrap());
        let from = utc("2011-06-01T00:00:00Z") + TimeDelta::hours(hours) + TimeDelta::seconds(offset);
        let until = from + TimeDelta::hours(30);
        let mut expected: Vec<_> = Vec::new();
        let mut tick = local_time(zone, from).unwrap() - TimeDelta::hours(50);
        while let Some(next) = cron.next_local(tick).filter(|t| *t < local_time(zone, until).unwrap() + TimeDelta::hours(2)) {
            expected.push(resolve(zone, next));
            tick = next;
        }
        expected.sort_unstable();
        expected.dedup();
        expected.retain(|at| *at > from && *at <= until);
        let mut found = Vec::new();
        let mut at = from;
        while let Some((_, next)) = cron.next(zone, at).filter(|(_, n)| *n <= until) {
            found.push(next);
            at = next;
        }
        prop_assert_eq!(found, expected, "{} in {}", line, zone);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,40}", cronish in "[0-9*/,?LW#@a-zA-Z -]{0,30}", seconds in any::<i64>()) {
        let _ = parse_duration(&text);
        let _ = parse_time(&text);
        let _ = parse_zone(&text);
        for line in [&text, &cronish] {
            if let Ok(cron) = Cron::parse(line)
                && let Some(at) = DateTime::from_timestamp(seconds, 0)
            {
                let _ = cron.next(Tz::Europe__Paris, at);
            }
        }
    }

    #[test]
    fn any_instant_resolves(zone in 0..TZ_VARIANTS.len(), seconds in -8_000_000_000_000i64..8_000_000_000_000, time in 0u32..86_400) {
        let zone = TZ_VARIANTS[zone];
        let at = DateTime::from_timestamp(seconds, 0).unwrap();
        let _ = resolve(zone, at.naive_utc());
        let next = next_local_time(zone, at, NaiveTime::from_num_seconds_from_midnight_opt(time, 0).unwrap());
        prop_assert!(next > at);
        prop_assert!(next - at <= TimeDelta::hours(50));
    }
}

#[test]
fn the_ends_of_the_calendar_do_not_panic() {
    for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        let _ = resolve(Tz::Pacific__Apia, at.naive_utc());
        let _ = next_local_time(Tz::Pacific__Apia, at, NaiveTime::MIN);
        let _ = Cron::parse("0 9 * * *").unwrap().next(Tz::America__St_Johns, at);
    }
}
