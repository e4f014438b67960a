//! The story of a customer never contradicts what was decided: cases in words, and laws for whatever happens.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use declic::domain::decide::Tick;
use declic::domain::event::Event;
use declic::domain::explain::story::{Considered, Item, Outcome, What};
use declic::domain::explain::tell::tell;
use declic::domain::explain::{Asked, Language, Record, explain};
use declic::domain::fold::occurrence_of;
use declic::domain::rules::book::Book;
use proptest::prelude::*;
use serde_json::json;

use crate::bench::{Customer, at, book};

fn record(customer: &Customer) -> Record {
    let mut snapshot = customer.snapshot.clone();
    snapshot.history.sort_by(|a, b| a.event.place().cmp(&b.event.place()));
    Record { snapshot, messages: customer.messages.clone(), ..Record::default() }
}

fn story(book: &Book, customer: &Customer, now: &str) -> Vec<Item> {
    explain(book, &record(customer), Asked::default(), at(now))
}

/// The lines of the story in English about one rule, times without date and seconds, below what is known of the customer.
fn about(book: &Book, record: &Record, rule: &str, now: &str) -> Vec<String> {
    let items = explain(book, record, Asked { rule: Some(rule), message: None }, at(now));
    let text = tell(&items, Language::English, at(now));
    text.lines().skip_while(|line| !line.starts_with("Rule ")).map(|line| line.trim().to_owned()).collect()
}

/// Fails where a line of the story about the rule is missing.
fn says(book: &Book, record: &Record, rule: &str, now: &str, expected: &[&str]) {
    let lines = about(book, record, rule, now);
    for line in expected {
        assert!(lines.iter().any(|said| said == line), "`{line}` is missing in\n{}", lines.join("\n"));
    }
}

const CART: (&str, &str) = (
    "cart",
    "purpose: service\ntrigger: { event: cart, if: 'data.n > 0 && customer.vip', key: data.k }\nexit_on: [order]\n\
     steps: [{ wait: 1h }, { if: data.n > 5, then: [{ send: { email: b } }] }, { send: { email: a } }]\n",
);

