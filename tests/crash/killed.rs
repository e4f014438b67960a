//! SIGKILL between any two arrows. What is expected stands in one table, and every failpoint must be in it.

use declic::failpoint::POINTS;

use crate::support::{Folder, side_by_side};
use crate::town::{
    AT_TEN, BEFORE_ELEVEN, Database, Town, comes_at_eleven, wait_for_failpoint, wait_until_ready,
};

/// What becomes of a message whose worker is killed at a failpoint.
struct Case {
    point: &'static str,
    /// See `town::RULES`; `receipt` is a contract's message, `text` an SMS, `daily` comes by schedule.
    rule: &'static str,
    /// Its state in the end.
    state: &'static str,
    /// How often its provider has taken it.
    taken: usize,
    /// A failpoint at which the worker before is killed.
    before: Option<&'static str>,
}

const fn case(point: &'static str, rule: &'static str, state: &'static str, taken: usize) -> Case {
    Case { point, rule, state, taken, before: None }
}

const CASES: &[Case] = &[
    // From the broker to the outbox: whatever was not committed is delivered again, what was is known already.
    case("intake.received", "news", "sent", 1),
    case("accept.inserted", "news", "sent", 1),
    case("accept.written", "news", "sent", 1),
    case("accept.committed", "news", "sent", 1),
    case("intake.acknowledged", "news", "sent", 1),
    case("timers.written", "later", "sent", 1),
    case("timers.committed", "later", "sent", 1),
    case("sweep.written", "daily", "sent", 1),
    case("sweep.committed", "daily", "sent", 1),
    // From the outbox to the hand-over: certainly not begun.
    case("delivery.claimed", "news", "sent", 1),
    case("delivery.claimed", "receipt", "sent", 1),
    case("delivery.announced", "offer", "sent", 1),
    case("delivery.admitted", "news", "sent", 1),
    case("delivery.admitted", "receipt", "sent", 1),
    // The honest window: nobody can know. Marketing is not sent again, whether it had gone out or not; a contract's
    // message is, under its Message-ID.
    case("delivery.sending", "news", "uncertain", 0),
    case("delivery.sending", "receipt", "sent", 1),
    case("smtp.data", "news", "uncertain", 0),
    case("smtp.data", "receipt", "sent", 1),
    case("smtp.dot", "news", "uncertain", 0),
    case("smtp.dot", "receipt", "sent", 1),
    case("delivery.answered", "news", "uncertain", 1),
    case("delivery.answered", "receipt", "sent", 2),
    case("delivery.answered", "text", "delivered", 2),
    case("delivery.recorded", "news", "uncertain", 1),
    case("delivery.recorded", "receipt", "sent", 2),
    // Settling that window is itself torn apart.
    Case { before: Some("delivery.answered"), ..case("reclaim.settled", "news", "uncertain", 1) },
    Case { before: Some("delivery.answered"), ..case("reclaim.settled", "receipt", "sent", 2) },
    // After the record: nothing is open but the news of it.
    case("delivery.done", "news", "sent", 1),
    case("delivery.done", "receipt", "sent", 1),
    case("outcomes.published", "news", "sent", 1),
    case("outcomes.marked", "news", "sent", 1),
    // What the provider tells.
    case("incoming.kept", "text", "delivered", 1),
    case("receipts.settled", "text", "delivered", 1),
];

#[test]
fn every_failpoint_is_in_the_table() {
    // These have tests of their own, below.
    let others = ["intake.dead_lettered", "bounces.settled", "retention.written", "retention.committed"];
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guarantees.md"))
        .expect("the page");
    for point in POINTS {
        let known = CASES.iter().any(|case| case.point == *point) || others.contains(point);
        assert!(known, "no case says what a crash at `{point}` does");
        assert!(
            page.contains(&format!("`{point}`")),
            "docs/guarantees.md does not say what a crash at `{point}` does"
        );
    }
}

/// A few at a time: each is mostly waiting, and its servers are shared.
fn at_every_point(database: Database) {
    side_by_side(8, CASES, |case| dies_and_goes_on(database, case));
}

