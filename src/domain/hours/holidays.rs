//! Public holidays of France and its overseas territories, computed for any year.
//!
//! Law: Code du travail, L3133-1 (the eleven days of the whole Republic), L3134-13 (Alsace and Moselle), and for the
//! days on which overseas territories commemorate the abolition of slavery loi n° 83-550 of 30 June 1983, décret
//! n° 83-1003 of 23 November 1983 as amended by décret n° 2012-553, and Code du travail L3422-2. New Caledonia, French
//! Polynesia, and Wallis and Futuna have labour laws of their own; their days are those of local decisions. Customs
//! that no law names (Good Friday or Mi-Carême in the Antilles, for instance) are left out.

use chrono::{Datelike, NaiveDate, TimeDelta};

/// One set of public holidays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calendar {
    France,
    /// Good Friday is by law (L3134-13) a holiday only in communes with a Protestant church; here it is one in all.
    AlsaceMoselle,
    Guadeloupe,
    Martinique,
    Guiana,
    Reunion,
    Mayotte,
    SaintBarthelemy,
    SaintMartin,
    SaintPierreMiquelon,
    NewCaledonia,
    Polynesia,
    WallisFutuna,
}

/// The fixed days of the whole Republic: month and day.
const FIXED: [(u32, u32); 8] = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)];

/// The days that follow Easter Sunday: Easter Monday, Ascension, Whit Monday.
const AFTER_EASTER: [i64; 3] = [1, 39, 50];

const GOOD_FRIDAY: i64 = -2;

impl Calendar {
    pub const ALL: [Self; 13] = [
        Self::France,
        Self::AlsaceMoselle,
        Self::Guadeloupe,
        Self::Martinique,
        Self::Guiana,
        Self::Reunion,
        Self::Mayotte,
        Self::SaintBarthelemy,
        Self::SaintMartin,
        Self::SaintPierreMiquelon,
        Self::NewCaledonia,
        Self::Polynesia,
        Self::WallisFutuna,
    ];

    /// Its name in policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::France => "FR",
            Self::AlsaceMoselle => "FR-alsace-moselle",
            Self::Guadeloupe => "FR-GP",
            Self::Martinique => "FR-MQ",
            Self::Guiana => "FR-GF",
            Self::Reunion => "FR-RE",
            Self::Mayotte => "FR-YT",
            Self::SaintBarthelemy => "FR-BL",
            Self::SaintMartin => "FR-MF",
            Self::SaintPierreMiquelon => "FR-PM",
            Self::NewCaledonia => "FR-NC",
            Self::Polynesia => "FR-PF",
            Self::WallisFutuna => "FR-WF",
        }
    }

    /// The holidays of a country (ISO 3166-1 alpha-2), where they are known. Nobody's country tells whether they live in
    /// Alsace or Moselle.
    pub fn of_country(code: &str) -> Option<Self> {
        let overseas = |calendar: &Self| {
            calendar.name().strip_prefix("FR-").is_some_and(|own| own.len() == 2 && own == code)
        };
        match code {
            "FR" => Some(Self::France),
            _ => Self::ALL.into_iter().find(overseas),
        }
    }

    /// Whether the whole of `date` is a public holiday.
    pub fn has(self, date: NaiveDate) -> bool {
        let day = (date.month(), date.day());
        if FIXED.contains(&day) || self.has_of_its_own(date.year(), day) {
            return true;
        }
        // All that depends on Easter falls between March and June.
        if !(3..=6).contains(&date.month()) {
            return false;
        }
        let Some(easter) = easter(date.year()) else { return false };
        let after = (date - easter).num_days();
        AFTER_EASTER.contains(&after)
            || (after == GOOD_FRIDAY && matches!(self, Self::AlsaceMoselle | Self::Polynesia))
    }

    /// Fixed days that only this calendar has.
    fn has_of_its_own(self, year: i32, day: (u32, u32)) -> bool {
        match self {
            Self::France | Self::SaintPierreMiquelon => false,
            Self::AlsaceMoselle => day == (12, 26),
            Self::Guadeloupe => day == (5, 27),
            Self::Martinique => day == (5, 22),
            Self::Guiana => day == (6, 10),
            Self::Reunion => day == (12, 20),
            Self::Mayotte => day == (4, 27),
            Self::SaintBarthelemy => day == (10, 9),
            // As in Guadeloupe until the territory's own date was found in the archives.
            Self::SaintMartin => day == (5, if year < 2018 { 27 } else { 28 }),
            Self::NewCaledonia => day == (9, 24),
            // The day of autonomy gave way to Matāri'i by a local law of 30 April 2024.
            Self::Polynesia => day == (3, 5) || day == if year < 2025 { (6, 29) } else { (11, 20) },
            Self::WallisFutuna => [(4, 28), (6, 29), (7, 29)].contains(&day),
        }
    }
}

