//! A bare loop that writes what Declic writes for each welcome mail, into its tables, and publishes what it publishes. It
//! decides nothing, renders nothing, asks nothing and takes its one model for everybody: how near to the bare SMTP loop any
//! program can come that keeps these rows.

use std::sync::Arc;

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, ExchangeKind};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::Mutex;
use tokio::sync::mpsc;

use crate::bare::{GROUP, SENDERS, acknowledge, columns, connect_smtp, consume, next_batch, send_all};
use crate::shop::Shop;
use crate::support::rabbit::publisher;

/// As Declic's.
const PUBLISHED_AT_ONCE: i64 = 500;

const EVENTS: &str = "INSERT INTO events (customer_id, source, id, type, time, received_at, data)
    SELECT c, s, i, k, t::timestamptz, now(), d::json
    FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS r(c, s, i, k, t, d)
    ON CONFLICT DO NOTHING";

const CUSTOMERS: &str = "INSERT INTO customers (customer_id, email, locale, profile, created_at, updated_at)
    SELECT c, c || '@example.org', 'fr-FR', b::json, now(), now()
    FROM UNNEST($1::text[], $2::text[]) AS r(c, b) ON CONFLICT DO NOTHING";

const ENTRIES: &str =
    "INSERT INTO entries (customer_id, rule, occurrence, entry_key, status, version, committed, body)
    SELECT c, 'welcome', '/shop#sign-up-' || c, '', 'ended', '0', true, b::json
    FROM UNNEST($1::text[], $2::text[]) AS r(c, b) ON CONFLICT DO NOTHING";

const MESSAGES: &str =
    "INSERT INTO messages (customer_id, id, rule, occurrence, step, channel, state, due_at, planned_at,
        expires_at, lease_token, lease_until, attempts, updated_at, purpose, body)
    SELECT c, md5(c), 'welcome', '/shop#sign-up-' || c, 'welcome', 'email', 'claimed', now(), now(),
        now() + interval '2 days', 'bare', now() + interval '1 minute', 0, now(), 'service', b::json
    FROM UNNEST($1::text[], $2::text[]) AS r(c, b) ON CONFLICT DO NOTHING";

const STATE: &str =
    "UPDATE messages AS m SET state = $3, attempts = 1, slot_at = now(), updated_at = now(), body = b::json,
        lease_until = CASE WHEN $3 = 'sending' THEN m.lease_until END
    FROM UNNEST($1::text[], $2::text[]) AS r(c, b)
    WHERE m.customer_id = c AND m.id = md5(c) AND m.lease_token = 'bare'";

const OUTCOMES: &str = "INSERT INTO outcomes (id, customer_id, kind, time, data, created_at)
    SELECT md5(c) || '-sent', c, 'message.sent', now(), b::json, now()
    FROM UNNEST($1::text[], $2::text[]) AS r(c, b) ON CONFLICT DO NOTHING";

const UNPUBLISHED: &str = "SELECT id, CAST(data AS text) FROM outcomes WHERE published_at IS NULL
    ORDER BY created_at, id LIMIT $1";

const PUBLISHED: &str = "UPDATE outcomes SET published_at = now() WHERE id = ANY($1)";

/// What Declic has written for one customer, whose id stands in it where others' will.
#[derive(Debug, Clone)]
pub struct Model {
    customer: String,
    profile: String,
    entry: String,
    message: String,
    outcome: String,
}

impl Model {
    /// Takes it from a shop that has sent one mail.
    pub fn of(shop: &Shop<'_>) -> Self {
        Self {
            customer: shop.psql("SELECT customer_id FROM customers"),
            profile: shop.psql("SELECT profile FROM customers"),
            entry: shop.psql("SELECT body FROM entries"),
            message: shop.psql("SELECT body FROM messages"),
            outcome: shop.psql("SELECT data FROM outcomes"),
        }
    }

    fn written(&self, text: &str, customers: &[String]) -> Vec<String> {
        customers.iter().map(|customer| text.replace(&self.customer, customer)).collect()
    }
}

async fn connect(database: &str) -> PgConnection {
    let mut connection = PgConnection::connect(database).await.expect("PostgreSQL answers");
    // As Declic's connections.
    connection.execute("SET enable_seqscan = off; SET jit = off").await.expect("set");
    connection
}

