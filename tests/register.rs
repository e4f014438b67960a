//! `declic register` on the shipped shop: golden texts in each form and language, and that nothing is left out.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use declic::active::Checked;
use declic::files;

const SHOP: &str = env!("CARGO_MANIFEST_DIR");

/// A production's configuration; nothing of it is reached for.
const CONFIGURED: [(&str, &str); 12] = [
    ("DECLIC_CLOCK__START", "2026-11-30T08:00:00Z"),
    ("DECLIC_SECRET", "a secret for a register"),
    ("DECLIC_DATABASE__URL", "postgres://declic:never-shown@db.example/declic?sslmode=verify-full"),
    ("DECLIC_DATABASE__COUNTRY", "FR"),
    ("DECLIC_AMQP__URL", "amqp://declic:never-shown@localhost:5672/%2f"),
    ("DECLIC_AMQP__COUNTRY", "FR"),
    ("DECLIC_SMTP__HOST", "smtp.example"),
    ("DECLIC_SMS__PRESET", "twilio"),
    ("DECLIC_SMS__ACCOUNT", "AC1"),
    ("DECLIC_SMS__SECRET", "never-shown"),
    ("DECLIC_SMS__COUNTRY", "US"),
    ("DECLIC_PUBLIC__BASE_URL", "https://news.example.com"),
];

fn register(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
    command.current_dir(folder).arg("register").args(arguments).env_clear().envs(env.iter().copied());
    command.output().unwrap()
}

fn written(arguments: &[&str]) -> String {
    let output = register(Path::new(SHOP), arguments, &CONFIGURED);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn in_french_as_markdown() {
    // The policy's default_locale, and the default form.
    insta::assert_snapshot!(written(&[]));
}

#[test]
fn in_english_as_markdown() {
    insta::assert_snapshot!(written(&["--lang", "en"]));
}

#[test]
fn as_pages() {
    insta::assert_snapshot!("as_a_page_in_french", written(&["--format", "html"]));
    insta::assert_snapshot!("as_a_page_in_english", written(&["--format", "html", "--lang", "en"]));
}

#[test]
fn as_csv() {
    // The shipped shop has a use for each.
    let purposes = Checked::new(&files::read(Path::new(SHOP)).unwrap()).rules.policy.purposes;
    for (name, lang) in [("as_csv_in_french", "fr"), ("as_csv_in_english", "en")] {
        let csv = written(&["--format", "csv", "--lang", lang]);
        let rows = read(&csv);
        assert_eq!(rows.len(), 1 + purposes.len(), "a head, and each purpose: {csv}");
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{csv}");
        insta::assert_snapshot!(name, csv.replace("\r\n", "\n"));
    }
}

/// RFC 4180, where each cell is in quotes.
fn read(csv: &str) -> Vec<Vec<String>> {
    let row = |line: &str| {
        let cells = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap();
        cells.split("\",\"").map(|cell| cell.replace("\"\"", "\"")).collect()
    };
    csv.split_terminator("\r\n").map(row).collect()
}

#[test]
fn nothing_is_left_out() {
    let checked = Checked::new(&files::read(Path::new(SHOP)).unwrap());
    let text = written(&["--lang", "en"]);
    let own = checked.events.iter().flat_map(|events| events.own());
    let purposes = checked.rules.policy.purposes.keys().map(String::as_str);
    let rules = checked.rules.rules.keys().map(String::as_str);
    let hosts = ["db.example", "localhost", "smtp.example", "twilio (api.twilio.com)"];
    for name in own.chain(purposes).chain(rules).chain(hosts) {
        assert!(text.contains(name), "the register says nothing of {name}:\n{text}");
    }
    assert!(!text.contains("never-shown"), "{text}");
}

/// A copy of the shop, gone with the test.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("declic-register-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for part in ["rules", "templates"] {
            let copied = Command::new("cp").arg("-r").arg(Path::new(SHOP).join(part)).arg(&folder).status();
            assert!(copied.unwrap().success());
        }
        Self(folder)
    }

    fn add(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(path, before + text).unwrap();
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_missing_is_counted_and_strictly_refused() {
    let lenient = register(Path::new(SHOP), &[], &CONFIGURED);
    let said = String::from_utf8(lenient.stderr).unwrap();
    assert!(said.contains("things are missing in the register"), "{said}");
    let strict = register(Path::new(SHOP), &["--strict"], &CONFIGURED);
    assert_eq!(strict.status.code(), Some(1));
    assert!(!strict.stdout.is_empty(), "it is written all the same");
    // Fewer, once they are said.
    let shop = Copy::new("said");
    shop.add(
        "rules/policy.yaml",
        "register:\n  dpo: none\n  safeguards: { US: standard contractual clauses }\n",
    );
    let said_more = String::from_utf8(register(&shop.0, &[], &CONFIGURED).stderr).unwrap();
    let count = |text: &str| text.split(' ').next().and_then(|n| n.parse::<u32>().ok()).unwrap();
    assert_eq!(count(&said_more) + 2, count(&said), "{said_more}");
}

#[test]
fn rules_with_errors_are_refused_and_a_file_is_written() {
    let shop = Copy::new("refused");
    let out = shop.0.join("register.html");
    let written = register(&shop.0, &["--format", "html", "--out", out.to_str().unwrap()], &CONFIGURED);
    assert_eq!((written.status.code(), written.stdout.is_empty()), (Some(0), true));
    assert!(std::fs::read_to_string(out).unwrap().starts_with("<!doctype html>"));
    shop.add("rules/policy.yaml", "register: { dpo: none, safeguards: { XX: nothing } }\n");
    let refused = register(&shop.0, &[], &CONFIGURED);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("E0407") && said.contains("policy.yaml"), "{said}");
}
