//! What is measured: one function a figure.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::report::Figure;
use crate::servers::Servers;
use crate::shop::{Cost, Shop, rate, stop};
use crate::support::mailbox::Mailbox;
use crate::support::rabbit::{is_taken, publish, publisher, send};
use crate::support::random::Random;
use crate::support::shop::{Worker, metric};
use crate::support::smtp::Sink;
use crate::support::{run, wait_until};
use crate::{bare, events, rows};

/// Declic's default, and the bare loop's too.
const CONNECTIONS: usize = 4;

/// How much of everything, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub repetitions: usize,
    /// Everything is multiplied by it.
    pub scale: f64,
}

impl Size {
    pub fn of(&self, count: usize) -> usize {
        ((count as f64 * self.scale) as usize).max(1_000)
    }
}

const WELCOME: &str = "rule: welcome\npurpose: service\ntrigger: { event: customer.signed_up }\n\
    steps: [{ send: { email: welcome } }]\n";

fn welcome() -> (String, String) {
    ("welcome.yaml".to_owned(), WELCOME.to_owned())
}

/// Rules whose events never come.
fn idle_rules(count: usize) -> impl Iterator<Item = (String, String)> {
    (0..count).map(|n| {
        let rule = format!(
            "rule: idle-{n}\npurpose: service\ntrigger: {{ event: idle.event_{n}, if: customer.loyalty_points > {n} }}\n\
             steps: [{{ wait: 1d }}, {{ send: {{ email: welcome }} }}]\n"
        );
        (format!("idle-{n}.yaml"), rule)
    })
}

/// The catalogue of events, which must have those of the [`idle_rules`].
fn idle_events(count: usize) -> (String, String) {
    let types: String = (0..count).map(|n| format!("  idle.event_{n}:\n")).collect();
    ("events.yaml".to_owned(), format!("events:\n  profile.viewed:\n{types}"))
}

fn taken_in(worker: &Worker) -> f64 {
    metric(worker.admin, "declic_events_total", "").unwrap_or_default()
}

fn sent(worker: &Worker) -> f64 {
    metric(worker.admin, "declic_messages_total", "state=\"sent\"").unwrap_or_default()
}

fn decided(worker: &Worker) -> f64 {
    metric(worker.admin, "declic_messages_decided_total", "").unwrap_or_default()
}

/// From the start of the process to the first healthy answer, of an idle worker.
pub fn start(servers: &Servers, size: Size) -> Figure {
    let shop = Shop::open(servers, servers.sink.port, &[welcome()]);
    shop.prepare();
    let mut figure = Figure::new("start to ready", "ms").at_most(300.0);
    for _ in 0..size.repetitions.max(5) {
        figure.declic.push(shop.prepare().as_secs_f64() * 1000.0);
    }
    figure
}

/// Events that change profiles and match no send, against the bare loop.
pub async fn intake(servers: &Servers, size: Size) -> Figure {
    let count = size.of(60_000);
    let mut figure = Figure::new("intake", "events/s").at_least_of_bare(0.5);
    for n in 0..size.repetitions {
        let shop = Shop::open(servers, servers.sink.port, &[welcome()]);
        shop.prepare();
        bare::prepare(&shop.broker, &shop.database).await;
        publish(&shop.broker, &events::changes(count, &format!("i{n}"))).await;
        figure.bare.push(bare::intake(&shop.broker, &shop.database, count).await);
        let (worker, _) = shop.start();
        let (rate, cost) = shop.cost(worker, |worker| rate(worker, count, taken_in));
        figure.declic.push(rate);
        figure.costs.push(per_thousand(cost, count));
    }
    figure
}

