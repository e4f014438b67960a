//! Profiles encrypted in the database: everything goes on as without, on both stores, and what is read without the secret
//! tells nobody. With real workers, encryption is turned on, the secret changed, and encryption turned off again.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use declic::channels::sms::{Inbound, Incoming};
use declic::domain::bounce::{Kind, notice::Notice};
use declic::domain::diagnostic::SourceFile;
use declic::domain::event::Event;
use declic::files;
use serde_json::{Value, json};

use support::place::{Place, on_postgres, on_sqlite};
use support::postgres::Postgres;
use support::shop::{SECRET, Shop, event as published, lines};
use support::{Folder, run};

/// What tells who they are; each too long to come about by chance in what is encrypted.
const TRACES: [&str; 9] = [
    "Quatremer",
    "zoe.q@example.org",
    "Zoe.Q@Example.org",
    "698765432",
    "6 98 76 54 32",
    "rue des Lilas",
    "1990-11",
    "\t1990\t",
    "new.address@example.org",
];

fn begin() -> DateTime<Utc> {
    "2026-11-20T10:00:00Z".parse().expect("a time")
}

fn event(customer: &str, kind: &str, time: DateTime<Utc>, data: Value) -> Event {
    Event {
        id: format!("{customer}-{kind}-{}", time.timestamp()),
        source: "/shop".to_owned(),
        kind: kind.to_owned(),
        subject: customer.to_owned(),
        time,
        data: data.into(),
        trace: None,
    }
}

