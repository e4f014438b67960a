//! `declic test`: the shipped rules do what their tests say, and what differs is told so that it can be mended.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const SHOP: &str = env!("CARGO_MANIFEST_DIR");

fn declic(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
    command.current_dir(folder).args(arguments).env_clear().env("RUST_LOG", "error");
    command.output().expect("declic starts")
}

/// (exit code, standard output, standard error)
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = declic(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("it exits by itself"), text(&output.stdout), text(&output.stderr))
}

/// A small shop of its own, gone with the test.
struct Shop(PathBuf);

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n\
    frequency_caps: [{ channel: email, purpose: service, limit: 1 per 1h, when_full: skip }]\n";

const RULE: &str = "rule: cart\npurpose: marketing\n\
    trigger: { event: cart.updated, if: data.total > 0, key: data.cart_id }\nexit_on: [order.placed]\n\
    steps:\n\
    \x20 - wait: 1h\n\
    \x20 - send: { email: cart }\n\
    \x20 - wait: 1d\n\
    \x20 - if: data.total >= 50\n\
    \x20   then:\n\
    \x20     - promo_code: { prefix: CART, discount: 10%, valid_for: 7d }\n\
    \x20     - send: { email: offer }\n";

const TEMPLATE: &str = "---\nsubject: 'SUBJECT'\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>WORDS \
    <a href=\"{{unsubscribe_url}}\">-</a></mj-text></mj-column></mj-section></mj-body></mjml>\n";

impl Shop {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("declic-rule-tests-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let shop = Self(path);
        shop.write("rules/policy.yaml", POLICY).write("rules/cart.yaml", RULE);
        for (name, subject, words) in [
            ("cart", "Your cart", "Dear {{customer.first_name}}, {{data.total}} in your cart"),
            ("offer", "A gift", "The code {{promo_code.code}}"),
        ] {
            for locale in ["fr", "en"] {
                let text = TEMPLATE.replace("SUBJECT", subject).replace("WORDS", words);
                shop.write(&format!("templates/{name}/email.{locale}.mjml"), &text);
            }
        }
        shop
    }

