//! Python programs from PyPI that tests bring along, pinned by a list with their checksums.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::{PYTHON, needed};

/// The programs of `requirements.txt` in this folder of the sources (`tests/deploying`), outside of them; installed the first
/// time. Only what comes built is taken.
pub fn programs(folder: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("requirements.txt");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder.replace('/', "-"));
    let pinned = std::fs::read(&list).expect("a list of packages");
    let programs = target.join("bin");
    if std::fs::read(target.join("installed")).is_ok_and(|installed| installed == pinned) {
        return programs;
    }
    // Whatever an interrupted run left is cleared away.
    run(Command::new(needed(PYTHON)).args(["-m", "venv", "--clear"]).arg(&target));
    let mut pip = Command::new(programs.join("python3"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
    run(pip.args(["--only-binary", ":all:", "--requirement"]).arg(&list));
    std::fs::write(target.join("installed"), pinned).expect("a note that it is whole");
    programs
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{command:?} does not run ({e}): run `make setup`"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} could not install the packages (run `make setup`):\n{words}"
    );
}
