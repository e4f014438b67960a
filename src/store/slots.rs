//! What frequency caps count, and who else waits for the same room.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::messages::READ;
use super::unreadable::load_each;
use super::{StoreError, Tx};
use crate::domain::caps::Slot;
use crate::domain::consent::Channel;
use crate::domain::message::Message;

impl Tx {
    /// The messages of these customers that may have reached them since `since`. With the customers locked, nobody
    /// else can take a slot until the transaction ends: that is what makes caps exact.
    pub async fn slots(
        &mut self,
        customers: &[String],
        since: DateTime<Utc>,
    ) -> Result<BTreeMap<String, Vec<Slot>>, StoreError> {
        let session = &mut self.session;
        let sql = format!(
            "SELECT customer_id, id, channel, purpose, slot_at FROM messages
             WHERE customer_id {} AND slot_at IS NOT NULL AND slot_at > $2",
            session.dialect().among(1)
        );
        type Fields = (String, String, String, String, DateTime<Utc>);
        let rows: Vec<Fields> = session.fetch(sql, vec![Arg::list(customers), since.into()]).await?;
        let mut slots: BTreeMap<String, Vec<Slot>> = BTreeMap::new();
        for (customer, message_id, channel, purpose, at) in rows {
            let channel = Channel::parse(&channel).unwrap_or(Channel::Email);
            let slot = Slot { message_id, channel, purpose, at };
            slots.entry(customer).or_default().push(slot);
        }
        Ok(slots)
    }

    /// The messages of these customers that are due and not yet on their way, whoever has claimed them, but for those
    /// known already. One that cannot be read takes nobody's room.
    ///
    /// The state is asked for as an expression so that no index on what is open is read, which is as long as the backlog:
    /// these few are found by their customers.
    pub async fn waiting_beside(
        &mut self,
        customers: &[String],
        known: &[&str],
        now: DateTime<Utc>,
    ) -> Result<Vec<Message>, StoreError> {
        let d = self.session.dialect();
        let sql = format!(
            "SELECT {READ} FROM messages
             WHERE customer_id {} AND state || '' IN ('pending', 'deferred', 'claimed') AND due_at <= $2 AND NOT (id {})",
            d.among(1),
            d.among(3)
        );
        let args = vec![Arg::list(customers), now.into(), Arg::list(known)];
        Ok(load_each(&mut self.session, sql, args).await?.messages)
    }
}
