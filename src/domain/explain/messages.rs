//! Messages: what became of each, the consent it stood on, and what the gate says of one that waits.

use super::Teller;
use super::story::{Answer, Item, Sent, What};
use crate::domain::admit::{Gate, Known, Question, admit_now};
use crate::domain::caps::Slot;
use crate::domain::message::{Message, MessageState};
use crate::domain::steps::basis;
use crate::domain::verdict::Reason;

impl Teller<'_> {
    pub(super) fn message(&self, message: &Message) -> Item {
        let consents = &self.record.snapshot.consents;
        let then = consents.at(message.channel, &message.purpose, message.planned_at);
        let newest = consents.latest(message.channel, &message.purpose);
        let at = match message.state {
            MessageState::Pending | MessageState::Deferred | MessageState::Paused => message.due_at,
            _ => message.sent_at.unwrap_or(message.planned_at),
        };
        let sent = Sent {
            id: message.id.clone(),
            rule: message.rule.clone(),
            occurrence: message.occurrence.clone(),
            step: message.step.clone(),
            channel: message.channel,
            purpose: message.purpose.clone(),
            basis: basis(&self.book.active.policy, &message.purpose),
            template: message.template.clone(),
            state: message.state,
            reason: message.reason,
            detail: message.detail.clone(),
            planned_at: message.planned_at,
            due_at: message.due_at,
            expires_at: message.expires_at,
            sent_at: message.sent_at,
            attempts: message.attempts,
            address: message.address.clone(),
            locale: message.locale.clone(),
            reply: message.reply.clone(),
            promo_code: message.promo_code.clone(),
            consent_then: then.cloned(),
            consent_since: newest.filter(|newest| Some(*newest) != then).cloned(),
            gate: self.gate(message),
        };
        Item { at, what: What::Message(sent) }
    }

    /// Asks the gate about a message that waits, for the moment when it is due.
    fn gate(&self, message: &Message) -> Option<Answer> {
        if !matches!(message.state, MessageState::Pending | MessageState::Deferred | MessageState::Claimed) {
            return None;
        }
        let snapshot = &self.record.snapshot;
        let known = Known {
            profile: &snapshot.profile,
            consents: &snapshot.consents,
            suppressed: &snapshot.suppressed,
            erased: snapshot.erased,
            exit: snapshot.exit_of(message),
            held_until: None,
        };
        let slots = self.slots();
        let at = message.due_at.max(self.now);
        Some(match admit_now(&Question::about(message, self.book, known, &slots), at) {
            Gate::Open { .. } => Answer::Goes { at },
            Gate::Later { until, reason, .. } => Answer::PutOff { until, reason },
            Gate::TooLate(reason) | Gate::Shut(reason) => Answer::Refuses { reason },
            Gate::Gone(_) => Answer::Refuses { reason: Reason::Restored },
        })
    }

    /// What frequency caps count.
    fn slots(&self) -> Vec<Slot> {
        let counts = |message: &Message| {
            Some(Slot {
                message_id: message.id.clone(),
                channel: message.channel,
                purpose: message.purpose.clone(),
                at: message.slot_at?,
            })
        };
        self.record.messages.iter().filter_map(counts).collect()
    }
}
