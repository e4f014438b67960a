//! Forgetting in time: what is only kept for a while, and what an erasure leaves in the database's files.
//!
//! Runs in the worker, in small steps, beside everything else. Real time says how often; the worker's clock says what is
//! old.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::register::{Kept, Kind, Span};
use crate::store::{Store, StoreError};
use crate::telemetry;

/// How often to look.
const EVERY: Duration = Duration::from_secs(3_600);
/// How soon to look again after the database was away.
const AGAIN: Duration = Duration::from_secs(60);

/// Receipts of SMS: networks try for three days at most; a week covers those that come late or never.
const RECEIPTS_KEPT: TimeDelta = TimeDelta::days(7);
/// What customers wrote is kept for people to read; three months are time enough. A STOP's proof is in the ledger.
const TEXTS_KEPT: TimeDelta = TimeDelta::days(90);

/// Until when erasures have been tidied up after, as a setting: no worker does it again after a start.
const TIDIED_UNTIL: &str = "retention.tidied_until";

/// How long each kind of data is kept, for the register of processing: what [`run`] forgets, and what nothing forgets but
/// an erasure.
pub fn kept(bounces_kept: TimeDelta) -> Vec<Kept> {
    let days = |time: TimeDelta| Span::Days(time.num_days());
    [
        (Kind::Profiles, Span::UntilErased),
        (Kind::Events, Span::UntilErased),
        (Kind::Messages, Span::UntilErased),
        (Kind::Consents, Span::AsLongAsOwed),
        (Kind::Suppressions, Span::AsLongAsOwed),
        (Kind::Bounces, days(bounces_kept)),
        (Kind::Receipts, days(RECEIPTS_KEPT)),
        (Kind::Texts, days(TEXTS_KEPT)),
        (Kind::DeadLetters, Span::UntilErased),
    ]
    .map(|(what, span)| Kept { what, span })
    .to_vec()
}

/// Forgets what is old, and tidies up after erasures, until told to stop. `bounces_kept` is how long reports on mails are
/// kept.
pub async fn run(store: Store, clock: Clock, bounces_kept: TimeDelta, shutdown: CancellationToken) {
    let mut told = false;
    loop {
        let pause = match pass(&store, clock.now(), bounces_kept).await {
            Ok(forbidden) => {
                if !forbidden.is_empty() && !told {
                    telemetry::may_not_make_room(&forbidden);
                    told = true;
                }
                EVERY
            }
            Err(error) => {
                telemetry::waiting_for("database", &error.to_string());
                AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Returns the tables in which the database role may not make room after an erasure.
async fn pass(store: &Store, now: DateTime<Utc>, bounces_kept: TimeDelta) -> Result<Vec<String>, StoreError> {
    store.forget_bounces(now - bounces_kept).await?;
    store.forget_receipts(now - RECEIPTS_KEPT).await?;
    store.forget_inbound(now - TEXTS_KEPT).await?;
    let until = store.setting(TIDIED_UNTIL).await?.and_then(|text| text.parse().ok());
    if store.was_anybody_erased_since(until.unwrap_or(DateTime::UNIX_EPOCH)).await? {
        let forbidden = store.tidy_up().await?;
        if !forbidden.is_empty() {
            // Not noted as done: a worker of another role may do it.
            return Ok(forbidden);
        }
        let mut tx = store.begin().await?;
        tx.put_setting(TIDIED_UNTIL, &now.to_rfc3339()).await?;
        tx.commit().await?;
    }
    Ok(Vec::new())
}
