//! A profile as it is stored, in two forms that are read alike: in full, each value with the event that gave it, or short,
//! with every event once and its number at each value. A third as long, the short one is as much less to write, to send and
//! to read; but a build from before it cannot.
//!
//! Of either, a question may ask for what it needs alone: a sweep asks one or two attributes of a million profiles.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Profile, Version};
use crate::domain::event::{Place, Stamp};

/// A profile in its short form: `{"stamps":[[time, source, id], …],"values":{name:[[n, value], …], …}}`, where n counts the
/// stamps from 0, which stand in their order.
#[derive(Debug, Clone, Copy)]
pub struct Short<'a>(pub &'a Profile);

impl Serialize for Short<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut stamps: Vec<Place<'_>> = Vec::new();
        for version in self.0.attributes.values().flatten() {
            // Most come one after the other from one event.
            if stamps.last() != Some(&version.stamp.place()) {
                stamps.push(version.stamp.place());
            }
        }
        stamps.sort_unstable();
        stamps.dedup();
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("stamps", &stamps)?;
        map.serialize_entry("values", &Values { profile: self.0, stamps: &stamps })?;
        map.end()
    }
}

struct Values<'a> {
    profile: &'a Profile,
    stamps: &'a [Place<'a>],
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.profile.attributes.len()))?;
        for (name, versions) in &self.profile.attributes {
            // Every one is there, for it was put there above.
            let number =
                |version: &Version| self.stamps.binary_search(&version.stamp.place()).unwrap_or_default();
            let numbered: Vec<(usize, &Value)> = versions.iter().map(|v| (number(v), &v.value)).collect();
            map.serialize_entry(name, &numbered)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Whole(&|_: &str| true).deserialize(deserializer)
    }
}

impl Profile {
    /// Reads of a profile as it is stored the attributes that are `wanted`; the others are as if they were not there.
    ///
    /// # Errors
    /// The text is no profile, as far as it was looked at.
    pub fn read_partly(text: &str, wanted: impl Fn(&str) -> bool) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let profile = Whole(&wanted).deserialize(&mut reader)?;
        reader.end()?;
        Ok(profile)
    }
}

type Attributes = BTreeMap<String, Vec<Version>>;

/// The profile itself.
struct Whole<'a, F>(&'a F);

/// Its attributes, by name; those of the short form with what their numbers mean.
struct Wanted<'a, F> {
    wanted: &'a F,
    stamps: Option<&'a [Arc<Stamp>]>,
}

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Whole<'_, F> {
    type Value = Profile;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Profile, D::Error> {
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
    type Value = Profile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a profile")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Profile, A::Error> {
        let (mut stamps, mut attributes) = (Vec::new(), None);
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match &*name.0 {
                "attributes" => {
                    attributes = Some(map.next_value_seed(Wanted { wanted: self.0, stamps: None })?);
                }
                "stamps" => {
                    let parts: Vec<(DateTime<Utc>, String, String)> = map.next_value()?;
                    let stamp = |(time, source, id)| Arc::new(Stamp { time, source, id });
                    stamps = parts.into_iter().map(stamp).collect();
                }
                "values" => {
                    let stamps = Some(stamps.as_slice());
                    attributes = Some(map.next_value_seed(Wanted { wanted: self.0, stamps })?);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let attributes = attributes.ok_or_else(|| A::Error::missing_field("attributes"))?;
        Ok(Profile { attributes })
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
            if !(self.wanted)(&name.0) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let versions = match self.stamps {
                None => map.next_value()?,
                Some(stamps) => numbered(map.next_value()?, stamps)?,
            };
            attributes.insert(name.0.into_owned(), versions);
        }
        Ok(attributes)
    }
}

fn numbered<E: serde::de::Error>(
    values: Vec<(usize, Value)>,
    stamps: &[Arc<Stamp>],
) -> Result<Vec<Version>, E> {
    let version = |(number, value): (usize, Value)| {
        let stamp = stamps.get(number).ok_or_else(|| E::custom(format!("there is no stamp {number}")))?;
        Ok(Version { stamp: Arc::clone(stamp), value })
    };
    values.into_iter().map(version).collect()
}

/// A name, borrowed from the text where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Event;

    const STORED: &str = r#"{"later":[{}],"attributes":{
        "a":[{"stamp":{"time":"2026-01-01T00:00:00Z","source":"/s","id":"1"},"value":{"b":[1,2]}}],
        "\u0062":[{"stamp":{"time":"2026-01-01T00:00:00Z","source":"/s","id":"1"},"value":7},
                  {"stamp":{"time":"2026-01-02T00:00:00Z","source":"/s","id":"0"},"value":null}],
        "c":"not versions"}}"#;

    const SHORT: &str = concat!(
        r#"{"stamps":[["2026-01-01T00:00:00Z","/s","1"],["2026-01-02T00:00:00Z","/s","0"]],"#,
        r#""values":{"a":[[0,{"b":[1,2]}]],"b":[[0,7],[1,null]],"c":[]}}"#,
    );

    fn whole() -> Profile {
        serde_json::from_str(&STORED.replace("\"not versions\"", "[]")).unwrap()
    }

    #[test]
    fn both_forms_are_the_same_profile() {
        assert_eq!(serde_json::to_string(&Short(&whole())).unwrap(), SHORT);
        assert_eq!(serde_json::from_str::<Profile>(SHORT).unwrap(), whole());
        let empty = Profile::default();
        let text = serde_json::to_string(&Short(&empty)).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&text).unwrap(), empty);
    }

    proptest::proptest! {
        #[test]
        fn whatever_events_say_is_read_back_from_both_forms(
            said in proptest::collection::vec((0..5_u8, 0..4_i64, 0..3_u8, proptest::prelude::any::<i64>()), 0..60)
        ) {
            let mut profile = Profile::default();
            for (attribute, day, id, value) in said {
                let time = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(day);
                let data = serde_json::json!({ format!("a {attribute}"): { "n": value } }).into();
                let (kind, subject) = ("customer.updated".to_owned(), "c".to_owned());
                let (id, source) = (format!("\"{id}"), "/s".to_owned());
                profile.merge(&Event { id, source, kind, subject, time, data, trace: None });
            }
            for text in [serde_json::to_string(&Short(&profile)), serde_json::to_string(&profile)] {
                proptest::prop_assert_eq!(&serde_json::from_str::<Profile>(&text.unwrap()).unwrap(), &profile);
            }
        }
    }

    #[test]
    fn what_is_wanted_is_read_as_ever_and_the_rest_is_not_looked_at() {
        for text in [STORED, &SHORT.replace(r#""c":[]"#, r#""c":"not versions""#)] {
            let partly = Profile::read_partly(text, |name| name == "b").unwrap();
            assert_eq!(partly.attributes.keys().collect::<Vec<_>>(), ["b"]);
            assert_eq!(partly.attributes["b"], whole().attributes["b"]);
            assert!(Profile::read_partly(text, |name| name == "c").is_err());
        }
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in [
            "{}",
            "[]",
            "null",
            "{\"attributes\":[]}",
            "{\"attributes\":{}} x",
            "{\"attributes\":{",
            "{\"stamps\":[]}",
            "{\"stamps\":[],\"values\":{\"a\":[[0,1]]}}",
            "{\"values\":{\"a\":[[0,1]]},\"stamps\":[[\"2026-01-01T00:00:00Z\",\"/s\",\"1\"]]}",
        ] {
            assert!(Profile::read_partly(text, |_| true).is_err(), "{text}");
        }
    }
}
