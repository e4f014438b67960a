//! Reads fields from a [`tree`](super::tree), collecting every mistake instead of stopping at the first.
//!
//! A method that returns `None` has reported why; callers go on with the other fields.

use std::ops::Range;

use chrono::{NaiveTime, TimeDelta};

use super::condition::Condition;
use super::timing::{parse_duration, parse_time};
use super::traps;
use super::tree::{self, Key, Kind, Node};
use crate::domain::diagnostic::{Diagnostic, SourceFile, did_you_mean};

/// One file being read, and what is wrong with it so far.
pub(super) struct Reader<'a> {
    pub path: &'a str,
    pub text: &'a str,
    pub diagnostics: Vec<Diagnostic>,
}

/// The fields of one mapping. Each is there at most once and is one of those known.
pub(super) struct Fields<'a> {
    /// The place to name when a field is missing: the mapping's first key.
    head: Range<usize>,
    entries: Vec<(&'a Key, &'a Node)>,
    /// The names that unknown fields were probably meant to have: not to be reported as missing too.
    misspelt: Vec<String>,
}

impl<'a> Fields<'a> {
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        self.entry(name).map(|(_, node)| node)
    }

    pub fn entry(&self, name: &str) -> Option<(&'a Key, &'a Node)> {
        self.entries.iter().find(|(key, _)| key.name == name).copied()
    }

    /// Whether a field is there, or was meant by one that is misspelt.
    pub fn is_given(&self, name: &str) -> bool {
        self.get(name).is_some() || self.misspelt.iter().any(|meant| meant == name)
    }

    /// All fields in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Key, &'a Node)> + '_ {
        self.entries.iter().copied()
    }
}

/// A condition and where it stands.
pub(super) type Placed<T> = (T, Range<usize>);

/// What `read` makes of a file, whose mistakes are added to the others; none where it is no YAML.
pub(super) fn read_file<T>(
    file: &SourceFile,
    diagnostics: &mut Vec<Diagnostic>,
    read: impl for<'a> FnOnce(&mut Reader<'a>, &'a Node) -> T,
) -> Option<T> {
    let tree = tree::parse(&file.path, &file.text).map_err(|found| diagnostics.extend(found)).ok()?;
    let mut reader = Reader::new(&file.path, &file.text);
    let made = read(&mut reader, &tree);
    diagnostics.append(&mut reader.diagnostics);
    Some(made)
}

impl<'a> Reader<'a> {
    pub fn new(path: &'a str, text: &'a str) -> Self {
        Self { path, text, diagnostics: Vec::new() }
    }

    /// Reports an error; the diagnostic may be refined through what is returned.
    pub fn error(&mut self, code: &'static str, span: Range<usize>, message: impl Into<String>) {
        self.report(Diagnostic::error(code, self.path, span, message));
    }

    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The fields of a mapping. `what` names it with its article, as in "a rule".
    pub fn fields(&mut self, node: &'a Node, what: &str, known: &[&str]) -> Option<Fields<'a>> {
        let fields = self.open_fields(node, what)?;
        let (good, unknown): (Vec<_>, Vec<_>) =
            fields.entries.into_iter().partition(|(key, _)| known.contains(&key.name.as_str()));
        let mut misspelt = Vec::new();
        for (key, _) in unknown {
            let diagnostic = Diagnostic::error(
                "E0104",
                self.path,
                key.span.clone(),
                format!("{what} has no field `{}`", key.name),
            );
            self.report(match did_you_mean(&key.name, known.iter().copied()) {
                Some(near) => {
                    misspelt.push(near.to_owned());
                    diagnostic.help(format!("did you mean `{near}`?"))
                }
                None => diagnostic.help(format!("the fields of {what} are {}", listed(known))),
            });
        }
        Some(Fields { head: fields.head, entries: good, misspelt })
    }

    /// The fields of a mapping whose names are free.
    pub fn open_fields(&mut self, node: &'a Node, what: &str) -> Option<Fields<'a>> {
        let Kind::Map(entries) = &node.kind else {
            let message = format!("{what} must be a mapping of fields, not {}", node.kind.words());
            self.error("E0105", node.span.clone(), message);
            return None;
        };
        let mut fields: Vec<(&Key, &Node)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match fields.iter().any(|(earlier, _)| earlier.name == key.name) {
                true => self.error("E0102", key.span.clone(), format!("`{}` is given twice", key.name)),
                false => fields.push((key, value)),
            }
        }
        let head = entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone());
        Some(Fields { head, entries: fields, misspelt: Vec::new() })
    }

