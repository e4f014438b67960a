//! The unit of systemd: read by systemd's own tool, and as closed as it says.

use std::process::Command;

use declic::config;

use crate::support::{Folder, needed};
use crate::{assert_command, read};

/// Exposure by `systemd-analyze security`, in tenths: 15 is 1.5 of 10, where "OK" begins at 20 and below.
const MOST_EXPOSED: u32 = 15;

const UNIT: &str = "deploy/systemd/declic.service";

/// The values of a setting, in their order.
fn settings(unit: &str, name: &str) -> Vec<String> {
    let prefix = format!("{name}=");
    unit.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

fn setting(unit: &str, name: &str) -> String {
    let found = settings(unit, name);
    assert_eq!(found.len(), 1, "{name} in {UNIT}");
    found[0].clone()
}

/// systemd's tool on the unit, with the program where this test has it.
fn analyze(arguments: &[&str]) -> String {
    let folder = Folder::new("unit");
    let path = folder.join("declic.service");
    let installed = read(UNIT);
    let unit = installed.replace("/usr/bin/declic ", concat!(env!("CARGO_BIN_EXE_declic"), " "));
    assert_ne!(unit, installed);
    std::fs::write(&path, unit).expect("a copy of the unit");
    let mut analyze = Command::new(needed("/usr/bin/systemd-analyze"));
    analyze.args(arguments).arg(&path).env("SYSTEMD_PAGER", "cat").env("SYSTEMD_COLORS", "0");
    let output = analyze.output().expect("it runs");
    let words =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{analyze:?}:\n{words}");
    words
}

#[test]
fn systemd_has_no_complaint_about_it() {
    // It warns of what it does not know and goes on: any word about the unit is one too many.
    let words = analyze(&["verify", "--man=no", "--recursive-errors=one"]);
    let about_it: Vec<&str> = words.lines().filter(|line| line.contains("declic")).collect();
    assert!(about_it.is_empty(), "{words}");
}

#[test]
fn it_exposes_little() {
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let words = analyze(&["security", "--offline=true", &threshold]);
    assert!(words.contains("Overall exposure level"), "{words}");
}

#[test]
fn it_starts_a_command_that_exists_and_waits_until_it_has_stopped() {
    let unit = read(UNIT);
    let start = setting(&unit, "ExecStart");
    let start =
        start.strip_prefix("/usr/bin/declic --config %d/declic.toml ").expect("the installed program");
    assert_command(&start.split(' ').collect::<Vec<_>>(), UNIT);
    assert_eq!(setting(&unit, "Type"), "notify");
    let seconds = |name: &str| setting(&unit, name).trim_end_matches('s').parse::<u64>().expect("seconds");
    let farewell = 4;
    let defaults = config::Worker::default();
    assert!(seconds("TimeoutStopSec") > defaults.shutdown_deadline_s + farewell);
    // A stop is no hang.
    assert!(seconds("WatchdogSec") > defaults.shutdown_deadline_s + farewell);
}

#[test]
fn every_secret_may_be_missing() {
    let unit = read(UNIT);
    let loaded = settings(&unit, "LoadCredential");
    let names = |list: &[String]| -> Vec<String> {
        list.iter().map(|value| value.split(':').next().expect("a name").to_owned()).collect()
    };
    let (configuration, secrets) = loaded.split_first().expect("the configuration");
    assert_eq!(configuration, "declic.toml:/etc/declic/declic.toml");
    assert_eq!(names(secrets), names(&settings(&unit, "SetCredential")), "what stands for a missing file");
    let page = read("docs/deploying.md");
    for secret in secrets {
        let (name, path) = secret.split_once(':').expect("a name and a path");
        assert_eq!(path, format!("/etc/declic/{name}"));
        assert!(page.contains(&format!("`{name}`")), "docs/deploying.md does not name it");
    }
}
