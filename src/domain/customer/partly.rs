//! Reading of a stored profile only what a question needs: a sweep asks one or two attributes of a million profiles.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Profile, Version};

impl Profile {
    /// Reads of a profile as it is stored the attributes that are `wanted`; the others are as if they were not there.
    ///
    /// # Errors
    /// The text is no profile, as far as it was looked at.
    pub fn read_partly(text: &str, wanted: impl Fn(&str) -> bool) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let attributes = Whole(&wanted).deserialize(&mut reader)?;
        reader.end()?;
        Ok(Self { attributes })
    }
}

type Attributes = BTreeMap<String, Vec<Version>>;

/// The profile itself.
struct Whole<'a, F>(&'a F);

/// Its attributes.
struct Wanted<'a, F>(&'a F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Whole<'_, F> {
    type Value = Attributes;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Attributes, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Wanted<'_, F> {
    type Value = Attributes;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Attributes, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Whole<'_, F> {
    type Value = Attributes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a profile")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
        let mut attributes = None;
        while let Some(name) = map.next_key::<Name<'de>>()? {
            if name.0 == "attributes" {
                attributes = Some(map.next_value_seed(Wanted(self.0))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        attributes.ok_or_else(|| serde::de::Error::missing_field("attributes"))
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Wanted<'_, F> {
    type Value = Attributes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
        let mut attributes = Attributes::new();
        while let Some(name) = map.next_key::<Name<'de>>()? {
            if (self.0)(&name.0) {
                attributes.insert(name.0.into_owned(), map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(attributes)
    }
}

/// A name, borrowed from the text where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = r#"{"later":[{}],"attributes":{
        "a":[{"stamp":{"time":"2026-01-01T00:00:00Z","source":"/s","id":"1"},"value":{"b":[1,2]}}],
        "\u0062":[{"stamp":{"time":"2026-01-01T00:00:00Z","source":"/s","id":"1"},"value":7}],
        "c":"not versions"}}"#;

    #[test]
    fn what_is_wanted_is_read_as_ever_and_the_rest_is_not_looked_at() {
        let whole = Profile::read_partly(&STORED.replace("\"not versions\"", "[]"), |_| true).unwrap();
        assert_eq!(whole, serde_json::from_str(&STORED.replace("\"not versions\"", "[]")).unwrap());
        let partly = Profile::read_partly(STORED, |name| name == "b").unwrap();
        assert_eq!(partly.attributes.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(partly.get("b"), whole.get("b"));
        assert!(Profile::read_partly(STORED, |name| name == "c").is_err());
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in ["{}", "[]", "null", "{\"attributes\":[]}", "{\"attributes\":{}} x", "{\"attributes\":{"]
        {
            assert!(Profile::read_partly(text, |_| true).is_err(), "{text}");
        }
    }
}
