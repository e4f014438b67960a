//! The readers of rules, policy, catalogue and templates, given what nobody would write: no text makes them panic, take
//! for ever, or point at a place that is not there.
//!
//! Each target mutates the shipped files and its seeds (`seeds/TARGET/`) for `FUZZ_SECONDS` (default 2; `make fuzz`).
//! An input that fails is kept below `target/tmp/fuzz/`; put it into `seeds/` with the correction, and it is tried first
//! ever after. `FUZZ_SEED` repeats a run.

mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use declic::active::Checked;
use declic::domain::diagnostic::{SourceFile, lsp, render, sarif};
use declic::files;
use mutate::Mutator;

/// An input that keeps its thread busy for longer, three times of three, hangs as far as a marketer can tell: this build
/// is a slow one.
const SLOW: Duration = Duration::from_secs(2);

/// So many inputs are tried however slow the machine is.
const LEAST: u64 = 20;

/// Longer than any load on the machine explains.
const HANGS: Duration = Duration::from_secs(30);

/// A reader, by the file that it reads. A new kind of file gets its line in `TARGETS` and a test below.
struct Target {
    name: &'static str,
    /// Whether a shipped file is one of its inputs.
    reads: fn(&str) -> bool,
    /// Where the input is put among the other files.
    path: &'static str,
}

const TARGETS: [Target; 7] = [
    Target { name: "rule", reads: is_rule, path: "rules/fuzzed.yaml" },
    Target { name: "test", reads: |path| files::is_test(Path::new(path)), path: "rules/sends.test.yaml" },
    Target { name: "policy", reads: |path| path == "rules/policy.yaml", path: "rules/policy.yaml" },
    Target { name: "events", reads: |path| path == "rules/events.yaml", path: "rules/events.yaml" },
    Target { name: "mjml", reads: |path| path.ends_with(".mjml"), path: "templates/fuzzed/email.fr.mjml" },
    Target {
        name: "text",
        reads: |path| path.contains("email.") && path.ends_with(".txt"),
        path: "templates/hello/email.fr.txt",
    },
    Target { name: "sms", reads: |path| path.contains("sms."), path: "templates/fuzzed/sms.fr.txt" },
];

fn is_rule(path: &str) -> bool {
    let others = ["rules/policy.yaml", "rules/events.yaml"];
    path.starts_with("rules/") && !others.contains(&path) && !files::is_test(Path::new(path))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The small shop of `tests/mistakes`, for the input to stand in, with a rule that sends what is fuzzed. What takes long
/// (mails, and the hours of its marketing SMS) is left out where it is not what is fuzzed.
fn surroundings(target: &Target) -> Vec<SourceFile> {
    let mut files = files::read(&root().join("tests/mistakes/shop")).expect("the shop");
    let mail = target.path.contains("email");
    files.retain(|file| mail || !file.path.contains("email"));
    files.retain(|file| target.name == "policy" || file.path != "rules/hello.yaml");
    let (purpose, sent) = if mail { ("marketing", "email") } else { ("transactional", "sms") };
    let template =
        target.path.split('/').nth(1).filter(|_| target.path.starts_with("templates/")).unwrap_or("hello");
    let text = format!(
        "rule: sends\npurpose: {purpose}\ntrigger: {{ event: order.placed }}\nsteps: [{{ send: {{ {sent}: {template} }} }}]\n"
    );
    files.push(SourceFile { path: "rules/sends.yaml".to_owned(), text });
    files
}

/// What a target begins with: shipped files first, then its seeds.
fn corpus(target: &Target) -> Vec<String> {
    let shipped = [root().to_owned(), root().join("tests/mistakes/shop")];
    let shipped = shipped.iter().flat_map(|folder| [files::read(folder), files::read_tests(folder)]);
    let shipped = shipped.flat_map(|read| read.expect("shipped files"));
    let mut corpus: Vec<String> =
        shipped.filter(|file| (target.reads)(&file.path)).map(|file| file.text).collect();
    corpus.extend(seeds(target));
    corpus
}

fn seeds(target: &Target) -> Vec<String> {
    let folder = root().join("tests/fuzz/seeds").join(target.name);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("a seed is text")).collect()
}

