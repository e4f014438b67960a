//! Reading all customers' telephone numbers anew: those of profiles from before numbers were kept in a column, or from
//! under a policy that supposed another country. What a number is, the caller knows.

use super::{StoreError, Tx};
use crate::domain::customer::Profile;

/// A customer whose number is to be read anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    pub customer_id: String,
    pub profile: Profile,
    /// In E.164, as it was read last.
    pub phone: Option<String>,
}

impl Tx {
    /// The next customers in id order after `after` (empty for the beginning), locked. One who cannot be read is told as
    /// somebody of whom nothing is known, so that their number stays as it is and the others get theirs.
    pub async fn numbered_after(&mut self, after: &str, limit: u32) -> Result<Vec<Numbered>, StoreError> {
        let session = &mut self.session;
        let sql = format!(
            "SELECT customer_id, CAST(profile AS text), phone, phone_sealed FROM customers WHERE customer_id > $1
             ORDER BY customer_id LIMIT $2 {}",
            session.dialect().lock("FOR UPDATE")
        );
        let args = vec![after.into(), i64::from(limit).into()];
        type Fields = (String, String, Option<String>, Option<String>);
        let rows: Vec<Fields> = session.fetch(sql, args).await?;
        let numbered = |(customer_id, profile, phone, sealed): Fields| {
            let opened = session.vault.customers.opened(&customer_id, &profile, phone, sealed.as_deref());
            let (profile, phone) = opened.unwrap_or_default();
            Numbered { customer_id, profile, phone }
        };
        Ok(rows.into_iter().map(numbered).collect())
    }

    /// The value of a setting, locked until the transaction ends where it was put before.
    pub async fn lock_setting(&mut self, key: &str) -> Result<Option<String>, StoreError> {
        let lock = self.session.dialect().lock("FOR UPDATE");
        let sql = format!("SELECT value FROM settings WHERE key = $1 {lock}");
        let row: Option<(String,)> = self.session.first(sql, vec![key.into()]).await?;
        Ok(row.map(|(value,)| value))
    }

    /// Puts a setting, whatever it was.
    pub async fn put_setting(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO settings (key, value) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.session.exec(sql, vec![key.into(), value.into()]).await.map(drop)
    }
}
