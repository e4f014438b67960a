//! What an operator has stopped: everything, a channel, a rule. Rules go on deciding; what they decide waits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::consent::Channel;

/// What can be paused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Everything,
    Channel(Channel),
    /// By its name.
    Rule(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Channel(channel) => write!(f, "channel:{}", channel.as_str()),
            Self::Rule(name) => write!(f, "rule:{name}"),
        }
    }
}

/// The text is none of `everything`, `channel:email`, `channel:sms`, `rule:NAME`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that can be paused: everything, channel:email, channel:sms, rule:NAME")]
pub struct NoTarget(String);

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let target = match text.split_once(':') {
            None if text == "everything" => Some(Self::Everything),
            Some(("channel", name)) => Channel::parse(name).map(Self::Channel),
            Some(("rule", name)) if !name.is_empty() => Some(Self::Rule(name.to_owned())),
            _ => None,
        };
        target.ok_or_else(|| NoTarget(text.to_owned()))
    }
}

/// The last pause of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub target: Target,
    pub since: DateTime<Utc>,
    /// Who asked for it.
    pub by: String,
    pub why: Option<String>,
    /// When it ended; none while it lasts.
    pub resumed_at: Option<DateTime<Utc>>,
    /// Messages of it may still be set aside.
    pub holding: bool,
}

/// The last pause of each target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses(BTreeMap<Target, Pause>);

impl FromIterator<Pause> for Pauses {
    fn from_iter<I: IntoIterator<Item = Pause>>(pauses: I) -> Self {
        Self(pauses.into_iter().map(|pause| (pause.target.clone(), pause)).collect())
    }
}

impl Pauses {
    /// Those that last.
    pub fn lasting(&self) -> impl Iterator<Item = &Pause> {
        self.0.values().filter(|pause| pause.resumed_at.is_none())
    }

    /// What is paused, as it is written.
    pub fn targets(&self) -> BTreeSet<String> {
        self.lasting().map(|pause| pause.target.to_string()).collect()
    }

    /// Those of rules that are over while messages are still set aside.
    pub fn to_let_go(&self) -> impl Iterator<Item = &str> {
        self.0.values().filter(|pause| pause.resumed_at.is_some() && pause.holding).filter_map(|pause| {
            match &pause.target {
                Target::Rule(name) => Some(name.as_str()),
                Target::Everything | Target::Channel(_) => None,
            }
        })
    }

    /// Whether nothing goes out on this channel.
    pub fn stops_channel(&self, channel: Channel) -> bool {
        self.lasts(&Target::Everything) || self.lasts(&Target::Channel(channel))
    }

    /// Whether nothing of this rule goes out on any channel.
    pub fn stops_rule(&self, rule: &str) -> bool {
        // Most of the time there is none, and a message costs no name to ask with.
        !self.0.is_empty() && self.lasts(&Target::Rule(rule.to_owned()))
    }

    /// When the last pause ended that kept a message of this rule from going on this channel.
    pub fn held_until(&self, channel: Channel, rule: &str) -> Option<DateTime<Utc>> {
        if self.0.is_empty() {
            return None;
        }
        [Target::Everything, Target::Channel(channel), Target::Rule(rule.to_owned())]
            .iter()
            .filter_map(|target| self.0.get(target)?.resumed_at)
            .max()
    }

    fn lasts(&self, target: &Target) -> bool {
        self.0.get(target).is_some_and(|pause| pause.resumed_at.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(target: &str, resumed_at: Option<&str>) -> Pause {
        Pause {
            target: target.parse().unwrap(),
            since: DateTime::UNIX_EPOCH,
            by: "eve".to_owned(),
            why: None,
            resumed_at: resumed_at.map(|at| at.parse().unwrap()),
            holding: true,
        }
    }

    #[test]
    fn targets_are_read_as_they_are_written() {
        for text in ["everything", "channel:email", "channel:sms", "rule:welcome", "rule:a:b"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for wrong in ["", "all", "channel:fax", "rule:", "welcome"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_lasts_stops_and_what_is_over_says_until_when_it_did() {
        let [early, late] = ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"];
        let pauses: Pauses = [
            pause("channel:sms", None),
            pause("channel:email", Some(early)),
            pause("rule:welcome", Some(late)),
            pause("rule:birthday", None),
        ]
        .into_iter()
        .collect();
        assert!(pauses.stops_channel(Channel::Sms) && !pauses.stops_channel(Channel::Email));
        assert!(
            pauses.stops_rule("birthday") && !pauses.stops_rule("welcome") && !pauses.stops_rule("other")
        );
        let until = |channel, rule| pauses.held_until(channel, rule).map(|at| at.to_rfc3339());
        assert_eq!(until(Channel::Email, "welcome").as_deref(), Some("2026-11-22T11:00:00+00:00"));
        assert_eq!(until(Channel::Email, "other").as_deref(), Some("2026-11-22T10:00:00+00:00"));
        assert_eq!(until(Channel::Sms, "other"), None);
        assert_eq!(pauses.to_let_go().collect::<Vec<_>>(), ["welcome"]);
        let everything: Pauses = [pause("everything", None)].into_iter().collect();
        assert!(everything.stops_channel(Channel::Email) && everything.stops_channel(Channel::Sms));
    }
}
