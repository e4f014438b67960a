//! Telephone numbers: as customers and forms write them, to E.164.
//!
//! By the numbering plans of Google's libphonenumber, as the crate `phonenumber` carries them. They age: a range that a
//! country opens is unknown here until the crate is renewed.

use std::cell::RefCell;

use phonenumber::country::Id;
use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber, Type};

/// Longer than any number with its separators: forty would be two numbers.
const MAX_CHARS: usize = 40;

/// France and the territories that share its national numbers: `0692…` dialled in Paris rings in La Réunion (Arcep,
/// plan national de numérotation, decision 2018-0881).
const FRENCH: [Id; 6] = [Id::FR, Id::RE, Id::YT, Id::GP, Id::GF, Id::MQ];

/// A number that an SMS may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// With the plus sign, for instance `+33612345678` (ITU-T E.164).
    pub e164: String,
    /// ISO 3166-1 alpha-2, where the number tells it.
    pub country: Option<String>,
}

thread_local! {
    /// The question asked last, and its answer: one message asks several times over, for the address, for the hours and
    /// for the words, and reading a number takes longer than all that is decided by it.
    static LAST: RefCell<(String, Option<String>, Option<Phone>)> = RefCell::default();
}

/// Reads a number written in any way, in international form or as in `country` (ISO 3166-1 alpha-2). None: it is no
/// number, or one that is known to take no SMS (a landline where the numbering plan tells).
pub fn parse(text: &str, country: Option<&str>) -> Option<Phone> {
    LAST.with_borrow_mut(|last| {
        if last.0 != text || last.1.as_deref() != country {
            *last = (text.to_owned(), country.map(str::to_owned), read(text, country));
        }
        last.2.clone()
    })
}

fn read(text: &str, country: Option<&str>) -> Option<Phone> {
    let country = country.and_then(id);
    let written = written(text)?;
    match written.strip_prefix('+') {
        // The country of the customer has no say: the crate would strip its trunk prefix from a foreign number.
        Some(_) => reachable(None, &written),
        None => {
            let country = country?;
            let neighbours = if FRENCH.contains(&country) { &FRENCH[..] } else { &[] };
            let first = reachable(Some(country), &written);
            first.or_else(|| neighbours.iter().find_map(|near| reachable(Some(*near), &written)))
        }
    }
}

/// Whether `code` is a country (ISO 3166-1 alpha-2, upper case) that has telephone numbers.
pub fn is_country(code: &str) -> bool {
    id(code).is_some()
}

/// Reads the numbering plans, which takes a tenth of a second: at the start, so that no customer's message waits.
pub fn warm() {
    let _ = parse("+33612345678", None);
}

fn id(code: &str) -> Option<Id> {
    let shaped = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    code.parse().ok().filter(|_| shaped)
}

/// The digits, after a plus sign where the number is in international form. None: something else is among them, as in
/// vanity numbers and in "0800 BAD".
fn written(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    if text.chars().count() > MAX_CHARS {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    // "+33 (0)6…": the trunk prefix in brackets is not dialled from abroad.
    for c in text.replace("(0)", "").chars() {
        match c {
            '0'..='9' => out.push(c),
            '\u{ff10}'..='\u{ff19}' | '\u{660}'..='\u{669}' => out.push(plain_digit(c)),
            '+' | '\u{ff0b}' if out.is_empty() => out.push('+'),
            ' ' | '\t' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2000}'..='\u{2015}' | '\u{202f}' => {}
            // Marks of direction, which a copied contact carries.
            '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {}
            _ => return None,
        }
    }
    // The international prefix that the ITU recommends (E.164 §8); no national number begins so.
    match out.strip_prefix("00") {
        Some(rest) => Some(format!("+{rest}")),
        None => Some(out),
    }
}

/// Full-width and Arabic-Indic digits, which some keyboards give.
fn plain_digit(c: char) -> char {
    let value = u32::from(c) - if c >= '\u{ff10}' { 0xff10 } else { 0x660 };
    char::from_digit(value, 10).unwrap_or('0')
}

fn reachable(country: Option<Id>, written: &str) -> Option<Phone> {
    let number = phonenumber::parse(country, written).ok()?;
    // The crate parses `12` and the like; only this looks at the plan.
    (number.is_valid() && takes_sms(&number)).then(|| Phone {
        e164: number.format().mode(Mode::E164).to_string(),
        country: number.country().id().map(|id| id.as_ref().to_owned()),
    })
}

