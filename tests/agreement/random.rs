//! Rule sets and histories that nobody thought of: what the simulator says, a worker on a real database does, and what is
//! told of each customer afterwards contradicts neither.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use declic::active::{Active, Checked};
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::event::Event;
use declic::domain::explain::story::What;
use declic::domain::explain::{Asked, Record, explain};
use declic::domain::message::{Message, MessageState};
use declic::simulate::{Line, Simulation};
use serde_json::{Value, json};

use crate::support::place::{Place, on_postgres, on_sqlite};
use crate::support::random::Random;

const CUSTOMERS: u64 = 6;

/// How long events happen, and how long what they began is looked at.
const EVENTS_FOR: TimeDelta = TimeDelta::days(3);
const LIVES_FOR: TimeDelta = TimeDelta::days(5);

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\ndefault_country: FR\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\nsms: { sender: \"36180\" }\n";

const MAIL: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{sender.postal_address}} \
    {{#if unsubscribe_url}}{{unsubscribe_url}}{{/if}}{{#if promo_code}}{{promo_code.code}}{{/if}}</mj-text>\
    </mj-column></mj-section></mj-body></mjml>\n";

const KINDS: [&str; 4] = ["cart", "order", "visit", "emptied"];
const PURPOSES: [&str; 3] = ["marketing", "service", "transactional"];

/// True of some, false of others, and of some it cannot be told.
const CONDITIONS: [&str; 6] = [
    "customer.vip",
    "customer.points >= 10 && has(customer.email)",
    "customer.country in [\"FR\", \"BE\"] || customer.vip",
    "data.n > 1",
    "data.n > customer.points || data.k == \"k1\"",
    "!has(data.k) || customer.vip",
];

/// Of these, those that read the customer only.
const OF_CUSTOMERS: usize = 3;

/// Between one minute and `most`, in whole minutes.
fn time(random: &mut Random, most: u64) -> String {
    format!("{}m", random.between(1, most))
}

fn trigger(random: &mut Random) -> (String, bool) {
    let condition = |random: &mut Random, among: usize| {
        random.one_in(2).then(|| format!(", if: '{}'", random.pick(&CONDITIONS[..among])))
    };
    let (kind, hour) = (*random.pick(&KINDS), random.between(0, 23));
    match random.between(0, 5) {
        0 => {
            let condition = condition(random, OF_CUSTOMERS).unwrap_or_default();
            (format!("{{ absent: {kind}, for: {}{condition} }}", time(random, 1_000)), true)
        }
        1 => (format!("{{ anniversary: customer.birthday, at: \"{hour:02}:00\" }}"), false),
        2 => {
            let zone = if random.one_in(2) { ", timezone: Europe/Paris" } else { "" };
            let audience = random.pick(&CONDITIONS[..OF_CUSTOMERS]);
            (format!("{{ schedule: \"0 {hour} * * *\"{zone}, audience: '{audience}' }}"), false)
        }
        _ => {
            let condition = condition(random, CONDITIONS.len()).unwrap_or_default();
            let key = if random.one_in(2) { ", key: data.k" } else { "" };
            (format!("{{ event: {kind}{condition}{key} }}"), true)
        }
    }
}

/// Steps, those of an `if` further in.
fn steps(random: &mut Random, of_event: bool, indent: usize, ids: &mut usize) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        let _ = writeln!(text, "{:indent$}- {words}", "");
    };
    for _ in 0..random.between(1, 3) {
        *ids += 1;
        let id = *ids;
        match random.between(0, 7) {
            0 | 1 => line(format!("{{ wait: {}, id: w{id} }}", time(random, 1_500))),
            2 => line(format!("{{ wait: {{ until: \"{:02}:00\", id: w{id} }} }}", random.between(0, 23))),
            3 if indent < 6 => {
                let among = if of_event { CONDITIONS.len() } else { OF_CUSTOMERS };
                let condition = random.pick(&CONDITIONS[..among]);
                let then = steps(random, of_event, indent + 4, ids);
                line(format!("if: '{condition}'\n{:indent$}  id: i{id}\n{:indent$}  then:\n{then}", "", ""));
            }
            4 => {
                line(format!(
                    "{{ promo_code: {{ prefix: P{id}, discount: 5%, valid_for: 7d, id: p{id} }} }}"
                ));
                line(format!("{{ send: {{ email: m, id: s{id} }} }}"));
            }
            _ => {
                let channels = *random.pick(&[
                    "email: m",
                    "sms: s",
                    "email: m, sms: s",
                    "email: m, sms: s, prefer: sms",
                ]);
                let awaits = match random.one_in(4) {
                    true => format!(", wait_for_consent: {}", time(random, 900)),
                    false => String::new(),
                };
                let expires = time(random, 4_000);
                line(format!("{{ send: {{ {channels}, expire_after: {expires}{awaits}, id: s{id} }} }}"));
            }
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn rule(random: &mut Random, name: &str) -> SourceFile {
    let purpose = random.pick(&PURPOSES);
    let (trigger, of_event) = trigger(random);
    let re_entry = *random.pick(&["never", "always", "restart", "after 3h"]);
    // What begins it cannot end it.
    let exit = *random.pick(&KINDS);
    let exits = match random.one_in(2) && !trigger.contains(exit) {
        true => format!("exit_on: [{exit}]\n"),
        false => String::new(),
    };
    // A schedule or an anniversary begins once for each of its ticks.
    let re_entry = if of_event { format!("re_entry: {re_entry}\n") } else { String::new() };
    // Whatever else comes of it, something is sent.
    let steps = steps(random, of_event, 2, &mut 0) + "  - { send: { email: m, id: last } }\n";
    let text =
        format!("rule: {name}\npurpose: {purpose}\ntrigger: {trigger}\n{re_entry}{exits}steps:\n{steps}");
    SourceFile { path: format!("rules/{name}.yaml"), text }
}

fn rules(random: &mut Random) -> Vec<SourceFile> {
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    let caps = match random.between(0, 2) {
        0 => String::new(),
        1 => "frequency_caps: [{ limit: 4 per 1d, when_full: skip }]\n".to_owned(),
        _ => "frequency_caps: [{ channel: email, limit: 2 per 1d, when_full: defer }]\n".to_owned(),
    };
    let mut files = vec![
        file("rules/policy.yaml", format!("{POLICY}{caps}")),
        file("templates/m/email.fr.mjml", MAIL.to_owned()),
        file("templates/s/sms.fr.txt", "Bonjour".to_owned()),
    ];
    for n in 0..random.between(2, 4) {
        files.push(rule(random, &format!("r{n}")));
    }
    files
}

/// What is known of customers at first, and what happens to them: each event with the instant at which it arrives. No two
/// arrive together, nor when a whole number of minutes after another is over: which of them comes first would be chance.
fn history(random: &mut Random, start: DateTime<Utc>) -> Vec<(DateTime<Utc>, Event)> {
    let mut events = Vec::new();
    let mut add = |random: &mut Random, n: usize, kind: &str, data: Value| {
        let customer =
            format!("c{}", if n < CUSTOMERS as usize { n as u64 } else { random.between(0, CUSTOMERS - 1) });
        let within = if n < CUSTOMERS as usize { 3_600 } else { EVENTS_FOR.num_seconds().unsigned_abs() };
        let time =
            start + TimeDelta::microseconds((random.between(1, within) * 1_000_000 + n as u64 + 1) as i64);
        let late = if random.one_in(5) { random.between(0, 7199) } else { 0 };
        let arrives = time + TimeDelta::microseconds((late * 1_000_000) as i64);
        let (id, source) = (format!("e{n}"), "/t".to_owned());
        events.push((
            arrives,
            Event {
                id,
                source,
                kind: kind.to_owned(),
                subject: customer,
                time,
                data: data.into(),
                trace: None,
            },
        ));
    };
    let consent = |random: &mut Random| {
        let channel = *random.pick(&["email", "sms"]);
        let status = *random.pick(&["granted", "granted", "granted", "withdrawn", "pending"]);
        json!({ "channel": channel, "purpose": random.pick(&PURPOSES[..2]), "status": status })
    };
    for n in 0..CUSTOMERS as usize {
        let born = start + TimeDelta::days(random.between(0, 6) as i64);
        let zone = *random.pick(&["Europe/Paris", "America/Toronto", "Asia/Tokyo"]);
        let mut profile = json!({
            "email": format!("c{n}@example.com"), "phone": format!("+3361234560{n}"), "timezone": zone,
            "birthday": born.format("1990-%m-%d").to_string(), "points": random.between(0, 19), "vip": random.one_in(2),
            "country": random.pick(&["FR", "BE", "US"]), "consents": [consent(random), consent(random)],
        });
        for attribute in ["email", "phone", "vip", "points", "country"] {
            if random.one_in(6) {
                profile.as_object_mut().expect("an object").remove(attribute);
            }
        }
        let kind = *random.pick(&["customer.signed_up", "customer.updated"]);
        add(random, n, kind, profile);
    }
    for n in CUSTOMERS as usize..60 {
        let (kind, data) = match random.between(0, 7) {
            0 => ("customer.updated", json!({ "vip": random.one_in(2), "points": random.between(0, 19) })),
            1 => ("consent.changed", consent(random)),
            _ => {
                let mut data =
                    json!({ "n": random.between(0, 3), "k": format!("k{}", random.between(0, 2)) });
                if random.one_in(4) {
                    data.as_object_mut().expect("an object").remove("k");
                }
                (*random.pick(&KINDS), data)
            }
        };
        add(random, n, kind, data);
    }
    events.sort_by_key(|(arrives, _)| *arrives);
    events
}

fn active(files: &[SourceFile]) -> Active {
    let checked = Checked::new(files);
    assert!(!checked.has_errors(), "{}", render(&checked.diagnostics, files, false));
    checked.activate(files, b"secret".to_vec())
}

fn simulated(files: &[SourceFile], start: DateTime<Utc>, events: &[(DateTime<Utc>, Event)]) -> Vec<Line> {
    let active = active(files);
    let mut simulation = Simulation::new(&active, "https://news.example.com", start);
    for (arrives, event) in events {
        simulation.run_until(*arrives);
        simulation.event(event.clone());
    }
    simulation.run_until(start + LIVES_FOR);
    simulation.into_lines().0
}

/// The same, lived through: the clock stops at every event, at all that is due, and at each full hour, for ticks.
async fn lived(place: &Place, start: DateTime<Utc>, events: &[(DateTime<Utc>, Event)]) {
    let (mut now, mut rest) = (start, events);
    loop {
        let count = rest.iter().take_while(|(arrives, _)| *arrives <= now).count();
        let arrived: Vec<Event> = rest[..count].iter().map(|(_, event)| event.clone()).collect();
        rest = &rest[count..];
        place.live(now, &arrived).await;
        if now >= start + LIVES_FOR {
            return;
        }
        let hour = now.duration_trunc(TimeDelta::hours(1)).expect("an hour") + TimeDelta::hours(1);
        let arrival = rest.first().map(|(arrives, _)| *arrives);
        let next = arrival.into_iter().chain(place.next().await).chain([hour]).min();
        now = next.unwrap_or(hour).min(start + LIVES_FOR);
    }
}

/// (customer, rule, step, channel, template, status, reason, promo code)
type Kind = [String; 8];

/// Of each kind, when they went or were to go.
fn by_kind<T>(all: &[T], row: impl Fn(&T) -> (Kind, DateTime<Utc>)) -> BTreeMap<Kind, Vec<DateTime<Utc>>> {
    let mut kinds: BTreeMap<Kind, Vec<DateTime<Utc>>> = BTreeMap::new();
    for one in all {
        let (kind, at) = row(one);
        kinds.entry(kind).or_default().push(at);
    }
    kinds.values_mut().for_each(|instants| instants.sort_unstable());
    kinds
}

fn of_line(line: &Line) -> (Kind, DateTime<Utc>) {
    let code = line.promo_code.clone().unwrap_or_default();
    let words = [&line.customer, &line.rule, &line.step, line.channel, &line.template, line.status];
    let [customer, rule, step, channel, template, status] = words.map(str::to_owned);
    (
        [customer, rule, step, channel, template, status, line.reason.unwrap_or_default().to_owned(), code],
        line.at,
    )
}

fn of_message(message: &Message) -> (Kind, DateTime<Utc>) {
    let Message { customer_id, rule, step, template, .. } = message;
    let reason = message.reason.map_or("", |reason| reason.as_str());
    let code = message.promo_code.as_deref().unwrap_or_default();
    let status = message.state.as_str();
    let words = [customer_id, rule, step, message.channel.as_str(), template, status, reason, code];
    // The planned instant, or to when it was put off last.
    (words.map(str::to_owned), message.due_at)
}

fn describe(files: &[SourceFile], events: &[(DateTime<Utc>, Event)], customer: &str) -> String {
    let mut text = String::new();
    for file in files.iter().filter(|file| file.path.starts_with("rules/")) {
        let _ = writeln!(text, "{}\n{}", file.path, file.text);
    }
    for (arrives, event) in events.iter().filter(|(_, event)| event.subject == customer) {
        let _ = writeln!(text, "{} {} {arrives} {}", event.time, event.kind, event.data);
    }
    text
}

/// What is told of a customer has each message once, as it is, and finds nothing that the core would do otherwise.
/// Unless facts came late, of which it says so.
async fn told(place: &Place, files: &[SourceFile], messages: &[Message], now: DateTime<Utc>, about: &str) {
    let customer = place.store.customer(about).await.expect("read").expect("known");
    let mut history = place.store.events_of(about, 1_000).await.expect("read");
    let in_time = history.iter().all(|fact| fact.received_at == fact.event.time);
    history.sort_by(|a, b| a.event.place().cmp(&b.event.place()));
    let theirs: Vec<Message> = messages.iter().filter(|m| m.customer_id == about).cloned().collect();
    let record =
        Record { messages: theirs.clone(), snapshot: customer.with_history(history), ..Record::default() };
    let items = explain(&active(files).book, &record, Asked::default(), now);
    let (mut told, mut entries) = (0, 0);
    for item in &items {
        match &item.what {
            What::Message(message) => {
                let meant = theirs.iter().find(|m| m.id == message.id).expect("one of theirs");
                assert_eq!((message.state, message.reason), (meant.state, meant.reason));
                told += 1;
            }
            What::Entry(run) => {
                assert!(in_time && !run.differs || !in_time && !run.version_lost, "{about}: {run:#?}");
                entries += 1;
            }
            _ => {}
        }
    }
    assert_eq!((told, entries), (theirs.len(), record.snapshot.entries.len()), "{about}");
}

async fn agree(url: String, seed: u64) {
    let mut random = Random::new(seed, 1);
    let start: DateTime<Utc> = "2026-03-26T06:00:00Z".parse().expect("an instant");
    let (files, events) = (rules(&mut random), history(&mut random, start));
    let lines = simulated(&files, start, &events);
    let place = Place::open(&url, &files, start, 1).await;
    lived(&place, start, &events).await;
    let messages = place.messages().await;
    let (expected, came) = (by_kind(&lines, of_line), by_kind(&messages, of_message));
    let kinds: BTreeSet<&Kind> = expected.keys().chain(came.keys()).collect();
    let apart: Vec<&Kind> = kinds.into_iter().filter(|kind| expected.get(*kind) != came.get(*kind)).collect();
    if let Some(first) = apart.first() {
        let mut text = describe(&files, &events, &first[0]);
        for kind in &apart {
            let (simulated, lived) = (expected.get(*kind), came.get(*kind));
            let _ = writeln!(text, "{kind:?}\n    simulated {simulated:?}\n    lived {lived:?}");
        }
        panic!("seed {seed}, of {}:\n{text}", first[0]);
    }
    for n in 0..CUSTOMERS {
        told(&place, &files, &messages, start + LIVES_FOR, &format!("c{n}")).await;
    }
    let sent = messages.iter().filter(|m| m.state == MessageState::Sent).count();
    eprintln!("seed {seed}: {} messages, {sent} sent", messages.len());
    place.close().await;
}

/// Some seconds each. `AGREEMENT_SEED` takes another one.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("AGREEMENT_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (1..=count).collect(),
    }
}

#[test]
fn whatever_the_rules_and_events_the_simulator_the_worker_and_the_story_agree_on_sqlite() {
    for seed in seeds(3) {
        on_sqlite(async |url| agree(url, seed).await);
    }
}

#[test]
fn whatever_the_rules_and_events_the_simulator_the_worker_and_the_story_agree_on_postgres() {
    for seed in seeds(2) {
        on_postgres(async |url| agree(url, seed).await);
    }
}
