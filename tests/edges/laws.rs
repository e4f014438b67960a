//! Laws that hold for whatever happens: arrivals in any order end in the same entries, time only goes forward, nothing
//! is said twice, and nobody is written to for marketing without their word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use declic::domain::consent::{Channel, ConsentStatus};
use declic::domain::decide;
use declic::domain::event::Event;
use declic::domain::memory::Entry;
use declic::domain::message::{Message, MessageState};
use declic::domain::rules::book::Book;
use declic::domain::snapshot::{Fact, Snapshot, Verdicts};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bench::{at, book, event};

/// Restarts and re-entries that hang on what is known of the customer, so that a late profile undoes what had begun.
/// The first message of each is due after the two hours in which events happen.
static BOOK: LazyLock<Book> = LazyLock::new(|| {
    book(&[
        (
            "restart",
            "purpose: marketing\ntrigger: { event: cart, if: customer.vip, key: data.k }\nre_entry: restart\n\
             exit_on: [order]\nsteps: [{ wait: 3h }, { send: { email: a } }, { wait: 1d }, { send: { email: b } }]\n",
        ),
        (
            "after",
            "purpose: service\ntrigger: { event: cart, if: customer.vip }\nre_entry: after 30m\nexit_on: [order]\n\
             steps: [{ wait: 4h }, { send: { email: a } }]\n",
        ),
        (
            "never",
            "purpose: service\ntrigger: { event: cart, if: customer.vip, key: data.k }\nexit_on: [emptied]\n\
             steps: [{ wait: 4h }, { if: data.n > 1, then: [{ send: { email: a } }], else: [{ send: { email: b } }] }]\n",
        ),
        (
            "absent",
            "purpose: transactional\ntrigger: { absent: order, for: 3h, if: customer.vip }\nexit_on: [cart]\n\
             steps: [{ wait: 1h }, { send: { email: a } }]\n",
        ),
        (
            "awaits",
            "purpose: marketing\ntrigger: { event: order }\nre_entry: always\nexit_on: [emptied]\n\
             steps: [{ wait: 5h }, { send: { email: a, wait_for_consent: 2h } }, { wait: 1h }, { send: { email: b } }]\n",
        ),
    ])
});

/// The same with nothing to wait for, so that messages go out while events still come.
static HASTY: LazyLock<Book> = LazyLock::new(|| {
    book(&[
        (
            "cart",
            "purpose: marketing\ntrigger: { event: cart, if: customer.vip, key: data.k }\nre_entry: restart\nexit_on: [order]\n\
             steps: [{ wait: 10m }, { send: { email: a, wait_for_consent: 40m } }, { wait: 20m }, { send: { email: b } }]\n",
        ),
        (
            "order",
            "purpose: marketing\ntrigger: { event: order }\nre_entry: after 15m\nexit_on: [emptied]\n\
             steps: [{ send: { email: a } }, { wait: 5m }, { promo_code: { prefix: P, discount: 5%, valid_for: 7d } }, { send: { email: b } }]\n",
        ),
    ])
});

/// Kind, minute and what varies in the data.
type Seed = (u8, i64, u8);

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    prop::collection::vec((0..8_u8, 0..120_i64, 0..4_u8), 1..13)
}

fn build(id: usize, (kind, minute, variant): Seed) -> Event {
    let key = format!("k{}", variant % 2);
    let (kind, data): (&str, Value) = match kind {
        0 => ("customer.signed_up", json!({"email": "c@x.fr", "vip": variant > 0})),
        1 => ("customer.updated", json!({"vip": variant % 2 == 0})),
        2 => ("order", if variant < 2 { json!({"k": key}) } else { json!({}) }),
        3 => {
            let status = ["granted", "granted", "withdrawn", "pending"][usize::from(variant)];
            ("consent.changed", json!({"channel": "email", "purpose": "marketing", "status": status}))
        }
        4 => ("emptied", json!({"k": key})),
        _ => ("cart", json!({"k": key, "n": variant})),
    };
    let time = begin() + TimeDelta::minutes(minute);
    Event { time, data: data.into(), ..event(&format!("e{id}"), "2026-11-23T08:00", kind, "{}") }
}

