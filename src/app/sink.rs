//! Where the intake hands its batches to: the processor and the table of dead letters.

use std::sync::Arc;

use crate::domain::event::Event;
use crate::intake::{AcceptError, Accepted, DeadLetter, Sink};
use crate::process::Processor;
use crate::store::{self, Store, StoreError};

pub fn sink(processor: &Processor, store: &Store) -> Sink {
    let (processor, park, ready) = (processor.clone(), store.clone(), store.clone());
    Sink {
        accept: Arc::new(move |events: Vec<Event>| {
            let processor = processor.clone();
            Box::pin(async move {
                let fresh = processor.accept(&events).await.map_err(accept_error)?;
                let word = |new: bool| if new { Accepted::New } else { Accepted::Duplicate };
                Ok(fresh.into_iter().map(word).collect())
            })
        }),
        park: Arc::new(move |letters: Vec<DeadLetter>| {
            let store = park.clone();
            Box::pin(async move {
                for letter in letters {
                    store.park(&kept(letter)).await.map_err(accept_error)?;
                }
                Ok(())
            })
        }),
        ready: Arc::new(move || {
            let store = ready.clone();
            Box::pin(async move { store.check_schema().await.map_err(accept_error) })
        }),
    }
}

fn kept(letter: DeadLetter) -> store::DeadLetter {
    store::DeadLetter {
        id: letter.fingerprint(),
        received_at: letter.received_at,
        origin: letter.origin.to_owned(),
        reason: letter.reason,
        detail: letter.detail,
        headers: letter.headers,
        body: letter.body,
    }
}

/// Only what is about a batch's own content may park events: a missing table would park the whole queue.
fn accept_error(error: StoreError) -> AcceptError {
    match error {
        StoreError::Refused(_) | StoreError::Corrupt { .. } => AcceptError::Poison(error.to_string()),
        StoreError::Unavailable(_)
        | StoreError::Held(_)
        | StoreError::Schema { .. }
        | StoreError::Other(_) => AcceptError::Unavailable(error.to_string()),
    }
}
