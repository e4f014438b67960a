//! The main job, end to end, on real servers: events published by a client that is not ours, rules from files, state in
//! PostgreSQL, mails accepted by an independent server and parsed by an independent parser.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use support::shop::{Shop, ask, event, lines};
use support::{python, run, wait_until};

const CUSTOMERS: usize = 2_500;

/// The first event's time. The worker's clock stands still after the last one until all are in, in whatever order, and
/// runs then, until all that is due that day is done, and on the next day; nothing is due in the night between.
const BEGIN: &str = "2026-11-23T08:00:00Z";
const STILL: &str = "start = 2026-11-23T09:45:00Z\nend = 2026-11-23T09:45:00Z";
const RUNNING: &str = "start = 2026-11-23T09:45:00Z\nend = 2026-11-23T12:00:00Z\nspeed = 1800.0";
const NEXT_DAY: &str = "start = 2026-11-24T09:45:00Z\nend = 2026-11-24T12:00:00Z\nspeed = 1800.0";

fn after(minutes: i64) -> String {
    let begin: DateTime<Utc> = BEGIN.parse().unwrap();
    (begin + TimeDelta::minutes(minutes)).to_rfc3339()
}

/// What is to become of one message: (customer, step, channel, state, reason).
type Fate = [String; 5];

/// The events of one customer, and what the shipped rules ask for, worked out by hand and not by the core.
fn customer(i: usize, events: &mut Vec<String>, fates: &mut BTreeSet<Fate>) {
    let id = format!("c-{i}");
    let mut consents = Vec::new();
    let (denied, invalid, agreed) = (i % 10 == 1, i % 10 == 2, i.is_multiple_of(4));
    if denied {
        consents
            .push(json!({"channel": "email", "purpose": "service", "status": "denied", "source": "form"}));
    }
    if agreed {
        consents
            .push(json!({"channel": "email", "purpose": "marketing", "status": "granted", "source": "form"}));
    }
    let email = if invalid { format!("c{i}@nowhere") } else { format!("c{i}@example.com") };
    let locale = if i.is_multiple_of(2) { "fr-FR" } else { "en-GB" };
    let profile =
        json!({"email": email, "first_name": format!("Zoé {i}"), "locale": locale, "consents": consents});
    events.push(event(&format!("{i}-signup"), "customer.signed_up", &id, BEGIN, profile));
    let total = i % 100;
    let cart = json!({"cart_id": format!("k-{i}"), "currency": "EUR", "total": total,
        "items": [{"name": "Lampe", "quantity": 1, "price": total}]});
    events.push(event(&format!("{i}-cart"), "cart.updated", &id, &after(60), cart));
    let (orders, withdraws) = (i.is_multiple_of(3), i % 8 == 4);
    let order = json!({"order_id": format!("o-{i}"), "cart_id": format!("k-{i}"), "total": total});
    // Whoever does not order tells us something that no rule asks for.
    let kind = if orders { "order.placed" } else { "order.delivered" };
    events.push(event(&format!("{i}-order"), kind, &id, &after(90), order));
    if withdraws {
        let word =
            json!({"channel": "email", "purpose": "marketing", "status": "withdrawn", "source": "page"});
        events.push(event(&format!("{i}-word"), "consent.changed", &id, &after(100), word));
    } else {
        events.push(event(&format!("{i}-word"), "page.viewed", &id, &after(100), json!({})));
    }
    let mut by_channel = |step: &str, channel: &str, state: &str, reason: &str| {
        fates.insert([&id, step, channel, state, reason].map(str::to_owned));
    };
    // The offer goes on each channel that its reader agreed to, and nobody here has agreed to SMS.
    if !orders && total >= 50 {
        by_channel("send-abandoned-cart-offer", "sms", "suppressed", "no_consent");
    }
    let mut fate = |step: &str, state: &str, reason: &str| by_channel(step, "email", state, reason);
    match (denied, invalid) {
        (true, _) => fate("send-welcome", "suppressed", "consent_withdrawn"),
        (_, true) => fate("send-welcome", "suppressed", "invalid_address"),
        _ => fate("send-welcome", "sent", ""),
    }
    let steps: &[&str] = match (orders, total >= 50) {
        (true, _) => &[],
        (false, false) => &["send-abandoned-cart"],
        (false, true) => &["send-abandoned-cart", "send-abandoned-cart-offer"],
    };
    for step in steps {
        match (withdraws, agreed, invalid) {
            (true, ..) => fate(step, "suppressed", "consent_withdrawn"),
            (_, false, _) => fate(step, "suppressed", "no_consent"),
            (_, _, true) => fate(step, "suppressed", "invalid_address"),
            _ => fate(step, "sent", ""),
        }
    }
}

