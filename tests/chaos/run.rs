//! One seed: a shop is built, its workers started, its events published while faults happen; then all is mended, what is
//! left to do is done, and the law is read.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::faults::{Chaos, Links};
use crate::law;
use crate::plan::{MAIL, POLICY, Plan, RULES, SMS};
use crate::proxy::Proxy;
use crate::smsc::Smsc;
use crate::support::mailbox::Mailbox;
use crate::support::postgres::Postgres;
use crate::support::rabbit::Rabbit;
use crate::support::random::Random;
use crate::support::shop::{SECRET, Worker};
use crate::support::{Folder, PYTHON, free_port, now, python, run as finish, wait_until};

/// Seconds that a claim lasts: the shortest that fits to hand-overs of a second.
pub const LEASE: u64 = 4;

/// How long what is left may take once everything works again. A connection that became a hole is found out by the
/// deadline of a statement, a minute.
const SETTLING: Duration = Duration::from_secs(240);

/// What the seeds of one lane share, and kill.
pub struct Servers {
    pub postgres: Postgres,
    pub rabbit: Rabbit,
}

impl Servers {
    pub fn start() -> Self {
        Self { postgres: Postgres::start(), rabbit: Rabbit::start() }
    }
}

/// One shop.
pub struct Ground {
    pub folder: Folder,
    /// Without any proxy between.
    database: String,
    pub is_sqlite: bool,
    /// Whether workers run on a clock that jumps.
    pub clock_jumps: bool,
    vhost: String,
}

impl Ground {
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("DECLIC_SECRET", SECRET)
            .env("PATH", "/usr/bin:/bin");
        command
    }

    /// A command about the store, which no fault keeps away.
    pub fn declic(&self) -> Command {
        let mut command = self.command();
        command.env("DECLIC_DATABASE__URL", &self.database);
        command
    }

    /// Starts a worker. A shell makes it survive writes that are not allowed, which are one of the faults.
    pub fn spawn(&self, name: &str, failpoints: &str) -> Worker {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" run"]).arg(env!("CARGO_BIN_EXE_declic"));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("DECLIC_SECRET", SECRET)
            .env("PATH", "/usr/bin:/bin");
        command.env("DECLIC_FAILPOINTS", failpoints);
        for listen in ["DECLIC_ADMIN__LISTEN", "DECLIC_PUBLIC__LISTEN"] {
            command.env(listen, format!("127.0.0.1:{}", free_port()));
        }
        if self.clock_jumps {
            command
                .env("LD_PRELOAD", crate::faults::faketime())
                .env("FAKETIME_TIMESTAMP_FILE", self.folder.join("clock"));
            command.env("FAKETIME_CACHE_DURATION", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        Worker::spawn(&mut command, self.folder.join(&format!("{name}.log")))
    }

    /// The rows of a query, columns separated by `|`.
    pub fn sql(&self, servers: &Servers, sql: &str) -> Vec<String> {
        let text = if self.is_sqlite {
            const READ: &str = "import sqlite3, sys\n\
                for row in sqlite3.connect(sys.argv[1], timeout=30).execute(sys.argv[2]): print(*row, sep='|')";
            let file = self.folder.join("shop.db");
            finish(Command::new(PYTHON).args(["-EsBc", READ]).arg(file).arg(sql))
        } else {
            let name =
                self.database.rsplit('/').next().and_then(|end| end.split('?').next()).expect("a database");
            servers.postgres.psql(name, sql)
        };
        text.lines().map(str::to_owned).collect()
    }

    fn number(&self, servers: &Servers, sql: &str) -> usize {
        self.sql(servers, sql).first().and_then(|text| text.parse().ok()).expect("a number")
    }

    /// Publishes until the broker has confirmed all: what it took before it failed is then told twice.
    fn publish(&self, servers: &std::sync::Mutex<&mut Servers>, events: &[String]) {
        let file = self.folder.join("published.ndjson");
        std::fs::write(&file, events.join("\n") + "\n").expect("written");
        let published = wait_until(Duration::from_secs(120), || {
            let url = servers.lock().expect("no holder panics").rabbit.url(&self.vhost);
            let mut publish = python("publish.py");
            publish.args(["--url", &url, "--exchange", "declic.events", "--mode", "mixed"]).arg(&file);
            publish.output().is_ok_and(|output| output.status.success())
        });
        assert!(published, "the broker did not take the events");
    }

    /// What the shop was told, by the outcome's id.
    pub fn outcomes(&self, servers: &Servers) -> Vec<String> {
        servers.rabbit.outcomes(&self.vhost)
    }

    fn waiting_events(&self, servers: &Servers) -> u64 {
        let path = format!("/queues/{}/declic.events", self.vhost);
        let answer = servers.rabbit.api("GET", &path, "").ok().filter(|(status, _)| *status == 200);
        let queue: Option<Value> = answer.and_then(|(_, body)| serde_json::from_str(&body).ok());
        queue.and_then(|q| q["messages"].as_u64()).unwrap_or(u64::MAX)
    }
}

