//! Every statement that is sent, for two tests: which customers each is about, and whether an older build's still work
//! on newer tables. Called by `session` before each; empty, as in every ordinary build, without the feature `failpoints`.

use super::args::Arg;
use super::session::Dialect;

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(super) fn note(_dialect: Dialect, _sql: &str, _args: &[Arg]) {}

#[cfg(feature = "failpoints")]
pub(super) use kept::note;
#[cfg(feature = "failpoints")]
pub use kept::seen;

#[cfg(feature = "failpoints")]
mod kept {
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    use serde_json::json;

    use super::{Arg, Dialect};
    use crate::store::args::instant;

    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

    pub fn note(dialect: Dialect, sql: &str, args: &[Arg]) {
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(sql) {
            seen.insert(sql.to_owned());
        }
        drop(seen);
        if let Ok(path) = std::env::var("DECLIC_RECORD_STATEMENTS") {
            record(&path, dialect, sql, args);
        }
    }

    /// What this process has sent so far, each statement once.
    pub fn seen() -> Vec<String> {
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Adds one statement and its arguments to a file, as a line of JSON: `scripts/record-statements` makes a fixture of
    /// it.
    fn record(path: &str, dialect: Dialect, sql: &str, args: &[Arg]) {
        let args: Vec<_> = args
            .iter()
            .map(|arg| match arg {
                Arg::Text(text) => json!({ "text": text }),
                Arg::Int(number) => json!({ "int": number }),
                Arg::Time(time) => json!({ "time": instant(*time) }),
                Arg::Texts(texts) => json!({ "texts": texts }),
                Arg::Ints(numbers) => json!({ "ints": numbers }),
                Arg::Times(times) => {
                    json!({ "times": times.iter().map(|time| time.map(instant)).collect::<Vec<_>>() })
                }
                Arg::Flags(flags) => json!({ "flags": flags }),
            })
            .collect();
        let dialect = match dialect {
            Dialect::Postgres => "postgres",
            Dialect::Sqlite => "sqlite",
        };
        let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = format!("{}\n", json!({ "dialect": dialect, "sql": sql, "args": args }));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        // One write a line, so that the lines of several threads do not mix.
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            eprintln!("DECLIC_RECORD_STATEMENTS: {error}");
        }
    }
}
