//! Real reports, and mails that are none, against what each is: `tests/data/bounces/expected.tsv`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use declic::domain::bounce::{Reading, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bounces")
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
    let there: BTreeSet<String> = ["flufl", "sisimai", "made"]
        .iter()
        .flat_map(|name| {
            std::fs::read_dir(folder().join(name)).expect("a folder").flatten().map(move |f| (name, f))
        })
        .map(|(name, file)| format!("{name}/{}", file.file_name().to_string_lossy()))
        .collect();
    assert_eq!(named, there, "each file has its line");
    for kind in ["hard", "soft", "complaint", "delayed", "delivered", "auto_reply", "no_complaint", "other"] {
        assert!(kinds.contains(kind), "no sample is {kind}");
    }
}

#[test]
#[ignore = "prints what is read, for whoever adds a sample"]
fn print_what_is_read() {
    for name in ["flufl", "sisimai", "made"] {
        let mut files: Vec<_> = std::fs::read_dir(folder().join(name)).expect("a folder").flatten().collect();
        files.sort_by_key(|file| file.file_name());
        for file in files {
            let bytes = std::fs::read(file.path()).expect("a sample");
            println!("{name}/{}\t{}", file.file_name().to_string_lossy(), told(&bytes).join("\t"));
        }
    }
}