    fn write(&self, file: &str, text: &str) -> &Self {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Writes the tests of `rules/cart.yaml` below a head that all share.
    fn tests(&self, tests: &str) -> &Self {
        self.write("rules/cart.test.yaml", &format!("{HEAD}{tests}"))
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const HEAD: &str = "\
start: 2026-03-02 10:00
customers:
  alice: { email: alice@example.com, first_name: Alice, consents: { email: { marketing: granted } } }
tests:
";

const GOOD: &str = "
  - name: A large cart & its \"code\" <soon>
    events: [{ event: cart.updated, data: { cart_id: 1, total: 60 } }]
    expect:
      - { at: 1h, email: cart, subject: Your cart, contains: Dear Alice }
      - { at: 25h, email: offer, promo_code: true }
";

/// All kinds of difference at once.
const BAD: &str = "
  - name: All that can differ
    customers:
      bob: { email: bob@example.com, locale: en, consents: { email: { marketing: withdrawn } } }
    events:
      - { customer: alice, event: cart.updated, data: { cart_id: 1, total: 60 } }
      - { customer: alice, event: cart.updated, data: { cart_id: 2 } }
      - { customer: bob, event: cart.updated, data: { cart_id: 3, total: 10 } }
      - { at: 2h, customer: bob, event: cart.updated, data: { cart_id: 4, total: 0 } }
    expect:
      - { at: 1h, customer: alice, email: cart, subject: My cart, contains: [Dear Alice, Dear Bob], locale: en, to: a@x.fr, promo_code: true }
      - { at: 24h, customer: alice, email: offer, promo_code: false }
      - { at: 2h, customer: alice, email: cart }
      - { at: 1h, customer: bob, email: cart }
      - { at: 25h, customer: bob, email: offer }
      - { at: 0m, customer: bob, not_begun: condition_false }
      - { at: 0m, customer: alice, not_begun: missing_field }
  - name: An order ends it, and nothing else begins it
    events:
      - { event: cart.updated, data: { cart_id: 1, total: 60 } }
      - { at: 30m, event: order.placed, data: { order_id: 7 } }
    expect:
      - { at: 1h, email: cart }
  - name: Nothing happens
    expect:
      - { at: 1h, email: cart }
  - name: Too much happens
    events:
      - { event: cart.updated, data: { cart_id: 1, total: 60 } }
    expect:
      - { at: 1h, email: cart, not_sent: no_consent }
  - name: Another mail, for another reason
    customers:
      alice: { consents: {} }
    events:
      - { event: cart.updated, data: { cart_id: 1, total: 60 } }
    expect:
      - { at: 1h, email: offer }
      - { at: 25h, email: offer, not_sent: frequency_cap }
";

#[test]
fn the_shipped_rules_do_what_their_tests_say_and_are_fully_covered() {
    let (code, out, err) = run(Path::new(SHOP), &["test", "--min-coverage", "100"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("rules, branches and templates (100 %)"), "{out}");
    let rules = std::fs::read_dir(Path::new(SHOP).join("rules")).unwrap();
    let tests = rules.filter(|file| file.as_ref().unwrap().path().to_string_lossy().ends_with(".test.yaml"));
    assert_eq!(tests.count(), 5, "each shipped rule has its test");
}

#[test]
fn what_differs_is_shown_as_a_timeline_with_its_reason() {
    let shop = Shop::new("differs");
    shop.tests(BAD);
    let (code, out, err) = run(&shop.0, &["test"]);
    assert_eq!(code, 1, "{err}");
    assert_eq!(err, "error: 5 of 5 tests failed\n");
    insta::assert_snapshot!(out);
}

#[test]
fn exit_codes_filters_and_coverage() {
    let shop = Shop::new("codes");
    let test = |arguments: &[&str]| run(&shop.0, &[&["test"][..], arguments].concat());
    let (code, _, err) = test(&[]);
    assert!(code == 1 && err.contains("there are no tests"), "{err}");
    shop.tests(&format!("{GOOD}{}", BAD.trim_start_matches('\n')));
    assert_eq!(test(&[]).0, 1);
    let (code, out, _) = test(&[".", "A LARGE cart"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "ok    rules/cart.test.yaml:6 A large cart & its \"code\" <soon>\n1 of 1 tests passed\n")
    );
    assert_eq!(test(&[".", "cart.test"]).0, 1, "by its file too");
    let (code, _, err) = test(&[".", "lamp"]);
    assert!(code == 1 && err.contains("no test has `lamp`"), "{err}");
    assert_eq!(test(&["nowhere"]).0, 1);
    assert_eq!(test(&["--format", "tap"]).0, 2);
    assert_eq!(test(&["--min-coverage", "101"]).0, 2);
    assert_eq!(test(&[".", "cart", "--min-coverage", "50"]).0, 2, "a few tests cover a part by intention");

    shop.tests(GOOD);
    let (code, out, err) = test(&["--min-coverage", "57"]);
    assert_eq!(code, 0, "{out}{err}");
    let missing = "coverage: 4 of 7 rules, branches and templates (57 %), no test reaches\n  \
        rule cart, step if-1, else: data.total >= 50 is never false\n  email cart in en\n  email offer in en\n";
    assert!(out.ends_with(missing), "{out}");
    let (code, _, err) = test(&["--min-coverage", "58"]);
    assert!(code == 1 && err.contains("reach 57 %") && err.contains("58 % are asked for"), "{err}");
    shop.write("rules/other.yaml", &RULE.replace("rule: cart", "rule: other\nenabled: false"));
    assert_eq!(test(&["--min-coverage", "57"]).0, 0, "a disabled rule is not to be reached");
}

#[test]
fn other_rules_run_too_and_may_be_looked_at() {
    let shop = Shop::new("others");
    let news = "rule: news\npurpose: service\npriority: 5\ntrigger: { event: cart.updated }\n\
        steps: [{ wait: 1h }, { send: { email: news } }]\n";
    let cart = RULE.replace("purpose: marketing", "purpose: service");
    let template = TEMPLATE.replace("SUBJECT", "News").replace("WORDS", "-");
    shop.write("rules/news.yaml", news)
        .write("rules/cart.yaml", &cart)
        .write("templates/news/email.fr.mjml", &template);
    // The cap leaves room for one of the two, though the test does not look at the other.
    shop.tests(
        "
  - name: own
    events: [{ event: cart.updated, data: { cart_id: 1, total: 9 } }]
    expect: [{ at: 1h, email: cart, not_sent: frequency_cap }]
  - name: both
    rules: [cart, news]
    events: [{ event: cart.updated, data: { cart_id: 1, total: 9 } }]
    expect:
      - { at: 1h, rule: cart, email: cart, not_sent: frequency_cap }
      - { at: 1h, rule: news, email: news }
  - name: all
    rules: all
    events: [{ event: cart.updated, data: { cart_id: 1, total: 9 } }]
    expect: [{ at: 1h, email: cart, not_sent: frequency_cap }]
",
    );
    let (code, out, _) = run(&shop.0, &["test"]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines.contains(&"ok    rules/cart.test.yaml:6 own")
            && lines.contains(&"ok    rules/cart.test.yaml:9 both")
    );
    assert!(out.contains("unexpected: email news at +1h"), "{out}");
}

#[test]
fn every_kind_of_trigger_can_be_told_a_story() {
    let shop = Shop::new("triggers");
    let template = TEMPLATE.replace("SUBJECT", "News").replace("WORDS", "-");
    shop.write("templates/news/email.fr.mjml", &template);
    let rule = |name: &str, trigger: &str, steps: &str, tests: &str| {
        let text = format!("rule: {name}\npurpose: service\ntrigger: {trigger}\nsteps: [{steps}]\n");
        let people = "start: 2026-03-02 10:00\ncustomers: { alice: { email: a@example.com } }\ntests:\n";
        shop.write(&format!("rules/{name}.yaml"), &text);
        shop.write(&format!("rules/{name}.test.yaml"), &format!("{people}{tests}"));
    };
    let send = "{ send: { email: news } }";
    rule(
        "monday",
        "{ schedule: '0 9 * * Mon' }",
        send,
        "
  - name: the clock goes on
    events: [{ clock: 2026-03-10 00:00 }]
    expect: [{ at: 2026-03-09 09:00, email: news }]
  - name: the clock stands
    expect: [{ at: 2026-03-09 09:00, email: news }]
",
    );
    rule(
        "absent",
        "{ absent: order.placed, for: 30d, if: '!has(data.gift)' }",
        send,
        "
  - name: nothing more is bought
    events: [{ event: order.placed }]
    expect: [{ at: 30d, email: news }]
  - name: something is
    events: [{ event: order.placed }, { at: 20d, event: order.placed }]
    expect: [{ at: 20d, not_begun: superseded }, { at: 50d, email: news }]
  - name: not to them
    events: [{ event: order.placed, data: { gift: true } }]
    expect: [{ at: 30d, not_begun: condition_false }]
",
    );
    rule(
        "change",
        "{ event: customer.updated }",
        &format!("{{ wait: 1h }}, {{ if: data.vip, id: vip, then: [{send}] }}"),
        "
  - name: what is known before the start begins nothing
    expect: []
  - name: a condition that cannot be told
    events: [{ event: customer.updated, data: { first_name: Ann } }]
    expect: [{ at: 1h, neither: vip }]
",
    );
    let (_, out, err) = run(&shop.0, &["test"]);
    let failed: Vec<&str> = out.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert_eq!(failed, ["FAIL  rules/monday.test.yaml:8 the clock stands"], "{out}{err}");
    assert!(
        out.contains("`0 9 * * Mon` did not come for the customer; does the `clock` go on that far?"),
        "{out}"
    );
}

#[test]
fn a_mistake_in_a_test_is_shown_where_it_is_by_test_and_by_check() {
    let shop = Shop::new("mistake");
    shop.tests(&GOOD.replace("email: offer", "email: ofer").replace("promo_code", "promo"));
    for command in ["test", "check"] {
        let (code, out, err) = run(&shop.0, &[command]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        for words in [
            "error[E0707]: no step of `cart` sends `ofer` by email",
            "--> rules/cart.test.yaml:10:27",
            "did you mean `offer`?",
            "error[E0104]: an expectation has no field `promo`",
        ] {
            assert!(err.contains(words), "{command}: `{words}` is missing in\n{err}");
        }
    }
    shop.tests(GOOD);
    assert_eq!(run(&shop.0, &["check"]).0, 0);
    // Rules that cannot be used are reported, not tested.
    shop.write("rules/policy.yaml", "");
    let (code, _, err) = run(&shop.0, &["test"]);
    assert!(code == 1 && err.contains("the policy is empty"), "{err}");
}

#[test]
fn json_is_a_stable_interface() {
    let shop = Shop::new("json");
    shop.tests(&format!("{GOOD}{}", BAD.trim_start_matches('\n')));
    let (code, out, _) = run(&shop.0, &["test", "--format", "json"]);
    assert_eq!(code, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["passed"], &report["failed"]), (&1.into(), &5.into()));
    assert_eq!(report["coverage"]["percent"], 71);
    assert_eq!(
        report["coverage"]["missing"][0],
        serde_json::json!({"template": {"channel": "email", "name": "cart", "locale": "en"}})
    );
    let (good, nothing) = (&report["tests"][0], &report["tests"][3]);
    assert_eq!((&good["passed"], &good["problems"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(
        good["timeline"][2],
        serde_json::json!({
            "at": "2026-03-02T10:00:00Z", "mark": "same", "customer": "alice", "expected": "email cart", "actual": "email cart",
        })
    );
    assert_eq!(
        (&nothing["file"], &nothing["line"], &nothing["name"]),
        (&"rules/cart.test.yaml".into(), &33.into(), &"Nothing happens".into())
    );
    assert_eq!(
        nothing["problems"][0],
        serde_json::json!({
            "kind": "missing", "line": 35, "what": "email cart at +1h",
            "why": ["nothing had set off rule `cart` by then: it begins with `cart.updated`"],
        })
    );
}

/// Prints what continuous integration reads of a JUnit file.
const READ_JUNIT: &str = "import sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.stdin.buffer.read())
for suite in root:
    print(suite.get('name'), suite.get('tests'), suite.get('failures'))
    for case in suite:
        print(case.get('classname'), case.get('line'), case.get('name'), [f.get('message') for f in case], len(case) and case[0].text.count('~'))
";

#[test]
fn junit_is_well_formed_whatever_tests_are_named() {
    let shop = Shop::new("junit");
    shop.tests(&format!(
        "{GOOD}{}",
        "  - name: \"]]> & \\u0007 'quoted' \\\"twice\\\"\"\n    expect: [{ at: 1h, email: cart, contains: <b>&amp; }]\n"
    ));
    let (code, out, _) = run(&shop.0, &["test", "--format", "junit"]);
    assert_eq!(code, 1);
    let python = Path::new("/usr/bin/python3");
    assert!(python.exists(), "{} is not installed: run `make setup`", python.display());
    let mut reader = Command::new(python)
        .args(["-EsB", "-c", READ_JUNIT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut reader.stdin.take().unwrap(), out.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    assert!(read.status.success(), "{out}");
    let expected = "rules/cart.test.yaml 2 1\n\
        rules/cart.test.yaml 6 A large cart & its \"code\" <soon> [] 0\n\
        rules/cart.test.yaml 11 ]]> & \u{fffd} 'quoted' \"twice\" ['missing: email cart at +1h'] 0\n";
    assert_eq!(String::from_utf8_lossy(&read.stdout), expected);
}

/// Each tick comes while the one before still waits: following them all would never end.
#[test]
fn a_test_of_a_daily_rule_ends() {
    let shop = Shop::new("daily");
    let rule = "rule: daily\npurpose: service\ntrigger: { schedule: \"0 9 * * *\" }\nsteps: [{ wait: 2d }, { send: { email: day } }]\n";
    let test = "tests:\n  - name: two mornings\n    start: 2026-03-02 10:00\n    customers: { alice: { email: a@x.fr, first_name: Alice } }\n\
        \x20   events: [{ clock: 2d }]\n    expect:\n      - { at: 2026-03-05 09:00, email: day }\n      - { at: 2026-03-06 09:00, email: day }\n";
    shop.write("rules/daily.yaml", rule).write("rules/daily.test.yaml", test);
    shop.write(
        "templates/day/email.fr.mjml",
        &TEMPLATE.replace("SUBJECT", "S").replace("WORDS", "{{customer.first_name}}"),
    );
    let (code, told, errors) = run(&shop.0, &["test"]);
    assert_eq!(
        (code, told.lines().next()),
        (0, Some("ok    rules/daily.test.yaml:2 two mornings")),
        "{told}{errors}"
    );
}
