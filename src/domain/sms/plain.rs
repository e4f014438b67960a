//! Typographic characters in plainer letters, where that saves the text from UCS-2 and its doubled price.

use std::borrow::Cow;

use super::alphabet::septets;

/// The text in GSM-7 if plainer letters make it so; else as it is written, because an emoji or another script makes it
/// UCS-2 anyhow and nothing would be gained. Letters and signs of the alphabet (é, à, ñ, €) always stay.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| septets(c).is_some()) {
        return Cow::Borrowed(text);
    }
    match written(text) {
        Ok(plain) => Cow::Owned(plain),
        Err(_) => Cow::Borrowed(text),
    }
}

/// The first character, and its place in bytes, that makes a text UCS-2: outside the alphabet, and if `transliterate`,
/// without a plainer form.
pub fn first_foreign(text: &str, transliterate: bool) -> Option<(usize, char)> {
    let first = text.char_indices().find(|(_, c)| septets(*c).is_none());
    if transliterate { written(text).err() } else { first }
}

/// The text in the alphabet alone, or the first character that has no form there.
fn written(text: &str) -> Result<String, (usize, char)> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, c)| *c);
        if let Some(composed) = next.and_then(|mark| compose(c, mark)) {
            out.push(composed);
            chars.next();
        } else if septets(c).is_some() {
            out.push(c);
        } else {
            match c {
                // A letter's accent, written apart: the letter has gone already.
                '\u{300}'..='\u{36f}' if out.ends_with(|base: char| base.is_alphabetic()) => {}
                '«' => {
                    out.push('"');
                    // French sets its quotation marks off by no-break spaces, which plain ones do without.
                    if next.is_some_and(is_no_break) {
                        chars.next();
                    }
                }
                c if is_no_break(c) && next == Some('»') => {}
                'Œ' => out.push_str(if next.is_some_and(char::is_lowercase) { "Oe" } else { "OE" }),
                // "n° 5", but not "20 °C", which has no plain form.
                '°' if out.ends_with(['n', 'N']) => out.push('o'),
                c => out.push_str(replacement(c).ok_or((at, c))?),
            }
        }
    }
    Ok(out)
}

/// A Latin letter without its accent, also where the alphabet has it with; none for what has none.
pub fn base_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'é' | 'è' => "e",
        'É' => "E",
        'à' | 'ä' | 'å' => "a",
        'Ä' | 'Å' => "A",
        'ì' => "i",
        'ò' | 'ö' => "o",
        'Ö' => "O",
        'ù' | 'ü' => "u",
        'Ü' => "U",
        'ñ' => "n",
        'Ñ' => "N",
        'Ç' => "C",
        c if c.is_alphabetic() => return replacement(c),
        _ => return None,
    })
}

fn is_no_break(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{202f}')
}

/// The letters of the alphabet that some programs write as a letter and a combining mark.
fn compose(base: char, mark: char) -> Option<char> {
    Some(match (base, mark) {
        ('a', '\u{300}') => 'à',
        ('e', '\u{300}') => 'è',
        ('i', '\u{300}') => 'ì',
        ('o', '\u{300}') => 'ò',
        ('u', '\u{300}') => 'ù',
        ('e', '\u{301}') => 'é',
        ('E', '\u{301}') => 'É',
        ('n', '\u{303}') => 'ñ',
        ('N', '\u{303}') => 'Ñ',
        ('a', '\u{308}') => 'ä',
        ('o', '\u{308}') => 'ö',
        ('u', '\u{308}') => 'ü',
        ('A', '\u{308}') => 'Ä',
        ('O', '\u{308}') => 'Ö',
        ('U', '\u{308}') => 'Ü',
        ('a', '\u{30a}') => 'å',
        ('A', '\u{30a}') => 'Å',
        ('C', '\u{327}') => 'Ç',
        _ => return None,
    })
}

