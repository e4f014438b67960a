//! Markup as text: where its expressions, tags and comments are, and how to mask the expressions.
//!
//! Knows neither MJML nor HTML beyond their common syntax, and never fails. Called by [`super::mjml`] and
//! [`super::structure`].

use std::collections::BTreeSet;
use std::ops::Range;

/// Elements whose content HTML does not parse.
pub const RAW_TEXT: &[&str] = &["style", "script", "title", "textarea", "mj-style", "mj-title", "mj-preview"];

/// One expression, in both texts.
pub struct Mark {
    /// In the masked text.
    pub at: usize,
    /// Empty for a comment, which is left out.
    pub word: String,
    /// In the source.
    pub range: Range<usize>,
}

/// A text whose expressions are replaced by plain words.
pub struct Masked<'a> {
    pub source: &'a str,
    pub text: String,
    pub marks: Vec<Mark>,
    /// What words begin with.
    salt: String,
}

impl<'a> Masked<'a> {
    /// Masks every expression; a comment by nothing at all.
    pub fn new(source: &'a str) -> Self {
        // A word that the source does not contain.
        let salt = (0_u32..).map(|n| format!("hbs{n}x")).find(|s| !source.contains(s)).unwrap_or_default();
        let (mut text, mut marks, mut done) = (String::with_capacity(source.len()), Vec::new(), 0);
        for (n, range) in expressions(source).into_iter().enumerate() {
            text.push_str(&source[done..range.start]);
            let comment = source[range.clone()].trim_start_matches(['{', '~']).starts_with('!');
            let word = if comment { String::new() } else { format!("{salt}{n}z") };
            marks.push(Mark { at: text.len(), word: word.clone(), range: range.clone() });
            text.push_str(&word);
            done = range.end;
        }
        text.push_str(&source[done..]);
        Self { source, text, marks, salt }
    }

    /// The source offset of an offset in the masked text.
    pub fn original(&self, at: usize) -> usize {
        let after = self.marks.partition_point(|m| m.at <= at);
        let Some(mark) = after.checked_sub(1).and_then(|i| self.marks.get(i)) else { return at };
        let beyond = (at - mark.at).checked_sub(mark.word.len());
        beyond.map_or(mark.range.start, |n| (mark.range.end + n).min(self.source.len()))
    }

    /// The marks whose words begin within a range of the masked text.
    pub fn within(&self, range: &Range<usize>) -> &[Mark] {
        let from = self.marks.partition_point(|m| m.at < range.start);
        let to = self.marks.partition_point(|m| m.at < range.end);
        &self.marks[from..to.max(from)]
    }

    /// As the source has it.
    pub fn expression(&self, mark: &Mark) -> &str {
        &self.source[mark.range.clone()]
    }

    /// The words in a text, and where each stands.
    fn words<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (usize, &'t Mark)> + 't {
        text.match_indices(&self.salt).filter_map(move |(at, salt)| {
            let digits = text[at + salt.len()..].bytes().take_while(u8::is_ascii_digit).count();
            let number: usize = text[at + salt.len()..at + salt.len() + digits].parse().ok()?;
            let mark = self.marks.get(number)?;
            // Not only the beginning of one, which nothing of ours is.
            (!mark.word.is_empty() && text[at..].starts_with(&mark.word)).then_some((at, mark))
        })
    }

    /// The marks whose words are not in a text.
    pub fn lost(&self, text: &str) -> impl Iterator<Item = &Mark> {
        let found: BTreeSet<usize> = self.words(text).map(|(_, mark)| mark.at).collect();
        self.marks.iter().filter(move |mark| !mark.word.is_empty() && !found.contains(&mark.at))
    }

    /// Puts the expressions back, each in the place of its word or of a comment that holds it.
    pub fn restore(&self, html: &str) -> String {
        let (mut out, mut done) = (String::with_capacity(html.len()), 0);
        for (at, mark) in self.words(html) {
            let (before, after) = (&html[done..at], &html[at + mark.word.len()..]);
            let comment = before.strip_suffix("<!--").zip(after.strip_prefix("-->"));
            let (before, after) = comment.unwrap_or((before, after));
            out.push_str(before);
            out.push_str(self.expression(mark));
            done = html.len() - after.len();
        }
        out.push_str(&html[done..]);
        out
    }
}

/// The byte ranges of all `{{…}}`; one that is not closed is left to the handlebars parser to report.
pub fn expressions(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|n| at + n) {
        let start = if text[at..open].ends_with('\\') { open - 1 } else { open };
        let Some(end) = expression_end(text, open) else { break };
        found.push(start..end);
        at = end;
    }
    found
}

