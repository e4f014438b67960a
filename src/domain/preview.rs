//! A template as it would look, before any rule has sent it: its sample or a customer, rendered by the worker's own means.
//!
//! What is not in the sample comes from the first rule that sends the template: the purpose, on which the unsubscribe
//! link depends, the type of the event, and the promo code.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::compose::{Composer, FinishedSms};
use super::consent::Channel;
use super::customer::Profile;
use super::event::Event;
use super::message::{CONFIRMS, Lane, Message, MessageState};
use super::promo;
use super::rules::{Discount, Op, PromoSpec, Rule, RuleSet, Send, Trigger};
use super::snapshot::PromoCode;
use super::templates::{Rendered, Sample, Templates};

/// The customer whose sample it is.
const CUSTOMER: &str = "sample";

/// What a preview needs beside the templates.
pub struct Previewer<'a> {
    pub rules: &'a RuleSet,
    pub templates: &'a Templates,
    /// Where the public pages are reached, without a slash at the end.
    pub public_url: &'a str,
    /// The instant for which the message is planned.
    pub now: DateTime<Utc>,
}

/// A template in all its languages.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub template: String,
    pub purpose: String,
    /// The rule that it is shown as sent by; none where no rule sends it.
    pub rule: Option<String>,
    /// The policy's default language first.
    pub versions: Vec<Version>,
}

/// One language of a template. An error is why this message could not be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    pub locale: String,
    pub email: Option<Result<Rendered, String>>,
    pub sms: Option<Result<FinishedSms, String>>,
}

impl Version {
    /// Why it could not be sent.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        let email = self.email.as_ref().and_then(|mail| mail.as_ref().err());
        let sms = self.sms.as_ref().and_then(|sms| sms.as_ref().err());
        email.into_iter().chain(sms).map(String::as_str)
    }
}

