//! The tables' version: embedded migrations, applied all in one transaction, and the check at start-up.
//!
//! A migration is one file in each folder of `migrations/`, written once and never changed after a release.

use super::session::{Dialect, Session, instant};
use super::{Store, StoreError};

struct Migration {
    version: i64,
    postgres: &'static str,
    sqlite: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        postgres: include_str!("../../migrations/postgres/0001_initial.sql"),
        sqlite: include_str!("../../migrations/sqlite/0001_initial.sql"),
    },
    Migration {
        version: 2,
        postgres: include_str!("../../migrations/postgres/0002_sms_hours_caps.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_sms_hours_caps.sql"),
    },
    Migration {
        version: 4,
        postgres: include_str!("../../migrations/postgres/0004_sms_inbound.sql"),
        sqlite: include_str!("../../migrations/sqlite/0004_sms_inbound.sql"),
    },
];

/// The schema that this build reads and writes.
pub(super) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// The advisory lock that lets one migration run at a time ("declic" in ASCII).
const MIGRATION_LOCK: i64 = 0x6465_636c_6963;

impl Store {
    /// Brings the tables to this build's schema; returns the versions applied. Safe to run from several workers at
    /// once: one migrates, the others wait and find nothing to do. Either all of it happens or nothing.
    pub async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        let mut tx = self.begin().await?;
        let session = &mut tx.session;
        if session.dialect() == Dialect::Postgres {
            // A migration may take longer than any statement of the worker.
            session.exec("SET LOCAL statement_timeout = 0", vec![]).await?;
        }
        session.alone(MIGRATION_LOCK).await?;
        session
            .exec(
                "CREATE TABLE IF NOT EXISTS declic_schema (version bigint PRIMARY KEY, applied_at text NOT NULL)",
                vec![],
            )
            .await?;
        let found = version(session).await?;
        if found > KNOWN {
            return Err(StoreError::Schema { found, known: KNOWN });
        }
        let mut applied = Vec::new();
        for migration in MIGRATIONS.iter().filter(|m| m.version > found) {
            let script = match session.dialect() {
                Dialect::Postgres => migration.postgres,
                Dialect::Sqlite => migration.sqlite,
            };
            session.run_script(script).await?;
            let at = instant(session.now);
            session
                .exec(
                    "INSERT INTO declic_schema (version, applied_at) VALUES ($1, $2)",
                    vec![migration.version.into(), at.as_str().into()],
                )
                .await?;
            applied.push(migration.version);
        }
        tx.commit().await?;
        Ok(applied)
    }

    /// Refuses a database whose schema is older or newer than this build's, or that has none.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let found = version(&mut self.reading().await?).await?;
        if found == KNOWN { Ok(()) } else { Err(StoreError::Schema { found, known: KNOWN }) }
    }
}

async fn version(session: &mut Session) -> Result<i64, StoreError> {
    let row = session.first::<(i64,)>("SELECT COALESCE(MAX(version), 0) FROM declic_schema", vec![]).await;
    match row {
        Ok(row) => Ok(row.map_or(0, |(v,)| v)),
        // The table is missing: nothing was ever migrated.
        Err(StoreError::Schema { .. }) => Ok(0),
        Err(error) => Err(error),
    }
}
