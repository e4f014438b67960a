//! How a text is cut into the parts that go over the wire, and so what it costs.

use super::{Encoding, alphabet};

/// A text cut into parts. Joined, they are the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    pub encoding: Encoding,
    /// At least one.
    pub parts: Vec<String>,
}

/// Parts of one message that a telephone still joins: the reference header counts with one octet
/// (3GPP TS 23.040, §9.2.3.24.1).
pub const MOST_PARTS: usize = 255;

impl Encoding {
    /// The alphabet that this text needs.
    pub fn of(text: &str) -> Self {
        if text.chars().all(|c| alphabet::width(c).is_some()) { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// What a part holds: septets or UTF-16 code units, alone and as one of several (140 octets, 6 of them the header
    /// that joins the parts).
    fn room(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    /// The room that a character takes; it is never split.
    fn width(self, c: char) -> usize {
        match self {
            Self::Gsm7 => alphabet::width(c).unwrap_or(1),
            Self::Ucs2 => c.len_utf16(),
        }
    }
}

/// Cuts a text into its parts.
pub fn parts(text: &str) -> Parts {
    let encoding = Encoding::of(text);
    let (alone, joined) = encoding.room();
    if text.chars().map(|c| encoding.width(c)).sum::<usize>() <= alone {
        return Parts { encoding, parts: vec![text.to_owned()] };
    }
    let (mut parts, mut part, mut used) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        let width = encoding.width(c);
        if used + width > joined {
            parts.push(std::mem::take(&mut part));
            used = 0;
        }
        part.push(c);
        used += width;
    }
    parts.push(part);
    Parts { encoding, parts }
}

/// The alphabet that a text needs and how many parts it takes.
pub fn segments(text: &str) -> (Encoding, u32) {
    let Parts { encoding, parts } = parts(text);
    (encoding, u32::try_from(parts.len()).unwrap_or(u32::MAX))
}
