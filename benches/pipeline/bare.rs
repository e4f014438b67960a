//! The bare parts, used as well as one can: the least that any program in Declic's place has to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, ConnectionProperties};
use lettre::Address;
use lettre::address::Envelope;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use serde_json::Value;
use sqlx::Connection as _;
use tokio::net::TcpStream;

/// As Declic's.
const PREFETCH: u16 = 1_000;
const BATCH: usize = 500;

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
    let mut database = sqlx::PgConnection::connect(database).await.expect("PostgreSQL answers");
    let table = "CREATE TABLE bare_events (customer_id text NOT NULL, source text NOT NULL, id text NOT NULL,
        type text NOT NULL, time timestamptz NOT NULL, data json, PRIMARY KEY (customer_id, source, id))";
    sqlx::query(table).execute(&mut database).await.expect("a table");
}

/// Takes `count` events: consume, parse, insert by `UNNEST` in batches of 500, commit, acknowledge them all at once.
/// Returns how many a second.
pub async fn intake(broker: &str, database: &str, count: usize) -> f64 {
    let connection = connect(broker).await;
    let channel = connection.create_channel().await.expect("a channel");
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.expect("a prefetch");
    let (tag, options) = (ShortString::from("bare"), BasicConsumeOptions::default());
    let consumer = channel.basic_consume(QUEUE.into(), tag, options, FieldTable::default()).await;
    let mut batches = consumer.expect("a consumer").ready_chunks(BATCH);
    let mut database = sqlx::PgConnection::connect(database).await.expect("PostgreSQL answers");
    let (mut taken, mut first) = (0, None);
    while taken < count {
        // `ready_chunks` gives what is there; a batch is filled up as long as there is more to come.
        let mut batch = Vec::new();
        while batch.len() < BATCH && taken + batch.len() < count {
            batch.extend(
                batches.next().await.expect("a delivery").into_iter().map(|d| d.expect("a delivery")),
            );
        }
        let mut columns: [Vec<String>; 6] = Default::default();
        for delivery in &batch {
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
        let mut insert = sqlx::query(INSERT);
        for column in &columns {
            insert = insert.bind(column);
        }
        insert.execute(&mut database).await.expect("inserted");
        let last = batch.last().expect("not empty").delivery_tag;
        channel.basic_ack(last, BasicAckOptions { multiple: true }).await.expect("acknowledged");
        taken += batch.len();
        first = first.or(Some((taken, Instant::now())));
    }
    let (seen, began) = first.expect("at least one batch");
    let rate = (taken - seen) as f64 / began.elapsed().as_secs_f64();
    let _ = connection.close(200, ShortString::from("done")).await;
    rate
}

/// Hands over `count` mails by lettre on `connections` with `TCP_NODELAY`. Returns how many a second.
pub async fn smtp(port: u16, connections: usize, count: usize, mail: &[u8]) -> f64 {
    let left = Arc::new(AtomicUsize::new(count));
    let mail: Arc<[u8]> = mail.into();
    let mut open = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the sink answers");
        stream.set_nodelay(true).expect("an option of TCP");
        let hello = ClientId::Domain("bench.example.com".into());
        let transport = Box::new(stream);
        open.push(AsyncSmtpConnection::connect_with_transport(transport, &hello).await.expect("a greeting"));
    }
    let began = Instant::now();
    let tasks: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let (left, mail) = (Arc::clone(&left), Arc::clone(&mail));
            tokio::spawn(async move {
                let address = |text: &str| text.parse::<Address>().expect("an address");
                let envelope =
                    Envelope::new(Some(address("shop@example.com")), vec![address("c@example.org")]);
                let envelope = envelope.expect("an envelope");
                while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                    connection.send(&envelope, &mail).await.expect("accepted");
                }
                let _ = connection.quit().await;
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// Reads the profiles of all customers in id order, in pages as a sweep's, and looks at none of them. Returns seconds.
pub async fn profiles(database: &str, count: usize) -> f64 {
    let mut database = sqlx::PgConnection::connect(database).await.expect("PostgreSQL answers");
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
