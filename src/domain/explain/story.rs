//! The items of a story. As JSON they are a stable interface (`declic explain --format json`).

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::consent::{Channel, ConsentFact};
use crate::domain::memory::{EntryStatus, Exit};
use crate::domain::message::{Message, MessageState};
use crate::domain::rules::Basis;
use crate::domain::rules::condition::Judged;
use crate::domain::verdict::Reason;

/// One thing that happened, or is known, or is waited for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// When it happened or is to happen; for what is known of the customer and of a rule, the present.
    pub at: DateTime<Utc>,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    Customer(Customer),
    Rule(Standing),
    Event(Happened),
    /// A consent whose event is no longer at hand.
    Consent(ConsentFact),
    Tick(Ticked),
    Entry(Run),
    Message(Sent),
}

/// What is known of the customer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Customer {
    pub id: String,
    pub erased: bool,
    /// The zone in which local times of rules are read for them.
    pub timezone: &'static str,
    pub profile: Map<String, Value>,
    /// The newest word by channel and purpose.
    pub consents: Vec<ConsentFact>,
    /// The channels whose address is on the suppression list.
    pub suppressed: Vec<Channel>,
}

/// What a rule is to the customer at present.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    pub rule: String,
    pub state: RuleState,
    /// Since when it has been as it is, as far as known.
    pub since: Option<DateTime<Utc>>,
    /// Occurrences that are under way.
    pub under_way: Vec<String>,
    /// Nothing can begin it again for this customer: it was for once only.
    pub over: bool,
    /// None for a rule that is no longer there.
    pub waits_for: Option<WaitsFor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleState {
    InForce,
    Disabled,
    Deleted,
}

/// What would begin a rule for the customer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "trigger", rename_all = "snake_case")]
pub enum WaitsFor {
    Event {
        event: String,
        /// The condition that the event has to meet.
        condition: Option<String>,
        /// When the last such event happened.
        last: Option<DateTime<Utc>>,
    },
    Absence {
        event: String,
        condition: Option<String>,
        last: Option<DateTime<Utc>>,
        /// When the absence of another is long enough; none before the first.
        due: Option<DateTime<Utc>>,
    },
    Anniversary {
        attribute: String,
        /// What the profile holds; none where that is no date.
        date: Option<Value>,
        next: Option<DateTime<Utc>>,
    },
    Schedule {
        next: Option<DateTime<Utc>>,
        /// What the audience would say of the customer now.
        audience: Option<Judged>,
    },
}

/// An event, and what it meant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happened {
    pub source: String,
    pub id: String,
    #[serde(rename = "type")]
    pub event: String,
    pub received_at: DateTime<Utc>,
    /// Erased with the customer.
    pub forgotten: bool,
    pub data: Value,
    pub profile: Vec<Change>,
    pub consents: Vec<ConsentFact>,
    pub rules: Vec<Considered>,
}

/// One attribute of the profile that an event set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub attribute: String,
    /// As it was known before, by the time of the facts; none where it was not.
    pub from: Option<Value>,
    pub to: Value,
}

/// A rule that an event, or a tick, was about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Considered {
    pub rule: String,
    /// Of the entry that it began, ended or might have begun.
    pub occurrence: String,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The trigger's condition, where one was asked.
    pub condition: Option<Judged>,
    /// Nothing is recorded of what did not begin, so it is judged by the rule as it is: since then, which is later.
    pub judged_by_rule_since: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Began {
        starts_at: DateTime<Utc>,
    },
    NotBegun {
        reason: Reason,
        detail: Option<String>,
    },
    /// The absence that would have begun it did not last: another such event came.
    Broken {
        at: DateTime<Utc>,
    },
    /// Nothing is recorded, though by what is known today it would begin.
    WouldBegin,
    /// An entry that was under way.
    Ends {
        reason: Reason,
    },
}

/// A tick of a schedule or an anniversary that began nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ticked {
    /// The local date, or date and time.
    pub tick: String,
    #[serde(flatten)]
    pub considered: Considered,
}

