//! Arguments of statements, and how each database takes them.
//!
//! PostgreSQL gets a list as an array, which it unpacks several times faster than JSON; SQLite has no arrays, so it gets JSON.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Arguments as _;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use super::StoreError;

/// An argument of a statement.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Text(String),
    Int(i64),
    Time(DateTime<Utc>),
    Texts(Vec<Option<String>>),
    Ints(Vec<i64>),
    Times(Vec<Option<DateTime<Utc>>>),
    Flags(Vec<bool>),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(without_nul(text))
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<DateTime<Utc>> for Arg {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

impl Arg {
    /// A list of texts, for `Dialect::among`.
    pub(super) fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Texts(texts.into_iter().map(|text| Some(without_nul(text.as_ref()))).collect())
    }
}

pub(super) fn for_postgres(args: Vec<Arg>) -> Result<PgArguments, BoxDynError> {
    let mut all = PgArguments::default();
    for arg in args {
        match arg {
            Arg::Text(text) => all.add(text),
            Arg::Int(number) => all.add(number),
            Arg::Time(time) => all.add(time),
            Arg::Texts(texts) => all.add(texts),
            Arg::Ints(numbers) => all.add(numbers),
            Arg::Times(times) => all.add(times),
            Arg::Flags(flags) => all.add(flags),
        }?;
    }
    Ok(all)
}

pub(super) fn for_sqlite(args: Vec<Arg>) -> Result<SqliteArguments, BoxDynError> {
    let mut all = SqliteArguments::default();
    for arg in args {
        match arg {
            Arg::Text(text) => all.add(text),
            Arg::Int(number) => all.add(number),
            Arg::Time(time) => all.add(instant(time)),
            Arg::Texts(texts) => all.add(serde_json::to_string(&texts)?),
            Arg::Ints(numbers) => all.add(serde_json::to_string(&numbers)?),
            Arg::Times(times) => {
                let times: Vec<_> = times.into_iter().map(|time| time.map(instant)).collect();
                all.add(serde_json::to_string(&times)?)
            }
            Arg::Flags(flags) => all.add(serde_json::to_string(&flags)?),
        }?;
    }
    Ok(all)
}

/// An instant as SQLite keeps it. The width is fixed (microseconds, always), or comparing text would not compare instants.
pub(super) fn instant(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A value as the text of a JSON column.
pub(super) fn json_text<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|e| StoreError::Other(format!("a value cannot be written as JSON: {e}")))?;
    // Most have no escape at all, and one character is found far faster than six.
    let may_hold = text.contains('\\') && text.contains("\\u0000");
    Ok(if may_hold { without_escaped_nul(&text) } else { text })
}

/// PostgreSQL has no NUL in text, and whatever a customer or an event is called must be storable.
pub(super) fn without_nul(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

/// Replaces each escaped NUL of a JSON text by U+FFFD: PostgreSQL cannot unpack `\u0000`, and one such character
/// in one event must not fail the batch.
fn without_escaped_nul(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        // A backslash is never the last character of JSON, and what follows it is ASCII.
        let taken = if let Some(after) = rest.strip_prefix("\\u0000") {
            out.push_str("\\ufffd");
            rest.len() - after.len()
        } else {
            let taken = rest.len().min(2);
            out.push_str(&rest[..taken]);
            taken
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_one_width() {
        let whole: DateTime<Utc> = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(instant(whole), "2026-11-22T10:00:00.000000Z");
        assert_eq!(instant(whole + chrono::TimeDelta::microseconds(7)), "2026-11-22T10:00:00.000007Z");
    }

    #[test]
    fn only_an_escaped_nul_is_replaced() {
        let text = json_text(&["a\0b", "\\u0000", "c\\"]).unwrap();
        let back: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, ["a\u{fffd}b", "\\u0000", "c\\"]);
    }
}
