//! One text as the parts that travel: each with its header, its octets and how they are to be read.

use sha2::{Digest, Sha256};

use super::alphabet;
use super::pdu::esm;
use crate::domain::sms::{Encoding, cut};

/// What goes into one `submit_sm`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub esm_class: u8,
    pub data_coding: u8,
    pub octets: Vec<u8>,
}

/// The parts of a text, the same ones each time. None: a character is not in the alphabet, or there are more parts
/// than the header can count.
///
/// The reference that holds the parts together is derived from the message's id. It has 8 bits, which every
/// telephone understands; two long messages to one telephone at one time with one reference are one chance in 256.
pub fn parts(message_id: &str, text: &str, encoding: Encoding) -> Option<Vec<Part>> {
    let data_coding = if encoding == Encoding::Gsm7 { alphabet::DEFAULT } else { alphabet::UCS2 };
    let pieces: Vec<Vec<u8>> =
        cut(text, encoding).map(|piece| alphabet::encode(piece, encoding)).collect::<Option<_>>()?;
    let count = u8::try_from(pieces.len()).ok()?;
    if let [whole] = &pieces[..] {
        return Some(vec![Part { esm_class: 0, data_coding, octets: whole.clone() }]);
    }
    let reference = Sha256::digest(message_id)[0];
    let part = |(piece, number): (Vec<u8>, u8)| {
        // TS 23.040, 9.2.3.24.1: five octets follow; element 0, concatenation with an 8-bit reference, has three.
        let mut octets = vec![5, 0, 3, reference, count, number];
        octets.extend(piece);
        Part { esm_class: esm::HEADER, data_coding, octets }
    };
    Some(pieces.into_iter().zip(1..=count).map(part).collect())
}

/// Takes the header off a text that has one; gives the rest and where the part stands among several: reference,
/// count, number.
pub fn without_header(octets: &[u8]) -> (&[u8], Option<(u16, u8, u8)>) {
    let Some((header, rest)) =
        octets.split_first().and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))
    else {
        return (octets, None);
    };
    let mut elements = header;
    while let [id, length, after @ ..] = elements {
        let Some((value, next)) = after.split_at_checked(usize::from(*length)) else { break };
        match (id, value) {
            (0x00, [reference, count, number]) => {
                return (rest, Some((u16::from(*reference), *count, *number)));
            }
            (0x08, [high, low, count, number]) => {
                return (rest, Some((u16::from_be_bytes([*high, *low]), *count, *number)));
            }
            _ => elements = next,
        }
    }
    (rest, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &str, encoding: Encoding) -> Vec<usize> {
        parts("m", text, encoding).unwrap().iter().map(|part| part.octets.len()).collect()
    }

    #[test]
    fn parts_are_as_long_as_they_may_be() {
        let cases: [(String, Encoding, &[usize]); 10] = [
            (String::new(), Encoding::Gsm7, &[0]),
            ("a".repeat(160), Encoding::Gsm7, &[160]),
            ("a".repeat(161), Encoding::Gsm7, &[159, 14]),
            ("a".repeat(306), Encoding::Gsm7, &[159, 159]),
            ("a".repeat(307), Encoding::Gsm7, &[159, 159, 7]),
            // A pair of escape and letter stays together.
            (format!("{}€{}", "a".repeat(152), "b".repeat(10)), Encoding::Gsm7, &[158, 18]),
            ("é".repeat(70), Encoding::Ucs2, &[140]),
            ("é".repeat(71), Encoding::Ucs2, &[140, 14]),
            // So do surrogates.
            (format!("{}😀{}", "a".repeat(66), "b".repeat(10)), Encoding::Ucs2, &[138, 30]),
            ("😀".repeat(35), Encoding::Ucs2, &[140]),
        ];
        for (text, encoding, expected) in cases {
            assert_eq!(lengths(&text, encoding), expected, "{text}");
        }
    }

    #[test]
    fn parts_come_together_again() {
        let text = "Élise 😀 €".repeat(60);
        let parts = parts("0123", &text, Encoding::Ucs2).unwrap();
        let mut whole = Vec::new();
        for (part, number) in parts.iter().zip(1..) {
            assert_eq!((part.esm_class, part.data_coding), (0x40, 8));
            let (octets, place) = without_header(&part.octets);
            let reference = u16::from(Sha256::digest("0123")[0]);
            assert_eq!(place, Some((reference, parts.len() as u8, number)));
            assert!(octets.len() <= 134);
            whole.extend_from_slice(octets);
        }
        assert_eq!(alphabet::decode(&whole, 8), text);
        assert_eq!(parts, super::parts("0123", &text, Encoding::Ucs2).unwrap());
    }

    #[test]
    fn what_cannot_be_sent() {
        assert_eq!(parts("m", "ê", Encoding::Gsm7), None);
        assert_eq!(parts("m", &"a".repeat(255 * 153), Encoding::Gsm7).map(|p| p.len()), Some(255));
        assert_eq!(parts("m", &"a".repeat(255 * 153 + 1), Encoding::Gsm7), None);
    }

    #[test]
    fn headers_of_others() {
        assert_eq!(without_header(&[6, 8, 4, 1, 2, 3, 1, b'x']), (b"x".as_slice(), Some((258, 3, 1))));
        assert_eq!(without_header(&[8, 4, 1, 0, 0, 3, 7, 2, 2, b'x']), (b"x".as_slice(), Some((7, 2, 2))));
        assert_eq!(without_header(&[2, 36, 0, b'x']), (b"x".as_slice(), None));
        assert_eq!(without_header(&[0, b'x']), (b"x".as_slice(), None));
        assert_eq!(without_header(&[9, 1]), ([9, 1].as_slice(), None));
        assert_eq!(without_header(&[]), ([].as_slice(), None));
    }
}