/// The shipped shop, and one rule more, whose audience is asked about profiles.
fn rules(retention: &str) -> Vec<SourceFile> {
    let mut rules = files::read(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the shipped rules");
    let policy = rules.iter_mut().find(|file| file.path == "rules/policy.yaml").expect("the policy");
    policy.text += retention;
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    rules.push(file(
        "rules/weekly.yaml",
        "rule: weekly\npurpose: marketing\ntrigger: { schedule: \"0 10 * * Tue\", audience: customer.city == \"Lyon\" }\n\
         steps: [{ send: { email: weekly, sms: weekly } }]\n",
    ));
    rules.push(file(
        "templates/weekly/email.fr.mjml",
        "---\nsubject: Pour {{customer.last_name}}\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{customer.city}} \
         {{sender.postal_address}} <a href=\"{{unsubscribe_url}}\">non</a></mj-text></mj-column></mj-section></mj-body>\
         </mjml>\n",
    ));
    rules.push(file("templates/weekly/sms.fr.txt", "Bonjour {{customer.first_name}}\n"));
    rules
}

fn sign_up(customer: &str, email: &str, phone: &str, time: DateTime<Utc>) -> Event {
    let agreed = |channel: &str| json!({ "channel": channel, "purpose": "marketing", "status": "granted" });
    let profile = json!({
        "email": email, "first_name": "Zoé", "last_name": "Quatremer", "locale": "fr-FR", "phone": phone,
        "country": "FR", "city": "Lyon", "address": "3 rue des Lilas", "birthday": "1990-11-23",
        "timezone": "Europe/Paris", "consents": [agreed("email"), agreed("sms")],
    });
    event(customer, "customer.signed_up", time, profile)
}

/// All that was sent, whole, in a fixed order, and what became of each message.
async fn told(place: &Place) -> Vec<String> {
    let mut told: Vec<String> =
        place.capture.list().iter().map(|captured| format!("{:?}", captured.parcel)).collect();
    for message in place.messages().await {
        told.push(format!(
            "{} {} {:?} {:?} {:?}",
            message.rule, message.id, message.state, message.reason, message.address
        ));
    }
    for row in place.store.suppressions(None, 99).await.expect("read") {
        told.push(format!("{} {} {} {}", row.channel, row.is_hashed(), row.reason, row.at));
    }
    for row in place.store.customers("", 99).await.expect("read") {
        told.push(format!(
            "{} {:?} {:?} {} {}",
            row.customer_id, row.email, row.locale, row.timezone, row.erased
        ));
        let mut held = place.store.holdings(&row.customer_id).await.expect("read").expect("known");
        // Not the same each time: what is random, and the order of what happened at one instant.
        for kind in ["archive", "consents", "suppressions"] {
            held.remove(kind);
        }
        // Nor is it the same which of several that are due at once goes first.
        for message in held["messages"].as_array_mut().expect("a list") {
            message["body"]["reply"] = Value::Null;
        }
        told.push(json!(held).to_string());
    }
    for row in place.store.retention_runs().await.expect("read") {
        told.push(format!("{} {} {}", row.kind, row.phase, row.amount));
    }
    told.sort();
    told
}

/// A life with the shop: five customers, of whom some bounce, say STOP, are corrected, erased, archived, and come back.
/// `see` is called after each step.
async fn live(place: &Place, mut see: impl AsyncFnMut(&Place, &str)) {
    let hours = |hours: i64| begin() + TimeDelta::hours(hours);
    let customers = [
        ("c-1", "Zoe.Q@Example.org", "06 98 76 54 32"),
        ("c-2", "bob@example.org", "+33611111111"),
        ("c-3", "carol@example.org", "+33622222222"),
        ("c-4", "dave@example.org", "+33633333333"),
        // Two share an address and a number.
        ("c-5", "zoe.q@example.org", "+33698765432"),
    ];
    let signed_up = customers.map(|(id, email, phone)| sign_up(id, email, phone, begin()));
    place.live(begin(), &signed_up).await;
    see(place, "signed up").await;
    // A correction.
    let corrected = json!({ "email": "new.address@example.org", "last_name": "Quatremer-Petit" });
    place.live(hours(1), &[event("c-2", "customer.updated", hours(1), corrected)]).await;
    // One's mails come back, and nobody says which message it was.
    let notice = Notice {
        id: "n-1".to_owned(),
        message: None,
        address: Some("CAROL@example.org".to_owned()),
        kind: Kind::Hard,
        status: Some("5.1.1".to_owned()),
        detail: "unknown".to_owned(),
    };
    let bounces = place.bounces();
    bounces.take_notices(&[notice]).await.expect("taken");
    while bounces.settle().await.expect("settled") > 0 {}
    // One says STOP, by telephone, as do the two who share theirs.
    for (n, from) in ["+33633333333", "0698765432"].into_iter().enumerate() {
        let inbound = Inbound {
            id: format!("in-{n}"),
            from: from.to_owned(),
            national: false,
            to: "36180".to_owned(),
            text: "STOP".to_owned(),
            at: hours(2),
        };
        place.clock.set(hours(2));
        (place.desk())(vec![Incoming::Text(inbound)]).await.expect("taken");
    }
    place.live(hours(2), &[]).await;
    see(place, "corrected, bounced, stopped").await;
    // A birthday, on a Monday, and the weekly mail after it.
    for hour in [66, 70, 90, 96, 100, 120] {
        place.live(hours(hour), &[]).await;
    }
    see(place, "a birthday and a schedule").await;
    // One whose address and number another has too, and one whose are theirs alone.
    let erased = ["c-1", "c-3"].map(|id| event(id, "customer.deleted", hours(121), json!({})));
    place.live(hours(121), &erased).await;
    see(place, "erased").await;
    // Silent for so long that they are archived; then two come back.
    place.live(hours(24 * 20), &[]).await;
    place.keeper().whole(|| ()).await.expect("a pass");
    see(place, "archived").await;
    let back = |id: &str| event(id, "customer.updated", hours(24 * 21), json!({ "city": "Paris" }));
    place.live(hours(24 * 21), &[back("c-2"), back("c-4")]).await;
    let signed_up = sign_up("c-1", "zoe.q@example.org", "+33698765432", hours(24 * 22));
    place.live(hours(24 * 22), &[signed_up]).await;
    see(place, "back").await;
}

/// Where the texts of two lists differ, a little of both.
fn differences(expected: &[String], found: &[String]) -> Vec<String> {
    let lines = (0..expected.len().max(found.len())).map(|n| (expected.get(n), found.get(n)));
    let differing = lines.filter(|(expected, found)| expected != found).map(|pair| match pair {
        (Some(expected), Some(found)) => {
            let same = expected.chars().zip(found.chars()).take_while(|(a, b)| a == b).count();
            let near = |text: &str| text.chars().skip(same.saturating_sub(60)).take(160).collect::<String>();
            format!("{} | {}", near(expected), near(found))
        }
        one => format!("{one:?}"),
    });
    differing.collect()
}

const RETENTION: &str = "\nretention:\n  events: { active: 8d }\n  messages: { active: 8d, archive: 10d }\n  \
    customers: { active: 10d, archive: 3y }\n";

async fn everything_goes_on_as_without(plain: &str, sealed: &str) {
    let files = rules(RETENTION);
    let mut expected = Vec::new();
    let place = Place::open(plain, &files, begin(), 1).await;
    live(&place, async |place, step| expected.push((step.to_owned(), told(place).await))).await;
    place.close().await;
    let all = expected.iter().flat_map(|(_, told)| told).cloned().collect::<Vec<_>>().join("\n");
    for happened in [
        "email false bounced",
        "email true bounced",
        "sms true customer_deleted",
        "stop-confirmation ",
        "birthday ",
        "weekly ",
        "Some(ConsentWithdrawn)",
        "customers archived 3",
    ] {
        let shown = || all.lines().map(|line| line.chars().take(120).collect::<String>()).collect::<Vec<_>>();
        assert!(all.contains(happened), "{happened} in {:#?}", shown());
    }
    let place = Place::open_as(sealed, &files, begin(), 2, true).await;
    let mut steps = expected.into_iter();
    live(&place, async |place, step| {
        let (name, expected) = steps.next().expect("as many steps");
        let found = told(place).await;
        assert_eq!(differences(&expected, &found), Vec::<String>::new(), "{step} ({name})");
        let kinds = ["Bienvenue", "Quatremer", "Zoé"];
        assert!(kinds.iter().all(|word| found.iter().any(|line| line.contains(word))), "{step}");
    })
    .await;
    place.close().await;
}

#[test]
fn everything_goes_on_as_without_on_sqlite() {
    let folder = Folder::new("plain");
    let plain = format!("sqlite:{}", folder.join("plain.db").display());
    on_sqlite(async |url| everything_goes_on_as_without(&plain, &url).await);
}

#[test]
fn everything_goes_on_as_without_on_postgresql() {
    let plain = Postgres::shared().database();
    on_postgres(async |url| everything_goes_on_as_without(&plain, &url).await);
}

/// Those of the traces that stand in a text, whatever their case.
fn traces_in(text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    TRACES.into_iter().filter(|trace| text.contains(&trace.to_lowercase())).collect()
}

/// Events and messages are gone after their time, and the customer is not: nothing else tells who it is.
#[test]
fn nothing_of_a_customer_is_read_without_the_secret_once_their_events_are_gone() {
    let folder = Folder::new("encrypted");
    let path = folder.join("declic.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let url = format!("sqlite:{}", path.display());
        let forgets = "\nretention:\n  events: { active: 8d }\n  messages: { active: 8d }\n";
        let place = Place::open_as(&url, &rules(forgets), begin(), 1, true).await;
        let mut told = sign_up("c-1", "Zoe.Q@Example.org", "06 98 76 54 32", begin());
        std::sync::Arc::make_mut(&mut told.data)["birthday"] = "1990-12-14".into();
        place.live(begin(), &[told]).await;
        assert_eq!(place.capture.list().len(), 1);
        let read = || String::from_utf8_lossy(&std::fs::read(&path).expect("the file")).into_owned();
        place.store.tidy_up().await.expect("tidied up");
        assert!(!traces_in(&read()).is_empty(), "the search finds what is there");
        place.clock.set(begin() + TimeDelta::days(10));
        let outcomes = place.store.unpublished_outcomes(1_000).await.expect("read").outcomes;
        let ids: Vec<String> = outcomes.into_iter().map(|outcome| outcome.id).collect();
        place.store.mark_published(&ids).await.expect("marked");
        place.keeper().whole(|| ()).await.expect("a pass");
        place.store.tidy_up().await.expect("tidied up");
        assert_eq!(traces_in(&read()), Vec::<&str>::new());
        let customer = place.store.customer("c-1").await.expect("read").expect("known");
        assert_eq!(customer.profile.text("last_name"), Some("Quatremer"));
        // And they are congratulated.
        place.live("2026-12-14T08:05:00Z".parse().expect("a time"), &[]).await;
        assert_eq!(place.capture.list().len(), 2);
        place.close().await;
    });
}

