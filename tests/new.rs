//! `declic new`: what it writes passes `check` and `test` as it is, and nothing that is there is ever written over.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A shop's folder with a policy, gone with the test.
struct Shop(PathBuf);

impl Shop {
    fn new(name: &str, policy: &str) -> Self {
        let path = std::env::temp_dir().join(format!("declic-new-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("rules")).unwrap();
        std::fs::write(path.join("rules/policy.yaml"), policy).unwrap();
        Self(path)
    }

    /// Exit code, standard output, standard error.
    fn declic(&self, arguments: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        let output = command.current_dir(&self.0).args(arguments.split(' ')).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    fn files(&self) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.0)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\nsms: { stop_number: 36180 }\n";

/// Policies of shops in France and elsewhere; in each, `news` is a purpose of the shop's own.
fn policies() -> [String; 3] {
    let french = format!("{POLICY}purposes: {{ news: legitimate_interest }}\n");
    let hours = "quiet_hours: { rules: [{ use: us-strict }] }\n";
    [
        french.replace("default_locale: fr", "default_locale: de-AT"),
        french.replace("Europe/Paris", "Pacific/Auckland").replace("locale: fr", "locale: en-NZ") + hours,
        french,
    ]
}

#[test]
fn what_is_written_passes_its_check_and_its_tests() {
    for policy in policies() {
        for (channel, templates) in [("email", 1), ("sms", 0), ("email,sms", 1)] {
            for (purpose, event, tests) in [
                ("marketing", "customer.signed_up", 2),
                ("service", "order.placed", 2),
                ("transactional", "order.placed", 1),
                ("news", "consent.changed", 2),
            ] {
                let said =
                    format!("1 rule and {} checked: no errors, 0 warnings\n", plural(templates, "template"));
                let arguments =
                    format!("new rule hello --channel {channel} --purpose {purpose} --event {event}");
                let shop = written(&policy, &arguments, &said);
                let (code, tried, failures) = shop.declic("test");
                assert_eq!(code, 0, "{arguments}:\n{policy}{tried}{failures}");
                assert!(
                    tried.contains(&format!("\n{tests} of {tests} tests passed\n")),
                    "{arguments}: {tried}"
                );
            }
            let said =
                format!("0 rules and {} checked: no errors, 0 warnings\n", plural(templates, "template"));
            written(&policy, &format!("new template hello --channel {channel}"), &said);
        }
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A shop for which `arguments` wrote files: all that it says are there, and pass their check with the words `said`.
fn written(policy: &str, arguments: &str, said: &str) -> Shop {
    let shop = Shop::new("passes", policy);
    let (code, written, words) = shop.declic(arguments);
    assert_eq!(code, 0, "{arguments}: {words}");
    assert_eq!(written.lines().count() + 1, shop.files(), "{written}");
    assert!(written.lines().all(|path| shop.0.join(path).is_file()), "{written}");
    assert_eq!(words.contains("`declic test`"), arguments.starts_with("new rule"), "{words}");
    assert!(words.starts_with("Next: "), "{words}");
    let (code, checked, findings) = shop.declic("check");
    assert_eq!((code, checked.as_str()), (0, said), "{arguments}: {findings}");
    let (code, _, words) = shop.declic(&format!("preview {}", arguments.split(' ').nth(2).unwrap()));
    assert_eq!(code, 0, "{arguments}: {words}");
    shop
}

#[test]
fn a_rule_says_what_was_asked_for() {
    let shop = Shop::new("asked", POLICY);
    std::fs::write(shop.0.join("rules/events.yaml"), "events: { cart.updated: [cart_id, total] }\n").unwrap();
    let arguments = "new rule vip-cart --event cart.updated --purpose service --channel email,sms";
    assert_eq!(shop.declic(arguments).0, 0);
    let rule = shop.read("rules/vip-cart.yaml");
    for line in [
        "# yaml-language-server: $schema=../docs/schema/rule.json\n",
        "rule: vip-cart\n",
        "purpose: service\n",
        "  event: cart.updated\n",
        "It carries data.cart_id, data.total.\n",
        "  - send: { email: vip-cart, sms: vip-cart, expire_after: 3d }\n",
    ] {
        assert!(rule.contains(line), "{line}{rule}");
    }
    let test = shop.read("rules/vip-cart.test.yaml");
    for line in [
        "# yaml-language-server: $schema=../docs/schema/test.json\n",
        "      - { event: cart.updated, data: {} }\n",
        "      - { at: 0m, email: vip-cart }\n      - { at: 0m, sms: vip-cart }\n",
        "      alice: { consents: { email: { service: withdrawn }, sms: { service: withdrawn } } }\n",
    ] {
        assert!(test.contains(line), "{line}{test}");
    }
    // What is only a comment works too.
    let wider =
        rule.replace("  # if:", "  if:").replace("# exit_on:", "exit_on:").replace("  # - wait", "  - wait");
    let events = "events: { cart.updated: , order.placed: }\n";
    std::fs::write(shop.0.join("rules/events.yaml"), events).unwrap();
    std::fs::write(shop.0.join("rules/vip-cart.yaml"), wider).unwrap();
    let (code, _, words) = shop.declic("check");
    assert_eq!(code, 0, "{words}");
    assert!(shop.read("templates/vip-cart/email.fr.mjml").contains("Bonjour"));
    assert!(shop.read("templates/vip-cart/sms.en.txt").contains("Hello"));
}

#[test]
fn nothing_is_written_over_or_by_halves() {
    let shop = Shop::new("over", POLICY);
    assert_eq!(shop.declic("new template hello --channel sms").0, 0);
    std::fs::write(shop.0.join("templates/hello/sms.fr.txt"), "Mes mots.").unwrap();
    let before = shop.files();
    let (code, said, words) = shop.declic("new template hello --channel email,sms");
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(words.contains("templates/hello/sms.fr.txt is there already; nothing was written"), "{words}");
    assert_eq!(shop.files(), before);
    // A rule takes the template that is there, and the test.
    std::fs::write(shop.0.join("rules/hello.test.yaml"), "tests: []\n").unwrap();
    assert_eq!(shop.declic("new rule hello --channel sms").0, 0);
    assert_eq!(shop.read("templates/hello/sms.fr.txt"), "Mes mots.");
    assert_eq!(shop.read("rules/hello.test.yaml"), "tests: []\n");
    assert_eq!(shop.files(), before + 2);
    assert!(shop.declic("new rule hello").2.contains("rules/hello.yaml is there already"));
}

#[test]
fn what_would_not_pass_is_refused_with_its_reason() {
    let shop = Shop::new("refused", POLICY);
    std::fs::write(shop.0.join("rules/events.yaml"), "events: [order.placed]\n").unwrap();
    for (arguments, reason) in [
        ("new rule Mon_Panier", "like `mon_panier`"),
        ("new rule ../secret", "cannot be a name"),
        ("new rule policy", "another file"),
        ("new rule a --purpose marketng", "did you mean `marketing`"),
        ("new rule a --event order.placd", "did you mean `order.placed`"),
    ] {
        let (code, said, words) = shop.declic(arguments);
        assert_eq!((code, said.as_str()), (1, ""), "{arguments}");
        assert!(words.contains(reason), "{arguments}: {words}");
    }
    assert_eq!(shop.files(), 2);
    assert_eq!(shop.declic("new rule a --channel post").0, 2);
}