fn begin() -> DateTime<Utc> {
    at("2026-11-23T08:00")
}

/// One event arrives at `now`, unless it has before: the store knows each event once.
fn arrive(book: &Book, customer: &mut Snapshot, event: &Event, now: DateTime<Utc>) -> Option<Verdicts> {
    if customer.history.iter().any(|f| f.event.id == event.id) {
        return None;
    }
    customer.history.push(Fact { event: event.clone(), received_at: now });
    let verdicts = decide::on_events(book, customer, std::slice::from_ref(event), now);
    customer.evolve(&verdicts);
    Some(verdicts)
}

/// Runs the timers that are due by `limit`, each at its own time but not before `now`.
fn run(
    book: &Book,
    customer: &mut Snapshot,
    now: DateTime<Utc>,
    limit: DateTime<Utc>,
    said: &mut Vec<Message>,
) {
    while let Some(due) = customer.next_due().filter(|due| *due <= limit) {
        let verdicts = decide::on_timer(book, customer, due.max(now));
        assert_eq!(verdicts, decide::on_timer(book, customer, due.max(now)), "a decision is a function");
        assert!(!verdicts.entries.is_empty(), "a due timer moves something");
        customer.evolve(&verdicts);
        said.extend(verdicts.messages);
    }
}

fn stranger() -> Snapshot {
    Snapshot { customer_id: "c".to_owned(), ..Snapshot::default() }
}

/// All entries at the end, and what was said of each message.
type Outcome = (BTreeMap<(String, String), Entry>, BTreeMap<String, Message>);

