//! What more than one queue takes: telling the workers apart, stepping back from a queue, and emptying queues that are
//! left over from another number of shards.
//!
//! Part of a session and of its invariant: what was delivered is settled before it is acknowledged, here too.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};

use super::shares::Shares;
use super::under_way::Batch;
use super::{CONSUMER_TAG, Channels, Intake, PING_EVERY, Stay};
use crate::broker::{AmqpError, topology};

impl Intake {
    /// Lets the other workers count this one, as long as what is returned is kept.
    pub(super) async fn answer_the_roll_call(
        &self,
        connection: &Connection,
    ) -> Result<Option<(Channel, Consumer)>, AmqpError> {
        if self.config.shards == 0 {
            return Ok(None);
        }
        let channel = topology::open(&self.config, connection).await?;
        let consumer = self.consumer(&channel, &self.config.roll_call()).await?;
        Ok(Some((channel, consumer)))
    }

    /// Begins to consume a queue on a channel of its own.
    pub(super) async fn consumer(&self, channel: &Channel, queue: &str) -> Result<Consumer, AmqpError> {
        let options = BasicConsumeOptions::default();
        let consume = channel.basic_consume(
            topology::name(queue)?,
            CONSUMER_TAG.into(),
            options,
            FieldTable::default(),
        );
        let failed = |e| AmqpError::from_lapin(&self.config, &format!("consuming from queue `{queue}`"), &e);
        consume.await.map_err(failed)
    }

    /// Whether other workers wait for a queue of which this one has more than its share.
    pub(super) async fn has_too_many(&self, channels: &Channels, shares: &Shares) -> Result<bool, AmqpError> {
        if self.config.shards == 0 {
            return Ok(false);
        }
        let roll_call = self.config.roll_call();
        let look = topology::queue_passively(&self.config, &channels.side, &roll_call);
        let workers = self.within("counting the workers", look).await??.consumer_count();
        Ok(shares.step_back(channels.number, workers))
    }

    /// Stops consuming a queue, and settles what was delivered before the broker said so.
    pub(super) async fn leave(&self, channels: &Channels, consumer: &mut Consumer) -> Result<(), AmqpError> {
        let cancel = channels.events.basic_cancel(CONSUMER_TAG.into(), BasicCancelOptions::default());
        self.within("cancelling the consumer", cancel)
            .await?
            .map_err(|e| AmqpError::from_lapin(&self.config, "cancelling the consumer", &e))?;
        let mut rest = Vec::new();
        // The stream ends with the broker's word, which comes behind the last delivery.
        while let Some(delivery) = self.within("the end of a consumer", consumer.next()).await? {
            rest.push(delivery.map_err(|e| AmqpError::from_lapin(&self.config, "consuming", &e))?);
            if rest.len() == usize::from(self.config.batch_size) {
                self.settle_alone(channels, std::mem::take(&mut rest)).await?;
            }
        }
        if rest.is_empty() { Ok(()) } else { self.settle_alone(channels, rest).await }
    }

    async fn settle_alone(&self, channels: &Channels, batch: Vec<Delivery>) -> Result<(), AmqpError> {
        let done = self.settle_batch(channels, Batch::read(batch, self.clock.now())).await?;
        self.acknowledge(channels, &done).await
    }

    /// Empties a surplus queue whenever something is in it, until it is gone. In between nobody consumes it, so that
    /// `declic topology` can tell that it is free.
    pub(super) async fn drain(
        self: Arc<Self>,
        connection: Arc<Connection>,
        shares: Arc<Shares>,
        queue: String,
        number: usize,
    ) -> Result<(), AmqpError> {
        loop {
            let look = topology::find(&self.config, &connection, &queue);
            let Some(found) = self.within("looking at a queue", look).await?? else {
                tracing::info!(queue, "the queue of another number of shards is gone");
                shares.waiting(number, 0);
                self.status.left(number);
                return Ok(());
            };
            shares.waiting(number, found.message_count());
            self.status.progressed(number);
            if found.message_count() > 0 {
                tracing::info!(
                    queue,
                    events = found.message_count(),
                    "emptying a queue of another number of shards"
                );
                let attach = self.attach(&connection, queue.clone(), number);
                let (channels, consumer) = self.within("starting to consume", attach).await??;
                let channels = Arc::new(channels);
                self.consume(&channels, consumer, &shares, Stay::UntilEmpty).await?;
                for channel in [&channels.events, &channels.side] {
                    let _best_effort = channel.close(200, "goodbye".into()).await;
                }
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(PING_EVERY) => {}
            }
        }
    }
}
