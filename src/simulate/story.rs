//! A history of events told in any order, taken apart by customer: each [`Group`] is a story of its own.

use std::io;
use std::iter::Peekable;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::spill::{Record, Sorted, Sorter};
use crate::domain::event::Event;
use crate::domain::snapshot::Snapshot;

/// From how many events on a group is closed. Larger ones take more memory at once; of smaller ones each would go
/// through all the ticks of the time anew.
const GROUP: usize = 4_000;

/// Some customers with all that is told of them.
#[derive(Debug, Default)]
pub struct Group {
    /// Who is known before the story begins.
    pub customers: Vec<Snapshot>,
    /// What is said of customers before it begins.
    pub known: Vec<Event>,
    /// What happens, in any order.
    pub events: Vec<Event>,
}

/// The time that a story takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Just before the first event: nothing comes sooner.
    pub begin: DateTime<Utc>,
    /// Until when anniversaries and schedules come.
    pub end: DateTime<Utc>,
    /// Whether what is under way at the end is followed to its own.
    pub finish: bool,
}

/// A history as it is being told.
#[derive(Default)]
pub struct Story {
    told: Sorter,
    count: u64,
    first: Option<DateTime<Utc>>,
    last: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
enum Told<E> {
    Known(E),
    Happened(E),
}

impl Story {
    /// Takes in something that happens.
    pub fn happened(&mut self, event: &Event) -> io::Result<()> {
        self.first = Some(self.first.map_or(event.time, |first| first.min(event.time)));
        self.last = Some(self.last.map_or(event.time, |last| last.max(event.time)));
        self.tell(&event.subject, &Told::Happened(event))
    }

    /// Takes in something that is known of a customer before the story begins.
    pub fn known(&mut self, event: &Event) -> io::Result<()> {
        self.tell(&event.subject, &Told::Known(event))
    }

    /// How many events and things known were told.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// From just before `since`, or the first event, to `until`, or the last event and the end of what is under way
    /// then. None when nothing happens to tell that by.
    pub fn span(&self, since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>) -> Option<Span> {
        let begin = since.or(self.first)? - TimeDelta::microseconds(1);
        Some(Span { begin, end: until.or(self.last)?, finish: until.is_none() })
    }

    /// The customers in groups, each with all that was told of them, in the order in which it was told.
    pub fn into_groups(self) -> io::Result<Groups> {
        Ok(Groups(self.told.into_sorted()?.peekable()))
    }

    fn tell(&mut self, subject: &str, told: &Told<&Event>) -> io::Result<()> {
        // No id of a customer holds a NUL, which keeps one id apart from another that it begins.
        let mut key = Vec::with_capacity(subject.len() + 9);
        key.extend_from_slice(subject.as_bytes());
        key.push(0);
        key.extend_from_slice(&self.count.to_be_bytes());
        self.count += 1;
        self.told.push(key, serde_json::to_vec(told)?)
    }
}

/// See [`Story::into_groups`].
pub struct Groups(Peekable<Sorted>);

impl Iterator for Groups {
    type Item = io::Result<Group>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut group = Group::default();
        let mut size = 0;
        let mut customer = Vec::new();
        while let Some(Ok((key, _))) = self.0.peek() {
            if size >= GROUP && subject(key) != customer {
                break;
            }
            customer = subject(key).to_vec();
            size += 1;
            let record = self.0.next()?;
            if let Err(error) = record.and_then(|record| group.add(&record)) {
                return Some(Err(error));
            }
        }
        match self.0.next_if(Result::is_err) {
            Some(Err(error)) => Some(Err(error)),
            _ => (size > 0).then_some(Ok(group)),
        }
    }
}

impl Group {
    fn add(&mut self, (_, told): &Record) -> io::Result<()> {
        match serde_json::from_slice(told)? {
            Told::Known(event) => self.known.push(event),
            Told::Happened(event) => self.events.push(event),
        }
        Ok(())
    }
}

/// The customer's id, of a record's key.
fn subject(key: &[u8]) -> &[u8] {
    &key[..key.len().saturating_sub(9)]
}
