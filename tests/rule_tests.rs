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
    assert_eq!(tests.count(), 4, "each shipped rule has its test");
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
