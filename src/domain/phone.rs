//! Telephone numbers: as customers and forms write them, to E.164.

use phonenumber::{Mode, Type, country, metadata::DATABASE};

/// A number that an SMS may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// With the plus sign, for instance `+33612345678` (ITU-T E.164).
    pub e164: String,
    /// ISO 3166-1 alpha-2, where the number tells it.
    pub country: Option<String>,
}

/// Longer texts are no numbers, whatever stands in them.
const MOST_CHARACTERS: usize = 40;

/// Reads a number written in any way, in international form or as in `country` (ISO 3166-1 alpha-2). None: it is no
/// number, or one that is known to take no SMS (a landline where the numbering plan tells, a freephone number…).
pub fn parse(text: &str, country: Option<&str>) -> Option<Phone> {
    if text.len() > MOST_CHARACTERS {
        return None;
    }
    let country: Option<country::Id> = country.and_then(|code| code.parse().ok());
    // The parser takes letters for digits, as on a keypad, and any length: what it reads must also be valid.
    let written = |c: char| c.is_ascii_digit() || " .-()/+\u{a0}\u{202f}".contains(c);
    if !text.chars().all(written) {
        return None;
    }
    let number = phonenumber::parse(country, text.trim()).ok().filter(phonenumber::PhoneNumber::is_valid)?;
    let takes_sms = !matches!(
        number.number_type(&DATABASE),
        Type::FixedLine
            | Type::TollFree
            | Type::PremiumRate
            | Type::SharedCost
            | Type::Pager
            | Type::Uan
            | Type::Voicemail
            | Type::Emergency
            | Type::ShortCode
    );
    takes_sms.then(|| Phone {
        e164: number.format().mode(Mode::E164).to_string(),
        country: number.country().id().map(|id| format!("{id:?}")),
    })
}

/// Reads the plans of all countries, which takes a tenth of a second the first time: better at the start than in the
/// first message.
pub fn warm() {
    let _ = parse("+33612345678", None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        let cases = [
            ("06 12 34 56 78", Some("FR"), Some(("+33612345678", "FR"))),
            ("06.12.34.56.78", Some("FR"), Some(("+33612345678", "FR"))),
            ("+33 (0)6 12 34 56 78", None, Some(("+33612345678", "FR"))),
            ("0033612345678", Some("FR"), Some(("+33612345678", "FR"))),
            ("+33612345678", Some("US"), Some(("+33612345678", "FR"))),
            ("+262692123456", None, Some(("+262692123456", "RE"))),
            ("+590690001234", None, Some(("+590690001234", "GP"))),
            ("+447400123456", None, Some(("+447400123456", "GB"))),
            ("(415) 555-2671", Some("US"), Some(("+14155552671", "US"))),
            ("06 12 34 56 78", None, None),
            ("01 42 68 53 00", Some("FR"), None),
            ("0800 123 456", Some("FR"), None),
            ("0800 BAD", Some("FR"), None),
            ("12", Some("FR"), None),
            ("", Some("FR"), None),
            ("+33", None, None),
            ("0000000000", Some("FR"), None),
            ("06 12 34 56 78", Some("XX"), None),
            ("alice@example.com", Some("FR"), None),
        ];
        for (text, country, expected) in cases {
            let found = parse(text, country);
            let found = found.as_ref().map(|p| (p.e164.as_str(), p.country.as_deref().unwrap_or("")));
            assert_eq!(found, expected, "{text} {country:?}");
        }
    }
}
