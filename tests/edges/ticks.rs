//! Sweeps that come late, and what becomes of a birthday that is corrected or moves.

use crate::bench::{Customer, book};

const NOTHING: [&str; 0] = [];

const BIRTHDAY: &str = "purpose: transactional\ntrigger: { anniversary: customer.birthday, at: \"09:00\" }\nexit_on: [order]\n\
    steps: [{ send: { email: a } }, { wait: 1h }, { send: { email: b } }]\n";

#[test]
fn a_late_sweep_is_caught_up_or_recorded_as_expired_and_the_next_year_comes() {
    let book = book(&[("r", BIRTHDAY)]);
    let born = r#"{"birthday":"1990-11-24"}"#;
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-02-01T00:00", "customer.updated", born);
    customer.ticks(&book, "r", "2026-11-24", "2026-11-24T08:00", "2026-11-24T20:00");
    assert_eq!(
        customer.said(),
        ["2026-11-24T08:00 a", "2026-11-24T09:00 b"],
        "twelve hours late, at its own time"
    );
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-02-01T00:00", "customer.updated", born);
    customer.ticks(&book, "r", "2026-11-24", "2026-11-24T08:00", "2026-11-24T20:01");
    assert_eq!(customer.said(), NOTHING);
    assert_eq!(customer.ends(), [("birthday 2026", "expired")].into());
    customer.ticks(&book, "r", "2026-11-24", "2026-11-24T08:00", "2026-11-24T08:00");
    assert_eq!(customer.said(), NOTHING, "what was recorded stands");
    customer.ticks(&book, "r", "2027-11-24", "2027-11-24T08:00", "2027-11-24T08:00");
    assert_eq!(customer.said(), ["2027-11-24T08:00 a"]);
}

