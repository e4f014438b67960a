//! Bytes as text: identities are hashes, and an identity is written into keys, headers and logs.

/// Two lower-case hexadecimal digits a byte. Asked for each message, so it formats nothing.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves.map(|half| DIGITS[usize::from(half)]).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_byte_has_two_digits() {
        assert_eq!(super::encode(&[0, 1, 0x1f, 0xa0, 0xff]), "00011fa0ff");
        assert_eq!(super::encode(&[]), "");
    }
}
