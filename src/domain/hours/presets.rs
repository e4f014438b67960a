//! Hours that laws and industry codes ask for, by name. Each is a file of `presets/`, which names its sources.

use std::sync::LazyLock;

use super::{Hours, Reader};
use crate::domain::consent::Channel;
use crate::domain::rules::Basis;
use crate::domain::rules::policy::shipped_hours;

/// Name and text. The files are written as a policy's hours and read by the same reader.
const FILES: [(&str, &str); 3] = [
    ("fr-sms", include_str!("presets/fr-sms.yaml")),
    ("us-tcpa", include_str!("presets/us-tcpa.yaml")),
    ("us-strict", include_str!("presets/us-strict.yaml")),
];

static PRESETS: LazyLock<Vec<(&'static str, Hours)>> = LazyLock::new(|| {
    FILES.iter().filter_map(|(name, text)| Some((*name, shipped_hours(name, text).ok()?))).collect()
});

/// The United States and its inhabited territories: federal law holds in all.
const UNITED_STATES: [&str; 6] = ["US", "AS", "GU", "MP", "PR", "VI"];

/// All names, the default first.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

pub fn named(name: &str) -> Option<&'static Hours> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, hours)| hours)
}

/// The hours of readers whom no rule of the policy fits; none: any time.
///
/// An SMS wakes people up, so each has hours unless it is part of a contract: the strict American ones in the United
/// States, the French ones everywhere else, with public holidays where they are known. E-mail has none.
pub fn by_default(reader: &Reader<'_>) -> Option<&'static Hours> {
    if reader.channel != Channel::Sms || reader.basis == Basis::Contract {
        return None;
    }
    let american = reader.country.is_some_and(|country| UNITED_STATES.contains(&country));
    named(if american { "us-strict" } else { "fr-sms" })
}

#[cfg(test)]
mod tests {
    use super::super::{Holidays, Range};
    use super::*;

    #[test]
    fn each_file_is_read() {
        let day = |from: u32, to: u32| vec![Range { from: from * 3600, to: to * 3600 }];
        for (name, weekday, sunday, holidays) in [
            ("fr-sms", day(8, 20), vec![], Holidays::Local),
            ("us-tcpa", day(8, 21), day(8, 21), Holidays::None),
            ("us-strict", day(9, 20), vec![], Holidays::None),
        ] {
            let hours = named(name).unwrap();
            assert!(hours.week[..6].iter().all(|ranges| *ranges == weekday), "{name}");
            assert_eq!((&hours.week[6], hours.holidays), (&sunday, holidays), "{name}");
        }
        assert_eq!(names().count(), PRESETS.len());
    }
}
