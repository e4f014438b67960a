//! Telephone numbers and secrets, kept out of what is stored and logged.

/// Digits at the end by which a number is recognised, however its beginning is written (`+33 6…`, `0033…`, `06…`).
const TELLING: usize = 8;
/// How many of them stay: enough to recognise one's own customer by.
const SHOWN: usize = 2;

/// `words` without the number: of each way to write it, the last two digits stay.
pub fn without_number(words: &str, number: &str) -> String {
    let wanted: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    if wanted.len() < TELLING {
        return words.to_owned();
    }
    let wanted = &wanted[wanted.len() - TELLING..];
    let mut out = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '+') {
        let run = &rest[start..];
        // Blanks, dots, hyphens and brackets may stand between the digits of one number.
        let end = run
            .find(|c: char| !c.is_ascii_digit() && !" .-()/+\u{a0}\u{202f}".contains(c))
            .unwrap_or(run.len());
        let run = &run[..end];
        out.push_str(&rest[..start]);
        out.push_str(&masked_run(run, wanted));
        rest = &rest[start + end..];
    }
    out.push_str(rest);
    out
}

/// The run with everything up to each occurrence of the wanted digits, and these, hidden.
fn masked_run(run: &str, wanted: &[u8]) -> String {
    let digits: Vec<(usize, u8)> =
        run.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).collect();
    let found = digits.windows(wanted.len()).rposition(|window| window.iter().map(|(_, b)| b).eq(wanted));
    match found {
        Some(index) => {
            let shown = digits[index + wanted.len() - SHOWN].0;
            format!("…{}", &run[shown..])
        }
        None => run.to_owned(),
    }
}

/// `words` without a secret that somebody echoed.
pub fn without_secret(words: String, secret: &str) -> String {
    if secret.len() < 4 { words } else { words.replace(secret, "[hidden]") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_hidden_however_they_are_written() {
        let cases = [
            ("The 'To' number +33612345678 is not valid", "The 'To' number …78 is not valid"),
            ("33612345678", "…78"),
            ("0033 6 12 34 56 78.", "…78."),
            ("06.12.34.56.78 and +33 (6) 12-34-56-78", "…78 and …78"),
            ("+33612345678+33612345678", "…78"),
            ("id 4415 to 33612345678, 2 parts", "id 4415 to …78, 2 parts"),
            ("+33687654321", "+33687654321"),
            ("code 21211", "code 21211"),
            ("", ""),
        ];
        for (words, expected) in cases {
            let hidden = without_number(words, "+33612345678");
            assert_eq!(hidden, expected);
        }
        assert_eq!(without_number("12345", "12345"), "12345", "a short code is nobody's");
    }
}
