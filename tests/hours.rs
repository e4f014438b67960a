//! Laws of the gate, whatever the zones, hours, holidays, caps and instants: what goes goes within the hours, what waits
//! waits for the first instant that suits it, no cap is exceeded, and nothing waits for ever.
//!
//! The judge is naive on purpose: it looks at the clock on the wall at one instant, and at a list of holidays that others
//! have computed. It shares no arithmetic with what it judges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use declic::domain::admit::{Gate, Question, admit};
use declic::domain::caps::{Cap, Slot, WhenFull};
use declic::domain::consent::{Channel, ConsentFact, ConsentStatus, Ledger};
use declic::domain::customer::Profile;
use declic::domain::diagnostic::SourceFile;
use declic::domain::event::Event;
use declic::domain::hours::holidays::Calendar;
use declic::domain::hours::{Holidays, Hours, HoursRule, QuietHours, Range};
use declic::domain::rules::compile::compile;
use declic::domain::rules::{Policy, policy};
use declic::domain::verdict::Reason;
use proptest::prelude::*;
use serde_json::json;

/// Calendar name → its days from 1990 to 2060.
static HOLIDAYS: LazyLock<BTreeMap<&str, BTreeSet<NaiveDate>>> = LazyLock::new(|| {
    let mut calendars: BTreeMap<&str, BTreeSet<NaiveDate>> = BTreeMap::new();
    let lines = include_str!("data/holidays/france.txt").lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let (year, line) = line.split_once(' ').unwrap();
        let mut name = "";
        for word in line.split(' ') {
            match NaiveDate::parse_from_str(&format!("{year}{word}"), "%Y%m%d") {
                Ok(date) if word.len() == 4 => drop(calendars.entry(name).or_default().insert(date)),
                _ => name = word,
            }
        }
    }
    let common = calendars["FR"].clone();
    calendars.values_mut().for_each(|days| days.extend(common.iter().copied()));
    calendars.insert("FR-PM", common);
    calendars
});

const COUNTRIES: [&str; 6] = ["FR", "RE", "GP", "US", "BE", "IN"];
const PURPOSES: [&str; 3] = ["marketing", "service", "transactional"];

/// One customer and what is said about hours and caps.
#[derive(Debug, Clone)]
struct World {
    zone: Option<Tz>,
    country: Option<&'static str>,
    /// The country is told by the number alone, where it is one whose numbers do.
    by_number: bool,
    quiet: QuietHours,
    caps: Vec<Cap>,
}

impl World {
    fn policy(&self) -> Policy {
        static POLICY: LazyLock<Policy> = LazyLock::new(|| {
            let text = policy::EXAMPLE.to_owned();
            compile(&[SourceFile { path: "rules/policy.yaml".to_owned(), text }]).rules.policy
        });
        Policy { quiet_hours: self.quiet.clone(), frequency_caps: self.caps.clone(), ..POLICY.clone() }
    }

    fn profile(&self) -> Profile {
        let number = match self.country {
            Some("RE") if self.by_number => Some("+262692123456"),
            Some("BE") if self.by_number => Some("+32470123456"),
            Some("FR") if self.by_number => Some("+33612345678"),
            _ => None,
        };
        // What customers say is stronger than what their number tells; `ZZ` is no country at all.
        let country = if number.is_some() { None } else { self.country.or(Some("ZZ")) };
        let phone = number.unwrap_or("+33612345678");
        let mut data = json!({"email": "ana@lumen.example", "phone": phone, "country": country});
        data["timezone"] = json!(self.zone.map(|zone| zone.name()));
        let event: Event = serde_json::from_value(json!({
            "id": "1", "source": "/shop", "type": "customer.updated", "subject": "c",
            "time": "1990-01-01T00:00:00Z", "data": data,
        }))
        .unwrap();
        let mut profile = Profile::default();
        profile.merge(&event);
        profile
    }

