//! Has receipts and customers' messages kept, and tells what to answer to each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::pdu::{Delivered, Frame};
use super::receipt::Dialect;
use super::status;
use crate::channels::sms::{Incoming, IncomingSink};
use crate::clock::Clock;

/// How long the sink may take; providers wait a minute or so before they deliver again.
const LIMIT: Duration = Duration::from_secs(15);
/// Before something is refused that could not be kept: some providers deliver again at once.
const PAUSE: Duration = Duration::from_millis(500);

pub struct Inbox {
    sink: IncomingSink,
    dialect: Dialect,
    clock: Clock,
    /// Batches that the sink would not keep, one after the other: told once.
    failures: AtomicU64,
}

impl Inbox {
    pub fn new(sink: IncomingSink, dialect: Dialect, clock: Clock) -> Self {
        Self { sink, dialect, clock, failures: AtomicU64::new(0) }
    }

    /// Hands all to the sink; gives the code to answer to each, in order.
    pub async fn keep(&self, frames: &[Frame]) -> Vec<u32> {
        let now = self.clock.now();
        let mut items = Vec::new();
        let mut codes = Vec::with_capacity(frames.len());
        for frame in frames {
            let Some(delivered) = Delivered::parse(frame) else {
                tracing::warn!("an SMPP delivery was cut short and is refused");
                count("unreadable", 1);
                codes.push(Some(status::INVALID_COMMAND_LENGTH));
                continue;
            };
            match self.dialect.read(&delivered, now) {
                Some(item) => {
                    items.push(item);
                    codes.push(None);
                }
                None => {
                    // Refused, it would come for ever and be no clearer.
                    tracing::warn!("an SMPP receipt does not say for which message it is");
                    count("unreadable", 1);
                    codes.push(Some(status::OK));
                }
            }
        }
        let receipts = items.iter().filter(|item| matches!(item, Incoming::Receipt(_))).count();
        let texts = items.len() - receipts;
        let kept = if items.is_empty() { status::OK } else { self.hand_over(items).await };
        if kept == status::OK {
            count("receipt", receipts);
            count("text", texts);
        }
        codes.into_iter().map(|code| code.unwrap_or(kept)).collect()
    }

    async fn hand_over(&self, items: Vec<Incoming>) -> u32 {
        let why = match timeout(LIMIT, (self.sink)(items)).await {
            Ok(Ok(())) => {
                self.failures.store(0, Ordering::Relaxed);
                return status::OK;
            }
            Ok(Err(why)) => why,
            Err(_) => format!("not within {LIMIT:?}"),
        };
        count("not_kept", 1);
        if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                why,
                "SMPP deliveries could not be kept; the provider is asked to deliver them again"
            );
        }
        sleep(PAUSE).await;
        status::TRY_AGAIN
    }
}

fn count(kind: &'static str, by: usize) {
    metrics::counter!("declic_smpp_deliveries_total", "kind" => kind).increment(by as u64);
}
