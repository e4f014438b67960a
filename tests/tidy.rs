//! The house rules that a machine can check: who may use whom, what the core may touch, how long files are.
//!
//! Reads sources as text, after `cargo fmt` has given them one shape. Comments and literals are masked, and
//! test code (`tests.rs` files, items under `#[cfg(test)]`) is set aside; a finding names file and line, and
//! each rule says what to do about it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Each top-level module of `src/` and the others it may use:
///
///     cli → app → { intake, scheduler, delivery, ops } → process → { store, channels } → domain
///
/// with `clock` and `telemetry` open to the whole shell, and `config` to `app` and `cli` only.
const MAY_USE: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "active",
            "app",
            "broker",
            "channels",
            "clock",
            "config",
            "domain",
            "files",
            "intake",
            "operate",
            "ops",
            "process",
            "retention",
            "secret",
            "simulate",
            "store",
            "telemetry",
            "trial",
        ],
    ),
    (
        "app",
        &[
            "active",
            "broker",
            "channels",
            "clock",
            "config",
            "console",
            "delivery",
            "domain",
            "entropy",
            "incoming",
            "intake",
            "ops",
            "process",
            "publish",
            "retention",
            "scheduler",
            "secret",
            "store",
            "supervise",
            "telemetry",
        ],
    ),
    ("intake", &["broker", "clock", "domain", "failpoint", "telemetry"]),
    (
        "scheduler",
        &["active", "clock", "domain", "failpoint", "guard", "process", "store", "supervise", "telemetry"],
    ),
    (
        "delivery",
        &[
            "active",
            "channels",
            "clock",
            "domain",
            "entropy",
            "failpoint",
            "guard",
            "handoff",
            "store",
            "supervise",
            "telemetry",
        ],
    ),
    (
        "incoming",
        &["active", "channels", "clock", "domain", "failpoint", "process", "secret", "store", "telemetry"],
    ),
    ("publish", &["active", "clock", "domain", "files", "guard", "store", "telemetry"]),
    ("retention", &["active", "clock", "domain", "store", "telemetry"]),
    ("operate", &["domain", "intake", "process", "store"]),
    ("console", &["active", "channels", "clock", "delivery", "domain", "operate", "ops", "process", "store"]),
    ("ops", &["domain"]),
    ("process", &["active", "clock", "domain", "failpoint", "guard", "handoff", "store", "telemetry"]),
    ("store", &["clock", "domain", "entropy", "failpoint"]),
    // Outcomes leave by the broker that events come in by.
    ("channels", &["broker", "clock", "domain", "failpoint", "secret"]),
    ("broker", &[]),
    // The simulator is the core with a clock of its own, and nothing else: no second engine.
    ("simulate", &["active", "domain"]),
    ("trial", &["active", "domain", "simulate"]),
    ("active", &["domain"]),
    ("handoff", &["clock", "domain", "entropy"]),
    ("files", &["domain"]),
    ("supervise", &["clock"]),
    ("telemetry", &["clock", "domain"]),
    ("config", &["clock", "domain", "secret", "telemetry"]),
    ("entropy", &[]),
    ("failpoint", &[]),
    ("guard", &[]),
    ("secret", &[]),
    ("clock", &[]),
    ("domain", &[]),
];

/// What the pure core never touches: runtimes, drivers, files, the network, the clock, randomness.
const NOT_IN_DOMAIN: &[&str] = &[
    "axum",
    "lapin",
    "lettre",
    "rand",
    "sqlx",
    "std::env",
    "std::fs",
    "std::io::stdin",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tracing",
];

/// (file, path): the parser of conditions needs a deeper stack than a worker thread has, and gets one by a thread; templates
/// are compiled on all cores, with the same result as on one.
const CORE_EXCEPTIONS: &[(&str, &str)] =
    &[("src/domain/rules/condition.rs", "std::thread"), ("src/domain/templates/compile.rs", "std::thread")];

