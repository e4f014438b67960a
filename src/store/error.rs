//! What can go wrong with the database, sorted by what the caller does next.

/// An error of the store. Texts never hold a password, an address or a row's content.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be used now: connection, pool, timeout, disk. Try the whole transaction again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Two transactions stood in each other's way, in a deadlock say, and the database undid this one. The other goes on,
    /// so the whole of this one may be tried again at once.
    #[error("another transaction stood in the way: {0}")]
    Conflict(String),
    /// The tables are not those that this build can work on. Trying again does not help.
    #[error("{}", schema_words(*.found, *.works_for, *.known))]
    Schema { found: i64, works_for: i64, known: i64 },
    /// Somebody else holds a table that is to be changed. Nothing was changed; try again later.
    #[error("a long transaction holds a table that is to be changed: {0}")]
    Held(String),
    /// A row holds what this build cannot read. `row` is its key.
    #[error("table {table}, row {row}, column {column} cannot be read: {detail}")]
    Corrupt { table: &'static str, row: String, column: String, detail: String },
    /// The database refuses what a row holds: its content, not the statement. Trying the same again gives the same.
    #[error("the database refuses the data: {0}")]
    Refused(String),
    /// Anything else: a refused statement, a wrong URL. Trying the same again gives the same.
    #[error("{0}")]
    Other(String),
}

impl StoreError {
    /// Whether the same work may succeed later, without anybody's help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict(_) | Self::Held(_))
    }

    /// Whether it lies in what a row or an argument holds, so that the same work fails again while the same work about
    /// others may not. A missing table or a refused statement is not: it would set everybody aside.
    pub fn is_about_content(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Corrupt { .. })
    }
}

fn schema_words(found: i64, works_for: i64, known: i64) -> String {
    if found == 0 {
        format!("the database has no tables yet (this build needs schema {known}): run `declic migrate`")
    } else if found < known {
        format!("the database has schema {found} and this build needs {known}: run `declic migrate`")
    } else {
        format!(
            "the database has schema {found}, made by a newer build for builds that know schema {works_for} or later; \
             this one knows {known}: run the newer declic (docs/upgrades.md says how to go back)"
        )
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(e) => from_database(e.as_ref()),
            E::ColumnDecode { index, source } => Self::Corrupt {
                table: "?",
                row: "?".to_owned(),
                column: index.trim_matches('"').to_owned(),
                detail: source.to_string(),
            },
            E::PoolTimedOut => Self::Unavailable(
                "no connection in time: the server is down or all connections are busy".to_owned(),
            ),
            E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => {
                Self::Unavailable(error.to_string())
            }
            other => Self::Other(other.to_string()),
        }
    }
}

fn from_database(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    let code = error.code().unwrap_or_default();
    let words = format!("{} ({code})", error.message());
    if code == "42P01" || error.message().contains("no such table") {
        return StoreError::Schema { found: 0, works_for: 0, known: super::schema::KNOWN };
    }
    if code == FORBIDDEN {
        return StoreError::Other(format!("{words}: this database role lacks a right; {ADVICE}"));
    }
    // Only a migration bounds its wait for locks.
    if code == "55P03" {
        return StoreError::Held(words);
    }
    if is_conflict(&code) {
        StoreError::Conflict(words)
    } else if is_transient_code(&code) {
        StoreError::Unavailable(words)
    } else if is_about_data(&code) || error.message() == MALFORMED_JSON {
        StoreError::Refused(words)
    } else {
        StoreError::Other(words)
    }
}

/// PostgreSQL's insufficient_privilege.
const FORBIDDEN: &str = "42501";

const ADVICE: &str = "`declic migrate` and `declic maintain` are run as the owner of the tables, and after each migration \
     deploy/postgres/roles.sql gives the worker's role its rights (docs/security.md)";

/// SQLite's words about a text that its JSON functions cannot read, under the code of any mistake. PostgreSQL keeps such a
/// text out of the column.
const MALFORMED_JSON: &str = "malformed JSON";

/// PostgreSQL's class 40 (transaction rollback). SQLite's writers wait for each other instead.
fn is_conflict(code: &str) -> bool {
    code.len() == 5 && code.starts_with("40")
}

/// SQLSTATE codes (PostgreSQL 15, appendix A) and SQLite result codes after which a retry can succeed.
fn is_transient_code(code: &str) -> bool {
    if code.len() == 5 && code.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        let class = &code[..2];
        // Connection, resources, operator intervention, system error, invalid authorisation (a password
        // being rotated), lock not available, idle too long in a transaction, read-only (a server that has just
        // become a standby).
        return matches!(class, "08" | "53" | "57" | "58" | "28")
            || matches!(code, "55P03" | "25P03" | "25006");
    }
    // The low byte is the primary code: BUSY, LOCKED, IOERR, FULL, CANTOPEN, PROTOCOL.
    code.parse::<i64>().is_ok_and(|c| matches!(c & 0xff, 5 | 6 | 10 | 13 | 14 | 15))
}

/// Codes that speak of the values given: PostgreSQL's classes 22 (data exception), 23 (constraint) and 54 (limits);
/// SQLite's TOOBIG, CONSTRAINT and MISMATCH.
fn is_about_data(code: &str) -> bool {
    (code.len() == 5 && ["22", "23", "54"].contains(&&code[..2]))
        || code.parse::<i64>().is_ok_and(|c| code.len() < 5 && matches!(c & 0xff, 18..=20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_a_retry_can_cure_are_told_apart() {
        for code in ["57P01", "53300", "55P03", "08006", "5", "517", "261", "13"] {
            assert!(is_transient_code(code), "{code}");
        }
        for code in ["40001", "40P01"] {
            assert!(is_conflict(code), "{code}");
        }
        for code in ["23505", "42601", "22021", "54000", "1", "19", "2067", ""] {
            assert!(!is_transient_code(code) && !is_conflict(code), "{code}");
        }
    }
}
