//! The gate, asked again just before the hand-over, and the rendering of what it lets through.

use chrono::{DateTime, Utc};

use crate::active::Active;
use crate::channels::{Email, Parcel};
use crate::domain::admit::{Gate, Known, Question, admit_now, settle};
use crate::domain::caps::Slot;
use crate::domain::compose::{Composer, template_for};
use crate::domain::consent::Channel;
use crate::domain::message::{Message, MessageState};
use crate::domain::templates::Template;
use crate::domain::verdict::Reason;
use crate::store::CustomerState;

/// What becomes of a claimed message.
pub enum Admission {
    /// It may go now, in these words.
    Go(Box<(Message, Parcel)>),
    /// It has come to its end, or is put off, with the reason in it.
    Stop(Box<Message>),
}

/// What a message is judged by.
pub struct Judge<'a> {
    pub active: &'a Active,
    pub public_url: &'a str,
    pub now: DateTime<Utc>,
}

impl Judge<'_> {
    /// Asks the gate by what is known at this moment.
    pub fn ask(&self, message: &Message, customer: &CustomerState, slots: &[Slot]) -> Gate {
        let known = Known {
            profile: &customer.profile,
            consents: &customer.consents,
            suppressed: &customer.suppressed,
            erased: customer.erased,
        };
        let policy = &self.active.book.active.policy;
        admit_now(&Question::about(message, policy, known, slots), self.now)
    }

    /// Judges one claimed message. `pinned` is the template version that an earlier attempt rendered.
    pub fn decide(
        &self,
        message: Message,
        customer: &CustomerState,
        slots: &[Slot],
        pinned: Option<&Template>,
    ) -> Admission {
        let gate = self.ask(&message, customer, slots);
        match settle(message, gate) {
            Ok((message, address)) => self.render(message, customer, address, pinned),
            Err(message) => Admission::Stop(Box::new(message)),
        }
    }

    fn render(
        &self,
        mut message: Message,
        customer: &CustomerState,
        address: String,
        pinned: Option<&Template>,
    ) -> Admission {
        let policy = &self.active.book.active.policy;
        let chosen = template_for(&self.active.templates, &message.template, &customer.profile, policy);
        let Some(template) = pinned.or(chosen.as_deref()).filter(|_| message.channel == Channel::Email)
        else {
            let detail = Some(format!("no template `{}`", message.template));
            return stop(message, MessageState::Failed, Reason::MissingTemplate, detail);
        };
        let composer = Composer { policy, public_url: self.public_url, secret: &self.active.book.secret };
        let rendered = match composer.render(&message, &customer.profile, template) {
            Ok(rendered) => rendered,
            Err(error) => {
                return stop(message, MessageState::Failed, Reason::RenderFailed, Some(error.to_string()));
            }
        };
        let email = Email {
            message_id: message.id.clone(),
            date: message.planned_at,
            from_name: policy.sender.name.clone(),
            from: policy.sender.email.clone(),
            reply_to: policy.sender.reply_to.clone(),
            to: address.clone(),
            subject: rendered.subject,
            html: rendered.html,
            text: rendered.text,
            unsubscribe_url: composer.unsubscribe_url(&message),
            customer_id: message.customer_id.clone(),
            rule: message.rule.clone(),
            locale: template.locale.clone(),
            purpose: message.purpose.clone(),
        };
        message.template_hash = Some(template.hash.clone());
        message.locale = Some(template.locale.clone());
        message.address = Some(address);
        message.state = MessageState::Sending;
        message.reason = None;
        message.attempts += 1;
        message.slot_at = Some(self.now);
        Admission::Go(Box::new((message, Parcel::Email(email))))
    }
}

fn stop(mut message: Message, state: MessageState, reason: Reason, detail: Option<String>) -> Admission {
    message.state = state;
    message.reason = Some(reason);
    message.detail = detail;
    Admission::Stop(Box::new(message))
}
