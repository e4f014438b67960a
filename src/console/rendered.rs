//! A message in its words: by the version of the template that it was sent with, or else the one it would go with now.

use super::Console;
use crate::delivery::admission::pinned_template;
use crate::domain::compose::{Composer, sms_template_for, template_for};
use crate::domain::consent::Channel;
use crate::domain::message::Message;
use crate::domain::templates::Version;
use crate::store::StoreError;

pub(super) enum Rendered {
    Email { subject: String, html: String, text: String },
    Sms { text: String },
}

/// The words of a message with what is known of its customer today; the inner error says why there are none.
pub(super) async fn render(
    console: &Console,
    message: &Message,
) -> Result<Result<Rendered, String>, StoreError> {
    let Some(customer) = console.store.customer(&message.customer_id).await? else {
        return Ok(Err("its customer is not known any more".to_owned()));
    };
    let active = console.shelf.get();
    let policy = &active.book.active.policy;
    // Links that are sealed with nothing look as they do and do nothing: whoever only looks must not unsubscribe anybody.
    let composer = Composer { policy, public_url: "https://link.invalid", secret: b"" };
    let pinned = match &message.template_hash {
        Some(hash) => pinned_template(&console.store, &active, hash).await?,
        None => None,
    };
    let missing = || format!("there is no template `{}` for {}", message.template, message.channel.as_str());
    let profile = &customer.profile;
    let rendered = match (message.channel, pinned) {
        (Channel::Email, Some(Version::Email(template))) => composer.render(message, profile, &template),
        (Channel::Email, _) => match template_for(&active.templates, &message.template, profile, policy) {
            Some(template) => composer.render(message, profile, &template),
            None => return Ok(Err(missing())),
        },
        (Channel::Sms, pinned) => {
            let pinned = match pinned {
                Some(Version::Sms(template)) => Some(template),
                _ => sms_template_for(&active.templates, &message.template, profile, policy),
            };
            let Some(template) = pinned else { return Ok(Err(missing())) };
            let finished = composer.render_sms(message, profile, &template);
            return Ok(finished
                .map(|sms| Rendered::Sms { text: sms.text })
                .map_err(|error| error.to_string()));
        }
    };
    Ok(rendered
        .map(|mail| Rendered::Email { subject: mail.subject, html: mail.html, text: mail.text })
        .map_err(|error| error.to_string()))
}