/// Sign-ups in the queue to mails accepted by the sink, against a bare loop of lettre; and how near to that others can come:
/// the least that neither loses a mail nor sends one twice, and one that writes the same rows as Declic.
pub async fn welcomes(servers: &Servers, size: Size) -> [Figure; 3] {
    let (count, port) = (size.of(20_000), servers.sink.port);
    let (mail, model) = one_mail(servers).await;
    let mut figure = Figure::new("welcome", "mails/s").at_least_of_bare(0.55);
    let mut least = Figure::new("the least that keeps what it promises", "mails/s");
    let mut rows = Figure::new("a bare loop that writes the same rows", "mails/s");
    for n in 0..size.repetitions {
        let by_lettre = bare::smtp(port, CONNECTIONS, count, &mail).await;
        [&mut figure, &mut least, &mut rows].into_iter().for_each(|figure| figure.bare.push(by_lettre));
        let all = Shop::open(servers, port, &[welcome()]);
        all.prepare();
        bare::prepare(&all.broker, &all.database).await;
        publish(&all.broker, &events::sign_ups(count, &format!("r{n}"))).await;
        rows.declic.push(rows::outbox(&all, port, CONNECTIONS, count, &mail, &model).await);
        let shop = Shop::open(servers, port, &[welcome()]);
        shop.prepare();
        bare::prepare(&shop.broker, &shop.database).await;
        publish(&shop.broker, &events::sign_ups(count, &format!("w{n}"))).await;
        least.declic.push(bare::outbox(&shop.broker, &shop.database, port, CONNECTIONS, count, &mail).await);
        let (worker, _) = shop.start();
        let (rate, cost) = shop.cost(worker, |worker| rate(worker, count, sent));
        figure.declic.push(rate);
        figure.costs.push(per_thousand(cost, count));
    }
    [figure, least, rows]
}

/// A welcome mail as it goes over the wire, and what is written for it.
async fn one_mail(servers: &Servers) -> (Vec<u8>, rows::Model) {
    let sink = Sink::start();
    let shop = Shop::open(servers, sink.port, &[welcome()]);
    let (worker, _) = shop.start();
    publish(&shop.broker, &events::sign_ups(1, "model")).await;
    let mail = sink.wait_for(1, Duration::from_secs(30)).remove(0).raw;
    stop(worker);
    (mail, rows::Model::of(&shop))
}

/// From publish to accepted by the mail server, at a steady rate. Milliseconds at p50, p99 and p99.9.
pub async fn latency(servers: &Servers, size: Size, a_second: u32) -> Vec<Figure> {
    let mailbox = Mailbox::start(Random::new(1, 1));
    let shop = Shop::open(servers, mailbox.port, &[welcome()]);
    let (worker, _) = shop.start();
    let (_connection, channel) = publisher(&shop.broker).await;
    let (seconds, warm_up) = (size.repetitions as u32 * 10, 2);
    let mut published = HashMap::new();
    let (began, pause) = (Instant::now(), Duration::from_secs(1) / a_second);
    for n in 0..(seconds + warm_up) * a_second {
        let due = began + pause * n;
        tokio::time::sleep_until(due.into()).await;
        let customer = format!("l{n}");
        let event = events::sign_up(&customer, &events::now());
        if n >= warm_up * a_second {
            published.insert(format!("{customer}@example.org"), Instant::now());
        }
        is_taken(send(&channel, &event).await).await;
    }
    let all = ((seconds + warm_up) * a_second) as usize;
    assert!(wait_until(Duration::from_secs(60), || mailbox.taken().len() >= all), "mails are missing");
    stop(worker);
    let mut delays: Vec<f64> = mailbox
        .taken()
        .iter()
        .filter_map(|mail| Some((mail.at - *published.get(&mail.to)?).as_secs_f64() * 1000.0))
        .collect();
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() as f64 * share) as usize).min(delays.len() - 1)];
    let figure = |name: &str, share| {
        let name = format!("latency {name} at {a_second} events/s");
        Figure { declic: vec![at(share)], ..Figure::new(&name, "ms") }
    };
    let p99 = figure("p99", 0.99);
    let p99 = if a_second == 200 { p99.at_most(50.0) } else { p99 };
    vec![figure("p50", 0.5), p99, figure("p99.9", 0.999)]
}

