//! Many rows in one statement: a table `r` to select from, whose columns are said one by one.
//!
//! On PostgreSQL each column is an array, unpacked by `UNNEST`; on SQLite the rows are one JSON array.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::StoreError;
use super::args::{Arg, instant, json_text, without_nul};
use super::session::Dialect;

/// Items, and what is written of each.
pub(super) struct Rows<'a, T> {
    items: &'a [T],
    columns: Vec<(&'static str, Column)>,
}

enum Column {
    Text(Vec<Option<String>>),
    Int(Vec<i64>),
    Time(Vec<Option<DateTime<Utc>>>),
    Flag(Vec<bool>),
    Json(Vec<String>),
}

impl<'a, T> Rows<'a, T> {
    pub(super) fn of(items: &'a [T]) -> Self {
        Self { items, columns: Vec::new() }
    }

    /// A column of texts; so are ids, and the words of enumerations.
    pub(super) fn text<V: Into<Option<&'a str>>>(
        self,
        name: &'static str,
        value: impl Fn(&'a T) -> V,
    ) -> Self {
        let texts = self.items.iter().map(|item| value(item).into().map(without_nul));
        let column = Column::Text(texts.collect());
        self.with(name, column)
    }

    pub(super) fn int(self, name: &'static str, value: impl Fn(&'a T) -> i64) -> Self {
        let column = Column::Int(self.items.iter().map(value).collect());
        self.with(name, column)
    }

    pub(super) fn time<V: Into<Option<DateTime<Utc>>>>(
        self,
        name: &'static str,
        value: impl Fn(&'a T) -> V,
    ) -> Self {
        let column = Column::Time(self.items.iter().map(|item| value(item).into()).collect());
        self.with(name, column)
    }

    pub(super) fn flag(self, name: &'static str, value: impl Fn(&'a T) -> bool) -> Self {
        let column = Column::Flag(self.items.iter().map(value).collect());
        self.with(name, column)
    }

    /// A column of JSON; a null is the JSON text `null`.
    pub(super) fn json<V: Serialize>(
        self,
        name: &'static str,
        value: impl Fn(&'a T) -> V,
    ) -> Result<Self, StoreError> {
        let texts: Result<_, _> = self.items.iter().map(|item| json_text(&value(item))).collect();
        let column = Column::Json(texts?);
        Ok(self.with(name, column))
    }

    fn with(mut self, name: &'static str, column: Column) -> Self {
        self.columns.push((name, column));
        self
    }

    /// The table as it stands in a statement whose first arguments are `args`, and all its arguments.
    pub(super) fn after(self, mut args: Vec<Arg>, dialect: Dialect) -> (String, Vec<Arg>) {
        let first = args.len() + 1;
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        match dialect {
            Dialect::Postgres => {
                let arrays: Vec<String> = self
                    .columns
                    .iter()
                    .zip(first..)
                    .map(|((_, column), n)| format!("${n}::{}", column.array()))
                    .collect();
                let table = format!("UNNEST({}) AS r({})", arrays.join(", "), names.join(", "));
                args.extend(self.columns.into_iter().map(|(_, column)| column.into_arg()));
                (table, args)
            }
            Dialect::Sqlite => {
                let columns: Vec<String> = self
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(n, (name, column))| format!("value{}{n} AS {name}", column.arrow()))
                    .collect();
                let table = format!("(SELECT {} FROM json_each(${first})) AS r", columns.join(", "));
                args.push(Arg::Text(self.into_json()));
                (table, args)
            }
        }
    }

    fn into_json(self) -> String {
        let rows: Vec<String> = (0..self.items.len())
            .map(|row| {
                let cells: Vec<String> = self.columns.iter().map(|(_, column)| column.cell(row)).collect();
                format!("[{}]", cells.join(","))
            })
            .collect();
        format!("[{}]", rows.join(","))
    }
}

impl Column {
    /// PostgreSQL's type. JSON comes as text, which is what it is made of.
    fn array(&self) -> &'static str {
        match self {
            Self::Text(_) => "text[]",
            Self::Int(_) => "bigint[]",
            Self::Time(_) => "timestamptz[]",
            Self::Flag(_) => "boolean[]",
            Self::Json(_) => "text[]::json[]",
        }
    }

    fn into_arg(self) -> Arg {
        match self {
            Self::Text(texts) => Arg::Texts(texts),
            Self::Json(texts) => Arg::Texts(texts.into_iter().map(Some).collect()),
            Self::Int(numbers) => Arg::Ints(numbers),
            Self::Time(times) => Arg::Times(times),
            Self::Flag(flags) => Arg::Flags(flags),
        }
    }

    /// SQLite's operator for a cell: JSON stays JSON.
    fn arrow(&self) -> &'static str {
        if matches!(self, Self::Json(_)) { "->" } else { "->>" }
    }

    fn cell(&self, row: usize) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let cell = match self {
            Self::Text(texts) => texts[row].as_deref().map(text),
            Self::Int(numbers) => Some(numbers[row].to_string()),
            Self::Time(times) => times[row].map(|time| text(&instant(time))),
            Self::Flag(flags) => Some(flags[row].to_string()),
            Self::Json(texts) => Some(texts[row].clone()),
        };
        cell.unwrap_or_else(|| "null".to_owned())
    }
}
