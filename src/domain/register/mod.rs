//! The register of processing (GDPR article 30(1)): what is done with whose data and why, told from what is configured.
//!
//! Owns what it holds and how that is found: purposes and their rules, what those read (`reads`), who else gets it, for
//! how long it is kept, how it is protected, and what a controller still has to say (`gaps`). It claims nothing: what is
//! not stated is a gap. `document` puts it into words; `declic register` gives those a form.

mod countries;
pub mod document;
mod gaps;
mod measures;
mod reads;
mod sensitive;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::consent::Channel;
use super::retention::Phases;
use super::rules::catalogue::Catalogue;
use super::rules::{Basis, Op, Rule, RuleSet, Sender};
use super::templates::Templates;

pub use countries::is_in_eea;
pub use gaps::Gap;
pub use measures::Measure;
pub use reads::{Field, Reader, Reads};

/// What the policy says for the register alone (`register:` in rules/policy.yaml).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Who decides on purposes and means together with the sender (article 26), and how they are reached.
    pub joint_controller: Option<String>,
    /// The representative of a controller outside of the Union (article 27).
    pub representative: Option<String>,
    /// The data protection officer (articles 37 to 39); none where the policy does not say.
    pub dpo: Option<Officer>,
    /// What protects data in a country outside of the EEA (articles 45 to 49), by its code.
    pub safeguards: BTreeMap<String, String>,
}

/// Whether there is a data protection officer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Officer {
    /// The law asks for none, and there is none.
    None,
    /// Name and how they are reached.
    Is(String),
}

/// What the configuration tells, and the rules do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Every machine of somebody's that data is handed to or kept on.
    pub recipients: Vec<Recipient>,
    pub kept: Vec<Kept>,
    pub secret: SecretKept,
    /// Whether the links in messages lead to `https://`.
    pub public_over_tls: bool,
    /// Whether nobody but this machine reaches the operator's pages, or whoever does is asked for a token.
    pub admin_guarded: bool,
    /// Whether what is written of customers is encrypted in the database.
    pub profiles_encrypted: bool,
}

/// Where the secret is, that proofs, links and promo codes are keyed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKept {
    /// Given by the configuration, apart from the data.
    Apart,
    /// Made once, and kept in the database that it protects.
    InDatabase,
    /// Nowhere: no worker would start.
    Missing,
}

/// Somebody's machine that gets data (article 30(1)(d)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub role: Role,
    /// The host as it is configured, or the file of an embedded database.
    pub host: String,
    /// The provider's name, where it is one of those already described.
    pub provider: Option<String>,
    /// Where it works, ISO 3166-1 alpha-2, as the configuration states it.
    pub country: Option<String>,
    pub transport: Transport,
}

/// What a recipient does for the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes mail, by SMTP.
    Mail,
    /// Takes SMS, over HTTP.
    SmsHttp,
    /// Takes SMS, by SMPP.
    Smpp,
    /// Passes events and outcomes on.
    Broker,
    /// Keeps everything.
    Database,
}

impl Role {
    /// The section of the configuration that names it, where its `country` stands too.
    pub fn section(self) -> &'static str {
        match self {
            Self::Mail => "smtp",
            Self::SmsHttp => "sms",
            Self::Smpp => "smpp",
            Self::Broker => "amqp",
            Self::Database => "database",
        }
    }

    /// The channel whose messages it takes; none for what every purpose stands on.
    pub fn channel(self) -> Option<Channel> {
        match self {
            Self::Mail => Some(Channel::Email),
            Self::SmsHttp | Self::Smpp => Some(Channel::Sms),
            Self::Broker | Self::Database => None,
        }
    }
}

/// How data is protected on its way to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TLS, or no data.
    Tls,
    /// It never leaves this machine.
    SameMachine,
    /// TLS is not required.
    Open,
}

/// How long a kind of data is kept (article 30(1)(f)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    pub what: Kind,
    pub span: Span,
}

/// The kinds of data that the database holds of customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Profiles,
    Events,
    /// Entries, messages, promo codes and outcomes.
    Messages,
    /// Each word of consent, with its proof (article 7(1)).
    Consents,
    /// Addresses that are never written to again.
    Suppressions,
    /// What mail servers said of mails that came back.
    Bounces,
    /// What networks said of SMS.
    Receipts,
    /// What customers wrote by telephone.
    Texts,
    /// What could not be used.
    DeadLetters,
}

