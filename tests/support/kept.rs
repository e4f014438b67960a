//! A server process that lives no longer than the test that started it.
//!
//! Statics are never dropped and a killed test drops nothing, so the server's parent is a small keeper
//! (`keep.py`) that waits for our end of a pipe to close: on drop, or by the kernel when we are gone.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What to run, under whom, and how it stops.
pub struct Plan<'a> {
    /// The command, which must stay in the foreground.
    pub command: &'a [&'a OsStr],
    /// Environment variables, beside those inherited.
    pub env: &'a [(&'a str, String)],
    /// The user to run as when this process is root.
    pub user: Option<&'a str>,
    /// The signal that stops it well: "TERM", "QUIT", "KILL".
    pub stop: &'a str,
    /// Its folder, which holds its log and goes when it goes.
    pub folder: &'a Path,
}

/// A running server. Dropping it stops the server and removes its folder.
pub struct Kept {
    keeper: Child,
    pid: u32,
    log: PathBuf,
}

impl Kept {
    /// Starts a server; whether it is ready is for the caller to find out.
    pub fn start(plan: &Plan) -> Self {
        let log = plan.folder.join("log");
        let mut command = super::python("keep.py");
        command.args(["--signal", plan.stop, "--log"]).arg(&log).arg("--remove").arg(plan.folder).arg("--");
        if let Some(user) = plan.user.filter(|_| super::is_root()) {
            command.arg("setpriv").arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
            command.arg("--init-groups");
        }
        command.args(plan.command).envs(plan.env.iter().map(|(name, value)| (name, value)));
        // A server must be able to enter its working directory, which ours may forbid to its user.
        command.current_dir(plan.folder).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut line = String::new();
        let stdout = keeper.stdout.take().expect("standard output is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the keeper speaks UTF-8");
        let pid = line.trim().parse().unwrap_or_else(|_| panic!("{command:?} did not start"));
        Self { keeper, pid, log }
    }

    /// The server's own process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the server's process still runs.
    pub fn alive(&self) -> bool {
        Path::new("/proc").join(self.pid.to_string()).exists()
    }

    /// What the server has written so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Sends a signal ("KILL", "STOP", "CONT", …) to the server's whole process group.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, "--", &format!("-{}", self.pid)]).status();
        assert!(status.is_ok_and(|s| s.success()), "kill -s {name} -{}", self.pid);
    }

    /// Stops the server and leaves its folder, so that another can be started on it.
    pub fn stop(mut self) {
        if let Some(stdin) = self.keeper.stdin.as_mut() {
            let _ = stdin.write_all(b"stay\n");
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
