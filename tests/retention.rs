//! Retention in a worker: it changes nothing about what is sent, and leaves nothing of a person when their time is over.

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use declic::domain::diagnostic::SourceFile;
use declic::domain::event::Event;
use declic::files;
use serde_json::{Value, json};

use support::Folder;
use support::place::{Place, on_postgres, on_sqlite};
use support::random::Random;

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n\
    frequency_caps: [{ purpose: marketing, limit: 2 per 2d }]\n";

const RETENTION: &str = "retention:\n  events: { active: 5d }\n  messages: { active: 5d, archive: 10d }\n  \
    promo_codes: { active: 1d }\n  customers: { active: 6d, archive: 3y }\n";

const RULES: [(&str, &str); 5] = [
    (
        "restart",
        "purpose: marketing\ntrigger: { event: cart, if: data.n > 0, key: data.k }\nre_entry: restart\n\
         exit_on: [order]\nsteps: [{ wait: 3h }, { send: { email: a } }, { wait: 1d }, { promo_code: { prefix: P, \
         discount: 5%, valid_for: 1d } }, { send: { email: b } }]\n",
    ),
    (
        "never",
        "purpose: service\ntrigger: { event: cart, if: customer.vip }\nsteps: [{ wait: 4h }, { send: { email: a } }]\n",
    ),
    (
        "after",
        "purpose: service\ntrigger: { event: cart, key: data.k }\nre_entry: after 2d\nexit_on: order\n\
         steps: [{ wait: 5h }, { send: { email: a } }]\n",
    ),
    (
        "absent",
        "purpose: transactional\ntrigger: { absent: order, for: 2d }\nsteps: [{ send: { email: a } }]\n",
    ),
    (
        "welcome",
        "purpose: service\ntrigger: { event: customer.signed_up }\nsteps: [{ send: { email: a } }]\n",
    ),
];

