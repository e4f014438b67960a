//! The submits that wait for their answer on one session, and what is known of each when none comes.
//!
//! Invariant: a submit is marked as begun before its first octet can leave, so one that is not marked has certainly
//! not been accepted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::pdu::Frame;
use crate::clock::Deadline;

/// Why there is no answer to a submit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// Nothing of it has left: it can be submitted again.
    Unsent(String),
    /// It may have been accepted.
    Unknown(String),
}

pub type Answered = Result<Frame, Unanswered>;

#[derive(Default)]
pub struct Desk(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// Why the session is over.
    over: Option<String>,
    last: u32,
    waiting: HashMap<u32, Waiting>,
}

struct Waiting {
    begun: bool,
    /// Not begun after this: whoever waits has given up by then, or would have, had the process not been frozen.
    until: Deadline,
    answer: oneshot::Sender<Answered>,
}

impl Desk {
    /// The next sequence number (SMPP 3.4, 3.2: 1 to 0x7fffffff).
    pub fn number(&self) -> u32 {
        self.entries().number()
    }

    /// A number for a submit, and where its answer will come.
    pub fn register(&self, until: Deadline) -> Result<(u32, oneshot::Receiver<Answered>), Unanswered> {
        let mut entries = self.entries();
        if let Some(why) = &entries.over {
            return Err(Unanswered::Unsent(why.clone()));
        }
        let (answer, receiver) = oneshot::channel();
        let sequence = entries.number();
        entries.waiting.insert(sequence, Waiting { begun: false, until, answer });
        Ok((sequence, receiver))
    }

    /// Marks a submit as begun; false when nobody wants it any more.
    pub fn begin(&self, sequence: u32) -> bool {
        let mut entries = self.entries();
        let waiting = entries.waiting.get_mut(&sequence).filter(|waiting| !waiting.until.has_passed());
        waiting.map(|waiting| waiting.begun = true).is_some()
    }

    /// Takes the mark back: the system would not take its last octets, so that no whole submit has left.
    pub fn not_begun(&self, sequence: u32) {
        if let Some(waiting) = self.entries().waiting.get_mut(&sequence) {
            waiting.begun = false;
        }
    }

    /// Hands an answer to who waits for it; false when nobody does.
    pub fn answered(&self, frame: Frame) -> bool {
        let waiting = self.entries().waiting.remove(&frame.sequence);
        waiting.is_some_and(|waiting| waiting.answer.send(Ok(frame)).is_ok())
    }

    /// Nobody waits for this answer any longer. Tells whether the submit had begun; None when it is answered, or was
    /// given up before.
    pub fn give_up(&self, sequence: u32) -> Option<bool> {
        self.entries().waiting.remove(&sequence).map(|waiting| waiting.begun)
    }

    /// The session is over: tells everybody who waits, and whoever comes later.
    pub fn close(&self, why: &str) {
        let mut entries = self.entries();
        entries.over.get_or_insert_with(|| why.to_owned());
        for (_, waiting) in entries.waiting.drain() {
            let told = why.to_owned();
            let unanswered = if waiting.begun { Unanswered::Unknown(told) } else { Unanswered::Unsent(told) };
            // Who has gone in the meantime needs no answer.
            let _ = waiting.answer.send(Err(unanswered));
        }
    }

    /// Nothing under this lock can panic half-way, so a poisoned lock is as good as another.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn number(&mut self) -> u32 {
        loop {
            // 1 is the bind's.
            self.last = if self.last >= 0x7fff_ffff { 2 } else { self.last.max(1) + 1 };
            if !self.waiting.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn later() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    #[test]
    fn nothing_begins_after_its_time() {
        let desk = Desk::default();
        let (late, _receiver) = desk.register(Deadline::after(Duration::ZERO)).unwrap();
        assert!(!desk.begin(late));
        assert_eq!(desk.give_up(late), Some(false), "certainly not accepted");
    }

    fn frame(sequence: u32) -> Frame {
        Frame { command: 0x8000_0004, status: 0, sequence, body: Vec::new() }
    }

    #[test]
    fn what_is_known_when_a_session_ends() {
        let desk = Desk::default();
        let (answered, mut first) = desk.register(later()).unwrap();
        let (begun, mut second) = desk.register(later()).unwrap();
        let (_, mut third) = desk.register(later()).unwrap();
        let (taken_back, mut fourth) = desk.register(later()).unwrap();
        for sequence in [answered, begun, taken_back] {
            assert!(desk.begin(sequence));
        }
        desk.not_begun(taken_back);
        assert!(desk.answered(frame(answered)));
        assert!(!desk.answered(frame(answered)), "an answer counts once");
        desk.close("gone");
        desk.close("gone again");
        assert_eq!(first.try_recv().unwrap(), Ok(frame(answered)));
        assert_eq!(second.try_recv().unwrap(), Err(Unanswered::Unknown("gone".into())));
        assert_eq!(third.try_recv().unwrap(), Err(Unanswered::Unsent("gone".into())));
        assert_eq!(fourth.try_recv().unwrap(), Err(Unanswered::Unsent("gone".into())));
        assert_eq!(desk.register(later()).err(), Some(Unanswered::Unsent("gone".into())));
    }

    #[test]
    fn what_was_given_up_is_not_begun() {
        let desk = Desk::default();
        let (unsent, _receiver) = desk.register(later()).unwrap();
        assert_eq!(desk.give_up(unsent), Some(false));
        assert!(!desk.begin(unsent));
        let (sent, _receiver) = desk.register(later()).unwrap();
        assert!(desk.begin(sent));
        assert_eq!(desk.give_up(sent), Some(true));
        assert_eq!(desk.give_up(sent), None);
        assert!(!desk.answered(frame(sent)), "a late answer has nobody");
    }

    #[test]
    fn numbers_come_round() {
        let desk = Desk::default();
        let (first, _receiver) = desk.register(later()).unwrap();
        assert_eq!(first, 2);
        desk.entries().last = 0x7fff_fffe;
        assert_eq!([desk.number(), desk.number(), desk.number()], [0x7fff_ffff, 3, 4]);
    }
}
