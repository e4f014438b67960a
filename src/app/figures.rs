//! Adding to the database what this worker has counted, for whoever looks back, and forgetting what is old.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::delivery::pauses::Pauses;
use crate::domain::figures::Trouble;
use crate::intake;
use crate::store::{Store, StoreError};
use crate::telemetry::tally;

/// How often to write, in seconds of real time: what a crash loses at most.
const EVERY: u32 = 10;

/// How often to forget, in seconds of real time.
const FORGOTTEN_EVERY: u32 = 3_600;

/// How long figures are kept: a month, and some days to compare with.
const KEPT: TimeDelta = TimeDelta::days(35);

pub(super) struct Figures {
    pub store: Store,
    pub clock: Clock,
    /// They know whether the database answers.
    pub pauses: Pauses,
    /// The broker's, where there is one.
    pub broker: Option<intake::Status>,
}

impl Figures {
    /// Counts the seconds of what is wrong, and writes now and then, until told to stop. What the other parts count until
    /// they have ended is for [`write()`] to write then.
    pub async fn run(self, shutdown: CancellationToken) {
        tally::begin(self.clock.clone());
        let mut seconds: u32 = 0;
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                () = shutdown.cancelled() => return,
            }
            self.look();
            seconds = seconds.wrapping_add(1);
            // That the database is away is said by others; nothing is lost by it.
            if seconds.is_multiple_of(EVERY) {
                let _ = write(&self.store).await;
            }
            if seconds % FORGOTTEN_EVERY == EVERY {
                let _ = self.store.forget_figures(self.clock.now() - KEPT).await;
            }
        }
    }

    /// Notes what is wrong in this second.
    fn look(&self) {
        tally::note(Trouble::Database, !self.pauses.are_known());
        if let Some(broker) = &self.broker {
            tally::note(Trouble::Broker, !broker.connected());
        }
        tally::second();
    }
}

/// Adds to the database what was counted and is not there yet. Where the answer to a statement that was done is lost, its
/// counts are added twice: rare, and for looking only.
pub(super) async fn write(store: &Store) -> Result<(), StoreError> {
    loop {
        let figures = tally::take();
        if figures.is_empty() {
            return Ok(());
        }
        if let Err(error) = store.add_figures(&figures).await {
            tally::keep(figures);
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::domain::figures::Grain;
    use crate::domain::snapshot::{Skip, Verdicts};
    use crate::domain::verdict::Reason;
    use crate::telemetry;

    /// An entry that did not begin, of a rule that no other test knows.
    fn skip() {
        let (rule, reason) = ("only-here".to_owned(), Reason::TooOld);
        let skip = Skip { rule, occurrence: "o".to_owned(), step: None, reason, detail: None };
        let mut counted = tally::Batch::default();
        telemetry::decided(&Verdicts { skipped: vec![skip], ..Verdicts::default() }, &[], &mut counted);
        tally::count(counted);
    }

    #[tokio::test]
    async fn what_a_database_that_is_away_did_not_take_is_added_later_and_once() {
        let now: DateTime<Utc> = "2026-11-23T10:03:00Z".parse().unwrap();
        let clock = Clock::manual(now);
        // Without its tables it takes nothing.
        let store = Store::open("sqlite::memory:", 1).await.unwrap();
        tally::begin(clock.clone());
        skip();
        assert!(write(&store).await.is_err());
        skip();
        assert!(write(&store).await.is_err());
        clock.set(now + TimeDelta::minutes(5));
        skip();
        store.migrate().await.unwrap();
        write(&store).await.unwrap();
        write(&store).await.unwrap();
        let figures = store
            .figures_of("only-here", now - TimeDelta::hours(1), now + TimeDelta::hours(1), Grain::Slot)
            .await;
        let told: Vec<String> = figures.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "2026-11-23T10:00Z entries only-here//too_old 2",
                "2026-11-23T10:05Z entries only-here//too_old 1"
            ]
        );
    }
}
