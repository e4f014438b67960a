//! Who an SMS comes from: a name, a number, or a short code, and where networks take which.

/// The kind of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Up to eleven characters, at least one a letter (3GPP TS 23.040, §9.1.2.5). Nobody can reply to it.
    Name,
    /// E.164, with the plus sign.
    Number,
    /// Three to eight digits, rented from the networks of one country.
    ShortCode,
}

/// Countries whose networks refuse or replace names: messages there come from numbers or short codes.
/// Sources: the CTIA's Messaging Principles and Best Practices (2023), §2 (United States: ten-digit numbers and short
/// codes); the CWTA's common short code guidelines (Canada).
const NO_NAMES: [&str; 2] = ["US", "CA"];

impl Sender {
    /// What this sender is. The error says what one may look like.
    pub fn of(text: &str) -> Result<Self, &'static str> {
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if let Some(number) = text.strip_prefix('+') {
            let shaped = digits(number) && (8..=15).contains(&number.len()) && !number.starts_with('0');
            return if shaped { Ok(Self::Number) } else { Err("a number is written like `+33612345678`") };
        }
        if digits(text) {
            let shaped = (3..=8).contains(&text.len());
            return if shaped {
                Ok(Self::ShortCode)
            } else {
                Err("a short code has 3 to 8 digits; a number begins with `+`")
            };
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '&');
        let shaped = (3..=11).contains(&text.chars().count())
            && text.chars().all(allowed)
            && text.chars().any(|c| c.is_ascii_alphabetic())
            && text.trim() == text;
        if shaped {
            Ok(Self::Name)
        } else {
            Err("a name has 3 to 11 letters without accents, digits or spaces, like `MaisonLumen`")
        }
    }

    /// Whether the networks of this country take such a sender, as far as we know.
    pub fn is_taken_in(self, country: &str) -> bool {
        self != Self::Name || !NO_NAMES.contains(&country)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders() {
        let cases = [
            ("MaisonLumen", Some(Sender::Name)),
            ("Lumen 24", Some(Sender::Name)),
            ("MaisonLumens", None),
            ("Café", None),
            ("36180", Some(Sender::ShortCode)),
            ("12", None),
            ("+33612345678", Some(Sender::Number)),
            ("+0612345678", None),
            ("0612345678", None),
            ("", None),
            (" Lumen", None),
            ("---", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Sender::of(text).ok(), expected, "{text:?}");
        }
        assert!(!Sender::Name.is_taken_in("US") && Sender::Name.is_taken_in("FR"));
        assert!(Sender::ShortCode.is_taken_in("US"));
    }
}
