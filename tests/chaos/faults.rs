//! What goes wrong, and when: drawn from the seed, noted in a diary, and mended in the end.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use declic::failpoint::POINTS;
use serde_json::json;

use crate::proxy::{Mode, Proxy};
use crate::run::{Ground, LEASE, Servers};
use crate::smsc::Smsc;
use crate::support::mailbox::Mailbox;
use crate::support::random::Random;
use crate::support::shop::Worker;
use crate::support::wait_until;

/// Debian's `faketime`: a clock for one process that a file moves. Lies in a folder named after the architecture.
pub fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
    let mut found =
        folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1")).filter(|path| path.exists());
    found.next().expect("faketime is not installed: run `make setup`")
}

/// So many faults happen, or as many as fit into a time: a stop or a restart of a server takes its own. A third of them
/// in `make test`, which has other things to do.
fn faults() -> usize {
    if std::env::var_os("CHAOS_SEEDS").is_some() { 20 } else { 6 }
}
const RAGE: Duration = Duration::from_secs(20);

/// Every way from a worker to a server.
pub struct Links {
    pub database: Option<Proxy>,
    pub broker: Proxy,
    pub mail: Proxy,
    pub sms: Proxy,
}

impl Links {
    fn all(&self) -> Vec<(&'static str, &Proxy)> {
        let mut all =
            vec![("broker", &self.broker), ("mail server", &self.mail), ("message centre", &self.sms)];
        all.extend(self.database.as_ref().map(|proxy| ("database", proxy)));
        all
    }
}

/// A place for a worker: whoever falls is followed by another.
struct Place {
    worker: Option<Worker>,
    frozen: bool,
    /// How many have worked here.
    generation: usize,
}

/// What is to be undone, or done, later.
enum Later {
    Start(usize),
    Thaw(usize),
    Open(&'static str),
    Room(usize),
}

pub struct Chaos<'a> {
    random: Random,
    ground: &'a Ground,
    links: &'a Links,
    mailbox: &'a Mailbox,
    smsc: &'a Smsc,
    places: Vec<Place>,
    later: Vec<(Instant, Later)>,
    /// Dear faults: a restart of the broker takes seconds.
    servers_may_fall: u32,
    /// A database that swallows is found out after a minute.
    may_swallow_database: bool,
    began: Instant,
    pub diary: Vec<String>,
    /// Workers that did not end as they should have.
    complaints: Vec<String>,
}

impl<'a> Chaos<'a> {
    pub fn new(
        seed: u64,
        ground: &'a Ground,
        links: &'a Links,
        mailbox: &'a Mailbox,
        smsc: &'a Smsc,
        workers: usize,
    ) -> Self {
        let mut random = Random::new(seed, 5);
        let servers_may_fall = if random.one_in(3) { 1 } else { 0 };
        let may_swallow_database = random.one_in(6);
        let mut chaos = Self {
            random,
            ground,
            links,
            mailbox,
            smsc,
            places: (0..workers).map(|_| Place { worker: None, frozen: false, generation: 0 }).collect(),
            later: Vec::new(),
            servers_may_fall,
            may_swallow_database,
            began: Instant::now(),
            diary: Vec::new(),
            complaints: Vec::new(),
        };
        (0..workers).for_each(|place| chaos.start(place, ""));
        chaos
    }

    pub fn wait_until_one_is_ready(&mut self) {
        let places = &mut self.places;
        let ready = wait_until(Duration::from_secs(60), || {
            places.iter_mut().filter_map(|p| p.worker.as_mut()).any(|w| w.log().contains("consuming events"))
        });
        assert!(ready, "no worker is ready");
        self.began = Instant::now();
    }

    /// Does harm, one thing after another, until time is up and `over`.
    pub fn rage(&mut self, servers: &Mutex<&mut Servers>, over: impl Fn() -> bool) {
        let mut harmed = 0;
        let faults = faults();
        while harmed < faults && self.began.elapsed() < RAGE || !over() {
            std::thread::sleep(Duration::from_millis(self.random.between(100, 500)));
            self.do_what_is_due();
            if harmed < faults && self.began.elapsed() < RAGE {
                self.harm(servers);
                harmed += 1;
            } else {
                // What still has to be published needs somebody to take it in.
                self.keep_alive();
            }
        }
    }

