//! The text of an SMS: its alphabet, its parts, what it must say.

pub mod alphabet;
pub mod estimate;
pub mod laws;
pub mod plain;
pub mod segments;
pub mod sender;
pub mod stop;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use laws::{Way, confirms_stop, with_opt_out};
pub use segments::{Parts, cut, parts, segments};
pub use stop::stop_keyword;

/// How a text travels (3GPP TS 23.038).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The default alphabet with its extension table: 160 septets alone, 153 in each part of several.
    Gsm7,
    /// UTF-16, big-endian: 70 code units alone, 67 in each part of several; a surrogate pair is never split.
    Ucs2,
}

/// How the shop writes SMS: `sms` of `rules/policy.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct SmsPolicy {
    /// The name, number or short code that messages come from; none leaves it to the provider.
    pub sender: Option<String>,
    /// The same for customers of one country (ISO 3166-1 alpha-2), where its networks want another.
    pub senders: BTreeMap<String, String>,
    /// Where STOP is sent when nobody can reply to the sender, because it is a name.
    pub stop_number: Option<String>,
    /// `check` warns of templates that may take more.
    pub max_segments: u32,
    /// Whether typographic quotes and the like, which would double the price, are written in plainer letters.
    pub transliterate: bool,
    /// What one segment costs, in hundred-thousandths of the currency's unit, and its ISO 4217 code.
    pub segment_cost: Option<(u64, String)>,
}

impl Default for SmsPolicy {
    fn default() -> Self {
        Self {
            sender: None,
            senders: BTreeMap::new(),
            stop_number: None,
            max_segments: 2,
            transliterate: true,
            segment_cost: None,
        }
    }
}

impl SmsPolicy {
    /// Who messages to a country come from.
    pub fn sender_in(&self, country: Option<&str>) -> Option<&str> {
        country.and_then(|c| self.senders.get(c)).or(self.sender.as_ref()).map(String::as_str)
    }
}
