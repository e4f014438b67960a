//! Making room, and making sure that what was erased is gone from the files too.

use super::session::Dialect;
use super::{Store, StoreError};

/// The tables that an erasure or the end of a retention empties.
const TABLES: &str = "customers, customer_dates, consents, events, entries, messages, outcomes, suppressions, dead_letters, sms_inbound";

impl Store {
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
                // Busy readers keep it from the end of the log: the next time, then.
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                session.fetch::<(i64, i64, i64)>(sql, Vec::new()).await.map(drop)
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