impl Previewer<'_> {
    /// Renders a template in each of its languages; without versions where it has none that compile.
    pub fn preview(&self, template: &str, sample: &Sample) -> Preview {
        let sent_by = self.rules.rules.values().find_map(|rule| sent(rule, template));
        let versions = self
            .locales(template)
            .into_iter()
            .map(|locale| {
                let message = |channel| self.message(template, channel, sample, sent_by);
                let profile = self.profile(sample, &locale);
                let email = self.templates.resolve(template, &locale).filter(|found| found.locale == locale);
                let sms =
                    self.templates.resolve_sms(template, &locale).filter(|found| found.locale == locale);
                let composer = self.composer();
                Version {
                    email: email.map(|found| {
                        let mail = composer.render(&message(Channel::Email), &profile, &found);
                        mail.map_err(|error| error.message)
                    }),
                    sms: sms.map(|found| {
                        let sms = composer.render_sms(&message(Channel::Sms), &profile, &found);
                        sms.map_err(|error| error.message)
                    }),
                    locale,
                }
            })
            .collect();
        Preview {
            template: template.to_owned(),
            purpose: purpose(sent_by).to_owned(),
            rule: sent_by.map(|sent| sent.rule.name.clone()),
            versions,
        }
    }

    fn composer(&self) -> Composer<'_> {
        // Links and codes are of the right shape, and are nobody's.
        Composer { policy: &self.rules.policy, public_url: self.public_url, secret: b"preview" }
    }

    fn locales(&self, template: &str) -> Vec<String> {
        let texts = self.templates.sms_versions(template).map(|found| found.locale.as_str());
        let mut locales: Vec<String> =
            self.templates.locales(template).chain(texts).map(str::to_owned).collect();
        locales.sort_by_key(|locale| (*locale != self.rules.policy.default_locale, locale.clone()));
        locales.dedup();
        locales
    }

    /// The sample's customer, who speaks the language that is shown.
    fn profile(&self, sample: &Sample, locale: &str) -> Profile {
        let mut customer = sample.customer.clone();
        let language = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        let own = customer.get("locale").and_then(Value::as_str).unwrap_or_default();
        if language(own) != language(locale) {
            customer.insert("locale".to_owned(), locale.into());
        }
        let mut profile = Profile::default();
        profile.merge(&self.event("customer.updated", customer));
        profile
    }

    fn event(&self, kind: &str, data: Map<String, Value>) -> Event {
        Event {
            id: "preview".to_owned(),
            source: "/declic/preview".to_owned(),
            kind: kind.to_owned(),
            subject: CUSTOMER.to_owned(),
            time: self.now,
            data: Value::Object(data).into(),
            trace: None,
        }
    }

    fn message(
        &self,
        template: &str,
        channel: Channel,
        sample: &Sample,
        sent_by: Option<Sent<'_>>,
    ) -> Message {
        let customer = |name: &str| sample.customer.get(name).and_then(Value::as_str);
        let kind = match sent_by.map(|sent| &sent.rule.trigger) {
            Some(Trigger::Event { kind, .. } | Trigger::Absent { kind, .. }) => Some(kind.as_str()),
            Some(Trigger::Anniversary { .. } | Trigger::Schedule { .. }) => None,
            None => Some("preview"),
        };
        let event = kind.map(|kind| self.event(kind, sample.data.clone()));
        let rule = sent_by.map_or("preview", |sent| &sent.rule.name);
        let promo = match sent_by {
            Some(sent) => sent.promo.cloned(),
            None => Some(specimen()),
        };
        let promo = promo.map(|spec| self.promo_code(rule, &spec));
        let mut context = json!({ "event": event, "promo_code": promo.as_ref().map(PromoCode::to_json) });
        // One that no rule sends yet may become a confirmation.
        let confirms = sent_by.map_or(Some("marketing"), |sent| sent.send.confirm.as_deref());
        if let Some(purpose) = confirms {
            context[CONFIRMS] = purpose.into();
        }
        Message {
            id: "preview".to_owned(),
            customer_id: customer("id").unwrap_or(CUSTOMER).to_owned(),
            rule: rule.to_owned(),
            version: String::new(),
            occurrence: "preview".to_owned(),
            step: "preview".to_owned(),
            channel,
            purpose: purpose(sent_by).to_owned(),
            template: template.to_owned(),
            planned_at: self.now,
            expires_at: self.now,
            state: MessageState::Pending,
            reason: None,
            detail: None,
            context: context.into(),
            promo_code: promo.map(|promo| promo.code),
            due_at: self.now,
            attempts: 0,
            template_hash: None,
            locale: None,
            address: None,
            reply: None,
            sent_at: None,
            lane: Lane::Event,
            priority: 0,
            fallback: None,
            slot_at: None,
            trace: None,
        }
    }

    fn promo_code(&self, rule: &str, spec: &PromoSpec) -> PromoCode {
        PromoCode {
            code: promo::derive(b"preview", &spec.prefix, [rule, CUSTOMER, "preview", &spec.id], 0),
            customer_id: CUSTOMER.to_owned(),
            rule: rule.to_owned(),
            occurrence: "preview".to_owned(),
            step: spec.id.clone(),
            discount: spec.discount.clone(),
            valid_from: self.now,
            valid_until: self.now + spec.valid_for,
        }
    }
}

/// A send of the template.
#[derive(Clone, Copy)]
struct Sent<'a> {
    rule: &'a Rule,
    send: &'a Send,
    /// The promo code that it carries: the last that is made before it.
    promo: Option<&'a PromoSpec>,
}

/// The rule's send of the template, if it has one.
fn sent<'a>(rule: &'a Rule, template: &str) -> Option<Sent<'a>> {
    let mut promo = None;
    for op in &rule.program {
        match op {
            Op::PromoCode(spec) => promo = Some(spec),
            Op::Send(send) if send.channels().any(|(_, name)| name == template) => {
                return Some(Sent { rule, send, promo });
            }
            _ => {}
        }
    }
    None
}

fn purpose(sent_by: Option<Sent<'_>>) -> &str {
    sent_by.map_or("marketing", |sent| &sent.rule.purpose)
}

/// The promo code of a template that no rule sends yet.
fn specimen() -> PromoSpec {
    PromoSpec {
        id: "preview".to_owned(),
        prefix: "CODE".to_owned(),
        discount: Discount::Percent(1000),
        valid_for: TimeDelta::days(30),
    }
}
