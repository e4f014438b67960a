//! Which countries there are, and which clocks they keep.
//!
//! `countries.txt` holds the codes of ISO 3166-1 and, for each, its time zones of the IANA database (`zone.tab`, 2025b),
//! one for each way that clocks go there from 2026 on. Uninhabited places have none.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono_tz::Tz;

static COUNTRIES: LazyLock<BTreeMap<&'static str, Vec<Tz>>> = LazyLock::new(|| {
    let lines = include_str!("countries.txt").lines().map(str::split_whitespace);
    lines
        .filter_map(|mut words| Some((words.next()?, words.filter_map(|zone| zone.parse().ok()).collect())))
        .collect()
});

/// The codes (ISO 3166-1 alpha-2), in order.
pub fn codes() -> impl Iterator<Item = &'static str> {
    COUNTRIES.keys().copied()
}

/// Whether this is a country's code, in capitals.
pub fn is_code(text: &str) -> bool {
    COUNTRIES.contains_key(text)
}

/// The zones in which people live in a country; none where the country is not known.
pub fn zones_of(code: &str) -> &'static [Tz] {
    COUNTRIES.get(code).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let text = include_str!("countries.txt");
        assert_eq!(codes().count(), 249);
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let code = words.next().unwrap();
            assert!(code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()), "{line}");
            let zones: Vec<&str> = zones_of(code).iter().map(|zone| zone.name()).collect();
            assert_eq!(zones, words.collect::<Vec<_>>());
        }
        assert_eq!(zones_of("FR"), [Tz::Europe__Paris]);
        assert_eq!(zones_of("RE"), [Tz::Indian__Reunion]);
        assert!(zones_of("US").len() > 4 && zones_of("XX").is_empty());
    }
}
