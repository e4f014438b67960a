//! A table of mistakes with their code, line and words; and what right files mean.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::diagnostic::{lsp, render};

const POLICY_TEXT: &str = "default_locale: fr
default_timezone: Europe/Paris
sender: { name: Shop, email: a@shop.example, postal_address: Lyon }
";

const EVENTS_TEXT: &str = "events:
  cart.updated: [cart_id, items, total]
  order.placed:
";

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.into(), text: text.into() }
}

fn compile_with(rule: &str) -> (Compiled, Vec<SourceFile>) {
    let files = vec![
        file("rules/policy.yaml", POLICY_TEXT),
        file("rules/events.yaml", EVENTS_TEXT),
        file("rules/r.yaml", rule),
        file("rules/r.test.yaml", "not a rule: ["),
        file("templates/x.yaml", "neither: ["),
    ];
    (compile(&files), files)
}

/// A right rule, with `from` replaced by `to`.
pub(in crate::domain::rules) fn with(from: &str, to: &str) -> String {
    const RULE: &str = "rule: r
purpose: marketing
trigger:
  event: cart.updated
  if: size(data.items) > 0
  key: data.cart_id
re_entry: restart
exit_on: [order.placed]
steps:
  - wait: 1h
  - send: { email: hello }
  - if: data.total >= 50
    then:
      - promo_code: { prefix: CART, discount: 10%, valid_for: 7d }
      - send: { email: offer }
";
    assert!(RULE.contains(from), "{from}");
    RULE.replacen(from, to, 1)
}

