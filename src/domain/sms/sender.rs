//! Whom an SMS comes from: a name, a number or a short code, and where each is accepted.

use crate::domain::phone;

/// The most characters that a name may have: an address of 20 semi-octets (3GPP TS 23.040 §9.1.2.5) holds 11 septets.
const MAX_NAME: usize = 11;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Letters, digits and spaces. Nobody can reply to it.
    Name,
    /// In E.164, with the plus sign.
    Number,
    /// Three to eight digits, valid in one country.
    ShortCode,
}

/// What kind of sender a text is. The error says what is wrong with it.
pub fn kind(text: &str) -> Result<Kind, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return match (text.starts_with('+'), digits.len()) {
            (true, 8..=15) => Ok(Kind::Number),
            (true, _) => {
                Err(format!("`{text}` is not a number in international form, which has 8 to 15 digits"))
            }
            (false, 3..=8) => Ok(Kind::ShortCode),
            (false, _) => {
                Err(format!("`{text}` is neither a short code of 3 to 8 digits nor a number with `+`"))
            }
        };
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != ' ') {
        return Err(format!("a sender's name has plain letters, digits and spaces, not `{odd}`"));
    }
    if !text.bytes().any(|b| b.is_ascii_alphabetic()) {
        return Err(format!("`{text}` is neither a name, which has a letter, nor a number without spaces"));
    }
    match text.chars().count() {
        3..=MAX_NAME => Ok(Kind::Name),
        length => Err(format!("a sender's name has 3 to {MAX_NAME} characters, `{text}` has {length}")),
    }
}

/// Whether nobody can reply to the sender, so that the way to stop must name a number.
pub fn is_name(sender: &str) -> bool {
    kind(sender) == Ok(Kind::Name)
}

/// Countries whose networks carry no names: the message is dropped, or comes from another number (AWS End User
/// Messaging, "Sender IDs", which names these three; CTIA and CWTA know numbers and short codes only). The territories
/// of the United States are served by its networks.
const WITHOUT_NAMES: [&str; 8] = ["US", "PR", "VI", "GU", "AS", "MP", "CA", "CN"];

/// What networks of `country` have against a sender, as far as it is known for certain.
pub fn objection(sender: &str, country: &str) -> Option<String> {
    match kind(sender) {
        Ok(Kind::Name) if WITHOUT_NAMES.contains(&country) => Some(format!(
            "networks in {country} accept no names as senders: `{sender}` would be replaced, or the message lost"
        )),
        // Arcep, decision 2018-0881, in force since August 2019: mobile numbers carry no messages of automated systems.
        Ok(Kind::Number) if country == "FR" && is_french_mobile(sender) => Some(format!(
            "in France, messages of automated systems may not come from a mobile number such as `{sender}`"
        )),
        _ => None,
    }
}

fn is_french_mobile(number: &str) -> bool {
    let french = phone::parse(number, None).is_some_and(|p| p.country.as_deref() == Some("FR"));
    french && (number.starts_with("+336") || number.starts_with("+337"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let cases = [
            ("Lumen", Ok(Kind::Name)),
            ("Maison Lum", Ok(Kind::Name)),
            ("3M Shop", Ok(Kind::Name)),
            ("36180", Ok(Kind::ShortCode)),
            ("+33612345678", Ok(Kind::Number)),
            ("ab", Err("3 to 11 characters, `ab` has 2")),
            ("Maison Lumen", Err("3 to 11 characters, `Maison Lumen` has 12")),
            ("Café", Err("not `é`")),
            ("L&L", Err("not `&`")),
            ("36 180", Err("neither a name")),
            ("0612345678", Err("neither a short code")),
            ("+12", Err("8 to 15 digits")),
            ("12", Err("neither a short code")),
            ("+", Err("not `+`")),
        ];
        for (text, expected) in cases {
            match (kind(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_countries_refuse() {
        for (sender, country, refused) in [
            ("Lumen", "US", true),
            ("Lumen", "CA", true),
            ("Lumen", "FR", false),
            ("36180", "US", false),
            ("+33612345678", "FR", true),
            ("+33612345678", "BE", false),
            ("36180", "FR", false),
        ] {
            assert_eq!(objection(sender, country).is_some(), refused, "{sender} in {country}");
        }
    }
}
