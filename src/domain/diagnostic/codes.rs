//! Every code that a finding can have, and what it means. The words are those of `docs/mistakes.md`, so that the page,
//! `declic check --explain` and what a code host shows are one text.

use std::sync::LazyLock;

use super::Severity;

const PAGE: &str = include_str!("../../../docs/mistakes.md");

/// A code and what the page says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    pub code: &'static str,
    /// An error, unless the code only ever warns.
    pub severity: Severity,
    pub title: &'static str,
    /// What it means, an example, how to mend it: a few paragraphs of Markdown.
    pub text: &'static str,
}

/// All codes, in their order.
pub fn all() -> &'static [Code] {
    static ALL: LazyLock<Vec<Code>> =
        LazyLock::new(|| PAGE.split("\n## ").skip(1).filter_map(section).collect());
    &ALL
}

/// What a code means; small letters will do.
pub fn find(code: &str) -> Option<&'static Code> {
    all().iter().find(|known| known.code.eq_ignore_ascii_case(code.trim()))
}

/// A section of the page: `E0404 (warning): title`, then its text.
fn section(section: &'static str) -> Option<Code> {
    let (heading, text) = section.split_once('\n')?;
    let (code, title) = heading.split_once(": ")?;
    let (code, severity) = match code.strip_suffix(" (warning)") {
        Some(code) => (code, Severity::Warning),
        None => (code, Severity::Error),
    };
    // The next chapter's heading is no part of the last code of this one.
    let text = text.split("\n# ").next().unwrap_or(text).trim();
    Some(Code { code, severity, title, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_page_is_read() {
        assert_eq!(PAGE.matches("\n## ").count(), all().len());
        for code in all() {
            let digits = code.code.strip_prefix('E').unwrap_or_default();
            assert!(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()), "{}", code.code);
            assert!(code.text.contains("\n    "), "{} has no example", code.code);
            assert!(!code.title.ends_with('.'), "{}", code.code);
        }
        let codes: Vec<&str> = all().iter().map(|code| code.code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "in order and each once: {codes:?}");
        assert_eq!(find("e0404").map(|code| code.severity), Some(Severity::Warning));
        assert_eq!(find("E0000"), None);
    }
}