/// What a character is written as. None: it has no plain form that a reader would take for it.
fn replacement(c: char) -> Option<&'static str> {
    Some(match c {
        '‘' | '’' | '‚' | '‛' | '′' | 'ʼ' | '`' | '´' | '‹' | '›' => "'",
        '“' | '”' | '„' | '‟' | '″' | '»' => "\"",
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '•' => "-",
        '·' => ".",
        '…' => "...",
        '\t' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => " ",
        '\u{2028}' | '\u{2029}' => "\n",
        // Soft hyphens and characters without width.
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => "",
        '×' => "x",
        '™' => "TM",
        '®' => "(R)",
        '©' => "(C)",
        '½' => "1/2",
        '¼' => "1/4",
        '¾' => "3/4",
        '¹' => "1",
        '²' => "2",
        '³' => "3",
        'ª' => "a",
        'º' => "o",
        'œ' => "oe",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ẞ' => "SS",
        'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => "a",
        'À' | 'Á' | 'Â' | 'Ã' | 'Ā' | 'Ă' | 'Ą' => "A",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'Ć' | 'Ĉ' | 'Ċ' | 'Č' => "C",
        'ď' | 'đ' => "d",
        'Ď' | 'Đ' => "D",
        'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'È' | 'Ê' | 'Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' => "E",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'Ĝ' | 'Ğ' | 'Ġ' | 'Ģ' => "G",
        'ĥ' | 'ħ' => "h",
        'Ĥ' | 'Ħ' => "H",
        'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'Ì' | 'Í' | 'Î' | 'Ï' | 'Ĩ' | 'Ī' | 'Ĭ' | 'Į' | 'İ' => "I",
        'ĵ' => "j",
        'Ĵ' => "J",
        'ķ' => "k",
        'Ķ' => "K",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ł' => "L",
        'ń' | 'ņ' | 'ň' => "n",
        'Ń' | 'Ņ' | 'Ň' => "N",
        'ó' | 'ô' | 'õ' | 'ō' | 'ŏ' | 'ő' => "o",
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ō' | 'Ŏ' | 'Ő' => "O",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'Ŕ' | 'Ŗ' | 'Ř' => "R",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'Ś' | 'Ŝ' | 'Ş' | 'Š' | 'Ș' => "S",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'Ţ' | 'Ť' | 'Ŧ' | 'Ț' => "T",
        'ú' | 'û' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'Ù' | 'Ú' | 'Û' | 'Ũ' | 'Ū' | 'Ŭ' | 'Ů' | 'Ű' | 'Ų' => "U",
        'ŵ' => "w",
        'Ŵ' => "W",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'Ý' | 'Ÿ' | 'Ŷ' => "Y",
        'ź' | 'ż' | 'ž' => "z",
        'Ź' | 'Ż' | 'Ž' => "Z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sms::{Encoding, segments};

    #[test]
    fn plainer_only_where_it_helps() {
        let cases = [
            ("C’est prêt, ça y est…", "C'est pret, ca y est..."),
            ("« Bonjour »", "\" Bonjour \""),
            ("«\u{a0}Bonjour\u{202f}» !", "\"Bonjour\" !"),
            ("1\u{202f}234,50\u{a0}€", "1 234,50 €"),
            ("cœur, Œuvre, ŒUVRE", "coeur, Oeuvre, OEUVRE"),
            ("Noël – 24–26 déc.", "Noel - 24-26 déc."),
            ("n°5, 20 m²", "no5, 20 m2"),
            ("À bientôt, Zoë", "A bientot, Zoe"),
            // What the alphabet has stays.
            ("é è à ù ì ò ä ö ü ñ Ç É € [x]", "é è à ù ì ò ä ö ü ñ Ç É € [x]"),
            ("e\u{301}te\u{301} c\u{327}a\u{302}", "été ca"),
            ("Ça ’", "Ça '"),
            // One that has no plain form: all stays.
            ("Prêt 🎉", "Prêt 🎉"),
            ("l’été à 30 °C", "l’été à 30 °C"),
            ("Καλημέρα – «ναι»", "Καλημέρα – «ναι»"),
            ("Việt’s", "Việt’s"),
            ("\u{301}a", "\u{301}a"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected, "{text}");
            assert_eq!(plain(&plain(text)), expected, "{text} twice");
            assert!(segments(&plain(text)).1 <= segments(text).1, "{text}");
        }
    }

    #[test]
    fn what_makes_a_text_ucs2() {
        assert_eq!(first_foreign("prêt 🎉", false), Some((2, 'ê')));
        assert_eq!(first_foreign("prêt 🎉", true), Some((6, '🎉')));
        assert_eq!(first_foreign("prêt", true), None);
        assert_eq!(first_foreign("e\u{301}", false), Some((1, '\u{301}')));
        assert_eq!(first_foreign("été €", false), None);
    }

    #[test]
    fn every_replacement_is_in_the_alphabet() {
        for c in '\u{0}'..='\u{ffff}' {
            if let Some(plain) = replacement(c) {
                assert_eq!(Encoding::of(plain), Encoding::Gsm7, "{c}");
                assert!(septets(c).is_none(), "{c} needs none");
            }
        }
    }
}
