//! Messages whose row cannot be read: told apart from the others, known by their columns, ended without their body.
//!
//! The body stays as it is, for whoever mends it. Called by delivery and the lists.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::args::Arg;
use super::messages::read;
use super::session::Session;
use super::{StoreError, Tx};
use crate::domain::consent::Channel;
use crate::domain::message::{Lane, Message, MessageState};
use crate::domain::verdict::Reason;

/// Messages found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    pub messages: Vec<Message>,
    /// What the columns tell of those that cannot be read; `detail` says why they cannot.
    pub unreadable: Vec<Message>,
}

/// Reads messages, each by itself.
pub(super) async fn load_each(
    session: &mut Session,
    sql: String,
    args: Vec<Arg>,
) -> Result<Found, StoreError> {
    let rows: Vec<(String, String, String)> = session.fetch(sql, args).await?;
    let (mut messages, mut strange) = (Vec::with_capacity(rows.len()), Vec::new());
    for (id, state, body) in rows {
        match read(&id, &state, &body) {
            Ok(message) => messages.push(message),
            Err(error) => strange.push((id, error.to_string())),
        }
    }
    let unreadable = if strange.is_empty() { Vec::new() } else { outlines(session, &strange).await? };
    Ok(Found { messages, unreadable })
}

async fn outlines(session: &mut Session, strange: &[(String, String)]) -> Result<Vec<Message>, StoreError> {
    type Fields = (
        String,
        String,
        String,
        String,
        String,
        String,
        String,
        Option<String>,
        DateTime<Utc>,
        DateTime<Utc>,
        DateTime<Utc>,
        i64,
        String,
        i64,
    );
    let sql = format!(
        "SELECT customer_id, id, rule, occurrence, step, channel, state, reason, due_at, planned_at, expires_at,
             attempts, purpose, lane
         FROM messages WHERE id {}",
        session.dialect().among(1)
    );
    let ids = Arg::list(strange.iter().map(|(id, _)| id));
    let rows: Vec<Fields> = session.fetch(sql, vec![ids]).await?;
    let outline = |fields: Fields| {
        let (
            customer_id,
            id,
            rule,
            occurrence,
            step,
            channel,
            state,
            reason,
            due_at,
            planned_at,
            expires_at,
            ..,
        ) = fields;
        let (attempts, purpose, lane) = (fields.11, fields.12, fields.13);
        let lanes = [Lane::Transactional, Lane::Event, Lane::Bulk];
        Message {
            detail: strange.iter().find(|(strange, _)| *strange == id).map(|(_, words)| words.clone()),
            channel: Channel::parse(&channel).unwrap_or(Channel::Email),
            // A state that this build does not know says of the message only that it is not ours to send.
            state: MessageState::parse(&state).unwrap_or(MessageState::Uncertain),
            reason: reason.as_deref().and_then(Reason::parse),
            attempts: u32::try_from(attempts).unwrap_or_default(),
            lane: lanes.into_iter().find(|l| l.rank() == lane).unwrap_or_default(),
            version: String::new(),
            template: String::new(),
            context: Value::Null.into(),
            promo_code: None,
            template_hash: None,
            locale: None,
            address: None,
            reply: None,
            sent_at: None,
            priority: 0,
            fallback: None,
            slot_at: None,
            trace: None,
            customer_id,
            id,
            rule,
            occurrence,
            step,
            purpose,
            planned_at,
            expires_at,
            due_at,
        }
    };
    Ok(rows.into_iter().map(outline).collect())
}

impl Tx {
    /// Ends claimed messages that cannot be read, in the state and for the reason given; returns the ids that the token
    /// still holds.
    pub async fn end_unreadable(
        &mut self,
        token: &str,
        messages: &[Message],
    ) -> Result<Vec<String>, StoreError> {
        let held = "lease_token = $3 AND state = 'claimed'";
        end(&mut self.session, messages, token.into(), held).await
    }

    /// The same for hand-overs whose lease is over.
    pub async fn settle_unreadable(&mut self, messages: &[Message]) -> Result<Vec<String>, StoreError> {
        let expired = format!("lease_until <= {} AND state = $3", self.session.dialect().now());
        end(&mut self.session, messages, MessageState::Sending.as_str().into(), &expired).await
    }
}

async fn end(
    session: &mut Session,
    messages: &[Message],
    arg: Arg,
    condition: &str,
) -> Result<Vec<String>, StoreError> {
    let now = session.now;
    let mut ended = Vec::new();
    for message in messages {
        let sql = format!(
            "UPDATE messages SET state = $4, reason = $5, lease_until = NULL, updated_at = $6
             WHERE customer_id = $1 AND id = $2 AND {condition}"
        );
        let args = vec![
            message.customer_id.as_str().into(),
            message.id.as_str().into(),
            arg.clone(),
            message.state.as_str().into(),
            message.reason.map_or("", Reason::as_str).into(),
            now.into(),
        ];
        if session.exec(sql, args).await? > 0 {
            ended.push(message.id.clone());
        }
    }
    Ok(ended)
}
