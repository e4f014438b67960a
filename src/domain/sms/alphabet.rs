//! The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, §6.2.1).

/// The default alphabet: the position of a character is its septet. The escape (0x1B) stands as a character that no
/// text holds.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                     ¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The extension table: each is written as the escape and this septet.
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

/// Begins a septet of the extension table.
pub const ESCAPE: u8 = 0x1b;

/// The septets of a character: one, or an escape and one. None: not in the alphabet.
pub fn septets(c: char) -> Option<(Option<u8>, u8)> {
    if let Some((_, septet)) = EXTENSION.iter().find(|(known, _)| *known == c) {
        return Some((Some(ESCAPE), *septet));
    }
    // The alphabet has 128 places.
    let place = BASIC.chars().position(|known| known == c && c != '\u{1b}')?;
    u8::try_from(place).ok().map(|septet| (None, septet))
}

/// How many septets a character takes; none: it is not in the alphabet.
pub fn width(c: char) -> Option<usize> {
    septets(c).map(|(escape, _)| if escape.is_some() { 2 } else { 1 })
}

/// The text as septets, one an octet, as SMPP carries it with data coding 0. None: some character is not in the
/// alphabet.
pub fn encode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        let (escape, septet) = septets(c)?;
        out.extend(escape);
        out.push(septet);
    }
    Some(out)
}

/// The text that these septets write; what stands for nothing is a space, as TS 23.038 asks of receivers.
pub fn decode(octets: &[u8]) -> String {
    let basic: Vec<char> = BASIC.chars().collect();
    let mut out = String::with_capacity(octets.len());
    let mut rest = octets.iter();
    while let Some(octet) = rest.next() {
        let c = if *octet == ESCAPE {
            let next = rest.next().copied();
            EXTENSION.iter().find(|(_, septet)| Some(*septet) == next).map(|(c, _)| *c)
        } else {
            basic.get(usize::from(*octet)).copied()
        };
        out.push(c.unwrap_or(' '));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_its_known_places() {
        assert_eq!(BASIC.chars().count(), 128);
        let places = [
            ('@', 0),
            ('£', 1),
            ('\n', 10),
            ('Δ', 16),
            (' ', 32),
            ('0', 48),
            ('A', 65),
            ('a', 97),
            ('à', 127),
        ];
        for (c, place) in places {
            assert_eq!(septets(c), Some((None, place)), "{c}");
        }
        assert_eq!(septets('€'), Some((Some(ESCAPE), 0x65)));
        assert!("êçœ’ \u{1b}😀`".chars().filter(|c| *c != ' ').all(|c| septets(c).is_none()));
        let all: String = BASIC.chars().filter(|c| *c != '\u{1b}').chain(EXTENSION.map(|(c, _)| c)).collect();
        assert_eq!(encode(&all).map(|octets| decode(&octets)), Some(all));
    }
}
