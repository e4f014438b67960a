//! Customers' telephone numbers, read anew where they were read otherwise: in profiles from before numbers were kept, and
//! after a change of the policy's `default_country`, by which numbers without a country's code are read.
//!
//! Until that is done a STOP finds some customers only by the messages that were sent to them. It goes through all
//! customers in batches, and goes on where it was after a crash; another worker waits for the batch and takes the next.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::active::Shelf;
use crate::domain::admit::address_of;
use crate::domain::consent::Channel;
use crate::store::{Changes, Store, StoreError};
use crate::telemetry;

/// Customers read in one transaction, which holds their locks: some milliseconds' work.
const AT_ONCE: u32 = 500;

/// Between two batches, in real time: others want the customers and the disk too.
const PAUSE: Duration = Duration::from_millis(20);

/// How often to look whether the policy has changed, and how long to wait for a database that is away.
const EVERY: Duration = Duration::from_secs(10);

/// The setting that holds how far this has come.
const SETTING: &str = "phones_read";

/// Reads numbers until told to stop.
pub async fn run(store: Store, shelf: Shelf, shutdown: CancellationToken) {
    let mut done_with: Option<Value> = None;
    loop {
        let country = country(&shelf);
        let pause = if done_with.as_ref() == Some(&country) {
            EVERY
        } else {
            match batch(&store, &shelf).await {
                Ok(true) => PAUSE,
                Ok(false) => {
                    done_with = Some(country);
                    EVERY
                }
                Err(error) => {
                    telemetry::waiting_for("database", &error.to_string());
                    EVERY
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

fn country(shelf: &Shelf) -> Value {
    json!(shelf.get().book.active.policy.default_country)
}

/// Reads the numbers of the next customers; false when all have been read with the policy in force.
pub(super) async fn batch(store: &Store, shelf: &Shelf) -> Result<bool, StoreError> {
    let active = shelf.get();
    let policy = &active.book.active.policy;
    let country = json!(policy.default_country);
    let mut tx = store.begin().await?;
    let reached: Value = tx.lock_setting(SETTING).await?.map_or(Value::Null, |text| {
        // What cannot be read is begun anew.
        serde_json::from_str(&text).unwrap_or_default()
    });
    let same = reached.get("country") == Some(&country);
    if same && reached["done"] == true {
        return Ok(false);
    }
    let after = reached["after"].as_str().filter(|_| same).unwrap_or_default();
    let customers = tx.numbered_after(after, AT_ONCE).await?;
    let mut phones = Vec::new();
    for customer in &customers {
        let phone = address_of(Channel::Sms, &customer.profile, policy).ok();
        if phone != customer.phone {
            phones.push((customer.customer_id.clone(), phone));
        }
    }
    let last = customers.last().map(|customer| customer.customer_id.as_str());
    let reached = match last {
        Some(last) => json!({ "country": country, "after": last }),
        None => json!({ "country": country, "done": true }),
    };
    tx.write(&Changes { phones, ..Changes::default() }).await?;
    tx.put_setting(SETTING, &reached.to_string()).await?;
    tx.commit().await?;
    Ok(last.is_some())
}
