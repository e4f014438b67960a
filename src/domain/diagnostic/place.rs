//! Bytes of a text as lines and columns: people count characters, editors UTF-16 units.

/// A place in a text. Both count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    /// In characters or in UTF-16 units, as it was asked for.
    pub column: usize,
}

impl Position {
    /// Where a byte stands, its column counted in characters. One beyond the end is the end.
    pub fn in_characters(text: &str, at: usize) -> Self {
        Self::counted(text, at, |line| line.chars().count())
    }

    /// Where a byte stands, its column counted in UTF-16 units.
    pub fn in_utf16(text: &str, at: usize) -> Self {
        Self::counted(text, at, |line| line.encode_utf16().count())
    }

    fn counted(text: &str, at: usize, length: impl Fn(&str) -> usize) -> Self {
        let before = &text[..floor(text, at)];
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        Self { line: before.matches('\n').count(), column: length(&before[start..]) }
    }
}

/// The last character's boundary at or before `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_as_asked() {
        let text = "a\né🎂b\n";
        let cake = text.find('b').unwrap();
        assert_eq!(Position::in_characters(text, cake), Position { line: 1, column: 2 });
        assert_eq!(Position::in_utf16(text, cake), Position { line: 1, column: 3 });
        assert_eq!(Position::in_utf16(text, cake - 1), Position { line: 1, column: 1 }, "within the cake");
        assert_eq!(Position::in_characters(text, 900), Position { line: 2, column: 0 });
        assert_eq!(Position::in_characters("", 0), Position { line: 0, column: 0 });
    }
}
