//! The outbox of a simulation: messages leave by the same gate as the worker's, at the first instant it lets them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use chrono::{DateTime, Utc};

use super::Line;
use crate::active::Active;
use crate::domain::admit::{Known, Question, Settled, admit_now, settle};
use crate::domain::caps::Slot;
use crate::domain::compose::{Composer, sms_template_for, template_for};
use crate::domain::consent::Channel;
use crate::domain::message::{Message, MessageState};
use crate::domain::snapshot::Snapshot;
use crate::domain::verdict::Reason;

/// Messages that wait for their instant.
pub struct Outbox<'a> {
    active: &'a Active,
    public_url: &'a str,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// What counts for frequency caps, by customer.
    slots: BTreeMap<String, Vec<Slot>>,
}

/// Of messages due at one instant the more important rule's goes first, then the earlier planned one.
struct Waiting(Message);

impl Waiting {
    fn key(&self) -> (DateTime<Utc>, Reverse<i32>, DateTime<Utc>, &str) {
        (self.0.due_at, Reverse(self.0.priority), self.0.planned_at, &self.0.id)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<'a> Outbox<'a> {
    pub fn new(active: &'a Active, public_url: &'a str) -> Self {
        Self { active, public_url, waiting: BinaryHeap::new(), slots: BTreeMap::new() }
    }

    /// Takes in a message that was decided; one that has ended already is a line at once.
    pub fn put(&mut self, message: &Message) -> Option<Line> {
        if message.state.is_final() {
            return Some(line(message));
        }
        self.waiting.push(Reverse(Waiting(message.clone())));
        None
    }

    /// When the next message is due.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.waiting.peek().map(|Reverse(Waiting(message))| message.due_at)
    }

    /// When the last of the messages now waiting is due.
    pub fn last_due(&self) -> Option<DateTime<Utc>> {
        self.waiting.iter().map(|Reverse(Waiting(message))| message.due_at).max()
    }

    /// Hands over the next message at `now`, if the gate lets it. What comes to its end is a line; another channel may
    /// take its place.
    pub fn hand_over(&mut self, customers: &BTreeMap<String, Snapshot>, now: DateTime<Utc>) -> Option<Line> {
        let Reverse(Waiting(message)) = self.waiting.pop()?;
        let customer = customers.get(&message.customer_id)?;
        let known = Known {
            profile: &customer.profile,
            consents: &customer.consents,
            suppressed: &customer.suppressed,
            erased: customer.erased,
            exit: customer.exit_of(&message),
            held_until: None,
        };
        let slots = self.slots.entry(message.customer_id.clone()).or_default();
        let gate = admit_now(&Question::about(&message, &self.active.book, known, slots), now);
        let was_deferred = message.state == MessageState::Deferred;
        let (mut message, address) = match settle(message, gate) {
            Settled::Open(message, address) => (message, address),
            Settled::Stopped(message) => {
                self.waiting.extend(message.fall_back(now).map(|other| Reverse(Waiting(other))));
                let at = if was_deferred { now } else { message.planned_at };
                return self.put(&message).map(|line| Line { at, ..line });
            }
        };
        if !self.active.book.active.policy.frequency_caps.is_empty() {
            slots.push(Slot {
                message_id: message.id.clone(),
                channel: message.channel,
                purpose: message.purpose.clone(),
                at: now,
            });
        }
        // A late decision is still about its planned instant; a deferred message leaves when it may.
        let at = if was_deferred { now } else { message.planned_at };
        message.reason = None;
        message.address = Some(address);
        Some(Line { at, ..self.sent(&message, customer) })
    }

    /// What still waits at the end, as it stands.
    pub fn into_lines(self) -> impl Iterator<Item = Line> {
        self.waiting
            .into_iter()
            .map(|Reverse(Waiting(message))| Line { at: message.due_at, ..line(&message) })
    }

    /// A message that goes out, in its words.
    fn sent(&self, message: &Message, customer: &Snapshot) -> Line {
        let mut line = line(message);
        let book = &self.active.book;
        let policy = &book.active.policy;
        let composer = Composer { policy, public_url: self.public_url, secret: &book.secret };
        let words = match message.channel {
            Channel::Email => {
                template_for(&self.active.templates, &message.template, &customer.profile, policy)
                    .ok_or((Reason::MissingTemplate, None))
                    .and_then(|template| {
                        let mail = composer.words(message, &customer.profile, &template);
                        let (subject, text) = mail.map_err(|e| (Reason::RenderFailed, Some(e.message)))?;
                        line.version = Some(template.hash.clone());
                        Ok((template.locale.clone(), Some(subject), text))
                    })
            }
            Channel::Sms => {
                sms_template_for(&self.active.templates, &message.template, &customer.profile, policy)
                    .ok_or((Reason::MissingTemplate, None))
                    .and_then(|template| {
                        let sms = composer.render_sms(message, &customer.profile, &template);
                        let sms = sms.map_err(|e| (Reason::RenderFailed, Some(e.message)))?;
                        Ok((template.locale.clone(), None, sms.text))
                    })
            }
        };
        match words {
            Ok((locale, subject, text)) => {
                line.status = MessageState::Sent.as_str();
                (line.locale, line.subject, line.text) = (Some(locale), subject, Some(text));
            }
            Err((reason, detail)) => {
                line.status = MessageState::Failed.as_str();
                (line.reason, line.detail) = (Some(reason.as_str()), detail);
            }
        }
        line
    }
}

fn line(message: &Message) -> Line {
    Line {
        at: message.planned_at,
        customer: message.customer_id.clone(),
        rule: message.rule.clone(),
        step: message.step.clone(),
        channel: message.channel.as_str(),
        template: message.template.clone(),
        locale: None,
        to: message.address.clone(),
        status: message.state.as_str(),
        reason: message.reason.map(Reason::as_str),
        promo_code: message.promo_code.clone(),
        subject: None,
        text: None,
        detail: message.detail.clone(),
        version: None,
        occurrence: message.occurrence.clone(),
    }
}
