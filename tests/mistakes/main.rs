//! A table of mistakes: each file here holds cases, each of them a shop without fault (`shop/`) with one thing changed.
//!
//!     ## E0104: a misspelt field            the code that is reported, and no other
//!     rules/hello.yaml                      a file
//!     - exit_on: [order.placed]             lines of it (one after the other) that are replaced
//!     + exit_onn: [order.placed]            by these; without any that are replaced, they are the whole file
//!
//! The reports are beside it, in `snapshots/`: after a change, `INSTA_UPDATE=always cargo test --test mistakes` writes
//! them anew, and the diff is to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use declic::active::Checked;
use declic::domain::diagnostic::{Diagnostic, SourceFile, codes, render};
use declic::files;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes")
}

fn shop() -> BTreeMap<String, String> {
    let shop = folder().join("shop");
    let rules_and_templates = files::read(&shop).expect("the shop");
    let tests = files::read_tests(&shop).expect("the shop's tests");
    rules_and_templates.into_iter().chain(tests).map(|file| (file.path, file.text)).collect()
}

/// As `declic check` does.
fn diagnostics(files: &[SourceFile]) -> Vec<Diagnostic> {
    let (tests, files): (Vec<_>, Vec<_>) =
        files.iter().cloned().partition(|file| files::is_test(Path::new(&file.path)));
    Checked::with_tests(&files, &tests).diagnostics
}

struct Case {
    code: String,
    /// The heading, code and all.
    title: String,
    files: Vec<SourceFile>,
}

/// The cases of one file.
fn cases(name: &str) -> Vec<Case> {
    let table = std::fs::read_to_string(folder().join(name)).expect(name);
    let shop = shop();
    let cases = table.strip_prefix("## ").expect("a heading first").split("\n## ");
    cases.map(|case| read(case, shop.clone())).collect()
}

fn read(case: &str, mut files: BTreeMap<String, String>) -> Case {
    let (title, changes) = case.split_once('\n').expect("a heading and changes");
    let (code, _) = title.split_once(": ").expect("a code");
    // What is changed of one file: its path, the lines that go, the lines that come.
    let mut change = (String::new(), String::new(), String::new());
    let mut apply = |(path, from, to): (String, String, String)| {
        let text = match files.get(&path) {
            Some(text) if !from.is_empty() => {
                assert!(text.contains(&from), "{title}: {path} has no\n{from}");
                text.replacen(&from, &to, 1)
            }
            _ => to,
        };
        files.insert(path, text);
    };
    for line in changes.lines().filter(|line| !line.is_empty()) {
        if let Some(gone) = line.strip_prefix("- ") {
            let _ = writeln!(change.1, "{gone}");
        } else if let Some(new) = line.strip_prefix("+ ") {
            let _ = writeln!(change.2, "{new}");
        } else if !change.0.is_empty() {
            apply(std::mem::replace(&mut change, (line.to_owned(), String::new(), String::new())));
        } else {
            change.0 = line.to_owned();
        }
    }
    apply(change);
    let files = files.into_iter().map(|(path, text)| SourceFile { path, text }).collect();
    Case { code: code.to_owned(), title: title.to_owned(), files }
}

/// Checks each case of a file, and compares all their reports with those of before.
fn check(name: &str) {
    let mut reports = String::new();
    let mut wrong = Vec::new();
    for case in cases(&format!("{name}.txt")) {
        let found = diagnostics(&case.files);
        let codes: BTreeSet<&str> = found.iter().map(|d| d.code).collect();
        if codes != BTreeSet::from([case.code.as_str()]) {
            wrong.push(format!("{}: {codes:?}", case.title));
        }
        let _ = writeln!(reports, "## {}\n\n{}", case.title, render(&found, &case.files, false));
    }
    assert!(wrong.is_empty(), "other codes than the table says:\n{}", wrong.join("\n"));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, reports);
    });
}

#[test]
fn rules() {
    check("rules");
}

#[test]
fn conditions() {
    check("conditions");
}

#[test]
fn policy() {
    check("policy");
}

#[test]
fn templates() {
    check("templates");
}

#[test]
fn together() {
    check("together");
}

#[test]
fn tests() {
    check("tests");
}

#[test]
fn the_shop_itself_is_without_fault() {
    let files: Vec<_> = shop().into_iter().map(|(path, text)| SourceFile { path, text }).collect();
    let found = diagnostics(&files);
    assert!(found.is_empty(), "{}", render(&found, &files, false));
}

/// Every code in the sources is explained, every explained one can be provoked, and a hundred mistakes are told apart.
#[test]
fn every_code_is_explained_and_provoked() {
    let tables = ["rules.txt", "conditions.txt", "policy.txt", "templates.txt", "together.txt", "tests.txt"];
    let all: Vec<Case> = tables.into_iter().flat_map(cases).collect();
    let titles: BTreeSet<&str> = all.iter().map(|case| case.title.as_str()).collect();
    assert_eq!(titles.len(), all.len(), "two cases have one title");
    assert!(all.len() >= 100, "only {} mistakes", all.len());
    let provoked: BTreeSet<&str> = all.iter().map(|case| case.code.as_str()).collect();
    // E0401 without a policy at all has no file to change.
    let explained: BTreeSet<&str> = codes::all().iter().map(|code| code.code).collect();
    assert_eq!(provoked, explained);
    let mut used = BTreeSet::new();
    let mut pending = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            let literals = text.match_indices("\"E0").filter_map(|(at, _)| text.get(at + 1..at + 7));
            used.extend(literals.filter_map(|l| l.strip_suffix('"')).map(str::to_owned));
        }
    }
    // In tests, a code that does not exist.
    used.remove("E0000");
    assert_eq!(used.iter().map(String::as_str).collect::<BTreeSet<_>>(), explained);
}
