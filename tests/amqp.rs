//! The intake and the outcome publisher against a real RabbitMQ.

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use declic::broker::{AmqpConfig, AmqpError, AmqpUrl, topology};
use declic::channels::outcomes::OutcomePublisher;
use declic::clock::Clock;
use declic::domain::event::{Event, UnusableReason};
use declic::domain::outcome::Outcome;
use declic::intake::{AcceptError, Accepted, Brake, DeadLetter, Sink, Status, amqp};
use futures_util::FutureExt;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use support::rabbit::Rabbit;

const PATIENCE: Duration = Duration::from_secs(60);

/// A virtual host of the test's own.
fn broker_url() -> String {
    tokio::task::block_in_place(|| Rabbit::shared().vhost())
}

fn now() -> DateTime<Utc> {
    "2026-11-22T10:00:00Z".parse().expect("an instant")
}

/// An event of the customer whose name its id begins with, up to a colon.
fn event_json(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": "order.placed", "subject": id.split(':').next(),
        "time": "2026-11-22T09:00:00Z", "data": { "total": 5 }
    })
}

/// A configuration with names that no other test uses.
fn config(url: &str, test: &str) -> AmqpConfig {
    let name = |what: &str| format!("test.{test}.{}.{what}", std::process::id());
    AmqpConfig {
        url: AmqpUrl::parse(url).expect("an AMQP URL"),
        exchange: name("events"),
        queue: name("events"),
        dead_letter_exchange: name("dead-letters"),
        dead_letter_queue: name("dead-letters"),
        outcomes_exchange: name("outcomes"),
        ..AmqpConfig::default()
    }
}

#[derive(Default)]
struct Seen {
    /// How often each event was committed.
    events: Mutex<HashMap<String, usize>>,
    letters: Mutex<Vec<DeadLetter>>,
    batches: Mutex<Vec<usize>>,
    /// The ids committed, in their order.
    order: Mutex<Vec<String>>,
    /// The customers of the batches that are being committed, and whether there were ever two of them.
    under_way: Mutex<Vec<String>>,
    side_by_side: AtomicBool,
    away: AtomicBool,
    /// How long a batch takes at least, in milliseconds; 0 for about as long as a commit.
    slow_ms: AtomicU64,
}

impl Seen {
    fn len(&self) -> usize {
        self.events.lock().expect("lock").len()
    }
}

fn sink(seen: &Arc<Seen>) -> Sink {
    let (accepting, parking, asking) = (Arc::clone(seen), Arc::clone(seen), Arc::clone(seen));
    let away = || AcceptError::Unavailable("the test says so".into());
    let accept = move |events: Vec<Event>| {
        let seen = Arc::clone(&accepting);
        async move {
            {
                let mut under_way = seen.under_way.lock().expect("lock");
                seen.side_by_side.fetch_or(!under_way.is_empty(), Ordering::SeqCst);
                under_way.extend(events.iter().map(|e| e.subject.clone()));
            }
            // About what a commit takes, or what the test asks for.
            let slow = seen.slow_ms.load(Ordering::SeqCst).max(2);
            tokio::time::sleep(Duration::from_millis(slow)).await;
            seen.under_way.lock().expect("lock").retain(|c| events.iter().all(|e| e.subject != *c));
            if seen.away.load(Ordering::SeqCst) {
                return Err(away());
            }
            if events.iter().any(|e| e.id.starts_with("poison")) {
                return Err(AcceptError::Poison("cannot be folded".into()));
            }
            seen.batches.lock().expect("lock").push(events.len());
            seen.order.lock().expect("lock").extend(events.iter().map(|e| e.id.clone()));
            let mut known = seen.events.lock().expect("lock");
            Ok(events
                .into_iter()
                .map(|e| {
                    let times = known.entry(e.id).or_default();
                    *times += 1;
                    if *times == 1 { Accepted::New } else { Accepted::Duplicate }
                })
                .collect())
        }
        .boxed()
    };
    let park = move |letters: Vec<DeadLetter>| {
        parking.letters.lock().expect("lock").extend(letters);
        async { Ok(()) }.boxed()
    };
    let ready = move || {
        let answer = if asking.away.load(Ordering::SeqCst) { Err(away()) } else { Ok(()) };
        async { answer }.boxed()
    };
    Sink { accept: Arc::new(accept), park: Arc::new(park), ready: Arc::new(ready), brake: Brake::default() }
}

/// A worker that runs, with what is needed to look at it and to stop it.
struct Worker {
    seen: Arc<Seen>,
    status: Status,
    stop: CancellationToken,
    task: JoinHandle<Result<(), AmqpError>>,
}

