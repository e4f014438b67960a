//! What `declic doctor` asks the database about itself.

use chrono::{DateTime, Utc};

use super::session::Dialect;
use super::{Store, StoreError};

/// Tables that a worker reads, and all but the last three adds to, where this role may not.
const MISSING: &str = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
     AND c.relkind IN ('r', 'p') AND NOT (has_table_privilege(c.oid, 'SELECT')
         AND (has_table_privilege(c.oid, 'INSERT')
              OR c.relname IN ('declic_schema', 'restores', 'sent_before_restore')))
     ORDER BY 1";

impl Store {
    /// The tables that this database role may not read or not add to. SQLite knows no roles.
    pub async fn missing_rights(&self) -> Result<Vec<String>, StoreError> {
        let mut session = self.reading().await?;
        if session.dialect() == Dialect::Sqlite {
            return Ok(Vec::new());
        }
        let names: Vec<(String,)> = session.fetch(MISSING, vec![]).await?;
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
