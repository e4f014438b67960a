//! Forgetting in time: what is kept for a while only, by the policy, and what is left in the database's files after.
//!
//! Runs in the worker, in small steps, beside everything else, and by hand as `declic retention run`. Real time says how
//! often; the worker's clock says what is old.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::active::{Active, Shelf};
use crate::clock::Clock;
use crate::domain::register::Kept;
use crate::domain::retention::{Kind, Phase, Retention};
use crate::domain::rules::{ReEntry, RuleSet, Trigger};
use crate::store::{Done, Duty, Store, StoreError};
use crate::telemetry;

/// How often to look.
const EVERY: Duration = Duration::from_secs(3_600);
/// How soon to look again after the database was away.
const AGAIN: Duration = Duration::from_secs(60);

/// Steps of the walk through the customers (500 of them, or 500 rows of a kind) that one look takes at most, and the pause
/// between them: sending goes first. The next look goes on where this one stopped.
const MOST_STEPS: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(20);

/// Receipts of SMS: networks try for three days at most; a week covers those that come late or never.
const RECEIPTS_KEPT: TimeDelta = TimeDelta::days(7);
/// What customers wrote is kept for people to read; three months are time enough, where the policy says nothing else. A
/// STOP's proof is in the ledger.
const TEXTS_KEPT: TimeDelta = TimeDelta::days(90);

/// How often the database is made to let go of what was deleted: it costs reading its indexes.
const TIDIED_EVERY: TimeDelta = TimeDelta::days(1);

/// Until when it has been tidied up after erasures and deletions, as a setting: no worker does it again after a start.
const TIDIED_UNTIL: &str = "retention.tidied_until";

/// How long each kind of data is kept, for the register of processing: as the policy says, else what [`Keeper`] forgets by
/// itself, and what nothing forgets but an erasure.
pub fn kept(bounces_kept: TimeDelta, retention: &Retention) -> Vec<Kept> {
    use crate::domain::register::{Kind as What, Span};
    let days = |time: TimeDelta| Span::Days(time.num_days());
    [
        (What::Profiles, Some(Kind::Customers), Span::UntilErased),
        (What::Events, Some(Kind::Events), Span::UntilErased),
        (What::Messages, Some(Kind::Messages), Span::UntilErased),
        (What::Consents, Some(Kind::Consents), Span::AsLongAsOwed),
        (What::Suppressions, None, Span::AsLongAsOwed),
        (What::Bounces, Some(Kind::Bounces), days(bounces_kept)),
        (What::Receipts, None, days(RECEIPTS_KEPT)),
        (What::Texts, Some(Kind::Texts), days(TEXTS_KEPT)),
        (What::DeadLetters, Some(Kind::DeadLetters), Span::UntilErased),
    ]
    .map(|(what, kind, otherwise)| {
        let stated = kind.and_then(|kind| retention.of(kind));
        Kept { what, span: stated.map_or(otherwise, Span::Stated) }
    })
    .to_vec()
}

/// Forgets what is old, and tidies up after erasures.
#[derive(Debug, Clone)]
pub struct Keeper {
    pub store: Store,
    pub shelf: Shelf,
    pub clock: Clock,
    /// How long soft bounces count: reports are kept for that long at least.
    pub bounces_count: TimeDelta,
}

/// What the rules in force ask for at an instant.
pub fn duty(active: &Active, now: DateTime<Utc>) -> Duty {
    let RuleSet { rules, policy } = &active.book.active;
    // An anniversary or a tick of a schedule never comes again, and is too late by now.
    let may_again = |trigger: &Trigger, re_entry| match trigger {
        Trigger::Event { .. } | Trigger::Absent { .. } => re_entry != ReEntry::Never,
        Trigger::Anniversary { .. } | Trigger::Schedule { .. } => true,
    };
    let again = rules.values().filter(|rule| may_again(&rule.trigger, rule.re_entry));
    Duty { now, retention: policy.retention.clone(), again: again.map(|rule| rule.name.clone()).collect() }
}

