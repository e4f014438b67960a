//! The history that the database keeps, customer by customer.

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;

use crate::cli::{Failure, environment};
use crate::domain::consent::Ledger;
use crate::domain::snapshot::Snapshot;
use crate::simulate::story::Group;
use crate::store::{CustomerState, Store, StoreError};

/// Customers read at once, with their events.
const PAGE: u32 = 1_000;

/// All customers in pages, each as they were at an instant, and their events since.
pub(super) struct History {
    runtime: Handle,
    store: Store,
    since: DateTime<Utc>,
    /// The last customer read; none once there are no more.
    after: Option<String>,
}

impl History {
    /// Must be called within the runtime, and read outside of its threads.
    pub fn new(store: Store, since: DateTime<Utc>) -> Self {
        Self { runtime: Handle::current(), store, since, after: Some(String::new()) }
    }

    async fn page(&self, after: &str) -> Result<Option<(Group, String)>, StoreError> {
        let rows = self.store.customers(after, PAGE).await?;
        let Some(last) = rows.last().map(|row| row.customer_id.clone()) else { return Ok(None) };
        // Of whoever was erased there is nothing to tell.
        let ids: Vec<String> =
            rows.into_iter().filter(|row| !row.erased).map(|row| row.customer_id).collect();
        let events = self.store.events_since(&ids, self.since).await?;
        let customers = self.store.customers_known(&ids).await?;
        let group = Group {
            customers: customers.into_values().filter_map(|customer| at(customer, self.since)).collect(),
            events: events.into_iter().map(|fact| fact.event).collect(),
            ..Group::default()
        };
        Ok(Some((group, last)))
    }
}

impl Iterator for History {
    type Item = Result<Group, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let after = self.after.take()?;
        match self.runtime.block_on(self.page(&after)).map_err(environment::failed).transpose()? {
            Ok((group, last)) => {
                self.after = Some(last);
                Some(Ok(group))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// A customer as they were at an instant; none of whom nothing had been said by then. The list of addresses never to
/// write to has no past: it is as it is now.
fn at(customer: CustomerState, instant: DateTime<Utc>) -> Option<Snapshot> {
    let profile = customer.profile.before(instant);
    let mut consents = customer.consents.0;
    consents.retain(|fact| fact.at < instant);
    let known = !profile.attributes.is_empty() || !consents.is_empty();
    known.then(|| Snapshot {
        profile,
        consents: Ledger(consents),
        customer_id: customer.customer_id,
        suppressed: customer.suppressed,
        ..Snapshot::default()
    })
}
