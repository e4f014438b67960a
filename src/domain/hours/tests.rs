//! Exact instants: what the next allowed one is, wherever clocks and calendars are odd.

use super::holidays::Calendar;
use super::*;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|e| panic!("{text}: {e}")).to_utc()
}

/// Hours as `days from-to from-to`, days as digits with Monday 1.
fn own(text: &str) -> Hours {
    let mut week: [Vec<Range>; 7] = Default::default();
    let mut words = text.split(' ');
    let days = words.next().unwrap();
    let seconds = |time: &str| {
        let (hour, minute) = time.split_once(':').unwrap();
        hour.parse::<u32>().unwrap() * 3600 + minute.parse::<u32>().unwrap() * 60
    };
    let ranges: Vec<Range> = words
        .map(|range| range.split_once('-').unwrap())
        .map(|(from, to)| Range { from: seconds(from), to: seconds(to) })
        .collect();
    for day in days.bytes() {
        week[usize::from(day - b'1')].clone_from(&ranges);
    }
    Hours { week, holidays: Holidays::None }
}

/// With hours for all and no spread.
fn with(hours: &str, spread: TimeDelta) -> QuietHours {
    let hours = match hours.split_once('/') {
        Some((preset, "alsace")) => {
            let holidays = Holidays::Of(Calendar::AlsaceMoselle);
            Hours { holidays, ..presets::named(preset).unwrap().clone() }
        }
        _ => presets::named(hours).cloned().unwrap_or_else(|| own(hours)),
    };
    let rule = HoursRule { channel: None, purpose: None, countries: vec![], hours: Some(hours) };
    QuietHours { spread, rules: vec![rule] }
}

fn reader<'a>(country: &'a str, zones: &'a [Tz]) -> Reader<'a> {
    Reader {
        channel: Channel::Sms,
        purpose: "marketing",
        basis: Basis::Consent,
        country: Some(country),
        zones,
    }
}