    fn harm(&mut self, servers: &Mutex<&mut Servers>) {
        let place = self.random.between(0, self.places.len() as u64 - 1) as usize;
        let all = self.links.all();
        let (link, proxy) = *self.random.pick(&all);
        let soon = Duration::from_millis(self.random.between(200, 1500));
        match self.random.between(0, 15) {
            0 | 1 => {
                self.note(format!("worker {place} is killed"));
                self.fall(place);
                self.plan(soon, Later::Start(place));
            }
            2..=4 => {
                let failpoint = format!("{}=kill@{}", self.random.pick(POINTS), self.random.between(1, 6));
                self.note(format!("worker {place} is killed, the next one at {failpoint}"));
                self.fall(place);
                self.start(place, &failpoint);
            }
            5 => {
                let failpoint = format!("{}=stop@{}", self.random.pick(POINTS), self.random.between(1, 6));
                self.note(format!("worker {place} is killed, the next one freezes at {failpoint}"));
                self.fall(place);
                self.start(place, &failpoint);
                self.plan(soon + Duration::from_secs(LEASE + 2), Later::Thaw(place));
            }
            6 => {
                self.note(format!("worker {place} is asked to stop"));
                self.ask_to_stop(place);
                self.plan(soon, Later::Start(place));
            }
            7 | 8 => {
                let long = self.random.one_in(2);
                self.freeze(place, if long { soon + Duration::from_secs(LEASE + 1) } else { soon });
            }
            9 => {
                let delay = Duration::from_millis(self.random.between(20, 400));
                self.note(format!("the way to the {link} takes {delay:?} for {soon:?}"));
                proxy.set(Mode::Slow(delay));
                self.plan(soon, Later::Open(link));
            }
            10 => {
                self.note(format!("the way to the {link} is cut"));
                proxy.cut();
            }
            11 => {
                self.note(format!("the way to the {link} is closed for {soon:?}"));
                proxy.set(Mode::Refused);
                proxy.cut();
                self.plan(soon, Later::Open(link));
            }
            12 if link != "database" || self.may_swallow_database => {
                self.note(format!("the open connections to the {link} swallow everything"));
                proxy.swallow();
            }
            13 if self.servers_may_fall > 0 => {
                self.servers_may_fall -= 1;
                self.fell_a_server(servers);
            }
            14 => self.misbehave(),
            15 if self.ground.is_sqlite => self.leave_no_room(place, soon),
            15 if self.ground.clock_jumps => self.move_the_clock(),
            _ => self.misbehave(),
        }
    }

    fn misbehave(&mut self) {
        let one_in = self.random.between(1, 4);
        self.note(format!("the mail server plays tricks on one mail in {one_in}, the message centre too"));
        self.mailbox.behave(one_in);
        let every = |random: &mut Random| random.between(0, 9);
        self.smsc.behave(json!({
            "throttle_every": every(&mut self.random),
            "drop_before_every": every(&mut self.random),
            "drop_after_every": every(&mut self.random),
            "lose_every": every(&mut self.random),
            "swallow_every": every(&mut self.random),
        }));
    }

    fn fell_a_server(&mut self, servers: &Mutex<&mut Servers>) {
        let mut servers = servers.lock().expect("no holder panics");
        if self.ground.is_sqlite || self.random.one_in(2) {
            self.note("the broker crashes and starts again".to_owned());
            // See `Rabbit::crash`: the name of a queue reaches the disk some time after it is declared.
            std::thread::sleep(Duration::from_secs(2));
            servers.rabbit.crash();
            servers.rabbit.start_again();
        } else {
            self.note("the database crashes and starts again".to_owned());
            servers.postgres.crash();
            servers.postgres.start_again();
        }
    }

    /// No file of the worker may grow, as on a disk that is full.
    fn leave_no_room(&mut self, place: usize, until: Duration) {
        if limit_files(self.places[place].worker.as_ref(), "4096") {
            self.note(format!("worker {place} has no room on disk for {until:?}"));
            self.plan(until, Later::Room(place));
        }
    }

    fn move_the_clock(&mut self) {
        let to = *self.random.pick(&["+0", "+25m", "-25m", "+90", "-90"]);
        self.note(format!("the workers' clocks jump to {to}"));
        self.set_clock(to);
    }

    fn set_clock(&self, to: &str) {
        std::fs::write(self.ground.folder.join("clock"), format!("{to}\n")).expect("written");
    }

