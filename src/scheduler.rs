//! Time passing: runs timers that are due, notices the ticks of anniversaries and schedules, and sweeps the
//! customers they are for. Any number of workers may do so at once; unique keys and locks keep each thing single.

mod pages;
mod passed_over;

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::active::{Active, Shelf};
use crate::clock::Clock;
use crate::domain::rules::{Rule, Trigger};
use crate::domain::ticks::{Scope, next_tick};
use crate::process::{ProcessError, Processor};
use crate::store::{Store, StoreError, Sweep, SweepState};
use crate::supervise::Pulse;
use crate::telemetry::tally;
use crate::{failpoint, guard, telemetry};
use pages::{Ahead, Page};

/// Timers run in one transaction. Larger ones hold locks longer than the intake should wait.
const TIMERS_AT_ONCE: u32 = 500;

/// The longest sleep, in real time: what another worker or an operator changes is noticed within it.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// The pause after a failure of the database.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct Scheduler {
    pub store: Store,
    pub shelf: Shelf,
    pub clock: Clock,
    pub processor: Processor,
}

impl Scheduler {
    /// Works until told to stop; a step under way is finished first.
    pub async fn run(self, pulse: Pulse, shutdown: CancellationToken) {
        let mut ahead = Ahead::Nothing;
        while !shutdown.is_cancelled() {
            let pause = match self.pass(&mut ahead, &pulse, &shutdown).await {
                Ok(next) => {
                    let left = next.map_or(LONGEST_SLEEP, |at| self.clock.real_time_until(at));
                    left.clamp(Duration::from_millis(1), LONGEST_SLEEP)
                }
                Err(error) => {
                    telemetry::waiting_for("database", &error.to_string());
                    PAUSE_AFTER_FAILURE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Does everything that is due now: for a clock that is moved by hand.
    ///
    /// # Errors
    /// What the database says.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let (pulse, shutdown) = (Pulse::new(self.clock.clone()), CancellationToken::new());
        self.pass(&mut Ahead::Nothing, &pulse, &shutdown).await.map(|_next| ())
    }

    /// Does everything that is due now; when the next timer is due. A step of a sweep and a group of timers in turn:
    /// a newsletter for a million keeps nobody's wait from ending, and a million timers keep no newsletter waiting.
    async fn pass(
        &self,
        ahead: &mut Ahead,
        pulse: &Pulse,
        shutdown: &CancellationToken,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let mut looked: Option<Instant> = None;
        loop {
            // Hours of backlog must not hide a tick that comes meanwhile.
            if looked.is_none_or(|at| at.elapsed() >= LONGEST_SLEEP) {
                self.note_ticks().await?;
                looked = Some(Instant::now());
            }
            let swept = self.sweep_step(ahead).await?;
            let timers = self.processor.run_due(TIMERS_AT_ONCE).await?;
            pulse.beat();
            let more = swept || timers >= TIMERS_AT_ONCE as usize;
            if !more || shutdown.is_cancelled() {
                return self.store.next_due_at().await;
            }
        }
    }

    /// Records the ticks that have come since the last look, as sweeps to be made.
    async fn note_ticks(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let active = self.shelf.get();
        let rules: Vec<&Rule> = active
            .book
            .active
            .rules
            .values()
            .map(AsRef::as_ref)
            .filter(|r| {
                r.enabled && matches!(r.trigger, Trigger::Anniversary { .. } | Trigger::Schedule { .. })
            })
            .collect();
        if rules.is_empty() {
            return Ok(());
        }
        let zones = self.store.zones().await?;
        for rule in rules {
            self.note_ticks_of(&active, rule, &zones, now).await?;
        }
        Ok(())
    }

    async fn note_ticks_of(
        &self,
        active: &Active,
        rule: &Rule,
        zones: &[String],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        // A rule seen for the first time has no past: its first tick is the next one.
        let mut tx = self.store.begin().await?;
        let looked = tx.sweep_mark(&rule.name, "").await?;
        let policy = &active.book.active.policy;
        let scopes: Vec<Scope> = match Scope::of_rule(rule) {
            Some(everyone) => vec![everyone],
            None => zones.iter().cloned().map(Scope::Zone).collect(),
        };
        let mut found = Vec::new();
        for scope in scopes {
            let mut after = looked.unwrap_or(now);
            loop {
                let next = match guard::catch(|| next_tick(rule, &scope, policy, after)) {
                    Ok(next) => next,
                    // The mark is not moved: what is missed here is caught up when the rule has been mended.
                    Err(panic) => {
                        telemetry::ticks_failed(&rule.name, &panic.place);
                        return Ok(());
                    }
                };
                let Some((tick, planned_at)) = next.filter(|(_, at)| *at <= now) else { break };
                after = planned_at;
                let too_late = now - planned_at > policy.catch_up;
                // A missed birthday is recorded with each customer; a missed schedule once, for its audience was
                // never asked.
                let expired = too_late && matches!(rule.trigger, Trigger::Schedule { .. });
                found.push(Sweep {
                    rule: rule.name.clone(),
                    tick,
                    zone: scope.key(),
                    planned_at,
                    state: if expired { SweepState::Expired } else { SweepState::Running },
                    cursor: String::new(),
                });
            }
        }
        for sweep in &found {
            tx.add_sweep(sweep).await?;
        }
        tx.set_sweep_mark(&rule.name, "", now).await?;
        tx.commit().await
    }

    /// Makes one step of one sweep; false when there is none to make.
    async fn sweep_step(&self, ahead: &mut Ahead) -> Result<bool, StoreError> {
        // Waited for before the transaction begins: reading ahead takes a connection of its own.
        let page = ahead.ready().await;
        let mut tx = self.store.begin().await?;
        let Some(sweep) = tx.lock_sweep(page.as_ref().map(|page| &page.sweep)).await? else {
            return Ok(false);
        };
        let (tick, cursor) = (pages::tick_of(&sweep), sweep.cursor.clone());
        let mut page = match page.filter(|page| page.sweep == sweep) {
            Some(page) => page,
            None => Page::read(&mut tx, &self.shelf.get(), sweep).await?,
        };
        let customers = page.take();
        let sweep = page.sweep.clone();
        *ahead = Ahead::behind(page, &self.store, self.shelf.get());
        let counted = match self.processor.tick(&mut tx, &tick, &customers).await {
            Ok(counted) => counted,
            Err(ProcessError::Poison(_)) => {
                tx.rollback().await?;
                self.in_parts(&tick, customers, &cursor, &sweep).await?;
                return Ok(true);
            }
            Err(ProcessError::Store(error)) => return Err(error),
        };
        tx.advance_sweep(&sweep).await?;
        failpoint::reach("sweep.written");
        tx.commit().await?;
        failpoint::reach("sweep.committed");
        tally::count(counted);
        Ok(true)
    }
}
