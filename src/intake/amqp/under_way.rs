//! The batches of one queue that are being settled, in their order.
//!
//! Each is a task of its own, so that one is decided beside another, unless they share a customer: what a customer is told
//! to have done stays in the order of the queue, so that a consent is known before what asks for it.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use lapin::message::Delivery;
use tokio_util::task::AbortOnDropHandle;

use super::result_of;
use crate::broker::AmqpError;
use crate::domain::event::{Event, Unusable};
use crate::intake::{Counts, decode};

/// Batches of one queue under way at once.
const AT_ONCE: usize = 3;

/// Deliveries, and what each of them says.
pub(super) struct Batch {
    pub deliveries: Vec<Delivery>,
    pub read: Vec<Result<Event, Unusable>>,
}

impl Batch {
    pub fn read(deliveries: Vec<Delivery>, now: DateTime<Utc>) -> Self {
        let read = deliveries.iter().map(|d| decode::delivery(&d.properties, &d.data, now)).collect();
        Self { deliveries, read }
    }

    fn customers(&self) -> impl Iterator<Item = &String> {
        self.read.iter().flatten().map(|event| &event.subject)
    }
}

/// A batch of which nothing is left to do but to acknowledge it.
pub(super) struct Done {
    pub last_tag: u64,
    pub counts: Counts,
}

#[derive(Default)]
pub(super) struct UnderWay {
    /// Dropped, they are broken off: what they have not committed comes again.
    settling: FuturesOrdered<AbortOnDropHandle<Result<Done, AmqpError>>>,
    /// The customers of each.
    whose: VecDeque<BTreeSet<String>>,
}

impl UnderWay {
    pub fn is_empty(&self) -> bool {
        self.settling.is_empty()
    }

    /// Whether a batch may begin beside those that are under way; `alone` leaves room for one.
    pub fn has_room_for(&self, batch: &Batch, alone: bool) -> bool {
        let at_once = if alone { 1 } else { AT_ONCE };
        self.whose.len() < at_once && !batch.customers().any(|c| self.whose.iter().any(|w| w.contains(c)))
    }

    pub fn begin<F>(&mut self, batch: Batch, settle: impl FnOnce(Batch) -> F)
    where
        F: Future<Output = Result<Done, AmqpError>> + Send + 'static,
    {
        self.whose.push_back(batch.customers().cloned().collect());
        self.settling.push_back(AbortOnDropHandle::new(tokio::spawn(settle(batch))));
    }

    /// Waits for the first of them; none when there is none. Can be dropped and asked again.
    pub async fn next(&mut self) -> Option<Result<Done, AmqpError>> {
        let ended = self.settling.next().await?;
        self.whose.pop_front();
        Some(result_of(ended))
    }
}
