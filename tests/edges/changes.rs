//! A rule that changes, is disabled or is deleted while a customer is in it.

use crate::bench::{Customer, at, book, replaced};

const NOTHING: [&str; 0] = [];

/// Waits an hour, says `mail`, waits a day, says `b`.
fn rule(head: &str, mail: &str) -> String {
    format!(
        "{head}purpose: transactional\ntrigger: {{ event: go }}\nre_entry: always\n\
         steps: [{{ wait: 1h, id: first }}, {{ send: {{ email: {mail} }}, id: one }}, {{ wait: 1d, id: second }}, {{ send: {{ email: b }}, id: two }}]\n"
    )
}

/// What a customer is told who entered at ten o'clock, when the rule becomes `after` at half past ten.
fn told(after: Option<&str>) -> Vec<String> {
    let body = rule("", "a");
    let before = book(&[("r", &body)]);
    let mut customer = Customer::known(&before);
    customer.hears(&before, "2026-11-23T10:00", "go", "{}");
    let rules: Vec<(&str, &str)> = after.map(|body| ("r", body)).into_iter().collect();
    let now = replaced(&before, &rules);
    customer.lives(&now, "2026-12-01T00:00");
    let mut told = customer.said();
    told.extend(customer.snapshot.entries.iter().filter_map(|e| e.reason).map(|r| r.as_str().to_owned()));
    told
}

#[test]
fn each_way_of_changing() {
    assert_eq!(told(Some(&rule("", "c"))), ["2026-11-23T11:00 a", "2026-11-24T11:00 b"], "keep");
    assert_eq!(told(Some(&rule("on_change: migrate\n", "c"))), ["2026-11-23T11:00 c", "2026-11-24T11:00 b"]);
    assert_eq!(told(Some(&rule("on_change: exit\n", "c"))), ["rule_changed"]);
    assert_eq!(told(Some(&rule("enabled: false\n", "a"))), ["rule_disabled"]);
    assert_eq!(told(None), ["rule_deleted"]);
}

#[test]
fn words_beside_the_meaning_change_nothing() {
    let commented = format!("# a comment\n{}", rule("on_change: exit\n", "a"));
    let before = book(&[("r", &rule("on_change: exit\n", "a"))]);
    let mut customer = Customer::known(&before);
    customer.hears(&before, "2026-11-23T10:00", "go", "{}");
    let after = book(&[("r", &commented)]);
    assert_eq!(
        customer.lives(&after, "2026-12-01T00:00").said(),
        ["2026-11-23T11:00 a", "2026-11-24T11:00 b"]
    );
}

#[test]
fn a_step_that_is_gone_keeps_the_entry_on_its_old_version() {
    let after = "on_change: migrate\npurpose: transactional\ntrigger: { event: go }\nre_entry: always\nsteps: [{ send: { email: c }, id: other }]\n";
    assert_eq!(told(Some(after)), ["2026-11-23T11:00 a", "2026-11-24T11:00 b"]);
}

