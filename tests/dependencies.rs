//! What is built into Declic is what `deny.toml` allows: licences, sources, and no crate that is banned there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn allowed() -> toml::Table {
    std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

/// Each crate of the lock file, for any target and feature; cargo fetches what only other systems are built from.
fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--format-version", "1", "--all-features"]).current_dir(root());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package[field].as_str().unwrap_or_default()
}

/// Whether an expression (SPDX: alternatives, of which several may be asked for together) leaves a choice that is allowed.
fn fits(expression: &str, allowed: &[&str]) -> bool {
    expression.replace('/', " OR ").split(" AND ").all(|part| {
        let part = part.trim().trim_matches(['(', ')']);
        part.split(" OR ").any(|licence| allowed.contains(&licence.trim()))
    })
}

#[test]
fn expressions_are_read() {
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0 OR MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR AGPL-3.0) AND ISC", false),
        ("", false),
    ] {
        assert_eq!(fits(expression, &["MIT", "ISC"]), expected, "{expression}");
    }
}

#[test]
fn every_crate_is_allowed() {
    let rules = allowed();
    let list = rules["licenses"]["allow"].as_array().unwrap();
    let licences: Vec<&str> = list.iter().filter_map(toml::Value::as_str).collect();
    let banned = rules["bans"]["deny"].as_array().unwrap();
    let banned: Vec<&str> = banned.iter().filter_map(|ban| ban["crate"].as_str()).collect();
    assert!(banned.contains(&"openssl-sys") && licences.contains(&"MIT"));
    let packages = packages();
    assert!(packages.len() > 200, "{} crates", packages.len());
    let mut faults = Vec::new();
    for package in packages.iter().filter(|package| text(package, "name") != "declic") {
        let (name, licence, source) =
            (text(package, "name"), text(package, "license"), text(package, "source"));
        if !fits(licence, &licences) {
            faults.push(format!("{name}: the licence `{licence}` is not allowed"));
        }
        if source != "registry+https://github.com/rust-lang/crates.io-index" {
            faults.push(format!("{name} comes from `{source}`, not from crates.io"));
        }
        if banned.contains(&name) {
            faults.push(format!(
                "{name} is banned: find who asks for it with `cargo tree -i {name} -e features`, and turn its default features \
                 off, or choose its ring variant"
            ));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    let mut used: Vec<&str> = licences;
    used.retain(|licence| {
        !packages.iter().any(|p| fits(text(p, "license"), &[licence]) || text(p, "license").contains(licence))
    });
    assert_eq!(used, Vec::<&str>::new(), "allowed, and nobody asks for it");
}
