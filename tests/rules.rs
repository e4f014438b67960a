//! The rules that are shipped compile without a word, and say what their comments promise.

use declic::domain::diagnostic::SourceFile;
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
    assert_eq!(names, ["abandoned-cart", "birthday", "welcome"]);
    let policy = &compiled.rules.policy;
    assert_eq!(policy.default_locale, "fr");
    assert_eq!(policy.default_timezone.name(), "Europe/Paris");
    assert_eq!(policy.purposes["marketing"], Basis::Consent);
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