impl Keeper {
    /// Looks once an hour until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut told = false;
        loop {
            let look = self.look(&shutdown);
            let pause = match look.await {
                Ok(forbidden) => {
                    if !forbidden.is_empty() && !told {
                        telemetry::may_not_make_room(&forbidden);
                        told = true;
                    }
                    EVERY
                }
                Err(error) => {
                    telemetry::waiting_for("database", &error.to_string());
                    AGAIN
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Returns the tables in which the database role may not make room.
    async fn look(&self, shutdown: &CancellationToken) -> Result<Vec<String>, StoreError> {
        self.by_time().await?;
        for _ in 0..MOST_STEPS {
            if self.step().await? || shutdown.is_cancelled() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.tidy_up().await
    }

    /// All that is over, whatever it takes: for whoever does it by hand. `tell` hears of each step. Returns the tables in which
    /// the database role may not make room.
    pub async fn whole(&self, tell: impl Fn()) -> Result<Vec<String>, StoreError> {
        self.by_time().await?;
        // From wherever the worker's own walk stands to the end, and once round.
        for _ in 0..2 {
            while !self.step().await? {
                tell();
            }
        }
        self.tidy_up().await
    }

    /// One step of the walk through the customers; whether it was the last. Without anything in the policy there is none.
    async fn step(&self) -> Result<bool, StoreError> {
        let duty = duty(&self.shelf.get(), self.clock.now());
        if duty.retention.is_empty() {
            return Ok(true);
        }
        let page = self.store.retain_page(&duty).await?;
        page.done.iter().filter(|done| done.amount > 0).for_each(count);
        Ok(page.is_last)
    }

    /// What belongs to no customer by itself and is known by when it came in.
    async fn by_time(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let retention = self.shelf.get().book.active.policy.retention.clone();
        let (texts, letters) =
            (retention.horizon(Kind::Texts, now), retention.horizon(Kind::DeadLetters, now));
        let counting = now - self.bounces_count;
        let bounces = retention.horizon(Kind::Bounces, now).map_or(counting, |before| before.min(counting));
        self.store.forget_receipts(now - RECEIPTS_KEPT).await?;
        let gone = |kind, amount| Done { kind, phase: Phase::Deleted, amount };
        let mut done = vec![
            gone(Kind::Bounces, self.store.forget_bounces(bounces).await?),
            gone(Kind::Texts, self.store.forget_inbound(texts.unwrap_or(now - TEXTS_KEPT)).await?),
        ];
        if let Some(before) = letters {
            done.push(gone(Kind::DeadLetters, self.store.forget_dead_letters(before).await?));
        }
        done.retain(|done| done.amount > 0);
        self.store.note_retained(&done).await?;
        done.iter().for_each(count);
        Ok(())
    }

    async fn tidy_up(&self) -> Result<Vec<String>, StoreError> {
        let (store, now) = (&self.store, self.clock.now());
        let until = store.setting(TIDIED_UNTIL).await?.and_then(|text| text.parse().ok());
        let until = until.unwrap_or(DateTime::UNIX_EPOCH);
        // An erasure is not to wait; what is deleted every hour is.
        let a_day_ago = until <= now - TIDIED_EVERY;
        let erased = store.was_anybody_erased_since(until).await?;
        if erased || (a_day_ago && store.was_anything_retained_since(until).await?) {
            let forbidden = store.tidy_up().await?;
            if !forbidden.is_empty() {
                // Not noted as done: a worker of another role may do it.
                return Ok(forbidden);
            }
            let mut tx = store.begin().await?;
            tx.put_setting(TIDIED_UNTIL, &now.to_rfc3339()).await?;
            tx.commit().await?;
        }
        Ok(Vec::new())
    }
}

fn count(done: &Done) {
    telemetry::retained(done.kind, done.phase, done.amount);
}