#[test]
fn a_kill_at_any_point_has_the_one_outcome_that_is_promised_on_postgresql() {
    at_every_point(Database::Postgres);
}

#[test]
fn a_kill_at_any_point_has_the_one_outcome_that_is_promised_on_sqlite() {
    at_every_point(Database::Sqlite);
}

/// Starts a worker, does something once it is ready, and waits until it has died at the failpoint.
fn killed(town: &Town, name: &str, point: &str, words: &str, tell: impl FnOnce()) {
    let mut worker = town.start(name, &format!("{point}=kill"));
    wait_until_ready(&mut worker, words);
    tell();
    wait_for_failpoint(&mut worker, words);
}

fn dies_and_goes_on(database: Database, case: &Case) {
    let words = format!("{} of {} on {database:?}", case.point, case.rule);
    let town = Town::open(database, case.rule);
    let tell = || town.tell(case.rule);
    match case.before {
        Some(before) => {
            killed(&town, "before", before, &words, tell);
            killed(&town, "killed", case.point, &words, || ());
        }
        None if comes_at_eleven(case.rule) => {
            town.shop.set_clock(AT_TEN);
            let mut worker = town.start("early", "");
            wait_until_ready(&mut worker, &words);
            tell();
            town.shop.take_in_everything(worker);
            town.shop.set_clock(BEFORE_ELEVEN);
            killed(&town, "killed", case.point, &words, || ());
        }
        None => killed(&town, "killed", case.point, &words, tell),
    }
    let worker = town.start("heir", "");
    let message = town.wait_for(case.state, &words);
    // A second send, if one were to come, would come now: nothing is due any more, and no lease outlasts this.
    std::thread::sleep(std::time::Duration::from_secs(crate::town::LEASE + 1));
    assert_eq!(town.messages(), std::slice::from_ref(&message), "{words}: and stays so");
    assert_eq!(town.taken(), case.taken, "{words}: taken by the provider");
    assert!(worker.terminate(crate::town::PATIENCE).success(), "{words}");

    if town.smsc.is_none() {
        let ids: std::collections::BTreeSet<Vec<u8>> =
            town.shop.sink.mails().iter().map(message_id).collect();
        assert!(ids.len() <= 1, "{words}: one Message-ID");
    }
    let told = format!("{}-{}", message["id"].as_str().expect("an id"), case.state);
    let outcomes = town.outcomes();
    assert!(outcomes.contains(&told), "{words}: {told} is not among {outcomes:?}");
    let final_words = outcomes.iter().filter(|id| !id.starts_with("promo-")).count();
    // Two where a receipt came after the provider's acceptance.
    let expected = if case.state == "delivered" { 2 } else { 1 };
    assert_eq!(final_words, expected, "{words}: {outcomes:?}");
    if case.rule == "offer" {
        assert_eq!(outcomes.iter().filter(|id| id.starts_with("promo-")).count(), 1, "{words}: {outcomes:?}");
    }
}

fn message_id(mail: &crate::support::smtp::Mail) -> Vec<u8> {
    let text = String::from_utf8_lossy(&mail.raw);
    let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:"));
    line.expect("a Message-ID").as_bytes().to_vec()
}

#[test]
fn a_kill_after_a_dead_letter_is_confirmed_keeps_one_letter() {
    for database in [Database::Postgres, Database::Sqlite] {
        let town = Town::open(database, "news");
        killed(&town, "killed", "intake.dead_lettered", "a dead letter", || town.tell_nonsense());
        let worker = town.start("heir", "");
        town.tell("news");
        town.wait_for("sent", "behind a dead letter");
        let list =
            crate::support::run(town.shop.declic().args(["dead-letters", "list", "--format", "ndjson"]));
        assert_eq!(list.lines().count(), 1, "{database:?}: {list}");
        assert!(worker.terminate(crate::town::PATIENCE).success());
    }
}

