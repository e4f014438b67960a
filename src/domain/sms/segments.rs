//! How a text is cut for the network: which encoding, how many parts, and the exact text of each.
//!
//! A long text travels as parts that each begin with a user data header of six octets (3GPP TS 23.040 §9.2.3.24.1,
//! 8-bit reference), which leaves 153 septets or 67 UTF-16 code units of 160 and 70.

use super::Encoding;
use super::alphabet;

/// The most parts that the 8-bit header can number (3GPP TS 23.040 §9.2.3.24.1).
pub const MAX_PARTS: usize = 255;

/// A text as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    pub encoding: Encoding,
    /// The text of each part, in order; together they are the text. One, without a header, when it fits; an empty text
    /// is one empty part. More than [`MAX_PARTS`] cannot be sent.
    pub parts: Vec<String>,
}

impl Encoding {
    /// GSM-7 where every character is in its alphabet.
    pub fn of(text: &str) -> Self {
        if text.chars().all(|c| alphabet::septets(c).is_some()) { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// As people in the trade call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }

    /// What one part holds, in septets or code units: alone, and with the header of several.
    pub const fn limits(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    /// What a text takes, in septets or code units. A character that is not in the alphabet counts as one septet.
    pub fn units(self, text: &str) -> usize {
        text.chars().map(|c| self.width(c)).sum()
    }

    fn width(self, c: char) -> usize {
        match self {
            Self::Gsm7 => alphabet::septets(c).unwrap_or(1),
            Self::Ucs2 => c.len_utf16(),
        }
    }
}

/// Cuts a text into the parts that are sent. An escape sequence or a surrogate pair is never cut, so a part may be one
/// unit short.
pub fn parts(text: &str) -> Parts {
    let encoding = Encoding::of(text);
    Parts { encoding, parts: cut(text, encoding).map(str::to_owned).collect() }
}

/// The encoding of a text and the number of parts it takes, without making them.
pub fn segments(text: &str) -> (Encoding, u32) {
    let encoding = Encoding::of(text);
    (encoding, u32::try_from(cut(text, encoding).count()).unwrap_or(u32::MAX))
}

/// The parts of a text that goes in this encoding.
pub fn cut(text: &str, encoding: Encoding) -> impl Iterator<Item = &str> {
    let (alone, each) = encoding.limits();
    let limit = if encoding.units(text) <= alone { alone } else { each };
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut taken = 0;
        let end = text.char_indices().find(|(_, c)| {
            taken += encoding.width(*c);
            taken > limit
        });
        let (part, after) = text.split_at(end.map_or(text.len(), |(at, _)| at));
        rest = Some(after).filter(|after| !after.is_empty());
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lengths(text: &str) -> (Encoding, Vec<usize>) {
        let Parts { encoding, parts } = parts(text);
        (encoding, parts.iter().map(|p| encoding.units(p)).collect())
    }

    #[test]
    fn borders() {
        use Encoding::{Gsm7, Ucs2};
        let a = |n: usize| "a".repeat(n);
        let cases: Vec<(String, Encoding, Vec<usize>)> = vec![
            (String::new(), Gsm7, vec![0]),
            (a(160), Gsm7, vec![160]),
            (a(161), Gsm7, vec![153, 8]),
            (a(306), Gsm7, vec![153, 153]),
            (a(307), Gsm7, vec![153, 153, 1]),
            (a(158) + "€", Gsm7, vec![160]),
            (a(159) + "€", Gsm7, vec![153, 8]),
            // The escape stays with what it escapes.
            (a(152) + "€" + &a(10), Gsm7, vec![152, 12]),
            (a(151) + "€" + &a(10), Gsm7, vec![153, 10]),
            ("ê".repeat(70), Ucs2, vec![70]),
            ("ê".repeat(71), Ucs2, vec![67, 4]),
            ("ê".repeat(134), Ucs2, vec![67, 67]),
            ("ê".repeat(135), Ucs2, vec![67, 67, 1]),
            ("😀".repeat(35), Ucs2, vec![70]),
            ("😀".repeat(36), Ucs2, vec![66, 6]),
        ];
        for (text, encoding, units) in cases {
            assert_eq!(lengths(&text), (encoding, units), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        #[test]
        fn parts_are_the_text_and_fit(text in "[a-zé €\\[êΩ😀\r\n]{0,400}") {
            let Parts { encoding, parts } = parts(&text);
            prop_assert_eq!(parts.concat(), text.clone());
            let (alone, each) = encoding.limits();
            let limit = if parts.len() == 1 { alone } else { each };
            for part in &parts {
                prop_assert!(encoding.units(part) <= limit);
                prop_assert!(!part.is_empty() || text.is_empty());
            }
            prop_assert_eq!(segments(&text), (encoding, u32::try_from(parts.len()).unwrap()));
        }

        #[test]
        fn a_longer_text_never_takes_fewer(text in "[a€ê😀]{0,200}", more in "[a€ê😀]{1,40}") {
            let (before, after) = (more.clone() + &text, text.clone() + &more);
            prop_assert!(segments(&before).1 >= segments(&text).1);
            prop_assert!(segments(&after).1 >= segments(&text).1);
        }
    }
}
