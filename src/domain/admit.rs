//! The one gate: may this message go? Asked when it is decided and again just before it is handed over.

use chrono::{DateTime, Utc};

use super::consent::{Channel, ConsentFact, ConsentStatus, Ledger};
use super::customer::Profile;
use super::rules::Basis;
use super::verdict::Reason;

/// What the gate looks at.
pub struct Question<'a> {
    pub channel: Channel,
    pub purpose: &'a str,
    pub basis: Basis,
    pub profile: &'a Profile,
    pub consents: &'a Ledger,
    /// The address is on the suppression list.
    pub suppressed: bool,
    pub erased: bool,
    /// The message is worthless after this.
    pub expires_at: DateTime<Utc>,
}

/// Whether the message may go, judged by the consent that held at `consent_at` and by the time `now`.
///
/// A decision asks with its planned instant, so that it does not depend on when it is taken; the hand-over asks
/// with everything known, so that a withdrawal stops what was decided before it. Returns the address to write to.
pub fn admit(
    question: &Question<'_>,
    consent_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<String, Reason> {
    if question.erased {
        return Err(Reason::CustomerDeleted);
    }
    let word = question.consents.at(question.channel, question.purpose, consent_at);
    consent(question.basis, word)?;
    let address = match question.channel {
        Channel::Email => question.profile.text("email"),
        Channel::Sms => question.profile.text("phone"),
    };
    let address = address.map(str::trim).filter(|a| !a.is_empty()).ok_or(Reason::NoAddress)?;
    if question.channel == Channel::Email && !is_email_address(address) {
        return Err(Reason::InvalidAddress);
    }
    if question.suppressed {
        return Err(Reason::SuppressedAddress);
    }
    if now > question.expires_at {
        return Err(Reason::Expired);
    }
    Ok(address.to_owned())
}

/// Whether `basis` lets us write, given the customer's word.
pub fn consent(basis: Basis, word: Option<&ConsentFact>) -> Result<(), Reason> {
    match (basis, word.map(|w| w.status)) {
        (Basis::Contract, _) | (_, Some(ConsentStatus::Granted)) => Ok(()),
        (_, Some(ConsentStatus::Denied | ConsentStatus::Withdrawn)) => Err(Reason::ConsentWithdrawn),
        (Basis::LegitimateInterest, None | Some(ConsentStatus::Pending)) => Ok(()),
        (Basis::Consent, None | Some(ConsentStatus::Pending)) => Err(Reason::NoConsent),
    }
}

/// Whether `address` is a plain mailbox (RFC 5321 §4.1.2 without quoted local parts and address literals, which
/// no customer has and many servers refuse).
pub fn is_email_address(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let dotted = |part: &str, allowed: fn(char) -> bool| {
        part.split('.').all(|atom| !atom.is_empty() && atom.chars().all(allowed))
    };
    address.len() <= 254
        && (1..=64).contains(&local.len())
        && dotted(local, |c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
        && domain.contains('.')
        && dotted(domain, |c| c.is_alphanumeric() || c == '-')
        && !domain.split('.').any(|label| label.starts_with('-') || label.ends_with('-') || label.len() > 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["a@b.fr", "a.b+c@d-e.example.com", "rené@éxample.fr", "o'neil@x.io"] {
            assert!(is_email_address(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.fr",
            "a@",
            "a@b",
            "a b@c.fr",
            "a@b..fr",
            ".a@b.fr",
            "a@-b.fr",
            "a@b.fr\r\nBcc: x@y.z",
            "a@b@c.fr",
            "a,b@c.fr",
            "<a@b.fr>",
        ] {
            assert!(!is_email_address(bad), "{bad}");
        }
    }

    #[test]
    fn each_basis_with_each_word() {
        use ConsentStatus::{Denied, Granted, Pending, Withdrawn};
        let cases = [
            (Basis::Consent, None, Err(Reason::NoConsent)),
            (Basis::Consent, Some(Granted), Ok(())),
            (Basis::Consent, Some(Pending), Err(Reason::NoConsent)),
            (Basis::Consent, Some(Denied), Err(Reason::ConsentWithdrawn)),
            (Basis::Consent, Some(Withdrawn), Err(Reason::ConsentWithdrawn)),
            (Basis::LegitimateInterest, None, Ok(())),
            (Basis::LegitimateInterest, Some(Pending), Ok(())),
            (Basis::LegitimateInterest, Some(Denied), Err(Reason::ConsentWithdrawn)),
            (Basis::LegitimateInterest, Some(Withdrawn), Err(Reason::ConsentWithdrawn)),
            (Basis::Contract, None, Ok(())),
            (Basis::Contract, Some(Withdrawn), Ok(())),
        ];
        for (basis, status, expected) in cases {
            let fact = status.map(|status| ConsentFact {
                channel: Channel::Email,
                purpose: "marketing".into(),
                status,
                at: DateTime::UNIX_EPOCH,
                event_source: String::new(),
                event_id: String::new(),
                proof: serde_json::Map::new(),
            });
            assert_eq!(consent(basis, fact.as_ref()), expected, "{basis:?} {status:?}");
        }
    }
}
