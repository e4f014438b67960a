//! Rules and policy as the core uses them: compiled, checked, immutable.
//!
//! [`compile::compile`] turns files into a [`RuleSet`] or reports everything that is wrong with them.

pub mod book;
pub mod catalogue;
pub mod compile;
pub mod condition;
pub mod policy;
mod reader;
pub mod scenario;
pub mod schedule;
pub mod schema;
mod steps;
mod syntax;
pub mod timing;
mod traps;
mod tree;
mod triggers;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{NaiveTime, TimeDelta};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::caps::Cap;
use super::consent::Channel;
use super::hours::QuietHours;
use super::register::Declared;
use super::retention::Retention;
use super::sms::SmsPolicy;
pub use condition::Condition;
pub use reader::{as_name, is_name};
pub use timing::Cron;

/// Everything that files say, checked as a whole. Swapped whole, never edited.
#[derive(Debug, Clone)]
pub struct RuleSet {
    pub rules: BTreeMap<String, Arc<Rule>>,
    pub policy: Policy,
}

/// One rule. Two files with the same meaning (comments and layout apart) have the same `version`.
#[derive(Debug, Clone)]
pub struct Rule {
    pub name: String,
    pub description: String,
    /// Hash of the meaning, 16 hexadecimal digits.
    pub version: String,
    /// The whole text of the file it was compiled from: compiling it again gives this rule.
    pub source: String,
    pub enabled: bool,
    pub purpose: String,
    /// Who goes first where a frequency cap leaves room for one: higher first, 0 where the rule does not say.
    pub priority: i32,
    pub trigger: Trigger,
    pub re_entry: ReEntry,
    /// Event types that end an entry.
    pub exit_on: Vec<String>,
    pub on_change: OnChange,
    /// The steps, flattened: an entry's position is an index here; one past the end is the end.
    pub program: Vec<Op>,
}

#[derive(Debug, Clone)]
pub enum Trigger {
    Event {
        kind: String,
        condition: Option<Condition>,
        key: Option<FieldPath>,
    },
    /// Starts `after` the last event of this type, if no other has come by then.
    Absent {
        kind: String,
        after: TimeDelta,
        condition: Option<Condition>,
        key: Option<FieldPath>,
    },
    Anniversary {
        attribute: String,
        at: NaiveTime,
        leap_day: LeapDay,
    },
    /// `zone`: none means each customer's own.
    Schedule {
        cron: Cron,
        zone: Option<Tz>,
        audience: Option<Condition>,
    },
}

/// What happens when the trigger comes again for the same customer and key. A rule that does not say has `Never` for
/// an event trigger and `Always` for the others, whose occurrences (a last event, a year, a tick) come once anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReEntry {
    Never,
    Always,
    Restart,
    /// Only this long after the previous entry started.
    After(TimeDelta),
}

/// What becomes of entries under way when their rule changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChange {
    /// They go on with the version they started with.
    Keep,
    /// They go on in the new version, at the step with the same id.
    Migrate,
    Exit,
}

/// Where a birthday on 29 February is kept in other years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeapDay {
    Feb28,
    Mar1,
    Skip,
}

/// A path into an event's data, such as `data.cart_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath(pub Vec<String>);

impl FieldPath {
    /// The scalar at this path in the event's data, as text; none when missing, null or not a scalar.
    pub fn of<'a>(&self, data: &'a serde_json::Value) -> Option<Cow<'a, str>> {
        match self.0.iter().try_fold(data, |value, name| value.get(name))? {
            serde_json::Value::String(s) => Some(Cow::Borrowed(s)),
            serde_json::Value::Number(n) => Some(Cow::Owned(n.to_string())),
            serde_json::Value::Bool(b) => Some(Cow::Owned(b.to_string())),
            _ => None,
        }
    }
}

/// One operation of a flattened rule.
#[derive(Debug, Clone)]
pub enum Op {
    Wait {
        id: String,
        wait: Wait,
    },
    Send(Send),
    /// Goes on at the next operation when true, at `on_false` when false, at `end` when it cannot be told.
    Branch {
        id: String,
        condition: Condition,
        on_false: usize,
        end: usize,
    },
    Jump(usize),
    PromoCode(PromoSpec),
}

