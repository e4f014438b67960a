//! Handing a group over and writing down what became of it, side by side: the connections go on while answers are recorded.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::admission::Admitted;
use super::dispatch::{Dispatcher, MOST_GROUPED, PAUSE_AFTER_FAILURE};
use super::flow::{Pass, is_urgent};
use super::{poison, record};
use crate::channels::{Answer, Parcel};
use crate::domain::message::{Message, MessageState};
use crate::domain::outcome::Outcome;
use crate::domain::steps::basis;
use crate::handoff::Lease;
use crate::store::{Changes, StoreError};
use crate::telemetry::spans;
use crate::{failpoint, telemetry};

/// A message that may go, with what it takes of the provider's limits and its span.
pub(super) type Ready = (Pass, Span, Admitted);

/// What a hand-over has come to; no answer where it did not begin.
type Answered = (Message, Span, Option<Answer>);

/// How long the first of some answers waits for others before they are recorded: a commit costs as much as many rows.
const GATHERED_FOR: Duration = Duration::from_millis(50);

impl Dispatcher {
    /// Hands over what was admitted and marked, and records what became of each.
    pub(super) async fn hand_over(
        &self,
        ready: Vec<Ready>,
        lease: &Lease,
        shutdown: &CancellationToken,
    ) -> Result<(), StoreError> {
        let answers = stream::iter(ready)
            .map(|(mut pass, span, (message, mut parcel, shuts_at))| async move {
                let _connection = self.flow.connection(is_urgent(&message)).await;
                // A worker that slept, is asked to stop, or has just lost its provider does not begin: the message is
                // certainly not sent. Nor does one whose message was paused, or waited
                // here until its hours were over.
                let late = lease.ends.comes_within(self.send_deadline) || self.clock.now() >= shuts_at;
                let held = self.pauses.stop(&message);
                if shutdown.is_cancelled() || late || held || !self.flow.may_begin(pass.probe()) {
                    return (message, span, None);
                }
                pass.spend();
                let began = Instant::now();
                let dialogue = spans::hand_over(&span, &message);
                if let Parcel::Sms(sms) = &mut parcel {
                    sms.trace = spans::below(&dialogue, message.trace);
                }
                let handing = poison::hand_over(&self.outlet, &parcel, &message);
                let answer = handing.instrument(dialogue.clone()).await;
                spans::answered(&dialogue, answer.class());
                telemetry::answered(message.channel, answer.class(), began.elapsed().as_secs_f64());
                self.flow.note(&answer, &pass);
                if let (Parcel::Sms(sms), Answer::Accepted { .. }) = (&parcel, &answer) {
                    telemetry::sms_accepted(&sms.rule, sms.segments);
                }
                (message, span, Some(answer))
            })
            .buffer_unordered(self.connections.max(1));
        let (answered, mut to_record) = mpsc::unbounded_channel();
        let handing_over = async move {
            let mut answers = pin!(answers);
            while let Some(answer) = answers.next().await {
                // Nobody listens any more only where recording has failed, which ends both.
                let _ = answered.send(answer);
            }
            Ok(())
        };
        let recording = async {
            let mut group = Vec::new();
            while gather(&mut to_record, &mut group).await {
                failpoint::reach("delivery.answered");
                self.record(std::mem::take(&mut group), &lease.token).await?;
            }
            Ok(())
        };
        tokio::try_join!(handing_over, recording).map(drop)
    }

    async fn record(&self, group: Vec<Answered>, token: &str) -> Result<(), StoreError> {
        let active = self.shelf.get();
        let now = self.clock.now();
        let (mut updates, mut changes) = (Vec::new(), Changes::default());
        let mut open = Vec::new();
        for (message, span, answer) in group {
            let Some(answer) = answer else {
                updates.push(record::not_begun(message));
                continue;
            };
            let basis = basis(&active.book.active.policy, &message.purpose);
            let message = record::after(message, answer, basis, now, &mut changes);
            changes.outcomes.extend(spans::told(&span, Outcome::of_message(&message, now)));
            spans::became(&span, &message);
            open.push(span);
            telemetry::handed_over(&message);
            if message.state == MessageState::Sent {
                let delay = (now - message.planned_at).num_milliseconds() as f64 / 1000.0;
                telemetry::sent_after(message.channel, delay);
            }
            updates.push(message);
        }
        self.insist_on_recording(token, &updates, &changes).await?;
        open.iter().for_each(spans::end);
        Ok(())
    }

    /// The mails are out; only this record says so. A database that is away is waited for as long as this process may
    /// live: whoever settles the message meanwhile as `uncertain` is corrected by the token.
    async fn insist_on_recording(
        &self,
        token: &str,
        updates: &[Message],
        changes: &Changes,
    ) -> Result<(), StoreError> {
        loop {
            match self.try_recording(token, updates, changes).await {
                Err(error) if error.is_transient() => {
                    telemetry::waiting_for("database", &error.to_string());
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
                result => return result,
            }
        }
    }

    async fn try_recording(
        &self,
        token: &str,
        updates: &[Message],
        changes: &Changes,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        let others = record::write(&mut tx, token, updates, changes, self.clock.now()).await?;
        failpoint::reach("delivery.recorded");
        tx.commit().await?;
        failpoint::reach("delivery.done");
        telemetry::fell_back(&others);
        Ok(())
    }
}

/// Takes what comes within a while of the first, or all there is when no more will come; false when there is nothing.
async fn gather<T>(from: &mut mpsc::UnboundedReceiver<T>, group: &mut Vec<T>) -> bool {
    if from.recv_many(group, MOST_GROUPED).await == 0 {
        return false;
    }
    let others = async {
        while group.len() < MOST_GROUPED && from.recv_many(group, MOST_GROUPED - group.len()).await > 0 {}
    };
    let _enough_or_in_time = tokio::time::timeout(GATHERED_FOR, others).await;
    true
}
