//! Long histories: taken apart by customer they come to the same as in one piece, from the database as from a file; and
//! what other rules would change about them.

#[path = "support/random.rs"]
mod random;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::{DateTime, TimeDelta, Utc};
use declic::active::{Active, Checked};
use declic::domain::event::Event;
use declic::files;
use declic::simulate::crowd::play;
use declic::simulate::story::{Group, Span, Story};
use declic::simulate::tally::Summary;
use declic::simulate::{Line, stand_in_secret};
use random::Random;
use serde_json::{Value, json};

const SHOP: &str = env!("CARGO_MANIFEST_DIR");

const DAYS: i64 = 20;

/// A weekly offer, so that the calendar too writes to everybody.
const OFFER: &str = "rule: offer\npurpose: service\ntrigger: { schedule: \"0 9 * * Mon\" }\n\
    steps:\n  - wait: 8d\n  - send: { email: welcome }\n";

/// An empty folder, gone with the test.
struct Folder(PathBuf);

impl Folder {
    /// With the shipped rules and templates.
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("declic-simulate-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        for part in ["rules", "templates"] {
            let copied = Command::new("cp").arg("-r").arg(Path::new(SHOP).join(part)).arg(&path).status();
            assert!(copied.is_ok_and(|status| status.success()));
        }
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).expect("our own folder");
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.0.join(file)).expect("a rule");
        assert!(text.contains(from), "{file} does not hold {from}");
        self.write(file, &text.replace(from, to));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        command.current_dir(&self.0).args(arguments).env_clear().env("RUST_LOG", "error");
        command
    }

    /// What comes of the command, which must succeed.
    fn output(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().expect("declic starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// What it prints.
    fn declic(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.output(arguments).stdout).expect("text")
    }

    /// The exit code of a command that prints nothing, and what it says.
    fn refusal(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().expect("declic starts");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        (output.status.code().expect("an exit"), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        json_lines(&self.output(&[arguments, &["--format", "ndjson"]].concat()).stdout)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn json_lines(text: &[u8]) -> Vec<Value> {
    serde_json::Deserializer::from_slice(text).into_iter().map(|line| line.expect("JSON")).collect()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn begin() -> DateTime<Utc> {
    at("2026-10-15T00:00:00Z")
}

/// What `count` customers do in some weeks, about the end of summer time, in no order and with some events twice.
fn events(seed: u64, count: u64) -> Vec<Event> {
    let random = &mut Random::new(seed, 1);
    let mut events = Vec::new();
    for customer in 0..count {
        for number in 0..random.between(1, 8) {
            // By the hour, so that much comes at the very instant of a tick, or of another customer's event.
            let hours = random.between(0, DAYS as u64 * 24) as i64;
            let sign_up = number == 0;
            let kind = *random.pick(&[
                "cart.updated",
                "cart.emptied",
                "order.placed",
                "order.shipped",
                "customer.updated",
            ]);
            let zone = *random.pick(&["Europe/Paris", "America/Montreal", "Asia/Tokyo"]);
            let consents = ["email", "sms"].map(|channel| {
                json!({ "channel": channel, "purpose": "marketing", "status": random.pick(&["granted", "denied"]) })
            });
            let data = match kind {
                _ if sign_up => json!({
                    "email": format!("c{customer}@example.com"), "phone": "+33612345678", "first_name": "Ann",
                    "locale": random.pick(&["fr-FR", "en-GB"]), "timezone": zone,
                    "birthday": format!("1990-{}-{:02}", random.between(10, 11), random.between(1, 28)),
                    "consents": consents,
                }),
                "cart.updated" => json!({
                    "cart_id": format!("k-{}", random.between(1, 2)), "total": random.between(10, 90), "currency": "EUR",
                    "items": [{ "name": "Lamp", "price": 5 }],
                }),
                "customer.updated" => json!({ "timezone": zone }),
                _ => json!({ "order_id": "o-1" }),
            };
            let event = Event {
                // Ids are the shop's own: those of two customers may be the same.
                id: format!("e-{number}"),
                source: "/shop".into(),
                kind: if sign_up { "customer.signed_up" } else { kind }.into(),
                subject: format!("c-{customer}"),
                time: begin() + TimeDelta::hours(hours),
                data: data.into(),
                trace: None,
            };
            events.extend(random.one_in(10).then(|| event.clone()));
            events.push(event);
        }
    }
    random.shuffle(&mut events);
    events
}

fn shop(folder: &Folder) -> Active {
    let files = files::read(&folder.0).expect("rules");
    let checked = Checked::new(&files);
    assert!(!checked.has_errors(), "{:?}", checked.diagnostics);
    checked.activate(&files, stand_in_secret())
}

fn play_all(active: &Active, groups: impl IntoIterator<Item = Group>, span: Span) -> (Vec<Line>, Summary) {
    let (mut all, mut summary) = (Vec::new(), Summary::default());
    for group in groups {
        let (lines, tally) = play(active, "http://x", &group, span);
        summary.count(&lines, &tally);
        all.extend(lines);
    }
    all.sort();
    (all, summary)
}

#[test]
fn customers_apart_come_to_the_same_as_all_together() {
    let folder = Folder::new("apart");
    folder.write("rules/offer.yaml", OFFER);
    let active = shop(&folder);
    for seed in 0..2 {
        let told = events(seed, 30);
        for finish in [false, true] {
            let span = Span {
                begin: begin() - TimeDelta::microseconds(1),
                end: begin() + TimeDelta::days(DAYS),
                finish,
            };
            let whole = Group { events: told.clone(), ..Group::default() };
            let mut apart: BTreeMap<&str, Group> = BTreeMap::new();
            for event in &told {
                apart.entry(&event.subject).or_default().events.push(event.clone());
            }
            let (expected, numbers) = play_all(&active, [whole], span);
            let rules: Vec<&str> = numbers.0.keys().map(String::as_str).collect();
            assert_eq!(
                rules,
                ["abandoned-cart", "birthday", "confirm-newsletter", "offer", "order-shipped", "welcome"]
            );
            let (found, counted) = play_all(&active, apart.into_values(), span);
            assert_eq!(found.len(), expected.len(), "seed {seed}");
            assert!(found == expected, "seed {seed}");
            assert_eq!(counted, numbers, "seed {seed}");
        }
    }
}

#[test]
fn a_story_is_cut_between_customers_and_loses_nothing() {
    let told = events(9, 4_000);
    let mut story = Story::default();
    told.iter().for_each(|event| story.happened(event).expect("kept"));
    let known = Event { time: begin() - TimeDelta::days(1), ..told[0].clone() };
    story.known(&known).expect("kept");
    let (first, last) = (told.iter().map(|e| e.time).min(), told.iter().map(|e| e.time).max());
    let span = story.span(None, None).expect("there are events");
    assert_eq!((Some(span.begin + TimeDelta::microseconds(1)), Some(span.end)), (first, last));
    assert_eq!(story.count(), told.len() as u64 + 1);
    let groups: Vec<Group> =
        story.into_groups().expect("sorted").map(|group| group.expect("a group")).collect();
    assert!(groups.len() > 2, "{} groups", groups.len());
    assert_eq!(groups.iter().flat_map(|g| &g.known).collect::<Vec<_>>(), [&known]);
    let mut homes: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, group) in groups.iter().enumerate() {
        for event in &group.events {
            assert_eq!(
                *homes.entry(&event.subject).or_insert(number),
                number,
                "{} is torn apart",
                event.subject
            );
        }
    }
    let by_customer = |events: Vec<Event>| {
        let mut by: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        events.into_iter().for_each(|event| by.entry(event.subject.clone()).or_default().push(event));
        by
    };
    assert!(by_customer(groups.into_iter().flat_map(|g| g.events).collect()) == by_customer(told));
}

/// The events as a file, each once: the same twice is for `events` above.
fn write_events(folder: &Folder, events: &[Event]) {
    let mut text = String::new();
    for event in events {
        let mut event = json!(event);
        event["specversion"] = "1.0".into();
        text += &format!("{event}\n");
    }
    folder.write("events.ndjson", &text);
}

#[test]
fn the_history_of_the_database_comes_to_the_same_as_the_file_it_came_from() {
    let folder = Folder::new("history");
    let clock = |now: &str| {
        let listen = "[admin]\nlisten = '127.0.0.1:0'\n[public]\nlisten = '127.0.0.1:0'\n";
        folder.write(
            "declic.toml",
            &format!("secret = '0123456789abcdef0123456789abcdef'\n{listen}[clock]\nstart = {now}\n"),
        );
    };
    // Who is known before the time that is asked for is known from its beginning, and greeted no more.
    let customer = json!({
        "id": "c-early", "email": "early@example.com", "first_name": "Eve", "locale": "en-GB",
        "consents": [{ "channel": "email", "purpose": "marketing", "status": "granted" }],
    });
    folder.write("customers.ndjson", &format!("{customer}\n"));
    clock("2026-09-01T00:00:00Z");
    folder.declic(&["customers", "import", "customers.ndjson"]);
    let mut told = events(5, 40);
    told.push(Event {
        id: "k".into(),
        source: "/shop".into(),
        kind: "cart.updated".into(),
        subject: "c-early".into(),
        time: begin() + TimeDelta::hours(9),
        data: json!({ "cart_id": "k", "total": 10, "currency": "EUR", "items": [{ "name": "Lamp", "price": 5 }] }).into(),
        trace: None,
    });
    write_events(&folder, &told);
    clock("2026-11-04T12:00:00Z");
    folder.declic(&["run", "--events", "events.ndjson", "--exit"]);
    let until = ["--until", "2026-11-04T12:00:00Z"];
    let file = ["simulate", "--events", "events.ndjson", "--customers", "customers.ndjson"];
    let expected = folder.lines(&[&file[..], &until].concat());
    let found = folder.lines(&[&["simulate", "--history", "30d"], &until[..]].concat());
    assert!(expected.iter().any(|line| line["customer"] == "c-early" && line["status"] == "sent"));
    assert!(expected.iter().any(|line| line["rule"] == "birthday"));
    assert_eq!(found, expected);
    let nothing = folder.output(&["simulate", "--history", "1m"]);
    assert!(
        String::from_utf8_lossy(&nothing.stderr)
            .contains("the database keeps no events since 2026-11-04T11:59:")
    );
    // Of a shorter time there is less to tell, and what came before it is known.
    let shorter = folder.lines(&[&["simulate", "--history", "7d"], &until[..]].concat());
    assert!(!shorter.is_empty() && shorter.len() < found.len());
    let since = ["--since", "2026-10-28T12:00:00Z"];
    assert_eq!(shorter, folder.lines(&[&file[..], &since, &until].concat()));
}

#[test]
fn what_came_before_the_first_instant_is_known_and_starts_nothing() {
    let folder = Folder::new("since");
    let event = |id: &str, kind: &str, customer: &str, time: &str, data: Value| Event {
        id: id.into(),
        source: "/shop".into(),
        kind: kind.into(),
        subject: customer.into(),
        time: at(time),
        data: data.into(),
        trace: None,
    };
    let email = |name: &str| json!({ "email": format!("{name}@example.com"), "locale": "en-GB" });
    write_events(
        &folder,
        &[
            event("1", "customer.signed_up", "before", "2026-11-02T08:59:59Z", email("before")),
            event("2", "customer.signed_up", "at", "2026-11-02T09:00:00Z", email("at")),
            event("3", "order.shipped", "before", "2026-11-02T10:00:00Z", json!({ "order_id": "o" })),
            event("4", "customer.signed_up", "gone", "2026-11-01T09:00:00Z", email("gone")),
            event("5", "customer.deleted", "gone", "2026-11-02T08:00:00Z", json!({})),
            event("6", "order.shipped", "gone", "2026-11-02T10:00:00Z", json!({ "order_id": "p" })),
            event("7", "customer.signed_up", "until", "2026-11-03T09:00:00Z", email("until")),
            event("8", "customer.signed_up", "later", "2026-11-03T09:00:01Z", email("later")),
        ],
    );
    let span = ["--since", "2026-11-02T09:00:00Z", "--until", "2026-11-03T09:00:00Z"];
    let lines = folder.lines(&[&["simulate", "--events", "events.ndjson"], &span[..]].concat());
    let sent: Vec<_> = lines.iter().filter(|line| line["status"] == "sent").collect();
    let words: Vec<_> = sent.iter().map(|l| [&l["customer"], &l["rule"], &l["to"]]).collect();
    assert_eq!(
        words,
        [
            ["at", "welcome", "at@example.com"],
            ["before", "order-shipped", "before@example.com"],
            ["until", "welcome", "until@example.com"],
        ]
    );
}

#[test]
fn the_calendar_comes_without_any_event() {
    let folder = Folder::new("calendar");
    let customer = json!({
        "id": "c", "email": "c@example.com", "birthday": "1990-11-05", "locale": "en-GB",
        "consents": [{ "channel": "email", "purpose": "marketing", "status": "granted" }],
    });
    folder.write("customers.ndjson", &format!("{customer}\n"));
    folder.write("events.ndjson", "");
    let file = ["simulate", "--events", "events.ndjson", "--customers", "customers.ndjson"];
    let span = ["--since", "2026-11-01T00:00:00Z", "--until", "2028-12-01T00:00:00Z"];
    let lines = folder.lines(&[&file[..], &span].concat());
    let days: Vec<_> = lines.iter().map(|line| (line["rule"].as_str(), line["at"].as_str())).collect();
    let birthday = |day| (Some("birthday"), Some(day));
    assert_eq!(
        days,
        [
            birthday("2026-11-05T08:00:00Z"),
            birthday("2027-11-05T08:00:00Z"),
            birthday("2028-11-05T08:00:00Z")
        ]
    );
    // Nothing tells when that would be.
    let (code, words) = folder.refusal(&file);
    assert_eq!((code, words.as_str()), (1, "error: events.ndjson holds no usable event\n"));
}

#[test]
fn lines_that_are_no_events_are_told_of_and_passed_over() {
    let folder = Folder::new("lines");
    write_events(&folder, &events(4, 3));
    let told = std::fs::read_to_string(folder.0.join("events.ndjson")).expect("our own file");
    folder.write("mixed.ndjson", &format!("\n{told}not JSON\n{{}}\n"));
    let expected = folder.lines(&["simulate", "--events", "events.ndjson"]);
    assert!(!expected.is_empty());
    let output = folder.output(&["simulate", "--events", "mixed.ndjson", "--format", "ndjson"]);
    let mistakes = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = told.lines().count();
    for words in [
        format!("mixed.ndjson:{}: not_json", count + 2),
        format!("mixed.ndjson:{}: missing_attribute", count + 3),
        "2 lines were not usable as events".to_owned(),
    ] {
        assert!(mistakes.contains(&words), "{words} is missing in\n{mistakes}");
    }
    assert_eq!(output.stdout.iter().filter(|b| **b == b'\n').count(), expected.len());
    // The same by a pipe.
    let mut piped = folder.command(&["simulate", "--events", "-", "--format", "ndjson"]);
    let file = std::fs::File::open(folder.0.join("mixed.ndjson")).expect("our own file");
    let piped = piped.stdin(file).output().expect("declic starts");
    assert_eq!(piped.stdout, output.stdout);
}

#[test]
fn what_makes_no_sense_is_refused_with_words() {
    let (folder, other) = (Folder::new("refused"), Folder::new("refused-other"));
    write_events(&folder, &events(4, 3));
    other.edit("rules/welcome.yaml", "purpose: service", "purpose: serrvice");
    let other = other.0.to_str().expect("a path");
    folder.write("nobody.ndjson", "{\"email\":\"a@example.com\"}\n");
    let file = ["simulate", "--events", "events.ndjson"];
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["--against", other], 1, &["the rules in", other, "welcome.yaml", "serrvice"]),
        (&["--until", "2020-01-01T00:00:00Z"], 1, &["no usable event up to 2020-01-01T00:00:00Z"]),
        (
            &["--since", "2026-10-20T00:00:00Z", "--until", "2026-10-19T00:00:00Z"],
            1,
            &["--until comes before the first instant simulated"],
        ),
        (&["--customers", "none.ndjson"], 1, &["cannot read none.ndjson"]),
        (&["--customers", "nobody.ndjson"], 1, &["nobody.ndjson:1: `id` is missing"]),
        (&["--history", "30d"], 2, &["--history"]),
        (&["--format", "csv"], 2, &["summary-json"]),
    ];
    for (arguments, expected, words) in cases {
        let (code, told) = folder.refusal(&[&file[..], arguments].concat());
        assert_eq!(code, *expected, "{arguments:?}: {told}");
        for word in *words {
            assert!(told.contains(word), "{word} is missing in {told}");
        }
    }
}

#[test]
fn differences_are_all_that_is_different_between_two_runs() {
    let (folder, other) = (Folder::new("now"), Folder::new("then"));
    folder.write("rules/offer.yaml", OFFER);
    folder.edit("rules/abandoned-cart.yaml", "data.total >= 50", "data.total >= 20");
    let cap =
        "frequency_caps:\n  - { channel: email, purpose: marketing, limit: 1 per 7d, when_full: skip }\n";
    folder.edit("rules/policy.yaml", "frequency_caps:\n", cap);
    folder.edit("rules/birthday.yaml", "at: \"09:00\"", "at: \"10:00\"");
    folder.edit("templates/welcome/email.en.mjml", "subject: \"Welcome", "subject: \"A warm welcome");
    folder.edit("rules/order-shipped.yaml", "rule: order-shipped", "rule: order-shipped\nenabled: false");
    let before_rules = other.0.to_str().expect("a path");
    let count = |lines: &mut dyn Iterator<Item = &Value>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        lines.for_each(|line| *counts.entry(line.to_string()).or_default() += 1);
        counts
    };
    let (mut changes, mut headlines) = (BTreeMap::<String, usize>::new(), Vec::new());
    for seed in 20..23 {
        write_events(&folder, &events(seed, 20));
        let file = ["simulate", "--events", "events.ndjson"];
        let after = folder.lines(&file);
        let before = folder.lines(&[&file[..], &["--rules", before_rules]].concat());
        let output = folder.output(&[&file[..], &["--against", before_rules, "--format", "ndjson"]].concat());
        headlines.push(String::from_utf8_lossy(&output.stderr).into_owned());
        let differences = json_lines(&output.stdout);
        let side =
            |name: &str| count(&mut differences.iter().map(|d| &d[name]).filter(|line| !line.is_null()));
        let without = |all: &[Value], changed: &BTreeMap<String, usize>| {
            let mut rest = count(&mut all.iter());
            for (line, times) in changed {
                *rest.get_mut(line).unwrap_or_else(|| panic!("{line} is of no run")) -= times;
            }
            rest.retain(|_, times| *times > 0);
            rest
        };
        assert_eq!(without(&before, &side("before")), without(&after, &side("after")), "seed {seed}");
        for difference in &differences {
            assert_ne!(difference["before"], difference["after"]);
            let either = if difference["after"].is_null() { "before" } else { "after" };
            for field in ["at", "customer", "rule", "step", "channel"] {
                assert_eq!(difference[field], difference[either][field]);
            }
            *changes.entry(difference["change"].as_str().expect("a change").to_owned()).or_default() += 1;
        }
    }
    let kinds: Vec<&str> = changes.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["added", "outcome", "removed", "time", "words"]);
    assert!(headlines.iter().any(|headline| headline.contains(" now capped")), "{headlines:?}");
}