/// A file longer than this, tests aside, does more than one thing.
const LINES: usize = 500;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["common", "helper", "helpers", "manager", "managers", "misc", "service", "services", "util", "utils"];

#[test]
fn modules_use_only_what_lies_below_them() {
    let mut findings = Findings::default();
    let names: Vec<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    for source in sources() {
        // The library's root names every module; that is its whole purpose.
        if source.module == "lib" {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == source.module) else {
            findings.add(&source, 1, format!("module `{}` is not in MAY_USE", source.module));
            continue;
        };
        for (line, path) in paths(&source.code) {
            let Some(used) = top_module(&path, source.depth) else { continue };
            if names.contains(&used) && used != source.module && !allowed.contains(&used) {
                findings.add(&source, line, format!("`{}` uses `{used}` ({path})", source.module));
            }
        }
    }
    findings.report(
        "move the code to where its parts may meet, or pass what it needs as a parameter; \
         a new module needs its line in MAY_USE (tests/tidy.rs)",
    );
}

#[test]
fn the_core_is_pure() {
    let mut findings = Findings::default();
    for source in sources().iter().filter(|source| source.module == "domain") {
        for (line, path) in paths(&source.code) {
            let banned = |banned: &&&str| path == **banned || path.starts_with(&format!("{banned}::"));
            if let Some(banned) = NOT_IN_DOMAIN.iter().find(banned)
                && !CORE_EXCEPTIONS.iter().any(|(file, path)| source.path.ends_with(file) && path == banned)
            {
                findings.add(source, line, format!("`domain` uses `{banned}` ({path})"));
            }
        }
    }
    findings.report("decide in the core, act in the shell: let the caller load it and pass it in");
}

#[test]
fn files_are_short() {
    let mut findings = Findings::default();
    for source in sources() {
        let lines = source.code.lines().count() - source.test_lines;
        if lines > LINES {
            findings.add(&source, lines, format!("{lines} lines without tests, and {LINES} is the limit"));
        }
    }
    findings.report("split the file by what its parts own");
}

#[test]
fn nothing_is_left_unfinished() {
    let mut findings = Findings::default();
    for source in sources() {
        for (line, text) in numbered(&source.code) {
            for macro_name in ["todo!(", "unimplemented!(", "dbg!("] {
                if text.contains(macro_name) {
                    findings.add(&source, line, format!("`{macro_name}…)`"));
                }
            }
        }
    }
    findings.report("finish it, or leave it out");
}

#[test]
fn files_say_what_they_are_for() {
    let mut findings = Findings::default();
    for source in sources().iter().filter(|source| !source.is_test) {
        if !source.text.starts_with("//! ") {
            findings.add(source, 1, "does not begin with a `//!` comment");
        }
    }
    findings.report("say in the first lines what the file owns, what it never does and who calls it");
}

#[test]
fn panics_are_argued_for() {
    let mut findings = Findings::default();
    for source in sources() {
        let text: Vec<&str> = source.text.lines().collect();
        for (line, code) in numbered(&source.code) {
            if !code.contains(".unwrap()") && !code.contains(".expect(") {
                continue;
            }
            // `line` counts from 1, so this is the line itself and the three before it.
            let near = &text[line.saturating_sub(4)..line];
            if !near.iter().any(|line| line.contains("Unwrap safety:")) {
                findings.add(&source, line, code.trim());
            }
        }
    }
    findings.report(
        "return an error; or, if it cannot happen, say why in a comment `// Unwrap safety: …` \
         within the three lines before",
    );
}

#[test]
fn names_say_something() {
    let mut findings = Findings::default();
    for source in sources() {
        let parts = Path::new(&source.path).with_extension("");
        let empty = parts.iter().filter_map(|part| part.to_str()).find(|part| EMPTY_NAMES.contains(part));
        if let Some(empty) = empty {
            findings.add(&source, 1, format!("`{empty}` could hold anything"));
        }
    }
    findings.report("name the file after what it owns, in the marketer's or the field's words");
}

