//! Messages whose sender died in the middle of a hand-over: nobody knows whether they went out.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{poison, record};
use crate::active::Shelf;
use crate::clock::Clock;
use crate::domain::outcome::Outcome;
use crate::domain::steps::basis;
use crate::failpoint;
use crate::store::{Changes, Found, Store, StoreError};
use crate::telemetry;

/// How often to look, in real time. Leases last minutes.
const EVERY: Duration = Duration::from_secs(5);

/// Looks after expired hand-overs until told to stop.
pub async fn run(store: Store, shelf: Shelf, clock: Clock, shutdown: CancellationToken) {
    loop {
        if let Err(error) = pass(&store, &shelf, &clock).await {
            telemetry::waiting_for("database", &error.to_string());
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Settles each hand-over whose lease is over: sent again only where the purpose is a contract.
pub async fn pass(store: &Store, shelf: &Shelf, clock: &Clock) -> Result<(), StoreError> {
    let active = shelf.get();
    let Found { messages: expired, unreadable } = store.expired_sending().await?;
    if expired.is_empty() && unreadable.is_empty() {
        return Ok(());
    }
    let now = clock.now();
    let (mut settled, mut changes) = (Vec::new(), Changes::default());
    for mut message in expired {
        let basis = basis(&active.book.active.policy, &message.purpose);
        record::unknown(&mut message, basis, now);
        changes.outcomes.extend(Outcome::of_message(&message, now));
        settled.push(message);
    }
    let mut tx = store.begin().await?;
    let held = tx.settle_expired(&settled).await?;
    changes.outcomes.retain(|o| held.iter().any(|id| o.id.starts_with(id.as_str())));
    settled.retain(|message| held.contains(&message.id));
    changes.messages.extend(settled.iter().filter_map(|message| message.fall_back(now)));
    let unreadable = poison::uncertain(unreadable);
    let ended = tx.settle_unreadable(&unreadable).await?;
    poison::note_uncertain(&unreadable, &ended, &mut changes, now);
    tx.write(&changes).await?;
    failpoint::reach("reclaim.settled");
    tx.commit().await?;
    let ended = unreadable.iter().filter(|message| ended.contains(&message.id));
    settled.iter().chain(ended).for_each(telemetry::reclaimed);
    telemetry::fell_back(&changes.messages);
    Ok(())
}

#[cfg(test)]
mod tests;