    fn freeze(&mut self, place: usize, time: Duration) {
        if let Some(worker) = self.running(place) {
            worker.signal("STOP");
            self.places[place].frozen = true;
            self.note(format!("worker {place} freezes for {time:?}"));
            self.plan(time, Later::Thaw(place));
        }
    }

    fn running(&mut self, place: usize) -> Option<&mut Worker> {
        let worker = self.places[place].worker.as_mut()?;
        worker.is_running().then_some(worker)
    }

    fn plan(&mut self, after: Duration, what: Later) {
        self.later.push((Instant::now() + after, what));
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Instant, Later)> = due;
        for (_, what) in due {
            match what {
                Later::Start(place) => self.start(place, ""),
                Later::Thaw(place) => self.thaw(place),
                Later::Open(link) => {
                    let all = self.links.all();
                    all.iter().filter(|(name, _)| *name == link).for_each(|(_, proxy)| proxy.set(Mode::Open));
                }
                Later::Room(place) => drop(limit_files(self.places[place].worker.as_ref(), "unlimited")),
            }
        }
    }

    fn thaw(&mut self, place: usize) {
        if let Some(worker) = self.running(place) {
            worker.signal("CONT");
        }
        self.places[place].frozen = false;
    }

    /// SIGKILL, whatever state it is in.
    fn fall(&mut self, place: usize) {
        self.places[place].worker = None;
        self.places[place].frozen = false;
    }

    fn start(&mut self, place: usize, failpoint: &str) {
        self.fall(place);
        self.places[place].generation += 1;
        let name = format!("worker-{place}-{}", self.places[place].generation);
        self.places[place].worker = Some(self.ground.spawn(&name, failpoint));
    }

    /// SIGTERM; whatever it holds is finished or given back.
    fn ask_to_stop(&mut self, place: usize) {
        self.thaw(place);
        let Some(mut worker) = self.places[place].worker.take() else { return };
        if !worker.is_running() {
            return;
        }
        worker.signal("TERM");
        let stopped = wait_until(Duration::from_secs(20), || {
            let running = worker.is_running();
            if running {
                // Its failpoint may freeze it on the way out.
                let _ = Command::new("kill").arg("-CONT").arg(worker.pid().to_string()).status();
            }
            !running
        });
        if !stopped {
            self.complaints
                .push(format!("worker {place} did not stop when asked to:\n{}", tail(&worker.log())));
        }
    }

    /// Starts anew who has fallen: a worker that cannot reach its database at the start ends, as it should.
    pub fn keep_alive(&mut self) {
        for place in 0..self.places.len() {
            let running = self.places[place].worker.as_mut().is_some_and(Worker::is_running);
            if !running {
                self.start(place, "");
            }
        }
    }

    /// Everything works again, and nothing more will go wrong.
    pub fn mend(&mut self, servers: &mut Servers) {
        self.later.clear();
        for (_, proxy) in self.links.all() {
            proxy.set(Mode::Open);
        }
        self.mailbox.behave(0);
        self.smsc.behave(json!({}));
        assert!(servers.postgres.pid().is_some() && servers.rabbit.pid().is_some(), "the servers run");
        if self.ground.clock_jumps {
            // What was put off while the clocks ran ahead becomes due.
            self.set_clock("+3h");
        }
        for place in 0..self.places.len() {
            self.thaw(place);
            limit_files(self.places[place].worker.as_ref(), "unlimited");
            let at_risk =
                self.places[place].worker.as_ref().is_none_or(|worker| worker.log().contains("failpoint"));
            if at_risk || self.ground.clock_jumps {
                self.start(place, "");
            }
        }
        self.note("all is mended".to_owned());
    }

    /// Stops the workers, who must end well; what was wrong with any of them.
    pub fn stop(mut self) -> Vec<String> {
        for place in 0..self.places.len() {
            self.ask_to_stop(place);
        }
        self.complaints
    }

    fn note(&mut self, words: String) {
        self.diary.push(format!("{:>6.2} s  {words}", self.began.elapsed().as_secs_f32()));
    }
}

/// Sets how long the files of a worker may grow; false where there is none.
fn limit_files(worker: Option<&Worker>, limit: &str) -> bool {
    let Some(worker) = worker else { return false };
    let limit = format!("--fsize={limit}:unlimited");
    let mut command = std::process::Command::new("prlimit");
    command.args(["--pid", &worker.pid().to_string(), &limit]);
    command.output().is_ok_and(|output| output.status.success())
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
