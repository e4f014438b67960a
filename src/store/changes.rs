//! What a transaction writes after its decisions: everything at once, one statement a table.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::dead_letters::{self, DeadLetter};
use super::session::{Session, instant, json_arg};
use super::sms::{self, SmsPart};
use super::{StoreError, Tx, consents, entries, erasure, messages, outcomes, profiles, promo_codes};
use crate::domain::consent::{Channel, ConsentFact};
use crate::domain::customer::Profile;
use crate::domain::memory::Entry;
use crate::domain::message::Message;
use crate::domain::outcome::Outcome;
use crate::domain::snapshot::PromoCode;
use crate::domain::verdict::Reason;

/// An address that is never written to again.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppression {
    pub channel: Channel,
    /// Kept trimmed and in lower case.
    pub address: String,
    pub reason: Reason,
    pub at: DateTime<Utc>,
    pub detail: Option<String>,
}

/// All that a batch of decisions changes. The customers named must have been locked by the same transaction.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Written whole, by customer. A profile that is not empty makes an erased customer known again.
    pub profiles: Vec<(String, Profile)>,
    /// Of these customers neither a date nor the time zone has changed: what is derived from those stays as it is.
    pub same_dates: BTreeSet<String>,
    /// The telephone number of customers, in E.164; written beside the profile it comes from.
    pub phones: Vec<(String, Option<String>)>,
    /// Appended, by customer; facts known already stay as they are.
    pub consents: Vec<(String, ConsentFact)>,
    /// Inserted or written over.
    pub entries: Vec<Entry>,
    /// (customer, rule, occurrence) of entries that never were, after a re-fold. Removed before `entries` are written.
    pub dropped_entries: Vec<(String, String, String)>,
    /// Inserted; one known already stays as it is.
    pub messages: Vec<Message>,
    /// Inserted; see [`Tx::promo_codes`] for how to keep clear of codes in use.
    pub promo_codes: Vec<PromoCode>,
    /// Inserted into the outbox; one known already stays as it is.
    pub outcomes: Vec<Outcome>,
    /// Inserted; the first reason of an address stands.
    pub suppressions: Vec<Suppression>,
    /// Parts of SMS, by the provider's names for them.
    pub sms_parts: Vec<SmsPart>,
    /// What is set aside. Inserted; one known already stays as it is.
    pub dead_letters: Vec<DeadLetter>,
    /// Customers to erase, after all else is written.
    pub erased: Vec<String>,
}

impl Tx {
    /// Writes the changes, in the order of locks: customers, entries, messages, what hangs on them.
    ///
    /// `Unavailable` when a promo code was taken by another customer meanwhile: try the transaction again.
    pub async fn write(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let session = &mut self.session;
        profiles::upsert(session, &changes.profiles, &changes.same_dates).await?;
        profiles::write_phones(session, &changes.phones).await?;
        consents::append(session, &changes.consents).await?;
        entries::remove(session, &changes.dropped_entries).await?;
        entries::upsert(session, &changes.entries).await?;
        messages::insert(session, &changes.messages).await?;
        promo_codes::insert(session, &changes.promo_codes).await?;
        suppress(session, &changes.suppressions).await?;
        sms::insert_parts(session, &changes.sms_parts).await?;
        outcomes::insert(session, &changes.outcomes).await?;
        dead_letters::insert(session, &changes.dead_letters).await?;
        erasure::erase(session, &changes.erased).await
    }
}

async fn suppress(session: &mut Session, suppressions: &[Suppression]) -> Result<(), StoreError> {
    if suppressions.is_empty() {
        return Ok(());
    }
    // Sorted by key, for one order of waiting.
    let rows: BTreeMap<_, _> = suppressions
        .iter()
        .rev()
        .map(|s| {
            let address = profiles::comparable_address(&s.address);
            let row = serde_json::json!({
                "channel": s.channel.as_str(),
                "address": address,
                "reason": s.reason.as_str(),
                "at": instant(s.at),
                "detail": s.detail,
            });
            ((s.channel, address), row)
        })
        .collect();
    let rows: Vec<_> = rows.into_values().collect();
    let table = session.dialect().rows(
        1,
        &[
            ("channel", "text"),
            ("address", "text"),
            ("reason", "text"),
            ("at", "timestamptz"),
            ("detail", "text"),
        ],
    );
    let sql = format!(
        "INSERT INTO suppressions (channel, address, reason, at, detail)
         SELECT channel, address, reason, at, detail FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, vec![json_arg(&rows)?]).await.map(drop)
}
