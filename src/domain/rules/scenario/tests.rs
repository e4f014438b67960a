use super::*;
use crate::domain::rules::compile::compile;

const RULE: &str = "rule: cart\npurpose: marketing\ntrigger: { event: cart.updated }\nsteps:\n\
    \x20 - wait: 1h\n  - send: { email: cart, sms: cart }\n\
    \x20 - { if: data.total > 50, id: large, then: [{ send: { email: offer } }] }\n";

const EVENTS: &str = "events: { cart.updated: [total, items], order.placed: }\n";

fn set() -> Vec<SourceFile> {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    vec![
        file("rules/policy.yaml", super::super::policy::EXAMPLE),
        file("rules/events.yaml", EVENTS),
        file("rules/cart.yaml", RULE),
        // Its own mistake is reported once, where it is.
        file("rules/broken.yaml", "rule: broken\n"),
    ]
}

pub(in crate::domain::rules) fn read_as(path: &str, text: &str) -> (Vec<Scenario>, Vec<Diagnostic>) {
    let files = set();
    let compiled = compile(&files);
    let test = SourceFile { path: path.to_owned(), text: text.to_owned() };
    let around = Surroundings { rules: &compiled.rules, events: compiled.events.as_ref(), files: &files };
    read(&[test], around)
}

pub(in crate::domain::rules) const WHOLE: &str = "\
start: 2026-03-02 10:00
customers:
  alice: { email: a@x.fr, phone: +33612345678, points: 12, vip: true, zip: '69001', consents: { email: { marketing: granted } } }
tests:
  - name: all that can be said
    customers:
      alice: { points: }
      bob:
    events:
      - { customer: alice, event: cart.updated, data: { total: 60.5, items: [{ name: x }] } }
      - clock: 1d
      - { at: 2h, customer: bob, event: order.placed }
    expect:
      - { at: 1h, customer: alice, email: cart, subject: s, contains: c, locale: fr, to: a@x.fr, promo_code: false }
      - { at: 1h, within: 15m, customer: alice, sms: cart, contains: [a, b] }
      - { customer: alice, rule: cart, email: offer, not_sent: no_consent }
      - { at: 0, customer: bob, not_begun: condition_false }
      - { at: 2h, customer: bob, ended: exited }
      - { customer: bob, neither: large }
";

#[test]
fn a_test_is_read_as_it_is_written() {
    let (scenarios, findings) = read_as("rules/cart.test.yaml", WHOLE);
    assert_eq!(findings, []);
    let [scenario] = &scenarios[..] else { panic!("{scenarios:?}") };
    assert_eq!((scenario.line, scenario.name.as_str()), (5, "all that can be said"));
    assert_eq!(scenario.rules, BTreeSet::from(["cart".to_owned()]));
    assert_eq!(scenario.start.to_rfc3339(), "2026-03-02T09:00:00+00:00");
    let alice = &scenario.known[0];
    assert!(alice.time < scenario.start);
    // As JSON would have it; and the test's word goes before its file's.
    let expected = serde_json::json!({
        "email": "a@x.fr", "phone": "+33612345678", "points": null, "vip": true, "zip": "69001",
        "consents": [{"channel": "email", "purpose": "marketing", "status": "granted"}],
    });
    assert_eq!(*alice.data, expected);
    let [Happening::Event(cart), Happening::Clock(to), Happening::Event(late)] = &scenario.story[..] else {
        panic!("{:?}", scenario.story)
    };
    assert_eq!(*cart.data, serde_json::json!({"total": 60.5, "items": [{"name": "x"}]}));
    assert_eq!((cart.time, late.subject.as_str()), (scenario.start, "bob"));
    assert!(late.time < *to);
    let lines: Vec<usize> = scenario.expected.iter().map(|expected| expected.line).collect();
    assert_eq!(lines, [14, 15, 16, 17, 18, 19]);
    assert_eq!(scenario.expected[1].within, TimeDelta::minutes(15));
    assert_eq!(scenario.expected[2].rule.as_deref(), Some("cart"));
    assert!(matches!(&scenario.expected[2].what, What::NotSent { reason: Reason::NoConsent, .. }));
}