async fn write(database: &mut PgConnection, sql: &'static str, customers: &[String], texts: &[String]) {
    let written = sqlx::query(sql).bind(customers).bind(texts).execute(database).await;
    written.expect("written");
}

/// Sign-ups of the bare queue to mails accepted, all rows written. Returns mails a second.
pub async fn outbox(
    shop: &Shop<'_>,
    port: u16,
    connections: usize,
    count: usize,
    mail: &[u8],
    model: &Model,
) -> f64 {
    let (broker, channel, mut deliveries) = consume(&shop.broker).await;
    let (to_send, groups) = mpsc::channel::<Vec<String>>(SENDERS);
    let groups = Arc::new(Mutex::new(groups));
    let mut ours = connect(&shop.database).await;
    let taking = async move {
        let mut taken = 0;
        while taken < count {
            let batch = next_batch(&mut deliveries, count - taken).await;
            let columns = columns(&batch);
            let mut tx = ours.begin().await.expect("a transaction");
            let insert = columns.iter().fold(sqlx::query(EVENTS), |query, column| query.bind(column));
            insert.execute(&mut *tx).await.expect("inserted");
            let [customers, ..] = columns;
            for (sql, text) in
                [(CUSTOMERS, &model.profile), (ENTRIES, &model.entry), (MESSAGES, &model.message)]
            {
                write(&mut tx, sql, &customers, &model.written(text, &customers)).await;
            }
            tx.commit().await.expect("committed");
            acknowledge(&channel, &batch).await;
            taken += batch.len();
            for group in customers.chunks(GROUP) {
                to_send.send(group.to_vec()).await.expect("a sender");
            }
        }
    };
    let began = std::time::Instant::now();
    let senders = (0..SENDERS).map(|_| {
        let groups = Arc::clone(&groups);
        async move {
            let mut theirs = connect(&shop.database).await;
            let mut open = connect_smtp(port, connections / SENDERS).await;
            loop {
                let Some(group) = groups.lock().await.recv().await else { return };
                let messages = model.written(&model.message, &group);
                let state = |state| sqlx::query(STATE).bind(&group).bind(&messages).bind(state);
                state("sending").execute(&mut theirs).await.expect("updated");
                open = send_all(open, group.len(), mail).await;
                let mut tx = theirs.begin().await.expect("a transaction");
                state("sent").execute(&mut *tx).await.expect("updated");
                write(&mut tx, OUTCOMES, &group, &model.written(&model.outcome, &group)).await;
                tx.commit().await.expect("committed");
            }
        }
    });
    tokio::select! {
        _ = async { tokio::join!(taking, join_all(senders)) } => {}
        () = publish_outcomes(shop) => {}
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    let _ = broker.close(200, "done".into()).await;
    rate
}

/// Publishes outcomes, confirmed, and marks them, for as long as it is asked to.
async fn publish_outcomes(shop: &Shop<'_>) {
    let (_connection, channel) = publisher(&shop.broker).await;
    let exchange = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let declare = channel.exchange_declare(
        "declic.outcomes".into(),
        ExchangeKind::Topic,
        exchange,
        FieldTable::default(),
    );
    declare.await.expect("as Declic would make it");
    let mut database = connect(&shop.database).await;
    loop {
        let select = sqlx::query_as(UNPUBLISHED).bind(PUBLISHED_AT_ONCE);
        let waiting: Vec<(String, String)> = select.fetch_all(&mut database).await.expect("read");
        if waiting.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            continue;
        }
        let mut confirms = Vec::new();
        for (id, data) in &waiting {
            let properties =
                BasicProperties::default().with_message_id(id.as_str().into()).with_delivery_mode(2);
            let (options, key) = (BasicPublishOptions::default(), "message.sent".into());
            let publish =
                channel.basic_publish("declic.outcomes".into(), key, options, data.as_bytes(), properties);
            confirms.push(publish.await.expect("published"));
        }
        for confirm in confirms {
            confirm.await.expect("confirmed");
        }
        let ids: Vec<String> = waiting.into_iter().map(|(id, _)| id).collect();
        sqlx::query(PUBLISHED).bind(&ids).execute(&mut database).await.expect("marked");
    }
}
