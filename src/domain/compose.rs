//! From an admitted message to its finished words: picks the locale, builds the context, renders.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::admit::{country_of, network_of};
use super::customer::Profile;
use super::message::{CONFIRMS, Message};
use super::rules::{Basis, Policy};
use super::sms::plain::plain;
use super::sms::segments::MAX_PARTS;
use super::sms::{Encoding, Way, segments, sender, with_opt_out};
use super::steps::{basis, zone_of};
use super::templates::{RenderError, Rendered, SmsTemplate, Template, Templates};
use super::token::{Confirmation, Preferences, Unsubscribe};

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

    /// The signed link to all of the customer's choices.
    pub fn preferences_url(&self, message: &Message) -> String {
        let token = Preferences { customer_id: message.customer_id.clone(), message_id: message.id.clone() };
        format!("{}/p/{}", self.public_url, token.seal(self.secret))
    }

    /// The signed link by which the customer confirms what their message is about (double opt-in); none where its step
    /// names no purpose to `confirm`.
    pub fn confirm_url(&self, message: &Message) -> Option<String> {
        let purpose = message.context[CONFIRMS].as_str()?;
        let within = self.policy.purposes.get(purpose).map_or(TimeDelta::days(30), |p| p.confirm_within);
        let token = Confirmation {
            customer_id: message.customer_id.clone(),
            channel: message.channel,
            purpose: purpose.to_owned(),
            message_id: message.id.clone(),
            mailed_at: message.planned_at,
            expires_at: message.planned_at + within,
        };
        Some(format!("{}/c/{}", self.public_url, token.seal(self.secret)))
    }

    /// Renders the message for its customer. Everything in it is derived, so rendering again gives the same bytes.
    pub fn render(
        &self,
        message: &Message,
        profile: &Profile,
        template: &Template,
    ) -> Result<Rendered, RenderError> {
        template.render(self.context(message, profile, &template.locale))
    }

    /// Subject and text of what [`Self::render`] makes, or its error.
    pub fn words(
        &self,
        message: &Message,
        profile: &Profile,
        template: &Template,
    ) -> Result<(String, String), RenderError> {
        template.render_words(self.context(message, profile, &template.locale))
    }

    /// Renders the SMS: in plain letters where that saves a segment, and with the way to stop it unless the text tells
    /// it or the message is part of a contract.
    pub fn render_sms(
        &self,
        message: &Message,
        profile: &Profile,
        template: &SmsTemplate,
    ) -> Result<FinishedSms, RenderError> {
        let written = template.render(self.context(message, profile, &template.locale))?;
        let error = |what: &str| RenderError {
            message: format!("template {} ({}), sms: {what}", template.name, template.locale),
        };
        if written.is_empty() {
            return Err(error("the text is empty"));
        }
        let policy = &self.policy.sms;
        let country = country_of(profile, self.policy);
        // Laws go by where the customer lives, networks by the number.
        let network = network_of(profile, self.policy);
        let sender = policy.sender_in(network.as_deref()).map(str::to_owned);
        let objection = sender.as_deref().zip(network.as_deref());
        if let Some(words) = objection.and_then(|(sender, network)| sender::objection(sender, network)) {
            return Err(error(&format!(
                "{words}; the policy needs a sender of that country in `sms.senders`"
            )));
        }
        let mut text = if policy.transliterate { plain(&written).into_owned() } else { written };
        if basis(self.policy, &message.purpose) != Basis::Contract {
            let way = Way {
                language: &template.locale,
                country: country.as_deref(),
                sender: sender.as_deref(),
                stop_number: policy.stop_number.as_deref(),
            };
            text = with_opt_out(&text, &way).map_err(|_| {
                error("nobody can answer STOP to the sender's name: the policy needs `sms.stop_number`")
            })?;
        }
        let (encoding, segments) = segments(&text);
        if segments as usize > MAX_PARTS {
            return Err(error(&format!("{segments} segments are more than telephones can join")));
        }
        Ok(FinishedSms { text, encoding, segments, sender })
    }

    fn context(&self, message: &Message, profile: &Profile, template_locale: &str) -> Value {
        let mut customer = profile.current();
        let zone = zone_of(customer.get("timezone"), self.policy);
        customer.insert("id".to_owned(), message.customer_id.clone().into());
        let event = &message.context["event"];
        let mut context = json!({
            "sender": self.policy.sender,
            "locale": locale_of(profile).unwrap_or(template_locale),
            "timezone": zone.name(),
            "now": message.planned_at,
            "message_id": message.id,
        });
        // Cloned, where `json!` would serialize: this is done for each message.
        context["customer"] = Value::Object(customer);
        context["event"] = event.clone();
        context["data"] = event["data"].clone();
        if let Some(url) = self.unsubscribe_url(message) {
            context["unsubscribe_url"] = url.into();
        }
        context["preferences_url"] = self.preferences_url(message).into();
        if let Some(url) = self.confirm_url(message) {
            context["confirm_url"] = url.into();
        }
        if message.context["promo_code"].is_object() {
            context["promo_code"] = message.context["promo_code"].clone();
        }
        // The words are the template's, so dates and amounts follow its language when the customer's is another.
        let asked = language(context["locale"].as_str().unwrap_or_default());
        if !asked.eq_ignore_ascii_case(language(template_locale)) {
            context["locale"] = template_locale.into();
        }
        context
    }
}

/// A finished SMS, all but its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedSms {
    pub text: String,
    pub encoding: Encoding,
    pub segments: u32,
    pub sender: Option<String>,
}

fn language(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

/// The SMS template of a message, chosen as [`template_for`] does.
pub fn sms_template_for(
    templates: &Templates,
    name: &str,
    profile: &Profile,
    policy: &Policy,
) -> Option<Arc<SmsTemplate>> {
    templates.resolve_sms(name, locale_of(profile).unwrap_or(&policy.default_locale))
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