/// (what is replaced, by what, the code, the line, a part of message and help).
pub(in crate::domain::rules) const MISTAKES: &[(&str, &str, &str, u64, &str)] = &[
    // YAML
    ("rule: r\n", "rule: [r\n", "E0101", 2, "not YAML"),
    ("purpose: marketing", "purpose: marketing: x", "E0101", 2, "a `:` stands"),
    ("  event: cart", "\tevent: cart", "E0101", 4, "tab"),
    ("steps:\n", "---\nsteps:\n", "E0101", 10, "one rule"),
    ("purpose: marketing\n", "purpose: marketing\npurpose: service\n", "E0102", 3, "twice"),
    ("re_entry: restart", "re_entrey: restart", "E0104", 7, "did you mean `re_entry`"),
    ("exit_on: [order.placed]", "colour: red", "E0104", 8, "the fields of a rule are"),
    ("{ email: hello }", "{ email: hello, expires: 1h }", "E0104", 11, "`send` has no field `expires`"),
    ("purpose: marketing", "purpose: [marketing]", "E0105", 2, "a single value, not a list"),
    ("purpose: marketing", "purpose:", "E0105", 2, "empty"),
    ("purpose: marketing\n", "", "E0106", 1, "needs a field `purpose`"),
    ("  - wait: 1h\n", "  - wait: {}\n", "E0106", 10, "until"),
    // names
    ("rule: r", "rule: s", "E0201", 1, "write `rule: r`"),
    ("rule: r", "rule: Mon Panier", "E0202", 1, "`mon-panier`"),
    // triggers
    ("  event: cart.updated", "  evnt: cart.updated", "E0203", 4, "did you mean `event`"),
    ("  event: cart.updated", "  event: cart.updated\n  schedule: 0 9 * * Mon", "E0203", 5, "both"),
    (
        "trigger:\n  event: cart.updated\n  if: size(data.items) > 0\n  key: data.cart_id\n",
        "trigger: cart.updated\n",
        "E0203",
        3,
        "{ event: cart.updated }",
    ),
    ("event: cart.updated", "event: cart.updatd", "E0214", 4, "did you mean `cart.updated`"),
    ("event: cart.updated", "event: customer.deleted", "E0214", 4, "nobody is left"),
    ("event: cart.updated", "event: a cart changes", "E0214", 4, "cannot be an event's type"),
    ("key: data.cart_id", "key: customer.email", "E0215", 6, "like `data.cart_id`"),
    ("key: data.cart_id", "key: data.card_id", "E0304", 6, "did you mean `cart_id`"),
    // timing
    ("wait: 1h", "wait: 1 hour", "E0204", 10, "write it `1h`"),
    ("wait: 1h", "wait: 0s", "E0204", 10, "longer than zero"),
    ("wait: 1h", "wait: { until: 9h }", "E0207", 10, "not a time of day"),
    ("valid_for: 7d", "valid_for: 11y", "E0204", 14, "`4015d`"),
    // re-entry and exits
    ("re_entry: restart", "re_entry: sometimes", "E0212", 7, "after 30d"),
    ("re_entry: restart", "re_entry: restrat", "E0217", 7, "did you mean `restart`"),
    ("re_entry: restart", "re_entry: after 30", "E0204", 7, "no unit"),
    ("re_entry: restart", "re_entry: { after: soon }", "E0204", 7, "not a duration"),
    ("re_entry: restart", "on_change: migrated", "E0217", 7, "did you mean `migrate`"),
    ("re_entry: restart", "enabled: NO", "E0217", 7, "`true` and `false`"),
    ("[order.placed]", "[cart.updated]", "E0213", 8, "cannot end it"),
    ("[order.placed]", "[order.placed, order.placed]", "E0213", 8, "twice"),
    ("[order.placed]", "[order.place]", "E0214", 8, "did you mean `order.placed`"),
    // steps
    ("  - wait: 1h\n", "  - sleep: 1h\n", "E0208", 10, "a step is one of"),
    ("  - wait: 1h\n", "  - snd: { email: x }\n", "E0208", 10, "did you mean `send`"),
    ("  - wait: 1h\n", "  - wait:1h\n", "E0208", 10, "a `:` and a space"),
    ("  - wait: 1h\n  - send", "  - wait: 1h\n    send", "E0208", 10, "both `wait` and `send`"),
    ("{ email: hello }", "hello", "E0105", 11, "{ email: hello }"),
    ("{ email: hello }", "{ expire_after: 1h }", "E0105", 11, "`sms: welcome`"),
    ("{ email: hello }", "{ email: hello, prefer: sms }", "E0211", 11, "nothing to choose from"),
    ("{ email: hello }", "{ email: hello, sms: a, prefer: post }", "E0217", 11, "`email` and `sms`"),
    ("{ email: hello }", "{ sms: Hello World }", "E0218", 11, "template's name"),
    ("re_entry: restart", "re_entry: restart\npriority: high", "E0212", 8, "-100 to 100"),
    ("{ email: hello }", "{ email: Hello World }", "E0218", 11, "template's name"),
    ("{ email: hello }", "{ email: ../secret }", "E0218", 11, "template's name"),
    ("{ email: hello }", "{ email: hello, id: Été }", "E0209", 11, "step's id"),
    (
        "- wait: 1h\n  - send: { email: hello }",
        "- wait: 1h\n    id: a\n  - send: { email: hello, id: a }",
        "E0209",
        12,
        "two steps",
    ),
    ("    then:\n", "    thn:\n", "E0104", 13, "did you mean `then`"),
    // promo codes
    ("      - send: { email: offer }\n", "", "E0210", 14, "no `send` comes after"),
    ("prefix: CART", "prefix: cart", "E0210", 14, "capital letters"),
    ("discount: 10%", "discount: 10", "E0210", 14, "`10%` or `5 EUR`"),
    ("discount: 10%", "discount: 5€", "E0210", 14, "`5 EUR`"),
    ("discount: 10%", "discount: 120%", "E0210", 14, "to 100%"),
    // conditions
    ("data.total >= 50", "data.total = 50", "E0301", 12, "single `=`"),
    ("data.total >= 50", "dta.total >= 50", "E0301", 12, "did you mean `data`"),
    ("data.total >= 50", "data.totla >= 50", "E0304", 12, "did you mean `total`"),
    ("data.total >= 50", "!data.paid", "E0302", 12, "takes the `!`"),
    ("data.total >= 50", "!data.paid == true", "E0302", 12, "'!data.paid == true'"),
    ("data.total >= 50", "\"vip\" in customer.tags", "E0302", 12, "'\"vip\" in customer.tags'"),
    ("data.total >= 50", "data.total > 5 ? true : false", "E0302", 12, "'data.total > 5 ? true : false'"),
    ("data.total >= 50", "customer.tag == \"a #1\"", "E0302", 12, "beginning of a comment"),
    ("data.total >= 50", "[1, 2].exists(i, i == data.total)", "E0302", 12, "meaning of its own"),
    (
        "trigger:\n  event: cart.updated\n  if: size(data.items) > 0\n  key: data.cart_id\n",
        "trigger: { event: cart.updated, if: !data.paid, key: data.cart_id }\n",
        "E0302",
        3,
        "'!data.paid'",
    ),
    // policy
    ("purpose: marketing", "purpose: marketng", "E0402", 2, "did you mean `marketing`"),
    ("purpose: marketing", "purpose: newsletters", "E0402", 2, "it has `marketing`"),
];

