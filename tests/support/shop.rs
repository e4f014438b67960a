//! A shop's surroundings for one test: a database, a broker, a mail sink, and `declic` run against them as a process.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::postgres::Postgres;
use super::rabbit::Rabbit;
use super::smtp::Sink;
use super::{Folder, free_port, python, run, wait_until};

/// One secret for all, so that promo codes can be compared.
pub const SECRET: &str = "a secret that is long enough for tests";

pub struct Shop {
    pub folder: Folder,
    pub sink: Sink,
    /// The name of the shop's own database on the shared server.
    pub database: String,
    pub broker: String,
    pub admin: u16,
    pub public: u16,
    pub configuration: String,
    /// What every command of the shop finds in its environment.
    variables: Vec<(String, String)>,
}

impl Shop {
    /// Fresh everything, the shipped rules and templates, and a configuration whose clock section is `clock`.
    pub fn open(clock: &str) -> Self {
        Self::open_with("", clock)
    }

    /// The same with more keys and sections of `[smtp]`.
    pub fn open_with(smtp: &str, clock: &str) -> Self {
        // Both servers take seconds to start, on one core each.
        let database = std::thread::scope(|scope| {
            scope.spawn(Rabbit::shared);
            Postgres::shared().database()
        });
        let shop = Self::unmigrated(&database, smtp, clock);
        run(shop.declic().arg("migrate"));
        shop
    }

    /// The same on a given database, whose tables are left as they are.
    pub fn unmigrated(database: &str, smtp: &str, clock: &str) -> Self {
        let (folder, sink) = (Folder::new("shop"), Sink::start());
        let broker = Rabbit::shared().vhost();
        let (admin, public) = (free_port(), free_port());
        let name = database.rsplit('/').next().and_then(|end| end.split('?').next());
        let name = name.expect("a URL with a database").to_owned();
        for part in ["rules", "templates"] {
            let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(part);
            run(Command::new("cp").arg("-r").arg(from).arg(folder.path()));
        }
        let configuration = format!(
            "[database]\nurl = '{database}'\n[amqp]\nurl = '{broker}'\n\
             [smtp]\nhost = '127.0.0.1'\nport = {}\ntls = 'none'\n{smtp}\n\
             [public]\nlisten = '127.0.0.1:{public}'\nbase_url = 'https://news.example.com'\n\
             [admin]\nlisten = '127.0.0.1:{admin}'\n",
            sink.port
        );
        let shop = Self {
            folder,
            sink,
            database: name,
            broker,
            admin,
            public,
            configuration,
            variables: Vec::new(),
        };
        shop.set_clock(clock);
        shop
    }

    /// Gives the next worker another clock section. One whose `end` is its `start` stands still: all events can then be
    /// taken in before any timer is due, however slow the machine.
    pub fn set_clock(&self, clock: &str) {
        let text = format!("{}[clock]\n{clock}\n", self.configuration);
        std::fs::write(self.folder.join("declic.toml"), text).expect("the configuration is written");
    }