    /// The zones in which the customer may live.
    fn zones(&self) -> Vec<Tz> {
        let names: &[&str] = match (&self.zone, self.country) {
            (Some(zone), _) => return vec![*zone],
            (None, Some("RE")) => &["Indian/Reunion"],
            (None, Some("GP")) => &["America/Guadeloupe"],
            (None, Some("BE")) => &["Europe/Brussels"],
            (None, Some("IN")) => &["Asia/Kolkata"],
            (None, Some("US")) => &[
                "America/New_York",
                "America/Chicago",
                "America/Denver",
                "America/Phoenix",
                "America/Los_Angeles",
                "America/Anchorage",
                "America/Adak",
                "Pacific/Honolulu",
            ],
            (None, _) => &["Europe/Paris"],
        };
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn is_holiday(&self, holidays: Holidays, date: NaiveDate) -> bool {
        let name = match holidays {
            Holidays::None => return false,
            Holidays::Of(calendar) => calendar.name(),
            Holidays::Local => match self.country {
                Some("FR") => "FR",
                Some("RE") => "FR-RE",
                Some("GP") => "FR-GP",
                _ => return false,
            },
        };
        HOLIDAYS[name].contains(&date)
    }

    /// Whether the clocks and calendars where the customer may live all let a message through at `at`.
    fn allows(&self, channel: Channel, purpose: &str, at: DateTime<Utc>) -> bool {
        let fits = |rule: &&HoursRule| {
            let purpose_fits = match &rule.purpose {
                Some(named) => named == purpose,
                None => purpose != "transactional",
            };
            let country_fits =
                rule.countries.is_empty() || rule.countries.iter().any(|c| Some(c.as_str()) == self.country);
            rule.channel.is_none_or(|c| c == channel) && purpose_fits && country_fits
        };
        let rule = self.quiet.rules.iter().find(fits);
        self.zones().into_iter().all(|zone| {
            let local = at.with_timezone(&zone);
            let weekday = local.weekday().num_days_from_monday() as usize;
            let second = local.time().num_seconds_from_midnight();
            let within = |from: u32, to: u32| (from * 3600..to * 3600).contains(&second);
            match rule {
                Some(HoursRule { hours: None, .. }) => true,
                Some(HoursRule { hours: Some(hours), .. }) => {
                    !self.is_holiday(hours.holidays, local.date_naive())
                        && hours.week[weekday].iter().any(|range| (range.from..range.to).contains(&second))
                }
                None if channel == Channel::Email || purpose == "transactional" => true,
                None if self.country == Some("US") => weekday < 6 && within(9, 20),
                None => weekday < 6 && within(8, 20) && !self.is_holiday(Holidays::Local, local.date_naive()),
            }
        })
    }

    fn covers(cap: &Cap, channel: Channel, purpose: &str) -> bool {
        let purpose_counts = match &cap.purpose {
            Some(named) => named == purpose,
            None => purpose != "transactional",
        };
        cap.channel.is_none_or(|c| c == channel) && purpose_counts
    }

    /// Whether a cap of this kind is full at `at` for such a message.
    fn is_full(&self, kind: WhenFull, message: &Message, slots: &[Slot], at: DateTime<Utc>) -> bool {
        self.caps.iter().filter(|cap| cap.when_full == kind).any(|cap| {
            let counting = slots
                .iter()
                .filter(|s| Self::covers(cap, s.channel, &s.purpose) && at - s.at < cap.period)
                .count();
            Self::covers(cap, message.channel, message.purpose) && counting >= cap.limit as usize
        })
    }
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    channel: Channel,
    purpose: &'static str,
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Message {
    fn ask(&self, policy: &Policy, profile: &Profile, slots: &[Slot], now: DateTime<Utc>) -> Gate {
        let question = Question {
            policy,
            message_id: &self.id,
            channel: self.channel,
            purpose: self.purpose,
            profile,
            consents: &CONSENTS,
            suppressed: false,
            erased: false,
            over: None,
            expires_at: self.expires_at,
            slots,
            due_at: now,
            fences: &[],
            told: None,
            confirms: None,
        };
        admit(&question, now, now)
    }

    fn slot(&self, at: DateTime<Utc>) -> Slot {
        Slot { message_id: self.id.clone(), channel: self.channel, purpose: self.purpose.to_owned(), at }
    }
}

static CONSENTS: LazyLock<Ledger> = LazyLock::new(|| {
    let fact = |channel| ConsentFact {
        channel,
        purpose: "marketing".into(),
        status: ConsentStatus::Granted,
        at: DateTime::UNIX_EPOCH,
        event_source: String::new(),
        event_id: String::new(),
        shown_at: None,
        said: None,
        proof: serde_json::Map::new(),
    };
    Ledger(vec![fact(Channel::Email), fact(Channel::Sms)])
});

fn channels() -> impl Strategy<Value = Channel> {
    prop_oneof![2 => Just(Channel::Sms), 1 => Just(Channel::Email)]
}

fn purposes() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("marketing"), 2 => Just("service"), 1 => Just("transactional")]
}

/// One or two ranges of a day, from a minute to a whole day, often in the small hours in which clocks are changed.
fn day() -> impl Strategy<Value = Vec<Range>> {
    let edge = prop_oneof![2 => 0..=1440_u32, 2 => 0..=240_u32, 1 => Just(0_u32), 1 => Just(1440_u32)];
    prop::collection::btree_set(edge, 0..=4).prop_map(|edges| {
        let edges: Vec<u32> = edges.into_iter().map(|minute| minute * 60).collect();
        edges.chunks_exact(2).map(|pair| Range { from: pair[0], to: pair[1] }).collect()
    })
}

