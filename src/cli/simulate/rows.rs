//! Rows in order of rank, time and customer, printed once all are there; they may be too many for memory.

use std::io::{BufWriter, Write};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::cli::table::{self, Format, Layout};
use crate::simulate::spill::{Record, Sorter};

/// All rows of the output.
pub struct Rows {
    sorter: Sorter,
    layout: Layout,
    count: usize,
}

/// Where a row stands: what has the lower rank first, then by instant and customer.
pub type Place<'a> = (u8, DateTime<Utc>, &'a str);

/// The rows of some customers, made ready to be added to the others.
pub struct Batch {
    records: Vec<Record>,
    layout: Layout,
}

impl Batch {
    /// Rows of customers of whom no other batch tells, each with its place. Rows of equal places keep their order.
    pub fn of<'a>(columns: &[&str], rows: impl Iterator<Item = (Place<'a>, Value)>) -> Self {
        let mut batch = Self { records: Vec::new(), layout: Layout::new(columns) };
        for (place, row) in rows {
            batch.layout.measure(&row);
            let key = key(place, batch.records.len());
            batch.records.push((key, row.to_string().into_bytes()));
        }
        batch
    }
}

/// Compares as bytes as (place, number in its batch) do.
fn key((rank, at, customer): Place<'_>, number: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(customer.len() + 18);
    key.push(rank);
    // From the first year that there is, so that no number is below zero.
    key.extend_from_slice(&(at.timestamp_micros() ^ i64::MIN).to_be_bytes());
    key.extend_from_slice(customer.as_bytes());
    key.push(0);
    key.extend_from_slice(&(number as u64).to_be_bytes());
    key
}

impl Rows {
    pub fn new(columns: &[&str]) -> Self {
        Self { sorter: Sorter::default(), layout: Layout::new(columns), count: 0 }
    }

    pub fn add(&mut self, batch: Batch) -> std::io::Result<()> {
        self.layout.widen(&batch.layout);
        self.count += batch.records.len();
        batch.records.into_iter().try_for_each(|(key, row)| self.sorter.push(key, row))
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Prints the first `limit` rows.
    pub fn print(self, format: Format, limit: usize) -> std::io::Result<()> {
        let mut rows = self.sorter.into_sorted()?.take(limit);
        if format == Format::Ndjson {
            // As they were kept.
            let mut out = BufWriter::new(std::io::stdout().lock());
            rows.try_for_each(|record| {
                out.write_all(&record?.1)?;
                out.write_all(b"\n")
            })?;
            return out.flush();
        }
        table::stream(rows.map(|record| Ok(serde_json::from_slice(&record?.1)?)), &self.layout, format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_compare_as_what_they_are_made_of() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let places = [
            ((0, at(-5), "z"), 9),
            ((0, at(0), "a"), 0),
            ((0, at(0), "a"), 1),
            ((0, at(0), "a"), 256),
            ((0, at(0), "a b"), 0),
            ((0, at(0), "ab"), 0),
            ((0, at(0), "é"), 0),
            ((0, at(1), "a"), 0),
            ((1, at(-9), "a"), 0),
        ];
        assert!(places.is_sorted());
        assert!(places.map(|(place, number)| key(place, number)).is_sorted());
    }
}
