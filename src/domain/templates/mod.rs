//! Message templates: MJML and text files compiled once, rendered per message, in the customer's language.
//!
//! Owns the dialect (front matter, includes, handlebars with our own expressions), its diagnostics, and the
//! fallback between locales. Never reads files or clocks: [`compile`] is given the texts, [`Template::render`]
//! the context, and the same template and context always give the same bytes. Called by the worker, the
//! simulator, `check` and `preview`.

mod attributes;
mod compile;
mod expressions;
mod format;
mod lint;
mod markup;
mod mjml;
mod render;
mod sample;
mod skeleton;
mod sms;
mod source;
mod structure;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use compile::compile;
pub use render::{Body, Template};
pub use sample::Sample;
pub use sms::{SmsSource, SmsTemplate};

/// What a template may read at its root. Anything else is a typing error.
pub const ROOTS: &[&str] = &[
    "customer",
    "event",
    "data",
    "promo_code",
    "sender",
    "unsubscribe_url",
    "preferences_url",
    "confirm_url",
    "locale",
    "timezone",
    "now",
    "message_id",
];

/// The fields of those roots that are the same in every message.
pub const FIELDS: &[(&str, &[&str])] = &[
    ("event", &["id", "source", "type", "subject", "time", "data"]),
    ("promo_code", &["code", "discount", "valid_from", "valid_until"]),
    ("sender", &["name", "email", "reply_to", "website", "postal_address"]),
];

/// All compiled templates.
#[derive(Debug, Clone, Default)]
pub struct Templates {
    /// By name, then by locale as the file spells it.
    by_name: BTreeMap<String, BTreeMap<String, Arc<Template>>>,
    sms: BTreeMap<String, BTreeMap<String, Arc<SmsTemplate>>>,
    default_locale: String,
}

impl Templates {
    /// The names of all templates that have an e-mail version in some locale.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Whether `name` has an e-mail version in at least the default locale, so that every customer can be served.
    pub fn contains(&self, name: &str) -> bool {
        let default = self.default_locale.as_str();
        self.by_name.get(name).is_some_and(|locales| find(locales, default).is_some())
    }

    /// The locales that `name` is written in.
    pub fn locales(&self, name: &str) -> impl Iterator<Item = &str> {
        self.by_name.get(name).into_iter().flat_map(|locales| locales.keys().map(String::as_str))
    }

    /// The e-mail version for a locale: `fr-CA`, else `fr`, else the default locale's. The tag is untrusted.
    pub fn resolve(&self, name: &str, locale: &str) -> Option<Arc<Template>> {
        let locales = self.by_name.get(name)?;
        find(locales, locale).or_else(|| find(locales, &self.default_locale)).cloned()
    }

    /// The version with this content hash, if it is one of these.
    pub fn by_hash(&self, hash: &str) -> Option<Arc<Template>> {
        self.by_name.values().flat_map(BTreeMap::values).find(|t| t.hash == hash).cloned()
    }

    /// The version of either channel with this content hash, if it is one of these.
    pub fn version(&self, hash: &str) -> Option<Version> {
        let sms = || self.sms_by_hash(hash).map(Version::Sms);
        self.by_hash(hash).map(Version::Email).or_else(sms)
    }

    /// All e-mail versions, to be stored by content hash.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Template>> {
        self.by_name.values().flat_map(BTreeMap::values)
    }
}

/// The version whose tag is the longest prefix of `locale`, subtag by subtag (RFC 4647 §3.4, lookup).
fn find<'a, T>(locales: &'a BTreeMap<String, Arc<T>>, locale: &str) -> Option<&'a Arc<T>> {
    fallbacks(locale).find_map(|tag| {
        locales.iter().find(|(name, _)| name.replace('_', "-").eq_ignore_ascii_case(&tag)).map(|(_, t)| t)
    })
}

/// `fr-Latn-CA`, `fr-Latn`, `fr`.
fn fallbacks(locale: &str) -> impl Iterator<Item = String> {
    // Longer tags than BCP 47 has any use for are cut, so that a hostile one costs nothing.
    let tag: String = locale.chars().take(35).map(|c| if c == '_' { '-' } else { c }).collect();
    std::iter::successors(Some(tag), |tag| tag.rsplit_once('-').map(|(head, _)| head.to_owned()))
}

/// A template version as it is stored: self-contained, with MJML compiled and includes expanded. What remains
/// are handlebars expressions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSource {
    pub name: String,
    pub locale: String,
    pub subject: String,
    /// As written; the HTML already contains it.
    pub preheader: Option<String>,
    pub html: String,
    /// Without it, the text is derived from the rendered HTML.
    pub text: Option<String>,
    /// Where each variable is first read (`path:line`), for messages to the author. Not part of the hash.
    #[serde(default)]
    pub origins: BTreeMap<String, String>,
}

/// A version of a template that a message is pinned to.
#[derive(Debug, Clone)]
pub enum Version {
    Email(Arc<Template>),
    Sms(Arc<SmsTemplate>),
}

impl Version {
    /// Rebuilds what was stored; none when it is not a template that this program can read.
    pub fn from_stored(source: &serde_json::Value) -> Option<Self> {
        if let Ok(source) = SmsSource::deserialize(source) {
            return SmsTemplate::from_source(source).ok().map(|t| Self::Sms(Arc::new(t)));
        }
        let source = TemplateSource::deserialize(source).ok()?;
        Template::from_source(source).ok().map(|t| Self::Email(Arc::new(t)))
    }
}

/// A finished e-mail, all but its addresses and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line, no control characters.
    pub subject: String,
    pub html: String,
    pub text: String,
    /// Of the template, which is not always the customer's.
    pub locale: String,
}

/// Why a template could not be compiled or rendered: template, locale, part, place and variable, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RenderError {
    pub message: String,
}
