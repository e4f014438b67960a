//! The rules that are shipped compile without a word, and say what their comments promise.

use declic::active::Checked;
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::rules::compile::compile;
use declic::domain::rules::{Basis, Op, ReEntry, Trigger};

fn shipped() -> Vec<SourceFile> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules");
    let mut files: Vec<SourceFile> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| SourceFile {
            path: format!("rules/{}", entry.file_name().to_str().unwrap()),
            text: std::fs::read_to_string(entry.path()).unwrap(),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[test]
fn the_shipped_rules_compile() {
    let compiled = compile(&shipped());
    assert_eq!(compiled.diagnostics, []);
    let names: Vec<_> = compiled.rules.rules.keys().map(String::as_str).collect();
    assert_eq!(names, ["abandoned-cart", "birthday", "confirm-newsletter", "order-shipped", "welcome"]);
    let policy = &compiled.rules.policy;
    assert_eq!(policy.default_locale, "fr");
    assert_eq!(policy.default_timezone.name(), "Europe/Paris");
    assert_eq!(policy.purposes["marketing"].basis, Basis::Consent);
    assert_eq!(policy.sender.name, "Maison Lumen");
}

#[test]
fn the_abandoned_cart_rule_means_what_it_says() {
    let compiled = compile(&shipped());
    let rule = &compiled.rules.rules["abandoned-cart"];
    assert!(
        matches!(&rule.trigger, Trigger::Event { kind, condition: Some(_), key: Some(_) } if kind == "cart.updated")
    );
    assert_eq!(rule.re_entry, ReEntry::Restart);
    assert_eq!(rule.exit_on, ["order.placed", "cart.emptied"]);
    let ids: Vec<_> = rule.program.iter().filter_map(Op::id).collect();
    assert_eq!(
        ids,
        ["wait-1h", "send-abandoned-cart", "wait-24h", "if-1", "promo-CART", "send-abandoned-cart-offer"]
    );
}

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n";

/// (more of the policy, purpose, what is sent, the SMS, code and words of the one finding; empty for none)
const TOGETHER: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("sms: { stop_number: \"36180\" }", "marketing", "sms: a, expire_after: 3d", "Bonjour", "", ""),
    ("sms: { sender: \"36180\" }", "marketing", "sms: a, expire_after: 60h", "Bonjour", "", ""),
    ("", "transactional", "sms: a", "Bonjour", "", ""),
    ("", "marketing", "sms: a, expire_after: 3d", "Bonjour", "E0606", "stop_number"),
    (
        "sms: { sender: Lumen }",
        "service",
        "sms: a, expire_after: 3d",
        "Bonjour",
        "E0606",
        "answer STOP to `Lumen`",
    ),
    ("", "transactional", "sms: aa", "Bonjour", "E0601", "did you mean `a`"),
    ("", "transactional", "sms: zzzz", "Bonjour", "E0601", "templates/zzzz/sms.LOCALE.txt"),
    ("", "transactional", "sms: a", "{{data.nam}}", "E0602", "did you mean `data.name`"),
    ("", "transactional", "sms: a", "{{promo_code.code}}", "E0603", "makes none"),
    ("sms: { max_segments: 1 }", "transactional", "sms: a", "LONG", "E0605", "may take 2 segments"),
    ("sms: { max_segments: 1 }", "transactional", "sms: a", "EMOJI", "E0605", "`🎂` is not in the alphabet"),
    ("sms: { max_segments: 1 }", "transactional", "sms: a", "ACCENT", "", ""),
    (
        "sms: { max_segments: 1, transliterate: false }",
        "transactional",
        "sms: a",
        "ACCENT",
        "E0605",
        "`ê` is not",
    ),
    // An `each` may go round several times.
    ("", "transactional", "sms: a", "EACH", "E0605", "may take 3 segments"),
    ("", "transactional", "sms: a", "ONCE", "", ""),
    // One name in another alphabet, and the text is more than twice as dear.
    ("", "transactional", "sms: a", "NAME", "E0608", "takes 3 segments"),
    ("", "transactional", "sms: a", "SHORT NAME", "", ""),
    ("", "transactional", "sms: a", "OURS", "", ""),
    ("", "transactional", "sms: a, email: nothing", "Bonjour", "E0601", "email.LOCALE.mjml"),
    // A Saturday evening before Easter Monday.
    (FRENCH, "marketing", "sms: a", "Bonjour", "E0607", "after 24 h, and its hours may be closed for 60 h"),
    (FRENCH, "marketing", "sms: a, expire_after: 59h", "Bonjour", "E0607", "an `expire_after` of 3d or more"),
    (FRENCH, "service", "sms: a", "Bonjour", "E0607", "closed for 60 h"),
    (OPEN, "marketing", "sms: a", "Bonjour", "", ""),
    (NIGHTLY, "marketing", "sms: a, expire_after: 12h", "Bonjour", "", ""),
    (NIGHTLY, "marketing", "sms: a, expire_after: 11h", "Bonjour", "E0607", "closed for 12 h"),
];

const FRENCH: &str = "default_country: FR\nsms: { sender: \"36180\" }";
const OPEN: &str = "sms: { sender: \"36180\" }\nquiet_hours: { rules: [{ channel: sms, use: none }] }";
const NIGHTLY: &str = "sms: { sender: \"36180\" }\n\
    quiet_hours: { rules: [{ channel: sms, allowed: \"08:00-20:00\" }] }";

#[test]
fn rules_and_sms_templates_are_checked_against_each_other() {
    for (policy, purpose, send, sms, code, words) in TOGETHER {
        let sms = match *sms {
            "LONG" => "x".repeat(161),
            "EMOJI" => format!("🎂{}", "x".repeat(80)),
            "ACCENT" => format!("fête{}", "x".repeat(80)),
            "EACH" => format!("{{{{#each data.name}}}}{}{{{{/each}}}}", "x".repeat(110)),
            "ONCE" => format!("{{{{#if data.name}}}}{}{{{{/if}}}}", "x".repeat(110)),
            "NAME" => format!("{{{{customer.first_name}}}}{}", "x".repeat(130)),
            "SHORT NAME" => format!("{{{{customer.first_name}}}}{}", "x".repeat(120)),
            "OURS" => format!("{{{{data.name}}}}{}", "x".repeat(130)),
            text => text.to_owned(),
        };
        let rule = format!(
            "rule: r\npurpose: {purpose}\ntrigger: {{ event: go }}\nsteps: [{{ send: {{ {send} }} }}]\n"
        );
        let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
        let files = [
            file("rules/policy.yaml", format!("{POLICY}{policy}\n")),
            file("rules/events.yaml", "events: { go: [name] }\n".to_owned()),
            file("rules/r.yaml", rule),
            file("templates/a/sms.fr.txt", sms),
        ];
        let checked = Checked::new(&files);
        let shown = render(&checked.diagnostics, &files, false);
        let codes: Vec<_> = checked.diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(codes.concat(), *code, "{send}: {shown}");
        assert!(shown.contains(words), "{send}: {shown}");
    }
}