#[test]
fn other_rules_are_compared_message_by_message() {
    let (folder, other) = (Folder::new("after"), Folder::new("before"));
    let told: Vec<Event> = events(3, 40);
    write_events(&folder, &told);
    let before = other.0.to_str().expect("a path");
    let against = ["simulate", "--events", "events.ndjson", "--against", before];
    assert_eq!(folder.declic(&against), "no difference\n");
    assert!(folder.lines(&against).is_empty());
    folder.edit("rules/abandoned-cart.yaml", "wait: 1h", "wait: 2h");
    folder.edit("rules/order-shipped.yaml", "rule: order-shipped", "rule: order-shipped\nenabled: false");
    let differences = folder.lines(&against);
    let moved: Vec<&Value> = differences.iter().filter(|d| d["change"] == "time").collect();
    assert!(!moved.is_empty());
    for difference in &moved {
        let at_of = |side: &str| at(difference[side]["at"].as_str().expect("an instant"));
        assert_eq!(difference["rule"], "abandoned-cart");
        assert!(at_of("after") > at_of("before"), "{difference}");
    }
    let shipped: Vec<&Value> = differences.iter().filter(|d| d["rule"] == "order-shipped").collect();
    assert!(!shipped.is_empty() && shipped.iter().all(|d| d["change"] == "removed" && d["after"].is_null()));
    let numbers: Value =
        serde_json::from_str(&folder.declic(&[&against[..], &["--format", "summary-json"]].concat()))
            .unwrap();
    let total: u64 =
        numbers["changes"].as_array().unwrap().iter().map(|kind| kind["messages"].as_u64().unwrap()).sum();
    assert_eq!(total, differences.len() as u64);
    let headline = numbers["headline"].as_str().unwrap();
    let table = folder.declic(&against);
    assert!(table.starts_with(&format!("{headline}\n")), "{table}");
    assert!(
        table.ends_with(&format!("… and {} more; --format ndjson lists all\n", differences.len() - 20)),
        "{table}"
    );
    // What somebody gets no more comes before what comes later, and that before what nobody gets.
    let rows = table.split("CHANGE   AT").nth(1).expect("a list").lines().skip(1).take(20);
    let rows: Vec<&str> = rows.map(|row| row.split(' ').next().expect("a change")).collect();
    let gone = shipped.iter().filter(|d| d["before"]["status"] == "sent").count();
    assert!(gone < 20 && rows[..gone].iter().all(|change| *change == "removed"), "{table}");
    assert_eq!(rows[gone], "time", "{table}");
    // The other way round, what was taken away comes back.
    let back = ["simulate", "--events", "events.ndjson", "--rules", before, "--against", "."];
    let back = folder.lines(&back);
    assert_eq!(back.iter().filter(|d| d["change"] == "added").count(), shipped.len());
}

