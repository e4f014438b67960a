//! Making room, and making sure that what was erased is gone from the files too.

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::session::Dialect;
use super::{Store, StoreError};

/// The tables that an erasure or the end of a retention empties.
const TABLES: [&str; 13] = [
    "customers",
    "customer_dates",
    "consents",
    "events",
    "entries",
    "messages",
    "outcomes",
    "suppressions",
    "bounces",
    "dead_letters",
    "sms_inbound",
    "promo_codes",
    "archive",
];

/// Those of some tables that this role may not VACUUM: it owns neither them nor the database, and has no MAINTAIN, which
/// there is from PostgreSQL 17 on. VACUUM itself would only warn, and pass them over.
const FORBIDDEN: &str = "SELECT c.relname::text FROM pg_class c WHERE c.oid = ANY ($1::regclass[])
     AND NOT pg_has_role(c.relowner, 'USAGE')
     AND NOT pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
     AND NOT CASE WHEN current_setting('server_version_num')::int >= 170000
                  THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END
     ORDER BY 1";

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
    ///
    /// Returns the tables that this database role may not do it to; they are passed over.
    pub async fn tidy_up(&self) -> Result<Vec<String>, StoreError> {
        self.maintain("VACUUM").await
    }

    /// The same, with every table written anew, so that nothing of a deleted row is left in its file. On PostgreSQL each
    /// table is locked meanwhile, and as much room is needed again.
    pub async fn rewrite(&self) -> Result<Vec<String>, StoreError> {
        self.maintain("VACUUM (FULL, ANALYZE)").await
    }

    async fn maintain(&self, vacuum: &str) -> Result<Vec<String>, StoreError> {
        let mut session = self.writing().await?;
        match session.dialect() {
            Dialect::Sqlite => {
                let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
                let ended: Option<(i64, i64, i64)> = session.first(sql, Vec::new()).await?;
                match ended {
                    Some((0, ..)) | None => Ok(Vec::new()),
                    Some(_) => Err(StoreError::Unavailable(
                        "readers keep SQLite's log from being emptied".to_owned(),
                    )),
                }
            }
            Dialect::Postgres => {
                let forbidden: Vec<(String,)> = session.fetch(FORBIDDEN, vec![Arg::list(TABLES)]).await?;
                let forbidden: Vec<String> = forbidden.into_iter().map(|(name,)| name).collect();
                let mut allowed = TABLES.to_vec();
                allowed.retain(|name| !forbidden.iter().any(|other| other == name));
                if !allowed.is_empty() {
                    session.exec("SET statement_timeout = 0", Vec::new()).await?;
                    let done = session.run_long(format!("{vacuum} {}", allowed.join(", "))).await;
                    session.exec("SET statement_timeout = '30s'", Vec::new()).await?;
                    done?;
                }
                Ok(forbidden)
            }
        }
    }
}
