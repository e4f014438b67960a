//! What customers wrote from their telephones: listed for people to read, and forgotten in time.

use chrono::{DateTime, Utc};

use super::{Store, StoreError};

/// A message from a telephone, as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundText {
    pub id: String,
    pub received_at: DateTime<Utc>,
    /// When it was written, by the provider.
    pub at: DateTime<Utc>,
    /// In E.164 where it is a number.
    pub sender: String,
    pub recipient: String,
    pub body: String,
    /// `stop` or `other`.
    pub meaning: String,
    /// How many customers have this number, or had it when an SMS went there.
    pub customers: i64,
}

impl Store {
    /// What came from telephones, the latest received first; with `meaning`, only what means that.
    pub async fn inbound(&self, meaning: Option<&str>, limit: u32) -> Result<Vec<InboundText>, StoreError> {
        type Fields = (String, DateTime<Utc>, DateTime<Utc>, String, String, String, String, i64);
        let sql = "SELECT id, received_at, at, sender, recipient, body, meaning, customers FROM sms_inbound
             WHERE meaning = $1 OR $1 = '' ORDER BY received_at DESC, id DESC LIMIT $2";
        let args = vec![meaning.unwrap_or_default().into(), i64::from(limit).into()];
        let rows: Vec<Fields> = self.reading().await?.fetch(sql, args).await?;
        Ok(rows
            .into_iter()
            .map(|(id, received_at, at, sender, recipient, body, meaning, customers)| InboundText {
                id,
                received_at,
                at,
                sender,
                recipient,
                body,
                meaning,
                customers,
            })
            .collect())
    }

    /// Forgets what came from telephones before `before`. The proof of a STOP is in the ledger and stays.
    pub async fn forget_inbound(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sms_inbound WHERE received_at < $1";
        self.writing().await?.exec(sql, vec![before.into()]).await
    }
}
