//! Records in the order of their keys, however many there are: in memory as long as they fit, and beyond in a
//! temporary file that nobody else can open and that is gone when the process is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A key, by whose bytes records are ordered, and what goes with it.
pub type Record = (Vec<u8>, Vec<u8>);

/// How many bytes of records a sorter holds before it writes them out.
const HELD: usize = 32 * 1024 * 1024;

/// What a record in memory costs beyond its bytes: two vectors and the allocator's own.
const OVERHEAD: usize = 80;

/// How much of each sorted run is read at once. All runs are read side by side.
const READ_AHEAD: usize = 16 * 1024;

/// Collects records, to give them back in order.
pub struct Sorter {
    limit: usize,
    held: Vec<Record>,
    bytes: usize,
    spilled: Option<Spilled>,
}

/// Sorted runs, one behind the other.
struct Spilled {
    file: Arc<File>,
    /// Where each run ends; it begins where the one before it does.
    ends: Vec<u64>,
}

impl Default for Sorter {
    fn default() -> Self {
        Self::holding(HELD)
    }
}

impl Sorter {
    /// A sorter that holds at most about `limit` bytes in memory.
    fn holding(limit: usize) -> Self {
        Self { limit, held: Vec::new(), bytes: 0, spilled: None }
    }

    /// Takes a record in. Records of equal keys come back in the order of their values.
    ///
    /// # Errors
    /// When the temporary file cannot be made or written.
    pub fn push(&mut self, key: Vec<u8>, value: Vec<u8>) -> io::Result<()> {
        self.bytes += key.len() + value.len() + OVERHEAD;
        self.held.push((key, value));
        if self.bytes > self.limit { self.write_run() } else { Ok(()) }
    }

    /// All records in order.
    pub fn into_sorted(mut self) -> io::Result<Sorted> {
        self.held.sort_unstable();
        let mut sorted = Sorted { runs: vec![Run::Held(self.held.into_iter())], next: BinaryHeap::new() };
        if let Some(Spilled { file, ends }) = self.spilled {
            let begins = [0].into_iter().chain(ends.iter().copied());
            for (at, end) in begins.zip(ends.iter().copied()) {
                let part = Part { file: file.clone(), at, end };
                sorted.runs.push(Run::Written(BufReader::with_capacity(READ_AHEAD, part)));
            }
        }
        for run in 0..sorted.runs.len() {
            sorted.advance(run)?;
        }
        Ok(sorted)
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled { file: Arc::new(temporary_file()?), ends: Vec::new() }),
        };
        let mut length = 0;
        let mut out = BufWriter::new(&*spilled.file);
        for (key, value) in self.held.drain(..) {
            for part in [key, value] {
                let size = u32::try_from(part.len()).map_err(io::Error::other)?;
                out.write_all(&size.to_le_bytes())?;
                out.write_all(&part)?;
                length += 4 + u64::from(size);
            }
        }
        out.flush()?;
        drop(out);
        spilled.ends.push(spilled.ends.last().copied().unwrap_or_default() + length);
        self.bytes = 0;
        Ok(())
    }
}

/// The records of a [`Sorter`], smallest key first.
pub struct Sorted {
    runs: Vec<Run>,
    /// The next record of each run.
    next: BinaryHeap<Reverse<(Record, usize)>>,
}

enum Run {
    Held(std::vec::IntoIter<Record>),
    Written(BufReader<Part>),
}

impl Sorted {
    fn advance(&mut self, run: usize) -> io::Result<()> {
        let record = match &mut self.runs[run] {
            Run::Held(records) => records.next(),
            Run::Written(part) => read_record(part)?,
        };
        self.next.extend(record.map(|record| Reverse((record, run))));
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((record, run)) = self.next.pop()?;
        Some(self.advance(run).map(|()| record))
    }
}

/// A stretch of a file that others read too: each has its own place in it.
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..left], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The next record; none at the end of the run.
fn read_record(part: &mut BufReader<Part>) -> io::Result<Option<Record>> {
    if part.buffer().is_empty() && part.get_ref().at == part.get_ref().end {
        return Ok(None);
    }
    let mut read = || {
        let mut size = [0; 4];
        part.read_exact(&mut size)?;
        let mut bytes = vec![0; u32::from_le_bytes(size) as usize];
        part.read_exact(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    Ok(Some((read()?, read()?)))
}

/// A file in the folder for temporary ones (`TMPDIR`), without a name as soon as it is open: it holds addresses.
fn temporary_file() -> io::Result<File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = std::env::temp_dir();
    let name = format!("declic-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = folder.join(name);
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_out_comes_back_as_if_it_had_been_held(
            records in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), any::<[u8; 3]>()), 0..200),
            limit in 0_usize..4_000,
        ) {
            let mut sorter = Sorter::holding(limit);
            for (key, value) in &records {
                sorter.push(key.clone(), value.to_vec()).expect("a temporary file");
            }
            let sorted: Vec<Record> = sorter.into_sorted().expect("runs").map(|r| r.expect("a record")).collect();
            let mut expected: Vec<Record> = records.into_iter().map(|(key, value)| (key, value.to_vec())).collect();
            expected.sort();
            prop_assert_eq!(sorted, expected);
        }
    }
}