    /// A field that must be there. `example` shows how to write it.
    pub fn required(
        &mut self,
        fields: &Fields<'a>,
        name: &str,
        what: &str,
        example: &str,
    ) -> Option<&'a Node> {
        if !fields.is_given(name) {
            let diagnostic = Diagnostic::error(
                "E0106",
                self.path,
                fields.head.clone(),
                format!("{what} needs a field `{name}`"),
            );
            self.report(diagnostic.help(format!("add one, like `{example}`")));
        }
        fields.get(name)
    }

    /// A single value as text.
    pub fn text(&mut self, node: &'a Node, field: &str) -> Option<&'a str> {
        match &node.kind {
            Kind::Scalar(text) if !text.trim().is_empty() => Some(text.trim()),
            Kind::Scalar(_) | Kind::Empty => {
                self.error("E0105", node.span.clone(), format!("`{field}` is empty"));
                None
            }
            other => {
                let message = format!("`{field}` must be a single value, not {}", other.words());
                self.error("E0105", node.span.clone(), message);
                None
            }
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, node: &'a Node, field: &str, known: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, field)?;
        if let Some((_, value)) = known.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let message = format!("`{field}` cannot be `{text}`");
        let diagnostic = Diagnostic::error("E0217", self.path, node.span.clone(), message);
        self.report(match did_you_mean(&text.to_lowercase(), words.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("it is one of {}", listed(&words))),
        });
        None
    }

    pub fn duration(&mut self, node: &'a Node, field: &str) -> Option<TimeDelta> {
        let text = self.text(node, field)?;
        self.checked(node, "E0204", parse_duration(text))
    }

    pub fn time(&mut self, node: &'a Node, field: &str) -> Option<NaiveTime> {
        let text = self.text(node, field)?;
        self.checked(node, "E0207", parse_time(text))
    }

    /// Passes a value on, or reports the words of its refusal.
    pub fn checked<T>(&mut self, node: &Node, code: &'static str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.error(code, node.span.clone(), message)).ok()
    }

    /// A condition, and its place.
    pub fn condition(&mut self, node: &'a Node, field: &str) -> Option<Placed<Condition>> {
        if let Some(trap) = traps::at(self.path, self.text, node.span.start) {
            self.report(trap);
            return None;
        }
        let text = self.text(node, field)?;
        match Condition::parse(text) {
            Ok(condition) => Some((condition, node.span.clone())),
            Err(error) => {
                let place = self.place_in(&node.span, text, error.offset);
                let mut diagnostic = Diagnostic::error("E0301", self.path, place, error.message);
                diagnostic.help = error.help;
                self.report(diagnostic);
                None
            }
        }
    }

    /// Where a part of a value stands in the file, given where the value does: exactly, unless it is folded or escaped.
    pub fn place_in(&self, span: &Range<usize>, value: &str, part: Range<usize>) -> Range<usize> {
        let written = &self.text[span.clone()];
        let Some(at) = written.find(value) else {
            let word = &value[part];
            let mut places = written.match_indices(word).filter(|_| !word.is_empty());
            return match (places.next(), places.next()) {
                (Some((at, _)), None) => span.start + at..span.start + at + word.len(),
                _ => span.clone(),
            };
        };
        span.start + at + part.start..span.start + at + part.end
    }
}

/// "`a`, `b` and `c`".
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "none".to_owned(),
    }
}

/// Whether a name is safe as a file name, a metric label and a database key.
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.len() <= 64
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|b| plain(b) || b == b'-' || b == b'_')
}

/// The nearest name that [`is_name`] accepts, for "write it like this".
pub fn as_name(text: &str) -> String {
    let mut name: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    name.trim_matches(['-', '_']).chars().take(64).collect()
}
