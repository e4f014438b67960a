//! How a text travels in a mail: as it is where every server takes it, in quoted-printable, or in base64.
//!
//! lettre could do it, but each mail is mostly this, and one pass without copies costs a tenth of a mail less.

use lettre::message::Body;
use lettre::message::header::ContentTransferEncoding;

/// RFC 5322 2.1.1: octets of a line, without its end.
const LONGEST_LINE: usize = 998;

/// RFC 2045 6.7 (5): characters of an encoded line, and one of them is for the mark that it goes on.
const LONGEST_ENCODED: usize = 75;

/// What a byte is to an encoder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Goes as it is.
    Literal,
    /// Goes as it is, but not at the end of a line, where it would be lost on the way.
    Blank,
    Break,
    /// Goes as it is, but not in quoted-printable.
    Equals,
    Escaped,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Escaped; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        kinds[byte as usize] = Kind::Literal;
        byte += 1;
    }
    kinds[b'=' as usize] = Kind::Equals;
    kinds[b' ' as usize] = Kind::Blank;
    kinds[b'\t' as usize] = Kind::Blank;
    kinds[b'\r' as usize] = Kind::Break;
    kinds[b'\n' as usize] = Kind::Break;
    kinds
};

fn kind(byte: u8) -> Kind {
    KINDS[usize::from(byte)]
}

/// Every line break, of whatever kind, becomes CRLF: a bare CR or LF that survived to the wire is how mail is smuggled
/// past a relay.
pub fn encode(text: &str) -> Body {
    let escaped = text.bytes().filter(|byte| kind(*byte) == Kind::Escaped).count();
    if escaped == 0 {
        let (plain, longest) = with_crlf(text.as_bytes());
        if longest <= LONGEST_LINE {
            return Body::dangerous_pre_encoded(plain, ContentTransferEncoding::SevenBit);
        }
    } else if escaped * 6 > text.len() {
        // An escape is three characters for one, base64 four for three.
        let (plain, _) = with_crlf(text.as_bytes());
        if let Ok(body) = Body::new_with_encoding(plain, ContentTransferEncoding::Base64) {
            return body;
        }
    }
    Body::dangerous_pre_encoded(quoted_printable(text.as_bytes()), ContentTransferEncoding::QuotedPrintable)
}

/// The text with its lines ended by CRLF, and how long the longest is.
fn with_crlf(mut text: &[u8]) -> (Vec<u8>, usize) {
    let mut out = Vec::with_capacity(text.len() + text.len() / 16);
    let mut longest = 0;
    loop {
        let line = text.iter().position(|byte| kind(*byte) == Kind::Break).unwrap_or(text.len());
        out.extend_from_slice(&text[..line]);
        longest = longest.max(line);
        text = &text[line..];
        if text.is_empty() {
            return (out, longest);
        }
        out.extend_from_slice(b"\r\n");
        text = after_break(text);
    }
}

/// What follows the line break that the text begins with.
fn after_break(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\r\n").unwrap_or(&text[1..])
}

/// RFC 2045 6.7.
fn quoted_printable(mut text: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len() + text.len() / 8 + 64);
    let mut column = 0;
    loop {
        // As much as fits the line and goes as it is.
        let room = text.len().min(LONGEST_ENCODED - column);
        let is_literal = |byte: &u8| matches!(kind(*byte), Kind::Literal | Kind::Blank);
        let mut run = text[..room].iter().position(|byte| !is_literal(byte)).unwrap_or(room);
        let ends_line = text.get(run).is_none_or(|next| kind(*next) == Kind::Break);
        if ends_line && run > 0 && kind(text[run - 1]) == Kind::Blank {
            run -= 1;
        }
        out.extend_from_slice(&text[..run]);
        column += run;
        text = &text[run..];
        let Some(&next) = text.first() else { return out };
        match kind(next) {
            Kind::Break => {
                out.extend_from_slice(b"\r\n");
                column = 0;
                text = after_break(text);
            }
            kind if kind == Kind::Literal || column + 3 > LONGEST_ENCODED => {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            _ => {
                out.extend_from_slice(&[b'=', HEX[usize::from(next >> 4)], HEX[usize::from(next & 15)]]);
                column += 3;
                text = &text[1..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(text: &str) -> (String, &'static str) {
        let body = encode(text);
        let name = match body.encoding() {
            ContentTransferEncoding::SevenBit => "7bit",
            ContentTransferEncoding::QuotedPrintable => "quoted-printable",
            ContentTransferEncoding::Base64 => "base64",
            _ => "other",
        };
        (String::from_utf8(body.into_vec()).unwrap(), name)
    }

    #[test]
    fn each_text_in_what_suits_it() {
        let cases = [
            ("", "", "7bit"),
            ("Hi\rthere\nyou\r\n", "Hi\r\nthere\r\nyou\r\n", "7bit"),
            ("a = b", "a = b", "7bit"),
            ("un bel été = chaud, \net\t", "un bel =C3=A9t=C3=A9 =3D chaud,=20\r\net=09", "quoted-printable"),
            ("a\0b and some more", "a=00b and some more", "quoted-printable"),
            ("Привет", "0J/RgNC40LLQtdGC", "base64"),
        ];
        for (text, expected, encoding) in cases {
            assert_eq!(encoded(text), (expected.to_owned(), encoding), "{text:?}");
        }
        let (long, encoding) = encoded(&"x".repeat(999));
        assert_eq!(
            (long.lines().next(), encoding),
            (Some(&*format!("{}=", "x".repeat(75))), "quoted-printable")
        );
    }

    /// As readers undo it.
    fn decoded(text: &str) -> String {
        let joined = text.replace("=\r\n", "");
        let mut parts = joined.split('=');
        let mut bytes = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_again(text in "([a-z =\t.]|\r|\n|\r\n|é|.){0,400}") {
            let (encoded, encoding) = encoded(&text);
            prop_assert!(encoded.is_ascii());
            if encoding == "quoted-printable" {
                let lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
                prop_assert_eq!(decoded(&encoded), lines);
                prop_assert!(encoded.split("\r\n").all(|l| l.len() <= 76 && !l.ends_with([' ', '\t'])), "{}", encoded);
            }
        }
    }
}
