//! Security measures (GDPR articles 30(1)(g) and 32): those that are on, and those that could be and are not.

use super::{Role, SecretKept, Surroundings, Transport};

/// A measure that Declic can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Proofs of consents are encrypted under a key of each customer's own and the secret.
    ProofsEncrypted,
    /// Customers' rows are encrypted in the database. A matter of choice: where it is off, nothing is missing.
    ProfilesEncrypted,
    /// The secret is kept apart from the data that it protects.
    SecretApart,
    /// Triggers in the database let nobody change the ledger of consents.
    LedgerAppendOnly,
    /// Each line of the ledger seals the one before it.
    LedgerChained,
    /// Links in messages are sealed and show no address.
    LinksSealed,
    /// Logs hold no whole address.
    LogsMasked,
    /// Erasure is final: what comes later does not bring the customer back.
    ErasureFinal,
    /// Nobody else reaches the operator's pages, or they ask for a token.
    AdminGuarded,
    /// The pages behind links are reached over TLS.
    PublicOverTls,
    /// The way to this recipient is protected.
    Transport(Role),
}

/// Every measure that concerns these surroundings, and whether it is on.
pub(super) fn measures(surroundings: &Surroundings) -> Vec<(Measure, bool)> {
    let sealed = surroundings.secret != SecretKept::Missing;
    let mut measures = vec![
        (Measure::ProofsEncrypted, sealed),
        (Measure::SecretApart, surroundings.secret == SecretKept::Apart),
        (Measure::LedgerAppendOnly, true),
        (Measure::LedgerChained, sealed),
        (Measure::LinksSealed, sealed),
        (Measure::LogsMasked, true),
        (Measure::ErasureFinal, true),
        (Measure::AdminGuarded, surroundings.admin_guarded),
        (Measure::PublicOverTls, surroundings.public_over_tls),
    ];
    measures.extend(surroundings.profiles_encrypted.then_some((Measure::ProfilesEncrypted, true)));
    measures.extend(
        surroundings.recipients.iter().map(|r| (Measure::Transport(r.role), r.transport != Transport::Open)),
    );
    measures
}
