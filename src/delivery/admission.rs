//! The gate, asked again just before the hand-over, and the rendering of what it lets through.

use chrono::{DateTime, Utc};

use crate::active::Active;
use crate::channels::Email;
use crate::domain::admit::{Question, admit};
use crate::domain::compose::{Composer, template_for};
use crate::domain::message::{Message, MessageState};
use crate::domain::steps::basis;
use crate::domain::templates::Template;
use crate::domain::verdict::Reason;
use crate::store::CustomerState;

/// What becomes of a claimed message.
pub enum Admission {
    /// It may go now, in these words.
    Go(Box<(Message, Email)>),
    /// It has come to its end, with the reason in it.
    Stop(Box<Message>),
}

/// Judges one claimed message by what is known at this moment. `pinned` is the template version that an earlier
/// attempt rendered.
pub fn decide(
    active: &Active,
    public_url: &str,
    mut message: Message,
    customer: &CustomerState,
    pinned: Option<&Template>,
    now: DateTime<Utc>,
) -> Admission {
    let policy = &active.book.active.policy;
    let question = Question {
        channel: message.channel,
        purpose: &message.purpose,
        basis: basis(policy, &message.purpose),
        profile: &customer.profile,
        consents: &customer.consents,
        suppressed: customer.suppressed,
        erased: customer.erased,
        expires_at: message.expires_at,
    };
    let address = match admit(&question, DateTime::<Utc>::MAX_UTC, now) {
        Ok(address) => address,
        Err(Reason::Expired) => return stop(message, MessageState::Expired, Reason::Expired, None),
        Err(reason) => return stop(message, MessageState::Suppressed, reason, None),
    };
    let chosen = template_for(&active.templates, &message.template, &customer.profile, policy);
    let Some(template) = pinned.or(chosen.as_deref()) else {
        let detail = Some(format!("no template `{}`", message.template));
        return stop(message, MessageState::Failed, Reason::MissingTemplate, detail);
    };
    let composer = Composer { policy, public_url, secret: &active.book.secret };
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
    message.attempts += 1;
    Admission::Go(Box::new((message, email)))
}

fn stop(mut message: Message, state: MessageState, reason: Reason, detail: Option<String>) -> Admission {
    message.state = state;
    message.reason = Some(reason);
    message.detail = detail;
    Admission::Stop(Box::new(message))
}
