//! Outcomes on their way out: what was sent, suppressed or issued, published for the shop and the CRM.
//!
//! Publishes with confirms and nothing else: which outcomes there are, in which order, and that each is
//! marked as published only after the confirm, is the outbox's. A lost answer means publishing again under
//! the same id, so consumers see an outcome at least once. The dispatcher of the outbox calls it.

use std::time::Duration;

use chrono::SecondsFormat;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::{BasicProperties, Channel, Connection, ErrorKind};
use serde_json::{Value, json};

use crate::broker::{self, AmqpConfig, AmqpError, topology};
use crate::domain::event::CLOUDEVENT;
use crate::domain::outcome::Outcome;
use crate::domain::trace::TRACEPARENT;

/// The CloudEvents `source` of everything that Declic says.
pub const SOURCE: &str = "/declic";
/// How long the broker may take to confirm a batch.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// The outcome as a structured-mode CloudEvents object.
fn to_json(outcome: &Outcome) -> Value {
    let mut object = json!({
        "specversion": "1.0",
        "id": outcome.id,
        "source": SOURCE,
        "type": outcome.kind,
        "subject": outcome.customer_id,
        "time": outcome.time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "datacontenttype": "application/json",
        "data": outcome.data,
    });
    if let Some(trace) = outcome.trace {
        object[TRACEPARENT] = trace.to_string().into();
    }
    object
}

/// Why a batch of outcomes is not known to be published. Publish all of it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// A type that cannot be a routing key: it will fail again.
    #[error("outcome {id} cannot be published: {detail}")]
    Invalid { id: String, detail: String },
    /// One of them is more than the broker takes: its size, for instance. It will refuse it again.
    #[error("the broker refuses an outcome: {0}")]
    Refused(String),
    #[error(transparent)]
    Broker(#[from] AmqpError),
}

impl PublishError {
    /// Whether one of the batch is the reason, so that the others may pass without it.
    pub fn is_about_content(&self) -> bool {
        matches!(self, Self::Invalid { .. } | Self::Refused(_))
    }

    /// Gives lapin's error its meaning: while publishing, a failed precondition is about the message.
    fn from_lapin(config: &AmqpConfig, error: &lapin::Error) -> Self {
        if let ErrorKind::ProtocolError(protocol) = error.kind()
            && let AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::CONTENTTOOLARGE) =
                protocol.kind()
        {
            return Self::Refused(protocol.get_message().to_string());
        }
        AmqpError::from_lapin(config, "publishing outcomes", error).into()
    }
}

/// A connection of its own to the outcomes exchange, made when it is first needed and again when it is lost.
#[derive(Debug)]
pub struct OutcomePublisher {
    config: AmqpConfig,
    session: Option<Session>,
}

struct Session {
    /// Held for its life: dropping it closes the channel.
    connection: Connection,
    channel: Channel,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl OutcomePublisher {
    pub fn new(config: AmqpConfig) -> Self {
        Self { config, session: None }
    }

    /// Publishes all of them, persistent, and returns when the broker has confirmed each. Where no queue is
    /// bound the broker drops them, which is the operator's choice.
    ///
    /// # Errors
    /// Then some may be published; the caller waits a while and publishes all of them again.
    pub async fn publish(&mut self, outcomes: &[Outcome]) -> Result<(), PublishError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        if self.session.as_ref().is_some_and(|s| !s.channel.status().connected()) {
            self.session = None;
        }
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::begin(&self.config).await?,
        };
        let sending = session.send(&self.config, outcomes);
        match tokio::time::timeout(CONFIRM_TIMEOUT, sending).await {
            Ok(Ok(())) => {
                self.session = Some(session);
                metrics::counter!("declic_outcomes_published_total").increment(outcomes.len() as u64);
                Ok(())
            }
            Ok(Err(error)) => {
                broker::close(&session.connection, &[&session.channel]).await;
                Err(error)
            }
            Err(_) => {
                broker::close(&session.connection, &[&session.channel]).await;
                let detail = format!("outcomes were not confirmed within {} s", CONFIRM_TIMEOUT.as_secs());
                Err(AmqpError::Lost(detail).into())
            }
        }
    }

    /// Says goodbye to the broker.
    pub async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            broker::close(&session.connection, &[&session.channel]).await;
        }
    }
}

impl Session {
    async fn begin(config: &AmqpConfig) -> Result<Self, AmqpError> {
        let connection = broker::connect(config, "outcomes").await?;
        let opening = async {
            let channel = topology::open(config, &connection).await?;
            topology::prepare_outcomes(config, &channel).await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await
                .map_err(|e| AmqpError::from_lapin(config, "asking for confirms", &e))?;
            Ok(channel)
        };
        let channel = tokio::time::timeout(CONFIRM_TIMEOUT, opening)
            .await
            .map_err(|_| AmqpError::Lost("the broker does not answer".into()))??;
        Ok(Self { connection, channel })
    }

    async fn send(&self, config: &AmqpConfig, outcomes: &[Outcome]) -> Result<(), PublishError> {
        let exchange = topology::name(&config.outcomes_exchange)?;
        let mut confirms = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            let invalid = |_| PublishError::Invalid {
                id: outcome.id.clone(),
                detail: "its id and its type must be at most 255 bytes long".into(),
            };
            let properties = BasicProperties::default()
                .with_content_type(CLOUDEVENT.into())
                .with_message_id(topology::name(&outcome.id).map_err(invalid)?)
                .with_delivery_mode(2);
            let routing_key = topology::name(&outcome.kind).map_err(invalid)?;
            let body = to_json(outcome).to_string();
            let options = BasicPublishOptions::default();
            let confirm = self
                .channel
                .basic_publish(exchange.clone(), routing_key, options, body.as_bytes(), properties)
                .await
                .map_err(|e| PublishError::from_lapin(config, &e))?;
            confirms.push(confirm);
        }
        for confirm in confirms {
            let confirmed = confirm.await.map_err(|e| PublishError::from_lapin(config, &e))?;
            if !confirmed.is_ack() {
                return Err(AmqpError::Lost("the broker did not take an outcome".into()).into());
            }
        }
        Ok(())
    }
}
