//! Keeps one session up: binds, carries it, and binds again when it is lost, slower each time that fails.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Inner;
use super::board::{Board, Slot};
use super::connect::{Line, Role};
use super::session::Session;
use super::status::Failure;
use crate::broker::backoff;

/// A session that lived this long was a good one, whatever went over it.
const STABLE: Duration = Duration::from_secs(60);
/// Where the pauses begin after a refused bind: some providers lock an account after a few.
const AFTER_REFUSAL: u32 = 4;

/// What a link shows on the board, where it can send. Shows that it is closed however the link ends.
struct Shown<'a> {
    board: &'a Board,
    place: Option<usize>,
}

impl Shown<'_> {
    fn set(&self, slot: Slot) {
        if let Some(place) = self.place {
            self.board.set(place, slot);
        }
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.set(Slot::Closed);
    }
}

impl Inner {
    /// Until the channel is closed. `place`: among the links of its role.
    pub(super) async fn keep(&self, role: Role, place: usize) {
        let shown = Shown { board: &self.board, place: (role != Role::Receives).then_some(place) };
        let seed = format!("{} {} {role:?} {place}", self.dialer, self.config.system_id);
        let mut attempt = 0;
        loop {
            let dialed = tokio::select! {
                dialed = self.dialer.dial(role) => dialed,
                () = self.stop.cancelled() => return,
            };
            match dialed {
                Ok(line) => {
                    let (useful, why) = self.carry(line, &shown).await;
                    if self.stop.is_cancelled() {
                        return;
                    }
                    tracing::warn!(provider = %self.dialer, ?role, why, "the SMPP session is lost");
                    metrics::counter!("declic_smpp_disconnects_total").increment(1);
                    attempt = if useful { 0 } else { attempt + 1 };
                    let down = Slot::Down(Failure::Lost(why));
                    shown.set(if useful { Slot::Connecting } else { down });
                }
                Err(failure) => {
                    tracing::warn!(provider = %self.dialer, ?role, why = failure.words(), "no SMPP session");
                    attempt += 1;
                    if matches!(failure, Failure::Refused(_)) {
                        attempt = attempt.max(AFTER_REFUSAL);
                    }
                    shown.set(Slot::Down(failure));
                }
            }
            tokio::select! {
                () = sleep(backoff(attempt, &seed)) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Carries a session to its end; tells whether it was a good one, and why it ended.
    async fn carry(&self, line: Line, shown: &Shown<'_>) -> (bool, String) {
        let began = Instant::now();
        tracing::info!(provider = %self.dialer.describe(&line), "the SMPP session is up");
        let (session, units) = Session::new(self.limits);
        let session = Arc::new(session);
        shown.set(Slot::Bound(Arc::clone(&session)));
        let _counted = Counted::new();
        let why = session.run(line, units, &self.inbox, &self.stop).await;
        (session.was_useful() || began.elapsed() > STABLE, why)
    }
}

/// One bound session, counted while this lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::gauge!("declic_smpp_sessions").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("declic_smpp_sessions").decrement(1.0);
    }
}