/// A fixed shuffle: the same order at every run.
fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for i in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(i, (state >> 33) as usize % (i + 1));
    }
}

fn unusable() -> Vec<String> {
    let no_subject =
        r#"{"specversion":"1.0","id":"bad-2","source":"/shop","type":"x","time":"2026-11-23T08:00:00Z"}"#;
    let bad_time = event("bad-3", "x", "c-1", "yesterday", json!({}));
    let ahead = event("bad-4", "x", "c-1", "2036-01-01T00:00:00Z", json!({}));
    let huge = event("bad-5", "x", "c-1", BEGIN, json!({"filling": "x".repeat(1_000_000)}));
    vec!["this is not JSON".to_owned(), no_subject.to_owned(), bad_time, ahead, huge]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn fate_of(message: &Value) -> Fate {
    ["customer", "step", "channel", "state", "reason"].map(|field| text(&message[field]))
}

#[test]
fn ten_thousand_events_give_exactly_the_messages_that_the_rules_ask_for() {
    let shop = Shop::open(STILL);
    let (mut events, mut fates) = (Vec::new(), BTreeSet::new());
    (0..CUSTOMERS).for_each(|i| customer(i, &mut events, &mut fates));
    let duplicates: Vec<String> = events.iter().step_by(10).cloned().collect();
    events.extend(duplicates);
    events.extend(unusable());
    shuffle(&mut events);
    let worker = shop.start();
    shop.publish_over(4, &events);

    // In the middle of the work it is told to stop: it ends well, and the next one goes on.
    let sent = fates.iter().filter(|f| f[3] == "sent").count();
    shop.sink.wait_for(sent / 8, Duration::from_secs(60));
    let status = worker.terminate(Duration::from_secs(25));
    assert!(status.success(), "{status}");
    shop.take_in_everything(shop.start());
    let settled = |all: &[Value], count: usize| {
        all.len() >= count
            && all.iter().all(|m| !["pending", "claimed", "sending"].contains(&text(&m["state"]).as_str()))
    };
    shop.set_clock(RUNNING);
    let worker = shop.start();
    let that_day = fates.iter().filter(|f| f[1] != "send-abandoned-cart-offer").count();
    shop.wait_for(Duration::from_secs(240), |all| settled(all, that_day));
    assert!(worker.terminate(Duration::from_secs(25)).success());
    shop.set_clock(NEXT_DAY);
    let worker = shop.start();
    let messages = shop.wait_for(Duration::from_secs(240), |all| settled(all, fates.len()));
    let came: BTreeSet<Fate> = messages.iter().map(fate_of).collect();
    let (missing, extra): (Vec<_>, Vec<_>) =
        (fates.difference(&came).take(10).collect(), came.difference(&fates).take(10).collect());
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}\nunexpected {extra:?}");
    assert_eq!(messages.len(), fates.len(), "each message once");

    mails_are_right(&shop, &messages, sent);
    dead_letters_are_exactly_the_unusable(&shop);
    assert!(worker.terminate(Duration::from_secs(25)).success());
    figures_agree_with_the_tables(&shop, &messages);
}

