//! What a transaction writes after its decisions: everything at once, one statement a table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::dead_letters::{self, DeadLetter};
use super::rows::Rows;
use super::session::Session;
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
    /// The token under which those of `messages` that are `claimed` are inserted, and how long it is good for, in real time.
    pub lease: Option<(String, Duration)>,
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
    /// Writes the changes, in the order of locks: customers, entries, messages, what hangs on them. Makes the customers
    /// that [`Tx::lock_known_customers`] did not find.
    ///
    /// `Unavailable` when a promo code was taken by another customer meanwhile: try the transaction again.
    pub async fn write(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let session = &mut self.session;
        profiles::write(session, changes, &std::mem::take(&mut self.unknown)).await?;
        consents::append(session, &changes.consents).await?;
        entries::remove(session, &changes.dropped_entries).await?;
        entries::upsert(session, &changes.entries).await?;
        messages::insert(session, &changes.messages, changes.lease.as_ref()).await?;
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
    let first: BTreeMap<_, _> = suppressions
        .iter()
        .rev()
        .map(|s| ((s.channel, profiles::comparable_address(&s.address)), s))
        .collect();
    let first: Vec<_> = first.into_iter().collect();
    let (table, args) = Rows::of(&first)
        .text("channel", |((channel, _), _)| channel.as_str())
        .text("address", |((_, address), _)| address.as_str())
        .text("reason", |(_, s)| s.reason.as_str())
        .time("at", |(_, s)| s.at)
        .text("detail", |(_, s)| s.detail.as_deref())
        .after(Vec::new(), session.dialect());
    let sql = format!(
        "INSERT INTO suppressions (channel, address, reason, at, detail)
         SELECT channel, address, reason, at, detail FROM {table} WHERE true ON CONFLICT DO NOTHING"
    );
    session.exec(sql, args).await.map(drop)
}