#[test]
fn each_mistake_is_reported_once_in_its_place() {
    assert!(MISTAKES.len() >= 40);
    let mut failures = String::new();
    for (from, to, code, line, words) in MISTAKES {
        let (compiled, files) = compile_with(&with(from, to));
        let shown = render(&compiled.diagnostics, &files, false);
        let json = lsp(&compiled.diagnostics, &files);
        let found = &json[0];
        let text = format!("{} {} {}", found["message"], found["label"], found["help"]).replace("\\\"", "\"");
        let right = compiled.diagnostics.len() == 1
            && found["code"] == *code
            && found["range"]["start"]["line"] == *line - 1
            && text.contains(words)
            && compiled.has_errors()
            && compiled.rules.rules.is_empty();
        if !right {
            failures += &format!("`{to}`, expected {code} on line {line} with \"{words}\":\n{shown}\n");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn other_triggers_are_checked_too() {
    for (trigger, code, words) in [
        ("{ anniversary: customer.birthday }", "E0106", "at: \"09:00\""),
        ("{ anniversary: birthday, at: '09:00' }", "E0216", "customer.birthday"),
        ("{ anniversary: customer.birthday, at: 25:00 }", "E0207", "hours go from 00 to 23"),
        ("{ anniversary: customer.birthday, at: '09:00', leap_day: feb29 }", "E0217", "did you mean `feb28`"),
        ("{ anniversary: customer.birthday, at: '09:00', if: data.x }", "E0104", "no field `if`"),
        ("{ absent: order.placed }", "E0106", "for: 90d"),
        ("{ schedule: 0 9 30 Feb * }", "E0205", "never comes"),
        ("{ schedule: 0 9 * * Mon, timezone: Europe/Pari }", "E0206", "Europe/Paris"),
        ("{ schedule: 0 9 * * Mon, audience: data.total > 1 }", "E0303", "no event here"),
        ("{ schedule: 0 9 * * Mon, audiense: customer.vip }", "E0104", "`audience`"),
        ("{ schedule: 0 9 * * Mon }\nre_entry: always", "E0212", "no meaning"),
    ] {
        let rule =
            format!("rule: r\npurpose: service\ntrigger: {trigger}\nsteps:\n  - send: {{ email: a }}\n");
        let (compiled, files) = compile_with(&rule);
        let shown = render(&compiled.diagnostics, &files, false);
        assert_eq!(compiled.diagnostics.len(), 1, "{trigger}\n{shown}");
        assert_eq!(compiled.diagnostics[0].code, code, "{trigger}\n{shown}");
        assert!(shown.contains(words), "{trigger}\n{shown}");
    }
}

#[test]
fn six_mistakes_in_one_file_are_all_reported() {
    let rule = "rule: r
purpose: marketng
trigger:
  event: cart.updated
  if: data.total = 5
steps:
  - wait: 1 hour
  - send: { emial: a }
  - if: nope
    then: [{ wait: 1x }]
";
    let (compiled, files) = compile_with(rule);
    let codes: Vec<_> = compiled.diagnostics.iter().map(|d| d.code).collect();
    let shown = render(&compiled.diagnostics, &files, false);
    assert_eq!(codes, ["E0402", "E0301", "E0204", "E0104", "E0301", "E0204"], "{shown}");
}

#[test]
fn mistakes_of_all_files_are_reported_at_once() {
    let files = [
        file("rules/a.yaml", "rule: a\n"),
        file("rules/b.yaml", "["),
        file("rules/c.yml", ""),
        file(
            "rules/policy.yaml",
            "default_locale: french\nmax_age: 1\nsender: { name: S, email: s, postal_address: P }",
        ),
        file("rules/events.yaml", "event: []"),
    ];
    let compiled = compile(&files);
    let found: Vec<_> = compiled.diagnostics.iter().map(|d| format!("{} {}", d.path, d.code)).collect();
    assert_eq!(
        found,
        [
            "rules/a.yaml E0106",
            "rules/a.yaml E0106",
            "rules/a.yaml E0106",
            "rules/b.yaml E0101",
            "rules/c.yml E0201",
            "rules/events.yaml E0104",
            "rules/policy.yaml E0106",
            "rules/policy.yaml E0403",
            "rules/policy.yaml E0204",
            "rules/policy.yaml E0403",
        ]
    );
}

#[test]
fn without_a_policy_one_is_shown() {
    let compiled = compile(&[file("rules/r.yaml", &with("rule: r", "rule: r"))]);
    assert_eq!(compiled.diagnostics.len(), 1);
    assert!(compiled.diagnostics[0].help.as_deref().unwrap().contains("default_timezone: Europe/Paris"));
    let example = compile(&[file("rules/policy.yaml", policy::EXAMPLE)]);
    assert_eq!(example.diagnostics, []);
}

#[test]
fn marketing_without_consent_is_a_warning() {
    let text = format!("{POLICY_TEXT}purposes: {{ marketing: contract, vip-club: consent }}\n");
    let compiled = compile(&[file("rules/policy.yaml", &text)]);
    assert_eq!(compiled.diagnostics.len(), 1);
    assert_eq!(compiled.diagnostics[0].severity, Severity::Warning);
    assert!(!compiled.has_errors());
    assert_eq!(compiled.rules.policy.purposes["vip-club"].basis, super::super::Basis::Consent);
}

#[test]
fn a_rule_that_sends_nothing_is_a_warning() {
    let (compiled, _) =
        compile_with("rule: r\npurpose: service\ntrigger: { event: order.placed }\nsteps: [{ wait: 1h }]");
    assert_eq!(compiled.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["E0219"]);
    assert!(!compiled.has_errors() && compiled.rules.rules.contains_key("r"));
}

#[test]
fn a_right_rule_means_what_it_says() {
    let (compiled, _) = compile_with(&with("rule: r", "rule: r"));
    assert_eq!(compiled.diagnostics, []);
    let rule = &compiled.rules.rules["r"];
    let Op::Branch { on_false, end, .. } = &rule.program[2] else { panic!() };
    assert_eq!((*on_false, *end, rule.program.len()), (5, 5, 5));
    assert_eq!(rule.re_entry, ReEntry::Restart);
    assert_eq!(rule.on_change, OnChange::Keep);
    assert!(rule.enabled);
    let Op::PromoCode(promo) = &rule.program[3] else { panic!() };
    assert_eq!((promo.discount.clone(), promo.valid_for), (Discount::Percent(1000), TimeDelta::days(7)));
}

#[test]
fn branches_are_flattened() {
    let steps = "  - if: data.total >= 50
    then:
      - send: { email: a }
      - if: customer.vip
        then: [{ send: { email: a } }]
    else:
      - send: { email: b, wait_for_consent: 2d, expire_after: 90m }
  - wait: 1h
  - wait: 1h
  - wait: { until: '09:00', id: morning }
  - if: 'true'
    id: last
    then: [{ wait: 60m }]
";
    let rule = with("  - wait: 1h\n", steps).replace(", email: hello", "");
    let (compiled, files) = compile_with(&rule);
    assert_eq!(compiled.diagnostics, [], "{}", render(&compiled.diagnostics, &files, false));
    let program = &compiled.rules.rules["r"].program;
    let listing: Vec<String> = program
        .iter()
        .map(|op| match op {
            Op::Branch { id, on_false, end, .. } => format!("{id} else {on_false} unknown {end}"),
            Op::Jump(to) => format!("jump {to}"),
            other => other.id().unwrap().to_owned(),
        })
        .collect();
    assert_eq!(
        listing,
        [
            "if-1 else 5 unknown 6",
            "send-a",
            "if-2 else 4 unknown 4",
            "send-a-2",
            "jump 6",
            "send-b",
            "wait-1h",
            "wait-1h-2",
            "morning",
            "last else 11 unknown 11",
            "wait-60m",
            "send-hello",
            "if-4 else 15 unknown 15",
            "promo-CART",
            "send-offer",
        ]
    );
}

#[test]
fn conditions_may_be_written_in_any_of_yamls_ways() {
    for condition in [
        "data.total >= 50     # it's \"fifty: or more",
        "'data.total >= 50'",
        "\"data.total >= 50\"  # quoted",
        "\"\\x64ata.total >= 50\"",
        "|\n      data.total\n        >= 50",
        ">-\n      data.total\n      >= 50",
        "data.total > 5 && customer.tag == 'a'",
        "'data.total > 5 ? data.total > 6 : data.total > 7'",
        "'!(data.total > 5)'",
        "customer.tag == '#1'",
    ] {
        let (compiled, files) = compile_with(&with("data.total >= 50", condition));
        assert_eq!(compiled.diagnostics, [], "{condition}\n{}", render(&compiled.diagnostics, &files, false));
    }
    let shared = with("data.total >= 50", "*big").replace("size(data.items) > 0", "&big data.total >= 50");
    assert_eq!(compile_with(&shared).0.diagnostics, []);
    let flow = with("  - wait: 1h\n", "  - { if: data.total > 5, then: [{ wait: 1h }] }\n");
    assert_eq!(compile_with(&flow).0.diagnostics, []);
    // A mistake in a folded or escaped condition is marked where it can be found.
    let (compiled, files) = compile_with(&with("data.total >= 50", "|\n      data.total\n        >= fifty"));
    let place = compiled.diagnostics[0].span.clone();
    assert_eq!(&files[2].text[place], "fifty");
}

#[test]
fn re_entry_has_two_spellings_and_defaults_by_trigger() {
    let re_entry = |rule: &str| {
        let (compiled, files) = compile_with(rule);
        assert_eq!(compiled.diagnostics, [], "{}", render(&compiled.diagnostics, &files, false));
        compiled.rules.rules["r"].re_entry
    };
    let after = ReEntry::After(TimeDelta::days(30));
    assert_eq!(re_entry(&with("re_entry: restart", "re_entry: after 30d")), after);
    assert_eq!(re_entry(&with("re_entry: restart", "re_entry: { after: 30d }")), after);
    assert_eq!(re_entry(&with("re_entry: restart\n", "")), ReEntry::Never);
    let absent = "rule: r\npurpose: marketing\ntrigger: { absent: order.placed, for: 90d }\nexit_on: order.placed\nsteps: [{ send: { email: a } }]";
    assert_eq!(re_entry(absent), ReEntry::Always);
}

#[test]
fn the_version_is_of_the_meaning() {
    let version = |text: &str| compile_rule(text, "rules/r.yaml").unwrap().version;
    let plain = version(&with("rule: r", "rule: r"));
    assert_eq!(plain.len(), 16);
    assert_eq!(plain, version(&with("rule: r", "# a comment\nrule:    'r'")));
    assert_eq!(plain, version(&with("rule: r", "rule: r\ndescription: Said otherwise.")));
    assert_eq!(plain, version(&with("valid_for: 7d", "valid_for: 1w")));
    assert_ne!(plain, version(&with("discount: 10%", "discount: 15%")));
    assert_ne!(plain, version(&with("rule: r", "rule: r\nenabled: false")));
    // Stored versions are found by it: it must not change by accident.
    assert_eq!(plain, "96e504cfdb444e11");
    let again = compile_rule(&with("rule: r", "rule: r"), "x").unwrap();
    assert_eq!(compile_rule(&again.source, "y").unwrap().version, plain);
    assert!(compile_rule("rule: [", "x").is_err());
}

#[test]
fn hostile_files_are_refused_quickly() {
    let bomb = {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 9].join(", ");
            text += &format!("a{i}: &a{i} [{refs}]\n");
        }
        text
    };
    for text in [
        bomb,
        "[".repeat(100_000),
        "{a: ".repeat(50_000),
        "- ".repeat(100_000),
        "a:\n ".repeat(5_000),
        "x".repeat(300_000),
    ] {
        let (compiled, _) = compile_with(&text);
        assert!(compiled.has_errors(), "{}", &text[..30]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
        no_panic(&text)?;
    }

    #[test]
    fn arbitrary_edits_never_panic(at in 0usize..400, length in 0usize..30, insert in "[-:{}\\[\\]'\"!#&*|>%@ \\n\ta-zé0]{0,6}") {
        let mut rule = with("rule: r", "rule: r");
        let at = at.min(rule.len());
        rule.replace_range(at..(at + length).min(rule.len()), &insert);
        no_panic(&rule)?;
    }
}

fn no_panic(text: &str) -> Result<(), TestCaseError> {
    for path in ["rules/policy.yaml", "rules/events.yaml", "rules/r.yaml"] {
        let files = [file(path, text)];
        let compiled = compile(&files);
        for found in compiled.diagnostics.iter().filter(|d| d.path == path) {
            prop_assert!(text.get(found.span.clone()).is_some(), "{:?}", found);
        }
        render(&compiled.diagnostics, &files, false);
        lsp(&compiled.diagnostics, &files);
    }
    Ok(())
}
