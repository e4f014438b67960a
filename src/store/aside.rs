//! Setting timers aside, and putting timers, messages and outcomes back where they are found again.
//!
//! Called by `process`, for what always fails and for `declic dead-letters replay`.

use chrono::{DateTime, Utc};

use super::messages::{self, READ, read};
use super::{StoreError, Tx};
use crate::domain::message::{Message, MessageState};
use crate::domain::verdict::Reason;

/// What came of putting a message back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutBack {
    /// It waits for a sender.
    Waiting,
    /// It was not set aside, or is not any more.
    Not(MessageState),
    Gone,
}

impl Tx {
    /// Takes the timers of a customer that are due at `now` out of the scheduler's sight, and returns them as (rule,
    /// occurrence, due_at). The entries stay as they are. The customer is locked first.
    pub async fn unschedule(
        &mut self,
        customer: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String, DateTime<Utc>)>, StoreError> {
        let session = &mut self.session;
        let lock = session.dialect().lock("FOR UPDATE");
        let sql = format!("SELECT customer_id FROM customers WHERE customer_id = $1 {lock}");
        session.fetch::<(String,)>(sql, vec![customer.into()]).await?;
        let due = "SELECT rule, occurrence, due_at FROM entries WHERE customer_id = $1 AND due_at <= $2
             ORDER BY rule, occurrence";
        let timers = session.fetch(due, vec![customer.into(), now.into()]).await?;
        let sql = "UPDATE entries SET due_at = NULL WHERE customer_id = $1 AND due_at <= $2";
        session.exec(sql, vec![customer.into(), now.into()]).await?;
        Ok(timers)
    }

    /// Puts a message that was set aside back into the outbox, as if it had not been tried since. `Corrupt` while it
    /// cannot be read.
    pub async fn put_back_message(&mut self, id: &str) -> Result<PutBack, StoreError> {
        let session = &mut self.session;
        let sql = format!("SELECT {READ} FROM messages WHERE id = $1");
        let row: Option<(String, String, String)> = session.first(sql, vec![id.into()]).await?;
        let Some((id, state, body)) = row else { return Ok(PutBack::Gone) };
        let message = read(&id, &state, &body)?;
        let was = message.state;
        let waiting = Message { state: MessageState::Pending, reason: None, detail: None, ..message };
        let aside = "messages.state = 'failed' AND messages.reason = $2";
        let reason = Reason::CannotBeProcessed.as_str().into();
        let put = messages::update(session, &[waiting], reason, aside).await?;
        Ok(if put.is_empty() { PutBack::Not(was) } else { PutBack::Waiting })
    }

    /// Puts an outcome back among those to publish; false when there is none.
    pub async fn put_back_outcome(&mut self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE outcomes SET published_at = NULL WHERE id = $1";
        Ok(self.session.exec(sql, vec![id.into()]).await? > 0)
    }
}
