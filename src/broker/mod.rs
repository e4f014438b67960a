//! The way to RabbitMQ: its configuration, one connection, and what its refusals mean in plain words.
//!
//! Owns no loop and retries nothing: a session that ends is its owner's to begin again, for lapin's own
//! recovery is off. Called by the intake, the outcome publisher, `declic doctor` and `declic topology`.

pub mod plan;
pub mod topology;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use serde::Deserialize;

/// How long connecting may take, TLS and login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a farewell may take: the broker notices an unsaid one by itself.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Proposed to the broker, which takes the smaller of both (its default is 60). A dead peer is noticed
/// after two of them.
const HEARTBEAT_SECONDS: u16 = 20;
/// A quorum queue counts a delivery for the whole prefetch each time a worker goes away; a smaller limit
/// would throw good events out during a bad night.
pub const MIN_DELIVERY_LIMIT: u32 = 1000;
/// More shards than any house has workers for; each costs every worker two channels.
pub const MAX_SHARDS: u16 = 128;

/// The broker's address with its credentials, which are never shown.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct AmqpUrl(AMQPUri);

impl AmqpUrl {
    /// Reads `amqp://user:password@host:port/vhost` or `amqps://…`; without a path, the vhost is `/`.
    /// The error never quotes the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('[') {
            // lapin takes the host of such an address for "localhost" without a word.
            return Err("an IPv6 address is not understood in an AMQP URL: use a host name".into());
        }
        let mut uri: AMQPUri = text
            .parse()
            .map_err(|_| "not an AMQP URL: write it like amqp://user:password@host:5672/vhost".to_owned())?;
        if uri.vhost.is_empty() {
            uri.vhost = "/".into();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        Ok(Self(uri))
    }

    /// The broker's host.
    pub fn host(&self) -> &str {
        &self.0.authority.host
    }

    /// Whether the way there is TLS.
    pub fn is_tls(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }
}

impl TryFrom<String> for AmqpUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(uri) = self;
        write!(f, "{}://{}:{}", uri.scheme, uri.authority.host, uri.authority.port)?;
        if uri.vhost != "/" {
            write!(f, " (vhost {})", uri.vhost)?;
        }
        Ok(())
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Section `[amqp]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AmqpConfig {
    pub url: AmqpUrl,
    /// PEM file with the authorities to trust for `amqps://`; default: the public ones.
    pub ca_file: Option<PathBuf>,
    /// Topic exchange that producers publish events to.
    pub exchange: String,
    pub queue: String,
    /// How many queues share the events out by customer; 0 for the one `queue`. See [`AmqpConfig::queues`].
    pub shards: u16,
    /// Which routing keys of the exchange reach the queue. A key that is taken away here stays bound on the
    /// broker until somebody unbinds it.
    pub binding_keys: Vec<String>,
    pub dead_letter_exchange: String,
    pub dead_letter_queue: String,
    /// Topic exchange that outcomes are published to; routing key = type.
    pub outcomes_exchange: String,
    /// Whether to declare exchanges, queues and bindings; `false` leaves them to somebody else.
    pub declare: bool,
    /// Deliveries in flight; at least `batch_size`.
    pub prefetch: u16,
    /// Most events committed in one transaction.
    pub batch_size: u16,
    /// How long a batch that is not full waits for more.
    pub batch_wait_ms: u64,
    /// The queue's `x-delivery-limit`, a safety net; at least 1000.
    pub delivery_limit: u32,
    /// Shown in RabbitMQ's management pages.
    pub connection_name: String,
    /// Where the broker runs (ISO 3166-1 alpha-2), for the register of processing.
    pub country: Option<String>,
}

impl Default for AmqpConfig {
    fn default() -> Self {
        let mut uri = AMQPUri::default();
        uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
        Self {
            url: AmqpUrl(uri),
            ca_file: None,
            exchange: "declic.events".into(),
            queue: "declic.events".into(),
            shards: 0,
            binding_keys: vec!["#".into()],
            dead_letter_exchange: "declic.dead-letters".into(),
            dead_letter_queue: "declic.dead-letters".into(),
            outcomes_exchange: "declic.outcomes".into(),
            declare: true,
            prefetch: 2000,
            batch_size: 500,
            batch_wait_ms: 20,
            delivery_limit: MIN_DELIVERY_LIMIT,
            connection_name: "declic".into(),
            country: None,
        }
    }
}

