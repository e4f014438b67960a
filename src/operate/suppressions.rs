//! The suppression list, added to and taken off by hand.

use super::Operator;
use crate::domain::consent::Channel;
use crate::store::{Changes, StoreError, Suppression, SuppressionRow};

/// What the audit log says where there is no secret to hash an address with.
const AN_ADDRESS: &str = "an address";

impl Operator {
    /// Puts an address on the list; one that is on it already stays as it is.
    pub async fn suppress(&self, suppression: Suppression) -> Result<(), StoreError> {
        let target = self.name_of(suppression.channel, &suppression.address);
        let detail = suppression.detail.clone();
        let mut tx = self.store.begin().await?;
        tx.write(&Changes { suppressions: vec![suppression], ..Changes::default() }).await?;
        tx.audit(&self.name, "suppressions add", &[target], detail.as_deref()).await?;
        tx.commit().await
    }

    /// Takes an address off the list, and returns what it was there for.
    pub async fn unsuppress(&self, address: &str) -> Result<Vec<SuppressionRow>, StoreError> {
        let mut tx = self.store.begin().await?;
        let gone = tx.remove_suppressions(address).await?;
        for row in &gone {
            let channel = Channel::parse(&row.channel).unwrap_or(Channel::Email);
            let (target, reason) = (self.name_of(channel, address), row.reason.as_str());
            tx.audit(&self.name, "suppressions remove", &[target], Some(reason)).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }

    /// The log outlasts its people: it knows an address by the hash that the suppression list keeps after an erasure.
    fn name_of(&self, channel: Channel, address: &str) -> String {
        self.store.pseudonyms(channel, address).into_iter().next().unwrap_or_else(|| AN_ADDRESS.to_owned())
    }
}
