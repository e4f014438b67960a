//! The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038 §6.2.1 and §6.2.1.1).

/// The escape to the extension table. Not a character: no text contains it.
const ESCAPE: u8 = 0x1b;

/// The default alphabet by code. Position 0x1B is the escape, which a receiver without the extension shows as a space.
#[rustfmt::skip]
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1b}', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table: what follows the escape. Each character takes two septets.
const EXTENSION: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];

/// How many septets a character takes: one, or two with its escape. None: it is not in the alphabet.
pub fn septets(c: char) -> Option<usize> {
    match code(c)? {
        Code::Basic(_) => Some(1),
        Code::Extension(_) => Some(2),
    }
}

/// The codes of a text, one septet an octet, unpacked, as SMPP carries them. None: something is not in the alphabet.
pub fn encode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    for c in text.chars() {
        match code(c)? {
            Code::Basic(code) => octets.push(code),
            Code::Extension(code) => octets.extend([ESCAPE, code]),
        }
    }
    Some(octets)
}

/// The text of unpacked septets. An unknown extension shows as its basic character and a lone escape as a space, as
/// the standard wants of a receiver. Octets above 127 are no septets: a message centre that sends them means Latin-1.
pub fn decode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut octets = octets.iter().copied();
    while let Some(octet) = octets.next() {
        if octet != ESCAPE {
            text.push(basic(octet));
            continue;
        }
        match octets.next() {
            None | Some(ESCAPE) => text.push(' '),
            Some(next) => {
                let extended = EXTENSION.iter().find(|(_, code)| *code == next).map(|(c, _)| *c);
                text.push(extended.unwrap_or_else(|| basic(next)));
            }
        }
    }
    text
}

fn basic(octet: u8) -> char {
    BASIC.get(usize::from(octet)).copied().unwrap_or(char::from(octet))
}

enum Code {
    Basic(u8),
    Extension(u8),
}

fn code(c: char) -> Option<Code> {
    // Letters and digits have the same code as in ASCII.
    if c.is_ascii_alphanumeric() || c == ' ' {
        return Some(Code::Basic(c as u8));
    }
    let at = BASIC.iter().position(|b| *b == c && c != char::from(ESCAPE));
    at.and_then(|at| u8::try_from(at).ok())
        .map(Code::Basic)
        .or_else(|| EXTENSION.iter().find(|(e, _)| *e == c).map(|(_, code)| Code::Extension(*code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_goes_there_and_back() {
        let all = BASIC.iter().filter(|c| **c != '\u{1b}').chain(EXTENSION.iter().map(|(c, _)| c));
        let text: String = all.collect();
        assert_eq!(text.chars().count(), 137);
        let octets = encode(&text).unwrap();
        assert_eq!(octets.len(), 127 + 20);
        assert_eq!(decode(&octets), text);
        assert_eq!(text.chars().filter_map(septets).sum::<usize>(), octets.len());
    }

    #[test]
    fn codes_of_the_standard() {
        let cases: &[(&str, &[u8])] = &[
            ("@", &[0]),
            ("aZ0 ", &[0x61, 0x5a, 0x30, 0x20]),
            ("éà", &[0x05, 0x7f]),
            ("€", &[0x1b, 0x65]),
            ("[\\]", &[0x1b, 0x3c, 0x1b, 0x2f, 0x1b, 0x3e]),
            ("\r\n", &[0x0d, 0x0a]),
            ("Ç§¿", &[0x09, 0x5f, 0x60]),
        ];
        for (text, octets) in cases {
            assert_eq!(encode(text).as_deref(), Some(*octets), "{text:?}");
            assert_eq!(decode(octets), *text);
        }
        for foreign in ["ç", "ê", "’", "\u{a0}", "\t", "`", "\u{1b}", "😀", "α"] {
            assert_eq!(encode(foreign), None, "{foreign:?}");
        }
        assert_eq!(decode(&[0x1b]), " ");
        assert_eq!(decode(&[0x1b, 0x61, 0xea]), "aê");
    }
}
