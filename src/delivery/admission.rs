//! The gate, asked again just before the hand-over, and the rendering of what it lets through.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::poison;
use crate::active::Active;
use crate::channels::{Email, Parcel, Sms};
use crate::domain::admit::{Gate, Known, Question, Settled, admit_now, settle};
use crate::domain::caps::Slot;
use crate::domain::compose::{Composer, sms_template_for, template_for};
use crate::domain::consent::Channel;
use crate::domain::message::{Message, MessageState};
use crate::domain::restore::List;
use crate::domain::templates::{RenderError, SmsTemplate, Template, Version};
use crate::domain::verdict::Reason;
use crate::store::CustomerState;
use crate::{failpoint, guard, telemetry};

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
    /// What a list from before a restore says of these messages.
    pub told: &'a List,
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
        let question = Question::about(message, &self.active.book, known, slots);
        admit_now(&Question { told: self.told.get(&message.id).copied(), ..question }, self.now)
    }

    /// Judges one claimed message. `pinned` is the template version that an earlier attempt rendered. One that the core
    /// panics about is set aside.
    pub fn decide(
        &self,
        message: Message,
        customer: &CustomerState,
        slots: &[Slot],
        pinned: Option<&Version>,
    ) -> Admission {
        let judged = guard::catch(|| {
            failpoint::stumble("delivery", &message.customer_id);
            let gate = self.ask(&message, customer, slots);
            match settle(message.clone(), gate) {
                Settled::Open(message, address) => self.render(*message, customer, address, pinned),
                Settled::Stopped(message) => Admission::Stop(message),
            }
        });
        judged.unwrap_or_else(|panic| {
            telemetry::panicked("delivery", &message.customer_id, &panic.place);
            Admission::Stop(Box::new(poison::failed(message, panic.to_string())))
        })
    }

    fn render(
        &self,
        message: Message,
        customer: &CustomerState,
        address: String,
        pinned: Option<&Version>,
    ) -> Admission {
        let rendered = match (message.channel, pinned) {
            (Channel::Email, Some(Version::Email(template))) => {
                self.email(&message, customer, &address, Some(template.clone()))
            }
            (Channel::Email, _) => self.email(&message, customer, &address, None),
            (Channel::Sms, Some(Version::Sms(template))) => {
                self.sms(&message, customer, &address, Some(template.clone()))
            }
            (Channel::Sms, _) => self.sms(&message, customer, &address, None),
        };
        match rendered {
            Ok(Ready { parcel, hash, locale }) => {
                let message = Message {
                    template_hash: Some(hash),
                    locale: Some(locale),
                    address: Some(address),
                    state: MessageState::Sending,
                    reason: None,
                    attempts: message.attempts + 1,
                    slot_at: Some(self.now),
                    ..message
                };
                Admission::Go(Box::new((message, parcel)))
            }
            Err((reason, detail)) => stop(message, MessageState::Failed, reason, Some(detail)),
        }
    }

    fn composer(&self) -> Composer<'_> {
        let book = &self.active.book;
        Composer { policy: &book.active.policy, public_url: self.public_url, secret: &book.secret }
    }

    fn email(
        &self,
        message: &Message,
        customer: &CustomerState,
        address: &str,
        pinned: Option<Arc<Template>>,
    ) -> Result<Ready, (Reason, String)> {
        let composer = self.composer();
        let policy = composer.policy;
        let chosen = || template_for(&self.active.templates, &message.template, &customer.profile, policy);
        let template = pinned.or_else(chosen).ok_or_else(|| missing(message))?;
        let rendered = composer.render(message, &customer.profile, &template).map_err(failed)?;
        let email = Email {
            message_id: message.id.clone(),
            date: message.planned_at,
            from_name: policy.sender.name.clone(),
            from: policy.sender.email.clone(),
            reply_to: policy.sender.reply_to.clone(),
            to: address.to_owned(),
            subject: rendered.subject,
            html: rendered.html,
            text: rendered.text,
            unsubscribe_url: composer.unsubscribe_url(message),
            customer_id: message.customer_id.clone(),
            rule: message.rule.clone(),
            locale: template.locale.clone(),
            purpose: message.purpose.clone(),
        };
        Ok(Ready {
            parcel: Parcel::Email(email),
            hash: template.hash.clone(),
            locale: template.locale.clone(),
        })
    }

    fn sms(
        &self,
        message: &Message,
        customer: &CustomerState,
        address: &str,
        pinned: Option<Arc<SmsTemplate>>,
    ) -> Result<Ready, (Reason, String)> {
        let composer = self.composer();
        let chosen = || {
            sms_template_for(&self.active.templates, &message.template, &customer.profile, composer.policy)
        };
        let template = pinned.or_else(chosen).ok_or_else(|| missing(message))?;
        let finished = composer.render_sms(message, &customer.profile, &template).map_err(failed)?;
        let sms = Sms {
            message_id: message.id.clone(),
            from: finished.sender,
            to: address.to_owned(),
            text: finished.text,
            encoding: finished.encoding,
            segments: finished.segments,
            expires_at: message.expires_at,
            customer_id: message.customer_id.clone(),
            rule: message.rule.clone(),
            locale: template.locale.clone(),
            purpose: message.purpose.clone(),
        };
        Ok(Ready { parcel: Parcel::Sms(sms), hash: template.hash.clone(), locale: template.locale.clone() })
    }
}

/// A message in its words, and the template version and language they are from.
struct Ready {
    parcel: Parcel,
    hash: String,
    locale: String,
}

fn missing(message: &Message) -> (Reason, String) {
    (Reason::MissingTemplate, format!("no template `{}` for {}", message.template, message.channel.as_str()))
}

fn failed(error: RenderError) -> (Reason, String) {
    (Reason::RenderFailed, error.to_string())
}

fn stop(mut message: Message, state: MessageState, reason: Reason, detail: Option<String>) -> Admission {
    message.state = state;
    message.reason = Some(reason);
    message.detail = detail;
    Admission::Stop(Box::new(message))
}
