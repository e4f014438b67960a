//! Messages that go nowhere: kept in memory for the local page of embedded mode, the demo and tests.
//!
//! A mail is built exactly as for SMTP, so what cannot be sent cannot be captured either. Only the newest
//! mails are kept. Nothing is written to disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::email::message;
use super::{Answer, Parcel};
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
    pub parcel: Arc<Parcel>,
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

    /// Captures a message; refuses what could not be built for SMTP.
    pub fn send(&self, parcel: &Parcel) -> Answer {
        if let Parcel::Email(mail) = parcel
            && let Err(error) = message::build(mail)
        {
            return error.answer();
        }
        let parcel = Arc::new(parcel.clone());
        let at = self.0.clock.now();
        let mut kept = self.kept();
        let seq = *self.0.newest.borrow() + 1;
        if kept.len() == self.0.keep {
            kept.pop_front();
        }
        kept.push_back(Captured { seq, at, parcel });
        // Under the lock, so that numbers are given once and announced in order.
        self.0.newest.send_replace(seq);
        Answer::Accepted { reply: format!("captured as {seq}"), ids: Vec::new() }
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

    /// The bytes that SMTP would have carried for mail `seq`, without DKIM signatures; none for an SMS.
    pub fn raw(&self, seq: u64) -> Option<Vec<u8>> {
        let captured = self.get(seq)?;
        match captured.parcel.as_ref() {
            Parcel::Email(email) => message::build(email).ok().map(|built| built.bytes),
            Parcel::Sms(_) => None,
        }
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
    use super::super::email::Email;
    use super::super::email::tests::mail;
    use super::*;

    fn subject(captured: Option<Captured>) -> String {
        match captured.as_ref().map(|c| c.parcel.as_ref()) {
            Some(Parcel::Email(email)) => email.subject.clone(),
            _ => String::new(),
        }
    }

    #[test]
    fn keeps_the_newest_and_numbers_them() {
        let capture = Capture::new(2, Clock::manual(DateTime::UNIX_EPOCH));
        let watcher = capture.subscribe();
        for n in 1..=3 {
            let sent = Parcel::Email(Email { subject: format!("mail {n}"), ..mail() });
            assert!(matches!(capture.send(&sent), Answer::Accepted { .. }));
        }
        assert_eq!(capture.list().iter().map(|c| c.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(subject(capture.get(3)), "mail 3");
        assert!(capture.get(0).is_none() && capture.get(1).is_none() && capture.get(4).is_none());
        assert!(capture.raw(2).is_some_and(|raw| raw.starts_with(b"From: ")));
        assert_eq!(*watcher.borrow(), 3);
    }

    #[test]
    fn refuses_what_smtp_could_not_send() {
        let capture = Capture::new(2, Clock::manual(DateTime::UNIX_EPOCH));
        let sent = Parcel::Email(Email { to: "nobody".to_owned(), ..mail() });
        assert!(matches!(capture.send(&sent), Answer::Invalid { .. }));
        assert!(capture.list().is_empty());
    }
}