fn hours() -> impl Strategy<Value = Hours> {
    let holidays = prop_oneof![
        2 => Just(Holidays::None),
        3 => Just(Holidays::Local),
        2 => prop::sample::select(Calendar::ALL.to_vec()).prop_map(Holidays::Of),
    ];
    let week = prop_oneof![
        2 => prop::array::uniform7(day()),
        1 => day().prop_map(|day| std::array::from_fn(|_| day.clone())),
        1 => Just(std::array::from_fn(|day| match day {
            6 => vec![],
            _ => vec![Range { from: 8 * 3600, to: 20 * 3600 }],
        })),
    ];
    (week, holidays).prop_map(|(week, holidays)| Hours { week, holidays })
}

fn quiet() -> impl Strategy<Value = QuietHours> {
    let rule = (
        prop::option::of(channels()),
        prop::option::of(purposes()),
        prop::sample::subsequence(COUNTRIES.to_vec(), 0..=3),
        prop::option::weighted(0.9, hours()),
    );
    let rules = prop::collection::vec(rule, 0..=3).prop_map(|rules| {
        let rule = |(channel, purpose, countries, hours): (_, Option<&str>, Vec<&str>, _)| HoursRule {
            channel,
            purpose: purpose.map(str::to_owned),
            countries: countries.into_iter().map(str::to_owned).collect(),
            hours,
        };
        rules.into_iter().map(rule).collect()
    });
    (0..=45_i64, rules).prop_map(|(spread, rules)| QuietHours { spread: TimeDelta::minutes(spread), rules })
}

fn caps() -> impl Strategy<Value = Vec<Cap>> {
    let cap = (
        prop::option::of(channels()),
        prop::option::of(prop::sample::select(PURPOSES.to_vec())),
        1..=3_u32,
        prop_oneof![1..=48_i64, Just(24), Just(168)],
        any::<bool>(),
    );
    let cap = cap.prop_map(|(channel, purpose, limit, hours, defer)| Cap {
        channel,
        purpose: purpose.map(str::to_owned),
        limit,
        period: TimeDelta::hours(hours),
        when_full: if defer { WhenFull::Defer } else { WhenFull::Skip },
    });
    prop::collection::vec(cap, 0..=3)
}

/// Instants of 1995 to 2055; many lie in the days in which clocks are changed or years end.
fn instants() -> impl Strategy<Value = DateTime<Utc>> {
    let day = prop_oneof![
        2 => (1..=12_u32, 1..=28_u32),
        2 => (prop::sample::select(vec![3, 4, 9, 10, 11]), 1..=28_u32),
        1 => (Just(12), 15..=31_u32),
        // The last Sundays of March and October.
        2 => (prop::sample::select(vec![3, 10]), 24..=31_u32),
    ];
    (1995..=2055, day, 0..86_400_u32).prop_map(|(year, (month, day), second)| {
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        date.and_hms_opt(0, 0, 0).unwrap().and_utc() + TimeDelta::seconds(i64::from(second))
    })
}

fn worlds() -> impl Strategy<Value = World> {
    let zones = prop_oneof![
        3 => prop::sample::select(TZ_VARIANTS.to_vec()),
        3 => prop::sample::select(vec![Tz::Europe__Paris, Tz::America__New_York, Tz::Australia__Lord_Howe]),
    ];
    let country = prop::option::weighted(0.8, prop::sample::select(COUNTRIES.to_vec()));
    (prop::option::weighted(0.8, zones), country, any::<bool>(), quiet(), caps())
        .prop_map(|(zone, country, by_number, quiet, caps)| World { zone, country, by_number, quiet, caps })
}