    /// Sets a variable for every command from now on, such as `DECLIC_DATABASE__URL`.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.variables.push((name.to_owned(), value.to_string()));
    }

    /// Replaces all rules and templates by these files.
    pub fn replace_files(&self, files: &[(&str, String)]) {
        for part in ["rules", "templates"] {
            std::fs::remove_dir_all(self.folder.join(part)).expect("they are there");
        }
        for (path, text) in files {
            let path = self.folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, text).expect("the file is written");
        }
    }

    /// The name of the shop's virtual host on the broker.
    pub fn vhost(&self) -> &str {
        self.broker.rsplit('/').next().expect("a URL with a virtual host")
    }

    /// Waits until the worker has taken in all events, and stops it.
    pub fn take_in_everything(&self, mut worker: Worker) {
        let empty = || run(self.declic().arg("doctor")).contains(": 0 events waiting");
        for _ in 0..5 {
            assert!(wait_until(Duration::from_secs(180), empty), "events are left:\n{}", worker.log());
            assert!(worker.terminate(Duration::from_secs(25)).success());
            // What it held and had not committed is back in the queue, where the machine is too busy for its last seconds.
            if empty() {
                return;
            }
            worker = self.start();
        }
        panic!("the worker gives events back, time and again");
    }

    /// Replaces words in one of the shop's files.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.join(file);
        let text = std::fs::read_to_string(&path).expect("the file is there");
        assert!(text.contains(from), "`{from}` is not in {file}");
        std::fs::write(&path, text.replace(from, to)).expect("the file is written");
    }

    /// The command, in the shop's folder, with nothing of this process's environment but the secret.
    pub fn declic(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        command.current_dir(self.folder.path()).env_clear().env("DECLIC_SECRET", SECRET);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // What is found by name only: `kill`, for failpoints.
        command.env("PATH", "/usr/bin:/bin");
        command
    }

    /// Starts one of several workers, without waiting for it: with ports and a log of its own, and these variables.
    pub fn spawn(&self, name: &str, variables: &[(&str, &str)]) -> Worker {
        let mut command = self.declic();
        let (admin, public) = (free_port(), free_port());
        command.env("DECLIC_ADMIN__LISTEN", format!("127.0.0.1:{admin}"));
        command.env("DECLIC_PUBLIC__LISTEN", format!("127.0.0.1:{public}"));
        command.envs(variables.iter().copied()).arg("run");
        let mut worker = Worker::spawn(&mut command, self.folder.join(&format!("{name}.log")));
        worker.admin = admin;
        worker
    }

    /// Starts the worker and waits until it is ready.
    pub fn start(&self) -> Worker {
        let mut worker = Worker::spawn(self.declic().arg("run"), self.folder.join("log"));
        let ready = wait_until(Duration::from_secs(120), || self.is_healthy() || !worker.is_running());
        assert!(ready && worker.is_running(), "the worker is not ready:\n{}", worker.log());
        worker
    }

    /// Whether the worker that runs here says that it is well.
    pub fn is_healthy(&self) -> bool {
        is_healthy(self.admin)
    }

    /// Hands lines to the worker by `POST /events`.
    pub fn post(&self, lines: &[String]) {
        let body = lines.join("\n");
        let head = "POST /events HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n";
        let answer = ask(self.admin, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
        assert!(answer.as_ref().is_some_and(|a| a.contains(" 200 ")), "{answer:?}");
    }

    /// Publishes lines, in all the modes there are.
    pub fn publish(&self, lines: &[String]) {
        self.publish_over(1, lines);
    }

    /// The same over several connections at once: for thousands of lines whose order is none.
    pub fn publish_over(&self, connections: usize, lines: &[String]) {
        let file = self.folder.join("published.ndjson");
        std::fs::write(&file, lines.join("\n") + "\n").expect("the events are written");
        let mut publish = python("publish.py");
        publish.args(["--url", &self.broker, "--exchange", "declic.events", "--mode", "mixed"]);
        run(publish.args(["--connections", &connections.to_string()]).arg(file));
    }

    /// All messages, as `declic messages list` prints them.
    pub fn messages(&self) -> Vec<Value> {
        lines(&run(self.declic().args(["messages", "list", "--limit", "1000000", "--format", "ndjson"])))
    }

    /// Waits until `done` says yes of all messages.
    pub fn wait_for(&self, limit: Duration, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let (mut messages, mut took) = (Vec::new(), Duration::ZERO);
        let came = wait_until(limit, || {
            // To ask of thousands is work as well, which the worker that is waited for needs the machine for.
            std::thread::sleep((took * 3).clamp(Duration::from_millis(250), Duration::from_secs(2)));
            let asked = Instant::now();
            messages = self.messages();
            took = asked.elapsed();
            done(&messages)
        });
        let shown: Vec<String> = messages.iter().take(50).map(Value::to_string).collect();
        assert!(came, "not within {limit:?}; {} messages:\n{}", messages.len(), shown.join("\n"));
        messages
    }
}

/// Whether the worker with this admin listener says that it is well.
fn is_healthy(admin: u16) -> bool {
    ask(admin, "GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .is_some_and(|answer| answer.contains(" 200 "))
}

/// The sum of all metrics of a worker whose line begins with `start` and holds `label`; none when it does not answer.
pub fn metric(admin: u16, start: &str, label: &str) -> Option<f64> {
    let answer = ask(admin, "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let lines = answer.lines().filter(|line| line.starts_with(start) && line.contains(label));
    Some(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}

/// NDJSON as values.
pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// An event as the shop would send it.
pub fn event(id: &str, kind: &str, customer: &str, time: &str, data: Value) -> String {
    serde_json::json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "subject": customer, "time": time, "data": data,
    })
    .to_string()
}

/// Sends a request as it is and returns the whole answer.
pub fn ask(port: u16, request: &str) -> Option<String> {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A running `declic run`; killed when dropped.
pub struct Worker {
    child: Child,
    log: PathBuf,
    /// Where its admin listener is, if it is one of several.
    pub admin: u16,
}

impl Worker {
    /// Starts the command with its standard error added to the file `log`.
    pub fn spawn(command: &mut Command, log: PathBuf) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().expect("declic starts");
        Self { child, log, admin: 0 }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Whether it says that it is well, where it is one of several.
    pub fn is_healthy(&self) -> bool {
        is_healthy(self.admin)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, name: &str) {
        run(Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()));
    }

    /// Asks the worker to stop and waits for its end.
    pub fn terminate(mut self, limit: Duration) -> ExitStatus {
        self.signal("TERM");
        let ended = wait_until(limit, || !self.is_running());
        assert!(ended, "still running {limit:?} after SIGTERM:\n{}", self.log());
        self.child.wait().expect("its status")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