fn shop(retention: &str) -> Vec<SourceFile> {
    let file = |path: String, text: String| SourceFile { path, text };
    let mut files = vec![file("rules/policy.yaml".into(), format!("{POLICY}{retention}"))];
    files.extend(
        RULES.iter().map(|(name, body)| file(format!("rules/{name}.yaml"), format!("rule: {name}\n{body}"))),
    );
    let mail = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{#if unsubscribe_url}}x{{/if}}\
        {{#if promo_code}}x{{/if}}{{sender.postal_address}}</mj-text></mj-column></mj-section></mj-body></mjml>";
    files.extend(["a", "b"].map(|t| file(format!("templates/{t}/email.fr.mjml"), mail.into())));
    files
}

fn begin() -> DateTime<Utc> {
    "2026-03-02T08:00:00Z".parse().expect("a time")
}

/// Something that a customer did lately.
fn random_event(random: &mut Random, n: usize, now: DateTime<Utc>) -> Event {
    let key = format!("k{}", random.between(0, 1));
    let (kind, data): (&str, Value) = match random.between(0, 9) {
        0 | 1 => ("customer.signed_up", json!({ "email": "c@x.fr", "vip": random.one_in(2) })),
        2 => ("customer.updated", json!({ "vip": random.one_in(2) })),
        3 => ("order", json!({ "k": key })),
        4 => ("order", json!({})),
        5 | 6 => {
            let status = *random.pick(&["granted", "granted", "withdrawn"]);
            ("consent.changed", json!({ "channel": "email", "purpose": "marketing", "status": status }))
        }
        _ => ("cart", json!({ "k": key, "n": random.between(0, 3) })),
    };
    Event {
        id: format!("e{n}"),
        source: "/t".into(),
        kind: kind.into(),
        subject: format!("c{}", random.between(0, 3)),
        time: now - TimeDelta::minutes(i64::try_from(random.between(0, 30 * 60)).expect("small")),
        data: data.into(),
        trace: None,
    }
}

/// What was sent so far, in a fixed order: rule, customer, occurrence and step tell each message.
fn sent(place: &Place) -> Vec<String> {
    let mut sent: Vec<String> =
        place.capture.list().iter().map(|c| c.parcel.message_id().to_owned()).collect();
    sent.sort();
    sent
}

/// What one of them has sent and the other has not, and what its customer did.
async fn differences(all: &Place, some: &Place, told: &[Event]) -> String {
    let (ours, theirs) = (sent(some), sent(all));
    let mut words = String::new();
    for (place, mine, others) in [(some, &ours, &theirs), (all, &theirs, &ours)] {
        for id in mine.iter().filter(|id| !others.contains(id)) {
            for at in [place, if std::ptr::eq(place, all) { some } else { all }] {
                let message = at.store.message(id).await.expect("read");
                words += &format!("{id} on {}: {message:?}\n", at.store.backend());
                let Some(customer) = message.map(|message| message.customer_id) else { continue };
                for event in told.iter().filter(|event| event.subject == customer) {
                    words += &format!("  {} {} {} {}\n", event.time, event.id, event.kind, event.data);
                }
                let state = at.store.customer(&customer).await.expect("read").expect("known");
                for entry in state.entries {
                    words += &format!("  {entry:?}\n");
                }
            }
        }
    }
    words
}

/// One shop that keeps all, and one that archives and deletes at every step, hear the same: new events and old ones again.
async fn the_same_is_sent(kept: &str, forgotten: &str, seed: u64) {
    let mut random = Random::new(seed, 1);
    let all = Place::open(kept, &shop(""), begin(), 1).await;
    let some = Place::open(forgotten, &shop(RETENTION), begin(), 1).await;
    let (mut now, mut told) = (begin(), Vec::<Event>::new());
    for step in 0..45 {
        // Now and then so long that all fall silent, and are archived.
        let hours = if random.one_in(9) { 24 * 8 } else { random.between(1, 20) };
        now += TimeDelta::hours(i64::try_from(hours).expect("small"));
        let mut events = Vec::new();
        for _ in 0..random.between(0, 3) {
            events.push(random_event(&mut random, told.len() + events.len(), now));
        }
        told.extend(events.iter().cloned());
        // Old ones, delivered again: most of them are not there any more.
        for _ in 0..random.between(0, 4) {
            if !told.is_empty() {
                events.push(random.pick(&told).clone());
            }
        }
        if step % 11 == 10 {
            events.extend(told.iter().cloned());
        }
        // One by one: a withdrawal beside a message on its way to the sender comes before it or after it.
        for place in [&all, &some] {
            place.live(now, &[]).await;
            for event in &events {
                place.live(now, std::slice::from_ref(event)).await;
            }
        }
        some.keeper().whole(|| ()).await.expect("a pass");
        if sent(&some) != sent(&all) {
            panic!("seed {seed}, step {step}, {now}:\n{}", differences(&all, &some, &told).await);
        }
    }
    let (before, after) = (sent(&all), sent(&some));
    assert!(before.len() >= 10, "seed {seed} sends {} only", before.len());
    let mut once = after.clone();
    once.dedup();
    assert_eq!(once, after, "none twice");
    let runs = some.store.retention_runs().await.expect("read");
    for (kind, phase) in [("events", "deleted"), ("messages", "archived"), ("customers", "archived")] {
        assert!(
            runs.iter().any(|row| row.kind == kind && row.phase == phase),
            "seed {seed}: no {kind} {phase}"
        );
    }
    all.close().await;
    some.close().await;
}

/// These, or the one that `RETENTION_SEED` names.
fn seeds(usual: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    let one = std::env::var("RETENTION_SEED").ok().and_then(|seed| seed.parse().ok());
    one.map_or_else(|| usual.collect(), |seed| vec![seed])
}

#[test]
fn what_is_sent_does_not_depend_on_retention_on_sqlite() {
    let folder = Folder::new("keeps-all");
    for seed in seeds(1..=3) {
        let all = format!("sqlite:{}", folder.join(&format!("all-{seed}.db")).display());
        on_sqlite(async |url| the_same_is_sent(&all, &url, seed).await);
    }
}

#[test]
fn what_is_sent_does_not_depend_on_retention_on_postgresql() {
    for seed in seeds(4..=5) {
        on_postgres(async |url| {
            let folder = Folder::new("keeps-all");
            let all = format!("sqlite:{}", folder.join("all.db").display());
            the_same_is_sent(&all, &url, seed).await;
        });
    }
}

/// What tells who it was.
const TRACES: [&str; 5] = ["Quatremer", "zoe.q@example.org", "33698765432", "203.0.113.77", "rue des Lilas"];

fn event(id: &str, kind: &str, time: DateTime<Utc>, data: Value) -> Event {
    let (id, source, kind, subject) =
        (id.to_owned(), "/shop".to_owned(), kind.to_owned(), "c-4711".to_owned());
    Event { id, source, kind, subject, time, data: data.into(), trace: None }
}

/// The files below a folder in which one of the traces stands, whatever its case.
fn found_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let files = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    for path in files.filter(|path: &PathBuf| path.is_file()) {
        let bytes = std::fs::read(&path).expect("a file").to_ascii_lowercase();
        let traces = TRACES.iter().filter(|trace| {
            let trace = trace.to_lowercase().into_bytes();
            bytes.windows(trace.len()).any(|window| window == trace)
        });
        found.extend(traces.map(|trace| format!("{trace} in {}", path.display())));
    }
    found
}

/// What the worker does once an hour, when the broker has heard of everything.
async fn pass(place: &Place) {
    let outcomes = place.store.unpublished_outcomes(1_000).await.expect("read").outcomes;
    let ids: Vec<String> = outcomes.into_iter().map(|outcome| outcome.id).collect();
    place.store.mark_published(&ids).await.expect("marked");
    place.keeper().whole(|| ()).await.expect("a pass");
}

/// Three years of silence, two in the archive: sealed, then gone.
#[test]
fn nothing_of_a_customer_is_left_in_the_files_when_their_time_is_over() {
    let folder = Folder::new("retention");
    let url = format!("sqlite:{}", folder.join("declic.db").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut rules = files::read(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the shipped rules");
        let policy = rules.iter_mut().find(|file| file.path == "rules/policy.yaml").expect("the policy");
        policy.text += "\nretention:\n  events: { active: 2y, archive: 1y }\n  messages: { active: 3y }\n  \
            customers: { active: 3y, archive: 2y }\n  consents: { active: 5y }\n";
        let place = Place::open(&url, &rules, begin(), 1).await;
        let profile = json!({
            "email": "Zoe.Q@example.org", "first_name": "Zoé", "last_name": "Quatremer", "locale": "fr-FR",
            "phone": "+33698765432", "country": "FR", "address": "3 rue des Lilas",
            "consents": [{ "channel": "email", "purpose": "marketing", "status": "granted", "ip": "203.0.113.77" }],
        });
        place.live(begin(), &[event("in", "customer.signed_up", begin(), profile)]).await;
        assert!(!place.capture.list().is_empty(), "they were welcomed");
        let years = |years: i64| begin() + TimeDelta::days(365 * years + 2);
        place.live(begin() + TimeDelta::days(100), &[]).await;
        place.clock.set(years(2));
        pass(&place).await;
        assert!(!found_in(folder.path()).is_empty(), "the search finds what is there");

        place.clock.set(years(3));
        pass(&place).await;
        assert_eq!(found_in(folder.path()), Vec::<String>::new(), "all of it is sealed");
        let held = json!(place.store.holdings("c-4711").await.expect("read").expect("known")).to_string();
        for trace in TRACES {
            assert!(held.to_lowercase().contains(&trace.to_lowercase()), "{trace} is told from the archive: {held}");
        }

        place.clock.set(years(5));
        pass(&place).await;
        let held = place.store.holdings("c-4711").await.expect("read").expect("an id");
        let text = json!(held).to_string().to_lowercase();
        assert!(TRACES.iter().all(|trace| !text.contains(&trace.to_lowercase())), "{text}");
        assert!(!held["consents"].as_array().expect("a list").is_empty(), "what was agreed stays, without its proof");

        place.clock.set(years(11));
        pass(&place).await;
        let held = place.store.holdings("c-4711").await.expect("read").expect("an id");
        assert!(held["consents"].as_array().expect("a list").is_empty());
        assert_eq!(place.store.kept_ledgers("", 9).await.expect("read").iter().filter(|l| l.was_over).count(), 1);
        place.close().await;
    });
    assert_eq!(found_in(folder.path()), Vec::<String>::new());
}
