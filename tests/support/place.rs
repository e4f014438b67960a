//! Workers of a database within the test's own process, on a clock that is moved by hand: everything of a worker but the
//! broker and the servers that it sends to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use declic::active::{Checked, Shelf};
use declic::channels::sms::IncomingSink;
use declic::channels::{Capture, EmailChannel, Limits, Outlet, SmsChannel};
use declic::clock::Clock;
use declic::delivery::dispatch::Dispatcher;
use declic::delivery::flow::Flow;
use declic::delivery::outcomes::Outcomes;
use declic::delivery::pauses::Pauses;
use declic::domain::consent::Channel;
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::event::Event;
use declic::domain::message::{Lane, Message};
use declic::domain::token::Keys;
use declic::incoming::{
    self,
    bounces::{Bounces, BouncesConfig},
};
use declic::process::Processor;
use declic::retention::Keeper;
use declic::scheduler::Scheduler;
use declic::store::{MessageFilter, Store};
use declic::supervise::Pulse;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::Folder;
use super::postgres::Postgres;

const ALL: &[Lane] = &[Lane::Transactional, Lane::Event, Lane::Bulk];

/// A database, and workers that share it.
pub struct Place {
    pub store: Store,
    pub clock: Clock,
    pub processors: Vec<Processor>,
    /// What was sent.
    pub capture: Capture,
    /// Of the SMS.
    pub flow: Flow,
    schedulers: Vec<Scheduler>,
    shutdown: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

async fn opened(url: &str, clock: Clock, encrypts: bool) -> Store {
    let store = Store::open(url, 8).await.expect("open").with_clock(clock);
    store.with_secrets([&b"secret"[..]]).encrypting_profiles(encrypts)
}

impl Place {
    /// Opens an empty database, and so many workers on it, with the rules and templates of `files`.
    pub async fn open(url: &str, files: &[SourceFile], start: DateTime<Utc>, workers: usize) -> Self {
        Self::open_as(url, files, start, workers, false).await
    }

    /// The same, whose workers encrypt profiles or do not.
    pub async fn open_as(
        url: &str,
        files: &[SourceFile],
        start: DateTime<Utc>,
        workers: usize,
        encrypts: bool,
    ) -> Self {
        let clock = Clock::manual(start);
        let store = opened(url, clock.clone(), encrypts).await;
        store.migrate().await.expect("migrate");
        store.note_encryption().await.expect("noted");
        let capture = Capture::new(10_000, clock.clone());
        let flow = Flow::new(Channel::Sms, &Limits::default(), 1);
        let mut place = Self {
            store: store.clone(),
            clock: clock.clone(),
            processors: Vec::new(),
            schedulers: Vec::new(),
            capture: capture.clone(),
            flow: flow.clone(),
            shutdown: CancellationToken::new(),
            tasks: tokio::task::JoinSet::new(),
        };
        for _ in 0..workers {
            let store = match url.starts_with("postgres") {
                true => opened(url, clock.clone(), encrypts).await,
                false => store.clone(),
            };
            let checked = Checked::new(files);
            assert!(!checked.has_errors(), "{}", render(&checked.diagnostics, files, false));
            let shelf = Shelf::new(checked.activate(files, b"secret".to_vec()));
            let processor = Processor::new(store.clone(), shelf.clone(), clock.clone());
            let handoff = processor.handoff().clone();
            place.schedulers.push(Scheduler {
                store: store.clone(),
                shelf: shelf.clone(),
                clock: clock.clone(),
                processor: processor.clone(),
            });
            place.processors.push(processor);
            let outlets = [
                Outlet::Email(EmailChannel::Capture(capture.clone())),
                Outlet::Sms(SmsChannel::Capture(capture.clone())),
            ];
            for outlet in outlets {
                let flow = match outlet.channel() {
                    Channel::Sms => flow.clone(),
                    Channel::Email => Flow::new(Channel::Email, &Limits::default(), 2),
                };
                let dispatcher = Dispatcher {
                    store: store.clone(),
                    shelf: shelf.clone(),
                    clock: clock.clone(),
                    outlet,
                    flow,
                    pauses: Pauses::default(),
                    lanes: ALL,
                    outcomes: Outcomes::new(store.clone(), clock.clone(), None),
                    handoff: handoff.clone(),
                    public_url: Arc::from("https://news.example.com"),
                    connections: 2,
                    claim: 50,
                    lease: Duration::from_secs(120),
                    send_deadline: Duration::from_secs(1),
                };
                place.tasks.spawn(dispatcher.run(Pulse::new(clock.clone()), place.shutdown.clone()));
            }
        }
        place
    }

    /// Moves the clock, lets `events` in and waits until nothing is due any more.
    pub async fn live(&self, now: DateTime<Utc>, events: &[Event]) {
        self.clock.set(now);
        for (event, processor) in events.iter().zip(self.processors.iter().cycle()) {
            processor.accept(std::slice::from_ref(event)).await.expect("accepted");
        }
        let began = Instant::now();
        // Twice in a row: what is claimed between two of its questions looks as if it were nowhere.
        let mut quiet = 0;
        while quiet < 2 {
            assert!(began.elapsed() < Duration::from_secs(30), "something is due at {now} and does not end");
            for done in join_all(self.schedulers.iter().map(Scheduler::catch_up)).await {
                done.expect("timers and ticks run");
            }
            let counts = self.store.counts(now).await.expect("counts");
            let busy = counts.oldest_due_entry.is_some() || counts.oldest_due_message.is_some();
            quiet = if busy || counts.in_hand() > 0 { 0 } else { quiet + 1 };
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Where what comes from customers' telephones goes.
    pub fn desk(&self) -> IncomingSink {
        let shelf = self.schedulers[0].shelf.clone();
        incoming::sink(self.store.clone(), shelf, self.clock.clone(), self.processors[0].clone())
    }

    /// Where what comes back of mails goes.
    pub fn bounces(&self) -> Bounces {
        Bounces {
            store: self.store.clone(),
            shelf: self.schedulers[0].shelf.clone(),
            clock: self.clock.clone(),
            processor: self.processors[0].clone(),
            config: BouncesConfig::default(),
            address: None,
            keys: Keys::new(b"secret", []),
        }
    }

    /// What forgets in time, by the rules of this place.
    pub fn keeper(&self) -> Keeper {
        Keeper {
            store: self.store.clone(),
            shelf: self.schedulers[0].shelf.clone(),
            clock: self.clock.clone(),
            bounces_count: chrono::TimeDelta::days(30),
        }
    }

    /// When something is due next.
    pub async fn next(&self) -> Option<DateTime<Utc>> {
        let timer = self.store.next_due_at().await.expect("read");
        timer.into_iter().chain(self.store.next_message_at().await.expect("read")).min()
    }

    pub async fn messages(&self) -> Vec<Message> {
        self.store.messages(&MessageFilter { limit: 100_000, ..Default::default() }).await.expect("read")
    }

    pub async fn close(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no dispatcher panics");
        }
        self.store.close().await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// On a fresh database of PostgreSQL.
pub fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let url = Postgres::shared().database();
    runtime().block_on(test(url));
}

/// On a fresh database of SQLite.
pub fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let folder = Folder::new("place");
    runtime().block_on(test(format!("sqlite:{}", folder.join("declic.db").display())));
}
