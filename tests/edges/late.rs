//! Facts that come late, early or never.

use crate::bench::{Customer, at, book, event};

const NOTHING: [&str; 0] = [];

const CART: &str = "purpose: transactional\ntrigger: { event: cart, if: customer.vip }\nre_entry: restart\n\
    exit_on: [order]\nsteps: [{ wait: 3h }, { send: { email: a } }]\n";

#[test]
fn an_exit_that_arrives_before_its_entry_still_ends_it() {
    let book = book(&[(
        "r",
        "purpose: transactional\ntrigger: { event: cart }\nexit_on: [order]\nsteps: [{ wait: 1h }, { send: { email: a } }]\n",
    )]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T10:20", "order", "{}");
    customer.hears_at(&book, "2026-11-23T10:30", "2026-11-23T10:00", "cart", "{}");
    assert_eq!(customer.lives(&book, "2026-12-01T00:00").said(), NOTHING);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T09:50", "order", "{}");
    customer.hears_at(&book, "2026-11-23T10:30", "2026-11-23T10:00", "cart", "{}");
    assert_eq!(
        customer.lives(&book, "2026-12-01T00:00").said(),
        ["2026-11-23T11:00 a"],
        "an earlier order does not"
    );
}

#[test]
fn a_restart_that_turns_out_void_gives_the_wait_back() {
    let book = book(&[("r", CART)]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T09:00", "customer.updated", r#"{"vip":true}"#);
    customer.hears(&book, "2026-11-23T10:00", "cart", "{}");
    customer.hears(&book, "2026-11-23T10:30", "cart", "{}");
    // Since 10:20 the second cart met the condition no more; nobody knew yet.
    customer.hears_at(&book, "2026-11-23T10:40", "2026-11-23T10:20", "customer.updated", r#"{"vip":false}"#);
    assert_eq!(customer.lives(&book, "2026-12-01T00:00").said(), ["2026-11-23T13:00 a"]);
}

#[test]
fn the_reason_of_an_end_is_that_of_the_earliest_exit_whatever_came_first() {
    let book = book(&[("r", CART)]);
    let ended = |first: &str, second: &str| {
        let mut customer = Customer::known(&book);
        customer.hears(&book, "2026-11-23T09:00", "customer.updated", r#"{"vip":true}"#);
        customer.hears(&book, "2026-11-23T10:00", "cart", "{}");
        for (id, time) in [(first, first), (second, second)] {
            customer.takes(&book, at("2026-11-23T11:30"), event(id, time, "order", "{}"));
        }
        customer.lives(&book, "2026-12-01T00:00").snapshot.entries.clone()
    };
    let (early, late) = ("2026-11-23T10:20", "2026-11-23T11:00");
    assert_eq!(ended(early, late), ended(late, early));
}

#[test]
fn what_is_committed_stands() {
    let rule =
        "purpose: transactional\ntrigger: { event: cart }\nsteps: [{ wait: 1h }, { send: { email: a } }]\n";
    let book = book(&[("r", rule)]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T10:00", "cart", "{}").lives(&book, "2026-11-23T12:00");
    // An earlier cart, had it been known, would have been the one; the mail has gone.
    customer.hears_at(&book, "2026-11-23T12:30", "2026-11-23T09:00", "cart", "{}");
    assert_eq!(customer.lives(&book, "2026-12-01T00:00").said(), ["2026-11-23T11:00 a"]);
    assert_eq!(customer.refused(), ["r already_entered"]);
}

#[test]
fn an_old_event_begins_nothing_and_a_long_absence_still_does() {
    let rules = [
        (
            "go",
            "purpose: transactional\ntrigger: { event: order }\nre_entry: always\nsteps: [{ send: { email: a } }]\n",
        ),
        (
            "gone",
            "purpose: transactional\ntrigger: { absent: order, for: 90d }\nsteps: [{ send: { email: b } }]\n",
        ),
    ];
    let book = book(&rules);
    let mut customer = Customer::known(&book);
    customer.hears_at(&book, "2026-11-23T10:00", "2026-11-22T09:59", "order", "{}");
    assert_eq!(customer.refused(), ["go too_old",]);
    assert_eq!(customer.lives(&book, "2027-06-01T00:00").said(), ["2027-02-20T09:59 b"]);
    let mut customer = Customer::known(&book);
    customer.hears_at(&book, "2026-11-23T10:00", "2026-11-22T10:00", "order", "{}");
    assert_eq!(customer.refused(), NOTHING, "exactly max_age is not too old");
    assert_eq!(customer.said(), ["2026-11-22T10:00 a"]);
}

#[test]
fn a_late_worker_says_what_one_in_time_would_have_said_or_that_it_is_too_late() {
    let rule = "purpose: transactional\ntrigger: { event: go }\nexit_on: [stop]\n\
        steps: [{ wait: 1h }, { send: { email: a, expire_after: 2h } }, { wait: 1h }, { send: { email: b } }]\n";
    let book = book(&[("r", rule)]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T10:00", "go", "{}");
    customer.hears(&book, "2026-11-23T11:30", "stop", "{}");
    assert_eq!(customer.said(), ["2026-11-23T11:00 a"], "the stop came after the first mail was planned");
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T10:00", "go", "{}").wakes(&book, "2026-11-23T13:00");
    assert_eq!(customer.said(), ["2026-11-23T11:00 a", "2026-11-23T12:00 b"], "at the very end of its time");
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T10:00", "go", "{}").wakes(&book, "2026-11-23T13:01");
    assert_eq!(customer.said(), ["2026-11-23T11:00 a expired", "2026-11-23T12:00 b"]);
}

#[test]
fn an_event_that_comes_again_after_the_mail_says_nothing_new() {
    let rule = "purpose: transactional\ntrigger: { event: go }\nre_entry: always\nsteps: [{ send: { email: a } }, { wait: 1h }, { send: { email: b } }]\n";
    let book = book(&[("r", rule)]);
    let mut customer = Customer::known(&book);
    let go = event("once", "2026-11-23T10:00", "go", "{}");
    customer.takes(&book, at("2026-11-23T10:00"), go.clone());
    for now in ["2026-11-23T10:30", "2026-11-23T12:00"] {
        let verdicts =
            declic::domain::decide::on_events(&book, &customer.snapshot, std::slice::from_ref(&go), at(now));
        assert!(verdicts.messages.is_empty() && verdicts.entries.is_empty(), "{verdicts:?}");
        customer.lives(&book, now);
    }
    assert_eq!(customer.said(), ["2026-11-23T10:00 a", "2026-11-23T11:00 b"]);
}

#[test]
fn after_an_erasure_nothing_is_left_and_nothing_begins() {
    let rule = "purpose: transactional\ntrigger: { event: go }\nre_entry: always\nsteps: [{ wait: 1h }, { send: { email: a } }]\n";
    let book = book(&[("r", rule)]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T10:00", "go", "{}");
    customer.hears(&book, "2026-11-23T10:30", "customer.deleted", "{}");
    assert!(customer.snapshot.erased && customer.snapshot.entries.is_empty());
    assert!(customer.snapshot.profile.attributes.is_empty() && customer.snapshot.history.is_empty());
    customer.hears(&book, "2026-11-23T10:40", "customer.updated", r#"{"email":"c@x.fr"}"#);
    customer.hears(&book, "2026-11-23T10:50", "go", "{}");
    assert_eq!(customer.lives(&book, "2026-12-01T00:00").said(), NOTHING);
    assert!(customer.snapshot.profile.attributes.is_empty());
}

/// A rule that mails each who signs up, once in their life.
const WELCOME: &str = "purpose: transactional\ntrigger: { event: customer.signed_up }\nre_entry: never\n\
    steps: [{ send: { email: a } }]\n";

#[test]
fn whoever_signs_up_after_an_erasure_is_somebody_new() {
    let book = book(&[("r", WELCOME)]);
    let mut customer = Customer::new("c");
    let signs_up = |customer: &mut Customer, time: &str| {
        customer.hears(&book, time, "customer.signed_up", r#"{"email":"c@x.fr"}"#);
    };
    signs_up(&mut customer, "2026-11-23T10:00");
    customer.hears(&book, "2026-11-23T11:00", "customer.deleted", "{}");
    // What happened before and is only heard of now, and what the shop tells of them since, bring nobody back.
    customer.hears_at(
        &book,
        "2026-11-23T11:10",
        "2026-11-23T09:00",
        "customer.signed_up",
        r#"{"email":"old@x.fr"}"#,
    );
    customer.hears(&book, "2026-11-23T11:20", "customer.updated", r#"{"email":"again@x.fr"}"#);
    assert!(customer.snapshot.erased && customer.snapshot.profile.attributes.is_empty());
    signs_up(&mut customer, "2026-11-23T12:00");
    assert!(!customer.snapshot.erased);
    assert_eq!(customer.said(), ["2026-11-23T10:00 a", "2026-11-23T12:00 a"]);
    customer.hears_at(
        &book,
        "2026-11-23T12:10",
        "2026-11-23T10:30",
        "customer.updated",
        r#"{"city":"Lyon"}"#,
    );
    assert!(customer.snapshot.profile.get("city").is_none(), "forgotten for ever");
}

#[test]
fn what_was_agreed_to_before_an_erasure_is_not_agreed_to_after_it() {
    let offer = "purpose: marketing\ntrigger: { event: customer.signed_up }\nre_entry: always\nsteps: [{ send: { email: a } }]\n";
    let news = "purpose: service\ntrigger: { event: customer.signed_up }\nre_entry: always\nsteps: [{ send: { email: b } }]\n";
    let book = book(&[("offer", offer), ("news", news)]);
    let mut customer = Customer::new("c");
    let before = r#"{"email":"c@x.fr","consents":[{"channel":"email","purpose":"marketing","status":"granted"},
        {"channel":"email","purpose":"service","status":"denied"}]}"#;
    customer.hears(&book, "2026-11-23T10:00", "customer.signed_up", before);
    customer.hears(&book, "2026-11-23T11:00", "customer.deleted", "{}");
    customer.hears(&book, "2026-11-23T12:00", "customer.signed_up", r#"{"email":"c@x.fr"}"#);
    let said = customer.said();
    assert_eq!(said[2..], ["2026-11-23T12:00 b consent_withdrawn", "2026-11-23T12:00 a no_consent"]);
}

#[test]
fn a_deletion_forgets_what_was_before_it_and_not_what_came_after() {
    let book = book(&[("r", WELCOME)]);
    let signed_up = event("in", "2026-11-23T12:00", "customer.signed_up", r#"{"email":"c@x.fr"}"#);
    let mut old = event("old", "2026-11-23T10:00", "customer.updated", r#"{"city":"Lyon"}"#);
    let deleted = event("out", "2026-11-23T11:00", "customer.deleted", "{}");
    std::sync::Arc::make_mut(&mut old.data)["consents"] =
        serde_json::json!([{ "channel": "email", "purpose": "marketing", "status": "granted" }]);
    let batch = [old, deleted.clone(), signed_up];
    let mut customer = Customer::known(&book);
    for event in &batch {
        customer.snapshot.remember(event, at("2026-11-23T12:00"));
    }
    let verdicts =
        declic::domain::decide::on_events(&book, &customer.snapshot, &batch, at("2026-11-23T12:00"));
    assert_eq!(
        (verdicts.erased, verdicts.signed_up),
        (Some(at("2026-11-23T11:00")), Some(at("2026-11-23T12:00")))
    );
    assert!(verdicts.consents.is_empty() && verdicts.messages.len() == 1, "{verdicts:?}");
    let ahead = event("ahead", "2026-11-23T20:00", "customer.deleted", "{}");
    let ahead =
        declic::domain::decide::on_events(&book, &customer.snapshot, &[ahead], at("2026-11-23T13:00"));
    assert_eq!(ahead.erased, Some(at("2026-11-23T13:00")), "what is still to come is not forgotten");
    customer.snapshot.evolve(&verdicts);
    assert!(!customer.snapshot.erased && customer.snapshot.profile.text("email") == Some("c@x.fr"));
    assert!(customer.snapshot.profile.get("city").is_none());
    let again =
        declic::domain::decide::on_events(&book, &customer.snapshot, &[deleted], at("2026-11-23T13:00"));
    assert_eq!(again.erased, None, "told again, it deletes nobody who has come back since");
}

#[test]
fn a_field_that_is_missing_is_named() {
    let rules = [
        (
            "cond",
            "purpose: transactional\ntrigger: { event: go, if: data.total > 3 }\nsteps: [{ send: { email: a } }]\n",
        ),
        (
            "key",
            "purpose: transactional\ntrigger: { event: go, key: data.k }\nsteps: [{ send: { email: a } }]\n",
        ),
        (
            "step",
            "purpose: transactional\ntrigger: { event: go }\nsteps:\n  - if: customer.vip\n    then: [{ send: { email: a } }]\n    else: [{ send: { email: b } }]\n  - send: { email: c }\n",
        ),
    ];
    let book = book(&rules);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-11-23T10:00", "go", "{}");
    assert_eq!(customer.said(), ["2026-11-23T10:00 c"], "neither branch, and on it goes");
    let mut refused = customer.refused();
    refused.sort();
    let starts = ["cond missing_field", "key missing_field data.k", "step missing_field"];
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{refused:?}");
    assert!(refused[0].contains("total") && refused[2].contains("vip"), "{refused:?}");
}

#[test]
fn of_two_ends_at_one_instant_the_same_one_is_recorded() {
    let book = book(&[("r", CART)]);
    let ended = |kinds: [(&str, &str); 2]| {
        let mut customer = Customer::known(&book);
        customer.hears(&book, "2026-11-23T09:00", "customer.updated", r#"{"vip":true}"#);
        customer.takes(&book, at("2026-11-23T12:00"), event("first", "2026-11-23T10:00", "cart", "{}"));
        for (id, kind) in kinds {
            customer.takes(&book, at("2026-11-23T12:00"), event(id, "2026-11-23T11:00", kind, "{}"));
        }
        customer.lives(&book, "2026-12-01T00:00").ends()["/t#first"].to_owned()
    };
    assert_eq!(ended([("x", "cart"), ("y", "order")]), "exited");
    assert_eq!(ended([("y", "order"), ("x", "cart")]), "exited");
}
