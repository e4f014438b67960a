//! A private PostgreSQL: one cluster, as many databases as there are tests.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::kept::{Kept, Plan};
use super::{Folder, free_port, run, unique, wait_until};

/// The account that PostgreSQL runs under when we are root, as which it refuses to run.
const USER: &str = "postgres";

const FAST: &[&str] = &["fsync=off", "full_page_writes=off"];

/// What decides about durability is said, though it is the default; the rest is what a server of its own would have.
const DURABLE: &[&str] = &[
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "shared_preload_libraries=pg_stat_statements",
];

/// A running cluster, as a rule with `fsync` off: it survives `crash`, not the machine's power failing.
pub struct Postgres {
    // Dropped first: the server goes before its folder.
    server: Option<Kept>,
    folder: Folder,
    port: u16,
    durable: bool,
}

impl Postgres {
    /// The cluster that all tests of this binary share; started when first asked for.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A cluster of one's own, for tests that crash or stop it.
    pub fn start() -> Self {
        Self::begin(false)
    }

    /// A cluster that commits as one in production does, and tells what statements cost (`pg_stat_statements`).
    pub fn durable() -> Self {
        Self::begin(true)
    }

    fn begin(durable: bool) -> Self {
        let folder = Folder::new("pg");
        folder.give_to(USER);
        let mut postgres = Self { server: None, folder, port: 0, durable };
        // Another process can take the port between our look and PostgreSQL's bind.
        for _ in 0..5 {
            postgres.port = free_port();
            if postgres.launch() {
                return postgres;
            }
        }
        panic!("PostgreSQL found no port");
    }

    /// A fresh, empty database; returns its URL. It goes with the cluster.
    pub fn database(&self) -> String {
        let name = unique("test");
        self.psql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database by name.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://app@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Runs SQL and returns the rows, columns separated by `|`.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        run(&mut self.psql_command(database, sql))
    }

    /// Where all its files are.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a file of SQL, as `pg_dump` writes it.
    pub fn load(&self, database: &str, file: &std::path::Path) {
        let mut psql = Command::new(binary("psql"));
        run(psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file).arg(self.url(database)));
    }

    /// What `pg_dump` writes of a database, with these options.
    pub fn dump(&self, database: &str, options: &[&str]) -> String {
        run(Command::new(binary("pg_dump")).args(options).arg(self.url(database)))
    }

    /// The server's process id.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Kept::pid)
    }

    /// Kills the server without warning, as a crash would. `start_again` brings it back.
    pub fn crash(&mut self) {
        if let Some(server) = self.server.take() {
            server.signal("KILL");
            server.stop();
        }
    }

    /// Starts a crashed server on its old port and files; fails unless it recovers.
    pub fn start_again(&mut self) {
        assert!(self.server.is_none(), "the server still runs");
        // The children of a killed server need a moment to notice, and it will not start before.
        assert!(wait_until(Duration::from_secs(30), || self.launch()), "PostgreSQL did not come back");
    }

    fn psql_command(&self, database: &str, sql: &str) -> Command {
        let mut psql = Command::new(binary("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(self.url(database));
        psql
    }

    /// Starts the server and waits until it answers; false when it ended instead, as on a taken port.
    fn launch(&mut self) -> bool {
        let (initdb, postgres, data) = (binary("initdb"), binary("postgres"), self.folder.join("data"));
        let mut settings = vec![
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", self.folder.path().display()),
            "max_connections=200".to_owned(),
            "timezone=UTC".to_owned(),
            "lc_messages=C".to_owned(),
        ];
        settings.extend(if self.durable { DURABLE } else { FAST }.iter().map(|s| (*s).to_owned()));
        // The cluster is made by the same child, so that whatever ends us ends that too.
        let start = "[ -f $1/PG_VERSION ] || $0 -U app -A trust -E UTF8 --locale=C.UTF-8 --no-sync -D $1 || exit; \
                     shift; exec \"$@\"";
        let mut command = ["sh", "-c", start].map(OsStr::new).to_vec();
        command.extend([initdb.as_os_str(), data.as_os_str()]);
        command.extend([postgres.as_os_str(), OsStr::new("-D"), data.as_os_str()]);
        for setting in &settings {
            command.extend([OsStr::new("-c"), OsStr::new(setting)]);
        }
        // QUIT is PostgreSQL's immediate shutdown: nothing of this cluster is worth a checkpoint.
        let plan =
            Plan { command: &command, env: &[], user: Some(USER), stop: "QUIT", folder: self.folder.path() };
        let server = Kept::start(&plan);
        let mut ready = false;
        wait_until(Duration::from_secs(60), || {
            let answer = self.psql_command("postgres", "SELECT 1").output();
            ready = answer.is_ok_and(|output| output.status.success()) && server.alive();
            ready || !server.alive()
        });
        if !ready && server.alive() {
            panic!("PostgreSQL did not answer within a minute:\n{}", server.log());
        }
        if ready {
            self.server = Some(server);
        } else {
            let log = server.log();
            assert!(
                log.contains("Address already in use") || log.contains("lock file"),
                "PostgreSQL:\n{log}"
            );
            server.stop();
        }
        ready
    }
}

/// A program of the newest PostgreSQL that is installed.
fn binary(name: &str) -> PathBuf {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse::<u32>().ok()?;
            let path = entry.path().join("bin").join(name);
            path.exists().then_some((version, path))
        })
        .collect();
    versions.sort();
    versions.pop().expect("PostgreSQL is not installed: run `make setup`").1
}