/// Easter Sunday in the Gregorian calendar, by the anonymous algorithm of 1876 (Meeus, *Astronomical Algorithms*,
/// chapter 8). None: outside the years that dates can have.
fn easter(year: i32) -> Option<NaiveDate> {
    let golden = year.rem_euclid(19);
    let (century, of_century) = (year.div_euclid(100), year.rem_euclid(100));
    // The full moon that counts, as days after 21 March.
    let correction = (century - (century + 8).div_euclid(25) + 1).div_euclid(3);
    let moon = (19 * golden + century - century.div_euclid(4) - correction + 15).rem_euclid(30);
    // From that moon to the next Sunday.
    let to_sunday =
        (32 + 2 * century.rem_euclid(4) + 2 * (of_century / 4) - moon - of_century % 4).rem_euclid(7);
    let late = (golden + 11 * moon + 22 * to_sunday) / 451;
    let after_march_22 = moon + to_sunday - 7 * late;
    NaiveDate::from_ymd_opt(year, 3, 22)?.checked_add_signed(TimeDelta::days(i64::from(after_march_22)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn easter_in_known_years() {
        // The earliest and latest possible dates, and the exceptions of the rule.
        for (year, month, day) in [
            (1818, 3, 22),
            (2008, 3, 23),
            (1943, 4, 25),
            (2038, 4, 25),
            (1981, 4, 19),
            (1954, 4, 18),
            (2019, 4, 21),
            (2027, 3, 28),
            (2049, 4, 18),
            (2076, 4, 19),
        ] {
            assert_eq!(easter(year), NaiveDate::from_ymd_opt(year, month, day), "{year}");
        }
        assert_eq!(easter(i32::MAX), None);
        assert_eq!(easter(i32::MIN), None);
    }

    #[test]
    fn countries_have_their_own() {
        for (country, name) in
            [("FR", Some("FR")), ("RE", Some("FR-RE")), ("MF", Some("FR-MF")), ("BE", None)]
        {
            assert_eq!(Calendar::of_country(country).map(Calendar::name), name);
        }
    }

    /// tests/data/holidays: what the French administration's own package computes, and for the Pacific another one.
    #[test]
    fn as_an_independent_source_has_them() {
        let fixture = include_str!("../../../tests/data/holidays/france.txt");
        let mut compared = 0;
        for line in fixture.lines().filter(|line| !line.starts_with('#')) {
            let (year, line) = line.split_once(' ').unwrap();
            let year: i32 = year.parse().unwrap();
            let mut expected: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
            let mut name = "";
            for word in line.split(' ') {
                match word.parse::<u32>() {
                    Ok(_) => drop(expected.entry(name).or_default().insert(word.to_owned())),
                    Err(_) => name = word,
                }
            }
            let common = expected["FR"].clone();
            for calendar in Calendar::ALL {
                let mut expected = expected.remove(calendar.name()).unwrap_or_default();
                expected.extend(common.iter().cloned());
                let days = NaiveDate::from_ymd_opt(year, 1, 1).unwrap().iter_days();
                let days = days.take_while(|d| d.year() == year).filter(|d| calendar.has(*d));
                let found: BTreeSet<String> = days.map(|d| d.format("%m%d").to_string()).collect();
                assert_eq!(found, expected, "{} {year}", calendar.name());
                compared += 1;
            }
        }
        assert_eq!(compared, 71 * Calendar::ALL.len());
    }
}
