//! Plainer letters: a text that typographic marks alone would force into UCS-2 costs half as much without them.

use super::Encoding;

/// What stands for a character that is not in GSM-7. Accents that GSM-7 has (é è à ù ì ò ä ö ü ñ å) stay as they are.
fn plainer(c: char) -> Option<&'static str> {
    Some(match c {
        '’' | '‘' | '‚' | 'ʼ' | '′' | '`' | '´' => "'",
        '“' | '”' | '„' | '«' | '»' | '″' => "\"",
        '–' | '—' | '‐' | '‑' | '−' => "-",
        '…' => "...",
        '•' | '·' => "-",
        '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{2007}' | '\u{2008}' | '\t' => " ",
        // Marks that are not seen.
        '\u{ad}' | '\u{200b}' | '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{feff}' => "",
        'œ' => "oe",
        'Œ' => "OE",
        'ç' => "c",
        'á' | 'â' | 'ã' => "a",
        'Á' | 'À' | 'Â' | 'Ã' => "A",
        'ê' | 'ë' => "e",
        'È' | 'Ê' | 'Ë' => "E",
        'í' | 'î' | 'ï' => "i",
        'Í' | 'Ì' | 'Î' | 'Ï' => "I",
        'ó' | 'ô' | 'õ' => "o",
        'Ó' | 'Ò' | 'Ô' | 'Õ' => "O",
        'ú' | 'û' => "u",
        'Ú' | 'Ù' | 'Û' => "U",
        'ý' | 'ÿ' => "y",
        'Ý' | 'Ÿ' => "Y",
        'š' => "s",
        'Š' => "S",
        'ž' => "z",
        'Ž' => "Z",
        'č' | 'ć' => "c",
        'Č' | 'Ć' => "C",
        'ł' => "l",
        'Ł' => "L",
        '™' => "(TM)",
        '®' => "(R)",
        '©' => "(C)",
        '№' => "No",
        '°' => "o",
        _ => return None,
    })
}

/// The text in letters that GSM-7 has, if all of it can be written so; else as it is, for a text that goes as UCS-2
/// anyhow gains nothing by losing its accents.
pub fn plain(text: &str) -> String {
    if Encoding::of(text) == Encoding::Gsm7 {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match plainer(c) {
            Some(written) if super::alphabet::width(c).is_none() => out.push_str(written),
            _ => out.push(c),
        }
    }
    if Encoding::of(&out) == Encoding::Gsm7 { out } else { text.to_owned() }
}

/// The first character that forces a text into UCS-2 even when it is written plainly, if `transliterate` asks for that.
pub fn forcing(text: &str, transliterate: bool) -> Option<char> {
    text.chars().find(|c| super::alphabet::width(*c).is_none() && !(transliterate && plainer(*c).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing() {
        let cases = [
            ("Déjà vu", "Déjà vu"),
            ("L’été… « œuf » – ça va\u{a0}?", "L'été... \" oeuf \" - ca va ?"),
            ("Forêt 15\u{202f}%", "Foret 15 %"),
            ("Forêt 😀", "Forêt 😀"),
            ("Ça coûte 5 €", "Ça coute 5 €"),
            ("ελ", "ελ"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected);
        }
        // Whatever it writes instead must itself be in the alphabet.
        let all = (0..=0x10_ffff).filter_map(char::from_u32);
        for (c, written) in all.filter_map(|c| Some((c, plainer(c)?))) {
            assert_eq!(Encoding::of(written), Encoding::Gsm7, "{c}");
        }
        assert_eq!(forcing("Forêt", true), None);
        assert_eq!(forcing("Forêt", false), Some('ê'));
        assert_eq!(forcing("Forêt 😀", true), Some('😀'));
    }
}