/// Reads an input in its surroundings, and reports on it in every form.
fn read(target: &Target, surroundings: &[SourceFile], input: &str) {
    // A rule that has the name of its file is looked at further.
    let named = input.lines().find_map(|line| line.strip_prefix("rule: ")).map(str::trim);
    let path = match named.filter(|name| target.name == "rule" && !name.contains('/')) {
        Some(name) => format!("rules/{name}.yaml"),
        None => target.path.to_owned(),
    };
    let mut files: Vec<SourceFile> = surroundings.iter().filter(|file| file.path != path).cloned().collect();
    let input = SourceFile { path, text: input.to_owned() };
    let mut tests = Vec::new();
    if files::is_test(Path::new(&input.path)) {
        tests.push(input)
    } else {
        files.push(input)
    }
    let found = Checked::with_tests(&files, &tests).diagnostics;
    files.extend(tests);
    for diagnostic in &found {
        let file = files.iter().find(|file| file.path == diagnostic.path);
        let text = file.map_or("", |file| file.text.as_str());
        assert!(text.get(diagnostic.span.clone()).is_some(), "a place that is not there: {diagnostic:?}");
    }
    render(&found, &files, true);
    lsp(&found, &files);
    sarif(&found, &files, "");
}

/// How long this thread has been at work, whatever else the machine does meanwhile.
fn busy() -> Duration {
    let times =
        std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says how long a thread ran");
    Duration::from_nanos(times.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds"))
}

/// How long an input took, or the words of the panic.
fn timed(target: &Target, surroundings: &[SourceFile], input: &str) -> Result<Duration, String> {
    let before = busy();
    match catch_unwind(AssertUnwindSafe(|| read(target, surroundings, input))) {
        Ok(()) => Ok(busy().saturating_sub(before)),
        Err(panic) => Err(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned())),
    }
}

/// Why an input fails, if it does.
fn fault(target: &Target, surroundings: &[SourceFile], input: &str) -> Option<String> {
    let mut least = Duration::MAX;
    for _ in 0..3 {
        match timed(target, surroundings, input) {
            Ok(took) if took <= SLOW => return None,
            Ok(took) => least = least.min(took),
            Err(panic) => return Some(panic),
        }
    }
    Some(format!("it takes {least:?}"))
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&folder).expect("a folder for findings");
    // Written before each input is read: what overflows the stack leaves nothing else behind.
    let current = folder.join(name);
    let seconds = Duration::from_secs(from_environment("FUZZ_SECONDS", 2));
    let seed = from_environment("FUZZ_SEED", 1);
    let (done, progress) = mpsc::channel();
    let kept = current.clone();
    // Readers run on threads of the worker, whose stack is this large too.
    let reader = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(move || {
        let surroundings = surroundings(target);
        let corpus = corpus(target);
        let mut mutator = Mutator::new(seed, &corpus);
        let until = Instant::now() + seconds;
        let mut inputs = seeds(target).into_iter();
        let mut count = 0_u64;
        loop {
            let input = match inputs.next() {
                Some(seed) => seed,
                None if Instant::now() >= until && count >= LEAST => return (count, None),
                None => mutator.next(),
            };
            std::fs::write(&kept, &input).expect("an input is kept");
            if let Some(why) = fault(target, &surroundings, &input) {
                return (count, Some(why));
            }
            count += 1;
            // The watchdog may have given up.
            let _ = done.send(());
        }
    });
    let reader = reader.expect("a thread");
    // One silence may be the whole process's, stopped for a while; the second is the reader's.
    let mut silences = 0;
    while silences < 2 {
        match progress.recv_timeout(HANGS) {
            Ok(()) => silences = 0,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => silences += 1,
        }
    }
    assert!(silences < 2, "{} hangs (seed {seed})", current.display());
    let (count, why) = reader.join().expect("faults are caught");
    if let Some(why) = why {
        panic!("{}, input {count} of seed {seed}: {why}", current.display());
    }
    println!("{name}: {count} inputs");
}

#[test]
fn rules() {
    fuzz("rule");
}

#[test]
fn rule_tests() {
    fuzz("test");
}

#[test]
fn policies() {
    fuzz("policy");
}

#[test]
fn catalogues() {
    fuzz("events");
}

#[test]
fn mails() {
    fuzz("mjml");
}

#[test]
fn plain_texts() {
    fuzz("text");
}

#[test]
fn short_messages() {
    fuzz("sms");
}
