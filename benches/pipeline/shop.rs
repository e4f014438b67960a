//! Declic as a process, in surroundings of its own, and what it says of itself.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::servers::Servers;
use crate::support::shop::{SECRET, Worker};
use crate::support::{Folder, free_port, run, wait_until};
use crate::usage;

/// How often counters are read while something is measured.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a measured stretch cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// CPU seconds.
    pub worker: f64,
    pub database: f64,
    pub broker: f64,
    pub statements: f64,
    pub commits: f64,
    /// MB.
    pub peak_memory: f64,
}

/// A shop's files and where its worker finds its servers.
pub struct Shop<'a> {
    pub servers: &'a Servers,
    pub folder: Folder,
    pub database: String,
    pub broker: String,
    admin: u16,
}

impl<'a> Shop<'a> {
    /// On PostgreSQL, RabbitMQ and a mail server at `smtp_port`, with the shipped templates and these rules.
    pub fn open(servers: &'a Servers, smtp_port: u16, rules: &[(String, String)]) -> Self {
        let database = servers.postgres.database();
        let broker = servers.rabbit.vhost();
        let configuration = format!(
            "[database]\nurl = '{database}'\n[amqp]\nurl = '{broker}'\n\
             [smtp]\nhost = '127.0.0.1'\nport = {smtp_port}\ntls = 'none'\n"
        );
        Self::with(servers, database, broker, &configuration, rules)
    }

    /// On SQLite; events come over HTTP or from a file.
    pub fn embedded(servers: &'a Servers, smtp_port: u16, rules: &[(String, String)]) -> Self {
        let configuration = format!("[smtp]\nhost = '127.0.0.1'\nport = {smtp_port}\ntls = 'none'\n");
        Self::with(servers, String::new(), String::new(), &configuration, rules)
    }

    fn with(
        servers: &'a Servers,
        database: String,
        broker: String,
        configuration: &str,
        rules: &[(String, String)],
    ) -> Self {
        let (folder, admin, public) = (Folder::new("bench"), free_port(), free_port());
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        for part in ["rules", "templates"] {
            run(Command::new("cp").arg("-r").arg(root.join(part)).arg(folder.path()));
        }
        let kept = ["policy.yaml", "events.yaml"];
        for entry in std::fs::read_dir(folder.join("rules")).expect("our own folder").flatten() {
            if !kept.iter().any(|name| entry.file_name() == *name) {
                std::fs::remove_file(entry.path()).expect("our own file");
            }
        }
        for (name, text) in rules {
            std::fs::write(folder.join("rules").join(name), text).expect("our own folder");
        }
        let configuration = format!(
            "{configuration}[public]\nlisten = '127.0.0.1:{public}'\nbase_url = 'https://news.example.com'\n\
             [admin]\nlisten = '127.0.0.1:{admin}'\n[worker]\noutbox_limit = 10000000\n"
        );
        std::fs::write(folder.join("declic.toml"), configuration).expect("our own folder");
        let shop = Self { servers, folder, database, broker, admin };
        if !shop.database.is_empty() {
            run(shop.declic().arg("migrate"));
        }
        shop
    }

    pub fn declic(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        command.current_dir(self.folder.path()).env_clear().env("DECLIC_SECRET", SECRET);
        command
    }

    /// Starts the worker and returns when it is ready, and after how long it was.
    pub fn start(&self) -> (Worker, Duration) {
        let began = Instant::now();
        let mut worker = Worker::spawn(self.declic().arg("run"), self.folder.join("log"));
        worker.admin = self.admin;
        let ready = wait_until(Duration::from_secs(60), || worker.is_healthy() || !worker.is_running());
        assert!(ready && worker.is_running(), "the worker is not ready:\n{}", worker.log());
        (worker, began.elapsed())
    }

    /// Starts and stops the worker once: it makes its queues.
    pub fn prepare(&self) -> Duration {
        let (worker, ready_after) = self.start();
        stop(worker);
        ready_after
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub fn admin(&self) -> u16 {
        self.admin
    }

    /// The name of the shop's database on the server.
    pub fn name(&self) -> &str {
        self.database.rsplit('/').next().and_then(|end| end.split('?').next()).unwrap_or_default()
    }

    pub fn psql(&self, sql: &str) -> String {
        self.servers.postgres.psql(self.name(), sql).trim().to_owned()
    }

    /// Measures what a run of the worker costs: `work` has it do something until it is done.
    pub fn cost<T>(&self, worker: Worker, work: impl FnOnce(&Worker) -> T) -> (T, Cost) {
        let servers = self.servers;
        let pids = [Some(worker.pid()), servers.postgres.pid(), servers.rabbit.pid()];
        let cpu = || pids.map(|pid| pid.map_or(0.0, usage::cpu_seconds));
        let counters = || match self.name() {
            "" => (0.0, 0.0),
            name => (servers.statements(name), servers.commits(name)),
        };
        let (cpu_before, before) = (cpu(), counters());
        let result = work(&worker);
        let cpu_after = cpu();
        let peak_memory = usage::peak_memory_mb(worker.pid());
        // A backend tells the collector what it did when it ends.
        stop(worker);
        let after = counters();
        if !self.database.is_empty() {
            eprintln!("{}", servers.dearest(self.name()));
        }
        let [worker, database, broker] = [0, 1, 2].map(|n| cpu_after[n] - cpu_before[n]);
        let (statements, commits) = (after.0 - before.0, after.1 - before.1);
        (result, Cost { worker, database, broker, statements, commits, peak_memory })
    }
}

/// Waits until a counter has come to `count`; returns how much it grew a second, between the first look at which it
/// had moved and the last.
pub fn rate(worker: &Worker, count: usize, read: impl Fn(&Worker) -> f64) -> f64 {
    let (limit, count) = (Instant::now() + Duration::from_secs(900), count as f64);
    let before = read(worker);
    let mut first = None;
    loop {
        let (now, at) = (read(worker), Instant::now());
        if now > before && first.is_none() {
            first = Some((now, at));
        }
        if now >= count {
            let (seen, began) = first.unwrap_or((before, at));
            return (now - seen) / (at - began).as_secs_f64().max(1e-9);
        }
        assert!(at < limit, "{now} of {count} after a quarter of an hour");
        std::thread::sleep(LOOK_EVERY);
    }
}

pub fn stop(worker: Worker) {
    assert!(worker.terminate(Duration::from_secs(40)).success(), "it does not end well");
}
