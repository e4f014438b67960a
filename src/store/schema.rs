//! The tables' version: embedded migrations, applied all in one transaction, and which builds may work on them.
//!
//! A migration is one file in each folder of `migrations/`, written once and never changed after a release. It says for
//! which older builds the tables still work after it, so that workers of two versions can run side by side.

use std::time::Duration;

use super::args::{Arg, instant};
use super::session::{Dialect, Session};
use super::{Store, StoreError};
use crate::failpoint;

#[derive(Clone)]
struct Migration {
    version: i64,
    /// The oldest schema that a build may know and still work on the tables after this migration.
    works_for: i64,
    postgres: &'static str,
    sqlite: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        works_for: 1,
        postgres: include_str!("../../migrations/postgres/0001_initial.sql"),
        sqlite: include_str!("../../migrations/sqlite/0001_initial.sql"),
    },
    Migration {
        version: 2,
        works_for: 2,
        postgres: include_str!("../../migrations/postgres/0002_sms_hours_caps.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_sms_hours_caps.sql"),
    },
    Migration {
        version: 3,
        works_for: 2,
        postgres: include_str!("../../migrations/postgres/0003_restores.sql"),
        sqlite: include_str!("../../migrations/sqlite/0003_restores.sql"),
    },
    Migration {
        version: 4,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0004_sms_inbound.sql"),
        sqlite: include_str!("../../migrations/sqlite/0004_sms_inbound.sql"),
    },
    Migration {
        version: 5,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0005_waiting_and_held.sql"),
        sqlite: include_str!("../../migrations/sqlite/0005_waiting_and_held.sql"),
    },
    Migration {
        version: 6,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0006_ledger_and_erasure.sql"),
        sqlite: include_str!("../../migrations/sqlite/0006_ledger_and_erasure.sql"),
    },
    Migration {
        version: 7,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0007_bounces.sql"),
        sqlite: include_str!("../../migrations/sqlite/0007_bounces.sql"),
    },
    Migration {
        version: 8,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0008_double_opt_in.sql"),
        sqlite: include_str!("../../migrations/sqlite/0008_double_opt_in.sql"),
    },
    Migration {
        version: 9,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0009_retention.sql"),
        sqlite: include_str!("../../migrations/sqlite/0009_retention.sql"),
    },
    Migration {
        version: 10,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0010_acting.sql"),
        sqlite: include_str!("../../migrations/sqlite/0010_acting.sql"),
    },
    Migration {
        version: 11,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0011_encrypted_profiles.sql"),
        sqlite: include_str!("../../migrations/sqlite/0011_encrypted_profiles.sql"),
    },
    Migration {
        version: 12,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0012_figures.sql"),
        sqlite: include_str!("../../migrations/sqlite/0012_figures.sql"),
    },
    Migration {
        version: 13,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0013_traces.sql"),
        sqlite: include_str!("../../migrations/sqlite/0013_traces.sql"),
    },
    Migration {
        version: 14,
        works_for: 3,
        postgres: include_str!("../../migrations/postgres/0014_room.sql"),
        sqlite: include_str!("../../migrations/sqlite/0014_room.sql"),
    },
];

/// The schema that this build reads and writes; one that is newer and works for this is as good.
pub(super) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// From this one on, a database says which builds it works for.
const SAYS_WHOM_IT_WORKS_FOR: i64 = 3;

/// From this one on, builds read profiles in their short form. They write it where no older one may work: an older
/// database is left in the form that the release before reads, a new one begins with this schema.
const SHORT_PROFILES: i64 = 14;

/// The advisory lock that lets one migration run at a time ("declic" in ASCII).
const MIGRATION_LOCK: i64 = 0x6465_636c_6963;

/// How long a migration waits for a table that a long transaction holds. Everybody who wants the table meanwhile queues
/// behind it, so it gives up soon, gives back all it holds, and tries again after a pause.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";
const PAUSE_AFTER_LOCK: Duration = Duration::from_secs(3);
const MOST_TRIES: u32 = 24;

/// What the database says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    version: i64,
    /// The oldest schema that a build may know and still work here.
    works_for: i64,
}

impl Found {
    /// Whether a build that knows `known` may work here.
    fn check(self, known: i64) -> Result<(), StoreError> {
        if self.version >= known && self.works_for <= known {
            return Ok(());
        }
        Err(StoreError::Schema { found: self.version, works_for: self.works_for, known })
    }
}

impl Store {
    /// Brings the tables to this build's schema; returns the versions applied. Safe to run from several workers at
    /// once, and beside workers: one migrates, the others wait and find nothing to do. Either all of it happens or
    /// nothing. `waiting` is told of each try that failed on a table held by somebody else, or in a deadlock with a
    /// worker, and how many may follow.
    pub async fn migrate_telling(&self, waiting: impl Fn(&StoreError, u32)) -> Result<Vec<i64>, StoreError> {
        // SQLite has one writer, and has waited for it.
        let tries = if self.backend() == "postgresql" { MOST_TRIES } else { 1 };
        for left in (1..tries).rev() {
            match self.try_to_migrate().await {
                Err(error) if error.is_transient() => waiting(&error, left),
                result => return result,
            }
            tokio::time::sleep(PAUSE_AFTER_LOCK).await;
        }
        self.try_to_migrate().await
    }

