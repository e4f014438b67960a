//! The bare parts, used as well as one can: the least that any program in Declic's place has to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::future::join_all;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, ConnectionProperties};
use lettre::Address;
use lettre::address::Envelope;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// As Declic's.
const PREFETCH: u16 = 1_000;
const BATCH: usize = 500;

/// Groups of mails under way at once: while one is recorded another is sent.
pub const SENDERS: usize = 2;

/// Mails that may have gone when the loop dies: as many as Declic's senders take on at most.
pub const GROUP: usize = 128;

const QUEUE: &str = "bare";

const INSERT: &str = "INSERT INTO bare_events (customer_id, source, id, type, time, data)
    SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::json[])
    ON CONFLICT DO NOTHING";

async fn connect(broker: &str) -> Connection {
    Connection::connect(broker, ConnectionProperties::default()).await.expect("RabbitMQ answers")
}

/// Makes a queue that gets what Declic's gets, and the table that the bare loop fills.
pub async fn prepare(broker: &str, database: &str) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.expect("a channel");
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), options, quorum).await.expect("a queue");
    let bind = QueueBindOptions::default();
    channel
        .queue_bind(QUEUE.into(), "declic.events".into(), "#".into(), bind, FieldTable::default())
        .await
        .expect("bound to the exchange of events");
    let mut database = PgConnection::connect(database).await.expect("PostgreSQL answers");
    let table = "CREATE TABLE bare_events (customer_id text NOT NULL, source text NOT NULL, id text NOT NULL,
        type text NOT NULL, time timestamptz NOT NULL, data json, PRIMARY KEY (customer_id, source, id))";
    sqlx::query(table).execute(&mut database).await.expect("a table");
    let table = "CREATE TABLE bare_messages (id text PRIMARY KEY, state text NOT NULL)";
    sqlx::query(table).execute(&mut database).await.expect("a table");
}

/// Deliveries of the bare queue.
pub type Deliveries = futures_util::stream::ReadyChunks<lapin::Consumer>;

/// Begins to consume the bare queue, on a connection that is to be closed at the end.
pub async fn consume(broker: &str) -> (Connection, Channel, Deliveries) {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.expect("a channel");
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.expect("a prefetch");
    let (tag, options) = (ShortString::from("bare"), BasicConsumeOptions::default());
    let consumer = channel.basic_consume(QUEUE.into(), tag, options, FieldTable::default()).await;
    (connection, channel, consumer.expect("a consumer").ready_chunks(BATCH))
}

/// A batch, or `most` deliveries where that is fewer; what is there beyond is taken along.
pub async fn next_batch(deliveries: &mut Deliveries, most: usize) -> Vec<Delivery> {
    // `ready_chunks` gives what is there; a batch is filled up as long as there is more to come.
    let mut batch = Vec::new();
    while batch.len() < most.min(BATCH) {
        let chunk = deliveries.next().await.expect("a delivery");
        batch.extend(chunk.into_iter().map(|d| d.expect("a delivery")));
    }
    batch
}

pub async fn acknowledge(channel: &Channel, batch: &[Delivery]) {
    let last = batch.last().expect("not empty").delivery_tag;
    channel.basic_ack(last, BasicAckOptions { multiple: true }).await.expect("acknowledged");
}

