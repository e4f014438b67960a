//! The one gate: may this message go? Asked when it is decided and again just before it is handed over.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::caps::{self, Slot, WhenFull};
use super::consent::{Channel, ConsentFact, ConsentStatus, Ledger};
use super::countries;
use super::customer::Profile;
use super::hours::Reader;
use super::memory::Exit;
use super::message::{CONFIRMS, Message, MessageState};
use super::phone;
use super::restore::{self, Fence, Told};
use super::rules::book::Book;
use super::rules::{Basis, OnChange, Policy, RuleSet};
use super::steps::basis;
use super::verdict::Reason;

/// What the gate looks at.
pub struct Question<'a> {
    pub policy: &'a Policy,
    pub message_id: &'a str,
    pub channel: Channel,
    pub purpose: &'a str,
    pub profile: &'a Profile,
    pub consents: &'a Ledger,
    /// The address on this channel is on the suppression list.
    pub suppressed: bool,
    pub erased: bool,
    /// Why nobody wants the message any more, though it still waits: its entry has come to an end, or its rule has.
    pub over: Option<Reason>,
    /// The message is worthless after this.
    pub expires_at: DateTime<Utc>,
    /// What counts for frequency caps: messages of this customer that may have reached them, and those that go before
    /// this one. Empty for a decision: caps hold in the order of hand-overs.
    pub slots: &'a [Slot],
    /// When it could have gone: its planned instant, or until when it was put off.
    pub due_at: DateTime<Utc>,
    /// What may have gone already, before the database was restored.
    pub fences: &'a [Fence],
    /// What a list kept outside of the database says of it.
    pub told: Option<Told>,
    /// The purpose that its link confirms (double opt-in): it goes as long as there is something to confirm.
    pub confirms: Option<&'a str>,
}

/// The gate's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// It may go now, to this address.
    Open {
        address: String,
    },
    /// Not now, but in time for it.
    Later {
        address: String,
        until: DateTime<Utc>,
        reason: Reason,
    },
    /// It would have been let through in time.
    TooLate(Reason),
    Shut(Reason),
    /// It went, as told, or nobody knows: the database was restored to a point before it was due.
    Gone(Option<Told>),
}

impl Gate {
    /// Whether the message may go, now or later.
    pub fn lets_through(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Later { .. })
    }

    /// Whether the message may go, or may have gone: what hangs on it, such as its promo code, is then as it was.
    pub fn is_possible(&self) -> bool {
        self.lets_through() || matches!(self, Self::Gone(_))
    }
}

impl<'a> Question<'a> {
    /// The question that a hand-over asks about a message.
    pub fn about(message: &'a Message, book: &'a Book, customer: Known<'a>, slots: &'a [Slot]) -> Self {
        let rules = &book.active;
        Self {
            policy: &rules.policy,
            message_id: &message.id,
            channel: message.channel,
            purpose: &message.purpose,
            profile: customer.profile,
            consents: customer.consents,
            suppressed: customer.suppressed.contains(&message.channel),
            erased: customer.erased,
            over: over(message, rules, &customer),
            expires_at: message.expires_at,
            slots,
            due_at: message.due_at,
            fences: &book.fences,
            told: None,
            confirms: message.context[CONFIRMS].as_str(),
        }
    }
}

/// What is known of a customer at a hand-over.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub profile: &'a Profile,
    pub consents: &'a Ledger,
    pub suppressed: &'a BTreeSet<Channel>,
    pub erased: bool,
    /// The exit of the entry that the message belongs to.
    pub exit: Option<&'a Exit>,
    /// Until when a pause kept the message from going, if one did.
    pub held_until: Option<DateTime<Utc>>,
}

/// What is committed and still waits does not stand against the end of its entry: an exit that happened before the
/// message was due or while it was held, a rule that is gone.
fn over(message: &Message, rules: &RuleSet, customer: &Known<'_>) -> Option<Reason> {
    let could_go = customer.held_until.map_or(message.due_at, |until| until.max(message.due_at));
    if let Some(exit) = customer.exit.filter(|exit| exit.at <= could_go) {
        return Some(exit.reason);
    }
    // The confirmation of a STOP belongs to no rule.
    if message.version.is_empty() {
        return None;
    }
    match rules.rules.get(&message.rule) {
        None => Some(Reason::RuleDeleted),
        Some(rule) if !rule.enabled => Some(Reason::RuleDisabled),
        Some(rule) if rule.on_change == OnChange::Exit && rule.version != message.version => {
            Some(Reason::RuleChanged)
        }
        Some(_) => None,
    }
}

