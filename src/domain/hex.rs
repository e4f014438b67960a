//! Bytes as text: identities are hashes, and an identity is written into keys, headers and logs.

/// Two lower-case hexadecimal digits a byte. Asked for each message, so it formats nothing.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| DIGITS[usize::from(half)]).collect()
}

/// The bytes again; none where it is not two digits a byte.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_becomes_bytes_again() {
        assert_eq!(super::decode("00011fA0ff"), Some(vec![0, 1, 0x1f, 0xa0, 0xff]));
        assert_eq!(super::decode(""), Some(Vec::new()));
        for junk in ["0", "0g", "é", "0x"] {
            assert_eq!(super::decode(junk), None, "{junk}");
        }
    }

    #[test]
    fn each_byte_has_two_digits() {
        assert_eq!(super::encode(&[0, 1, 0x1f, 0xa0, 0xff]), "00011fa0ff");
        assert_eq!(super::encode(&[]), "");
    }
}