fn expression_end(text: &str, open: usize) -> Option<usize> {
    let rest = &text[open..];
    let after = |close: &str| rest.find(close).map(|n| open + n + close.len());
    let inner = rest.trim_start_matches(['{', '~']);
    if inner.starts_with("!--") {
        return after("--}}").into_iter().chain(after("--~}}")).min();
    }
    if inner.starts_with('!') {
        return after("}}");
    }
    let close = if rest.starts_with("{{{{") {
        "}}}}"
    } else if rest.starts_with("{{{") {
        "}}}"
    } else {
        "}}"
    };
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if rest[at..].starts_with(close) => return Some(open + at + close.len()),
            None => {}
        }
    }
    // A stray quote: take the nearest end, the handlebars parser will say what is wrong.
    after(close)
}

/// A tag, as it is written.
pub struct Tag<'a> {
    pub name: &'a str,
    pub range: Range<usize>,
    pub closing: bool,
    pub self_closing: bool,
    pub attributes: Vec<Attribute<'a>>,
}

/// An attribute, as it is written.
pub struct Attribute<'a> {
    /// Where its name begins.
    pub at: usize,
    pub name: &'a str,
    /// Of its value, without quotes; empty where there is none.
    pub value: Range<usize>,
}

/// A stretch of markup.
pub enum Piece<'a> {
    Text(Range<usize>),
    Comment(Range<usize>),
    Tag(Tag<'a>),
}

/// Cuts markup into tags, comments and text. Forgiving: what is not a tag is text.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut at, mut text_from) = (0, 0);
    while let Some(open) = text[at..].find('<').map(|n| at + n) {
        let rest = &text[open..];
        let piece = if rest.starts_with("<!--") {
            let end = rest.find("-->").map_or(text.len(), |n| open + n + 3);
            Piece::Comment(open..end)
        } else if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!')) {
            Piece::Tag(tag(text, open))
        } else {
            at = open + 1;
            continue;
        };
        if text_from < open {
            pieces.push(Piece::Text(text_from..open));
        }
        let mut end = match &piece {
            Piece::Comment(range) | Piece::Text(range) => range.end,
            Piece::Tag(tag) => tag.range.end,
        };
        text_from = end;
        if let Piece::Tag(tag) = &piece
            && RAW_TEXT.contains(&tag.name)
            && !tag.closing
            && !tag.self_closing
        {
            // Its content is one piece of text, up to its own end.
            end = text[end..].find(&format!("</{}", tag.name)).map_or(text.len(), |n| end + n);
        }
        pieces.push(piece);
        at = end;
    }
    if text_from < text.len() {
        pieces.push(Piece::Text(text_from..text.len()));
    }
    pieces
}

fn tag(text: &str, open: usize) -> Tag<'_> {
    let bytes = text.as_bytes();
    let closing = bytes.get(open + 1) == Some(&b'/');
    let name_at = open + 1 + usize::from(closing);
    let is_name = |b: &u8| !b.is_ascii_whitespace() && !matches!(b, b'>' | b'/' | b'=');
    let word_end = |from: usize| from + bytes[from..].iter().take_while(|b| is_name(b)).count();
    let name_end = word_end(name_at);
    let mut attributes = Vec::new();
    let mut at = name_end;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'>' {
            at += 1;
            break;
        }
        if !is_name(&byte) {
            at += 1;
            continue;
        }
        let attribute_end = word_end(at);
        let (begins, name) = (at, &text[at..attribute_end]);
        at = attribute_end;
        let mut value = at..at;
        if bytes.get(at) == Some(&b'=') {
            let quote = bytes.get(at + 1).copied().filter(|b| matches!(b, b'"' | b'\''));
            let from = at + 1 + usize::from(quote.is_some());
            let end = match quote {
                Some(quote) => from + bytes[from..].iter().take_while(|b| **b != quote).count(),
                None => word_end(from),
            };
            value = from..end;
            at = (end + usize::from(quote.is_some())).min(bytes.len());
        }
        attributes.push(Attribute { at: begins, name, value });
    }
    let self_closing = text[open..at].ends_with("/>");
    Tag { name: &text[name_at..name_end], range: open..at, closing, self_closing, attributes }
}