/// Whether a message may be handed over at `now`, by all that is known.
pub fn admit_now(question: &Question<'_>, now: DateTime<Utc>) -> Gate {
    admit(question, DateTime::<Utc>::MAX_UTC, now)
}

/// The message as the gate's answer leaves it: with the address to send it to, or put off, or ended.
pub fn settle(mut message: Message, gate: Gate) -> Settled {
    let (state, reason) = match gate {
        Gate::Open { address } => return Settled::Open(Box::new(message), address),
        Gate::Later { until, reason, .. } => {
            message.due_at = until;
            (MessageState::Deferred, reason)
        }
        Gate::TooLate(reason) => (MessageState::Expired, reason),
        Gate::Shut(reason) => (MessageState::Suppressed, reason),
        Gate::Gone(told) => return Settled::Stopped(Box::new(restore::settle(message, told))),
    };
    message.state = state;
    message.reason = Some(reason);
    message.detail = None;
    Settled::Stopped(Box::new(message))
}

/// A message that the gate has answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It may go, to this address.
    Open(Box<Message>, String),
    /// It is put off or has ended, with the reason in it.
    Stopped(Box<Message>),
}

/// Whether the message may go, judged by the consent that held at `consent_at` and by the time `now`.
///
/// A decision asks with its planned instant, so that it does not depend on when it is taken; the hand-over asks
/// with everything known, so that a withdrawal stops what was decided before it.
pub fn admit(question: &Question<'_>, consent_at: DateTime<Utc>, now: DateTime<Utc>) -> Gate {
    if question.told.is_some() {
        return Gate::Gone(question.told);
    }
    let address = match reachable(question, consent_at) {
        Ok(address) => address,
        Err(reason) => return Gate::Shut(reason),
    };
    with_reader(question, |reader| {
        if may_have_gone(question, reader) {
            return Gate::Gone(None);
        }
        if now > question.expires_at {
            return Gate::TooLate(Reason::Expired);
        }
        match first_instant(question, reader, now) {
            Ok((at, _)) if at <= now => Gate::Open { address },
            Ok((until, reason)) if until <= question.expires_at => Gate::Later { address, until, reason },
            Ok((_, reason)) => Gate::TooLate(reason),
            Err(gate) => gate,
        }
    })
}

/// The first instant at which a message that may go at `now` may not go any more, for hours or expiry.
pub fn shuts_at(question: &Question<'_>, now: DateTime<Utc>) -> DateTime<Utc> {
    let closing = with_reader(question, |reader| question.policy.quiet_hours.closing(reader, now));
    // The last instant of its life is still within it.
    let expired = question.expires_at.checked_add_signed(TimeDelta::microseconds(1));
    closing.into_iter().chain(expired).min().unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Asks about the reader as far as hours care.
fn with_reader<T>(question: &Question<'_>, ask: impl FnOnce(&Reader<'_>) -> T) -> T {
    let (channel, purpose) = (question.channel, question.purpose);
    let basis = basis(question.policy, purpose);
    // Where they live can be a telephone number's secret, and reading that takes longer than all the rest.
    if !question.policy.quiet_hours.concern(channel, purpose, basis) {
        return ask(&Reader { channel, purpose, basis, country: None, zones: &[] });
    }
    let known = known_country(question.profile, question.policy);
    let country = known.as_deref().or(question.policy.default_country.as_deref());
    let stated = question.profile.text("timezone").and_then(|name| name.parse::<Tz>().ok());
    let supposed = [stated.unwrap_or(question.policy.default_timezone)];
    let zones = match known.as_deref().map_or(&[][..], countries::zones_of) {
        zones if stated.is_none() && !zones.is_empty() => zones,
        _ => &supposed,
    };
    ask(&Reader { channel, purpose, basis, country, zones })
}

/// Whether it could have gone within a fence. What quiet hours put off until after it is certain not to have gone.
fn may_have_gone(question: &Question<'_>, reader: &Reader<'_>) -> bool {
    if reader.basis == Basis::Contract || !question.fences.iter().any(|f| f.holds(question.due_at)) {
        return false;
    }
    let hours = &question.policy.quiet_hours;
    let first = hours.next_allowed(reader, question.message_id, question.due_at, question.expires_at);
    first.is_some_and(|at| question.fences.iter().any(|fence| fence.holds(at)))
}

