//! Statements as they run, written down for the test that an older build's still work on newer tables.
//!
//! Built with the cargo feature `failpoints` only, and silent unless `DECLIC_RECORD_STATEMENTS` names a file. Called by
//! `session` before each statement; `scripts/record-statements` makes a fixture of it.

use std::io::Write;

use serde_json::json;

use super::session::{Arg, Dialect, instant};

/// Adds one statement and its arguments to the file, as a line of JSON.
pub(super) fn note(dialect: Dialect, sql: &str, args: &[Arg]) {
    let Ok(path) = std::env::var("DECLIC_RECORD_STATEMENTS") else { return };
    let args: Vec<_> = args
        .iter()
        .map(|arg| match arg {
            Arg::Text(text) => json!({ "text": text }),
            Arg::Int(number) => json!({ "int": number }),
            Arg::Time(time) => json!({ "time": instant(*time) }),
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
