//! The gate, asked again just before the hand-over, and the rendering of what it lets through.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::poison;
use crate::active::Active;
use crate::channels::{Email, Parcel, Sms};
use crate::domain::admit::{Gate, Known, Question, Settled, admit_now, settle, shuts_at};
use crate::domain::caps::Slot;
use crate::domain::compose::{Composer, sms_template_for, template_for};
use crate::domain::consent::Channel;
use crate::domain::customer::Profile;
use crate::domain::memory::Exit;
use crate::domain::message::{Message, MessageState};
use crate::domain::pause::Pauses;
use crate::domain::restore::List;
use crate::domain::rules::Basis;
use crate::domain::sms::estimate::estimate;
use crate::domain::sms::segments;
use crate::domain::steps::basis;
use crate::domain::templates::{RenderError, SmsTemplate, Template, Version};
use crate::domain::verdict::Reason;
use crate::store::{CustomerState, Store, StoreError};
use crate::{failpoint, guard, telemetry};

/// What becomes of a claimed message.
pub enum Admission {
    Go(Box<Admitted>),
    /// It has come to its end, or is put off, with the reason in it.
    Stop(Box<Message>),
}

/// A message that may go now, in these words, before this instant.
pub type Admitted = (Message, Parcel, DateTime<Utc>);

/// What a message is judged by.
pub struct Judge<'a> {
    pub active: &'a Active,
    pub public_url: &'a str,
    /// What a list from before a restore says of these messages.
    pub told: &'a List,
    /// Exits of the entries that messages belong to, by the message.
    pub exits: &'a BTreeMap<String, Exit>,
    pub pauses: &'a Pauses,
    pub now: DateTime<Utc>,
}

impl Judge<'_> {
    /// Asks the gate by what is known at this moment.
    pub fn ask(&self, message: &Message, customer: &CustomerState, slots: &[Slot]) -> Gate {
        admit_now(&self.question(message, customer, slots), self.now)
    }

    fn question<'b>(
        &'b self,
        message: &'b Message,
        customer: &'b CustomerState,
        slots: &'b [Slot],
    ) -> Question<'b> {
        let known = Known {
            profile: &customer.profile,
            consents: &customer.consents,
            suppressed: &customer.suppressed,
            erased: customer.erased,
            exit: self.exits.get(&message.id),
            held_until: self.pauses.held_until(message.channel, &message.rule),
        };
        let question = Question::about(message, &self.active.book, known, slots);
        Question { told: self.told.get(&message.id).copied(), ..question }
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
            let question = self.question(&message, customer, slots);
            match settle(message.clone(), admit_now(&question, self.now)) {
                Settled::Open(message, address) => {
                    self.render(*message, customer, address, pinned, shuts_at(&question, self.now))
                }
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
        shuts_at: DateTime<Utc>,
    ) -> Admission {
        let rendered = match (message.channel, pinned) {
            (Channel::Email, Some(Version::Email(template))) => {
                self.email(&message, customer, &address, Some(template.clone()))
            }
            (Channel::Email, _) => self.email(&message, customer, &address, None),
            (Channel::Sms, Some(Version::Sms(template))) => {
                self.sms(&message, customer, &address, Some(template.clone()), shuts_at)
            }
            (Channel::Sms, _) => self.sms(&message, customer, &address, None, shuts_at),
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
                Admission::Go(Box::new((message, parcel, shuts_at)))
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
        let email = email(&composer, message, &customer.profile, address, &template).map_err(failed)?;
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
        leave_by: DateTime<Utc>,
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
            leave_by,
            customer_id: message.customer_id.clone(),
            rule: message.rule.clone(),
            locale: template.locale.clone(),
            purpose: message.purpose.clone(),
            trace: message.trace,
        };
        Ok(Ready { parcel: Parcel::Sms(sms), hash: template.hash.clone(), locale: template.locale.clone() })
    }
}

/// A message in the words of this template.
pub fn email(
    composer: &Composer<'_>,
    message: &Message,
    profile: &Profile,
    address: &str,
    template: &Template,
) -> Result<Email, RenderError> {
    let rendered = composer.render(message, profile, template)?;
    let sender = &composer.policy.sender;
    Ok(Email {
        message_id: message.id.clone(),
        date: message.planned_at,
        from_name: sender.name.clone(),
        from: sender.email.clone(),
        reply_to: sender.reply_to.clone(),
        to: address.to_owned(),
        subject: rendered.subject,
        html: rendered.html,
        text: rendered.text,
        unsubscribe_url: composer.unsubscribe_url(message),
        customer_id: message.customer_id.clone(),
        rule: message.rule.clone(),
        locale: template.locale.clone(),
        purpose: message.purpose.clone(),
    })
}

/// The version of a template that an earlier attempt rendered, also where it is no longer the newest; none where it
/// cannot be had any more.
pub async fn pinned_template(
    store: &Store,
    active: &Active,
    hash: &str,
) -> Result<Option<Version>, StoreError> {
    if let Some(version) = active.templates.version(hash) {
        return Ok(Some(version));
    }
    let stored = store.template_version(hash).await?;
    Ok(stored.as_ref().and_then(|stored| guard::catch(|| Version::from_stored(stored)).ok().flatten()))
}

/// How many tokens of the provider's rate a message is likely to take, told before it is made.
pub fn likely_weight(active: &Active, message: &Message) -> u32 {
    if message.channel == Channel::Email {
        return 1;
    }
    let policy = &active.book.active.policy;
    let marketing = basis(policy, &message.purpose) != Basis::Contract;
    let versions = active.templates.sms_versions(&message.template);
    let likely = versions.map(|t| segments(&estimate(&t.source().sms, &t.locale, marketing, policy)).1);
    likely.max().unwrap_or(1).max(1)
}

/// How many it does take: providers count an SMS by its segments.
pub fn weight_of(parcel: &Parcel) -> u32 {
    match parcel {
        Parcel::Email(_) => 1,
        Parcel::Sms(sms) => sms.segments.max(1),
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