const LATER: &str = "rule: later\npurpose: service\ntrigger: { event: customer.signed_up }\n\
    steps: [{ wait: 1h }, { send: { email: welcome, expire_after: 1d } }]\n";

/// Waits that are due, to messages in the outbox, while those are sent.
pub async fn timers(servers: &Servers, size: Size) -> Figure {
    let count = size.of(200_000);
    let mut figure = Figure::new("timers", "messages/s");
    let shop = Shop::open(servers, servers.sink.port, &[("later.yaml".to_owned(), LATER.to_owned())]);
    let (worker, _) = shop.start();
    publish(&shop.broker, &events::sign_ups(1, "model")).await;
    assert!(wait_until(Duration::from_secs(30), || shop.psql("SELECT COUNT(*) FROM entries") == "1"));
    stop(worker);
    shop.psql(&format!(
        "BEGIN;
         CREATE TEMP TABLE c AS SELECT * FROM customers;
         INSERT INTO customers SELECT copy.* FROM c, generate_series(1, {count}) AS n,
             json_populate_record(c, json_build_object('customer_id', 'old-' || n)) AS copy;
         CREATE TEMP TABLE e AS SELECT * FROM entries;
         INSERT INTO entries SELECT copy.* FROM e, generate_series(1, {count}) AS n,
             json_populate_record(e, json_build_object('customer_id', 'old-' || n, 'due_at', now() - interval '1 hour',
                 'body', replace(replace(e.body::text, '\"model-0\"', '\"old-' || n || '\"'),
                     to_char(e.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS'),
                     to_char((now() - interval '1 hour') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS'))::json)) AS copy;
         COMMIT; ANALYZE"
    ));
    let (worker, _) = shop.start();
    let (rate, cost) = shop.cost(worker, |worker| rate(worker, count, decided));
    figure.declic.push(rate);
    figure.costs.push(per_thousand(cost, count));
    figure
}

/// Fills a shop with customers as its worker would have written them: numbered, with a date of birth and points.
pub fn fill(shop: &Shop, from: usize, to: usize) {
    shop.psql(&format!(
        "INSERT INTO customers (customer_id, email, locale, timezone, profile, created_at, updated_at)
         SELECT 'f-' || n, 'f-' || n || '@example.org', 'fr-FR', 'Europe/Paris', json_build_object(
             'stamps', json_build_array(json_build_array('2026-01-01T00:00:00Z', '/shop', 'import-' || n)),
             'values', (SELECT json_object_agg(name, json_build_array(json_build_array(0, value)))
              FROM (VALUES ('email', to_json('f-' || n || '@example.org')), ('first_name', to_json('Camille'::text)),
                  ('locale', to_json('fr-FR'::text)), ('timezone', to_json('Europe/Paris'::text)),
                  ('loyalty_points', to_json(n % 100)),
                  ('birthday', to_json(to_char(date '1980-01-01' + n % 3650, 'YYYY-MM-DD')))) AS a(name, value))),
             now(), now()
         FROM generate_series({from} + 1, {to}) AS n"
    ));
    shop.psql(&format!(
        "INSERT INTO customer_dates (customer_id, attribute, month_day, year, timezone)
         SELECT 'f-' || n, 'birthday', to_char(date '1980-01-01' + n % 3650, 'MM-DD'),
             extract(year from date '1980-01-01' + n % 3650)::bigint, 'Europe/Paris'
         FROM generate_series({from} + 1, {to}) AS n"
    ));
}

/// Two past events of each of the filled customers, and the welcome mail that was sent for the first, with its entry.
fn fill_history(shop: &Shop, from: usize, to: usize) {
    for kind in ["customer.signed_up", "order.placed"] {
        shop.psql(&format!(
            "INSERT INTO events (customer_id, source, id, type, time, received_at, data)
             SELECT 'f-' || n, '/shop', '{kind}-' || n, '{kind}', now() - interval '30 days', now() - interval '30 days',
                 json_build_object('total', 42)
             FROM generate_series({from} + 1, {to}) AS n"
        ));
    }
    let trigger =
        "json_build_object('id', 'customer.signed_up-' || n, 'source', '/shop', 'type', 'customer.signed_up',
        'subject', 'f-' || n, 'time', now() - interval '30 days', 'data', json_build_object('total', 42))";
    shop.psql(&format!(
        "INSERT INTO entries (customer_id, rule, occurrence, entry_key, status, version, committed, body)
         SELECT 'f-' || n, 'welcome', '/shop#customer.signed_up-' || n, '', 'ended', '0', true, json_build_object(
             'customer_id', 'f-' || n, 'rule', 'welcome', 'occurrence', '/shop#customer.signed_up-' || n, 'key', '',
             'version', '0', 'trigger', {trigger}, 'started_at', now() - interval '30 days', 'status', 'ended',
             'position', 1, 'planned', now() - interval '30 days', 'due_at', null, 'committed', true, 'exit', null,
             'promo_step', null, 'reason', null, 'detail', null)
         FROM generate_series({from} + 1, {to}) AS n"
    ));
    shop.psql(&format!(
        "INSERT INTO messages (customer_id, id, rule, occurrence, step, channel, state, due_at, planned_at, expires_at,
             attempts, updated_at, purpose, slot_at, body)
         SELECT 'f-' || n, md5(n::text), 'welcome', '/shop#customer.signed_up-' || n, 'welcome', 'email', 'sent', at, at,
             at + interval '2 days', 1, at, 'service', at, json_build_object(
                 'id', md5(n::text), 'customer_id', 'f-' || n, 'rule', 'welcome', 'version', '0',
                 'occurrence', '/shop#customer.signed_up-' || n, 'step', 'welcome', 'channel', 'email',
                 'purpose', 'service', 'template', 'welcome', 'planned_at', at, 'expires_at', at + interval '2 days',
                 'state', 'sent', 'reason', null, 'detail', null, 'context', json_build_object('event', {trigger}),
                 'promo_code', null, 'due_at', at, 'attempts', 1, 'template_hash', md5(''), 'locale', 'fr',
                 'address', 'f-' || n || '@example.org', 'reply', '250 2.0.0 Ok', 'sent_at', at, 'slot_at', at)
         FROM generate_series({from} + 1, {to}) AS n,
             LATERAL (SELECT now() - interval '30 days' + n * interval '1 millisecond' AS at) AS t"
    ));
    shop.psql("VACUUM ANALYZE");
}

/// How long a sweep takes from its tick to its last entry: an audience of which a tenth matches.
/// Beside it, how long it takes only to read all their profiles: no sweep that asks them something can be faster.
pub async fn schedule(servers: &Servers, size: Size) -> [Figure; 2] {
    let count = size.of(1_000_000);
    let rule = "rule: sweep\npurpose: service\ntrigger: { schedule: \"* * * * *\", timezone: UTC, \
        audience: customer.loyalty_points >= 90 }\nsteps: [{ wait: 10d }, { send: { email: welcome } }]\n";
    let figure = Figure::new(&format!("schedule over {count} customers"), "s").at_most(10.0);
    let mut read = Figure::new(&format!("{count} profiles read by one connection"), "s");
    let shop = Shop::open(servers, servers.sink.port, &[]);
    fill(&shop, 0, count);
    shop.psql("VACUUM ANALYZE");
    read.declic.push(bare::profiles(&shop.database, count).await);
    [sweep(&shop, figure, count, rule, count / 10), read]
}

/// The same for the birthdays of one day.
pub fn anniversary(servers: &Servers, size: Size) -> Figure {
    let count = size.of(5_000_000);
    let shop = Shop::open(servers, servers.sink.port, &[]);
    fill(&shop, 0, count);
    shop.psql("VACUUM ANALYZE");
    // Where the customers live; two minutes are time for the worker to start and to see the rule first.
    let mut date = Command::new("date");
    let minute = run(date.env("TZ", "Europe/Paris").args(["+%H:%M", "-d", "+2 minutes"]));
    let rule = format!(
        "rule: sweep\npurpose: service\ntrigger: {{ anniversary: customer.birthday, at: \"{}\" }}\n\
         steps: [{{ wait: 10d }}, {{ send: {{ email: welcome }} }}]\n",
        minute.trim()
    );
    let figure = Figure::new(&format!("anniversary, a day's of {count} customers"), "s");
    sweep(&shop, figure, count, &rule, 0)
}

/// Lets a tick come and measures until the sweep is done; `expected` entries, or as many as there are when zero. The rule
/// comes after the customers, whom it takes a while to make.
fn sweep(shop: &Shop, mut figure: Figure, count: usize, rule: &str, expected: usize) -> Figure {
    std::fs::write(shop.folder.join("rules/sweep.yaml"), rule).expect("our own folder");
    let (worker, _) = shop.start();
    let (took, cost) = shop.cost(worker, |_| {
        let state =
            || shop.psql("SELECT planned_at < now(), state = 'done' FROM sweeps ORDER BY planned_at LIMIT 1");
        assert!(wait_until(Duration::from_secs(200), || !state().is_empty()), "no tick: {}", shop.log());
        let began = Instant::now();
        assert!(wait_until(Duration::from_secs(900), || state().ends_with("|t")), "the sweep does not end");
        began.elapsed()
    });
    let entries: usize = shop.psql("SELECT COUNT(*) FROM entries").parse().expect("a number");
    assert!(entries > 0 && (expected == 0 || entries >= expected), "{entries} entries");
    figure.declic.push(took.as_secs_f64());
    figure.costs.push(per_thousand(cost, count));
    figure
}

/// Intake and welcome as a database fills up.
pub async fn growth(servers: &Servers, size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    let count = size.of(20_000);
    let shop = Shop::open(servers, servers.sink.port, &[welcome()]);
    shop.prepare();
    let mut before = 0;
    for customers in [0, 100_000, 1_000_000, 5_000_000] {
        let customers = (customers as f64 * size.scale) as usize;
        if customers > before {
            fill(&shop, before, customers);
            fill_history(&shop, before, customers);
            before = customers;
        }
        let label = format!("at {customers} customers");
        figures.extend(both(&shop, size, count, &label).await);
    }
    against_first(&mut figures, 0.85);
    figures
}

/// The same with more and more rules, whose events do not come.
pub async fn rules(servers: &Servers, size: Size) -> Vec<Figure> {
    let mut figures = Vec::new();
    let count = size.of(20_000);
    for rules in [10, 100, 1_000] {
        let all: Vec<_> = idle_rules(rules - 1).chain([welcome(), idle_events(rules - 1)]).collect();
        let shop = Shop::open(servers, servers.sink.port, &all);
        shop.prepare();
        figures.extend(both(&shop, size, count, &format!("with {rules} rules")).await);
    }
    against_first(&mut figures, 0.8);
    figures
}

/// Intake and welcome in this shop.
async fn both(shop: &Shop<'_>, size: Size, count: usize, label: &str) -> [Figure; 2] {
    let mut intake = Figure::new(&format!("intake {label}"), "events/s");
    let mut welcome = Figure::new(&format!("welcome {label}"), "mails/s");
    for n in 0..size.repetitions {
        let prefix = format!("{}-{n}", label.replace(' ', "-"));
        publish(&shop.broker, &events::changes(count, &format!("i-{prefix}"))).await;
        let (worker, _) = shop.start();
        intake.declic.push(rate(&worker, count, taken_in));
        stop(worker);
        publish(&shop.broker, &events::sign_ups(count / 2, &format!("w-{prefix}"))).await;
        let (worker, _) = shop.start();
        welcome.declic.push(rate(&worker, count / 2, sent));
        stop(worker);
    }
    [intake, welcome]
}

/// The first two figures stand for the bare part of those that follow.
fn against_first(figures: &mut [Figure], share: f64) {
    let (intake, welcome) = (figures[0].declic.clone(), figures[1].declic.clone());
    let last = figures.len().saturating_sub(2);
    for (n, figure) in figures.iter_mut().enumerate().skip(2) {
        figure.bare = if n % 2 == 0 { intake.clone() } else { welcome.clone() };
        if n >= last {
            figure.share = Some(share);
        }
    }
}

/// The same intake and welcome on embedded defaults: SQLite, a file of events.
pub fn embedded(servers: &Servers, size: Size) -> Vec<Figure> {
    let count = size.of(20_000);
    let mut intake = Figure::new("SQLite: intake over HTTP", "events/s");
    let mut welcome = Figure::new("SQLite: welcome over HTTP", "mails/s");
    for n in 0..size.repetitions {
        for (figure, events, read) in [
            (&mut intake, events::changes(count, &format!("i{n}")), taken_in as fn(&Worker) -> f64),
            (&mut welcome, events::sign_ups(count / 2, &format!("w{n}")), sent as fn(&Worker) -> f64),
        ] {
            let shop = Shop::embedded(servers, servers.sink.port, &[self::welcome()]);
            let (worker, _) = shop.start();
            std::fs::write(shop.folder.join("events.ndjson"), events.join("\n")).expect("our own folder");
            let url = format!("http://127.0.0.1:{}/events", shop.admin());
            let (rate, cost) = shop.cost(worker, |worker| {
                std::thread::scope(|scope| {
                    let posting = scope.spawn(|| post(&shop, &url));
                    let rate = rate(worker, events.len(), read);
                    posting.join().expect("no panic");
                    rate
                })
            });
            figure.declic.push(rate);
            figure.costs.push(per_thousand(cost, events.len()));
        }
    }
    vec![intake, welcome]
}

/// Posts a shop's events in parts, one after the other.
fn post(shop: &Shop, url: &str) {
    let text = std::fs::read_to_string(shop.folder.join("events.ndjson")).expect("our own file");
    let lines: Vec<&str> = text.lines().collect();
    for part in lines.chunks(1_000) {
        let file = shop.folder.join("part.ndjson");
        std::fs::write(&file, part.join("\n")).expect("our own folder");
        let data = format!("@{}", file.display());
        run(Command::new("curl").args([
            "-sf",
            "-H",
            "Content-Type: application/x-ndjson",
            "--data-binary",
            &data,
            url,
        ]));
    }
}

/// The core alone: `declic simulate` over many events.
pub fn simulate(servers: &Servers, size: Size) -> Figure {
    let count = size.of(200_000);
    let shop = Shop::embedded(servers, servers.sink.port, &[welcome()]);
    let file = shop.folder.join("events.ndjson");
    std::fs::write(&file, events::sign_ups(count, "s").join("\n")).expect("our own folder");
    let mut figure = Figure::new("simulate", "events/s");
    for _ in 0..size.repetitions {
        let began = Instant::now();
        run(shop.declic().args(["simulate", "--events"]).arg(&file));
        figure.declic.push(count as f64 / began.elapsed().as_secs_f64());
    }
    figure
}

fn per_thousand(cost: Cost, count: usize) -> Cost {
    let share = 1_000.0 / count as f64;
    Cost {
        worker: cost.worker * share,
        database: cost.database * share,
        broker: cost.broker * share,
        statements: cost.statements * share,
        commits: cost.commits * share,
        peak_memory: cost.peak_memory,
    }
}
