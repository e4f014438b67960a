//! Making room, and making sure that what was erased is gone from the files too.

use chrono::{DateTime, Utc};

use super::session::Dialect;
use super::{Store, StoreError};

/// The tables that an erasure or the end of a retention empties.
const TABLES: &str =
    "customers, customer_dates, consents, events, entries, messages, outcomes, suppressions, bounces,
     dead_letters, sms_inbound, promo_codes, archive";

impl Store {
    /// Whether a customer was erased after an instant, by the store's clock.
    pub async fn was_anybody_erased_since(&self, instant: DateTime<Utc>) -> Result<bool, StoreError> {
        let sql = "SELECT customer_id FROM customers WHERE erased_at > $1 LIMIT 1";
        let row: Option<(String,)> = self.reading().await?.first(sql, vec![instant.into()]).await?;
        Ok(row.is_some())
    }

    /// Has the database let go of rows that were erased. SQLite overwrites what it deletes; here its log is emptied into the
    /// file. PostgreSQL gives their room free, to be written over: until then, and in its log, their bytes are still in its
    /// files ([`Store::rewrite`]). Waits for nobody, and holds nobody up.
    pub async fn tidy_up(&self) -> Result<(), StoreError> {
        self.maintain(&format!("VACUUM {TABLES}")).await
    }

    /// The same, with every table written anew, so that nothing of a deleted row is left in its file. On PostgreSQL each
    /// table is locked meanwhile, and as much room is needed again.
    pub async fn rewrite(&self) -> Result<(), StoreError> {
        self.maintain(&format!("VACUUM (FULL, ANALYZE) {TABLES}")).await
    }

    async fn maintain(&self, vacuum: &str) -> Result<(), StoreError> {
        let mut session = self.writing().await?;
        match session.dialect() {
            Dialect::Sqlite => {
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                let ended: Option<(i64, i64, i64)> = session.first(sql, Vec::new()).await?;
                match ended {
                    Some((0, ..)) | None => Ok(()),
                    Some(_) => Err(StoreError::Unavailable(
                        "readers keep SQLite's log from being emptied".to_owned(),
                    )),
                }
            }
            Dialect::Postgres => {
                session.exec("SET statement_timeout = 0", Vec::new()).await?;
                let done = session.run_long(vacuum.to_owned()).await;
                session.exec("SET statement_timeout = '30s'", Vec::new()).await?;
                done
            }
        }
    }
}