/// Hours, country, zone, when it is asked, and what is answered.
const CASES: &[(&str, &str, &str, &str, &str)] = &[
    // Within the hours, and at their ends: the last second is inside, the closing one is not.
    ("fr-sms", "FR", "Europe/Paris", "2026-11-23T12:34:56+01:00", "2026-11-23T12:34:56+01:00"),
    ("fr-sms", "FR", "Europe/Paris", "2026-11-23T08:00:00+01:00", "2026-11-23T08:00:00+01:00"),
    ("fr-sms", "FR", "Europe/Paris", "2026-11-23T07:59:59+01:00", "2026-11-23T08:00:00+01:00"),
    ("fr-sms", "FR", "Europe/Paris", "2026-11-23T07:59:59.999+01:00", "2026-11-23T08:00:00+01:00"),
    ("fr-sms", "FR", "Europe/Paris", "2026-11-23T19:59:59.999+01:00", "2026-11-23T19:59:59.999+01:00"),
    ("fr-sms", "FR", "Europe/Paris", "2026-11-23T20:00:00+01:00", "2026-11-24T08:00:00+01:00"),
    ("fr-sms", "FR", "Europe/Paris", "2026-11-28T20:00:00+01:00", "2026-11-30T08:00:00+01:00"),
    ("fr-sms", "FR", "Europe/Paris", "2026-11-29T12:00:00+01:00", "2026-11-30T08:00:00+01:00"),
    // The year's end: 1 January 2027 is a Friday.
    ("fr-sms", "FR", "Europe/Paris", "2026-12-31T20:30:00+01:00", "2027-01-02T08:00:00+01:00"),
    ("fr-sms", "BE", "Europe/Brussels", "2026-12-31T20:30:00+01:00", "2027-01-01T08:00:00+01:00"),
    // All Saints on a Monday, after the night that repeats an hour.
    ("fr-sms", "FR", "Europe/Paris", "2027-10-30T21:00:00+02:00", "2027-11-02T08:00:00+01:00"),
    // Easter Monday, after the night that takes an hour away; and the latest Easter there can be.
    ("fr-sms", "FR", "Europe/Paris", "2027-03-27T20:00:00+01:00", "2027-03-30T08:00:00+02:00"),
    ("fr-sms", "FR", "Europe/Paris", "2038-04-24T21:00:00+02:00", "2038-04-27T08:00:00+02:00"),
    // Ascension 2027 is two days before 8 May.
    ("fr-sms", "FR", "Europe/Paris", "2027-05-05T20:00:00+02:00", "2027-05-07T08:00:00+02:00"),
    ("fr-sms", "FR", "Europe/Paris", "2027-05-07T20:00:00+02:00", "2027-05-10T08:00:00+02:00"),
    // Alsace: 26 December 2026 is a Saturday, and Good Friday.
    ("fr-sms", "FR", "Europe/Paris", "2026-12-24T20:00:00+01:00", "2026-12-26T08:00:00+01:00"),
    ("fr-sms/alsace", "FR", "Europe/Paris", "2026-12-24T20:00:00+01:00", "2026-12-28T08:00:00+01:00"),
    ("fr-sms/alsace", "FR", "Europe/Paris", "2027-03-25T20:00:00+01:00", "2027-03-27T08:00:00+01:00"),
    // 20 December 2027 is a Monday, and a holiday in Réunion alone.
    ("fr-sms", "RE", "Indian/Reunion", "2027-12-18T20:00:00+04:00", "2027-12-21T08:00:00+04:00"),
    ("fr-sms", "FR", "Europe/Paris", "2027-12-18T20:00:00+01:00", "2027-12-20T08:00:00+01:00"),
    ("fr-sms", "RE", "Indian/Reunion", "2027-12-06T03:00:00Z", "2027-12-06T04:00:00Z"),
    // One instant on two coasts.
    ("us-tcpa", "US", "America/New_York", "2027-01-05T02:00:00Z", "2027-01-05T08:00:00-05:00"),
    ("us-tcpa", "US", "America/Los_Angeles", "2027-01-05T02:00:00Z", "2027-01-05T02:00:00Z"),
    ("us-strict", "US", "America/New_York", "2027-01-09T20:00:00-05:00", "2027-01-11T09:00:00-05:00"),
    // Zones of half and quarter hours.
    ("fr-sms", "IN", "Asia/Kolkata", "2027-01-05T14:30:00Z", "2027-01-06T08:00:00+05:30"),
    ("fr-sms", "NP", "Asia/Kathmandu", "2027-01-05T02:00:00Z", "2027-01-05T02:15:00Z"),
    // Lord Howe changes its clocks by half an hour: 02:00 to 02:30, and 02:00 back to 01:30.
    (
        "1234567 02:00-02:30",
        "AU",
        "Australia/Lord_Howe",
        "2027-10-02T23:00:00+10:30",
        "2027-10-04T02:00:00+11:00",
    ),
    (
        "1234567 02:15-02:45",
        "AU",
        "Australia/Lord_Howe",
        "2027-10-02T23:00:00+10:30",
        "2027-10-03T02:30:00+11:00",
    ),
    (
        "1234567 01:00-01:45",
        "AU",
        "Australia/Lord_Howe",
        "2027-04-04T01:50:00+11:00",
        "2027-04-04T01:30:00+10:30",
    ),
    (
        "1234567 08:00-20:00",
        "AU",
        "Australia/Lord_Howe",
        "2027-10-02T21:00:00+10:30",
        "2027-10-03T08:00:00+11:00",
    ),
    // Hours that a gap swallows, in whole and in part.
    ("7 02:00-03:00", "FR", "Europe/Paris", "2027-03-28T00:30:00+01:00", "2027-04-04T02:00:00+02:00"),
    ("7 02:30-04:00", "FR", "Europe/Paris", "2027-03-28T00:30:00+01:00", "2027-03-28T03:00:00+02:00"),
    ("7 01:00-02:30", "FR", "Europe/Paris", "2027-03-28T01:59:59+01:00", "2027-03-28T01:59:59+01:00"),
    ("7 01:00-02:30", "FR", "Europe/Paris", "2027-03-28T03:00:00+02:00", "2027-04-04T01:00:00+02:00"),
    // Hours that come twice.
    ("7 02:00-02:30", "FR", "Europe/Paris", "2027-10-31T02:10:00+02:00", "2027-10-31T02:10:00+02:00"),
    ("7 02:00-02:30", "FR", "Europe/Paris", "2027-10-31T02:30:00+02:00", "2027-10-31T02:00:00+01:00"),
    ("7 02:15-02:30", "FR", "Europe/Paris", "2027-10-31T02:30:00+02:00", "2027-10-31T02:15:00+01:00"),
    ("7 02:15-02:30", "FR", "Europe/Paris", "2027-10-31T02:30:00+01:00", "2027-11-07T02:15:00+01:00"),
    // A day without its first hour, and one with a midnight that comes twice.
    ("5 00:00-24:00", "EG", "Africa/Cairo", "2027-04-29T12:00:00+02:00", "2027-04-30T01:00:00+03:00"),
    ("4 00:00-24:00", "EG", "Africa/Cairo", "2027-10-29T00:00:00+02:00", "2027-11-04T00:00:00+02:00"),
    ("4 00:00-24:00", "EG", "Africa/Cairo", "2027-10-28T23:30:00+03:00", "2027-10-28T23:30:00+03:00"),
    // Samoa had no 30 December 2011, a Friday; the day after 29 December was the 31st.
    ("1234567 08:00-20:00", "WS", "Pacific/Apia", "2011-12-29T21:00:00-10:00", "2011-12-31T08:00:00+14:00"),
    ("5 08:00-20:00", "WS", "Pacific/Apia", "2011-12-29T21:00:00-10:00", "2012-01-06T08:00:00+14:00"),
    ("56 23:00-24:00", "WS", "Pacific/Apia", "2011-12-29T22:00:00-10:00", "2011-12-31T23:00:00+14:00"),
    // Hours over midnight, and all day.
    (
        "12 00:00-06:00 20:00-24:00",
        "FR",
        "Europe/Paris",
        "2026-11-23T23:59:59.5+01:00",
        "2026-11-23T23:59:59.5+01:00",
    ),
    (
        "12 00:00-06:00 20:00-24:00",
        "FR",
        "Europe/Paris",
        "2026-11-24T06:00:00+01:00",
        "2026-11-24T20:00:00+01:00",
    ),
    (
        "12 00:00-06:00 20:00-24:00",
        "FR",
        "Europe/Paris",
        "2026-11-25T00:00:00+01:00",
        "2026-11-30T00:00:00+01:00",
    ),
];