/// The sums of all that was counted, by (kind, what), over all workers that ran.
fn figures(shop: &Shop) -> BTreeMap<(String, String), i64> {
    let counted = support::postgres::Postgres::shared().psql(
        &shop.database,
        "SELECT kind, what, SUM(count) FROM figures WHERE minutes = 5 GROUP BY kind, what",
    );
    let read = |line: &str| {
        let [kind, what, count] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
        ((kind.to_owned(), what.to_owned()), count.parse().expect("a number"))
    };
    counted.lines().map(read).collect()
}

fn figures_agree_with_the_tables(shop: &Shop, messages: &[Value]) {
    let figures = figures(shop);
    let of = |kind: &str| -> BTreeMap<String, i64> {
        let figures = figures.iter().filter(|((k, _), _)| k == kind);
        figures.map(|((_, what), count)| (what.clone(), *count)).collect()
    };
    // What each message came to, and nothing twice, though a worker was stopped in the middle.
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for message in messages {
        let (state, reason) = (text(&message["state"]), text(&message["reason"]));
        let what = if reason.is_empty() { state } else { format!("{state}:{reason}") };
        *expected.entry(what).or_default() += 1;
    }
    let mut came = of("messages");
    let decided = came.remove("pending").expect("some were to be sent");
    assert!(decided >= expected["sent"] && decided <= messages.len() as i64, "{decided}");
    assert_eq!(came, expected);

    let psql = |sql: &str| support::postgres::Postgres::shared().psql(&shop.database, sql);
    let (entries, codes) = (psql("SELECT COUNT(*) FROM entries"), psql("SELECT COUNT(*) FROM promo_codes"));
    // Where the order came in before its cart, the entry was over before it began.
    let begun = of("entries");
    assert_eq!((begun["begun"] + begun["exited"]).to_string(), entries.trim(), "{begun:?}");
    assert_eq!(of("codes")["issued"].to_string(), codes.trim());
    let events = of("events");
    // What was on its way when a worker was stopped is delivered again.
    assert_eq!(events["new"], 4 * CUSTOMERS as i64);
    assert!(events["known"] >= 4 * CUSTOMERS as i64 / 10 && events["refused"] >= 5, "{events:?}");
    assert!(of("started").values().sum::<i64>() >= 4);
    let by_time =
        "SELECT COUNT(*) FROM figures WHERE minutes = 5 AND (slot < '2026-11-23T09:45:00Z' OR slot > '2026-11-24T12:00:00Z'
         OR EXTRACT(epoch FROM slot)::bigint % 300 <> 0)";
    assert_eq!(psql(by_time).trim(), "0", "the slots are those of the worker's clock");
}

fn mails_are_right(shop: &Shop, messages: &[Value], sent: usize) {
    let mails = lines(&run(python("check_mail.py").arg(shop.sink.folder())));
    assert_eq!(mails.len(), sent, "the sink holds each message once");
    let by_id: BTreeMap<String, &Value> = mails.iter().map(|m| (text(&m["message_id"]), m)).collect();
    assert_eq!(by_id.len(), sent, "no Message-ID twice");
    for message in messages.iter().filter(|m| m["state"] == "sent") {
        let mail = by_id[&format!("<{}@maison-lumen.example>", text(&message["id"]))];
        assert_eq!(mail["to"], message["to"]);
        assert_eq!(mail["parts"], json!(["text/plain", "text/html"]));
        assert_eq!(mail["list_unsubscribe_post"], "List-Unsubscribe=One-Click");
        assert!(text(&mail["list_unsubscribe"]).starts_with("<https://news.example.com/u/"));
        let code = text(&message["promo_code"]);
        assert!(text(&mail["text"]).contains(&code) && text(&mail["html"]).contains(&code));
        let french = message["locale"] == "fr";
        assert_eq!(text(&mail["text"]).contains("Me désinscrire"), french, "{mail}");
    }
    let codes: Vec<String> =
        messages.iter().map(|m| text(&m["promo_code"])).filter(|c| !c.is_empty()).collect();
    assert!(!codes.is_empty());
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "no code twice");
}