impl Worker {
    fn start(config: &AmqpConfig) -> Self {
        Self::start_with(config, Arc::default())
    }

    fn start_with(config: &AmqpConfig, seen: Arc<Seen>) -> Self {
        let (status, stop) = (Status::default(), CancellationToken::new());
        let running =
            amqp::run(config.clone(), Clock::manual(now()), sink(&seen), stop.clone(), status.clone());
        Self { seen, status, stop, task: tokio::spawn(running) }
    }

    /// One that works through so many events, slowly: however fast or busy the machine, some are left when it is stopped
    /// soon. They were published before it came, for publishing may take longer than the work.
    async fn with_a_backlog(config: &AmqpConfig, producer: &Producer, events: usize) -> Self {
        let declares = Self::start(config);
        declares.ready().await;
        declares.stop().await.expect("a clean stop");
        producer.publish_events(&config.exchange, ids(0..events)).await;
        let seen = Arc::new(Seen::default());
        seen.slow_ms.store(100, Ordering::SeqCst);
        let worker = Self::start_with(config, seen);
        worker.ready().await;
        worker
    }

    async fn ready(&self) {
        until("the worker consumes", || self.status.connected()).await;
    }

    async fn stop(self) -> Result<(), AmqpError> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").expect("no panic")
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A producer with confirms.
struct Producer {
    _connection: Connection,
    channel: Channel,
}

impl Producer {
    async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("a broker");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Self { _connection: connection, channel }
    }

    async fn publish(&self, exchange: &str, messages: impl IntoIterator<Item = (BasicProperties, Vec<u8>)>) {
        let mut confirms = Vec::new();
        for (properties, body) in messages {
            let options = BasicPublishOptions::default();
            let properties = properties.with_delivery_mode(2);
            let publish =
                self.channel.basic_publish(exchange.into(), "shop".into(), options, &body, properties);
            confirms.push(publish.await.expect("published"));
        }
        for confirm in confirms {
            assert!(confirm.await.expect("confirmed").is_ack());
        }
    }

    async fn publish_events(&self, exchange: &str, ids: impl IntoIterator<Item = String>) {
        let message = |id: String| (structured(), event_json(&id).to_string().into_bytes());
        self.publish(exchange, ids.into_iter().map(message)).await;
    }

    /// Takes everything out of a queue.
    async fn drain(&self, queue: &str) -> Vec<lapin::message::BasicGetMessage> {
        let mut taken = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = self.channel.basic_get(queue.into(), options).await.expect("a queue") {
            taken.push(message);
        }
        taken
    }

    /// After a connection broke, what was committed before its acknowledgement got through comes again, and a worker that
    /// stops may leave some of that in the queue. Anything else there would have been lost.
    async fn only_repeats_are_left(&self, config: &AmqpConfig, seen: &Seen) {
        let known = |event: &Event| seen.events.lock().expect("lock").contains_key(&event.id);
        for message in self.drain(&config.queue).await {
            let event = Event::from_json(&message.data, now()).expect("an event of this test");
            assert!(known(&event), "{} is in the queue and was never committed", event.id);
        }
    }

    async fn clean_up(&self, config: &AmqpConfig) {
        for queue in [&config.queue, &config.dead_letter_queue] {
            let _ = self.channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await;
        }
        for exchange in [&config.exchange, &config.dead_letter_exchange, &config.outcomes_exchange] {
            let options = ExchangeDeleteOptions::default();
            let _ = self.channel.exchange_delete(exchange.as_str().into(), options).await;
        }
    }
}

fn structured() -> BasicProperties {
    BasicProperties::default().with_content_type("application/cloudevents+json".into())
}

fn ids(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|n| format!("e-{n}"))
}

/// A relay between the worker and the broker that can be cut.
struct Relay {
    url: String,
    open: Arc<AtomicBool>,
    cut: Arc<Mutex<CancellationToken>>,
}