#[test]
fn an_entry_that_waits_at_the_end_of_a_branch_migrates_too() {
    let rule = |head: &str, mail: &str| {
        format!(
            "{head}purpose: transactional\ntrigger: {{ event: go }}\nsteps:\n  - if: data.x\n    id: which\n    then: [{{ wait: 1h, id: w }}]\n    else: [{{ wait: 2h, id: v }}]\n  - send: {{ email: {mail} }}\n    id: s\n"
        )
    };
    for (x, hour) in [("true", "11"), ("false", "12")] {
        let before = book(&[("r", &rule("", "a"))]);
        let mut customer = Customer::known(&before);
        customer.hears(&before, "2026-11-23T10:00", "go", &format!(r#"{{"x":{x}}}"#));
        let after = replaced(&before, &[("r", &rule("on_change: migrate\n", "c"))]);
        customer.lives(&after, "2026-12-01T00:00");
        assert_eq!(customer.said(), [format!("2026-11-23T{hour}:00 c")]);
    }
}

#[test]
fn without_the_old_text_an_entry_ends_rather_than_repeat_itself() {
    let before = book(&[("r", &rule("", "a"))]);
    let mut customer = Customer::known(&before);
    customer.hears(&before, "2026-11-23T10:00", "go", "{}");
    let after = book(&[("r", &rule("", "c"))]);
    assert_eq!(after.missing(&customer.snapshot.entries).len(), 1, "the shell is told what to load");
    assert_eq!(customer.lives(&after, "2026-12-01T00:00").said(), NOTHING);
    assert!(customer.ends().values().all(|end| *end == "rule_changed"));
}

#[test]
fn an_edited_condition_or_exit_is_for_new_entries() {
    let rule = |more: &str, exit: &str| {
        format!(
            "purpose: transactional\ntrigger: {{ event: go{more} }}\nexit_on: [{exit}]\nre_entry: always\nsteps: [{{ wait: 1h }}, {{ send: {{ email: a }} }}]\n"
        )
    };
    let before = book(&[("r", &rule("", "stop"))]);
    let mut customer = Customer::known(&before);
    customer.hears(&before, "2026-11-23T10:00", "go", "{}");
    let after = replaced(&before, &[("r", &rule(", if: data.x == 1", "halt"))]);
    customer.hears(&after, "2026-11-23T10:10", "go", "{}").hears(&after, "2026-11-23T10:20", "halt", "{}");
    assert_eq!(customer.lives(&after, "2026-12-01T00:00").said(), ["2026-11-23T11:00 a"]);
}

#[test]
fn an_entry_that_is_kept_still_ends_by_the_exits_of_its_own_version() {
    let event = |exit: &str| {
        format!(
            "purpose: transactional\ntrigger: {{ event: go }}\nexit_on: [{exit}]\nsteps: [{{ wait: 1h }}, {{ send: {{ email: a }} }}]\n"
        )
    };
    let before = book(&[("r", &event("stop"))]);
    let mut customer = Customer::known(&before);
    customer.hears(&before, "2026-11-23T10:00", "go", "{}");
    let after = replaced(&before, &[("r", &event("halt"))]);
    assert!(
        after.needs(["stop"], at("2026-11-23T10:20")).kinds.contains("stop"),
        "the shell is told to load it"
    );
    customer.hears(&after, "2026-11-23T10:20", "stop", "{}");
    assert_eq!(customer.lives(&after, "2026-12-01T00:00").said(), NOTHING);
}

#[test]
fn a_worker_whose_clock_is_behind_does_not_take_news_for_old() {
    let rule = "purpose: transactional\ntrigger: { event: cart }\nsteps: [{ send: { email: a } }]\n";
    let since = [("cart".to_owned(), at("2026-11-23T10:30"))];
    let book = book(&[("cart", rule)]).in_force_since(since.into());
    let heard_at = |time: &str| {
        let mut customer = Customer::known(&book);
        customer.hears(&book, time, "cart", "{}");
        customer.lives(&book, "2026-12-01T00:00").said()
    };
    assert_eq!(heard_at("2026-11-23T10:10"), ["2026-11-23T10:10 a"]);
    assert_eq!(heard_at("2026-11-23T09:29"), NOTHING, "that clock is wrong, whichever of the two it is");
}

#[test]
fn a_new_rule_is_not_for_what_happened_before_it() {
    let cart = "purpose: transactional\ntrigger: { event: cart, key: data.id }\nre_entry: always\nsteps: [{ wait: 1h }, { send: { email: a } }]\n";
    let gone =
        "purpose: transactional\ntrigger: { absent: cart, for: 2d }\nsteps: [{ send: { email: b } }]\n";
    let before = book(&[]);
    let told = |since: Option<&str>| {
        let mut customer = Customer::known(&before);
        customer.hears(&before, "2026-11-23T10:00", "cart", r#"{"id":"old"}"#);
        let since = since.map(|since| ["cart", "gone"].map(|rule| (rule.to_owned(), at(since))));
        let now =
            book(&[("cart", cart), ("gone", gone)]).in_force_since(since.into_iter().flatten().collect());
        // The next event folds all carts of the last hours anew, the old one too.
        customer.hears(&now, "2026-11-23T11:00", "cart", r#"{"id":"new"}"#);
        let mut said = customer.lives(&now, "2026-12-01T00:00").said();
        said.sort();
        said
    };
    assert_eq!(told(Some("2026-11-23T10:30")), ["2026-11-23T12:00 a", "2026-11-25T11:00 b"]);
    // One that has been in force since before the first cart, or for ever, serves both.
    let both = ["2026-11-23T11:00 a", "2026-11-23T12:00 a", "2026-11-25T11:00 b"];
    assert_eq!(told(Some("2026-11-23T10:00")), both);
    assert_eq!(told(None), both);
}
