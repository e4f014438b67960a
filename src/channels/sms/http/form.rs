//! `application/x-www-form-urlencoded` (WHATWG URL, 5.1 and 5.2): what forms and some providers speak.

/// Pairs as a form.
pub fn encode(pairs: &[(&str, String)]) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        escape(key, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    out
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(byte)),
            byte => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

/// The pairs of a form, in their order; none if it is not UTF-8 after decoding.
pub fn decode(body: &[u8]) -> Option<Vec<(String, String)>> {
    let parts = body.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let at = part.iter().position(|byte| *byte == b'=');
            let (key, value) = at.map_or((part, &[][..]), |at| (&part[..at], &part[at + 1..]));
            Some((unescape(key)?, unescape(value)?))
        })
        .collect()
}

fn unescape(text: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let hex = |offset: usize| char::from(*text.get(at + offset)?).to_digit(16);
        let (byte, read) = match text[at] {
            b'+' => (b' ', 1),
            // A percent sign that begins nothing stands for itself.
            b'%' => match (hex(1), hex(2)) {
                (Some(high), Some(low)) => ((high * 16 + low) as u8, 3),
                _ => (b'%', 1),
            },
            byte => (byte, 1),
        };
        out.push(byte);
        at += read;
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for text in ["", "a b", "é€\u{1f600}", "a&b=c+d%20", "\r\n\0"] {
            let form = encode(&[("k&=", text.to_owned()), ("z", "1".to_owned())]);
            let pairs = vec![("k&=".to_owned(), text.to_owned()), ("z".to_owned(), "1".to_owned())];
            assert_eq!(decode(form.as_bytes()), Some(pairs), "{form}");
        }
    }

    #[test]
    fn what_others_write() {
        let decoded = |body: &str| {
            let pairs = decode(body.as_bytes()).unwrap();
            pairs.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(" ")
        };
        let cases = [("", ""), ("a&&b=", "a: b:"), ("a=%2b%zz%4", "a:+%zz%4"), ("a=1&a=2", "a:1 a:2")];
        for (body, expected) in cases {
            assert_eq!(decoded(body), expected);
        }
        assert_eq!(decode(b"a=%ff"), None);
    }
}
