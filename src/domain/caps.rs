//! Frequency caps: at most so many messages in a sliding window, for each customer.

use chrono::{DateTime, TimeDelta, Utc};

use super::consent::Channel;
use super::rules::{Basis, Policy};
use super::steps::basis;

/// One cap of `rules/policy.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// None: all channels together.
    pub channel: Option<Channel>,
    /// None: all purposes together but those that are part of a contract.
    pub purpose: Option<String>,
    /// At least 1.
    pub limit: u32,
    pub period: TimeDelta,
    pub when_full: WhenFull,
}

/// What becomes of a message for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    Skip,
    /// Until there is room, unless that is too late for it.
    Defer,
}

/// A message that counts: it was admitted to its hand-over at `at` and may have reached its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub message_id: String,
    pub channel: Channel,
    pub purpose: String,
    pub at: DateTime<Utc>,
}

/// There is no room now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    pub when_full: WhenFull,
    /// When there will be room, if nothing else goes until then.
    pub until: DateTime<Utc>,
}

impl Cap {
    /// Whether a message of this channel and purpose counts. What is part of a contract counts only where the cap
    /// names its purpose.
    pub fn covers(&self, channel: Channel, purpose: &str, contract: bool) -> bool {
        self.channel.is_none_or(|c| c == channel)
            && self.purpose.as_deref().map_or(!contract, |named| named == purpose)
    }

    /// When there is room for one more beside these instants, if not at `now`. A message counts for a whole period,
    /// its last instant excluded.
    fn until(&self, mut counting: Vec<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        counting.retain(|at| *at + self.period > now);
        counting.sort_unstable();
        let over = counting.len().checked_sub(self.limit as usize)?;
        counting.get(over).map(|at| *at + self.period)
    }
}

/// The caps under which a message of this channel and purpose counts: no others can stop it.
pub fn covering<'a>(policy: &'a Policy, channel: Channel, purpose: &'a str) -> impl Iterator<Item = &'a Cap> {
    let contract = basis(policy, purpose) == Basis::Contract;
    policy.frequency_caps.iter().filter(move |cap| cap.covers(channel, purpose, contract))
}

/// Whether some cap leaves no room for one more message at `now`, beside the `slots` of the same customer. One cap that
/// skips is stronger than others that defer; of several that defer, the longest holds.
pub fn full(
    policy: &Policy,
    channel: Channel,
    purpose: &str,
    slots: &[Slot],
    now: DateTime<Utc>,
) -> Option<Full> {
    let contract = |purpose: &str| basis(policy, purpose) == Basis::Contract;
    let full = covering(policy, channel, purpose);
    full.filter_map(|cap| {
        let counting = slots.iter().filter(|s| cap.covers(s.channel, &s.purpose, contract(&s.purpose)));
        let until = cap.until(counting.map(|s| s.at).collect(), now)?;
        Some(Full { when_full: cap.when_full, until })
    })
    .max_by_key(|full| (full.when_full == WhenFull::Skip, full.until))
}
