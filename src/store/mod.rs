//! State that lasts: one set of statements over PostgreSQL (production) and SQLite (embedded).
//!
//! Owns the tables, their locks and their migrations; the dialects differ only in `session`. Never decides
//! anything about customers: it loads what a decision may see and writes what was decided. Called by `process`,
//! the scheduler, delivery, intake (dead letters) and the command line.
//!
//! Lock order everywhere: events, customers, entries, messages. A `Tx` that is dropped is rolled back.
//! On SQLite a `Tx` holds the one writer: do not call a writing method of [`Store`] while holding one (with
//! `sqlite::memory:` no method at all), or it waits for itself until the acquire timeout.

mod archive;
mod args;
mod aside;
mod audit;
mod bounces;
mod changes;
mod consents;
mod counts;
mod customers;
mod dead_letters;
mod diagnosis;
mod entries;
mod erasure;
mod error;
mod events;
mod figures;
mod holdings;
mod inbound;
mod messages;
mod open;
mod outcomes;
mod pages;
mod parked;
mod pauses;
mod phones;
mod profiles;
mod promo_codes;
mod publishing;
mod resealing;
mod restores;
mod retained;
mod retention;
mod retention_runs;
mod rows;
mod schema;
mod sealed;
mod search;
mod session;
mod settings;
mod slots;
mod sms;
pub mod statements;
mod suppressions;
mod sweeps;
mod tidy_up;
mod unreadable;
mod vault;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::{PgPool, SqlitePool};

pub use aside::PutBack;
pub use audit::{Act, ActFilter};
pub use bounces::BounceRow;
pub use changes::Changes;
pub use consents::KeptLedger;
pub use counts::Counts;
pub use customers::{CustomerRow, CustomerState};
pub use dead_letters::{DeadLetter, LetterFilter};
pub use error::StoreError;
pub use holdings::tables_told;
pub use inbound::InboundText;
pub use messages::{Claim, MessageFilter};
pub use open::Address;
pub use outcomes::Unpublished;
pub use pages::{MessagePage, MessagesFound};
pub use parked::Parked;
pub use publishing::ActiveRuleSet;
pub use resealing::{Resealed, Step};
pub use retention::{Duty, Page};
pub use retention_runs::{Done, RunRow};
pub use search::Match;
pub use sms::{InboundRow, ReceiptRow, Receipts, SettledReceipt, SmsPart};
pub use suppressions::{Suppression, SuppressionRow};
pub use sweeps::{Sweep, SweepState};
pub use unreadable::Found;

use crate::clock::Clock;
use consents::Chained;
use session::{Link, Session};
use vault::Vault;

#[derive(Debug, Clone)]
enum Pool {
    Postgres(PgPool),
    Sqlite { writer: SqlitePool, reader: SqlitePool },
}

/// The database. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    clock: Clock,
    vault: Vault,
}

/// A transaction. Dropping it rolls it back.
pub struct Tx {
    session: Session,
    /// Customers to be made by what is written next.
    unknown: BTreeSet<String>,
    /// Where the ledgers of the customers that it has locked end.
    ledgers: BTreeMap<String, Chained>,
}

impl Store {
    /// Connects to `postgres://…`, `sqlite:PATH` (made when missing) or `sqlite::memory:`. `max_connections` bounds
    /// PostgreSQL's pool, or SQLite's readers. The tables are left alone: see [`Store::migrate`].
    pub async fn open(url: &str, max_connections: u32) -> Result<Self, StoreError> {
        Ok(Self {
            pool: open::connect(url, max_connections).await?,
            clock: Clock::Real,
            vault: Vault::default(),
        })
    }