/// A test with one thing in the place of another: (what stands there, what is put there, line, code, words)
pub(in crate::domain::rules) const MISTAKES: &[(&str, &str, usize, &str, &str)] = &[
    ("start: 2026-03-02 10:00\n", "", 4, "E0106", "needs a field `start`"),
    ("start: 2026-03-02 10:00", "start: 1h", 1, "E0702", "`1h` is not a date and time"),
    ("start: 2026-03-02", "strat: 2026-03-02", 1, "E0104", "did you mean `start`"),
    ("tests:\n", "x: 1\ntests:\n", 4, "E0104", "has no field `x`"),
    ("    expect:\n", "    expects:\n", 13, "E0104", "did you mean `expect`"),
    ("phone: +33612345678", "email: b@x.fr", 3, "E0102", "given twice"),
    ("email: { marketing", "emial: { marketing", 3, "E0104", "did you mean `email`"),
    ("{ marketing: granted }", "{ marketting: granted }", 3, "E0402", "did you mean `marketing`"),
    ("{ marketing: granted }", "{ marketing: garnted }", 3, "E0217", "did you mean `granted`"),
    ("event: cart.updated", "event: cart.update", 10, "E0214", "did you mean `cart.updated`"),
    ("data: { total:", "data: { totl:", 10, "E0304", "did you mean `total`"),
    ("- clock: 1d", "- { clock: 1d, at: 1h }", 11, "E0704", "stands by itself"),
    ("clock: 1d", "clock: 1 day", 11, "E0702", "write it `1d`"),
    ("clock: 1d", "clock: 2026-03-01 10:00", 11, "E0702", "before the start"),
    ("at: 2h, customer: bob, event", "at: 2h, customer: bobb, event", 12, "E0705", "did you mean `bob`"),
    ("{ at: 2h, customer: bob, event", "{ at: 2h, event", 12, "E0705", "more than one"),
    ("email: cart,", "email: cartt,", 14, "E0707", "did you mean `cart`"),
    ("sms: cart,", "sms: offer,", 15, "E0707", "no step of `cart` sends `offer` by sms"),
    ("sms: cart,", "sms: cart, subject: x,", 15, "E0706", "an SMS has no `subject`"),
    ("{ at: 1h, customer: alice, email", "{ customer: alice, email", 14, "E0106", "needs a field `at`"),
    ("email: cart, subject", "email: cart, sms: cart, subject", 14, "E0706", "both `email` and `sms`"),
    ("promo_code: false", "promo_code: CART", 14, "E0217", "`promo_code` cannot be `CART`"),
    ("not_sent: no_consent", "not_sent: no_consnt", 16, "E0708", "did you mean `no_consent`"),
    ("not_sent: no_consent", "not_sent: no_consent, contains: x", 16, "E0706", "not sent has no `contains`"),
    ("rule: cart, email", "rule: crat, email", 16, "E0701", "did you mean `cart`"),
    ("not_begun: condition_false", "subject: x", 17, "E0706", "says what is expected"),
    (
        "not_begun: condition_false",
        "not_begun: condition_false, not_sent: exited",
        17,
        "E0706",
        "no `not_sent`",
    ),
    ("ended: exited", "within: 1h, ended: exited", 18, "", ""),
    ("at: 2h, customer: bob, ended", "within: 1h, customer: bob, ended", 18, "E0706", "later than `at`"),
    ("neither: large", "neither: larg", 19, "E0709", "did you mean `large`"),
    ("tests:\n", "rules: [cart, none]\ntests:\n", 4, "E0701", "no rule `none`"),
    // What stands in a file that has mistakes of its own is not judged.
    ("tests:\n", "rules: [cart, broken]\ntests:\n", 0, "", ""),
    ("tests:\n", "rules: all\ntests:\n", 0, "", ""),
    (
        "  - name: all",
        "  - { name: x, customers: { bob: { consents: } }, expect: [] }\n  - name: all",
        5,
        "E0105",
        "`consents` must be",
    ),
    (
        "  - name: all",
        "  - { name: x, events: soon, expect: [] }\n  - name: all",
        5,
        "E0105",
        "`events` must be a list",
    ),
    (
        "  - name: all",
        "  - { name: all that can be said, expect: [] }\n  - name: all",
        6,
        "E0703",
        "another test of this file",
    ),
];

#[test]
fn every_mistake_is_reported_where_it_is() {
    for (written, instead, line, code, words) in MISTAKES {
        assert!(WHOLE.contains(written), "{written}");
        let text = WHOLE.replacen(written, instead, 1);
        let (scenarios, findings) = read_as("rules/cart.test.yaml", &text);
        let shown = crate::domain::diagnostic::render(
            &findings,
            &[SourceFile { path: "rules/cart.test.yaml".into(), text: text.clone() }],
            false,
        );
        let [finding] = &findings[..] else {
            assert!(code.is_empty() && findings.is_empty() && scenarios.len() == 1, "{instead}: {shown}");
            continue;
        };
        assert_eq!(finding.code, *code, "{instead}: {shown}");
        assert_eq!(line_of(&text, finding.span.start), *line, "{instead}: {shown}");
        assert!(shown.contains(words), "{instead}: `{words}` is missing in\n{shown}");
    }
}

#[test]
fn a_test_without_its_rule_is_reported_once() {
    let text = "start: 2026-03-02 10:00\ntests: [{ name: a, expect: [] }, { name: b, expect: [] }]\n";
    let (scenarios, findings) = read_as("rules/crat.test.yaml", text);
    assert!(scenarios.is_empty());
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!((finding.code, finding.help.as_deref()), ("E0701", Some("did you mean `cart.test.yaml`?")));
    assert_eq!(read_as("rules/broken.test.yaml", text).1, []);
    let listed = format!("rules: cart\n{text}");
    assert_eq!(read_as("rules/crat.test.yaml", &listed).0.len(), 2);
}
