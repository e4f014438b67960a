//! The customer's profile: attributes with the event that set each, so that order of arrival does not matter.

mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event::{Event, Stamp};

pub use stored::Short;

/// How many former values of an attribute are kept, so that a condition can be judged as of an instant.
const KEPT_VERSIONS: usize = 8;

/// The attribute by which a customer's data is kept and not used: `true` from the event on that says so, until another
/// says `false` (GDPR article 18).
pub const RESTRICTED: &str = "processing_restricted";

/// One value that an attribute took, and the event that gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Shared by all that the event said.
    pub stamp: Arc<Stamp>,
    pub value: Value,
}

/// A customer's attributes, each with its last few values in the order of facts.
///
/// Merging is commutative and idempotent: any order and any repetition of the same events gives the same profile.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Profile {
    pub attributes: BTreeMap<String, Vec<Version>>,
}

impl Profile {
    /// Takes over what a profile event (`customer.signed_up`, `customer.updated`) says; returns whether that is news.
    pub fn merge(&mut self, event: &Event) -> bool {
        let Value::Object(data) = &*event.data else { return false };
        let stamp = Arc::new(event.stamp());
        let mut is_news = false;
        for (name, value) in data.iter().filter(|(name, _)| *name != "consents") {
            let versions = self.attributes.entry(name.clone()).or_default();
            let Err(mut at) = versions.binary_search_by(|v| v.stamp.cmp(&stamp)) else { continue };
            if versions.len() == KEPT_VERSIONS {
                // The oldest goes, if that is not this one.
                let Some(place) = at.checked_sub(1) else { continue };
                versions.remove(0);
                at = place;
            }
            versions.insert(at, Version { stamp: stamp.clone(), value: value.clone() });
            is_news = true;
        }
        is_news
    }

    /// The newest value of an attribute; null and missing are the same.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.attributes.get(name)?.last().map(|v| &v.value).filter(|v| !v.is_null())
    }

    /// The newest value of an attribute, when it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Whether the customer has asked that their data be kept and not used.
    pub fn is_restricted(&self) -> bool {
        self.get(RESTRICTED) == Some(&Value::Bool(true))
    }

    /// The attributes as they were known to be at `at`, for conditions.
    pub fn as_of(&self, at: DateTime<Utc>) -> Map<String, Value> {
        let known = self.attributes.iter().filter_map(|(name, versions)| Some((name, held(versions, at)?)));
        known.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// One attribute as it was known to be at `at`.
    pub fn value_as_of(&self, name: &str, at: DateTime<Utc>) -> Option<&Value> {
        held(self.attributes.get(name)?, at)
    }

    /// The profile as it was before an instant: without what was said at it or since.
    pub fn before(&self, instant: DateTime<Utc>) -> Self {
        let mut attributes = self.attributes.clone();
        for versions in attributes.values_mut() {
            versions.retain(|version| version.stamp.time < instant);
        }
        attributes.retain(|_, versions| !versions.is_empty());
        Self { attributes }
    }

    /// The newest attributes, for rendering.
    pub fn current(&self) -> Map<String, Value> {
        self.as_of(DateTime::<Utc>::MAX_UTC)
    }
}

fn held(versions: &[Version], at: DateTime<Utc>) -> Option<&Value> {
    let version = versions.iter().rev().find(|v| v.stamp.time <= at)?;
    Some(&version.value).filter(|value| !value.is_null())
}

/// An e-mail address, or a number, in the form in which it is compared.
pub fn comparable_address(address: &str) -> String {
    address.trim().to_lowercase()
}
