//! What a condition said, part by part: the values that it read, and which side of an `&&` or `||` decided.
//!
//! Each part is a condition of its own, judged by the same means as the whole. Called by `domain::explain`; no decision
//! depends on it.

use std::mem::discriminant;

use serde::Serialize;
use serde_json::Value;

use super::scope::Found;
use super::{Condition, Scope, Truth, syntax};

/// A condition, or a part of one, and what it said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// As it is written.
    pub expression: String,
    #[serde(flatten)]
    pub truth: Truth,
    /// What it read; empty where it has parts, which say it themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<Read>,
    /// How its parts make the whole; none for what cannot be divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Judged>,
}

/// A value that a condition read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Read {
    /// As in [`Condition::reads`].
    pub path: String,
    /// None where nothing stands there.
    pub value: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// `&&`
    All,
    /// `||`
    Any,
    /// `!( … )`
    Not,
}

impl Judged {
    /// Whether this part of it made it what it is: it says the same as the whole, or the whole is its contrary.
    pub fn is_decided_by(&self, part: &Self) -> bool {
        self.join == Some(Join::Not) || discriminant(&part.truth) == discriminant(&self.truth)
    }
}

pub(super) fn explain(condition: &Condition, scope: &Scope<'_>) -> Judged {
    let (join, parts) = divided(condition.source(), scope).unzip();
    let reads = if join.is_some() { Vec::new() } else { reads(condition, scope) };
    Judged {
        expression: condition.source().trim().to_owned(),
        truth: condition.eval(scope),
        reads,
        join,
        parts: parts.unwrap_or_default(),
    }
}

fn reads(condition: &Condition, scope: &Scope<'_>) -> Vec<Read> {
    let read = |path: &String| {
        let value = match scope.find(path) {
            None => None,
            Some(Found::Json(json)) => Some(json.clone()),
            Some(Found::Text(text)) => Some(text.into()),
            Some(Found::Instant(at)) => Some(serde_json::json!(at)),
            // The whole of a customer or an event is shown elsewhere.
            Some(Found::Fields) => return None,
        };
        Some(Read { path: path.clone(), value })
    };
    condition.reads().iter().filter_map(read).collect()
}

/// The parts of a condition; none where it has none, or one of them does not stand by itself.
fn divided(text: &str, scope: &Scope<'_>) -> Option<(Join, Vec<Judged>)> {
    let text = bare(text);
    if let Some(inner) = text.strip_prefix('!').map(str::trim_start).filter(|inner| bare(inner) != *inner) {
        let inner = Condition::parse(bare(inner)).ok()?.explain(scope);
        return inner.join.is_some().then(|| (Join::Not, vec![inner]));
    }
    let (join, parts) = split(text)?;
    let judged = |part: &&str| Some(Condition::parse(bare(part)).ok()?.explain(scope));
    Some((join, parts.iter().map(judged).collect::<Option<_>>()?))
}

/// Splits at the operators that bind least, outside of brackets and texts; `? :` binds less than both and is left whole.
fn split(text: &str) -> Option<(Join, Vec<&str>)> {
    let (mut any, mut all) = (Vec::new(), Vec::new());
    for (at, c) in outside(text) {
        match c {
            // Not the `.?` of an optional field.
            '?' if !text[..at].ends_with('.') => return None,
            // A comment may hold anything.
            '/' if text[at..].starts_with("//") => return None,
            '|' if text[at..].starts_with("||") => any.push(at),
            '&' if text[at..].starts_with("&&") => all.push(at),
            _ => {}
        }
    }
    let (join, places) = if any.is_empty() { (Join::All, all) } else { (Join::Any, any) };
    let mut parts = Vec::new();
    let mut from = 0;
    for at in &places {
        parts.push(text[from..*at].trim());
        from = at + 2;
    }
    parts.push(text[from..].trim());
    (!places.is_empty()).then_some((join, parts))
}

/// The text without brackets around the whole of it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) else { return text };
    // Of `(a) && (b)` the first bracket does not belong to the last.
    if outside(text).is_empty() { bare(inner) } else { text }
}

/// The characters, with their places, that stand in no bracket and no text.
fn outside(text: &str) -> Vec<(usize, char)> {
    let (mut found, mut depth, mut at) = (Vec::new(), 0_usize, 0);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '\'' => {
                // It has been parsed, so each text has its end.
                at = syntax::end_of_text(text, at).unwrap_or(text.len());
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            c if depth == 0 && !c.is_whitespace() => found.push((at, c)),
            _ => {}
        }
        at += c.len_utf8();
    }
    found
}