    /// The same, in silence.
    pub async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        self.migrate_telling(|_, _| ()).await
    }

    async fn try_to_migrate(&self) -> Result<Vec<i64>, StoreError> {
        let mut tx = self.begin().await?;
        let session = &mut tx.session;
        if session.dialect() == Dialect::Postgres {
            // A migration may take longer than any statement of the worker.
            session.exec("SET LOCAL statement_timeout = 0", vec![]).await?;
        }
        session.alone(MIGRATION_LOCK).await?;
        if session.dialect() == Dialect::Postgres {
            session.exec(LOCK_TIMEOUT, vec![]).await?;
        }
        session
            .exec(
                "CREATE TABLE IF NOT EXISTS declic_schema (version bigint PRIMARY KEY, applied_at text NOT NULL)",
                vec![],
            )
            .await?;
        let found = found(session).await?;
        let migrations = migrations();
        let known = migrations.last().map_or(0, |m| m.version);
        if found.version > known {
            // Newer than this build: good, as long as it works for it.
            return found.check(known).map(|()| Vec::new());
        }
        let mut applied = Vec::new();
        for migration in migrations.iter().filter(|m| m.version > found.version) {
            let script = match session.dialect() {
                Dialect::Postgres => migration.postgres,
                Dialect::Sqlite => migration.sqlite,
            };
            session.run_script(script).await?;
            record(session, migration).await?;
            applied.push(migration.version);
        }
        if found.version == 0 {
            let no_older_one = "UPDATE declic_schema SET works_for = $1 WHERE version = $1";
            session.exec(no_older_one, vec![SHORT_PROFILES.into()]).await?;
        }
        let found = self::found(session).await?;
        tx.commit().await?;
        self.learn(found);
        Ok(applied)
    }

    /// The migrations that [`Store::migrate`] would apply.
    pub async fn missing_migrations(&self) -> Result<Vec<i64>, StoreError> {
        let found = found(&mut self.reading().await?).await?;
        let migrations = migrations();
        if found.version > migrations.last().map_or(0, |m| m.version) {
            return found.check(known()).map(|()| Vec::new());
        }
        Ok(migrations.iter().map(|m| m.version).filter(|version| *version > found.version).collect())
    }

    /// Refuses a database whose schema is older than this build's, one that is newer and does not work for this build,
    /// and one that has none.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let found = found(&mut self.reading().await?).await?;
        self.learn(found);
        found.check(known())
    }

    /// Writes from now on what all builds read that may work on these tables.
    fn learn(&self, found: Found) {
        self.vault.customers.write_short(found.works_for >= SHORT_PROFILES);
    }
}

/// The schema that this process knows.
fn known() -> i64 {
    migrations().last().map_or(KNOWN, |m| m.version)
}

/// All migrations, and in a test of two versions side by side the next one too.
fn migrations() -> Vec<Migration> {
    let mut all = MIGRATIONS.to_vec();
    if let Some((works_for, script)) = failpoint::next_schema(KNOWN) {
        all.push(Migration { version: KNOWN + 1, works_for, postgres: script, sqlite: script });
    }
    all
}

async fn record(session: &mut Session, migration: &Migration) -> Result<(), StoreError> {
    let at = instant(session.now);
    let mut args: Vec<Arg> = vec![migration.version.into(), at.as_str().into()];
    let sql = if migration.version < SAYS_WHOM_IT_WORKS_FOR {
        "INSERT INTO declic_schema (version, applied_at) VALUES ($1, $2)"
    } else {
        args.push(migration.works_for.into());
        "INSERT INTO declic_schema (version, applied_at, works_for) VALUES ($1, $2, $3)"
    };
    session.exec(sql, args).await.map(drop)
}

async fn found(session: &mut Session) -> Result<Found, StoreError> {
    let row = session.first::<(i64,)>("SELECT COALESCE(MAX(version), 0) FROM declic_schema", vec![]).await;
    let version = match row {
        Ok(row) => row.map_or(0, |(version,)| version),
        // The table is missing: nothing was ever migrated.
        Err(StoreError::Schema { .. }) => 0,
        Err(error) => return Err(error),
    };
    let mut works_for = version;
    if version >= SAYS_WHOM_IT_WORKS_FOR {
        // The strictest of all that were applied: what one took away, a later one does not bring back.
        let strictest = "SELECT COALESCE(MAX(COALESCE(works_for, version)), 0) FROM declic_schema
             WHERE version >= $1";
        let row: Option<(i64,)> = session.first(strictest, vec![SAYS_WHOM_IT_WORKS_FOR.into()]).await?;
        works_for = row.map_or(version, |(oldest,)| oldest);
    }
    Ok(Found { version, works_for })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_migration_says_for_whom_the_tables_work() {
        for pair in MIGRATIONS.windows(2) {
            assert_eq!(pair[1].version, pair[0].version + 1);
            assert!(pair[1].works_for <= pair[1].version, "{}", pair[1].version);
        }
    }

    #[test]
    fn a_build_works_on_its_own_schema_and_on_newer_ones_that_say_so() {
        let cases = [
            // (found, works for, known) → fits
            (4, 4, 4, true),
            (5, 4, 4, true),
            (7, 4, 4, true),
            (5, 5, 4, false),
            (3, 2, 4, false),
            (0, 0, 4, false),
        ];
        for (version, works_for, known, fits) in cases {
            assert_eq!(
                Found { version, works_for }.check(known).is_ok(),
                fits,
                "{version} {works_for} {known}"
            );
        }
    }
}
