//! Messages sent again, or never, by hand.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Operator;
use crate::domain::by_hand;
use crate::domain::message::Message;
use crate::domain::outcome::Outcome;
use crate::store::{Changes, Found, StoreError, Tx};

/// How many messages are acted upon in one transaction, at the most.
pub const MOST: usize = 500;

/// What became of the messages that were named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acted {
    /// The ids of those that were changed.
    pub done: Vec<String>,
    /// The ids of the others, and why each is as it was.
    pub refused: Vec<(String, String)>,
}

impl Operator {
    /// Has these messages sent again, if the gate lets them; `even_if_sent` also those that may have been accepted.
    pub async fn retry(
        &self,
        ids: &[String],
        even_if_sent: bool,
        now: DateTime<Utc>,
    ) -> Result<Acted, StoreError> {
        let mut tx = self.store.begin().await?;
        let found = tx.lock_messages(ids).await?;
        let replaced = replaced(&mut tx, &found.messages).await?;
        let (acted, messages) = sort(ids, found, |message| {
            let (_, other) = message.on_the_other_channel();
            let other = replaced.contains(&other).then_some(other.as_str());
            by_hand::retry(message, now, even_if_sent, other)
        });
        tx.put_by_hand(&messages).await?;
        let detail = even_if_sent.then_some("even if sent");
        tx.audit(&self.name, "messages retry", &acted.done, detail).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// Has these messages never sent; those that are being handed over are not stopped by it.
    pub async fn cancel(&self, ids: &[String], now: DateTime<Utc>) -> Result<Acted, StoreError> {
        let mut tx = self.store.begin().await?;
        let found = tx.lock_messages(ids).await?;
        let (acted, messages) = sort(ids, found, by_hand::cancel);
        tx.put_by_hand(&messages).await?;
        let outcomes = messages.iter().filter_map(|message| Outcome::of_message(message, now)).collect();
        tx.write(&Changes { outcomes, ..Changes::default() }).await?;
        tx.audit(&self.name, "messages cancel", &acted.done, None).await?;
        tx.commit().await?;
        Ok(acted)
    }
}

/// The ids, of those on the other channel that these messages might have, that there are.
async fn replaced(tx: &mut Tx, messages: &[Message]) -> Result<BTreeSet<String>, StoreError> {
    let others: Vec<String> = messages
        .iter()
        .filter(|message| message.fallback.is_some())
        .map(|message| message.on_the_other_channel().1)
        .collect();
    let found = tx.lock_messages(&others).await?;
    Ok(found.messages.into_iter().chain(found.unreadable).map(|message| message.id).collect())
}

fn sort(
    ids: &[String],
    found: Found,
    act: impl Fn(&Message) -> Result<Message, String>,
) -> (Acted, Vec<Message>) {
    let (mut acted, mut changed) = (Acted::default(), Vec::new());
    let there: BTreeSet<&String> =
        found.messages.iter().chain(&found.unreadable).map(|message| &message.id).collect();
    for id in ids.iter().filter(|id| !there.contains(id)) {
        acted.refused.push((id.clone(), "there is no such message".to_owned()));
    }
    for message in &found.messages {
        match act(message) {
            Ok(after) => {
                acted.done.push(message.id.clone());
                changed.push(after);
            }
            Err(why) => acted.refused.push((message.id.clone(), why)),
        }
    }
    for message in found.unreadable {
        let why = message.detail.unwrap_or_default();
        acted.refused.push((message.id, format!("it cannot be read: {why}")));
    }
    (acted, changed)
}