#[test]
fn exact_instants() {
    for (hours, country, zone, asked, expected) in CASES {
        let zones = [zone.parse().unwrap()];
        let quiet = with(hours, TimeDelta::zero());
        let reader = reader(country, &zones);
        let next = |asked| quiet.next_allowed(&reader, "m", asked, DateTime::<Utc>::MAX_UTC).unwrap();
        let found = next(at(asked));
        let shown = found.with_timezone(&zones[0]).to_rfc3339();
        assert_eq!(found, at(expected), "{hours} in {zone} at {asked}: {shown}, not {expected}");
        assert_eq!(next(found), found);
    }
}

#[test]
fn in_every_zone_where_they_may_live() {
    let american = crate::domain::countries::zones_of("US");
    let polynesian = crate::domain::countries::zones_of("PF");
    for (hours, zones, asked, expected) in [
        // 09:00 in Hawaii is 14:00 in New York.
        ("us-strict", american, "2027-01-05T10:00:00Z", "2027-01-05T19:00:00Z"),
        // 20:00 in New York.
        ("us-strict", american, "2027-01-06T01:00:00Z", "2027-01-06T19:00:00Z"),
        // Summer time in New York, none in Hawaii.
        ("us-strict", american, "2027-07-03T23:59:59Z", "2027-07-03T23:59:59Z"),
        ("us-strict", american, "2027-07-04T00:00:00Z", "2027-07-05T19:00:00Z"),
        ("1234567 08:00-08:59", polynesian, "2027-01-05T12:00:00Z", "never"),
        ("1234567 08:00-09:01", polynesian, "2027-01-05T12:00:00Z", "2027-01-05T18:00:00Z"),
        ("", &[Tz::UTC], "2027-01-05T12:00:00Z", "never"),
    ] {
        let quiet = with(hours, TimeDelta::zero());
        let reader = Reader { country: None, ..reader("US", zones) };
        let found = quiet.next_allowed(&reader, "m", at(asked), DateTime::<Utc>::MAX_UTC);
        assert_eq!(found, (expected != "never").then(|| at(expected)), "{hours} {asked}");
    }
}

#[test]
fn the_ends_of_the_calendar_are_no_trap() {
    let zones = [Tz::Europe__Paris];
    let quiet = with("fr-sms", TimeDelta::minutes(15));
    for asked in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        quiet.next_allowed(&reader("FR", &zones), "m", asked, asked);
    }
}

#[test]
fn messages_spread_evenly_over_their_time() {
    let zones = [Tz::Europe__Paris];
    let quiet = with("fr-sms", TimeDelta::minutes(15));
    let (asked, opens) = (at("2026-11-23T03:00:00+01:00"), at("2026-11-23T08:00:00+01:00"));
    let after = |id: &str, expires| {
        let next = quiet.next_allowed(&reader("FR", &zones), id, asked, expires).unwrap();
        assert_eq!(quiet.next_allowed(&reader("FR", &zones), id, next, expires), Some(next));
        (next - opens).num_seconds()
    };
    let mut minutes = [0; 15];
    for id in 0..3000 {
        let late = after(&id.to_string(), DateTime::<Utc>::MAX_UTC);
        assert!((0..900).contains(&late));
        minutes[usize::try_from(late / 60).unwrap()] += 1;
    }
    assert!(minutes.iter().all(|count| (140..260).contains(count)), "{minutes:?}");
    // Whoever would be too late by the spread alone goes earlier.
    let expiring = (0..300).map(|id| after(&id.to_string(), opens + TimeDelta::seconds(59)));
    let (least, most) = expiring.fold((i64::MAX, i64::MIN), |(l, m), late| (l.min(late), m.max(late)));
    assert!(least < 5 && (55..60).contains(&most), "{least} to {most}");
    assert_eq!(after("m", opens), 0);
    assert_eq!(after("m", opens - TimeDelta::hours(1)), 0);
}

