//! The private servers that everything is measured on, and publishing to one of them.

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::support::postgres::Postgres;
use crate::support::rabbit::Rabbit;
use crate::support::smtp::SmtpSink;

/// Published and confirmed together.
const PUBLISHED_AT_ONCE: usize = 500;

pub struct Servers {
    pub postgres: Postgres,
    pub rabbit: Rabbit,
    pub sink: SmtpSink,
}

impl Servers {
    /// PostgreSQL with durable commits, RabbitMQ, and Postfix's `smtp-sink`.
    pub fn start() -> Self {
        let postgres = Postgres::durable();
        postgres.psql("postgres", "CREATE EXTENSION pg_stat_statements");
        Self { postgres, rabbit: Rabbit::start(), sink: SmtpSink::start() }
    }

    /// Statements that a database has run so far.
    pub fn statements(&self, database: &str) -> f64 {
        self.number(&format!(
            "SELECT COALESCE(SUM(calls), 0) FROM pg_stat_statements
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = '{database}')"
        ))
    }

    /// Transactions that a database has committed so far.
    pub fn commits(&self, database: &str) -> f64 {
        self.number(&format!("SELECT xact_commit FROM pg_stat_database WHERE datname = '{database}'"))
    }

    fn number(&self, sql: &str) -> f64 {
        self.postgres.psql("postgres", sql).trim().parse().expect("a number")
    }
}

pub async fn connect(broker: &str) -> Connection {
    Connection::connect(broker, ConnectionProperties::default()).await.expect("RabbitMQ answers")
}

/// Publishes events to the exchange that Declic reads from and waits for the broker's confirmation of each.
pub async fn publish(broker: &str, events: &[String]) {
    let connection = connect(broker).await;
    let channel = confirming(&connection).await;
    for part in events.chunks(PUBLISHED_AT_ONCE) {
        let sent = part.iter().map(|event| publish_one(&channel, event));
        join_all(sent).await;
    }
    let _ = connection.close(200, ShortString::from("done")).await;
}

pub async fn confirming(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    channel
}

pub async fn publish_one(channel: &Channel, event: &str) {
    let properties = BasicProperties::default()
        .with_content_type("application/cloudevents+json".into())
        .with_delivery_mode(2);
    let (exchange, key) = (ShortString::from("declic.events"), ShortString::from("bench"));
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish(exchange, key, options, event.as_bytes(), properties).await;
    let confirmed = confirm.expect("published").await.expect("an answer");
    assert!(!confirmed.is_nack(), "the broker refused an event");
}
