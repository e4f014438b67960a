//! The batches of one queue that are being settled, in their order.
//!
//! While one is committed the next is decided, unless they share a customer: what a customer is told to have done stays in
//! the order of the queue, so that a consent is known before what asks for it.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use lapin::message::Delivery;

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
pub(super) struct UnderWay<'a> {
    settling: FuturesOrdered<BoxFuture<'a, Result<Done, AmqpError>>>,
    /// The customers of each.
    whose: VecDeque<BTreeSet<String>>,
}

impl<'a> UnderWay<'a> {
    pub fn is_empty(&self) -> bool {
        self.settling.is_empty()
    }

    /// Whether a batch may begin beside those that are under way.
    pub fn has_room_for(&self, batch: &Batch) -> bool {
        self.whose.len() < AT_ONCE && !batch.customers().any(|c| self.whose.iter().any(|w| w.contains(c)))
    }

    pub fn begin(
        &mut self,
        batch: Batch,
        settle: impl FnOnce(Batch) -> BoxFuture<'a, Result<Done, AmqpError>>,
    ) {
        self.whose.push_back(batch.customers().cloned().collect());
        self.settling.push_back(settle(batch));
    }

    /// Goes on with all of them until the first is done; none when there is none. Can be dropped and asked again.
    pub async fn next(&mut self) -> Option<Result<Done, AmqpError>> {
        let done = self.settling.next().await;
        if done.is_some() {
            self.whose.pop_front();
        }
        done
    }
}