#[test]
fn the_spread_ends_with_the_hours() {
    let zones = [Tz::Europe__Paris];
    for (hours, asked, opens, seconds) in [
        ("1 08:00-08:05", "2026-11-23T03:00:00+01:00", "2026-11-23T08:00:00+01:00", 300),
        // The clocks are changed at 02:00, and no half past two comes that day.
        ("7 01:50-02:30", "2027-03-28T00:00:00+01:00", "2027-03-28T01:50:00+01:00", 600),
        // They are put back from 03:00 to 02:00.
        ("7 02:58-03:30", "2027-10-31T00:00:00+02:00", "2027-10-31T02:58:00+02:00", 120),
    ] {
        let quiet = with(hours, TimeDelta::minutes(15));
        let shares: Vec<i64> = (0..500)
            .map(|id| {
                let next = quiet.next_allowed(
                    &reader("FR", &zones),
                    &id.to_string(),
                    at(asked),
                    at(asked) + TimeDelta::days(9),
                );
                (next.unwrap() - at(opens)).num_seconds()
            })
            .collect();
        assert!(shares.iter().all(|s| (0..seconds).contains(s)), "{hours}: {shares:?}");
        assert!(shares.iter().any(|s| *s > seconds / 2), "{hours}: {shares:?}");
    }
}

#[test]
fn whose_hours_they_are() {
    use Basis::{Consent, Contract, LegitimateInterest};
    use Channel::{Email, Sms};
    let rule = |channel, purpose: Option<&str>, countries: &[&str], hours: Option<&str>| HoursRule {
        channel,
        purpose: purpose.map(str::to_owned),
        countries: countries.iter().map(|c| (*c).to_owned()).collect(),
        hours: hours.map(own),
    };
    let rules = vec![
        rule(Some(Sms), Some("marketing"), &["FR", "BE"], Some("1 01:00-02:00")),
        rule(Some(Sms), Some("receipt"), &[], Some("2 01:00-02:00")),
        rule(None, Some("news"), &[], None),
        rule(Some(Email), None, &["CH"], Some("3 01:00-02:00")),
    ];
    let own_rules = QuietHours { rules, ..QuietHours::default() };
    let none = QuietHours::default();
    for (quiet, channel, purpose, basis, country, expected) in [
        (&none, Sms, "marketing", Consent, Some("FR"), "fr-sms"),
        (&none, Sms, "marketing", Consent, Some("RE"), "fr-sms"),
        (&none, Sms, "marketing", Consent, Some("US"), "us-strict"),
        (&none, Sms, "marketing", Consent, Some("PR"), "us-strict"),
        (&none, Sms, "marketing", Consent, Some("JP"), "fr-sms"),
        (&none, Sms, "service", LegitimateInterest, None, "fr-sms"),
        (&none, Sms, "transactional", Contract, Some("FR"), "any"),
        (&none, Email, "marketing", Consent, Some("FR"), "any"),
        (&own_rules, Sms, "marketing", Consent, Some("FR"), "1 01:00-02:00"),
        (&own_rules, Sms, "marketing", Consent, Some("BE"), "1 01:00-02:00"),
        (&own_rules, Sms, "marketing", Consent, Some("US"), "us-strict"),
        (&own_rules, Sms, "marketing", Consent, None, "fr-sms"),
        (&own_rules, Sms, "receipt", Contract, None, "2 01:00-02:00"),
        (&own_rules, Sms, "transactional", Contract, None, "any"),
        (&own_rules, Sms, "news", LegitimateInterest, Some("FR"), "any"),
        (&own_rules, Email, "marketing", Consent, Some("CH"), "3 01:00-02:00"),
        (&own_rules, Email, "receipt", Contract, Some("CH"), "any"),
        (&own_rules, Email, "marketing", Consent, Some("FR"), "any"),
    ] {
        let reader = Reader { channel, purpose, basis, country, zones: &[Tz::UTC] };
        let expected =
            (expected != "any").then(|| presets::named(expected).cloned().unwrap_or_else(|| own(expected)));
        assert_eq!(quiet.hours_of(&reader), expected.as_ref(), "{channel:?} {purpose} {country:?}");
    }
}