#[test]
fn a_kill_while_a_bounce_is_settled_settles_it_once() {
    side_by_side(2, &[Database::Postgres, Database::Sqlite], |database| {
        let words = format!("a bounce on {database:?}");
        let maildir = Folder::new("maildir");
        for part in ["tmp", "new", "cur"] {
            std::fs::create_dir(maildir.join(part)).expect("our own folder");
        }
        let mut town = Town::open(*database, "news");
        town.shop.set("DECLIC_BOUNCES__MAILDIR", maildir.path().display());
        let mut worker = town.start("sends", "");
        wait_until_ready(&mut worker, &words);
        town.tell("news");
        let id = town.wait_for("sent", &words)["id"].as_str().expect("an id").to_owned();
        assert!(worker.terminate(crate::town::PATIENCE).success(), "{words}");
        let mail = town.shop.sink.mails().remove(0);
        let original = String::from_utf8(message_id(&mail)).expect("a header");
        let report = format!(
            "From: MAILER-DAEMON@mx.example.com\nTo: shop@example.com\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
             --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.com\n\n\
             Final-Recipient: rfc822; alice@example.com\nAction: failed\nStatus: 5.1.1\n\n\
             --b\nContent-Type: text/rfc822-headers\n\n{original}\nTo: alice@example.com\n\n--b--\n"
        );
        std::fs::write(maildir.join("new").join("1.report"), report).expect("our own folder");
        killed(&town, "killed", "bounces.settled", &words, || ());
        assert_eq!(town.messages()[0]["state"], "sent", "{words}: nothing was committed");
        let worker = town.start("heir", "");
        town.wait_for("bounced", &words);
        // They are published beside, and what a worker leaves at its end its successor publishes: stop none before.
        let expected = [format!("{id}-bounced"), format!("{id}-sent")].into();
        let told = crate::support::wait_until(crate::town::PATIENCE, || town.outcomes() == expected);
        assert!(told, "{words}: {:?}", town.outcomes());
        assert!(worker.terminate(crate::town::PATIENCE).success(), "{words}");
        let list =
            crate::support::run(town.shop.declic().args(["suppressions", "list", "--format", "ndjson"]));
        assert_eq!(list.lines().count(), 1, "{words}: {list}");
    });
}

/// Whatever the pass of a worker that dies has done, the next one does the rest, once; and what was told before does not
/// begin anew.
#[test]
fn a_kill_while_retention_archives_archives_once_and_sends_nothing_again() {
    const RETENTION: &str =
        "retention:\n  events: { active: 30d, archive: 3y }\n  messages: { active: 30d, archive: 3y }\n";
    let cases: Vec<(Database, &str, usize)> = [Database::Postgres, Database::Sqlite]
        .into_iter()
        .flat_map(|database| [(database, "retention.written", 1), (database, "retention.committed", 0)])
        .collect();
    side_by_side(4, &cases, |(database, point, left)| {
        let words = format!("{point} on {database:?}");
        let town = Town::open(*database, "news");
        town.shop.edit("rules/policy.yaml", "sms:", &format!("{RETENTION}sms:"));
        let mut worker = town.start("sends", "");
        wait_until_ready(&mut worker, &words);
        town.tell("news");
        town.wait_for("sent", &words);
        town.shop.take_in_everything(worker);
        town.shop.set_clock("start = 2029-06-01T10:00:00Z");
        killed(&town, "killed", point, &words, || ());
        assert_eq!(town.messages().len(), *left, "{words}");
        let mut worker = town.start("heir", "");
        wait_until_ready(&mut worker, &words);
        let gone = crate::support::wait_until(crate::town::PATIENCE, || town.messages().is_empty());
        assert!(gone, "{words}: the message is archived");
        let report = || {
            crate::support::shop::lines(&crate::support::run(town.shop.declic().args([
                "retention",
                "report",
                "--by-day",
                "--format",
                "ndjson",
            ])))
        };
        let events: Vec<_> = report().into_iter().filter(|row| row["kind"] == "events").collect();
        assert_eq!(events.len(), 1, "{words}: {events:?}");
        assert_eq!((&events[0]["phase"], &events[0]["rows"]), (&"archived".into(), &2.into()), "{words}");
        town.tell("news");
        town.shop.take_in_everything(worker);
        assert_eq!(town.messages(), Vec::<serde_json::Value>::new(), "{words}: an old event begins nothing");
        assert_eq!(town.taken(), 1, "{words}");
    });
}