fn live<'a>(events: impl Iterator<Item = &'a Event>) -> Outcome {
    let (mut customer, mut said) = (stranger(), Vec::new());
    let now = begin() + TimeDelta::hours(2);
    for event in events {
        if let Some(verdicts) = arrive(&BOOK, &mut customer, event, now) {
            assert!(verdicts.messages.is_empty(), "nothing is due yet");
        }
    }
    run(&BOOK, &mut customer, now, DateTime::<Utc>::MAX_UTC, &mut said);
    let entries = customer.entries.into_iter().map(|mut e| {
        // How far it had got when its exit became known is a matter of arrival, and means nothing once it has ended.
        if e.exit.is_some() && !e.committed {
            (e.position, e.planned) = (0, e.started_at);
        }
        ((e.rule.clone(), e.occurrence.clone()), e)
    });
    let entries = entries.collect();
    let count = said.len();
    let said: BTreeMap<_, _> = said.into_iter().map(|m| (m.id.clone(), m)).collect();
    assert_eq!(said.len(), count, "one message, one identity");
    (entries, said)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, ..ProptestConfig::default() })]

    #[test]
    fn arrivals_in_any_order_end_in_the_same_entries_and_messages(
        seeds in seeds(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let events: Vec<Event> = seeds.into_iter().enumerate().map(|(i, e)| build(i, e)).collect();
        let mut sorted = events.clone();
        sorted.sort_by_key(Event::stamp);
        let shuffled = order.iter().map(|i| i.get(&events)).chain(events.iter().rev());
        prop_assert_eq!(live(shuffled), live(sorted.iter()));
    }

    #[test]
    fn while_events_come_late_nothing_is_said_twice_or_without_a_grant(
        seeds in seeds(),
        delays in prop::collection::vec(0..90_i64, 13),
        worker_late in 0..30_i64,
    ) {
        let events: Vec<Event> = seeds.into_iter().enumerate().map(|(i, e)| build(i, e)).collect();
        let mut arrivals: Vec<(DateTime<Utc>, &Event)> =
            events.iter().zip(&delays).map(|(e, delay)| (e.time + TimeDelta::minutes(*delay), e)).collect();
        arrivals.sort_by_key(|(now, _)| *now);
        let (mut customer, mut said) = (stranger(), Vec::new());
        for (now, event) in arrivals {
            let seen = now - TimeDelta::minutes(worker_late);
            run(&HASTY, &mut customer, seen, seen, &mut said);
            let verdicts = arrive(&HASTY, &mut customer, event, now).unwrap_or_default();
            judge(&customer, &verdicts.messages)?;
            said.extend(verdicts.messages);
        }
        let before = said.len();
        run(&HASTY, &mut customer, begin(), DateTime::<Utc>::MAX_UTC, &mut said);
        judge(&customer, &said[before..])?;
        let ids: BTreeSet<&str> = said.iter().map(|m| m.id.as_str()).collect();
        prop_assert_eq!(ids.len(), said.len(), "something was said twice");
        let codes: BTreeSet<&str> = said.iter().filter_map(|m| m.promo_code.as_deref()).collect();
        prop_assert_eq!(codes.len(), said.iter().filter(|m| m.promo_code.is_some()).count());
    }

    #[test]
    fn along_an_entry_time_never_goes_back(
        zone in 0..TZ_VARIANTS.len(),
        start in 1_577_836_800_i64..1_900_000_000,
        waits in prop::collection::vec(prop_oneof![
            (1..5_000_u32).prop_map(|m| (format!("{m}m"), None)),
            (0..24_u32, 0..60_u32).prop_map(|(h, m)| (format!("{{ until: \"{h:02}:{m:02}\" }}"), NaiveTime::from_hms_opt(h, m, 0))),
        ], 1..6),
    ) {
        let zone = TZ_VARIANTS[zone];
        let steps: String =
            waits.iter().map(|(wait, _)| format!("  - wait: {wait}\n  - send: {{ email: a }}\n")).collect();
        let book = book(&[("r", &format!("purpose: transactional\ntrigger: {{ event: go }}\nsteps:\n{steps}"))]);
        let start = DateTime::from_timestamp(start, 0).unwrap_or_default();
        let (mut customer, mut said) = (stranger(), Vec::new());
        let profile = json!({"email": "c@x.fr", "timezone": zone.name()});
        for (id, kind, data) in [("p", "customer.updated", profile), ("g", "go", json!({}))] {
            let event = Event { time: start, data: data.into(), ..event(id, "2026-01-01T00:00", kind, "{}") };
            arrive(&book, &mut customer, &event, start);
        }
        run(&book, &mut customer, start, DateTime::<Utc>::MAX_UTC, &mut said);
        prop_assert_eq!(said.len(), waits.len());
        let mut before = start;
        for (message, (_, until)) in said.iter().zip(&waits) {
            prop_assert!(message.planned_at > before, "{} after {}", message.planned_at, before);
            if let Some(until) = until {
                shows(zone, message.planned_at, *until)?;
                prop_assert!(message.planned_at - before <= TimeDelta::hours(26));
            }
            before = message.planned_at;
        }
    }
}

/// Clocks show the time asked for, or, where that was skipped, less than a gap later.
fn shows(zone: Tz, instant: DateTime<Utc>, wanted: NaiveTime) -> Result<(), TestCaseError> {
    let shown = instant.with_timezone(&zone).time();
    let an_hour_before = (instant - TimeDelta::hours(3)).with_timezone(&zone).naive_local();
    let jumped = instant.with_timezone(&zone).naive_local() - an_hour_before > TimeDelta::hours(3);
    prop_assert!(shown == wanted || jumped, "{instant} is {shown} in {zone}, not {wanted}");
    Ok(())
}

/// Whoever is written to for marketing had agreed: the newest word at the planned instant is a grant.
fn judge(customer: &Snapshot, messages: &[Message]) -> Result<(), TestCaseError> {
    for message in messages.iter().filter(|m| m.state == MessageState::Pending) {
        let words = customer.consents.0.iter().filter(|w| {
            w.channel == Channel::Email && w.purpose == message.purpose && w.at <= message.planned_at
        });
        let newest = words.max_by_key(|w| (w.at, w.status)).map(|w| w.status);
        prop_assert_eq!(newest, Some(ConsentStatus::Granted), "{:?}", message);
        prop_assert!(message.planned_at >= begin());
    }
    Ok(())
}
