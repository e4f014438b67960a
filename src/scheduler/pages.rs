//! The customers of a sweep, a page at a time: whom its tick may concern is found out before anybody is locked, and the
//! next page is read while this one is worked at.
//!
//! Decides nothing: it leaves out those for whom the core says, by their profiles alone, that nothing begins. The others
//! are locked, loaded and decided about as ever. Who changes between the look and the lock is judged as of one of these
//! two instants, as is everyone who changes while a sweep goes by.

use chrono::NaiveDate;
use tokio_util::task::AbortOnDropHandle;

use crate::active::Active;
use crate::domain::customer::Profile;
use crate::domain::decide::{self, Tick};
use crate::domain::rules::timing::month_days_kept_on;
use crate::domain::rules::{Rule, Trigger};
use crate::domain::snapshot::Verdicts;
use crate::domain::ticks::Scope;
use crate::store::{Store, StoreError, Sweep, SweepState, Tx};
use crate::telemetry::tally;
use crate::{guard, telemetry};

/// Customers looked at together. Of a page the ids of those concerned are kept, their profiles are not.
const PAGE: u32 = 5_000;

/// Customers of one step of a sweep. Larger ones hold locks longer than the intake should wait.
const CUSTOMERS_AT_ONCE: usize = 500;

/// The customers that come next in a sweep.
pub(super) struct Page {
    /// Where the sweep stands before them.
    pub sweep: Sweep,
    /// Those whom the tick may concern, in id order.
    whom: Vec<String>,
    /// What is known of the others.
    passed_over: Verdicts,
    /// The last customer looked at.
    end: String,
    /// Nobody comes after them.
    last: bool,
}

impl Page {
    /// Looks at the customers after the sweep's cursor.
    pub async fn read(tx: &mut Tx, active: &Active, sweep: Sweep) -> Result<Self, StoreError> {
        let mut page = Self {
            whom: Vec::new(),
            passed_over: Verdicts::default(),
            end: sweep.cursor.clone(),
            last: true,
            sweep,
        };
        if let Some(rule) = active.book.active.rules.get(&page.sweep.rule) {
            let seen = page.look(tx, active, rule).await?;
            page.last = seen < PAGE as usize;
        }
        Ok(page)
    }

    /// Reads a page; how many customers it has.
    async fn look(&mut self, tx: &mut Tx, active: &Active, rule: &Rule) -> Result<usize, StoreError> {
        let after = self.sweep.cursor.clone();
        let (zone, tick) = (self.sweep.zone.clone(), tick_of(&self.sweep));
        let found = match &rule.trigger {
            Trigger::Anniversary { attribute, leap_day, .. } => {
                let Ok(date) = tick.local.parse::<NaiveDate>() else { return Ok(0) };
                let month_days = month_days_kept_on(date, *leap_day);
                tx.customers_with_date(attribute, &zone, &month_days, &after, PAGE).await?
            }
            Trigger::Schedule { audience, .. } => {
                let zone = match Scope::from_key(&zone) {
                    Scope::Everyone(_) => None,
                    Scope::Zone(zone) => Some(zone),
                };
                if audience.is_some() {
                    let mut seen = 0;
                    let take = |id: String, profile: &str| {
                        seen += 1;
                        self.consider(active, rule, &tick, id, profile);
                    };
                    tx.profiles_in_zone(zone.as_deref(), &after, PAGE, take).await?;
                    return Ok(seen);
                }
                tx.customers_in_zone(zone.as_deref(), &after, PAGE).await?
            }
            Trigger::Event { .. } | Trigger::Absent { .. } => return Ok(0),
        };
        self.end = found.last().cloned().unwrap_or(after);
        self.whom = found;
        Ok(self.whom.len())
    }

    /// Keeps a customer unless the profile says that nothing begins. One that cannot be read, or for whom the core panics,
    /// is kept as well: the failure shows again under the lock, where it is dealt with.
    fn consider(&mut self, active: &Active, rule: &Rule, tick: &Tick, id: String, profile: &str) {
        self.end.clone_from(&id);
        let known = Profile::read_partly(profile, |attribute| decide::looks_at(rule, attribute));
        let answer =
            known.map(|profile| guard::catch(|| decide::passed_over(&active.book, &id, &profile, tick)));
        match answer {
            Ok(Ok(Some(verdicts))) => self.passed_over.skipped.extend(verdicts.skipped),
            Ok(Ok(None) | Err(_)) | Err(_) => self.whom.push(id),
        }
    }

    /// The next few customers of the page. The sweep stands behind them then.
    pub fn take(&mut self) -> Vec<String> {
        // What would be a small rest goes along: a step has its price, whatever its size.
        let few =
            if self.whom.len() < CUSTOMERS_AT_ONCE * 3 / 2 { self.whom.len() } else { CUSTOMERS_AT_ONCE };
        let rest = self.whom.split_off(few);
        let taken = std::mem::replace(&mut self.whom, rest);
        if self.whom.is_empty() {
            self.sweep.cursor.clone_from(&self.end);
            self.sweep.state = if self.last { SweepState::Done } else { SweepState::Running };
            let mut counted = tally::Batch::default();
            telemetry::decided(&std::mem::take(&mut self.passed_over), &[], &mut counted);
            tally::count(counted);
        } else if let Some(last) = taken.last() {
            self.sweep.cursor.clone_from(last);
        }
        taken
    }
}

pub(super) fn tick_of(sweep: &Sweep) -> Tick {
    Tick { rule: sweep.rule.clone(), local: sweep.tick.clone(), planned: sweep.planned_at }
}

/// The page after the step under way. Another worker may have moved the sweep on by then: it is used only where the sweep
/// still stands before it.
pub(super) enum Ahead {
    Nothing,
    Found(Box<Page>),
    Reading(AbortOnDropHandle<Result<Page, StoreError>>),
}

impl Ahead {
    /// What is left of a page, or else the one behind it, from now on read.
    pub fn behind(page: Page, store: &Store, active: std::sync::Arc<Active>) -> Self {
        if page.sweep.state == SweepState::Done {
            return Self::Nothing;
        }
        if !page.whom.is_empty() {
            return Self::Found(Box::new(page));
        }
        let store = store.clone();
        let reading = async move {
            let mut tx = store.begin_to_read().await?;
            let next = Page::read(&mut tx, &active, page.sweep).await?;
            tx.rollback().await?;
            Ok(next)
        };
        Self::Reading(AbortOnDropHandle::new(tokio::spawn(reading)))
    }

    /// The page, when it has been read. A failure is none: the page is read again, within the step, which then fails too.
    pub async fn ready(&mut self) -> Option<Page> {
        match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => None,
            Self::Found(page) => Some(*page),
            Self::Reading(handle) => handle.await.ok()?.ok(),
        }
    }
}