impl AmqpConfig {
    /// The queues that events wait in.
    pub fn queues(&self) -> Vec<String> {
        match self.shards {
            0 => vec![self.queue.clone()],
            shards => (0..shards).map(|shard| self.shard(shard)).collect(),
        }
    }

    /// The queue of one shard.
    pub(crate) fn shard(&self, shard: u16) -> String {
        format!("{}.{shard}", self.queue)
    }

    /// The exchange that shares events out over the shards.
    pub(crate) fn by_customer(&self) -> String {
        format!("{}.by-customer", self.exchange)
    }

    /// A queue that never holds anything. Every worker consumes it, so the broker can say how many there are:
    /// of a queue with a single active consumer it counts that one only.
    pub(crate) fn roll_call(&self) -> String {
        format!("{}.workers", self.queue)
    }

    /// Everything wrong with the section, each in a sentence that names the key.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let names = [
            ("exchange", &self.exchange),
            ("queue", &self.queue),
            ("dead_letter_exchange", &self.dead_letter_exchange),
            ("dead_letter_queue", &self.dead_letter_queue),
            ("outcomes_exchange", &self.outcomes_exchange),
        ];
        for (key, name) in names {
            if name.is_empty() || name.len() > 255 {
                found.push(format!("amqp.{key} must be 1 to 255 bytes long"));
            } else if name.starts_with("amq.") {
                found.push(format!("amqp.{key}: names that begin with `amq.` belong to RabbitMQ"));
            }
        }
        if self.queue == self.dead_letter_queue {
            found.push("amqp.queue and amqp.dead_letter_queue must be two queues".into());
        }
        let exchanges = [&self.exchange, &self.dead_letter_exchange, &self.outcomes_exchange];
        if exchanges[0] == exchanges[1] || exchanges[0] == exchanges[2] || exchanges[1] == exchanges[2] {
            found.push("amqp: the three exchanges must have three names".into());
        }
        if self.binding_keys.is_empty() || self.binding_keys.iter().any(|key| key.len() > 255) {
            found.push("amqp.binding_keys must hold at least one key of at most 255 bytes".into());
        }
        if self.batch_size == 0 || self.batch_size > self.prefetch {
            found.push("amqp.batch_size must lie between 1 and amqp.prefetch, or no batch gets full".into());
        }
        if self.batch_wait_ms > 10_000 {
            found.push("amqp.batch_wait_ms must be at most 10000".into());
        }
        if self.shards > MAX_SHARDS {
            found.push(format!("amqp.shards must be at most {MAX_SHARDS}"));
        }
        if self.shards > 0 && (self.queue.len() > 240 || self.exchange.len() > 240) {
            found.push(
                "amqp.queue and amqp.exchange must leave room for the names of shards: 240 bytes".into(),
            );
        }
        if self.delivery_limit < MIN_DELIVERY_LIMIT {
            found.push(format!("amqp.delivery_limit must be at least {MIN_DELIVERY_LIMIT}"));
        }
        found
    }
}

/// Why a session with the broker could not begin or had to end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmqpError {
    #[error("{0}")]
    InvalidConfig(String),
    #[error("RabbitMQ at {broker} cannot be reached: {detail}")]
    Unreachable { broker: String, detail: String },
    #[error(
        "RabbitMQ at {broker} refuses access: {detail}. Check the user, its password and its permissions \
         (configure, write, read) on the vhost"
    )]
    AccessRefused { broker: String, detail: String },
    #[error("RabbitMQ at {broker} has no such thing: {detail}")]
    NotFound { broker: String, detail: String },
    #[error(
        "{what} exists on RabbitMQ with other properties than Declic declares: {detail}. Delete it, give \
         Declic another name, or set `declare = false` under [amqp], which leaves exchanges and queues alone"
    )]
    TopologyMismatch { what: String, detail: String },
    #[error("the session with RabbitMQ ended: {0}")]
    Lost(String),
    #[error("deliveries were handed back to RabbitMQ: {0}")]
    StoreUnavailable(String),
}

