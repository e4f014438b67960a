//! A page of a sweep with a customer for whom it always fails: the others are taken one part after the other, and the sweep
//! goes on behind them.

use super::Scheduler;
use crate::domain::decide::Tick;
use crate::store::{StoreError, Sweep};

impl Scheduler {
    /// Does a page whose transaction was rolled back, in parts, and moves its sweep on from `cursor` to where `sweep`
    /// stands. Another worker may do the same page meanwhile: entries are known by their keys, and one moves the sweep.
    pub(super) async fn in_parts(
        &self,
        tick: &Tick,
        customers: Vec<String>,
        cursor: &str,
        sweep: &Sweep,
    ) -> Result<(), StoreError> {
        self.processor.tick_in_parts(tick, &sweep.zone, customers).await?;
        let mut tx = self.store.begin().await?;
        tx.advance_sweep_from(cursor, sweep).await?;
        tx.commit().await
    }
}
