//! What operators do by hand: each act in one transaction with its line in the audit log.
//!
//! Called by the command line and the console. Decides nothing about customers: what may be done to a message is said by
//! `domain::by_hand`, and whether it then goes by the gate.

mod dead_letters;
mod messages;
mod pauses;
mod record;
mod suppressions;

pub use messages::{Acted, MOST};
pub use pauses::{Quiet, wait_until_quiet};
pub use record::{RecordError, record};

use crate::store::{Store, StoreError};

/// Somebody who acts.
#[derive(Debug, Clone)]
pub struct Operator {
    pub store: Store,
    /// Their name for the audit log.
    pub name: String,
}

impl Operator {
    /// Writes down an act that is about to be done in transactions of its own.
    pub async fn note<T: AsRef<str>>(
        &self,
        action: &str,
        targets: &[T],
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        tx.audit(&self.name, action, targets, detail).await?;
        tx.commit().await
    }
}
