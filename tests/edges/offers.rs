//! Promo codes, consent over time, and absences that are judged when they are over.

use crate::bench::{Customer, book};

const OFFER: &str = "purpose: marketing\ntrigger: { event: go }\nre_entry: always\n\
    steps: [{ promo_code: { prefix: P, discount: 10%, valid_for: 7d } }, { send: { email: a } }, { wait: 1h }, { send: { email: b } }]\n";

fn word(status: &str, channel: &str, purpose: &str) -> String {
    format!(r#"{{"channel":"{channel}","purpose":"{purpose}","status":"{status}"}}"#)
}

#[test]
fn a_code_is_issued_only_with_a_mail_that_goes() {
    let book = book(&[("r", OFFER)]);
    let mut refused = Customer::known(&book);
    refused.hears(&book, "2026-11-23T10:00", "go", "{}");
    assert_eq!(refused.said(), ["2026-11-23T10:00 a no_consent"]);
    assert!(refused.codes.is_empty() && refused.messages[0].promo_code.is_none());
    // The code that nobody got goes with the next mail that does go.
    refused.hears(&book, "2026-11-23T10:30", "consent.changed", &word("granted", "email", "marketing"));
    refused.lives(&book, "2026-12-01T00:00");
    assert_eq!(refused.said()[1..], ["2026-11-23T11:00 b"]);
    assert_eq!(refused.codes.len(), 1);
    assert_eq!(refused.codes[0].valid_from, crate::bench::at("2026-11-23T11:00"));
    assert_eq!(refused.codes[0].valid_until, crate::bench::at("2026-11-30T11:00"));
}

#[test]
fn the_same_history_gives_the_same_code_and_another_customer_another() {
    let book = book(&[("r", OFFER)]);
    let code = |name: &str, times: usize| {
        let mut customer = Customer::new(name);
        let profile =
            r#"{"email":"c@x.fr","consents":[{"channel":"email","purpose":"marketing","status":"granted"}]}"#;
        customer.hears(&book, "2026-11-23T09:00", "customer.signed_up", profile);
        for _ in 0..times {
            customer.hears(&book, "2026-11-23T10:00", "go", "{}");
        }
        customer.lives(&book, "2026-12-01T00:00");
        customer.codes.iter().map(|c| c.code.clone()).collect::<Vec<_>>()
    };
    assert_eq!(code("c", 1), code("c", 1));
    assert_ne!(code("c", 1), code("d", 1));
    let two = code("c", 2);
    assert!(two.len() == 2 && two[0] != two[1], "one for each entry: {two:?}");
    assert_eq!(two[..1], code("c", 1)[..]);
}

#[test]
fn consent_is_judged_as_of_the_planned_instant() {
    let book = book(&[(
        "r",
        "purpose: marketing\ntrigger: { event: go }\nsteps: [{ wait: 2h }, { send: { email: a } }]\n",
    )]);
    let fate = |words: &[(&str, &str)], woken: &str| {
        let mut customer = Customer::known(&book);
        customer.hears(&book, "2026-11-23T10:00", "go", "{}");
        for (time, status) in words {
            customer.hears(&book, time, "consent.changed", &word(status, "email", "marketing"));
        }
        customer.wakes(&book, woken).said().concat()
    };
    let (granted, withdrawn) = (("2026-11-23T10:30", "granted"), ("2026-11-23T11:00", "withdrawn"));
    assert_eq!(fate(&[granted], "2026-11-23T12:00"), "2026-11-23T12:00 a");
    assert_eq!(fate(&[granted, withdrawn], "2026-11-23T12:00"), "2026-11-23T12:00 a consent_withdrawn");
    assert_eq!(
        fate(&[("2026-11-23T12:00", "granted")], "2026-11-23T12:00"),
        "2026-11-23T12:00 a",
        "that very instant"
    );
    assert_eq!(
        fate(&[("2026-11-23T12:01", "granted")], "2026-11-23T12:30"),
        "2026-11-23T12:00 a no_consent",
        "a late worker"
    );
    let again = [("2026-11-23T10:30", "withdrawn"), ("2026-11-23T11:00", "granted")];
    assert_eq!(fate(&again, "2026-11-23T12:00"), "2026-11-23T12:00 a", "the newest word");
    let tie = [("2026-11-23T11:00", "withdrawn"), ("2026-11-23T11:00", "granted")];
    assert_eq!(
        fate(&tie, "2026-11-23T12:00"),
        "2026-11-23T12:00 a consent_withdrawn",
        "the strictest of two at once"
    );
}

#[test]
fn of_words_within_one_event_that_contradict_each_other_the_strictest_stands_alone() {
    let book = book(&[("r", "purpose: service\ntrigger: { event: go }\nsteps: [{ send: { email: a } }]\n")]);
    for order in [["pending", "withdrawn"], ["withdrawn", "granted"]] {
        let mut customer = Customer::known(&book);
        let words = order.map(|status| word(status, "email", "service")).join(", ");
        customer.hears(
            &book,
            "2026-11-23T09:00",
            "consent.changed",
            &format!(r#"{{"consents": [{words}]}}"#),
        );
        customer.hears(&book, "2026-11-23T10:00", "go", "{}");
        assert_eq!(customer.said(), ["2026-11-23T10:00 a consent_withdrawn"], "{order:?}");
        // The ledger has one line for each event, channel and purpose: a second word would be lost on its way there.
        assert_eq!(customer.snapshot.consents.0.len(), 1);
    }
}

#[test]
fn a_word_about_another_channel_or_purpose_is_not_about_this() {
    let book =
        book(&[("r", "purpose: marketing\ntrigger: { event: go }\nsteps: [{ send: { email: a } }]\n")]);
    for (channel, purpose) in
        [("sms", "marketing"), ("email", "service"), ("Email", "marketing"), ("email", "Marketing")]
    {
        let mut customer = Customer::known(&book);
        customer.hears(&book, "2026-11-23T09:00", "consent.changed", &word("granted", channel, purpose));
        customer.hears(&book, "2026-11-23T10:00", "go", "{}");
        assert_eq!(customer.said(), ["2026-11-23T10:00 a no_consent"], "{channel} {purpose}");
    }
}

#[test]
fn waiting_for_a_grant() {
    let rule = "purpose: marketing\ntrigger: { event: go }\nexit_on: [stop]\n\
        steps: [{ send: { email: a, wait_for_consent: 7d } }]\n";
    let book = book(&[("r", rule)]);
    let fate = |words: &[(&str, &str)]| {
        let mut customer = Customer::known(&book);
        customer.hears(&book, "2026-11-23T10:00", "go", "{}");
        for (time, status) in words {
            let (kind, data) = match *status {
                "stop" => ("stop", "{}".to_owned()),
                status => ("consent.changed", word(status, "email", "marketing")),
            };
            customer.hears(&book, time, kind, &data);
        }
        customer.lives(&book, "2027-01-01T00:00").said().concat()
    };
    let no = "2026-11-30T10:00 a no_consent";
    assert_eq!(fate(&[("2026-11-24T10:00", "pending")]), no, "asked and not answered");
    assert_eq!(
        fate(&[("2026-11-24T10:00", "pending"), ("2026-11-25T10:00", "granted")]),
        "2026-11-25T10:00 a"
    );
    assert_eq!(
        fate(&[("2026-11-24T10:00", "denied"), ("2026-11-25T10:00", "granted")]),
        "2026-11-25T10:00 a"
    );
    assert_eq!(fate(&[("2026-11-30T10:00", "granted")]), "2026-11-30T10:00 a", "the last instant");
    assert_eq!(fate(&[("2026-11-30T10:01", "granted")]), no, "a minute late");
    assert_eq!(
        fate(&[("2026-11-24T10:00", "stop"), ("2026-11-25T10:00", "granted")]),
        "",
        "an exit while waiting"
    );
    assert_eq!(
        fate(&[("2026-11-25T10:00", "granted"), ("2026-11-25T10:00", "stop")]),
        "2026-11-25T10:00 a",
        "the mail was decided before the exit arrived"
    );
}

#[test]
fn an_absence_is_judged_when_it_is_over_and_comes_once_for_each_last_order() {
    let rule = |re_entry: &str| {
        format!(
            "purpose: transactional\ntrigger: {{ absent: order, for: 90d, if: customer.country == \"FR\" }}\n{re_entry}steps: [{{ send: {{ email: a }} }}]\n"
        )
    };
    for re_entry in ["", "re_entry: never\n", "re_entry: always\n"] {
        let body = rule(re_entry);
        let book = book(&[("r", &body)]);
        let mut customer = Customer::known(&book);
        customer.hears(&book, "2026-01-02T00:00", "order", "{}");
        // Not French when the customer ordered, but when the 90 days are over; and no more in autumn.
        customer.hears(&book, "2026-03-01T00:00", "customer.updated", r#"{"country":"FR"}"#);
        customer.lives(&book, "2026-05-01T00:00").hears(&book, "2026-05-01T00:00", "order", "{}");
        customer.lives(&book, "2026-09-01T00:00").hears(&book, "2026-09-01T00:00", "order", "{}");
        customer.hears(&book, "2026-10-01T00:00", "customer.updated", r#"{"country":"BE"}"#);
        customer.lives(&book, "2027-06-01T00:00");
        assert_eq!(customer.said(), ["2026-04-02T00:00 a", "2026-07-30T00:00 a"], "{re_entry}");
        assert!(customer.refused().contains(&"r condition_false".to_owned()), "{:?}", customer.refused());
    }
}
