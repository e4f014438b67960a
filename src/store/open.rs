//! Connecting: the URL, the pools and their settings, and words for what an operator did not set up.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Executor};

use super::{Pool, StoreError};

/// How long a caller waits for a free connection before it hears that the database is unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// SQLite's wait for another process's lock (`declic messages list` beside a running worker). Whoever closes the file
/// last writes all of it back and holds everybody off meanwhile, which on a busy disk takes seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Bounds on the server's side: a statement that runs longer, or a transaction left open by a worker that hangs,
/// is ended, so that its locks do not stop the other workers.
const SERVER_LIMITS: &str = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'";

/// What we ask for has its index. A connection keeps its plans, and one made while a table was small would go on reading
/// all of it: a new installation would slow down with each customer, until the statistics catch up. The few statements that
/// do read a whole table still can, and none is worth being compiled or shared out over several processes.
const PLANS: &str = "SET enable_seqscan = off; SET jit = off; SET max_parallel_workers_per_gather = 0";

/// Where state is kept, as the URL says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// SQLite, in a file of this machine.
    File(String),
    /// PostgreSQL, and whether the URL (or `PGSSLMODE`) requires TLS: by default it is tried, and done without.
    Host { host: String, tls_required: bool },
}

impl Address {
    /// Reads a database URL.
    ///
    /// # Errors
    /// A URL of PostgreSQL that cannot be read. The URL is not repeated: it may hold a password.
    pub fn of(url: &str) -> Result<Self, StoreError> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return Ok(Self::File(rest.strip_prefix("//").unwrap_or(rest).to_owned()));
        }
        let options = postgres_options(url)?;
        let tls_required = match options.get_ssl_mode() {
            PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => true,
            PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => false,
        };
        // A socket is a place of this machine.
        let host = options.get_socket().map_or(options.get_host(), |_| "localhost");
        Ok(Self::Host { host: host.to_owned(), tls_required })
    }
}

pub(super) async fn connect(url: &str, max_connections: u32) -> Result<Pool, StoreError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        postgres(url, max_connections.max(1)).await
    } else if let Some(rest) = url.strip_prefix("sqlite:") {
        sqlite(rest.strip_prefix("//").unwrap_or(rest), max_connections.max(1)).await
    } else {
        // The text itself is not repeated: it may hold a password.
        Err(StoreError::Other(
            "the database URL starts with neither `postgres://` nor `sqlite:`; \
             write postgres://USER:PASSWORD@HOST/DATABASE or sqlite:FILE"
                .to_owned(),
        ))
    }
}

async fn postgres(url: &str, max_connections: u32) -> Result<Pool, StoreError> {
    let options = postgres_options(url)?.application_name("declic").disable_statement_logging();
    // One connection by hand first: the pool would retry a refusal until its timeout and then only say "timed out".
    let probe = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await;
    match probe {
        Ok(Ok(connection)) => drop(sqlx::Connection::close(connection).await),
        Ok(Err(error)) => return Err(postgres_words(error, &options)),
        Err(_) => {
            return Err(StoreError::Unavailable(format!(
                "no answer from {} within {} s: check host, port and firewall",
                place(&options),
                ACQUIRE_TIMEOUT.as_secs()
            )));
        }
    }
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(SERVER_LIMITS)).await?;
                connection.execute(sqlx::raw_sql(PLANS)).await.map(drop)
            })
        })
        .connect_lazy_with(options);
    Ok(Pool::Postgres(pool))
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    PgConnectOptions::from_str(url).map_err(|e| {
        StoreError::Other(format!(
            "the database URL cannot be read ({}); write postgres://USER:PASSWORD@HOST:5432/DATABASE",
            cause(&e)
        ))
    })
}

fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("PostgreSQL at {}", socket.display()),
        None => format!("PostgreSQL at {}:{}", options.get_host(), options.get_port()),
    }
}