/// Parses events: customers, sources, ids, types, times, data.
pub fn columns(batch: &[Delivery]) -> [Vec<String>; 6] {
    let mut columns: [Vec<String>; 6] = Default::default();
    for delivery in batch {
        let event: Value = serde_json::from_slice(&delivery.data).expect("JSON");
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let row = [
            text("subject"),
            text("source"),
            text("id"),
            text("type"),
            text("time"),
            event["data"].to_string(),
        ];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    columns
}

/// Parses events and inserts them by `UNNEST`; returns their ids.
async fn insert(database: &mut PgConnection, batch: &[Delivery]) -> Vec<String> {
    let columns = columns(batch);
    let mut insert = sqlx::query(INSERT);
    for column in &columns {
        insert = insert.bind(column);
    }
    insert.execute(database).await.expect("inserted");
    let [_, _, ids, ..] = columns;
    ids
}

/// Takes `count` events: consume, parse, insert by `UNNEST` in batches of 500, commit, acknowledge them all at once.
/// Returns how many a second.
pub async fn intake(broker: &str, database: &str, count: usize) -> f64 {
    let (connection, channel, mut deliveries) = consume(broker).await;
    let mut database = PgConnection::connect(database).await.expect("PostgreSQL answers");
    let (mut taken, mut first) = (0, None);
    while taken < count {
        let batch = next_batch(&mut deliveries, count - taken).await;
        insert(&mut database, &batch).await;
        acknowledge(&channel, &batch).await;
        taken += batch.len();
        first = first.or(Some((taken, Instant::now())));
    }
    let (seen, began) = first.expect("at least one batch");
    let rate = (taken - seen) as f64 / began.elapsed().as_secs_f64();
    let _ = connection.close(200, ShortString::from("done")).await;
    rate
}

/// The least that sends a mail for each of `count` events, loses none and sends none twice: the events and a message for
/// each are committed before they are acknowledged; before a group is handed over a commit says that it may have gone, and
/// after it one that it has. No rules, no customers, no templates. Returns mails a second.
pub async fn outbox(
    broker: &str,
    database: &str,
    port: u16,
    connections: usize,
    count: usize,
    mail: &[u8],
) -> f64 {
    let (connection, channel, mut deliveries) = consume(broker).await;
    let (to_send, groups) = tokio::sync::mpsc::channel::<Vec<String>>(SENDERS);
    let groups = Arc::new(Mutex::new(groups));
    let mut ours = PgConnection::connect(database).await.expect("PostgreSQL answers");
    let taking = async move {
        let mut taken = 0;
        while taken < count {
            let batch = next_batch(&mut deliveries, count - taken).await;
            let mut tx = ours.begin().await.expect("a transaction");
            let ids = insert(&mut tx, &batch).await;
            let insert = "INSERT INTO bare_messages SELECT id, 'pending' FROM UNNEST($1::text[]) AS r(id)";
            sqlx::query(insert).bind(&ids).execute(&mut *tx).await.expect("inserted");
            tx.commit().await.expect("committed");
            acknowledge(&channel, &batch).await;
            taken += batch.len();
            for group in ids.chunks(GROUP) {
                to_send.send(group.to_vec()).await.expect("a sender");
            }
        }
    };
    let began = Instant::now();
    let senders = (0..SENDERS).map(|_| {
        let groups = Arc::clone(&groups);
        async move {
            let mut theirs = PgConnection::connect(database).await.expect("PostgreSQL answers");
            let mut open = connect_smtp(port, connections / SENDERS).await;
            loop {
                let Some(group) = groups.lock().await.recv().await else { return };
                set_state(&mut theirs, &group, "sending").await;
                open = send_all(open, group.len(), mail).await;
                set_state(&mut theirs, &group, "sent").await;
            }
        }
    });
    tokio::join!(taking, join_all(senders));
    let _ = connection.close(200, ShortString::from("done")).await;
    count as f64 / began.elapsed().as_secs_f64()
}

async fn set_state(database: &mut PgConnection, ids: &[String], state: &str) {
    let update =
        "UPDATE bare_messages AS m SET state = $2 FROM UNNEST($1::text[]) AS r(id) WHERE m.id = r.id";
    sqlx::query(update).bind(ids).bind(state).execute(database).await.expect("updated");
}

/// Hands over `count` mails by lettre on `connections` with `TCP_NODELAY`. Returns how many a second.
pub async fn smtp(port: u16, connections: usize, count: usize, mail: &[u8]) -> f64 {
    let open = connect_smtp(port, connections).await;
    let began = Instant::now();
    send_all(open, count, mail).await;
    count as f64 / began.elapsed().as_secs_f64()
}

/// Opens connections with `TCP_NODELAY`.
pub async fn connect_smtp(port: u16, connections: usize) -> Vec<AsyncSmtpConnection> {
    let mut open = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the sink answers");
        stream.set_nodelay(true).expect("an option of TCP");
        let hello = ClientId::Domain("bench.example.com".into());
        let transport = Box::new(stream);
        open.push(AsyncSmtpConnection::connect_with_transport(transport, &hello).await.expect("a greeting"));
    }
    open
}

/// Hands over `count` mails on these connections, and gives them back.
pub async fn send_all(open: Vec<AsyncSmtpConnection>, count: usize, mail: &[u8]) -> Vec<AsyncSmtpConnection> {
    let left = Arc::new(AtomicUsize::new(count));
    let mail: Arc<[u8]> = mail.into();
    let address = |text: &str| text.parse::<Address>().expect("an address");
    let envelope = Envelope::new(Some(address("shop@example.com")), vec![address("c@example.org")]);
    let envelope = envelope.expect("an envelope");
    let tasks: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let (left, mail, envelope) = (Arc::clone(&left), Arc::clone(&mail), envelope.clone());
            tokio::spawn(async move {
                while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                    connection.send(&envelope, &mail).await.expect("accepted");
                }
                connection
            })
        })
        .collect();
    let mut open = Vec::new();
    for task in tasks {
        open.push(task.await.expect("no panic"));
    }
    open
}

/// Reads the profiles of all customers in id order, in pages as a sweep's, and looks at none of them. Returns seconds.
pub async fn profiles(database: &str, count: usize) -> f64 {
    let mut database = PgConnection::connect(database).await.expect("PostgreSQL answers");
    let page = "SELECT customer_id, CAST(profile AS text) FROM customers WHERE customer_id > $1
        ORDER BY customer_id LIMIT 5000";
    let (began, mut seen, mut last) = (Instant::now(), 0, String::new());
    while seen < count {
        let rows: Vec<(String, String)> =
            sqlx::query_as(page).bind(&last).fetch_all(&mut database).await.expect("a page");
        seen += rows.len();
        last.clone_from(&rows.last().expect("as many as were made").0);
    }
    began.elapsed().as_secs_f64()
}
