//! The message centre of `smsc.js`, run by node for as long as its handle lives.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use declic::channels::SmppConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::wait_until;

pub struct Smsc {
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub port: u16,
}

/// A submit that the message centre took, as it understood it.
#[derive(Debug, Clone, Deserialize)]
pub struct Accepted {
    pub id: u64,
    pub to: String,
    pub from: String,
    /// TON and NPI of source, then of destination.
    pub address: [u8; 4],
    pub text: String,
    pub place: Option<Place>,
    pub esm_class: u8,
    pub data_coding: u8,
    pub registered: u8,
    pub valid_for_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Place {
    pub reference: u8,
    pub count: usize,
    pub number: usize,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smpp")
}

impl Smsc {
    /// With the options that `smsc.js` reads.
    pub fn start(options: &Value) -> Self {
        let mut node = Command::new("node");
        node.arg(folder().join("smsc.js"))
            .arg(options.to_string())
            .env("NODE_PATH", crate::support::npm::packages("tests/smpp"));
        let child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|e| panic!("node does not run ({e}): run `make setup`"));
        let talk = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut smsc = Self { child, talk: Mutex::new(talk), port: 0 };
        let hello = smsc.answer();
        smsc.port = hello["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        smsc
    }

    /// A client's configuration, with limits that suit a test.
    pub fn config(&self) -> SmppConfig {
        SmppConfig {
            host: "127.0.0.1".into(),
            port: self.port,
            system_id: "shop".into(),
            password: Some(declic::secret::Secret::new("secret")),
            send_deadline_s: 2,
            connect_timeout_s: 2,
            ..SmppConfig::default()
        }
    }

    fn answer(&self) -> Value {
        let mut line = String::new();
        self.talk.lock().unwrap().1.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("the message centre said {line:?}: {e}"))
    }

    /// One command of `smsc.js`.
    pub fn tell(&self, mut command: Value, name: &str) -> Value {
        command["do"] = name.into();
        let mut line = command.to_string();
        line.push('\n');
        let mut talk = self.talk.lock().unwrap();
        talk.0.write_all(line.as_bytes()).unwrap();
        let mut line = String::new();
        talk.1.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("the message centre said {line:?}: {e}"))
    }

    pub fn behave(&self, faults: Value) {
        self.tell(faults, "behave");
    }

    pub fn accepted(&self) -> Vec<Accepted> {
        serde_json::from_value(self.tell(json!({}), "accepted")).unwrap()
    }

    /// One of the numbers of `stats`.
    pub fn count(&self, name: &str) -> u64 {
        self.tell(json!({}), "stats")[name].as_u64().unwrap_or_else(|| panic!("no number {name}"))
    }

    /// Waits until a number of `stats` is at least `least`. Blocks: for tests with more than one thread.
    pub fn wait_for(&self, name: &str, least: u64) {
        let came = wait_until(Duration::from_secs(10), || self.count(name) >= least);
        assert!(came, "{name} is {} and not {least}", self.count(name));
    }

    /// How each delivery with this tag was answered.
    pub fn answers_to(&self, tag: &str) -> Vec<u32> {
        let all = self.tell(json!({}), "delivered");
        let found = all.as_array().unwrap().iter().find(|record| record["tag"] == tag).expect("a known tag");
        serde_json::from_value(found["statuses"].clone()).unwrap()
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        // It also ends by itself when this process does and its input closes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