/// What an operator is told when the first connection fails; the password is never part of it.
fn postgres_words(error: sqlx::Error, options: &PgConnectOptions) -> StoreError {
    let place = place(options);
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    match &error {
        sqlx::Error::Io(e) => StoreError::Unavailable(format!(
            "cannot reach {place}: {e}. Is the server running, and are host and port right?"
        )),
        sqlx::Error::Tls(e) => {
            StoreError::Other(format!("TLS with {place} failed: {e}. See `sslmode` in the URL"))
        }
        sqlx::Error::Database(e) => match e.code().as_deref().unwrap_or_default() {
            "28P01" | "28000" => StoreError::Other(format!(
                "{place} refused user `{user}` on database `{database}`: {}. Check user, password and pg_hba.conf",
                e.message()
            )),
            "3D000" => StoreError::Other(format!(
                "{place} has no database `{database}`: create it with `createdb -O {user} {database}`"
            )),
            code => StoreError::Unavailable(format!(
                "{place} refused the connection to database `{database}`: {} ({code})",
                e.message()
            )),
        },
        other => StoreError::Unavailable(format!("cannot connect to {place}: {other}")),
    }
}

fn cause(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(source) => source.to_string(),
        other => other.to_string(),
    }
}

async fn sqlite(path: &str, max_connections: u32) -> Result<Pool, StoreError> {
    let in_memory = path.is_empty() || path == ":memory:";
    let options = if in_memory {
        SqliteConnectOptions::from_str("sqlite::memory:").map_err(|e| StoreError::Other(cause(&e)))?
    } else {
        SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
    }
    // FULL, because NORMAL loses commits on a power cut and we acknowledge events after the commit.
    .synchronous(SqliteSynchronous::Full)
    .busy_timeout(BUSY_TIMEOUT)
    .foreign_keys(true)
    // What is deleted is overwritten: an erasure must not leave its customer in the free pages of the file.
    .pragma("secure_delete", "ON")
    .disable_statement_logging();
    if !in_memory {
        make_private(path).map_err(|e| sqlite_words(path, &e))?;
    }
    // One writer: several that read and then write fail with SQLITE_BUSY_SNAPSHOT whatever the busy timeout.
    let lasting = || {
        let options =
            SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).idle_timeout(None).max_lifetime(None);
        // A full or broken disk has SQLite roll back by itself; sqlx does not hear of it, believes itself within the
        // transaction for ever, and begins no other. The pool has asked the connection just before, so that a rollback
        // under way is done.
        options.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
    };
    let writer = lasting()
        .max_connections(1)
        .connect_with(options.clone())
        .await
        .map_err(|e| sqlite_words(path, &e))?;
    // A database in memory belongs to its one connection, so reading shares it.
    let reader = if in_memory {
        writer.clone()
    } else {
        lasting().max_connections(max_connections).connect_lazy_with(options.pragma("query_only", "ON"))
    };
    Ok(Pool::Sqlite { writer, reader })
}

/// Makes the file, if it is missing, readable by its owner only: it will hold customers and the secret. SQLite gives
/// the files beside it the same mode.
fn make_private(path: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn sqlite_words(path: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Other(format!(
        "cannot open the SQLite file `{path}`: {error}. Does its folder exist, and may this user write there?"
    ))
}

#[cfg(test)]
mod tests {
    use crate::store::Store;

    /// A full disk, in small: whatever else is wrong with a transaction, this is how SQLite ends it.
    #[tokio::test]
    async fn a_transaction_that_sqlite_has_ended_by_itself_is_not_the_last() {
        let folder = std::env::temp_dir().join(format!("declic-ended-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.join("shop.db").display()), 2).await.unwrap();
        store.migrate().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let twice = "INSERT OR ROLLBACK INTO settings (key, value) VALUES ('a', '1'), ('a', '2')";
        tx.session.exec(twice, vec![]).await.unwrap_err();
        drop(tx);
        for _ in 0..2 {
            let tx = store.begin().await.unwrap();
            tx.commit().await.unwrap();
        }
        store.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