#[test]
fn which_part_of_a_condition_failed() {
    let book = book(&[CART]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-22T10:00", "cart", r#"{"k": "k1", "n": 0}"#);
    let now = "2026-11-22T10:30";
    says(
        &book,
        &record(&customer),
        "cart",
        now,
        &[
            "rule cart: does not begin, because the rule's condition is false",
            "`data.n > 0 && customer.vip` is false",
            "→ `data.n > 0` is false: data.n is 0",
            "`customer.vip` cannot be told: customer.vip is missing",
        ],
    );
    customer.hears(&book, "2026-11-22T10:10", "cart", r#"{"k": "k1", "n": 2}"#);
    let expected = [
        "rule cart: does not begin, because the condition reads a field that is missing or of another kind",
        "`data.n > 0` is true: data.n is 2",
        "→ `customer.vip` cannot be told: customer.vip is missing",
    ];
    says(&book, &record(&customer), "cart", now, &expected);
    customer.hears(&book, "2026-11-22T10:20", "cart", r#"{"n": 2}"#);
    let expected = [
        "rule cart: does not begin, because the condition reads a field that is missing or of another kind (data.k)",
    ];
    says(&book, &record(&customer), "cart", now, &expected);
}

#[test]
fn an_entry_tells_its_steps_and_where_it_stands() {
    let book = book(&[CART]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-22T09:00", "customer.updated", r#"{"vip": true}"#);
    customer.hears(&book, "2026-11-22T10:00", "cart", r#"{"k": "k1", "n": 2}"#);
    let expected = [
        "rule cart: begins",
        "begun by cart of 2026-11-22 11:00:00",
        "key k1",
        "wait-1h: waits until 2026-11-22 12:00:00",
        "next on 2026-11-22 12:00:00, if-1: `data.n > 5`",
    ];
    says(&book, &record(&customer), "cart", "2026-11-22T10:30", &expected);
    customer.lives(&book, "2026-11-22T11:00");
    let expected = [
        "wait-1h: waited until 2026-11-22 12:00:00",
        "if-1: `data.n > 5` is false: data.n is 2",
        "send-a: a by e-mail: waits",
        "came to its end",
        "2026-11-22 12:00:00  a by e-mail: waits",
        "purpose service: unless the customer says no",
        "consent at that time: nothing said",
        "as things stand it leaves on 2026-11-22 12:30:00",
    ];
    says(&book, &record(&customer), "cart", "2026-11-22T11:30", &expected);
    // `never`: once for this cart. Another one is ended by an order.
    customer.hears(&book, "2026-11-23T10:00", "cart", r#"{"k": "k1", "n": 2}"#);
    customer.hears(&book, "2026-11-23T10:01", "cart", r#"{"k": "k2", "n": 2}"#);
    customer.hears(&book, "2026-11-23T10:30", "order", "{}").lives(&book, "2026-11-23T12:00");
    let expected = [
        "rule cart: does not begin, because the customer has already been through this rule",
        "rule cart: its entry ends, because an event of exit_on came first",
        "ended by order of 2026-11-23 11:30:00: an event of exit_on came first",
    ];
    says(&book, &record(&customer), "cart", "2026-11-23T12:00", &expected);
}

#[test]
fn what_came_too_late_or_before_the_rule_is_told_apart() {
    let rules = [("cart", "purpose: service\ntrigger: { event: cart }\nsteps: [{ send: { email: a } }]\n")];
    let book = book(&rules);
    let mut customer = Customer::known(&book);
    customer.hears_at(&book, "2026-11-22T10:00", "2026-11-20T10:00", "cart", "{}");
    let expected = ["rule cart: does not begin, because it would have started too far in the past"];
    says(&book, &record(&customer), "cart", "2026-11-22T11:00", &expected);
    // The same rule, in force since an hour after the cart came.
    let since = BTreeMap::from([("cart".to_owned(), at("2026-11-22T10:30"))]);
    let later = book.clone().in_force_since(since.clone());
    let mut customer = Customer::new("c");
    customer.hears(&book, "2026-11-22T10:00", "basket", "{}");
    customer.snapshot.history[0].event.kind = "cart".to_owned();
    let record = Record { rules_since: since, ..record(&customer) };
    let expected = [
        "rule cart: does not begin, because it happened before the rule was in force",
        "judged by the rule as it is since 2026-11-22 11:30:00: what does not begin is not recorded",
    ];
    says(&later, &record, "cart", "2026-11-22T11:00", &expected);
}

#[test]
fn what_a_rule_waits_for_is_told_without_any_event() {
    let steps = "steps: [{ send: { email: a } }]\n";
    let rules = [
        ("cart", format!("purpose: service\ntrigger: {{ event: cart, if: data.n > 0 }}\n{steps}")),
        ("gone", format!("purpose: service\ntrigger: {{ absent: order, for: 90d }}\n{steps}")),
        (
            "born",
            format!("purpose: service\ntrigger: {{ anniversary: customer.birthday, at: '09:00' }}\n{steps}"),
        ),
        (
            "offer",
            format!(
                "purpose: service\ntrigger: {{ schedule: '0 9 * * Mon', audience: customer.vip }}\n{steps}"
            ),
        ),
        ("off", format!("enabled: false\npurpose: service\ntrigger: {{ event: cart }}\n{steps}")),
    ];
    let book = book(&rules.each_ref().map(|(name, body)| (*name, body.as_str())));
    let mut customer = Customer::known(&book);
    let waits = |customer: &Customer, rule: &str, expected: &[&str]| {
        says(&book, &record(customer), rule, "2026-11-22T10:00", expected);
    };
    let cart =
        ["begins with an event cart", "its condition: `data.n > 0`", "none has come from this customer"];
    waits(&customer, "cart", &cart);
    waits(
        &customer,
        "gone",
        &["begins when no order has come for long enough", "none has come from this customer"],
    );
    waits(&customer, "born", &["begins each year by customer.birthday, which the profile does not hold"]);
    let audience = "as things stand, its audience: `customer.vip` cannot be told: customer.vip is missing";
    waits(&customer, "offer", &["next on 2026-11-23 09:00:00", audience]);
    waits(&customer, "off", &["disabled: it begins nothing"]);
    customer.hears(&book, "2026-11-20T10:00", "order", "{}");
    customer.hears(&book, "2026-11-20T11:00", "customer.updated", r#"{"birthday":"1992-02-29"}"#);
    waits(&customer, "gone", &["without another it begins on 2027-02-18 11:00:00"]);
    waits(&customer, "born", &["next on 2027-02-28 09:00:00"]);
}

#[test]
fn ticks_that_began_nothing_tell_why() {
    let rule = "purpose: service\ntrigger: { schedule: '0 9 * * Mon', audience: customer.vip }\n\
        steps: [{ send: { email: a } }]\n";
    let book = book(&[("offer", rule)]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-20T10:00", "customer.updated", r#"{"vip": false}"#);
    let monday =
        |day: &str, local: &str| Tick { rule: "offer".to_owned(), local: local.to_owned(), planned: at(day) };
    let ticks = vec![
        (monday("2026-11-23T08:00", "2026-11-23T09:00:00"), false),
        (monday("2026-11-16T08:00", "2026-11-16T09:00:00"), false),
        (monday("2026-11-09T08:00", "2026-11-09T09:00:00"), true),
        // Before anybody knew the customer.
        (monday("2025-11-10T08:00", "2025-11-10T09:00:00"), false),
    ];
    let record = Record { ticks, ..record(&customer) };
    let lines = about(&book, &record, "offer", "2026-11-24T10:00");
    let told: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|l| l.contains("its time") || l.starts_with("rule"))
        .collect();
    assert_eq!(
        told,
        [
            "2026-11-23 09:00:00  rule offer, its time 2026-11-23T09:00:00",
            "rule offer: does not begin, because the rule's condition is false",
            "2026-11-16 09:00:00  rule offer, its time 2026-11-16T09:00:00",
            "rule offer: does not begin, because the condition reads a field that is missing or of another kind",
            "2026-11-09 09:00:00  rule offer, its time 2026-11-09T09:00:00",
            "rule offer: does not begin, because it is too late for it to be sent",
        ]
    );
}

#[test]
fn what_is_recorded_stands_where_the_core_would_say_otherwise_today() {
    let book = book(&[CART]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-22T09:00", "customer.updated", r#"{"vip": true}"#);
    customer
        .hears(&book, "2026-11-22T10:00", "cart", r#"{"k": "k1", "n": 2}"#)
        .lives(&book, "2026-11-22T12:00");
    let differs = |items: &[Item]| {
        let run = items.iter().find_map(|item| match &item.what {
            What::Entry(run) => Some(run.differs),
            _ => None,
        });
        run.unwrap()
    };
    assert!(!differs(&story(&book, &customer, "2026-11-22T12:00")));
    // As if the branch had been another: the message that it would have made is not recorded.
    let trigger = customer.snapshot.entries[0].trigger.as_mut().unwrap();
    std::sync::Arc::make_mut(&mut trigger.data)["n"] = 9.into();
    let items = story(&book, &customer, "2026-11-22T12:00");
    assert!(differs(&items));
    let text = tell(&items, Language::English, at("2026-11-22T12:00"));
    assert!(
        text.contains("by what is known today it would have gone another way: what is recorded stands"),
        "{text}"
    );
    assert!(text.contains("send-a: a by e-mail: waits"), "{text}");
}

#[test]
fn of_the_erased_what_is_left_is_told() {
    let book = book(&[CART]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-22T10:00", "cart", r#"{"k": "k1", "n": 2}"#);
    customer.hears(&book, "2026-11-23T10:00", "customer.deleted", "{}");
    let mut record = record(&customer);
    // As the store leaves them.
    record.snapshot.history = customer.snapshot.history.clone();
    let items = explain(&book, &record, Asked::default(), at("2026-11-24T10:00"));
    assert!(matches!(&items[0].what, What::Customer(customer) if customer.erased));
    let text = tell(&items, Language::French, at("2026-11-24T10:00"));
    assert!(text.contains("effacé\u{a0}: il ne reste que"), "{text}");
}

/// A minute, a kind of event, and what varies in its data.
type Fact = (i64, u8, u8);

fn event(number: usize, (minute, kind, variant): Fact) -> Event {
    let (kind, data) = match kind {
        0 => ("customer.updated", json!({ "vip": variant > 1 })),
        1 => ("order", json!({})),
        2 => {
            let status = ["granted", "denied", "withdrawn", "pending"][usize::from(variant)];
            ("consent.changed", json!({ "channel": "email", "purpose": "marketing", "status": status }))
        }
        _ => ("cart", json!({ "k": format!("k{}", variant % 2), "n": variant * 3 })),
    };
    let time = at("2026-11-23T08:00") + TimeDelta::minutes(minute);
    Event {
        id: format!("e{number}"),
        source: "/t".into(),
        kind: kind.into(),
        subject: "c".into(),
        time,
        data: data.into(),
        trace: None,
    }
}

const RULES: [(&str, &str); 5] = [
    CART,
    (
        "again",
        "purpose: marketing\ntrigger: { event: cart, key: data.k }\nre_entry: restart\nexit_on: [order]\n\
         steps: [{ wait: 40m }, { send: { email: a } }, { wait: 1h }, { promo_code: { prefix: P, discount: 5%, \
         valid_for: 7d } }, { send: { email: b } }]\n",
    ),
    (
        "after",
        "purpose: service\ntrigger: { event: cart, if: data.n > 0 }\nre_entry: after 30m\n\
         steps: [{ wait: { until: '10:00' } }, { send: { email: a } }]\n",
    ),
    (
        "gone",
        "purpose: service\ntrigger: { absent: order, for: 50m, if: customer.vip }\nsteps: [{ send: { email: c } }]\n",
    ),
    (
        "awaits",
        "purpose: marketing\ntrigger: { event: order }\nre_entry: always\n\
         steps: [{ wait: 5m }, { send: { email: a, wait_for_consent: 1h } }]\n",
    ),
];

/// Lets the timers run that are due before `until`.
fn live(customer: &mut Customer, book: &Book, until: DateTime<Utc>) {
    while let Some(due) = customer.snapshot.next_due().filter(|due| *due < until) {
        customer.lives(book, &due.format("%Y-%m-%dT%H:%M").to_string());
    }
}

fn considered(items: &[Item]) -> impl Iterator<Item = (&Considered, String)> {
    items.iter().flat_map(|item| match &item.what {
        What::Event(event) => {
            let occurrence = format!("{}#{}", event.source, event.id);
            event.rules.iter().map(|c| (c, occurrence.clone())).collect()
        }
        _ => Vec::new(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_story_never_contradicts_what_was_decided(
        mut facts in prop::collection::vec((0..300_i64, 0..6_u8, 0..4_u8), 1..12),
        end in 0..400_i64,
    ) {
        let book = book(&RULES);
        facts.sort_unstable();
        // Two facts at one instant have no order that the clock could tell.
        facts.dedup_by_key(|(minute, ..)| *minute);
        let mut customer = Customer::known(&book);
        for (number, fact) in facts.iter().enumerate() {
            let event = event(number, *fact);
            live(&mut customer, &book, event.time);
            let now = event.time;
            customer.takes(&book, now, event);
        }
        let now = at("2026-11-23T08:00") + TimeDelta::minutes(end.max(facts.last().map_or(0, |f| f.0)));
        live(&mut customer, &book, now);
        let now_text = now.format("%Y-%m-%dT%H:%M").to_string();
        let items = story(&book, &customer, &now_text);

        // Each event, entry and message has its place, each once, the newest first.
        let count = |is: fn(&What) -> bool| items.iter().filter(|item| is(&item.what)).count();
        prop_assert_eq!(count(|w| matches!(w, What::Event(_))), customer.snapshot.history.len());
        prop_assert_eq!(count(|w| matches!(w, What::Entry(_))), customer.snapshot.entries.len());
        prop_assert_eq!(count(|w| matches!(w, What::Message(_))), customer.messages.len());
        prop_assert!(items[1..].windows(2).all(|pair| pair[0].at >= pair[1].at));
        for message in &customer.messages {
            let told = items.iter().any(|item| match &item.what {
                What::Message(sent) => {
                    (&sent.id, sent.state, sent.reason) == (&message.id, message.state, message.reason)
                }
                _ => false,
            });
            prop_assert!(told, "{message:?}");
            // Its step shows it, too.
            let shown = items.iter().any(|item| match &item.what {
                What::Entry(run) => serde_json::to_string(&run.steps).unwrap().contains(&message.id),
                _ => false,
            });
            prop_assert!(shown, "{message:?}");
        }
        // What came in order and was decided in time is told as it was decided.
        for item in &items {
            if let What::Entry(run) = &item.what {
                prop_assert!(!run.differs, "{run:?}");
            }
        }
        for (considered, occurrence) in considered(&items) {
            let begun = customer
                .snapshot
                .entries
                .iter()
                .any(|e| e.rule == considered.rule && e.occurrence == occurrence);
            match &considered.outcome {
                Outcome::Began { .. } => prop_assert!(begun),
                Outcome::WouldBegin => prop_assert!(false, "{considered:?}"),
                // Its own event could not tell what comes after it.
                Outcome::Broken { at } => prop_assert!(!begun && *at <= now),
                Outcome::NotBegun { reason, detail } => {
                    prop_assert!(!begun);
                    let decided = customer
                        .skipped
                        .iter()
                        .any(|s| (&s.rule, &s.occurrence, &s.reason, &s.detail) == (&considered.rule, &occurrence, reason, detail));
                    prop_assert!(decided, "{considered:?} of {:?}", customer.skipped);
                }
                Outcome::Ends { .. } => {}
            }
        }
        // Nothing that was refused is passed over in silence.
        for skip in &customer.skipped {
            let events = customer.snapshot.history.iter().map(|fact| occurrence_of(&fact.event));
            if events.into_iter().any(|occurrence| occurrence == skip.occurrence) {
                let told = considered(&items).any(|(c, occurrence)| c.rule == skip.rule && occurrence == skip.occurrence);
                prop_assert!(told, "{skip:?}");
            }
        }
        // And in words it neither fails nor says nothing.
        for language in [Language::English, Language::French] {
            prop_assert!(tell(&items, language, now).lines().count() > items.len());
        }
    }
}