/// The first instant from `now` on that suits both the hours and the caps, and which of them put it off.
fn first_instant(
    question: &Question<'_>,
    reader: &Reader<'_>,
    now: DateTime<Utc>,
) -> Result<(DateTime<Utc>, Reason), Gate> {
    let (mut at, mut reason) = (now, Reason::QuietHours);
    // Each round moves on by a whole night or a whole period at most; past its end a message is not looked after.
    while at <= question.expires_at {
        let hours =
            question.policy.quiet_hours.next_allowed(reader, question.message_id, at, question.expires_at);
        let within = hours.ok_or(Gate::TooLate(Reason::QuietHours))?;
        if within > at {
            (at, reason) = (within, Reason::QuietHours);
            continue;
        }
        let full = caps::full(question.policy, question.channel, question.purpose, question.slots, at);
        match full {
            Some(full) if full.when_full == WhenFull::Defer => {
                (at, reason) = (full.until, Reason::FrequencyCap);
            }
            Some(_) if at == now => return Err(Gate::Shut(Reason::FrequencyCap)),
            // What will be full then is judged then.
            Some(_) | None => break,
        }
    }
    Ok((at, reason))
}

/// The address to write to, if consent and the suppression list let us.
fn reachable(question: &Question<'_>, consent_at: DateTime<Utc>) -> Result<String, Reason> {
    if question.erased {
        return Err(Reason::CustomerDeleted);
    }
    if question.profile.is_restricted() {
        return Err(Reason::Restricted);
    }
    if let Some(reason) = question.over {
        return Err(reason);
    }
    let word = question.consents.at(question.channel, question.purpose, consent_at);
    consent(basis(question.policy, question.purpose), word)?;
    if let Some(purpose) = question.confirms {
        let word = question.consents.at(question.channel, purpose, consent_at);
        if word.is_none_or(|word| word.status != ConsentStatus::Pending) {
            return Err(Reason::NothingToConfirm);
        }
    }
    let address = address_of(question.channel, question.profile, question.policy)?;
    if question.suppressed {
        return Err(Reason::SuppressedAddress);
    }
    Ok(address)
}

/// The customer's address on a channel: a plain mailbox, or a number in E.164.
pub fn address_of(channel: Channel, profile: &Profile, policy: &Policy) -> Result<String, Reason> {
    let field = match channel {
        Channel::Email => "email",
        Channel::Sms => "phone",
    };
    let text = profile.text(field).map(str::trim).filter(|a| !a.is_empty()).ok_or(Reason::NoAddress)?;
    match channel {
        Channel::Email if is_email_address(text) => Ok(text.to_owned()),
        Channel::Email => Err(Reason::InvalidAddress),
        Channel::Sms => {
            let country = stated_country(profile).or_else(|| policy.default_country.clone());
            phone::parse(text, country.as_deref()).map(|p| p.e164).ok_or(Reason::InvalidAddress)
        }
    }
}

/// Where the customer lives, as far as laws care (ISO 3166-1 alpha-2): as they say, else as their number says, else
/// as the policy supposes.
pub fn country_of(profile: &Profile, policy: &Policy) -> Option<String> {
    known_country(profile, policy).or_else(|| policy.default_country.clone())
}

/// The country whose networks carry messages to the customer: as their number says, else where they live.
pub fn network_of(profile: &Profile, policy: &Policy) -> Option<String> {
    let country = country_of(profile, policy);
    let number = profile.text("phone").and_then(|text| phone::parse(text, country.as_deref()));
    number.and_then(|number| number.country).or(country)
}

/// The country that the customer or their number tells, not what the policy supposes.
fn known_country(profile: &Profile, policy: &Policy) -> Option<String> {
    let default = policy.default_country.as_deref();
    stated_country(profile).or_else(|| phone::parse(profile.text("phone")?, default)?.country)
}

fn stated_country(profile: &Profile) -> Option<String> {
    let country = profile.text("country")?.trim();
    let shaped = country.len() == 2 && country.bytes().all(|b| b.is_ascii_alphabetic());
    shaped.then(|| country.to_ascii_uppercase())
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
                shown_at: None,
                said: None,
                proof: serde_json::Map::new(),
            });
            assert_eq!(consent(basis, fact.as_ref()), expected, "{basis:?} {status:?}");
        }
    }
}
