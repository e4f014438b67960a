//! Lists for people (aligned columns) and for programs (JSON, NDJSON).

use std::io::{BufWriter, Write};

use clap::ValueEnum;
use serde::ser::{Serialize, SerializeSeq, Serializer};
use serde_json::Value;

/// How a list is printed. JSON is a stable interface; the table is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
}

/// The widest cell of a table; longer text is cut with an ellipsis.
const MAX_CELL: usize = 60;

/// Prints `rows` to standard output. A table shows the named fields; JSON holds all.
pub fn print<Row: Serialize>(rows: &[Row], columns: &[&str], format: Format) -> std::io::Result<()> {
    let values: Vec<Value> = rows.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    let mut layout = Layout::new(columns);
    values.iter().for_each(|value| layout.measure(value));
    stream(values.into_iter().map(Ok), &layout, format)
}

/// The same for rows that come one by one and have been measured before.
pub fn stream(
    mut rows: impl Iterator<Item = std::io::Result<Value>>,
    layout: &Layout,
    format: Format,
) -> std::io::Result<()> {
    let out = &mut BufWriter::new(std::io::stdout().lock());
    match format {
        Format::Json => {
            let mut serializer = serde_json::Serializer::pretty(&mut *out);
            let mut array = serializer.serialize_seq(None)?;
            rows.try_for_each(|row| Ok::<_, std::io::Error>(array.serialize_element(&row?)?))?;
            array.end()?;
            writeln!(out)?;
        }
        Format::Ndjson => rows.try_for_each(|row| writeln!(out, "{}", row?))?,
        Format::Table => {
            layout.write(out, layout.columns.iter().map(|(name, _)| name.to_uppercase()))?;
            rows.try_for_each(|row| layout.row(out, &row?))?;
        }
    }
    out.flush()
}

/// The columns of a table, each as wide as its widest cell.
#[derive(Debug, Clone)]
pub struct Layout {
    columns: Vec<(String, usize)>,
}

impl Layout {
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|name| ((*name).to_owned(), name.len())).collect() }
    }

    /// Makes room for a row.
    pub fn measure(&mut self, row: &Value) {
        for (name, width) in &mut self.columns {
            *width = cell(&row[name.as_str()]).chars().count().max(*width);
        }
    }

    /// Makes room for all that another layout has room for. Both are of the same columns.
    pub fn widen(&mut self, other: &Self) {
        for ((_, width), (_, theirs)) in self.columns.iter_mut().zip(&other.columns) {
            *width = *theirs.max(width);
        }
    }

    fn row(&self, out: &mut impl Write, row: &Value) -> std::io::Result<()> {
        self.write(out, self.columns.iter().map(|(name, _)| cell(&row[name.as_str()])))
    }

    fn write(&self, out: &mut impl Write, cells: impl Iterator<Item = String>) -> std::io::Result<()> {
        let mut line = String::new();
        for (text, (_, width)) in cells.zip(&self.columns) {
            line.push_str(&text);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(text.chars().count()) + 2));
        }
        writeln!(out, "{}", line.trim_end())
    }
}

fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.replace(['\n', '\r', '\t'], " "),
        other => other.to_string(),
    };
    if text.chars().count() <= MAX_CELL {
        return text;
    }
    text.chars().take(MAX_CELL - 1).chain(['…']).collect()
}