/// Messages of some weeks from an instant on.
fn messages(most: usize) -> impl Strategy<Value = Vec<Message>> {
    let message = (channels(), purposes(), 0..3 * 7 * 86_400_i64, 0..10 * 86_400_i64, any::<u32>());
    (instants(), prop::collection::vec(message, 1..=most)).prop_map(|(begin, messages)| {
        let message = |(channel, purpose, after, patience, id)| {
            let at = begin + TimeDelta::seconds(after);
            Message {
                id: format!("{id}"),
                channel,
                purpose,
                at,
                expires_at: at + TimeDelta::seconds(patience),
            }
        };
        messages.into_iter().map(message).collect()
    })
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// One question beside any slots: the answer is right for the instant, and what is put off is put off to the first
    /// instant that suits it, a spread at most after it.
    #[test]
    fn each_answer_is_right_and_the_first_that_suits(
        world in worlds(),
        mut messages in messages(8),
        tight in prop::option::of(0..3600_i64),
    ) {
        let (policy, profile) = (world.policy(), world.profile());
        let others = messages.split_off(1);
        let asked = &mut messages[0];
        // Often one that must go soon after it may.
        if let Some(seconds) = tight {
            let mut at = asked.at;
            while at < asked.expires_at && !world.allows(asked.channel, asked.purpose, at) {
                at += TimeDelta::minutes(1);
            }
            asked.expires_at = asked.expires_at.min(at + TimeDelta::seconds(seconds));
        }
        let asked = &*asked;
        let slots: Vec<Slot> = others.iter().map(|m| m.slot(asked.at - (m.at - asked.at).abs() / 5)).collect();
        let suits = |at| {
            world.allows(asked.channel, asked.purpose, at) && !world.is_full(WhenFull::Defer, asked, &slots, at)
        };
        let first = || {
            let mut at = asked.at;
            while at <= asked.expires_at && !suits(at) {
                at += TimeDelta::minutes(1);
            }
            (at <= asked.expires_at).then_some(at)
        };
        let skips = |at| world.is_full(WhenFull::Skip, asked, &slots, at);
        match asked.ask(&policy, &profile, &slots, asked.at) {
            Gate::Open { .. } => prop_assert!(suits(asked.at) && !skips(asked.at)),
            Gate::Later { until, .. } => {
                prop_assert!(until > asked.at && until <= asked.expires_at);
                prop_assert!(!suits(asked.at));
                prop_assert!(!world.allows(asked.channel, asked.purpose, asked.at) || !skips(asked.at));
                // A cap that skips is stronger than one that defers: what it ends then need not wait any longer.
                prop_assert!(world.allows(asked.channel, asked.purpose, until));
                prop_assert!(suits(until) || skips(until), "put off to an instant that does not suit: {until}");
                if let Some(first) = first() {
                    prop_assert!(until <= first + world.quiet.spread, "{until} is long after {first}");
                }
                match asked.ask(&policy, &profile, &slots, until) {
                    Gate::Open { .. } => {}
                    Gate::Shut(reason) => prop_assert!(reason == Reason::FrequencyCap && skips(until)),
                    other => prop_assert!(false, "{other:?} at {until}"),
                }
            }
            Gate::TooLate(_) => prop_assert_eq!(first(), None),
            Gate::Shut(reason) => {
                prop_assert_eq!(reason, Reason::FrequencyCap);
                prop_assert!(world.allows(asked.channel, asked.purpose, asked.at) && skips(asked.at));
            }
            Gate::Gone(_) => prop_assert!(false, "nothing was restored"),
        }
    }

    /// Weeks of messages, asked as a worker asks that is late by up to two hours and takes what is due in any order.
    #[test]
    fn no_cap_is_exceeded_and_nothing_waits_for_ever(
        world in worlds(),
        messages in messages(25),
        order in prop::collection::vec((any::<u32>(), 0..7200_i64), 25),
        punctual in any::<bool>(),
    ) {
        let (policy, profile) = (world.policy(), world.profile());
        let mut slots: Vec<Slot> = Vec::new();
        let mut clock = DateTime::<Utc>::MIN_UTC;
        let mut waiting: BTreeSet<(DateTime<Utc>, u32, usize)> =
            messages.iter().enumerate().map(|(i, m)| (m.at, order[i].0, i)).collect();
        let mut rounds = vec![0; messages.len()];
        // A worker on time asks again once, and once more for each message that took the room instead; one that is late
        // may come after short hours, each day anew.
        let defers = world.caps.iter().any(|cap| cap.when_full == WhenFull::Defer);
        let most = 2 + if defers { messages.len() } else { 0 } + if punctual { 0 } else { 30 };
        while let Some((due, tie, i)) = waiting.pop_first() {
            let message = &messages[i];
            let late = if punctual { 0 } else { order[(i + rounds[i]) % order.len()].1 };
            clock = clock.max(due + TimeDelta::seconds(late));
            rounds[i] += 1;
            prop_assert!(rounds[i] <= most, "{message:?} waits for ever");
            match message.ask(&policy, &profile, &slots, clock) {
                Gate::Open { .. } => {
                    prop_assert!(world.allows(message.channel, message.purpose, clock));
                    slots.push(message.slot(clock));
                }
                Gate::Later { until, .. } => {
                    prop_assert!(until > clock && until <= message.expires_at);
                    waiting.insert((until, tie.rotate_left(7), i));
                }
                Gate::TooLate(_) | Gate::Shut(_) | Gate::Gone(_) => {}
            }
        }
        for cap in &world.caps {
            let counting: Vec<&Slot> =
                slots.iter().filter(|s| World::covers(cap, s.channel, &s.purpose)).collect();
            for last in &counting {
                let window = counting.iter().filter(|s| s.at <= last.at && last.at - s.at < cap.period);
                let count = window.count();
                prop_assert!(count <= cap.limit as usize, "{count} within {} for {cap:?}", cap.period);
            }
        }
    }
}
