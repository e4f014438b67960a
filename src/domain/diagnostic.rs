//! What is wrong in a file, where, and how to mend it. Shared by rules, policy and templates.

pub mod codes;
mod machine;
mod place;
mod render;

use std::ops::Range;

pub use machine::{lsp, sarif};
pub use place::Position;
pub use render::render;

/// One file as it was read: a path relative to the folder that holds `rules/` and `templates/`, and its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SourceFile {
    /// With forward slashes, for instance `rules/welcome.yaml`.
    pub path: String,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One finding. `span` is a byte range of the file's text; it may be empty, never out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A stable code, for instance `E0104`, which [`codes`] explains. E01xx YAML, E02xx rules, E03xx conditions, E04xx
    /// policy, E05xx templates, E06xx what these say of each other, E07xx rule tests.
    pub code: &'static str,
    pub path: String,
    pub span: Range<usize>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The words under the place, if they add something.
    pub label: Option<String>,
    /// What to do, for instance "did you mean `granted`?".
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn error(code: &'static str, path: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            path: path.to_owned(),
            span,
            message: message.into(),
            label: None,
            help: None,
        }
    }

    pub fn warning(code: &'static str, path: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, span, message) }
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn text<'a>(&self, files: &'a [SourceFile]) -> Option<&'a str> {
        files.iter().find(|file| file.path == self.path).map(|file| file.text.as_str())
    }
}

/// The nearest of `known` to `word`, if near enough to be what was meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    // Of two as near, the one of the same letters: fingers swap more often than they miss.
    let rank = |k: &'a str| (distance(word, k), letters(k) != letters(word), k);
    known.into_iter().map(rank).filter(|(d, ..)| *d <= limit).min().map(|(.., k)| k)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}