    /// The clock that fills the columns saying when a row was made or changed. Nothing is decided by them.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The secret under which the ledger is linked and proofs and erased addresses are kept, and former ones that still
    /// open them, the present one first. Without it neither consents nor erasures can be written.
    pub fn with_secrets<'a>(mut self, secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let before = std::mem::replace(&mut self.vault, Vault::new(secrets));
        self.vault.customers = self.vault.customers.writing_as(&before.customers);
        self
    }

    /// Whether what is written of customers is encrypted from now on; what is in the other form stays so until it is written
    /// anew, and is read as ever.
    pub fn encrypting_profiles(mut self, on: bool) -> Self {
        self.vault.customers = self.vault.customers.sealing(on);
        self
    }

    /// `postgresql` or `sqlite`: for logs and `doctor`.
    pub fn backend(&self) -> &'static str {
        match &self.pool {
            Pool::Postgres(_) => "postgresql",
            Pool::Sqlite { .. } => "sqlite",
        }
    }

    /// How many connections the pool has, and how many of them do nothing; of SQLite, those that read.
    pub fn connections(&self) -> (u32, usize) {
        match &self.pool {
            Pool::Postgres(pool) => (pool.size(), pool.num_idle()),
            Pool::Sqlite { reader, .. } => (reader.size(), reader.num_idle()),
        }
    }

    /// Waits until all connections are given back and closes them.
    pub async fn close(&self) {
        match &self.pool {
            Pool::Postgres(pool) => pool.close().await,
            Pool::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
        }
    }

    /// Begins a transaction. On SQLite it waits for the one before it to end.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let link = match &self.pool {
            Pool::Postgres(pool) => Link::PgTx(pool.begin().await?),
            Pool::Sqlite { writer, .. } => Link::LiteTx(writer.begin_with("BEGIN IMMEDIATE").await?),
        };
        Ok(self.transaction(link))
    }

    /// Begins a transaction for questions only. On SQLite it keeps no writer waiting.
    pub async fn begin_to_read(&self) -> Result<Tx, StoreError> {
        let link = match &self.pool {
            Pool::Postgres(pool) => Link::PgTx(pool.begin().await?),
            Pool::Sqlite { reader, .. } => Link::LiteTx(reader.begin().await?),
        };
        Ok(self.transaction(link))
    }

    fn session(&self, link: Link) -> Session {
        Session { link, now: self.clock.now(), vault: self.vault.clone() }
    }

    fn transaction(&self, link: Link) -> Tx {
        Tx { session: self.session(link), unknown: BTreeSet::new(), ledgers: BTreeMap::new() }
    }

    /// A connection for statements that change nothing.
    async fn reading(&self) -> Result<Session, StoreError> {
        let link = match &self.pool {
            Pool::Postgres(pool) => Link::PgOne(pool.acquire().await?),
            Pool::Sqlite { reader, .. } => Link::LiteOne(reader.acquire().await?),
        };
        Ok(self.session(link))
    }

    /// A connection for one statement that changes something and commits by itself.
    async fn writing(&self) -> Result<Session, StoreError> {
        let link = match &self.pool {
            Pool::Postgres(pool) => Link::PgOne(pool.acquire().await?),
            Pool::Sqlite { writer, .. } => Link::LiteOne(writer.acquire().await?),
        };
        Ok(self.session(link))
    }
}

impl Tx {
    /// Makes everything done in the transaction last.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.session.link {
            Link::PgTx(tx) => tx.commit().await?,
            Link::LiteTx(tx) => tx.commit().await?,
            // `Store::begin` and `begin_to_read` make the two above only.
            Link::PgOne(_) | Link::LiteOne(_) => {}
        }
        Ok(())
    }

    /// Undoes the transaction and waits until that is done (dropping it only begins to).
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.session.link {
            Link::PgTx(tx) => tx.rollback().await?,
            Link::LiteTx(tx) => tx.rollback().await?,
            Link::PgOne(_) | Link::LiteOne(_) => {}
        }
        Ok(())
    }

    /// The instant at which it began, by the store's clock.
    pub fn began_at(&self) -> DateTime<Utc> {
        self.session.now
    }
}
