//! What a transaction writes after its decisions: everything at once, one statement a table.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::dead_letters::{self, DeadLetter};
use super::sms::{self, SmsPart};
use super::suppressions::{self, Suppression};
use super::{StoreError, Tx, consents, entries, erasure, messages, outcomes, profiles, promo_codes};
use crate::domain::consent::{Channel, ConsentFact};
use crate::domain::customer::Profile;
use crate::domain::memory::Entry;
use crate::domain::message::Message;
use crate::domain::outcome::Outcome;
use crate::domain::snapshot::PromoCode;

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
    /// Customers to erase, and until when all that happened is forgotten. Done before all else is written, which may be
    /// about one who has come back.
    pub erased: Vec<(String, DateTime<Utc>)>,
    /// Addresses with which somebody signed up, and when: an erasure before that stands against them no longer.
    pub signed_up: Vec<(Channel, String, DateTime<Utc>)>,
}

impl Tx {
    /// Writes the changes, in the order of locks: customers, entries, messages, what hangs on them. Makes the customers
    /// that [`Tx::lock_known_customers`] did not find.
    ///
    /// `Unavailable` when a promo code was taken by another customer meanwhile: try the transaction again.
    pub async fn write(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let session = &mut self.session;
        let mut unknown = std::mem::take(&mut self.unknown);
        erasure::erase(session, &changes.erased, &mut unknown, &mut self.ledgers).await?;
        suppressions::lift_erasures(session, &changes.signed_up).await?;
        let facts = consents::new_among(session, &changes.consents, &unknown).await?;
        let lines = consents::link(&session.vault, &mut self.ledgers, facts, session.now)?;
        profiles::write(session, changes, &unknown, &self.ledgers).await?;
        self.ledgers.values_mut().for_each(|ledger| ledger.is_longer = false);
        consents::append(session, &lines).await?;
        entries::remove(session, &changes.dropped_entries).await?;
        entries::upsert(session, &changes.entries).await?;
        messages::insert(session, &changes.messages, changes.lease.as_ref()).await?;
        promo_codes::insert(session, &changes.promo_codes).await?;
        suppressions::add(session, &changes.suppressions).await?;
        sms::insert_parts(session, &changes.sms_parts).await?;
        outcomes::insert(session, &changes.outcomes).await?;
        dead_letters::insert(session, &changes.dead_letters).await
    }
}
