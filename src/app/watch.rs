//! Watching the work that waits: the gauges that alarms look at, and the brake of the intake.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::message::MessageState;
use crate::intake::Brake;
use crate::store::{Counts, Store};
use crate::telemetry;

/// How often to look, in real time: an outbox grows by some ten thousand messages meanwhile.
const EVERY: Duration = Duration::from_secs(5);

pub(super) struct Watch {
    pub store: Store,
    pub clock: Clock,
    pub brake: Brake,
    /// Messages that may wait before the intake slows down.
    pub outbox_limit: u64,
    /// Where each look is told, for the console.
    pub looked: watch::Sender<Option<Counts>>,
}

impl Watch {
    /// Looks until told to stop.
    pub async fn run(self, metrics: PrometheusHandle, shutdown: CancellationToken) {
        let mut braking = false;
        while !shutdown.is_cancelled() {
            // Lets the histograms drop what is old.
            metrics.run_upkeep();
            telemetry::machine();
            let (connections, idle) = self.store.connections();
            telemetry::database_pool(connections, idle);
            // A database that is away is others' news; the intake cannot get ahead of it.
            if let Ok(counts) = self.store.counts(self.clock.now()).await {
                self.show(&counts);
                self.looked.send_replace(Some(counts.clone()));
                let waiting = waiting(&counts);
                let pause = self.brake.set(waiting, self.outbox_limit);
                if braking == pause.is_zero() {
                    braking = !braking;
                    telemetry::intake_slowed(braking, waiting, self.outbox_limit);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    fn show(&self, counts: &Counts) {
        let now = self.clock.now();
        let age = |at: Option<chrono::DateTime<chrono::Utc>>| {
            at.map_or(0.0, |at| (now - at).num_milliseconds() as f64 / 1000.0)
        };
        telemetry::backlog(&counts.messages, age(counts.oldest_due_message), age(counts.oldest_due_entry));
    }
}

/// Messages that wait for a sender. Those deferred wait for their hour, which no slower intake brings nearer.
fn waiting(counts: &Counts) -> u64 {
    let waiting = counts.messages.get(&MessageState::Pending).copied().unwrap_or_default();
    u64::try_from(waiting).unwrap_or_default()
}
