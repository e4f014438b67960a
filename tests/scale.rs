//! Several workers on one broker and one database, nobody leading, and a number of shards that changes under them: real
//! processes, real servers. Every event counts once, and nobody is written to twice.

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use declic::clock::Clock;
use serde_json::{Value, json};

use support::postgres::Postgres;
use support::shop::{Shop, Worker, event, metric};
use support::{python, run, unique, wait_until};

const PATIENCE: Duration = Duration::from_secs(180);

/// One of the workers of a shop.
struct Colleague(Worker);

impl Colleague {
    fn start(shop: &Shop, shards: u16) -> Self {
        let mut worker = shop.spawn(&unique("worker"), &[("DECLIC_AMQP__SHARDS", &shards.to_string())]);
        let ready = wait_until(PATIENCE, || worker.is_healthy() || !worker.is_running());
        assert!(ready && worker.is_running(), "the worker is not ready:\n{}", worker.log());
        Self(worker)
    }

    /// How many events it has committed.
    fn accepted(&self) -> usize {
        metric(self.0.admin, "declic_events_total{", "\"accepted\"").unwrap_or_default() as usize
    }

    fn stop(self) {
        assert!(self.0.terminate(Duration::from_secs(30)).success());
    }
}

/// Publishes sign-ups of customers nobody knew before, with or without the header that they are shared out by; every
/// one must reach a queue.
struct Crowd<'a> {
    shop: &'a Shop,
    count: Mutex<usize>,
}

impl<'a> Crowd<'a> {
    fn new(shop: &'a Shop) -> Self {
        Self { shop, count: Mutex::new(0) }
    }

    fn sign_up(&self, customers: usize, mode: &[&str]) {
        let mut count = self.count.lock().expect("lock");
        let now = Clock::Real.now().to_rfc3339();
        let lines: Vec<String> = (*count..*count + customers)
            .map(|n| {
                let data = json!({"email": format!("c{n}@example.com"), "locale": "en-GB"});
                event(&format!("e-{n}"), "customer.signed_up", &format!("c-{n}"), &now, data)
            })
            .collect();
        *count += customers;
        let file = self.shop.folder.join("crowd.ndjson");
        std::fs::write(&file, lines.join("\n") + "\n").expect("the events are written");
        let mut publish = python("publish.py");
        publish.args(["--url", &self.shop.broker, "--exchange", "declic.events"]).args(mode);
        run(publish.arg(file));
    }

    fn count(&self) -> usize {
        *self.count.lock().expect("lock")
    }

    /// Waits until everybody's event is kept and everybody has one mail, and no more.
    fn everybody_has_one_mail(&self) {
        let count = self.count();
        let psql = |sql: &str| Postgres::shared().psql(&self.shop.database, sql).trim().to_owned();
        let kept = wait_until(PATIENCE, || psql("SELECT count(*) FROM events") == count.to_string());
        assert!(kept, "{} of {count} events are kept", psql("SELECT count(*) FROM events"));
        let mails = self.shop.sink.wait_for(count, PATIENCE);
        let to: BTreeSet<String> = mails.iter().map(|mail| mail.envelope["to"][0].to_string()).collect();
        assert_eq!((mails.len(), to.len()), (count, count), "one mail each");
        // A mail is there a moment before it is recorded.
        let open = || psql("SELECT count(*) FROM messages WHERE state <> 'sent'");
        assert!(wait_until(PATIENCE, || open() == "0"), "{} are not recorded as sent", open());
        assert_eq!(psql("SELECT count(*) FROM dead_letters"), "0");
    }
}

const SHARED_OUT: &[&str] = &["--mode", "binary", "--prefix", "cloudEvents:"];
/// Three of four without the header.
const MIXED: &[&str] = &["--mode", "mixed"];

fn shop() -> Shop {
    Shop::open("")
}

/// What `declic topology` prints.
fn topology(shop: &Shop, shards: u16, arguments: &[&str]) -> Vec<Value> {
    let mut command = shop.declic();
    command
        .env("DECLIC_AMQP__SHARDS", shards.to_string())
        .args(["topology", "--format", "json"])
        .args(arguments);
    serde_json::from_str(&run(&mut command)).expect("a list")
}

fn of_state<'a>(items: &'a [Value], state: &str) -> Vec<&'a str> {
    items.iter().filter(|i| i["state"] == state).filter_map(|i| i["name"].as_str()).collect()
}

/// Applies again until nothing of another number of shards is left, as an operator would.
fn apply_to_the_end(shop: &Shop, shards: u16) {
    let mut left = Vec::new();
    let done = wait_until(PATIENCE, || {
        left = topology(shop, shards, &["--apply"]);
        of_state(&left, "surplus").is_empty()
    });
    assert!(done, "{left:#?}");
}

