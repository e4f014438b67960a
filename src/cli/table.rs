//! Lists for people (aligned columns) and for programs (JSON, NDJSON).

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;
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
    let out = &mut std::io::stdout().lock();
    let values: Vec<Value> = rows.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &values)?;
            writeln!(out)
        }
        Format::Ndjson => values.iter().try_for_each(|value| writeln!(out, "{value}")),
        Format::Table => print_table(out, &values, columns),
    }
}

fn print_table(out: &mut impl Write, rows: &[Value], columns: &[&str]) -> std::io::Result<()> {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| cell(&row[*column])).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, name)| {
            cells.iter().map(|row| row[i].chars().count()).chain([name.len()]).max().unwrap_or(0)
        })
        .collect();
    let header: Vec<String> = columns.iter().map(|c| c.to_uppercase()).collect();
    for row in std::iter::once(&header).chain(&cells) {
        let mut line = String::new();
        for (text, width) in row.iter().zip(&widths) {
            line.push_str(text);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(text.chars().count()) + 2));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
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
