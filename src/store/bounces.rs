//! Bounces and complaints: kept as they are reported, settled with the message that they are about.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::args::{Arg, json_text};
use super::messages;
use super::rows::Rows;
use super::sealed::Sought;
use super::session::{Session, read_json};
use super::unreadable::load_each;
use super::{Store, StoreError, Tx};
use crate::domain::bounce::Kind;
use crate::domain::bounce::notice::Notice;
use crate::domain::customer::comparable_address;
use crate::domain::hex;
use crate::domain::message::Message;

/// A report, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct BounceRow {
    /// The same for the same report.
    pub id: String,
    /// Of the message that it says it is about; empty where it names an address only.
    pub message_id: String,
    pub kind: Kind,
    /// RFC 3463.
    pub status: Option<String>,
    pub detail: Option<String>,
    /// One of them must be the message's own for the report to be believed; none where its return path, or who told it,
    /// vouches for it.
    pub recipients: Option<Vec<String>>,
}

impl BounceRow {
    /// What somebody whom we trust tells, about the message that it names or else about the address.
    pub fn told(notice: &Notice) -> Self {
        let address = notice.address.clone().filter(|_| notice.message.is_none());
        Self {
            id: hex::encode(&Sha256::digest(notice.id.as_bytes())[..16]),
            message_id: notice.message.clone().unwrap_or_default(),
            kind: notice.kind,
            status: notice.status.clone(),
            detail: Some(notice.detail.clone()),
            recipients: address.map(|address| vec![address]),
        }
    }

    /// Whether it may be believed about this message.
    pub fn is_about(&self, message: &Message) -> bool {
        let Some(recipients) = &self.recipients else { return true };
        let to = message.address.as_deref().map(comparable_address);
        to.is_some_and(|to| recipients.iter().any(|named| comparable_address(named) == to))
    }
}

const READ: &str = "b.id, b.message_id, b.kind, b.status, b.detail, b.recipients";

type Fields = (String, String, String, Option<String>, Option<String>, Option<String>);

fn read(fields: Fields) -> Result<BounceRow, StoreError> {
    let (id, message_id, kind, status, detail, recipients) = fields;
    let recipients = match recipients {
        Some(text) => Some(read_json("bounces", || id.clone(), "recipients", &text)?),
        None => None,
    };
    // What a later build calls it is at least no reason to suppress anybody for ever.
    let kind = Kind::parse(&kind).unwrap_or(Kind::Soft);
    Ok(BounceRow { id, message_id, kind, status, detail, recipients })
}

impl Store {
    /// Keeps reports until their message is known; one known already stays as it is. How many were new.
    pub async fn keep_bounces(&self, rows: &[BounceRow]) -> Result<u64, StoreError> {
        insert(&mut self.writing().await?, rows).await
    }

    /// Reports that wait and whose message is out of our hands, the oldest first, each with its message, where that can be
    /// read.
    pub async fn due_bounces(&self, limit: u32) -> Result<Vec<(BounceRow, Option<Message>)>, StoreError> {
        let session = &mut self.reading().await?;
        let sql = format!(
            "SELECT {READ} FROM bounces b JOIN messages m ON m.id = b.message_id
             WHERE b.settled_at IS NULL AND m.state NOT IN {}
             ORDER BY b.received_at, b.id LIMIT $1",
            messages::OPEN
        );
        let rows: Vec<Fields> = session.fetch(sql, vec![i64::from(limit).into()]).await?;
        let rows = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let messages = with_messages(session, &rows, "").await?;
        Ok(pairs(rows, &messages).collect())
    }

    /// Reports that name an address and no message, the oldest first.
    pub async fn nameless_bounces(&self, limit: u32) -> Result<Vec<BounceRow>, StoreError> {
        let sql = format!(
            "SELECT {READ} FROM bounces b WHERE b.settled_at IS NULL AND b.message_id = ''
             ORDER BY b.received_at, b.id LIMIT $1"
        );
        let rows: Vec<Fields> = self.reading().await?.fetch(sql, vec![i64::from(limit).into()]).await?;
        rows.into_iter().map(read).collect()
    }

    /// The last mail that has gone to an address, of the customers who have it now.
    pub async fn last_mail_to(&self, address: &str) -> Result<Option<Message>, StoreError> {
        let mut session = self.reading().await?;
        let sql = format!(
            "SELECT {} FROM messages WHERE id = (
                 SELECT m.id FROM customers c JOIN messages m ON m.customer_id = c.customer_id
                 WHERE c.email {} AND m.channel = 'email'
                   AND m.state IN ('sent', 'delivered', 'uncertain', 'bounced', 'complained')
                 ORDER BY m.planned_at DESC, m.id LIMIT 1)",
            messages::READ,
            session.dialect().among(1)
        );
        let address = comparable_address(address);
        let kept_as = Arg::list(session.vault.customers.all_kept_as(Sought::Email, &address));
        Ok(load_each(&mut session, sql, vec![kept_as]).await?.messages.into_iter().next())
    }

    /// Says which message a report is about that named an address only.
    pub async fn name_bounce(&self, id: &str, message: &str) -> Result<(), StoreError> {
        let sql = "UPDATE bounces SET message_id = $2 WHERE id = $1 AND message_id = ''";
        self.writing().await?.exec(sql, vec![id.into(), message.into()]).await.map(drop)
    }

    /// Forgets reports received before `before`, about messages that nobody knows among them.
    pub async fn forget_bounces(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM bounces WHERE received_at < $1";
        self.writing().await?.exec(sql, vec![before.into()]).await
    }
}