impl AmqpError {
    /// Whether somebody has to change something before it can work, so that a start had better fail.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::InvalidConfig(_)
                | Self::AccessRefused { .. }
                | Self::NotFound { .. }
                | Self::TopologyMismatch { .. }
        )
    }

    /// Gives lapin's error its meaning while `what` is declared: here, and only here, a failed
    /// precondition means that the thing exists and is different.
    pub(crate) fn while_declaring(config: &AmqpConfig, what: &str, error: &lapin::Error) -> Self {
        if let ErrorKind::ProtocolError(protocol) = error.kind()
            && let AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) = protocol.kind()
        {
            return Self::TopologyMismatch {
                what: what.to_owned(),
                detail: protocol.get_message().to_string(),
            };
        }
        Self::from_lapin(config, what, error)
    }

    /// Gives lapin's error its meaning. `what` was being done.
    pub(crate) fn from_lapin(config: &AmqpConfig, what: &str, error: &lapin::Error) -> Self {
        let broker = config.url.to_string();
        let ErrorKind::ProtocolError(protocol) = error.kind() else {
            return match error.kind() {
                ErrorKind::IOError(e) if what == CONNECTING => {
                    Self::Unreachable { broker, detail: e.to_string() }
                }
                _ => Self::Lost(format!("{what}: {error}")),
            };
        };
        let detail = format!("{what}: {}", protocol.get_message().as_str().trim_end_matches('.'));
        match protocol.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::AccessRefused { broker, detail },
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Self::NotFound { broker, detail },
            // An unknown vhost, or a user without permission for it.
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Self::AccessRefused { broker, detail },
            _ => Self::Lost(detail),
        }
    }
}

/// What [`AmqpError::from_lapin`] is told while connecting.
const CONNECTING: &str = "connecting";

/// Connects, or says why not, within ten seconds.
pub(crate) async fn connect(config: &AmqpConfig, role: &str) -> Result<Connection, AmqpError> {
    let broker = config.url.to_string();
    let cert_chain = match &config.ca_file {
        None => None,
        Some(path) => Some(tokio::fs::read_to_string(path).await.map_err(|e| {
            AmqpError::InvalidConfig(format!("amqp.ca_file {} cannot be read: {e}", path.display()))
        })?),
    };
    let properties = ConnectionProperties::default()
        .with_connection_name(format!("{} {role}", config.connection_name).into());
    let runtime = lapin::runtime::default_runtime().map_err(|e| AmqpError::Lost(e.to_string()))?;
    let tls = OwnedTLSConfig { identity: None, cert_chain };
    let attempt = Connection::connect_uri_with_config(config.url.0.clone(), properties, tls, runtime);
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(AmqpError::from_lapin(config, CONNECTING, &error)),
        Err(_) => Err(AmqpError::Unreachable {
            broker,
            detail: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        }),
    }
}

/// Says goodbye, first on the channels: dropped while the connection closes, they make lapin end it with an
/// error that the broker logs. Unacknowledged deliveries go back to the queue.
pub(crate) async fn close(connection: &Connection, channels: &[&Channel]) {
    let farewell = async {
        for channel in channels {
            if channel.status().connected() {
                channel.close(200, "goodbye".into()).await?;
            }
        }
        connection.close(200, "goodbye".into()).await
    };
    if !matches!(tokio::time::timeout(CLOSE_TIMEOUT, farewell).await, Ok(Ok(()))) {
        tracing::debug!("the AMQP connection was already gone when it was closed");
    }
}

/// How long to wait before attempt number `attempt` (from 0): 0.5 s doubling to 30 s, of which a quarter
/// varies with `seed`, so that the workers of a house do not all come back in the same instant.
pub fn backoff(attempt: u32, seed: &str) -> Duration {
    let full = Duration::from_millis(500).saturating_mul(1 << attempt.min(6)).min(Duration::from_secs(30));
    let mut hash = DefaultHasher::new();
    (seed, std::process::id(), attempt).hash(&mut hash);
    let share = (hash.finish() % 1000) as f64 / 1000.0;
    full.mul_f64(1.0 - share / 4.0)
}
