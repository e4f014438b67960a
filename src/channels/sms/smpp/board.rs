//! Which sessions there are: kept up by their links, found here by those who send.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::session::Session;
use super::status::Failure;

/// The state of one link.
pub enum Slot {
    /// On its way, and nothing speaks against it.
    Connecting,
    Bound(Arc<Session>),
    /// Not there, for this reason; tried again from time to time.
    Down(Failure),
    /// For good.
    Closed,
}

/// One slot for each link that can send.
pub struct Board {
    slots: Mutex<Vec<Slot>>,
    changed: watch::Sender<()>,
}

enum Found {
    Session(Arc<Session>),
    NotYet,
    None(Failure),
}

impl Board {
    pub fn new(links: usize) -> Self {
        let slots = (0..links).map(|_| Slot::Connecting).collect();
        Self { slots: Mutex::new(slots), changed: watch::Sender::new(()) }
    }

    /// Puts a link's new state in the place of its last. A session that leaves the board is over.
    pub fn set(&self, place: usize, slot: Slot) {
        if let Some(old) = self.slots().get_mut(place) {
            if let Slot::Bound(session) = &old {
                session.end("the session is over");
            }
            *old = slot;
        }
        self.changed.send_replace(());
    }

    /// The bound session with the most room, waiting for one until `until` where one is on its way.
    pub async fn session(&self, until: Instant) -> Result<Arc<Session>, Failure> {
        let mut changes = self.changed.subscribe();
        loop {
            match self.look() {
                Found::Session(session) => return Ok(session),
                Found::None(failure) => return Err(failure),
                Found::NotYet => {}
            }
            if timeout_at(until, changes.changed()).await.is_err() {
                return Err(Failure::Lost("there is no session with the provider yet".to_owned()));
            }
        }
    }

    /// Waits until every link is closed.
    pub async fn all_closed(&self) {
        let mut changes = self.changed.subscribe();
        while !self.slots().iter().all(|slot| matches!(slot, Slot::Closed)) {
            // The sender is ours.
            let _ = changes.changed().await;
        }
    }

    /// How many sessions are bound.
    pub fn bound(&self) -> usize {
        self.slots().iter().filter(|slot| matches!(slot, Slot::Bound(_))).count()
    }

    fn look(&self) -> Found {
        let slots = self.slots();
        let bound = slots.iter().filter_map(|slot| match slot {
            Slot::Bound(session) => Some(session),
            _ => None,
        });
        if let Some(session) = bound.max_by_key(|session| session.free()) {
            return Found::Session(Arc::clone(session));
        }
        if slots.iter().any(|slot| matches!(slot, Slot::Connecting)) {
            return Found::NotYet;
        }
        let failure = slots.iter().find_map(|slot| match slot {
            Slot::Down(failure) => Some(failure.clone()),
            _ => None,
        });
        Found::None(failure.unwrap_or_else(|| Failure::Lost("the channel is closed".to_owned())))
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
