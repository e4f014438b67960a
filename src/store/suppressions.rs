//! The suppression list: addresses that are never written to again, listed, added and taken off by people. What adds to
//! it by itself does so in [`Changes`](super::Changes).

use chrono::{DateTime, Utc};

use super::profiles::comparable_address;
use super::{Store, StoreError};

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct SuppressionRow {
    /// `email` or `sms`.
    pub channel: String,
    /// Trimmed, in lower case; `hash:` and a keyed hash where its owner was erased.
    pub address: String,
    /// As a [`Reason`](crate::domain::verdict::Reason) is written.
    pub reason: String,
    pub at: DateTime<Utc>,
    pub detail: Option<String>,
}

type Fields = (String, String, String, DateTime<Utc>, Option<String>);

fn row((channel, address, reason, at, detail): Fields) -> SuppressionRow {
    SuppressionRow { channel, address, reason, at, detail }
}

impl Store {
    /// The latest first; with `address`, only that one.
    pub async fn suppressions(
        &self,
        address: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SuppressionRow>, StoreError> {
        let sql =
            "SELECT channel, address, reason, at, detail FROM suppressions WHERE address = $1 OR $1 = ''
             ORDER BY at DESC, channel, address LIMIT $2";
        let address = address.map(comparable_address).unwrap_or_default();
        let args = vec![address.as_str().into(), i64::from(limit).into()];
        let rows: Vec<Fields> = self.reading().await?.fetch(sql, args).await?;
        Ok(rows.into_iter().map(row).collect())
    }

    /// Takes an address off the list, on every channel; what was taken off.
    pub async fn remove_suppressions(&self, address: &str) -> Result<Vec<SuppressionRow>, StoreError> {
        let sql =
            "DELETE FROM suppressions WHERE address = $1 RETURNING channel, address, reason, at, detail";
        let address = comparable_address(address);
        let rows: Vec<Fields> = self.writing().await?.fetch(sql, vec![address.as_str().into()]).await?;
        Ok(rows.into_iter().map(row).collect())
    }
}
