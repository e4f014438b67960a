//! A YAML file as a tree in which every key and value knows its place in the text.
//!
//! Serde's derived structs stop at the first mistake; this tree lets `syntax` and `policy` report all of them.
//! Sizes, depth and aliases are bounded here, so that no file takes long to refuse.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::traps;
use crate::domain::diagnostic::Diagnostic;

/// The largest file read. A rule is a page of text; more is a mistake or an attack.
const MAX_FILE_BYTES: usize = 256 * 1024;

/// One value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub span: Range<usize>,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Nothing after the key, or `null`.
    Empty,
    /// A text, a number, a yes or no: as it is written, without quotes.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub span: Range<usize>,
    pub name: String,
}

impl Kind {
    /// What it is, with its article.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads one YAML document.
///
/// # Errors
/// What is wrong with the text as YAML, including the traps that YAML sets to conditions.
pub(super) fn parse(path: &str, text: &str) -> Result<Node, Vec<Diagnostic>> {
    if text.len() > MAX_FILE_BYTES {
        let message = format!("the file is larger than {} KiB", MAX_FILE_BYTES / 1024);
        return Err(vec![Diagnostic::error("E0101", path, 0..0, message)]);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: 20_000,
            max_depth: 40,
            max_aliases: 100,
            flow_nesting_limit: 40,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Ok(node(text, raw)),
        Err(error) => {
            let traps = traps::find(path, text);
            if !traps.is_empty() {
                return Err(traps);
            }
            let at = error.location().map_or(0, |place| start(text, &place));
            Err(vec![explain(path, text, at, &error)])
        }
    }
}

/// The YAML library's complaint, reworded where people meet it often.
fn explain(path: &str, text: &str, at: usize, error: &serde_saphyr::Error) -> Diagnostic {
    let at = at.min(text.len());
    let line = &text[text[..at].rfind('\n').map_or(0, |i| i + 1)..];
    let line = line.lines().next().unwrap_or_default();
    let complaint = error.to_string();
    let diagnostic = |message: &str| Diagnostic::error("E0101", path, at..at, message);
    if line.contains('\t') && line.trim_start_matches(' ').starts_with('\t') {
        return diagnostic("a tab stands where YAML wants spaces")
            .help("indent with spaces, two for each level");
    }
    if complaint.contains("budget") || complaint.contains("limit") || complaint.contains("Budget") {
        return diagnostic("the file is nested too deeply or repeats itself too often");
    }
    if complaint.contains("mapping values are not allowed") {
        return diagnostic("a `:` stands where YAML does not expect one")
            .help("put a text that contains `: ` in quotes, and check the indentation");
    }
    if complaint.contains("multiple") || complaint.contains("Multiple") || complaint.contains("ocuments") {
        return diagnostic("a file holds one rule").help("move what follows `---` into a file of its own");
    }
    if complaint.contains("merge key") {
        return diagnostic("`<<` is not understood here").help("write the fields out");
    }
    if text.trim().is_empty() || matches!(error, serde_saphyr::Error::Eof { .. }) {
        return diagnostic("the file is empty");
    }
    // The library ends its own sentences with the place, which is shown anyway.
    let end = complaint.find(" at line").or_else(|| complaint.find('\n')).unwrap_or(complaint.len());
    diagnostic("this is not YAML").label(complaint[..end].trim_start_matches("error: ").to_owned())
}

/// What serde hands over.
enum Raw {
    Empty,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Raw, E> {
        Ok(Raw::Text(String::from_utf8_lossy(value).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

fn start(text: &str, place: &Location) -> usize {
    let byte = place.span().byte_offset().and_then(|at| usize::try_from(at).ok());
    let at = byte.unwrap_or_else(|| {
        let line = usize::try_from(place.line().saturating_sub(1)).unwrap_or(0);
        let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let column = usize::try_from(place.column().saturating_sub(1)).unwrap_or(0);
        let rest = &text[before.min(text.len())..];
        before + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    });
    floor(text, at)
}

fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

fn place(text: &str, place: &Location) -> Range<usize> {
    let from = start(text, place);
    let length = place.span().byte_len().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let to = floor(text, from.saturating_add(length)).max(from);
    // Block scalars and empty values reach into the white space after them.
    from..from + text[from..to].trim_end().len()
}

fn node(text: &str, raw: Spanned<Raw>) -> Node {
    let span = place(text, &raw.referenced);
    match raw.value {
        Raw::Empty => Node { span, kind: Kind::Empty },
        Raw::Text(value) => {
            // What serde read as a number or a boolean is taken as it is written: `0600`, `1.50`, `True`.
            let written = &text[span.clone()];
            let plain = !written.is_empty()
                && !written.contains('\n')
                && !written.starts_with(['"', '\'', '|', '>', '*', '&', '!']);
            let value = if plain { written.to_owned() } else { value };
            Node { span, kind: Kind::Scalar(value) }
        }
        Raw::List(items) => {
            let items: Vec<Node> = items.into_iter().map(|item| node(text, item)).collect();
            let end = items.last().map_or(span.end, |last| last.span.end.max(span.start));
            Node { span: span.start..end, kind: Kind::List(items) }
        }
        Raw::Map(entries) => {
            let entries: Vec<(Key, Node)> = entries
                .into_iter()
                .map(|(key, value)| (as_key(node(text, key)), node(text, value)))
                .collect();
            let end = entries
                .last()
                .map_or(span.end, |(key, last)| last.span.end.max(key.span.end).max(span.start));
            Node { span: span.start..end, kind: Kind::Map(entries) }
        }
    }
}

/// Keys that are no texts keep their place and a name that no field has.
fn as_key(node: Node) -> Key {
    match node.kind {
        Kind::Scalar(name) => Key { span: node.span, name },
        other => Key { span: node.span, name: other.words().to_owned() },
    }
}
