//! Texts as octets and back: the GSM default alphabet, UCS-2, Latin-1 (3GPP TS 23.038, SMPP 3.4 5.2.19).
//!
//! SMPP carries one character of the GSM alphabet in each octet, not packed; the message centre packs them.

use crate::domain::sms::Encoding;

/// `data_coding`: the message centre's default alphabet, which is GSM's.
pub const DEFAULT: u8 = 0;
/// `data_coding`: UTF-16, big-endian.
pub const UCS2: u8 = 8;

const ESCAPE: u8 = 0x1b;

/// 3GPP TS 23.038, 6.2.1. The escape is in its place, and is no character of a text.
#[rustfmt::skip]
const GSM: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1b}', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table, 6.2.1.1: what follows the escape.
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// The octets of one character, which must stay together. None: not in the GSM alphabet.
pub fn encode(c: char, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Ucs2 => {
            let mut units = [0; 2];
            Some(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()).collect())
        }
        Encoding::Gsm7 => {
            let basic = GSM.iter().position(|known| *known == c).filter(|at| *at != usize::from(ESCAPE));
            let octet = basic.and_then(|at| u8::try_from(at).ok());
            octet.map(|octet| vec![octet]).or_else(|| {
                let (octet, _) = EXTENSION.iter().find(|(_, known)| *known == c)?;
                Some(vec![ESCAPE, *octet])
            })
        }
    }
}

/// A text that a message centre sent with `data_coding`, without its header. Never fails: a customer's STOP counts
/// even in an alphabet that nobody announced.
pub fn decode(octets: &[u8], data_coding: u8) -> String {
    match data_coding {
        0 => gsm(octets),
        // The group of message classes: bit 2 tells 8-bit data from the default alphabet (TS 23.038, 4).
        0xf0..=0xff if data_coding & 0x04 == 0 => gsm(octets),
        // The general group: bits 3 and 2 say which alphabet.
        0x10..=0x3f if data_coding & 0x0c == 0 => gsm(octets),
        UCS2 | 0x18 | 0x19 | 0x1a | 0x1b => ucs2(octets),
        _ => octets.iter().map(|octet| char::from(*octet)).collect(),
    }
}

fn gsm(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut octets = octets.iter();
    while let Some(octet) = octets.next() {
        if *octet == ESCAPE {
            let escaped = octets.next().map_or(' ', |octet| {
                let known = EXTENSION.iter().find(|(known, _)| known == octet);
                // 6.2.1.1: an unknown escape shows the character of the main table.
                known.map_or_else(|| basic(*octet), |(_, c)| *c)
            });
            text.push(escaped);
        } else {
            text.push(basic(*octet));
        }
    }
    text
}

/// Septets have no eighth bit; a message centre that sets it means Latin-1.
fn basic(octet: u8) -> char {
    match octet {
        // 6.2.1.1: one who does not know what follows shows a blank.
        ESCAPE => ' ',
        octet => GSM.get(usize::from(octet)).copied().unwrap_or(char::from(octet)),
    }
}

fn ucs2(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
        Some(text.chars().map(|c| encode(c, encoding)).collect::<Option<Vec<_>>>()?.concat())
    }

    #[test]
    fn octets_of_the_standard() {
        let cases: [(&str, &[u8]); 6] = [
            ("Hello 1", b"Hello 1"),
            ("@£$¥", &[0, 1, 2, 3]),
            ("éèùàÇ", &[5, 4, 6, 0x7f, 9]),
            ("_ §¿¡", &[0x11, 0x20, 0x5f, 0x60, 0x40]),
            ("€[]", &[0x1b, 0x65, 0x1b, 0x3c, 0x1b, 0x3e]),
            ("{}\\~|^", &[0x1b, 0x28, 0x1b, 0x29, 0x1b, 0x2f, 0x1b, 0x3d, 0x1b, 0x40, 0x1b, 0x14]),
        ];
        for (text, expected) in cases {
            assert_eq!(octets(text, Encoding::Gsm7).as_deref(), Some(expected), "{text}");
            assert_eq!(decode(expected, 0), text);
        }
        for text in ["ç", "ê", "“", "😀", "\u{a0}", "`"] {
            assert_eq!(octets(text, Encoding::Gsm7), None, "{text}");
        }
        assert_eq!(octets("ê😀", Encoding::Ucs2), Some(vec![0, 0xea, 0xd8, 0x3d, 0xde, 0]));
    }

    #[test]
    fn every_septet_comes_back() {
        for at in 0..128_u8 {
            let text = decode(&[at], 0);
            let back = octets(&text, Encoding::Gsm7);
            assert_eq!(back, Some(vec![if at == ESCAPE { 0x20 } else { at }]), "{at:#x} {text:?}");
        }
    }

    #[test]
    fn incoming_alphabets() {
        assert_eq!(decode(&[0xd8, 0x3d, 0xde, 0, 0, 0x53], 8), "😀S");
        assert_eq!(decode(b"STOP", 1), "STOP");
        assert_eq!(decode(&[0x41, 0x72, 0x72, 0xea, 0x74], 3), "Arrêt");
        assert_eq!(decode(b"STOP", 4), "STOP");
        assert_eq!(decode(&[0x05, 0x1b], 0xf1), "é ");
        assert_eq!(decode(&[0xd8, 0x3d, 0], 8), "\u{fffd}");
        assert_eq!(decode(&[], 8), "");
    }
}