#[test]
fn workers_share_one_queue() {
    let shop = shop();
    let workers = [Colleague::start(&shop, 0), Colleague::start(&shop, 0)];
    let crowd = Crowd::new(&shop);
    let shared = wait_until(PATIENCE, || {
        crowd.sign_up(100, MIXED);
        workers.iter().all(|worker| worker.accepted() > 0)
    });
    assert!(shared, "{:?}", workers.each_ref().map(Colleague::accepted));
    crowd.everybody_has_one_mail();
    assert_eq!(workers.iter().map(Colleague::accepted).sum::<usize>(), crowd.count(), "each event once");
    workers.into_iter().for_each(Colleague::stop);
}

#[test]
fn workers_share_the_shards_out_without_a_leader() {
    let shop = shop();
    // The first comes alone and is given every shard.
    let workers = [(); 3].map(|()| Colleague::start(&shop, 8));
    let crowd = Crowd::new(&shop);
    let began = Instant::now();
    let shared = wait_until(PATIENCE, || {
        crowd.sign_up(100, SHARED_OUT);
        std::thread::sleep(Duration::from_secs(1));
        workers.iter().all(|worker| worker.accepted() > 0)
    });
    eprintln!("three workers had their shares of 8 shards after {:?}", began.elapsed());
    assert!(shared, "{:?}", workers.each_ref().map(Colleague::accepted));
    crowd.everybody_has_one_mail();
    assert_eq!(workers.iter().map(Colleague::accepted).sum::<usize>(), crowd.count(), "each event once");
    let doctor = run(shop.declic().env("DECLIC_AMQP__SHARDS", "8").arg("doctor"));
    assert!(doctor.contains(": 0 events waiting, 8 consumers"), "{doctor}");
    workers.into_iter().for_each(Colleague::stop);
}

#[test]
fn shards_change_under_running_workers_and_every_event_counts_once() {
    let shop = shop();
    let crowd = Crowd::new(&shop);
    let mut workers = [Colleague::start(&shop, 0), Colleague::start(&shop, 0)];
    crowd.sign_up(100, MIXED);
    for shards in [4, 2, 0] {
        std::thread::scope(|scope| {
            let changing = scope.spawn(|| {
                topology(&shop, shards, &["--apply"]);
                // One after the other, so that somebody always works.
                for worker in &mut workers {
                    std::mem::replace(worker, Colleague::start(&shop, shards)).stop();
                }
                apply_to_the_end(&shop, shards);
            });
            while !changing.is_finished() {
                crowd.sign_up(20, MIXED);
                crowd.sign_up(20, SHARED_OUT);
            }
        });
        let there = topology(&shop, shards, &[]);
        let queues = there.iter().filter(|i| i["kind"] == "queue" && i["state"] == "there").count();
        // The dead letters', and with shards the roll call.
        assert_eq!(queues, if shards == 0 { 2 } else { usize::from(shards) + 2 }, "{there:#?}");
    }
    crowd.everybody_has_one_mail();
    workers.into_iter().for_each(Colleague::stop);
}

#[test]
fn a_plan_is_seen_before_it_is_done_and_no_queue_goes_with_anything_in_it() {
    let shop = shop();
    let plan = topology(&shop, 2, &[]);
    assert_eq!(of_state(&plan, "there"), Vec::<&str>::new());
    assert_eq!(plan.iter().filter(|i| i["action"] == "declare").count(), 8, "{plan:#?}");
    assert_eq!(of_state(&topology(&shop, 2, &[]), "there"), Vec::<&str>::new(), "a plan changes nothing");
    topology(&shop, 2, &["--apply"]);
    let plan = topology(&shop, 2, &[]);
    assert_eq!(of_state(&plan, "there").len(), 8, "{plan:#?}");

    // Nobody consumes: what waits in the shards stays there when they are taken away.
    let crowd = Crowd::new(&shop);
    crowd.sign_up(40, SHARED_OUT);
    let left = topology(&shop, 0, &["--apply"]);
    let surplus: Vec<&Value> = left.iter().filter(|i| i["state"] == "surplus").collect();
    assert!(surplus.iter().all(|i| i["action"] == "drain"), "{surplus:#?}");
    assert_eq!(surplus.iter().filter_map(|i| i["waiting"].as_u64()).sum::<u64>(), 40, "{surplus:#?}");
    crowd.sign_up(40, MIXED);
    let doctor = run(shop.declic().arg("doctor"));
    assert!(doctor.contains(": 40 events waiting") && doctor.contains("; 40 more in"), "{doctor}");
    let worker = Colleague::start(&shop, 0);
    crowd.everybody_has_one_mail();
    apply_to_the_end(&shop, 0);
    worker.stop();

    let mut differs = shop.declic();
    differs.env("DECLIC_AMQP__DELIVERY_LIMIT", "2000").args(["topology", "--format", "json"]);
    let plan: Vec<Value> = serde_json::from_str(&run(&mut differs)).expect("a list");
    assert_eq!(of_state(&plan, "differs"), ["declic.events"]);
    let output = differs.arg("--apply").output().expect("declic runs");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{words}");
    assert!(words.contains("declic.events") && words.contains("x-delivery-limit"), "{words}");
}