impl Tx {
    /// As [`Store::keep_bounces`], with all else of the transaction or not at all.
    pub async fn keep_bounces(&mut self, rows: &[BounceRow]) -> Result<u64, StoreError> {
        insert(&mut self.session, rows).await
    }

    /// Those of these reports that nobody has settled meanwhile, noted as settled, each with its message, which stays
    /// locked. A message that cannot be read has nothing further to follow from it.
    pub async fn settle_bounces(&mut self, ids: &[String]) -> Result<Vec<(BounceRow, Message)>, StoreError> {
        let session = &mut self.session;
        let d = session.dialect();
        let sql = format!(
            "SELECT {READ} FROM bounces b WHERE b.id {} AND b.settled_at IS NULL ORDER BY b.id {}",
            d.among(1),
            d.lock("FOR UPDATE OF b SKIP LOCKED")
        );
        let rows: Vec<Fields> = session.fetch(sql, vec![Arg::list(ids)]).await?;
        let rows = rows.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let messages = with_messages(session, &rows, d.lock("FOR UPDATE")).await?;
        let sql = format!("UPDATE bounces SET settled_at = $2, recipients = NULL WHERE id {}", d.among(1));
        session.exec(sql, vec![Arg::list(rows.iter().map(|b| &b.id)), session.now.into()]).await?;
        Ok(pairs(rows, &messages).filter_map(|(row, message)| Some((row, message?))).collect())
    }

    /// Notes that a report is settled which no message of ours is known for; false where another worker has.
    pub async fn settle_nameless(&mut self, id: &str, address: &str) -> Result<bool, StoreError> {
        let session = &mut self.session;
        let sql = "UPDATE bounces SET settled_at = $2, address = $3, recipients = NULL
             WHERE id = $1 AND message_id = '' AND settled_at IS NULL";
        let address = comparable_address(address);
        let args = vec![id.into(), session.now.into(), address.as_str().into()];
        Ok(session.exec(sql, args).await? > 0)
    }

    /// Notes whose address a settled report was about, and how many soft bounces that address has had since `since`.
    pub async fn count_soft_bounces(
        &mut self,
        id: &str,
        address: &str,
        since: DateTime<Utc>,
    ) -> Result<i64, StoreError> {
        let address = comparable_address(address);
        let session = &mut self.session;
        let sql = "UPDATE bounces SET address = $2 WHERE id = $1";
        session.exec(sql, vec![id.into(), address.as_str().into()]).await?;
        // Two reports about one mail are one bounce.
        let sql = "SELECT COUNT(DISTINCT message_id) FROM bounces WHERE kind = 'soft' AND address = $1 AND settled_at >= $2";
        let counted: Option<(i64,)> = session.first(sql, vec![address.as_str().into(), since.into()]).await?;
        Ok(counted.map_or(0, |(count,)| count))
    }

    /// Writes what reports say of messages that [`Tx::settle_bounces`] has locked; returns the ids written.
    pub async fn record_bounces(&mut self, messages: &[Message]) -> Result<Vec<String>, StoreError> {
        let handed_over =
            "messages.state <> $2 AND messages.state IN ('sent', 'delivered', 'uncertain', 'bounced')";
        messages::update(&mut self.session, messages, "complained".into(), handed_over).await
    }
}

async fn insert(session: &mut Session, rows: &[BounceRow]) -> Result<u64, StoreError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let mut sorted: Vec<(&BounceRow, Option<String>)> = Vec::new();
    for row in rows {
        sorted.push((row, row.recipients.as_ref().map(json_text).transpose()?));
    }
    sorted.sort_by_key(|(row, _)| &row.id);
    let (table, args) = Rows::of(&sorted)
        .text("id", |(b, _)| b.id.as_str())
        .text("message_id", |(b, _)| b.message_id.as_str())
        .text("kind", |(b, _)| b.kind.as_str())
        .text("status", |(b, _)| b.status.as_deref())
        .text("detail", |(b, _)| b.detail.as_deref())
        .text("recipients", |(_, recipients)| recipients.as_deref())
        .after(vec![session.now.into()], session.dialect());
    let sql = format!(
        "INSERT INTO bounces (id, message_id, kind, status, detail, recipients, received_at)
         SELECT id, message_id, kind, status, detail, recipients, $1 FROM {table} WHERE true
         ON CONFLICT DO NOTHING"
    );
    session.exec(sql, args).await
}

async fn with_messages(
    session: &mut Session,
    rows: &[BounceRow],
    lock: &str,
) -> Result<Vec<Message>, StoreError> {
    let sql = format!(
        "SELECT {} FROM messages WHERE id {} ORDER BY customer_id, id {lock}",
        messages::READ,
        session.dialect().among(1)
    );
    Ok(load_each(session, sql, vec![Arg::list(rows.iter().map(|b| &b.message_id))]).await?.messages)
}

fn pairs(rows: Vec<BounceRow>, messages: &[Message]) -> impl Iterator<Item = (BounceRow, Option<Message>)> {
    rows.into_iter().map(|row| {
        let message = messages.iter().find(|m| m.id == row.message_id).cloned();
        (row, message)
    })
}