impl Op {
    /// The step's id, by which an entry finds its place in another version of the rule; jumps have none.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Wait { id, .. } | Self::Branch { id, .. } => Some(id),
            Self::Send(send) => Some(&send.id),
            Self::PromoCode(promo) => Some(&promo.id),
            Self::Jump(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    For(TimeDelta),
    /// Until the next such local time, in the customer's zone.
    Until(NaiveTime),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    pub id: String,
    /// The template of the e-mail.
    pub email: Option<String>,
    /// The template of the SMS.
    pub sms: Option<String>,
    /// The channel to use alone where it is possible, the other one only where it is not; none: each on its own.
    pub prefer: Option<Channel>,
    /// How long after its planned instant it may still go (default 24 h).
    pub expire_after: TimeDelta,
    /// How long to wait here for a grant that is missing.
    pub wait_for_consent: Option<TimeDelta>,
    /// The purpose that the `confirm_url` of its templates confirms; it goes only to whom that is pending for.
    pub confirm: Option<String>,
}

impl Send {
    /// Its channels and their templates, the preferred one first.
    pub fn channels(&self) -> impl Iterator<Item = (Channel, &str)> {
        let email = self.email.as_deref().map(|template| (Channel::Email, template));
        let sms = self.sms.as_deref().map(|template| (Channel::Sms, template));
        let order = if self.prefer == Some(Channel::Sms) { [sms, email] } else { [email, sms] };
        order.into_iter().flatten()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromoSpec {
    pub id: String,
    /// Upper-case letters and digits, at most 10.
    pub prefix: String,
    pub discount: Discount,
    /// Counted from the planned instant of the send that carries the code.
    pub valid_for: TimeDelta,
}

/// What a promo code is worth, as written in the rule: `15%` or `5 EUR`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discount {
    /// In hundredths of a percent: 15 % is 1500.
    Percent(u32),
    /// In hundredths of the currency's unit, and its ISO 4217 code.
    Amount(u64, String),
}

/// The legal ground of a purpose, in the GDPR's words (article 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Only after a grant.
    Consent,
    /// Unless denied or withdrawn.
    LegitimateInterest,
    /// Always: the message is part of the contract (a receipt).
    Contract,
}

/// Why we write: what it stands on, and what customers are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    pub basis: Basis,
    /// What the pages call it, by language; empty: in words of ours.
    pub label: BTreeMap<String, String>,
    /// Whether a grant is only asked for until a link in a message has confirmed it.
    pub double_opt_in: bool,
    /// For how long such a link confirms, from the planned instant of its message on (default 30 days).
    pub confirm_within: TimeDelta,
}

impl Purpose {
    pub fn of(basis: Basis) -> Self {
        let (label, confirm_within) = (BTreeMap::new(), TimeDelta::days(30));
        Self { basis, label, double_opt_in: false, confirm_within }
    }
}

/// What all rules share: `rules/policy.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// BCP 47, for instance `fr`.
    pub default_locale: String,
    pub default_timezone: Tz,
    /// By name; `marketing`, `service` and `transactional` are always there.
    pub purposes: BTreeMap<String, Purpose>,
    pub sender: Sender,
    /// How far in the past an entry may start and still begin (default 24 h).
    pub max_age: TimeDelta,
    /// How late an anniversary or a schedule tick may still be caught up (default 12 h).
    pub catch_up: TimeDelta,
    /// ISO 3166-1 alpha-2, of customers who do not say; none: told by the number alone.
    pub default_country: Option<String>,
    pub quiet_hours: QuietHours,
    pub frequency_caps: Vec<Cap>,
    pub sms: SmsPolicy,
    /// What the register of processing says beside all this.
    pub register: Declared,
    /// How long each kind of data is kept.
    pub retention: Retention,
}

/// Who writes: the identity in From, and what the law wants in each mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The shop's name, shown as the From name.
    pub name: String,
    /// The From address.
    pub email: String,
    #[serde(default)]
    pub reply_to: Option<String>,
    #[serde(default)]
    pub website: Option<String>,
    /// On one line.
    pub postal_address: String,
}
