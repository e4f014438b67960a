//! The traps that YAML sets to conditions: texts that mean one thing to a reader and another to YAML.
//!
//! A leading `!` is a tag, a leading quote ends where it closes, `: ` makes a mapping, ` #` begins a comment.

use std::ops::Range;

use crate::domain::diagnostic::Diagnostic;

/// The fields that hold a condition.
const FIELDS: [&str; 2] = ["if", "audience"];

/// Looks through all lines for conditions that YAML would misread. Only called where YAML failed or the condition
/// did, so a match is the likely cause.
pub(super) fn find(path: &str, text: &str) -> Vec<Diagnostic> {
    let mut start = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(value) = condition_on(line) {
            found.extend(trap(path, text, start + value.start..start + value.end));
        }
        start += line.len();
    }
    found
}

/// The trap in the condition that is written at `at`, if there is one.
pub(super) fn at(path: &str, text: &str, at: usize) -> Option<Diagnostic> {
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    // Inside `{ … }` the field need not begin its line. A tag is the one trap that YAML does not report there.
    let field =
        FIELDS.iter().filter_map(|f| Some(text[start..at].rfind(&format!("{f}:"))? + f.len() + 1)).max();
    if let Some(field) = field {
        let tag =
            start + field + (text[start + field..at].len() - text[start + field..at].trim_start().len());
        let end = tag + text[tag..].find(['\n', ',', '}']).unwrap_or(text.len() - tag);
        if text[tag..at].starts_with('!') {
            return trap(path, text, tag..tag + text[tag..end].trim_end().len());
        }
    }
    let line = text[start..].split_inclusive('\n').next()?;
    let value = condition_on(line)?;
    // An anchor or an alias that YAML has understood is no trap.
    if line[value.start..].starts_with(['&', '*']) {
        return None;
    }
    trap(path, text, start + value.start..start + value.end)
}

/// The place of the value in a line such as `  - if: data.total > 1  # comment`, the comment included.
fn condition_on(line: &str) -> Option<Range<usize>> {
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    let rest = &line[indent..];
    let field = FIELDS.iter().find(|f| rest.strip_prefix(**f).is_some_and(|r| r.starts_with(':')))?;
    let value = &rest[field.len() + 1..];
    let from = indent + field.len() + 1 + (value.len() - value.trim_start().len());
    let to = from + value.trim().len();
    (from < to).then_some(from..to)
}

fn trap(path: &str, text: &str, place: Range<usize>) -> Option<Diagnostic> {
    let value = &text[place.clone()];
    let first = value.chars().next()?;
    // Without a trailing comment, since that may hold anything.
    let (code, comment) = match outside_quotes(value, " #") {
        Some(hash) => (value[..hash].trim_end(), Some(hash)),
        None => (value, None),
    };
    let quote = |what: &str| {
        let help = match (code.contains('\''), code.contains('"')) {
            (false, _) => format!("put the whole condition in quotes: '{code}'"),
            (true, false) => format!("put the whole condition in quotes: \"{code}\""),
            (true, true) => format!("put the whole condition in quotes: '{}'", code.replace('\'', "\"")),
        };
        Some(
            Diagnostic::error("E0302", path, place.clone(), what)
                .label("YAML reads this in its own way")
                .help(help),
        )
    };
    match first {
        '!' => quote("YAML takes the `!` that begins this condition for a tag"),
        '"' | '\'' => {
            let close = closing(value)?;
            let after = value[close..].trim_start();
            match after.is_empty() || after.starts_with('#') {
                true => None,
                false => quote("YAML ends this condition at its second quote, since it begins with one"),
            }
        }
        '[' | '{' | '&' | '*' | '%' | '@' | '`' => {
            quote(&format!("YAML gives the `{first}` that begins this condition a meaning of its own"))
        }
        '|' | '>' => None,
        _ if outside_quotes(code, ": ").is_some() || code.ends_with(':') => {
            quote("YAML takes the `: ` in this condition for the end of a field's name")
        }
        _ => {
            // YAML knows nothing of the quotes inside a plain value: ` #` ends it even there.
            let hash = value.find(" #")?;
            (comment.is_none() || value[..hash].matches('"').count() % 2 == 1).then(|| {
                let at = place.start + hash + 1;
                Diagnostic::error(
                    "E0302",
                    path,
                    at..place.end,
                    "YAML takes ` #` for the beginning of a comment",
                )
                .label("this part is not read")
                .help("put the whole condition in quotes")
            })
        }
    }
}

/// The place after the quote that closes the one `value` begins with.
fn closing(value: &str) -> Option<usize> {
    let quote = value.chars().next()?;
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Where `what` first stands outside of a quoted text.
fn outside_quotes(text: &str, what: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            None if text[at..].starts_with(what) => return Some(at),
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) if c == open => quote = None,
            _ => {}
        }
    }
    None
}