/// Whether nothing is known that speaks against it. Where landlines and mobiles share a range (North America), and for
/// types that a subscriber may carry about, the network has the last word.
fn takes_sms(number: &PhoneNumber) -> bool {
    // A national number keeps a leading zero in Italy and a few other plans, for landlines alone; the crate forgets it
    // when it looks for the type.
    if number.national().zeros() > 0 && matches!(number.code().value(), 39 | 378) {
        return false;
    }
    !matches!(
        number.number_type(&DATABASE),
        Type::FixedLine
            | Type::TollFree
            | Type::PremiumRate
            | Type::SharedCost
            | Type::Pager
            | Type::Voicemail
            | Type::Uan
            | Type::Emergency
            | Type::ShortCode
            | Type::StandardRate
            | Type::Carrier
            | Type::NoInternational
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn any_writing_becomes_e164() {
        #[rustfmt::skip]
        let cases = [
            ("+33612345678", None, Some(("+33612345678", "FR"))),
            ("+33 6 12 34 56 78", None, Some(("+33612345678", "FR"))),
            ("+33 (0)6 12 34 56 78", Some("DE"), Some(("+33612345678", "FR"))),
            ("+330612345678", None, Some(("+33612345678", "FR"))),
            ("0033 6 12 34 56 78", None, Some(("+33612345678", "FR"))),
            ("06 12 34 56 78", Some("FR"), Some(("+33612345678", "FR"))),
            ("06.12.34.56.78", Some("FR"), Some(("+33612345678", "FR"))),
            ("06-12-34-56-78", Some("FR"), Some(("+33612345678", "FR"))),
            ("06\u{202f}12\u{a0}34/56 78", Some("FR"), Some(("+33612345678", "FR"))),
            ("\u{202a}+33 6 12 34 56 78\u{202c}", None, Some(("+33612345678", "FR"))),
            ("tel:+33-6-12-34-56-78", None, Some(("+33612345678", "FR"))),
            ("612345678", Some("FR"), Some(("+33612345678", "FR"))),
            ("33612345678", Some("FR"), Some(("+33612345678", "FR"))),
            ("07 56 78 90 12", Some("FR"), Some(("+33756789012", "FR"))),
            // National forms say nothing without a country.
            ("0612345678", None, None),
            ("0612345678", Some("XX"), None),
            ("0612345678", Some("france"), None),
            // Overseas: their own codes, and national numbers that France shares.
            ("+262692123456", None, Some(("+262692123456", "RE"))),
            ("+262639012345", None, Some(("+262639012345", "YT"))),
            ("+590690123456", None, Some(("+590690123456", "GP"))),
            ("+594694201234", None, Some(("+594694201234", "GF"))),
            ("+596696201234", None, Some(("+596696201234", "MQ"))),
            ("+687751234", None, Some(("+687751234", "NC"))),
            ("0692 12 34 56", Some("RE"), Some(("+262692123456", "RE"))),
            ("0692 12 34 56", Some("FR"), Some(("+262692123456", "RE"))),
            ("06 12 34 56 78", Some("RE"), Some(("+33612345678", "FR"))),
            // Elsewhere.
            ("07400 123456", Some("GB"), Some(("+447400123456", "GB"))),
            ("+44 7400 123456", Some("FR"), Some(("+447400123456", "GB"))),
            ("0151 23456789", Some("DE"), Some(("+4915123456789", "DE"))),
            ("612 34 56 78", Some("ES"), Some(("+34612345678", "ES"))),
            ("312 345 6789", Some("IT"), Some(("+393123456789", "IT"))),
            ("0470 12 34 56", Some("BE"), Some(("+32470123456", "BE"))),
            ("078 123 45 67", Some("CH"), Some(("+41781234567", "CH"))),
            ("(415) 555-2671", Some("US"), Some(("+14155552671", "US"))),
            ("+1 613 782 7274", None, Some(("+16137827274", "CA"))),
            ("011 33 6 12 34 56 78", Some("US"), Some(("+33612345678", "FR"))),
            ("+86 131 2345 6789", None, Some(("+8613123456789", "CN"))),
            ("٠٦١٢٣٤٥٦٧٨", Some("FR"), Some(("+33612345678", "FR"))),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .filter_map(|(text, country, expected)| {
                let found = parse(text, country);
                let read = found.as_ref().map(|p| (p.e164.as_str(), p.country.as_deref().unwrap_or("")));
                (read != expected).then(|| format!("{text} in {country:?}: {found:?}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn numbers_that_take_no_sms_are_refused() {
        #[rustfmt::skip]
        let cases = [
            ("0800 BAD", Some("FR")), ("12", Some("FR")), ("", Some("FR")), ("+", None), ("+33", None), ("3615", Some("FR")),
            ("+33123456789", None), ("01 23 45 67 89", Some("FR")), ("04 78 00 00 00", Some("FR")), ("0262 12 34 56", Some("RE")),
            ("0800 123 456", Some("FR")), ("0899 123 456", Some("FR")), ("0810 123 456", Some("FR")),
            ("+1 800 723 3456", None), ("+1 900 234 5678", None), ("1-800-FLOWERS", Some("US")),
            ("020 7946 0958", Some("GB")), ("+49 30 123456", None), ("+39 06 698 12345", None), ("02 3661 8300", Some("IT")),
            ("+34 912 345 678", None), ("+3361234567", None), ("+336123456789", None), ("06123456789", Some("FR")),
            ("+33612345678 ext. 5", None), ("+33612345678, +33612345679", None), ("33+612345678", Some("FR")),
            ("+999123456789", None), ("+80012345678", None), ("6123456789012345678901234567890123456789", Some("FR")),
        ];
        for (text, country) in cases {
            assert_eq!(parse(text, country), None, "{text} in {country:?}");
        }
    }

    #[test]
    fn countries() {
        for good in ["FR", "RE", "US", "GB", "YT"] {
            assert!(is_country(good), "{good}");
        }
        for bad in ["UK", "fr", "FRA", "", "XX", "F1"] {
            assert!(!is_country(bad), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn nothing_panics_and_what_is_read_is_read_again(
            text in "(\\+|00|0|)[0-9 ().-]{0,18}|\\PC{0,20}",
            country in prop::sample::select(vec![None, Some("FR"), Some("US"), Some("IT"), Some("AR"), Some("BR")]),
        ) {
            if let Some(phone) = parse(&text, country) {
                prop_assert!(phone.e164.len() <= 16 && phone.e164.starts_with('+'));
                prop_assert_eq!(parse(&phone.e164, Some("US")), Some(phone.clone()));
            }
        }
    }
}
