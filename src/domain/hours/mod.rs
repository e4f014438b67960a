//! When a channel may be used: quiet hours and public holidays, in the customer's own time.

mod clocks;
pub mod holidays;
pub mod presets;
mod week;

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sha2::{Digest, Sha256};

use super::consent::Channel;
use super::rules::Basis;
pub use week::{HORIZON, Holidays, Hours, Opening, Range};

/// What the policy says about hours: `quiet_hours` of `rules/policy.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct QuietHours {
    /// Deferred messages leave within this time after the hours begin, not all in the first second.
    pub spread: TimeDelta,
    /// The first that fits holds; where none does, what [`presets::by_default`] says.
    pub rules: Vec<HoursRule>,
}

/// Whose hours they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoursRule {
    /// None: each.
    pub channel: Option<Channel>,
    /// None: each but those that are part of a contract.
    pub purpose: Option<String>,
    /// ISO 3166-1 alpha-2; empty: all, and customers whose country is not known.
    pub countries: Vec<String>,
    /// None: at any time.
    pub hours: Option<Hours>,
}

impl Default for QuietHours {
    fn default() -> Self {
        Self { spread: TimeDelta::minutes(15), rules: Vec::new() }
    }
}

/// Whom a message is for, as far as hours care.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    pub channel: Channel,
    pub purpose: &'a str,
    pub basis: Basis,
    /// ISO 3166-1 alpha-2, upper case; none where it is not known.
    pub country: Option<&'a str>,
    /// The zones in which they may live: their own alone, or all of their country where they have told none. The hours
    /// must hold in each.
    pub zones: &'a [Tz],
}

impl QuietHours {
    /// The first instant from `at` on at which the reader may be written to: `at` itself when it is within the
    /// hours, else the beginning of the next hours and this message's share of the spread. None: never.
    ///
    /// The share is cut short so that the message still goes within those hours and, if they begin in time for that, not
    /// after `expires_at`. Deterministic, and settled: asked again with its own answer, it gives that answer.
    pub fn next_allowed(
        &self,
        reader: &Reader<'_>,
        message_id: &str,
        at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let Some(hours) = self.hours_of(reader) else { return Some(at) };
        let opening = common_opening(hours, reader, at)?;
        if opening.from <= at {
            return Some(at);
        }
        let in_time = (expires_at - opening.from).max(TimeDelta::zero()) + TimeDelta::seconds(1);
        let room = self.spread.min(opening.until - opening.from).min(in_time);
        opening.from.checked_add_signed(share(message_id, room))
    }

    /// The first instant after `at`, which is within the reader's hours, at which these are over. None: there are no
    /// hours that end.
    pub fn closing(&self, reader: &Reader<'_>, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let hours = self.hours_of(reader)?;
        common_opening(hours, reader, at).map(|opening| opening.until)
    }

    /// The longest time for which some reader of such messages may have to wait for their hours, wherever they live;
    /// none where they have none.
    pub fn longest_closed(
        &self,
        channel: Channel,
        purpose: &str,
        basis: Basis,
        default_country: Option<&str>,
    ) -> Option<TimeDelta> {
        let named = self.rules.iter().flat_map(|rule| &rule.countries).map(String::as_str);
        let countries = named.chain(default_country).map(Some).chain([None]);
        let closed = countries.filter_map(|country| {
            let reader = Reader { channel, purpose, basis, country, zones: &[] };
            self.hours_of(&reader)?.longest_closed(country)
        });
        closed.max()
    }

    /// Whether such messages have hours for some reader. Where they have none, it does not matter who the reader is.
    pub fn concern(&self, channel: Channel, purpose: &str, basis: Basis) -> bool {
        let reader = Reader { channel, purpose, basis, country: None, zones: &[] };
        self.rules.iter().any(|rule| rule.hours.is_some() && rule.is_about(&reader))
            || presets::by_default(&reader).is_some()
    }

    /// The hours that hold for a reader; none: any time.
    pub fn hours_of(&self, reader: &Reader<'_>) -> Option<&Hours> {
        match self.rules.iter().find(|rule| rule.fits(reader)) {
            Some(rule) => rule.hours.as_ref(),
            None => presets::by_default(reader),
        }
    }
}

impl HoursRule {
    fn fits(&self, reader: &Reader<'_>) -> bool {
        let known = |country: &str| self.countries.iter().any(|c| c == country);
        self.is_about(reader) && (self.countries.is_empty() || reader.country.is_some_and(known))
    }

    /// Whether it is about their message, wherever they live.
    fn is_about(&self, reader: &Reader<'_>) -> bool {
        let contract = reader.basis == Basis::Contract;
        self.channel.is_none_or(|channel| channel == reader.channel)
            && self.purpose.as_deref().map_or(!contract, |purpose| purpose == reader.purpose)
    }
}

/// The next time at which the hours hold in all of the reader's zones at once.
fn common_opening(hours: &Hours, reader: &Reader<'_>, at: DateTime<Utc>) -> Option<Opening> {
    let last = at.checked_add_days(HORIZON)?;
    let mut common = Opening { from: at, until: DateTime::<Utc>::MAX_UTC };
    // Each round moves on to the beginning of the next hours in some zone.
    while common.from <= last {
        let asked = common.from;
        common.until = DateTime::<Utc>::MAX_UTC;
        for zone in reader.zones {
            let opening = hours.opening(reader.country, *zone, common.from)?;
            common = Opening { from: opening.from, until: common.until.min(opening.until) };
        }
        if common.from == asked {
            return Some(common);
        }
    }
    None
}

/// A message's own part of `room`, in whole seconds: the same whenever it is asked for, and even over messages.
fn share(message_id: &str, room: TimeDelta) -> TimeDelta {
    let Some(room) = u64::try_from(room.num_seconds()).ok().filter(|room| *room > 0) else {
        return TimeDelta::zero();
    };
    let digest = Sha256::new().chain_update("spread").chain_update(message_id).finalize();
    let number = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    i64::try_from(number % room).map_or(TimeDelta::zero(), TimeDelta::seconds)
}
