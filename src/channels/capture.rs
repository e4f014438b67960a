//! Mail that goes nowhere: kept in memory for the local page of embedded mode, the demo and tests.
//!
//! A mail is built exactly as for SMTP, so what cannot be sent cannot be captured either. Only the newest
//! mails are kept. Nothing is written to disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::email::{Email, Outcome, message};
use crate::clock::Clock;

/// How many mails [`Capture::new`] keeps when nobody says otherwise: about 250 MB of 20 KB mails.
pub const KEEP: usize = 10_000;

/// One captured mail.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Counts up from 1; the identity of a mail on the local page.
    pub seq: u64,
    /// When it was handed over, on the channel's clock.
    pub at: DateTime<Utc>,
    pub email: Arc<Email>,
}

/// The captured mails. Clones share them.
#[derive(Debug, Clone)]
pub struct Capture(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keep: usize,
    clock: Clock,
    kept: Mutex<VecDeque<Captured>>,
    newest: watch::Sender<u64>,
}

impl Capture {
    /// Keeps the newest `keep` mails (at least one).
    pub fn new(keep: usize, clock: Clock) -> Self {
        let newest = watch::Sender::new(0);
        Self(Arc::new(Inner { keep: keep.max(1), clock, kept: Mutex::default(), newest }))
    }

    /// Captures `mail`; refuses what could not be built for SMTP.
    pub fn send(&self, mail: &Email) -> Outcome {
        if let Err(error) = message::build(mail) {
            return Outcome::Invalid { detail: error.to_string() };
        }
        let email = Arc::new(mail.clone());
        let at = self.0.clock.now();
        let mut kept = self.kept();
        let seq = *self.0.newest.borrow() + 1;
        if kept.len() == self.0.keep {
            kept.pop_front();
        }
        kept.push_back(Captured { seq, at, email });
        // Under the lock, so that numbers are given once and announced in order.
        self.0.newest.send_replace(seq);
        Outcome::Accepted { reply: format!("captured as {seq}") }
    }

    /// All kept mails, oldest first.
    pub fn list(&self) -> Vec<Captured> {
        self.kept().iter().cloned().collect()
    }

    /// The mail numbered `seq`, if it is still kept.
    pub fn get(&self, seq: u64) -> Option<Captured> {
        let kept = self.kept();
        let oldest = kept.front()?.seq;
        kept.get(usize::try_from(seq.checked_sub(oldest)?).ok()?).cloned()
    }

    /// The bytes that SMTP would have carried for mail `seq`, without DKIM signatures.
    pub fn raw(&self, seq: u64) -> Option<Vec<u8>> {
        let captured = self.get(seq)?;
        message::build(&captured.email).ok().map(|built| built.bytes)
    }

    /// Shows the number of the newest mail (0: none yet) and wakes at each new one.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    /// A panic elsewhere cannot leave the list half changed, so a poisoned lock is as good as another.
    fn kept(&self) -> MutexGuard<'_, VecDeque<Captured>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::email::tests::mail;
    use super::*;

    #[test]
    fn keeps_the_newest_and_numbers_them() {
        let capture = Capture::new(2, Clock::manual(DateTime::UNIX_EPOCH));
        let watcher = capture.subscribe();
        for n in 1..=3 {
            let sent = Email { subject: format!("mail {n}"), ..mail() };
            assert!(matches!(capture.send(&sent), Outcome::Accepted { .. }));
        }
        assert_eq!(capture.list().iter().map(|c| c.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(capture.get(3).map(|c| c.email.subject.clone()), Some("mail 3".to_owned()));
        assert!(capture.get(0).is_none() && capture.get(1).is_none() && capture.get(4).is_none());
        assert!(capture.raw(2).is_some_and(|raw| raw.starts_with(b"From: ")));
        assert_eq!(*watcher.borrow(), 3);
    }

    #[test]
    fn refuses_what_smtp_could_not_send() {
        let capture = Capture::new(2, Clock::manual(DateTime::UNIX_EPOCH));
        let sent = Email { to: "nobody".to_owned(), ..mail() };
        assert!(matches!(capture.send(&sent), Outcome::Invalid { .. }));
        assert!(capture.list().is_empty());
    }
}
