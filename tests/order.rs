//! Properties of the core: the order and the repetition of arrivals do not matter, and nothing happens twice.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use declic::active::Checked;
use declic::domain::admit::{Gate, Known, Question, admit_now};
use declic::domain::decide;
use declic::domain::diagnostic::SourceFile;
use declic::domain::event::Event;
use declic::domain::message::{Message, MessageState};
use declic::domain::rules::book::Book;
use declic::domain::snapshot::{Fact, Snapshot};
use proptest::prelude::*;
use serde_json::{Value, json};

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n";

/// No first message is due within the two hours in which the events arrive.
const RULES: [(&str, &str); 5] = [
    (
        "restart",
        "purpose: marketing\ntrigger: { event: cart, if: data.n > 0, key: data.k }\nre_entry: restart\n\
         exit_on: [order]\nsteps: [{ wait: 3h }, { send: { email: a } }, { wait: 1d }, { promo_code: { prefix: P, \
         discount: 5%, valid_for: 7d } }, { send: { email: b } }]\n",
    ),
    (
        "never",
        "purpose: service\ntrigger: { event: cart, if: customer.vip }\nsteps: [{ wait: 4h }, { send: { email: a } }]\n",
    ),
    (
        "after",
        "purpose: service\ntrigger: { event: cart, key: data.k }\nre_entry: after 30m\nexit_on: order\n\
         steps: [{ wait: 5h }, { send: { email: a } }]\n",
    ),
    (
        "absent",
        "purpose: transactional\ntrigger: { absent: order, for: 3h }\nsteps: [{ send: { email: a } }]\n",
    ),
    (
        "awaits",
        "purpose: marketing\ntrigger: { event: order }\nre_entry: always\n\
         steps: [{ wait: 6h }, { send: { email: a, wait_for_consent: 2h } }]\n",
    ),
];

/// One whose message, planned for the evening, waits for the next morning.
const PUT_OFF: (&str, &str) = (
    "put-off",
    "purpose: service\ntrigger: { event: cart, key: data.k }\nre_entry: restart\nexit_on: [order]\n\
     steps: [{ wait: 12h }, { send: { sms: s, expire_after: 3d } }]\n",
);

static PUT_OFF_BOOK: LazyLock<Book> = LazyLock::new(|| book_of(&[PUT_OFF]));

fn book() -> Book {
    book_of(&RULES)
}