/// Runs a seed; the words are a summary, or what the law says against it.
pub fn run(seed: u64, servers: &mut Servers) -> Result<String, String> {
    let mut random = Random::new(seed, 2);
    let is_sqlite = seed.is_multiple_of(4);
    let clock_jumps = seed % 5 == 1;
    let mailbox = Mailbox::start(Random::new(seed, 3));
    let smsc = Smsc::start(&json!({ "receipts": true }));
    let links = Links {
        database: (!is_sqlite).then(|| Proxy::to(servers.postgres.port())),
        broker: Proxy::to(servers.rabbit.port()),
        mail: Proxy::to(mailbox.port),
        sms: Proxy::to(smsc.port),
    };
    let ground = build(is_sqlite, clock_jumps, servers, &links);
    let plan = Plan::of(seed, &now());
    let workers = if is_sqlite { 1 } else { random.between(2, 4) as usize };

    let mut chaos = Chaos::new(seed, &ground, &links, &mailbox, &smsc, workers);
    chaos.wait_until_one_is_ready();
    let shared = std::sync::Mutex::new(servers);
    std::thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut random = Random::new(seed, 4);
            ground.publish(&shared, &plan.sign_ups);
            // Without its customer an event has no consent, and the answer would depend on the order of arrival.
            let known = || {
                let servers = shared.lock().expect("no holder panics");
                servers.postgres.pid().is_none() && !is_sqlite
                    || ground.number(&servers, "SELECT COUNT(*) FROM events") < plan.sign_ups.len()
            };
            assert!(
                wait_until(SETTLING, || {
                    pause(100);
                    !known()
                }),
                "the customers are not taken in"
            );
            let mut all: Vec<String> = plan.events.clone();
            all.extend(plan.nonsense.iter().cloned());
            random.shuffle(&mut all);
            for chunk in all.chunks(all.len() / 8 + 1) {
                ground.publish(&shared, chunk);
                pause(random.between(0, 600));
            }
        });
        chaos.rage(&shared, || publisher.is_finished());
        publisher.join().map_err(|panic| {
            let fixed = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
            let words = fixed.or_else(|| panic.downcast_ref::<String>().cloned());
            format!("the events could not be published: {}", words.unwrap_or_default())
        })
    })?;
    let servers = shared.into_inner().expect("no holder panics");
    chaos.mend(servers);
    let settled = wait_until(SETTLING, || {
        pause(500);
        chaos.keep_alive();
        is_settled(&ground, servers, &plan)
    });
    let mut breaches = Vec::new();
    // A receipt that comes late moves a message on while it is looked at: it is looked at again.
    wait_until(Duration::from_secs(60), || {
        let told = || ground.number(servers, "SELECT COUNT(*) FROM outcomes");
        let before = told();
        breaches = law::breaches(&ground, servers, &plan, &mailbox, &smsc);
        breaches.is_empty() || told() == before && is_settled(&ground, servers, &plan)
    });
    if !settled {
        breaches.insert(0, format!("not settled within {SETTLING:?}"));
    }
    let faults = chaos.diary.join("\n  ");
    breaches.extend(chaos.stop());
    if breaches.is_empty() {
        let counts =
            ground.sql(servers, "SELECT state, COUNT(*) FROM messages GROUP BY state ORDER BY state");
        let where_ = if is_sqlite { "SQLite".to_owned() } else { format!("{workers} workers") };
        return Ok(format!(
            "{where_}, {} faults; {}",
            faults.lines().count(),
            counts.join(", ").replace('|', " ")
        ));
    }
    let kept = keep(seed, ground.folder.path());
    Err(format!("{}\nlogs and store: {kept}\nfaults:\n  {faults}", breaches.join("\n")))
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn build(is_sqlite: bool, clock_jumps: bool, servers: &Servers, links: &Links) -> Ground {
    let folder = Folder::new("chaos");
    let (broker, direct) = (servers.rabbit.vhost(), servers.postgres.database());
    let vhost = broker.rsplit('/').next().expect("a URL with a virtual host").to_owned();
    let name = direct.rsplit('/').next().expect("a URL with a database").to_owned();
    let (database, through) = match &links.database {
        Some(proxy) => (direct, format!("postgres://app@127.0.0.1:{}/{name}", proxy.port)),
        None => ("sqlite:shop.db".to_owned(), "sqlite:shop.db".to_owned()),
    };
    // Small batches, so that there are many of them to tear apart; short deadlines; rules twenty times as fast as the wall.
    let configuration = format!(
        "[database]\nurl = '{through}'\n\
         [amqp]\nurl = 'amqp://guest:guest@127.0.0.1:{}/{vhost}?heartbeat=2'\nbatch_size = 20\nprefetch = 60\n\
         [smtp]\nhost = '127.0.0.1'\nport = {}\ntls = 'none'\nsend_deadline_s = 1\nconnect_timeout_s = 1\n\
         [smpp]\nhost = '127.0.0.1'\nport = {}\nsystem_id = 'shop'\npassword = 'secret'\nsend_deadline_s = 1\n\
         connect_timeout_s = 1\nenquire_link_s = 2\n\
         [worker]\nlease_s = {LEASE}\nshutdown_deadline_s = 5\n\
         [clock]\nspeed = 20.0\n",
        links.broker.port, links.mail.port, links.sms.port
    );
    let mut files = vec![
        ("declic.toml".to_owned(), configuration),
        ("rules/policy.yaml".to_owned(), POLICY.to_owned()),
        ("clock".to_owned(), "+0\n".to_owned()),
    ];
    for rule in &RULES {
        files.push((format!("rules/{}.yaml", rule.name), rule.file()));
        let (ending, text) = if rule.channel == "sms" {
            ("sms.en.txt", SMS.replace('#', rule.name))
        } else {
            ("email.en.mjml", MAIL.to_owned())
        };
        files.push((format!("templates/{}/{ending}", rule.name), text));
    }
    for (path, text) in files {
        let path = folder.join(&path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }
    let ground = Ground { folder, database, is_sqlite, clock_jumps, vhost };
    finish(ground.declic().arg("migrate"));
    servers.rabbit.keep_outcomes(&ground.vhost);
    ground
}

/// Whether everything that was told is taken in, decided, sent and told of.
fn is_settled(ground: &Ground, servers: &Servers, plan: &Plan) -> bool {
    let count = |sql: &str| ground.number(servers, sql);
    count("SELECT COUNT(*) FROM events") >= plan.sign_ups.len() + plan.distinct
        && count("SELECT COUNT(*) FROM entries WHERE due_at IS NOT NULL") == 0
        && count("SELECT COUNT(*) FROM messages WHERE state IN ('pending', 'deferred', 'claimed', 'sending')")
            == 0
        && count("SELECT COUNT(*) FROM outcomes WHERE published_at IS NULL") == 0
        && ground.waiting_events(servers) == 0
}

/// Keeps a shop that broke the law for whoever looks into it.
fn keep(seed: u64, folder: &Path) -> String {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{seed}"));
    let _ = std::fs::remove_dir_all(&kept);
    finish(Command::new("cp").arg("-r").arg(folder).arg(&kept));
    kept.display().to_string()
}
