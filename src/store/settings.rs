//! Settings that are made once and last, such as the generated secret.

use super::{Store, StoreError};

impl Store {
    /// The value of a setting, if it was ever put.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM settings WHERE key = $1";
        let row: Option<(String,)> = self.reading().await?.first(sql, vec![key.into()]).await?;
        Ok(row.map(|(value,)| value))
    }

    /// Puts a setting unless it is there, and returns the value that holds: the same for all who ask at once. Where it is
    /// there nothing is written, and no writer waited for.
    pub async fn put_setting_if_absent(&self, key: &str, value: &str) -> Result<String, StoreError> {
        if let Some(there) = self.setting(key).await? {
            return Ok(there);
        }
        let sql = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        self.writing().await?.exec(sql, vec![key.into(), value.into()]).await?;
        self.setting(key)
            .await?
            .ok_or_else(|| StoreError::Other(format!("setting {key} is gone as soon as it was put")))
    }
}
