//! From an admitted message to its finished words: picks the locale, builds the context, renders.

use std::sync::Arc;

use serde_json::{Value, json};

use super::customer::Profile;
use super::message::Message;
use super::rules::{Basis, Policy};
use super::steps::{basis, zone_of};
use super::templates::{RenderError, Rendered, Template, Templates};
use super::token::Unsubscribe;

/// What rendering needs beside the message and the customer.
pub struct Composer<'a> {
    pub policy: &'a Policy,
    /// Where the public pages are reached, without a slash at the end.
    pub public_url: &'a str,
    pub secret: &'a [u8],
}

impl Composer<'_> {
    /// The signed link by which the customer withdraws this message's purpose; none on transactional mail, which
    /// nobody can unsubscribe from.
    pub fn unsubscribe_url(&self, message: &Message) -> Option<String> {
        (basis(self.policy, &message.purpose) != Basis::Contract).then(|| {
            let token = Unsubscribe {
                customer_id: message.customer_id.clone(),
                channel: message.channel,
                purpose: message.purpose.clone(),
                message_id: message.id.clone(),
            };
            format!("{}/u/{}", self.public_url, token.seal(self.secret))
        })
    }

    /// Renders the message for its customer. Everything in it is derived, so rendering again gives the same bytes.
    pub fn render(
        &self,
        message: &Message,
        profile: &Profile,
        template: &Template,
    ) -> Result<Rendered, RenderError> {
        template.render(&self.context(message, profile, template))
    }

    fn context(&self, message: &Message, profile: &Profile, template: &Template) -> Value {
        let mut customer = profile.current();
        let zone = zone_of(&customer, self.policy);
        customer.insert("id".to_owned(), message.customer_id.clone().into());
        let event = &message.context["event"];
        let mut context = json!({
            "customer": customer,
            "event": event,
            "data": event["data"],
            "sender": self.policy.sender,
            "locale": locale_of(profile).unwrap_or(&template.locale),
            "timezone": zone.name(),
            "now": message.planned_at,
            "message_id": message.id,
        });
        if let Some(url) = self.unsubscribe_url(message) {
            context["unsubscribe_url"] = url.into();
        }
        if message.context["promo_code"].is_object() {
            context["promo_code"] = message.context["promo_code"].clone();
        }
        // The words are the template's, so dates and amounts follow its language when the customer's is another.
        let language = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        if language(context["locale"].as_str().unwrap_or_default()) != language(&template.locale) {
            context["locale"] = template.locale.clone().into();
        }
        context
    }
}

/// The template of a message: in the customer's locale, the locale's language, or the default.
pub fn template_for(
    templates: &Templates,
    name: &str,
    profile: &Profile,
    policy: &Policy,
) -> Option<Arc<Template>> {
    templates.resolve(name, locale_of(profile).unwrap_or(&policy.default_locale))
}

fn locale_of(profile: &Profile) -> Option<&str> {
    profile.text("locale").filter(|l| !l.is_empty())
}