fn dead_letters_are_exactly_the_unusable(shop: &Shop) {
    let listed = lines(&run(shop.declic().args(["dead-letters", "list", "--format", "ndjson"])));
    let reasons: BTreeSet<String> = listed.iter().map(|l| text(&l["reason"])).collect();
    let expected = ["invalid_attribute", "missing_attribute", "not_json", "time_too_far_ahead", "too_large"];
    assert_eq!(reasons, expected.map(str::to_owned).into());
    assert_eq!(listed.len(), 5);
    let doctor = run(shop.declic().arg("doctor"));
    assert!(doctor.contains("0 events waiting") && doctor.contains("5 dead letters"), "{doctor}");
}

fn consents_of(shop: &Shop, customer: &str) -> Vec<Value> {
    let shown = run(shop.declic().args(["customers", "show", customer, "--format", "json"]));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    shown[0]["consents"].as_array().expect("a list").clone()
}

#[test]
fn one_click_on_the_link_of_a_mail_withdraws_consent() {
    let shop = Shop::open("start = 2026-11-23T09:45:00Z\nspeed = 60.0");
    let worker = shop.start();
    let profile = json!({"email": "alice@example.com", "first_name": "Alice"});
    shop.publish(&[event("1", "customer.signed_up", "alice", "2026-11-23T09:45:00Z", profile)]);
    shop.sink.wait_for(1, Duration::from_secs(30));
    let mails = lines(&run(python("check_mail.py").arg(shop.sink.folder())));
    let link = text(&mails[0]["list_unsubscribe"]);
    let path = link
        .trim_matches(['<', '>'])
        .strip_prefix("https://news.example.com")
        .expect("our own link")
        .to_owned();

    // What link scanners and mailbox previews do changes nothing.
    for method in ["GET", "HEAD"] {
        let answer = ask(shop.public, &format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"));
        assert!(answer.expect("an answer").contains(" 200 "));
    }
    assert!(consents_of(&shop, "alice").is_empty());
    let body = "List-Unsubscribe=One-Click";
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: news.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(ask(shop.public, &request).expect("an answer").contains(" 200 "));
    let word = &consents_of(&shop, "alice")[0];
    assert_eq!((&word["purpose"], &word["status"]), (&json!("service"), &json!("withdrawn")));
    assert_eq!(word["event_source"], "/declic/unsubscribe");
    assert!(worker.terminate(Duration::from_secs(25)).success());
}

#[test]
fn consent_withdrawn_between_the_decision_and_the_send_stops_the_message() {
    let shop = Shop::open("start = 2026-11-23T09:45:00Z\nspeed = 60.0");
    shop.sink.behave(&[("rcpt", "450 4.2.1 come back later")]);
    let worker = shop.start();
    let profile = json!({"email": "alice@example.com", "first_name": "Alice"});
    shop.publish(&[event("1", "customer.signed_up", "alice", "2026-11-23T09:45:00Z", profile)]);
    let decided =
        |all: &[Value]| all.iter().any(|m| m["state"] == "pending" && m["attempts"].as_u64() > Some(0));
    shop.wait_for(Duration::from_secs(30), decided);
    let word = json!({"channel": "email", "purpose": "service", "status": "withdrawn", "source": "page"});
    shop.publish(&[event("2", "consent.changed", "alice", "2026-11-23T09:46:00Z", word)]);
    let heard = || consents_of(&shop, "alice").iter().any(|c| c["status"] == "withdrawn");
    assert!(wait_until(Duration::from_secs(60), heard), "{}", worker.log());
    shop.sink.behave(&[]);
    // Its turn may have come, and nothing been decided yet.
    let under_way = |m: &Value| ["pending", "claimed", "sending"].iter().any(|state| m["state"] == *state);
    let messages = shop.wait_for(Duration::from_secs(60), |all| !all.iter().any(under_way));
    let (state, reason) = (text(&messages[0]["state"]), text(&messages[0]["reason"]));
    assert_eq!((state.as_str(), reason.as_str()), ("suppressed", "consent_withdrawn"));
    assert!(shop.sink.mails().is_empty());
    drop(worker);
}