fn book_of(rules: &[(&str, &str)]) -> Book {
    let file = |path: String, text: String| SourceFile { path, text };
    let sms = "sms: { sender: \"36180\" }\n";
    let mut files = vec![file("rules/policy.yaml".into(), format!("{POLICY}{sms}"))];
    files.extend(
        rules.iter().map(|(name, body)| file(format!("rules/{name}.yaml"), format!("rule: {name}\n{body}"))),
    );
    files.push(file("templates/s/sms.fr.txt".into(), "S".into()));
    let mail = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{#if unsubscribe_url}}x{{/if}}\
        {{#if promo_code}}x{{/if}}</mj-text></mj-column></mj-section></mj-body></mjml>";
    files.extend(["a", "b"].map(|t| file(format!("templates/{t}/email.fr.mjml"), mail.into())));
    let checked = Checked::new(&files);
    assert!(!checked.has_errors(), "{:?}", checked.diagnostics);
    checked.activate(&files, b"secret".to_vec()).book
}

fn begin() -> DateTime<Utc> {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

/// One event: its kind, the minute it happened, and what varies in its data.
fn event() -> impl Strategy<Value = (u8, i64, u8)> {
    (0..6_u8, 0..120_i64, 0..4_u8)
}

fn build(id: usize, (kind, minute, variant): (u8, i64, u8)) -> Event {
    let key = format!("k{}", variant % 2);
    let (kind, data): (&str, Value) = match kind {
        0 => ("customer.signed_up", json!({"email": "c@x.fr", "vip": variant > 1})),
        1 => ("customer.updated", json!({"vip": variant % 2 == 0})),
        2 => ("order", if variant < 2 { json!({"k": key}) } else { json!({}) }),
        3 => {
            let status = ["granted", "denied", "withdrawn", "pending"][usize::from(variant)];
            ("consent.changed", json!({"channel": "email", "purpose": "marketing", "status": status}))
        }
        _ => ("cart", json!({"k": key, "n": variant})),
    };
    Event {
        id: format!("e{id}"),
        source: "/t".into(),
        kind: kind.into(),
        subject: "c".into(),
        time: begin() + TimeDelta::minutes(minute),
        data: data.into(),
        trace: None,
    }
}

/// Takes the events in, in this order, one by one; an event seen before is dropped, as the store does.
fn arrive<'a>(book: &Book, events: impl IntoIterator<Item = &'a Event>) -> Snapshot {
    let now = begin() + TimeDelta::hours(2);
    let mut seen = BTreeSet::new();
    let mut customer = Snapshot { customer_id: "c".into(), ..Snapshot::default() };
    for event in events {
        if seen.insert(event.id.clone()) {
            customer.history.push(Fact { event: event.clone(), received_at: now });
            let verdicts = decide::on_events(book, &customer, std::slice::from_ref(event), now);
            assert!(verdicts.messages.is_empty(), "nothing is due yet");
            customer.evolve(&verdicts);
        }
    }
    customer
}

/// Lets all timers run; what was sent or refused: (id, planned instant, state and reason, code).
fn run(
    book: &Book,
    mut customer: Snapshot,
    twice: bool,
) -> Vec<(String, DateTime<Utc>, String, Option<String>)> {
    let mut messages = BTreeSet::new();
    while let Some(due) = customer.next_due() {
        let now = due.max(begin() + TimeDelta::hours(2));
        let verdicts = decide::on_timer(book, &customer, now);
        if twice {
            assert_eq!(verdicts, decide::on_timer(book, &customer, now));
        }
        for m in &verdicts.messages {
            let fate = format!("{} {:?} {:?}", m.rule, m.state, m.reason);
            assert!(
                messages.insert((m.id.clone(), m.planned_at, fate, m.promo_code.clone())),
                "twice: {m:?}"
            );
            assert!(m.planned_at >= begin());
        }
        customer.evolve(&verdicts);
    }
    let ids: BTreeSet<_> = messages.iter().map(|m| &m.0).collect();
    assert_eq!(ids.len(), messages.len(), "one message, one identity");
    messages.into_iter().collect()
}

/// Lets all timers run, then takes in what was not known before; which messages the gate then lets through at their
/// instants.
fn leaving(book: &Book, mut customer: Snapshot, late: &[&Event]) -> BTreeSet<(String, DateTime<Utc>)> {
    let mut messages = Vec::new();
    while let Some(due) = customer.next_due() {
        let verdicts = decide::on_timer(book, &customer, due);
        messages.extend(verdicts.messages.clone());
        customer.evolve(&verdicts);
    }
    let now = begin() + TimeDelta::hours(20);
    for event in late {
        customer.history.push(Fact { event: (*event).clone(), received_at: now });
        let verdicts = decide::on_events(book, &customer, &[(*event).clone()], now);
        assert!(verdicts.messages.is_empty(), "an exit begins nothing");
        customer.evolve(&verdicts);
    }
    let waiting = messages.into_iter().filter(|m| m.state == MessageState::Deferred);
    let goes = |message: &Message| {
        let known = Known {
            profile: &customer.profile,
            consents: &customer.consents,
            suppressed: &customer.suppressed,
            erased: false,
            exit: customer.exit_of(message),
            held_until: None,
        };
        let gate = admit_now(&Question::about(message, book, known, &[]), message.due_at);
        matches!(gate, Gate::Open { .. })
    };
    waiting.filter(goes).map(|m| (m.id, m.due_at)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_repetition_of_arrivals_gives_the_same_messages(
        events in prop::collection::vec(event(), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let book = book();
        let events: Vec<Event> = events.into_iter().enumerate().map(|(i, e)| build(i, e)).collect();
        let mut sorted = events.clone();
        sorted.sort_by_key(Event::stamp);
        // Some in a random order and again and again, then whatever is left.
        let shuffled: Vec<&Event> = order.iter().map(|i| i.get(&events)).chain(events.iter().rev()).collect();
        let expected = run(&book, arrive(&book, &sorted), true);
        let came = run(&book, arrive(&book, shuffled), false);
        prop_assert_eq!(came, expected);
    }

    /// An exit may become known before the message is decided or while it waits: what leaves is the same.
    #[test]
    fn an_exit_stops_what_waits_whenever_it_becomes_known(
        carts in prop::collection::vec((0..120_i64, 0..2_u8), 1..5),
        orders in prop::collection::vec((0..30 * 60_i64, 0..3_u8, any::<bool>()), 0..4),
    ) {
        let book = &*PUT_OFF_BOOK;
        let event = |id: String, kind: &str, minute: i64, key: u8| Event {
            id,
            source: "/t".into(),
            kind: kind.into(),
            subject: "c".into(),
            time: begin() + TimeDelta::minutes(minute),
            data: if key < 2 { json!({"k": format!("k{key}")}) } else { json!({}) }.into(),
            trace: None,
        };
        let mut first = vec![event("new".into(), "customer.signed_up", -1, 2)];
        first[0].data = json!({"phone": "+33612345678"}).into();
        let carts = carts.iter().enumerate();
        first.extend(carts.map(|(i, (minute, key))| event(format!("cart{i}"), "cart", *minute, *key)));
        let orders: Vec<(Event, bool)> = orders
            .iter()
            .enumerate()
            .map(|(i, (minute, key, late))| (event(format!("order{i}"), "order", *minute, *key), *late))
            .collect();
        let known: Vec<Event> = first.iter().cloned().chain(orders.iter().map(|(e, _)| e.clone())).collect();
        let expected = leaving(book, arrive(book, &known), &[]);
        let early = orders.iter().filter(|(_, late)| !late).map(|(e, _)| e);
        let late: Vec<&Event> = orders.iter().filter(|(_, late)| *late).map(|(e, _)| e).collect();
        let early: Vec<Event> = first.iter().chain(early).cloned().collect();
        prop_assert_eq!(leaving(book, arrive(book, &early), &late), expected);
    }

    #[test]
    fn no_data_of_an_event_makes_a_decision_panic(
        kind in prop::sample::select(vec!["customer.signed_up", "consent.changed", "cart", "order", "customer.deleted"]),
        data in json_value(),
    ) {
        let book = book();
        let event = Event { kind: kind.into(), data: data.into(), ..build(0, (0, 0, 0)) };
        let mut customer = Snapshot { customer_id: "c".into(), ..Snapshot::default() };
        let now = begin();
        customer.history.push(Fact { event: event.clone(), received_at: now });
        let verdicts = decide::on_events(&book, &customer, &[event], now);
        customer.evolve(&verdicts);
        run(&book, customer, true);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof![
            Just("k".to_owned()),
            Just("n".into()),
            Just("email".into()),
            Just("consents".into()),
            Just("timezone".into()),
            Just("vip".into()),
            ".{0,4}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