/// How long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// As the policy says, by the worker.
    Stated(Phases),
    /// So many days, by the worker.
    Days(i64),
    /// Until the customer is erased; no other end is stated.
    UntilErased,
    /// For as long as it must be shown or kept to: a proof, an objection.
    AsLongAsOwed,
}

/// One purpose with all that is done for it: what the CNIL's register calls an activity (une activité).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The purpose's name in the policy.
    pub purpose: String,
    /// Article 6(1).
    pub basis: Basis,
    /// What customers are told it is, by language.
    pub label: BTreeMap<String, String>,
    pub double_opt_in: bool,
    /// Its rules, and those that have its consents confirmed, with their descriptions (les sous-finalités), by name.
    pub rules: BTreeMap<String, String>,
    pub channels: BTreeSet<Channel>,
    pub reads: Reads,
    /// Whether promo codes are made for customers.
    pub promo_codes: bool,
}

/// The whole register. Its fields are those of article 30(1), by letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// (a) The controller.
    pub controller: Sender,
    /// (a) Joint controller, representative, data protection officer; (e) safeguards.
    pub declared: Declared,
    /// (b) Purposes, and (c) the categories of data each reads. The data subjects are customers throughout.
    pub activities: Vec<Activity>,
    /// (d) Recipients, and (e) transfers by their countries.
    pub recipients: Vec<Recipient>,
    /// (f) Time limits for erasure.
    pub kept: Vec<Kept>,
    /// (g) Security measures, each with whether it is on.
    pub measures: Vec<(Measure, bool)>,
    /// What a reader would ask about.
    pub gaps: Vec<Gap>,
}

impl Register {
    /// Tells the register of these rules and templates, which have no errors, and of the events that the shop declares.
    pub fn of(
        rules: &RuleSet,
        templates: &Templates,
        events: Option<&Catalogue>,
        surroundings: Surroundings,
    ) -> Self {
        let policy = &rules.policy;
        let mut activities = Vec::new();
        for (name, purpose) in &policy.purposes {
            let mut activity = Activity {
                purpose: name.clone(),
                basis: purpose.basis,
                label: purpose.label.clone(),
                double_opt_in: purpose.double_opt_in,
                rules: BTreeMap::new(),
                channels: BTreeSet::new(),
                reads: Reads::default(),
                promo_codes: false,
            };
            // A rule that is disabled begins nothing and reads nobody.
            let of_it = |rule: &&Arc<Rule>| rule.enabled && (rule.purpose == *name || confirms(rule, name));
            for rule in rules.rules.values().filter(of_it) {
                activity.rules.insert(rule.name.clone(), rule.description.clone());
                activity.reads.add(rule, templates);
                for op in &rule.program {
                    match op {
                        Op::Send(send) => {
                            activity.channels.extend(send.channels().map(|(channel, _)| channel));
                        }
                        Op::PromoCode(_) => activity.promo_codes = true,
                        Op::Wait { .. } | Op::Branch { .. } | Op::Jump(_) => {}
                    }
                }
            }
            activities.push(activity);
        }
        let unused = activities.extract_if(.., |activity| activity.rules.is_empty()).collect::<Vec<_>>();
        let measures = measures::measures(&surroundings);
        let Surroundings { recipients, kept, .. } = surroundings;
        let mut register = Self {
            controller: policy.sender.clone(),
            declared: policy.register.clone(),
            activities,
            recipients,
            kept,
            measures,
            gaps: Vec::new(),
        };
        register.gaps = gaps::gaps(&register, &unused, events);
        register
    }

    /// Who gets the data of an activity: what keeps and passes on everything, and the providers of its channels.
    pub fn recipients_of<'a>(&'a self, activity: &'a Activity) -> impl Iterator<Item = &'a Recipient> {
        let of_channel = |channel: Channel| activity.channels.contains(&channel);
        self.recipients.iter().filter(move |recipient| recipient.role.channel().is_none_or(of_channel))
    }
}

/// Whether a rule asks customers to confirm their consent to a purpose (double opt-in): it gathers what that stands on,
/// whatever its own purpose is.
fn confirms(rule: &Rule, purpose: &str) -> bool {
    rule.program.iter().any(|op| matches!(op, Op::Send(send) if send.confirm.as_deref() == Some(purpose)))
}
