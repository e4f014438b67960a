//! Real reports, and mails that are none, against what each is: `tests/data/bounces/expected.tsv`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use declic::domain::bounce::{Reading, read};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bounces")
}

fn samples() -> Vec<PathBuf> {
    let folders = ["flufl", "sisimai", "made"].map(|name| folder().join(name));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder").flatten());
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.sort();
    files
}

/// What is read of a file, as a line of the table: kind, status, recipient.
fn told(bytes: &[u8]) -> [String; 3] {
    match read(bytes) {
        Reading::Report(report) => [
            report.kind.as_str().to_owned(),
            report.status.unwrap_or_else(|| "-".to_owned()),
            report.recipients.first().cloned().unwrap_or_else(|| "-".to_owned()),
        ],
        other => [other.as_str().to_owned(), "-".to_owned(), "-".to_owned()],
    }
}

#[test]
fn every_sample_is_read_as_what_it_is() {
    let table = std::fs::read_to_string(folder().join("expected.tsv")).expect("the table");
    let (mut wrong, mut named, mut kinds) = (String::new(), BTreeSet::new(), BTreeSet::new());
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [file, expected @ ..] = cells.as_slice() else { panic!("{line}") };
        let bytes = std::fs::read(folder().join(file)).expect(file);
        named.insert((*file).to_owned());
        kinds.insert(expected[0].to_owned());
        let found = told(&bytes);
        if found != expected {
            let _ = writeln!(wrong, "{file}\n  expected {expected:?}\n  found    {found:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let name = |file: &PathBuf| file.strip_prefix(folder()).expect("below it").display().to_string();
    let there: BTreeSet<String> = samples().iter().map(name).collect();
    assert_eq!(named, there, "each file has its line");
    for kind in ["hard", "soft", "complaint", "delayed", "delivered", "auto_reply", "no_complaint", "other"] {
        assert!(kinds.contains(kind), "no sample is {kind}");
    }
}

#[test]
#[ignore = "prints what is read, for whoever adds a sample"]
fn print_what_is_read() {
    for file in samples() {
        let bytes = std::fs::read(&file).expect("a sample");
        println!("{}\t{}", file.strip_prefix(folder()).expect("below it").display(), told(&bytes).join("\t"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    /// Anybody can send us anything: a sample cut, doubled and spoilt in places is read as something, and never a panic.
    #[test]
    fn no_mail_is_too_broken(
        sample in any::<Index>(),
        edits in vec((any::<Index>(), any::<u8>(), 0..40_usize), 1..12),
    ) {
        let samples = samples();
        let mut bytes = std::fs::read(sample.get(&samples)).expect("a sample");
        for (at, byte, length) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            match byte % 4 {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.truncate(end.max(1)),
                2 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                _ => bytes.insert(at, byte),
            }
        }
        if let Reading::Report(report) = read(&bytes) {
            prop_assert!(!report.detail.contains(['\n', '\r']), "{}", report.detail);
        }
    }
}