impl Relay {
    async fn start(url: &str) -> Self {
        let target = url.rsplit('@').next().unwrap_or(url).trim_start_matches("amqp://");
        let target = target.split('/').next().unwrap_or(target).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let url = url.replace(&target, &format!("127.0.0.1:{port}"));
        let open = Arc::new(AtomicBool::new(true));
        let cut = Arc::new(Mutex::new(CancellationToken::new()));
        let (may, token) = (Arc::clone(&open), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if !may.load(Ordering::SeqCst) {
                    continue;
                }
                let (cut, target) = (token.lock().expect("lock").clone(), target.clone());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.expect("the broker");
                    tokio::select! {
                        () = cut.cancelled() => {}
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    }
                });
            }
        });
        Self { url, open, cut }
    }

    fn cut(&self) {
        let mut token = self.cut.lock().expect("lock");
        token.cancel();
        *token = CancellationToken::new();
    }

    fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::SeqCst);
        if !open {
            self.cut();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_are_drained_in_batches() {
    let url = broker_url();
    let config = config(&url, "drain");
    let producer = Producer::connect(&url).await;
    let worker = Worker::start(&config);
    worker.ready().await;
    worker.stop().await.expect("a clean stop");

    producer.publish_events(&config.exchange, ids(0..10_000)).await;
    let began = Instant::now();
    let worker = Worker::start(&config);
    until("all are committed", || worker.status.counts().accepted == 10_000).await;
    eprintln!("10,000 events in {:?}, {} batches", began.elapsed(), worker.status.batches());
    assert!(worker.status.batches() < 200, "{} batches", worker.status.batches());
    assert!(worker.status.since_progress() < PATIENCE);
    assert_eq!(worker.status.disconnects(), 0);
    worker.stop().await.expect("a clean stop");
    let depth = topology::probe(&config).await.expect("the queue is there");
    assert_eq!((depth.waiting, depth.consumers, depth.dead_letters), (0, 0, 0));
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_go_side_by_side_and_each_customer_s_events_one_after_the_other() {
    let url = broker_url();
    let config = AmqpConfig { batch_size: 2, prefetch: 100, ..config(&url, "order") };
    let producer = Producer::connect(&url).await;
    let worker = Worker::start(&config);
    worker.ready().await;
    // Each customer's events come once in a row and once a few apart.
    let all: Vec<String> = (0..300).map(|n| format!("c{}:{n:03}", [n / 3, n % 5, n % 7][n % 3])).collect();
    producer.publish_events(&config.exchange, all.clone()).await;
    let seen = Arc::clone(&worker.seen);
    until("all are in", || seen.len() == all.len()).await;
    worker.stop().await.expect("a clean stop");
    let of = |customer: &str, ids: &[String]| -> Vec<String> {
        ids.iter().filter(|id| id.split(':').next() == Some(customer)).cloned().collect()
    };
    let order = seen.order.lock().expect("lock").clone();
    for customer in all.iter().filter_map(|id| id.split(':').next()) {
        assert_eq!(of(customer, &order), of(customer, &all), "{customer}");
    }
    assert!(seen.side_by_side.load(Ordering::SeqCst), "never two at once");
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_reaches_the_dead_letter_queue_and_stops_nothing() {
    let url = broker_url();
    let config = config(&url, "unusable");
    let producer = Producer::connect(&url).await;
    let worker = Worker::start(&config);
    worker.ready().await;

    let mut large = event_json("large");
    large["data"] = "x".repeat(300 * 1024).into();
    let mut recipients = FieldTable::default();
    recipients
        .insert("CC".into(), AMQPValue::FieldArray(vec![AMQPValue::LongString("elsewhere".into())].into()));
    recipients.insert("tenant".into(), AMQPValue::LongString("a".into()));
    let not_json = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_user_id("guest".into())
        .with_expiration("600000".into())
        .with_headers(recipients);
    let mut many_headers = FieldTable::default();
    many_headers.insert("padding".into(), AMQPValue::LongString("h".repeat(100 * 1024).into()));
    let mut messages = vec![
        (not_json, b"nonsense".to_vec()),
        (structured(), large.to_string().into_bytes()),
        (structured(), event_json("poison").to_string().into_bytes()),
        (structured(), b"{\"specversion\":\"1.0\"}".to_vec()),
        (BasicProperties::default().with_headers(many_headers), b"?".to_vec()),
    ];
    for id in ids(0..300) {
        messages.insert(usize::from(id.ends_with('7')), (structured(), event_json(&id).to_string().into()));
    }
    producer.publish(&config.exchange, messages).await;
    until("all are settled", || worker.status.counts().total() >= 305).await;
    assert_eq!(worker.status.counts().accepted, 300);
    assert_eq!(worker.status.counts().refused, 5);
    assert_eq!(worker.seen.letters.lock().expect("lock").len(), 5);
    assert_eq!(worker.status.disconnects(), 0);
    worker.stop().await.expect("a clean stop");

    let dead = producer.drain(&config.dead_letter_queue).await;
    let mut reasons = HashMap::new();
    for letter in &dead {
        let headers = letter.properties.headers().as_ref().expect("headers").inner();
        let text = |name: &str| match headers.get(name) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        assert!(!text("x-declic-detail").is_empty());
        assert_eq!(*letter.properties.delivery_mode(), Some(2));
        reasons.insert(text("x-declic-reason"), (letter.data.clone(), headers.clone()));
    }
    assert_eq!(dead.len(), 5, "{reasons:?}");
    assert_eq!(reasons["too_large"].0.len(), large.to_string().len(), "whole, in the queue");
    assert_eq!(reasons["poison"].0, event_json("poison").to_string().into_bytes());
    assert!(reasons.contains_key("missing_attribute"));
    assert!(reasons.contains_key(UnusableReason::NotJson.as_str()));
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_loses_nothing() {
    let url = broker_url();
    let relay = Relay::start(&url).await;
    let direct = config(&url, "cut");
    let config = AmqpConfig { batch_size: 50, url: config(&relay.url, "cut").url, ..direct };
    let producer = Producer::connect(&url).await;
    let worker = Worker::start(&config);
    worker.ready().await;
    for part in 0..4 {
        producer.publish_events(&config.exchange, ids(part * 1000..(part + 1) * 1000)).await;
        until("some of the part is in", || worker.seen.len() > part * 1000 + 200).await;
        relay.cut();
    }
    until("all are committed", || worker.seen.len() == 4000).await;
    assert!(worker.status.disconnects() >= 1);

    relay.set_open(false);
    until("the worker notices", || !worker.status.connected()).await;
    producer.publish_events(&config.exchange, ids(4000..4100)).await;
    relay.set_open(true);
    until("the rest is committed", || worker.seen.len() == 4100).await;
    let seen = Arc::clone(&worker.seen);
    worker.stop().await.expect("a clean stop");
    producer.only_repeats_are_left(&config, &seen).await;
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_deliveries_go_back_and_come_again() {
    let url = broker_url();
    let config = config(&url, "away");
    let producer = Producer::connect(&url).await;
    let seen = Arc::new(Seen::default());
    let worker = Worker::start_with(&config, Arc::clone(&seen));
    worker.ready().await;
    seen.away.store(true, Ordering::SeqCst);
    producer.publish_events(&config.exchange, ids(0..100)).await;
    until("it hands them back", || worker.status.disconnects() > 0).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(worker.status.disconnects(), 1, "it does not take them again while the database is away");
    assert_eq!(topology::probe(&config).await.expect("the queue").waiting, 100);
    seen.away.store(false, Ordering::SeqCst);
    until("all are committed", || seen.len() == 100).await;
    worker.stop().await.expect("a clean stop");
    assert_eq!(topology::probe(&config).await.expect("the queue").waiting, 0);
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_leaves_the_rest_in_the_queue() {
    let url = broker_url();
    let config = AmqpConfig { batch_size: 10, prefetch: 100, ..config(&url, "stop") };
    let producer = Producer::connect(&url).await;
    let worker = Worker::with_a_backlog(&config, &producer, 3000).await;
    let seen = Arc::clone(&worker.seen);
    until("some are in", || seen.len() > 200).await;
    worker.stop().await.expect("a clean stop");
    let committed = seen.len();
    assert!(committed < 3000, "too fast for this test");
    let waiting = topology::probe(&config).await.expect("the queue").waiting as usize;
    assert_eq!(committed + waiting, 3000, "nothing that was committed comes again");
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_mend() {
    let url = broker_url();
    let config = config(&url, "refusals");
    let producer = Producer::connect(&url).await;

    let left_alone = AmqpConfig { declare: false, ..config.clone() };
    let error = Worker::start(&left_alone).task.await.expect("no panic").expect_err("nothing is there");
    assert!(matches!(error, AmqpError::NotFound { .. }), "{error}");

    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    let declared =
        producer.channel.queue_declare(config.queue.as_str().into(), options, FieldTable::default()).await;
    declared.expect("a classic queue");
    let error = Worker::start(&config).task.await.expect("no panic").expect_err("another kind of queue");
    assert!(matches!(error, AmqpError::TopologyMismatch { .. }), "{error:?}");
    assert!(error.to_string().contains(&config.queue) && error.to_string().contains("declare = false"));

    // Everything is there by now, so leaving it alone works, classic queue or not.
    let worker = Worker::start(&left_alone);
    worker.ready().await;
    worker.stop().await.expect("a clean stop");

    let stranger = if url.contains('@') {
        format!("amqp://stranger:s3cret@{}", url.rsplit('@').next().unwrap_or_default())
    } else {
        url.replace("amqp://", "amqp://stranger:s3cret@")
    };
    let refused = AmqpConfig { url: AmqpUrl::parse(&stranger).expect("a URL"), ..config.clone() };
    let error = Worker::start(&refused).task.await.expect("no panic").expect_err("a stranger");
    assert!(matches!(error, AmqpError::AccessRefused { .. }), "{error:?}");
    assert!(!error.to_string().contains("s3cret"));

    let nobody = AmqpUrl::parse("amqp://127.0.0.1:1").expect("a URL");
    let unreachable = AmqpConfig { url: nobody, ..config.clone() };
    let worker = Worker::start(&unreachable);
    until("it has tried", || worker.status.disconnects() > 0).await;
    assert!(!worker.task.is_finished(), "a broker may come up later");
    assert!(matches!(topology::probe(&unreachable).await, Err(AmqpError::Unreachable { .. })));
    worker.stop().await.expect("a clean stop");
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topology_that_is_taken_away_is_noticed_and_made_again() {
    let url = broker_url();
    let config = config(&url, "taken");
    let producer = Producer::connect(&url).await;
    let worker = Worker::start(&config);
    worker.ready().await;
    let queue_delete =
        |queue: &str| producer.channel.queue_delete(queue.into(), QueueDeleteOptions::default());

    // Without its queue a dead letter is kept in the database, and nothing stops.
    queue_delete(&config.dead_letter_queue).await.expect("deleted");
    producer.publish_events(&config.exchange, ["poison".into(), "after".into()]).await;
    until("both are settled", || worker.status.counts().total() == 2).await;
    assert_eq!(worker.seen.letters.lock().expect("lock")[0].reason, UnusableReason::Poison);
    assert_eq!(worker.status.disconnects(), 0);

    queue_delete(&config.queue).await.expect("deleted");
    until("the worker notices", || worker.status.disconnects() == 1).await;
    worker.ready().await;
    producer.publish_events(&config.exchange, ids(0..10)).await;
    until("the new queue is consumed", || worker.status.counts().accepted == 11).await;
    worker.stop().await.expect("a clean stop");
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_published_and_the_publisher_comes_back() {
    let url = broker_url();
    let relay = Relay::start(&url).await;
    let config = AmqpConfig { url: config(&relay.url, "outcomes").url, ..config(&url, "outcomes") };
    let producer = Producer::connect(&url).await;
    let outcome = |n: usize| Outcome {
        id: format!("o-{n}"),
        kind: "message.sent".into(),
        customer_id: "c-1".into(),
        time: now(),
        data: json!({ "channel": "email" }),
        trace: None,
    };
    let mut publisher = OutcomePublisher::new(config.clone());
    publisher.publish(&[outcome(0)]).await.expect("nobody listens yet, and that is fine");

    let queue = config.queue.as_str();
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    producer.channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("a queue");
    let bound = producer.channel.queue_bind(
        queue.into(),
        config.outcomes_exchange.as_str().into(),
        "message.*".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.expect("bound");

    let batch: Vec<Outcome> = (1..501).map(outcome).collect();
    publisher.publish(&batch).await.expect("published");
    relay.cut();
    let began = Instant::now();
    while publisher.publish(&[outcome(501)]).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "it does not come back");
    }
    publisher.close().await;
    let published = producer.drain(queue).await;
    assert!(published.len() >= 501);
    let first: Event = Event::from_json(&published[0].data, now()).expect("an event like any other");
    assert_eq!((first.id.as_str(), first.kind.as_str()), ("o-1", "message.sent"));
    assert_eq!(*published[0].properties.delivery_mode(), Some(2));
    assert_eq!(published[0].routing_key.as_str(), "message.sent");
    producer.clean_up(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_broker_loses_nothing() {
    let mut rabbit = tokio::task::block_in_place(Rabbit::start);
    let url = rabbit.vhost();
    let config = AmqpConfig { batch_size: 20, prefetch: 100, ..config(&url, "restart") };
    let producer = Producer::connect(&url).await;
    let worker = Worker::with_a_backlog(&config, &producer, 8000).await;
    // A quorum queue that was declared just before a crash is not there after it (see `Rabbit::crash`).
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(worker.seen.len() < 8000, "too fast for this test");
    tokio::task::block_in_place(|| {
        rabbit.crash();
        rabbit.start_again();
    });
    worker.seen.slow_ms.store(0, Ordering::SeqCst);
    until("all are committed", || worker.seen.len() == 8000).await;
    assert!(worker.status.disconnects() >= 1);
    let seen = Arc::clone(&worker.seen);
    worker.stop().await.expect("a clean stop");
    let producer = Producer::connect(&url).await;
    producer.only_repeats_are_left(&config, &seen).await;
    producer.clean_up(&config).await;
}