#[test]
fn a_summary_tells_of_each_rule_what_it_began_and_what_came_of_it() {
    let folder = Folder::new("summary");
    folder.edit("rules/policy.yaml", "  max_segments: 2", "  max_segments: 2\n  segment_cost: 0.045 EUR");
    write_events(&folder, &events(2, 60));
    let arguments = ["simulate", "--events", "events.ndjson"];
    let lines = folder.lines(&arguments);
    let summary: Vec<Value> =
        serde_json::from_str(&folder.declic(&[&arguments[..], &["--format", "summary-json"]].concat()))
            .unwrap();
    let rules: Vec<&str> = summary.iter().map(|rule| rule["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["abandoned-cart", "birthday", "confirm-newsletter", "order-shipped", "welcome"]);
    for rule in &summary {
        for kind in rule["messages"].as_array().unwrap() {
            let same = |line: &&Value| {
                line["rule"] == rule["rule"]
                    && ["channel", "status", "reason"].iter().all(|f| line[f] == kind[f])
            };
            assert_eq!(lines.iter().filter(same).count() as u64, kind["messages"], "{rule}");
        }
    }
    let messages = summary.iter().flat_map(|rule| rule["messages"].as_array().unwrap());
    assert_eq!(
        messages.clone().map(|kind| kind["messages"].as_u64().unwrap()).sum::<u64>(),
        lines.len() as u64
    );
    let sms =
        messages.clone().find(|kind| kind["channel"] == "sms" && kind["status"] == "sent").expect("an SMS");
    let segments = sms["segments"].as_u64().unwrap();
    assert_eq!(sms["cost"], format!("{:.2} EUR", segments as f64 * 0.045));
    // Each sign-up is an entry of the welcome, and no other rule writes at most once to each customer.
    assert_eq!(summary[4]["entries"], 60);
    let table = folder.declic(&[&arguments[..], &["--format", "summary"]].concat());
    assert!(table.starts_with("RULE                CHANNEL  STATUS"), "{table}");
}