const NEW_SECRET: &str = "a newer secret that is long enough";

fn customers(shop: &Shop) -> String {
    Postgres::shared().dump(&shop.database, &["--data-only", "-t", "customers", "-t", "customer_dates"])
}

fn outcome(shop: &Shop, variables: &[(&str, &str)], arguments: &[&str]) -> (i32, String) {
    let mut command = shop.declic();
    command.envs(variables.iter().copied()).args(arguments);
    let Output { status, stdout, stderr } = command.output().expect("declic starts");
    let words = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (status.code().expect("it exits"), words)
}

fn told_of(customer: &str, n: usize) -> String {
    let consents = json!([{ "channel": "email", "purpose": "marketing", "status": "granted" }]);
    let profile = json!({ "email": "Zoe.Q@Example.org", "first_name": "Zoé", "last_name": "Quatremer",
        "address": "3 rue des Lilas", "phone": "06 98 76 54 32", "birthday": "1990-11-23", "consents": consents });
    published(&format!("{customer}-{n}"), "customer.signed_up", customer, "2026-11-20T10:00:00Z", profile)
}

#[test]
fn encryption_is_turned_on_rotated_and_turned_off_beside_a_worker() {
    let patience = Duration::from_secs(60);
    let mut shop = Shop::open("start = 2026-11-20T10:00:00Z");
    let worker = shop.start();
    shop.publish(&[told_of("c-1", 1)]);
    let sent = |n: usize| move |all: &[Value]| all.iter().filter(|m| m["state"] == "sent").count() == n;
    shop.wait_for(patience, sent(1));
    assert!(!traces_in(&customers(&shop)).is_empty(), "the search finds what is there");
    assert!(worker.terminate(Duration::from_secs(25)).success());

    // On: what is new at once, and what was there with `declic maintain`.
    shop.set("DECLIC_DATABASE__ENCRYPT_PROFILES", "true");
    let worker = shop.start();
    shop.publish(&[told_of("c-2", 1)]);
    shop.wait_for(patience, sent(2));
    let (code, words) = outcome(&shop, &[], &["maintain"]);
    assert!(code == 0 && words.contains("1 customers written anew, encrypted"), "{words}");
    assert_eq!(traces_in(&customers(&shop)), Vec::<&str>::new());
    let mails = shop.sink.wait_for(2, patience);
    for mail in &mails {
        assert_eq!(mail.envelope["to"][0], "Zoe.Q@example.org");
    }
    for arguments in [&["customers", "export", "c-1"][..], &["customers", "show", "c-2"], &["explain", "c-1"]]
    {
        let (code, words) = outcome(&shop, &[], arguments);
        assert!(code == 0 && !traces_in(&words).is_empty(), "{arguments:?}: {words}");
    }
    let (code, words) = outcome(&shop, &[], &["customers", "correct", "c-1", "city=Lyon"]);
    assert_eq!(code, 0, "{words}");
    assert_eq!(traces_in(&customers(&shop)), Vec::<&str>::new());

    // Another's profile in one's own row: that one is set aside, with the reason, and comes back when it is mended.
    let psql = |sql: &str| Postgres::shared().psql(&shop.database, sql);
    psql("CREATE TABLE kept AS SELECT * FROM customers WHERE customer_id = 'c-2'");
    psql(
        "UPDATE customers SET profile = (SELECT profile FROM customers WHERE customer_id = 'c-1') WHERE customer_id = 'c-2'",
    );
    shop.publish(&[told_of("c-2", 2), told_of("c-3", 1)]);
    shop.wait_for(patience, sent(3));
    let letters = || lines(&run(shop.declic().args(["dead-letters", "list", "--format", "ndjson"])));
    assert!(support::wait_until(patience, || letters().len() == 1), "{:?}", letters());
    let letter = letters()[0].to_string();
    assert!(letter.contains("row c-2") && letter.contains("another customer"), "{letter}");
    psql("UPDATE customers SET profile = kept.profile FROM kept WHERE customers.customer_id = 'c-2'");
    psql("DROP TABLE kept");
    run(shop.declic().args(["dead-letters", "replay", "--all"]));
    assert_eq!(letters().len(), 0, "it is taken in");

    // Somebody begins to encrypt with a secret that this worker does not have: it says so. (A number that stays as it was
    // is not written with the profile.)
    let newer = [("DECLIC_SECRET", NEW_SECRET), ("DECLIC_PREVIOUS_SECRETS", &*format!("['{SECRET}']"))];
    assert!(shop.is_healthy());
    let (code, words) = outcome(&shop, &newer, &["customers", "correct", "c-3", "city=Paris"]);
    assert!(code == 0 && !shop.is_healthy(), "{words}");
    assert!(worker.terminate(Duration::from_secs(25)).success());

    // A wrong secret is told before anybody is set aside.
    for arguments in [&["run"][..], &["doctor"], &["customers", "show", "c-1"]] {
        let (code, words) = outcome(&shop, &[("DECLIC_SECRET", NEW_SECRET)], arguments);
        assert!(
            code == 3 && words.contains("`previous_secrets`") && words.contains("c-1"),
            "{arguments:?} {words}"
        );
    }
    let (code, words) = outcome(&shop, &[("DECLIC_SECRET", NEW_SECRET)], &["maintain"]);
    assert!(
        code == 3 && words.contains("row c-1") && words.contains("3 customers cannot be read"),
        "{words}"
    );

    // The secret changes: everybody is read, and then the old one is not needed for it.
    shop.set("DECLIC_PREVIOUS_SECRETS", format!("['{SECRET}']"));
    shop.set("DECLIC_SECRET", NEW_SECRET);
    let worker = shop.start();
    shop.publish(&[told_of("c-4", 1)]);
    shop.wait_for(patience, sent(4));
    let (code, words) = outcome(&shop, &[], &["maintain"]);
    assert!(code == 0 && words.contains("3 customers written anew, encrypted"), "{words}");
    let (code, words) = outcome(&shop, &[("DECLIC_PREVIOUS_SECRETS", "")], &["customers", "show", "c-1"]);
    assert!(code == 0 && words.contains("Quatremer"), "{words}");

    // Off again.
    assert!(worker.terminate(Duration::from_secs(25)).success());
    shop.set("DECLIC_DATABASE__ENCRYPT_PROFILES", "false");
    let worker = shop.start();
    let (code, words) = outcome(&shop, &[], &["maintain"]);
    assert!(code == 0 && words.contains("4 customers written anew, no longer encrypted"), "{words}");
    assert!(!customers(&shop).contains("sealed:") && !customers(&shop).contains("hash:"));
    let (code, words) = outcome(&shop, &[], &["maintain"]);
    assert!(code == 0 && !words.contains("written anew"), "{words}");
    shop.publish(&[told_of("c-5", 1)]);
    shop.wait_for(patience, sent(5));
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

#[test]
fn a_secret_that_lies_in_the_database_itself_encrypts_nothing() {
    let folder = Folder::new("embedded");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_declic"));
    command.current_dir(folder.path()).env_clear().env("DECLIC_DATABASE__ENCRYPT_PROFILES", "true");
    let output = command.args(["customers", "show", "c-1"]).output().expect("declic starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("DECLIC_DATABASE__ENCRYPT_PROFILES") && words.contains("needs a `secret`"),
        "{words}"
    );
    assert!(!folder.join("declic.db").exists());
}
