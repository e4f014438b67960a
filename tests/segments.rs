//! Alphabets and segments agree with an independent implementation (see tests/segments/generate.mjs), and parts are what
//! telephones can join.

use declic::domain::sms::{Encoding, parts, segments};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: Vec<(String, usize)>,
    encoding: String,
    segments: u32,
}

#[test]
fn counts_agree_with_an_independent_implementation() {
    let cases = include_str!("segments/expected.ndjson").lines();
    let cases: Vec<Case> = cases.map(|line| serde_json::from_str(line).expect("a case")).collect();
    assert!(cases.len() >= 2_000);
    for case in &cases {
        let text: String = case.text.iter().map(|(piece, times)| piece.repeat(*times)).collect();
        let (encoding, count) = segments(&text);
        let encoding = match encoding {
            Encoding::Gsm7 => "GSM-7",
            Encoding::Ucs2 => "UCS-2",
        };
        assert_eq!((encoding, count), (case.encoding.as_str(), case.segments), "{text:?}");
    }
    for (encoding, most) in [("GSM-7", 3), ("UCS-2", 3)] {
        let seen = cases.iter().filter(|c| c.encoding == encoding && c.segments >= most).count();
        assert!(seen > 50, "{seen} texts in {encoding} of {most} segments and more");
    }
}

proptest! {
    #[test]
    fn parts_joined_are_the_text_and_none_is_too_long(text in "[a-z €\\[ê😀\n]{0,700}|[a-zé€^{}]{0,700}|\\PC{0,300}") {
        let cut = parts(&text);
        prop_assert_eq!(cut.parts.concat(), &text[..]);
        prop_assert!(cut.parts.len() == 1 || cut.parts.iter().all(|part| !part.is_empty()));
        let (alone, joined) = match cut.encoding {
            Encoding::Gsm7 => (160, 153),
            Encoding::Ucs2 => (70, 67),
        };
        let most = if cut.parts.len() == 1 { alone } else { joined };
        for part in &cut.parts {
            let size: usize = match cut.encoding {
                Encoding::Gsm7 => part.chars().map(|c| if "€[]{}~^|\\\u{c}".contains(c) { 2 } else { 1 }).sum(),
                Encoding::Ucs2 => part.encode_utf16().count(),
            };
            prop_assert!(size <= most, "{} of {}", size, most);
        }
        // Nothing that fits is left over: no two neighbours would have fitted into one part, up to a character's width.
        for pair in cut.parts.windows(2) {
            prop_assert!(Encoding::of(&text) == Encoding::Ucs2 || pair.concat().chars().count() > 76);
        }
    }
}
