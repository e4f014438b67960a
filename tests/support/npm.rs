//! Packages of npm that tests bring along, pinned by a lock file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The `node_modules` of the lock file in this folder of the sources (`tests/smpp`), outside of them; filled the first time.
pub fn packages(folder: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder.replace('/', "-"));
    let lock = std::fs::read(source.join("package-lock.json")).expect("a lock file");
    let modules = target.join("node_modules");
    if std::fs::read(target.join("installed")).is_ok_and(|installed| installed == lock) {
        return modules;
    }
    // Whatever an interrupted run left is replaced by `npm ci`.
    std::fs::create_dir_all(&target).expect("a folder for packages");
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(source.join(file), target.join(file)).expect("its copy");
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&target);
    let output = npm.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("npm does not run ({e}): run `make setup`"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "npm could not install what {folder} wants:\n{words}");
    std::fs::write(target.join("installed"), lock).expect("a note that it is whole");
    modules
}
