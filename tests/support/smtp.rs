//! Mail servers that send nothing on: one that keeps every mail and misbehaves on demand, and Postfix's
//! `smtp-sink`, which only counts but does so fast.

use std::ffi::{OsStr, OsString};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::kept::{Kept, Plan};
use super::{Folder, PYTHON, free_port, needed, script, wait_until};

/// A mail that the sink accepted.
#[derive(Debug)]
pub struct Mail {
    /// The envelope and circumstances; `sink.py` lists the fields.
    pub envelope: serde_json::Value,
    /// The mail as it came over the wire, without dot-stuffing.
    pub raw: Vec<u8>,
}

/// A sink that keeps what it accepts (`sink.py`, which says how addresses ask for refusals).
pub struct Sink {
    server: Kept,
    folder: Folder,
    pub port: u16,
}

impl Sink {
    /// A plain sink: no TLS, no login.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A sink with options of `sink.py`, such as `["--login", "shop:secret"]`.
    pub fn with(options: &[&str]) -> Self {
        let folder = Folder::new("sink");
        needed("/usr/lib/python3/dist-packages/aiosmtpd");
        let script = script("sink.py");
        let mut command: Vec<&OsStr> = vec![OsStr::new(PYTHON), OsStr::new("-EsB"), script.as_os_str()];
        command.extend([OsStr::new("--dir"), folder.path().as_os_str()]);
        command.extend(options.iter().map(OsStr::new));
        // The sink stays the test's own user: it binds a high port and writes only to its folder.
        let plan = Plan { command: &command, env: &[], user: None, stop: "TERM", folder: folder.path() };
        let server = Kept::start(&plan);
        let port = folder.join("port");
        wait_until(Duration::from_secs(30), || port.exists() || !server.alive());
        let port = std::fs::read_to_string(port).ok().and_then(|text| text.parse().ok());
        let port = port.unwrap_or_else(|| panic!("the mail sink did not start:\n{}", server.log()));
        Self { server, folder, port }
    }

    /// Where the mails lie, as `N.eml` and `N.json`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Every mail accepted so far, in order.
    pub fn mails(&self) -> Vec<Mail> {
        let read = |n: u32| {
            let envelope = std::fs::read(self.folder.join(&format!("{n}.json"))).ok()?;
            let raw =
                std::fs::read(self.folder.join(&format!("{n}.eml"))).expect("written before its envelope");
            Some(Mail { envelope: serde_json::from_slice(&envelope).expect("JSON from sink.py"), raw })
        };
        (1..).map_while(read).collect()
    }

    /// Waits until at least `count` mails are here and returns all; fails after `limit`.
    pub fn wait_for(&self, count: usize, limit: Duration) -> Vec<Mail> {
        let last = self.folder.join(&format!("{count}.json"));
        let came = count == 0 || wait_until(limit, || last.exists());
        let mails = self.mails();
        assert!(came, "{} of {count} mails after {limit:?}", mails.len());
        mails
    }

    /// Makes everybody's mails fail at a stage, from now on:
    /// `[("connect" | "mail" | "rcpt" | "data", "451 4.7.1 later")]`; an empty list ends it.
    pub fn behave(&self, answers: &[(&str, &str)]) {
        let path = self.folder.join("behave.json");
        if answers.is_empty() {
            let _ = std::fs::remove_file(path);
            return;
        }
        let map: serde_json::Map<_, _> =
            answers.iter().map(|(stage, answer)| (stage.to_string(), (*answer).into())).collect();
        let part = path.with_extension("part");
        std::fs::write(&part, serde_json::Value::Object(map).to_string()).expect("our own folder");
        std::fs::rename(part, path).expect("our own folder");
    }

    /// Connections opened so far, whatever became of them.
    pub fn connections(&self) -> u64 {
        std::fs::metadata(self.folder.join("connections")).map_or(0, |file| file.len())
    }

    /// Freezes the sink (connections hang) or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        self.server.signal(if frozen { "STOP" } else { "CONT" });
    }
}

/// Postfix's `smtp-sink`: takes thousands of mails a second and keeps none.
pub struct SmtpSink {
    server: Kept,
    folder: Folder,
    pub port: u16,
}

impl SmtpSink {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With options of `smtp-sink`, such as `["-w", "1"]` to wait a second before each DATA reply.
    pub fn with(options: &[&str]) -> Self {
        let program: PathBuf = needed("/usr/sbin/smtp-sink");
        for _ in 0..5 {
            let (folder, port) = (Folder::new("smtp_sink"), free_port());
            let address: OsString = format!("inet:127.0.0.1:{port}").into();
            let mut command: Vec<&OsStr> = vec![program.as_os_str()];
            command.extend(options.iter().map(OsStr::new));
            command.extend([address.as_os_str(), OsStr::new("256")]);
            let plan = Plan {
                command: &command,
                env: &[],
                user: Some("postfix"),
                stop: "TERM",
                folder: folder.path(),
            };
            let server = Kept::start(&plan);
            let reachable = || TcpStream::connect(("127.0.0.1", port)).is_ok();
            wait_until(Duration::from_secs(10), || reachable() || !server.alive());
            // A port taken by another in the meantime ends smtp-sink: try the next.
            if server.alive() && reachable() {
                return Self { server, folder, port };
            }
        }
        panic!("smtp-sink found no port");
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}