/// An entry: the customer's run through a rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    pub rule: String,
    pub occurrence: String,
    /// Empty without a `key`.
    pub key: String,
    pub version: String,
    /// The rule has changed, or is gone, since.
    pub version_is_old: bool,
    /// None for ticks.
    pub begun_by: Option<Cause>,
    pub status: EntryStatus,
    pub reason: Option<Reason>,
    pub detail: Option<String>,
    pub exit: Option<Exit>,
    /// When the worker looks at it again; none once it has ended or was set aside.
    pub due_at: Option<DateTime<Utc>>,
    /// The condition of an absence, which is judged when it is over.
    pub condition: Option<Judged>,
    /// The steps done, in their order.
    pub steps: Vec<Step>,
    /// The step that it stands before.
    pub next: Option<Step>,
    /// The text of its version is not kept, so its steps are not known.
    pub version_lost: bool,
    /// By what is known today it would have gone another way.
    pub differs: bool,
}

/// The event that began an entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cause {
    #[serde(rename = "type")]
    pub event: String,
    pub time: DateTime<Utc>,
}

/// A step, at its planned instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub id: String,
    pub planned_at: DateTime<Utc>,
    #[serde(flatten)]
    pub did: Did,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Did {
    Wait {
        until: DateTime<Utc>,
    },
    If {
        condition: Judged,
    },
    PromoCode,
    Send {
        /// What it may send, the preferred channel first.
        offers: Vec<Offer>,
        messages: Vec<Brief>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    pub channel: Channel,
    pub template: String,
}

/// A message, as its step shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Brief {
    pub id: String,
    pub channel: Channel,
    pub template: String,
    pub state: MessageState,
    pub reason: Option<Reason>,
}

/// A message, sent or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sent {
    pub id: String,
    pub rule: String,
    pub occurrence: String,
    pub step: String,
    pub channel: Channel,
    pub purpose: String,
    pub basis: Basis,
    pub template: String,
    pub state: MessageState,
    pub reason: Option<Reason>,
    pub detail: Option<String>,
    pub planned_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
    pub attempts: u32,
    pub address: Option<String>,
    pub locale: Option<String>,
    pub reply: Option<String>,
    pub promo_code: Option<String>,
    /// The customer's word that held at the planned instant.
    pub consent_then: Option<ConsentFact>,
    /// Their newest word, where it is another.
    pub consent_since: Option<ConsentFact>,
    /// What the gate would say if it were asked now, of one that waits.
    pub gate: Option<Answer>,
}

/// What the gate says of a message that waits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Goes { at: DateTime<Utc> },
    PutOff { until: DateTime<Utc>, reason: Reason },
    Refuses { reason: Reason },
}

impl What {
    /// Of two at one instant the later in the chain of causes comes first in a story that begins with the newest.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Customer(_) => 6,
            Self::Rule(_) => 5,
            Self::Message(_) => 4,
            Self::Entry(_) => 3,
            Self::Tick(_) => 2,
            Self::Consent(_) => 1,
            Self::Event(_) => 0,
        }
    }

    /// Whether it is about this rule; an event keeps only what concerns the rule.
    pub(super) fn is_of_rule(&mut self, rule: &str) -> bool {
        match self {
            Self::Event(event) => {
                event.rules.retain(|considered| considered.rule == rule);
                !event.rules.is_empty()
            }
            Self::Tick(tick) => tick.considered.rule == rule,
            Self::Entry(entry) => entry.rule == rule,
            Self::Message(message) => message.rule == rule,
            Self::Consent(_) | Self::Customer(_) | Self::Rule(_) => false,
        }
    }

    /// Whether it is this message, or what it came from.
    pub(super) fn is_of_message(&mut self, message: &Message) -> bool {
        let concerns =
            |rule: &str, occurrence: &str| rule == message.rule && occurrence == message.occurrence;
        match self {
            Self::Event(event) => {
                event.rules.retain(|considered| concerns(&considered.rule, &considered.occurrence));
                !event.rules.is_empty()
            }
            Self::Entry(entry) => concerns(&entry.rule, &entry.occurrence),
            Self::Message(sent) => sent.id == message.id,
            Self::Tick(_) | Self::Consent(_) | Self::Customer(_) | Self::Rule(_) => false,
        }
    }
}
