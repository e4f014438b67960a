//! What `declic doctor` asks the database about itself.

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::session::Dialect;
use super::{Store, StoreError};

/// What a worker reads only.
const READ_ONLY: [&str; 3] = ["declic_schema", "restores", "sent_before_restore"];

/// Tables that this role may not read, or not add to though a worker does.
const MISSING: &str =
    "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
     AND c.relkind IN ('r', 'p') AND NOT (has_table_privilege(c.oid, 'SELECT')
         AND (has_table_privilege(c.oid, 'INSERT') OR c.relname = ANY($1::text[])))
     ORDER BY 1";

impl Store {
    /// The tables that this database role may not read or not add to. SQLite knows no roles.
    pub async fn missing_rights(&self) -> Result<Vec<String>, StoreError> {
        let mut session = self.reading().await?;
        if session.dialect() == Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let names: Vec<(String,)> = session.fetch(MISSING, vec![Arg::list(READ_ONLY)]).await?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    /// The database's own present instant.
    pub async fn database_time(&self) -> Result<DateTime<Utc>, StoreError> {
        let mut session = self.reading().await?;
        let sql = format!("SELECT {}", session.dialect().now());
        let row: Option<(DateTime<Utc>,)> = session.first(sql, vec![]).await?;
        row.map(|(now,)| now).ok_or_else(|| StoreError::Other("the database tells no time".to_owned()))
    }
}
