//! SMS templates: plain text with expressions, `sms.LOCALE.txt`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::render::{Origin, hash_of, parse};
use super::{RenderError, Templates, expressions, find, lint};
use crate::domain::sms::laws::{CONFIRMATIONS, STOP_CONFIRMATION};

/// An SMS template version as it is stored, with includes expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsSource {
    pub name: String,
    pub locale: String,
    pub sms: String,
    /// As in [`super::TemplateSource`].
    #[serde(default)]
    pub origins: BTreeMap<String, String>,
}

/// One locale's version of an SMS template, ready to render.
#[derive(Debug, Clone)]
pub struct SmsTemplate {
    pub name: String,
    pub locale: String,
    /// Of the meaning: 32 hexadecimal digits.
    pub hash: String,
    source: SmsSource,
    text: handlebars::Template,
}

impl SmsTemplate {
    /// What to store, so that a message can stay with the version it was first rendered from.
    pub fn source(&self) -> &SmsSource {
        &self.source
    }

    /// Rebuilds a template from what was stored. Errors: an expression that does not parse.
    pub fn from_source(source: SmsSource) -> Result<Self, RenderError> {
        let kind = "sms".to_owned();
        Ok(Self {
            name: source.name.clone(),
            locale: source.locale.clone(),
            // The kind keeps it apart from a mail of the same words.
            hash: hash_of([&kind, &source.name, &source.locale, &source.sms].into_iter().map(Some)),
            text: parse(&source.name, &source.locale, "sms", &source.sms)?,
            source,
        })
    }

    /// Renders for one customer, as [`super::Template::render`] does; without white space at the ends of lines and of
    /// the whole, which would only cost.
    pub fn render(&self, context: Value) -> Result<String, RenderError> {
        let origin = Origin { name: &self.name, locale: &self.locale, origins: &self.source.origins };
        let text = origin.part("sms", &self.text, &expressions::TEXT, &origin.prepare(context))?;
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        Ok(lines.join("\n").trim().to_owned())
    }

    /// The dotted paths it reads from the context.
    pub fn variables(&self) -> Vec<String> {
        lint::reads(&self.text).into_iter().collect()
    }

    /// The dotted paths it reads of items of collections, from the root.
    pub fn items(&self) -> Vec<String> {
        lint::reads_within(&self.text)
    }
}

impl Templates {
    /// The names of all templates that have an SMS version in some locale.
    pub fn sms_names(&self) -> impl Iterator<Item = &str> {
        self.sms.keys().map(String::as_str)
    }

    /// Whether `name` has an SMS version in at least the default locale.
    pub fn contains_sms(&self, name: &str) -> bool {
        self.sms.get(name).is_some_and(|locales| find(locales, &self.default_locale).is_some())
    }

    /// All SMS versions of a template.
    pub fn sms_versions(&self, name: &str) -> impl Iterator<Item = &Arc<SmsTemplate>> {
        self.sms.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// The SMS version for a locale, with the same fallback as [`Templates::resolve`].
    pub fn resolve_sms(&self, name: &str, locale: &str) -> Option<Arc<SmsTemplate>> {
        let locales = self.sms.get(name)?;
        find(locales, locale).or_else(|| find(locales, &self.default_locale)).cloned()
    }

    /// The SMS version with this content hash, if it is one of these.
    pub fn sms_by_hash(&self, hash: &str) -> Option<Arc<SmsTemplate>> {
        self.all_sms().find(|t| t.hash == hash).cloned()
    }

    /// All SMS versions, to be stored by content hash.
    pub fn all_sms(&self) -> impl Iterator<Item = &Arc<SmsTemplate>> {
        self.sms.values().flat_map(BTreeMap::values)
    }

    /// Puts in what the shop has not written itself: the confirmation of a STOP.
    pub(super) fn add_built_in(&mut self) {
        let default = self.default_locale.clone();
        let locales = self.sms.entry(STOP_CONFIRMATION.to_owned()).or_default();
        if !locales.is_empty() {
            return;
        }
        let (_, other) = CONFIRMATIONS[0];
        let known = CONFIRMATIONS.iter().map(|(locale, text)| ((*locale).to_owned(), *text));
        // A default language that none is written in gets the first, English.
        for (locale, text) in [(default, other)].into_iter().chain(known) {
            let source = SmsSource {
                name: STOP_CONFIRMATION.to_owned(),
                locale: locale.clone(),
                sms: text.to_owned(),
                origins: BTreeMap::new(),
            };
            if let Ok(template) = SmsTemplate::from_source(source) {
                locales.insert(locale, Arc::new(template));
            }
        }
    }
}