#[test]
fn a_sweep_that_runs_twice_or_with_a_corrected_date_wishes_once() {
    let book = book(&[("r", BIRTHDAY)]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-02-01T00:00", "customer.updated", r#"{"birthday":"1990-11-24"}"#);
    for planned in ["2026-11-23T20:00", "2026-11-24T08:00", "2026-11-24T12:30"] {
        customer.ticks(&book, "r", "2026-11-24", planned, planned);
    }
    customer.hears(&book, "2026-11-24T13:00", "customer.updated", r#"{"birthday":"1990-11-25"}"#);
    customer.ticks(&book, "r", "2026-11-25", "2026-11-25T08:00", "2026-11-25T08:00");
    assert_eq!(
        customer.lives(&book, "2026-12-31T00:00").said(),
        ["2026-11-23T20:00 a", "2026-11-23T21:00 b"]
    );
}

#[test]
fn a_birthday_counts_as_it_was_known_at_the_hour() {
    let book = book(&[("r", BIRTHDAY)]);
    let mut customer = Customer::known(&book);
    // The sweep is late, and the date was learnt between its hour and now.
    customer.hears(&book, "2026-11-24T08:30", "customer.updated", r#"{"birthday":"1990-11-24"}"#);
    customer.ticks(&book, "r", "2026-11-24", "2026-11-24T08:00", "2026-11-24T09:00");
    assert_eq!(customer.said(), NOTHING);
    customer.ticks(&book, "r", "2027-11-24", "2027-11-24T08:00", "2027-11-24T08:00");
    assert_eq!(customer.said(), ["2027-11-24T08:00 a"]);
}

#[test]
fn an_exit_after_the_hour_counts_though_the_sweep_is_late() {
    let book = book(&[("r", BIRTHDAY)]);
    let mut customer = Customer::known(&book);
    customer.hears(&book, "2026-02-01T00:00", "customer.updated", r#"{"birthday":"1990-11-24"}"#);
    customer.hears(&book, "2026-11-24T08:30", "order", "{}");
    customer.ticks(&book, "r", "2026-11-24", "2026-11-24T08:00", "2026-11-24T10:00");
    customer.lives(&book, "2026-12-31T00:00");
    assert_eq!(customer.said(), ["2026-11-24T08:00 a"], "the order came before the second mail");
    customer.hears(&book, "2027-11-24T08:30", "noise", "{}");
    customer.ticks(&book, "r", "2027-11-24", "2027-11-24T08:00", "2027-11-24T08:00");
    customer.lives(&book, "2027-12-31T00:00");
    assert_eq!(
        customer.said()[1..],
        ["2027-11-24T08:00 a", "2027-11-24T09:00 b"],
        "last year's order is over"
    );
}

#[test]
fn an_audience_that_cannot_be_told_is_left_out_with_the_fields_name() {
    let rule = "purpose: transactional\ntrigger: { schedule: \"0 9 * * Mon\", audience: customer.country == \"FR\" }\nsteps: [{ send: { email: a } }]\n";
    let book = book(&[("r", rule)]);
    let mut customer = Customer::known(&book);
    customer.ticks(&book, "r", "2026-11-23T09:00:00", "2026-11-23T08:00", "2026-11-23T08:00");
    assert_eq!(customer.said(), NOTHING);
    let refused = customer.refused().concat();
    assert!(refused.starts_with("r missing_field") && refused.contains("country"), "{refused}");
}

#[test]
fn a_disabled_rule_and_an_erased_customer_are_passed_over() {
    let off = format!("enabled: false\n{BIRTHDAY}");
    let book_off = book(&[("r", &off)]);
    let mut customer = Customer::known(&book_off);
    customer.hears(&book_off, "2026-02-01T00:00", "customer.updated", r#"{"birthday":"1990-11-24"}"#);
    customer.ticks(&book_off, "r", "2026-11-24", "2026-11-24T08:00", "2026-11-24T08:00");
    assert!(customer.snapshot.entries.is_empty());
    let book = book(&[("r", BIRTHDAY)]);
    customer.hears(&book, "2026-11-24T07:00", "customer.deleted", "{}");
    customer.ticks(&book, "r", "2026-11-24", "2026-11-24T08:00", "2026-11-24T08:00");
    assert!(customer.snapshot.entries.is_empty() && customer.messages.is_empty());
}

#[test]
fn a_first_look_at_a_part_of_the_profile_says_what_the_whole_says() {
    const PROFILES: [&str; 6] = [
        "{}",
        r#"{"country":"FR","tags":["vip"],"points":90}"#,
        r#"{"country":"DE","tags":"vip","points":"many"}"#,
        r#"{"country":null,"a":{"b":1},"a.b":2}"#,
        r#"{"a":{"c":1},"tags":[],"points":89.5}"#,
        r#"{"a.b":1,"ab":1,"id":"another"}"#,
    ];
    const AUDIENCES: [(&str, usize); 12] = [
        ("customer.country == \"FR\"", 1),
        ("customer.points >= 90", 1),
        ("has(customer.country) && customer.country != \"FR\"", 1),
        ("!has(customer.country)", 4),
        ("\"vip\" in customer.tags", 1),
        ("customer.tags.exists(t, t.startsWith(\"v\"))", 1),
        ("customer.a.b == 1", 1),
        ("customer[\"a.b\"] > 0", 2),
        ("customer.exists(name, name == \"ab\")", 1),
        ("size(customer) > 3", 5),
        ("customer.id == \"c\"", 6),
        ("now < timestamp(\"2026-01-01T00:00:00Z\") || entry.rule == \"x\"", 0),
    ];
    for (audience, expected) in AUDIENCES {
        let rule = format!(
            "purpose: transactional\ntrigger:\n  schedule: \"0 9 * * Mon\"\n  audience: >-\n    {audience}\n\
             steps: [{{ send: {{ email: a }} }}]\n"
        );
        let book = book(&[("r", &rule)]);
        let mut begun = 0;
        for profile in PROFILES {
            let mut customer = Customer::known(&book);
            customer.hears(&book, "2026-02-01T00:00", "customer.updated", profile);
            // The bench compares the two; one that is learnt after the hour does not count.
            customer.hears(&book, "2026-11-23T08:30", "customer.updated", r#"{"country":"FR","points":99}"#);
            customer.ticks(&book, "r", "2026-11-23T09:00:00", "2026-11-23T08:00", "2026-11-23T09:00");
            begun += customer.snapshot.entries.len();
        }
        assert_eq!(begun, expected, "{audience}");
    }
}
