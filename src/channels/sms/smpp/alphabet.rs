//! Texts as octets and back, as `data_coding` says: the GSM default alphabet, UCS-2, Latin-1 (SMPP 3.4 5.2.19).
//!
//! SMPP carries one character of the GSM alphabet in each octet, not packed; the message centre packs them.

use crate::domain::sms::{Encoding, alphabet};

/// `data_coding`: the message centre's default alphabet, which is GSM's.
pub const DEFAULT: u8 = 0;
/// `data_coding`: UTF-16, big-endian.
pub const UCS2: u8 = 8;

/// The octets of a text. None: a character is not in the GSM alphabet.
pub fn encode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Gsm7 => alphabet::encode(text),
        Encoding::Ucs2 => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    }
}

/// A text that a message centre sent with `data_coding`, without its header. Never fails: a customer's STOP counts
/// even in an alphabet that nobody announced.
pub fn decode(octets: &[u8], data_coding: u8) -> String {
    match data_coding {
        0 => alphabet::decode(octets),
        // The group of message classes: bit 2 tells 8-bit data from the default alphabet (TS 23.038, 4).
        0xf0..=0xff if data_coding & 0x04 == 0 => alphabet::decode(octets),
        // The general group: bits 3 and 2 say which alphabet.
        0x10..=0x3f if data_coding & 0x0c == 0 => alphabet::decode(octets),
        UCS2 | 0x18 | 0x19 | 0x1a | 0x1b => ucs2(octets),
        _ => octets.iter().map(|octet| char::from(*octet)).collect(),
    }
}

fn ucs2(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(encode(text, Encoding::Gsm7).as_deref(), Some(expected), "{text}");
            assert_eq!(decode(expected, 0), text);
        }
        for text in ["ç", "ê", "“", "😀", "\u{a0}", "`"] {
            assert_eq!(encode(text, Encoding::Gsm7), None, "{text}");
        }
        assert_eq!(encode("ê😀", Encoding::Ucs2), Some(vec![0, 0xea, 0xd8, 0x3d, 0xde, 0]));
    }

    #[test]
    fn every_septet_comes_back() {
        for at in 0..128_u8 {
            let text = decode(&[at], 0);
            let back = encode(&text, Encoding::Gsm7);
            assert_eq!(back, Some(vec![if at == 0x1b { 0x20 } else { at }]), "{at:#x} {text:?}");
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