/// What a rule found, each with its place.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, source: &Source, line: usize, what: impl std::fmt::Display) {
        self.0.push(format!("{}:{line}: {what}", source.path));
    }

    fn report(self, advice: &str) {
        let mut report = String::new();
        for finding in &self.0 {
            let _ = writeln!(report, "  {finding}");
        }
        assert!(self.0.is_empty(), "{} finding(s):\n{report}  to mend: {advice}", self.0.len());
    }
}

/// One file of `src/`.
struct Source {
    /// Relative to the repository, for instance `src/store/postgres.rs`.
    path: String,
    text: String,
    /// The text with comments, literals and tests blanked out; lines keep their numbers.
    code: String,
    /// The top-level module it belongs to.
    module: String,
    /// How many `super::` lead to the crate's root.
    depth: usize,
    test_lines: usize,
    /// Whether the whole file is a test.
    is_test: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.sort();
    let sources: Vec<_> = files.iter().map(|file| source(file)).collect();
    assert!(sources.len() > 5, "src/ was not found");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn source(file: &Path) -> Source {
    let text = std::fs::read_to_string(file).expect("a source file in UTF-8");
    let path = file.strip_prefix(root()).expect("a file of ours").to_string_lossy().replace('\\', "/");
    let mut parts: Vec<&str> = path.trim_end_matches(".rs").split('/').skip(1).collect();
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    let is_test = parts.iter().any(|part| *part == "tests" || part.ends_with("_tests"));
    let (module, depth) = (parts[0].to_owned(), parts.len());
    let masked = mask(&text);
    let (code, test_lines) = if is_test {
        ("\n".repeat(masked.lines().count()), masked.lines().count())
    } else {
        without_tests(&masked)
    };
    Source { path, text, code, module, depth, test_lines, is_test }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// Replaces comments and the insides of literals by spaces, leaving every line where it was.
fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none does.
fn literal_end(chars: &[char], at: usize) -> usize {
    let from = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    let ends = |end: usize| end.min(chars.len());
    let until = |from: usize, what: &[char]| {
        let found = chars[ends(from)..].windows(what.len()).position(|window| window == what);
        found.map_or(chars.len(), |found| from + found + what.len())
    };
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match (from(0), from(1)) {
        ('/', '/') => until(at, &['\n']) - usize::from(until(at, &['\n']) < chars.len()),
        ('/', '*') => until(at + 2, &['*', '/']),
        ('r', '"' | '#') if !in_word || chars[at - 1] == 'b' => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if from(1 + hashes) != '"' {
                return at;
            }
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            until(at + 2 + hashes, &close)
        }
        ('"', _) => {
            let mut end = at + 1;
            while end < chars.len() && chars[end] != '"' {
                end += if chars[end] == '\\' { 2 } else { 1 };
            }
            ends(end + 1)
        }
        // A character, not a lifetime: a lifetime has no quote after its first letter.
        ('\'', '\\') => until(at + 3, &['\'']),
        ('\'', _) if from(2) == '\'' => at + 3,
        _ => at,
    }
}

/// Blanks out items under `#[cfg(test)]`; returns the rest and how many lines went. Relies on `cargo fmt`:
/// an item ends at the closing brace that stands under its beginning.
fn without_tests(code: &str) -> (String, usize) {
    let mut out = String::with_capacity(code.len());
    let (mut tests, mut indent) = (0, None);
    for line in code.lines() {
        let here = line.len() - line.trim_start().len();
        if indent.is_none() && line.trim() == "#[cfg(test)]" {
            indent = Some(here);
        }
        let Some(begun) = indent else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        tests += 1;
        out.push('\n');
        let closes = line.trim_start().starts_with('}') || line.ends_with(';') || line.ends_with('}');
        if here == begun && closes && !line.trim_start().starts_with("#[") {
            indent = None;
        }
    }
    (out, tests)
}

/// Every path of two segments or more in masked code, with its line; `use a::{b, c::d}` gives `a::b`, `a::c::d`.
fn paths(code: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let begins = is_word(chars[at]) && (at == 0 || !is_word(chars[at - 1]));
        // The tail of a path is not the head of another.
        let tail = code_before(&chars, at).ends_with("::");
        if begins && !tail {
            let end = path(&chars, at, "", line, &mut found);
            line += chars[at..end].iter().filter(|c| **c == '\n').count();
            at = end;
        } else {
            line += usize::from(chars[at] == '\n');
            at += 1;
        }
    }
    found.retain(|(_, path)| path.contains("::"));
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn code_before(chars: &[char], at: usize) -> String {
    chars[at.saturating_sub(2)..at].iter().collect()
}

/// Reads the path (or group of paths) at `at` into `found`; returns where it ends.
fn path(
    chars: &[char],
    mut at: usize,
    prefix: &str,
    mut line: usize,
    found: &mut Vec<(usize, String)>,
) -> usize {
    let mut whole = prefix.to_owned();
    loop {
        let begun = at;
        while at < chars.len() && is_word(chars[at]) {
            at += 1;
        }
        whole.extend(&chars[begun..at]);
        if chars[at..].starts_with(&[':', ':', '{']) {
            at += 3;
            whole.push_str("::");
            while at < chars.len() && chars[at] != '}' {
                if is_word(chars[at]) {
                    let end = path(chars, at, &whole, line, found);
                    line += chars[at..end].iter().filter(|c| **c == '\n').count();
                    at = end;
                } else {
                    line += usize::from(chars[at] == '\n');
                    at += 1;
                }
            }
            return (at + 1).min(chars.len());
        }
        if !chars[at..].starts_with(&[':', ':']) || !chars.get(at + 2).is_some_and(|c| is_word(*c)) {
            found.push((line, whole));
            return at;
        }
        whole.push_str("::");
        at += 2;
    }
}

/// The top-level module a path leads to, from a file `depth` levels below the root; none for foreign paths.
fn top_module(path: &str, depth: usize) -> Option<&str> {
    let mut segments = path.split("::");
    let first = segments.next()?;
    if first == "crate" || first == "declic" {
        return segments.next();
    }
    let mut ups = usize::from(first == "super");
    for segment in segments {
        match segment {
            "super" if ups > 0 => ups += 1,
            _ if ups > 0 && ups >= depth => return Some(segment),
            _ => return None,
        }
    }
    None
}

#[test]
fn the_rules_see_through_layout() {
    let code = r###"
use crate::{clock::Clock, domain::{event, rules::Rule}, store};
use super::super::telemetry; // crate::comment
fn f() -> std::time::Instant { let s = "crate::text {"; let r = r#"crate::raw"#; '"'; crate::config::load() }
#[cfg(test)]
mod tests {
    use crate::app;
}
fn g<'a>(x: &'a tokio::net::TcpStream) {}
"###;
    let (code, tests) = without_tests(&mask(code));
    assert_eq!(tests, 4);
    let mut seen = paths(&code);
    seen.sort();
    let seen: Vec<_> = seen.iter().map(|(line, path)| (*line, path.as_str())).collect();
    let expected = [
        (2, "crate::clock::Clock"),
        (2, "crate::domain::event"),
        (2, "crate::domain::rules::Rule"),
        (2, "crate::store"),
        (3, "super::super::telemetry"),
        (4, "crate::config::load"),
        (4, "std::time::Instant"),
        (9, "tokio::net::TcpStream"),
    ];
    assert_eq!(seen, expected);
    let top: Vec<_> = expected.iter().filter_map(|(_, path)| top_module(path, 2)).collect();
    assert_eq!(top, ["clock", "domain", "domain", "store", "telemetry", "config"]);
}
