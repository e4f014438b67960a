//! MJML to HTML, once per template, with every handlebars expression kept whole.
//!
//! Expressions are masked by plain words before the MJML compiler and the CSS inliner see the text, and put
//! back afterwards: neither can then mangle a quote, move an `{{#each}}` out of its table, or drop an expression
//! without our noticing. Called by [`super::compile`].

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use crate::domain::diagnostic::{Severity, did_you_mean};

use super::lint::{Finding, offset_of};

/// MJML's elements, as far as the compiler renders them. It accepts any other tag in silence.
const TAGS: &[&str] = &[
    "mjml",
    "mj-head",
    "mj-body",
    "mj-accordion",
    "mj-accordion-element",
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-all",
    "mj-attributes",
    "mj-breakpoint",
    "mj-button",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-hero",
    "mj-image",
    "mj-include",
    "mj-navbar",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-section",
    "mj-social",
    "mj-social-element",
    "mj-spacer",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
    "mj-wrapper",
];

/// Elements whose content is other elements, where bare text goes astray.
const STRUCTURE: &[&str] = &[
    "mjml",
    "mj-head",
    "mj-body",
    "mj-section",
    "mj-column",
    "mj-group",
    "mj-wrapper",
    "mj-hero",
    "mj-attributes",
    "mj-navbar",
    "mj-social",
    "mj-accordion",
    "mj-accordion-element",
    "mj-carousel",
];

const LINKS: &[&str] = &["href", "src", "background-url", "background"];

/// Elements whose content HTML does not parse.
const RAW_TEXT: &[&str] = &["style", "script", "title", "textarea", "mj-style", "mj-title", "mj-preview"];

/// Nesting that recursive parsers bear without trouble.
const MAX_DEPTH: usize = 100;

/// Compiles MJML. Offsets in the findings are of `text`. Without HTML there is at least one error.
pub fn to_html(text: &str, locale: &str, preheader: Option<&str>) -> (Option<String>, Vec<Finding>) {
    let masked = Masked::new(text);
    let pieces = pieces(&masked.text);
    let mut findings = structure(&masked, &pieces);
    if findings.iter().any(|f| f.code == "E0534") {
        return (None, findings);
    }
    // A panic of a third-party parser must not take the worker down with it: it becomes a finding of this file.
    let compiled = std::panic::catch_unwind(|| compile(&masked, locale, preheader));
    let (html, more) = compiled.unwrap_or_else(|_| {
        let message = "this template breaks the MJML compiler; simplify it, piece by piece".to_owned();
        (None, vec![finding(0, "E0535", message, None)])
    });
    findings.extend(more);
    (html, findings)
}

fn finding(offset: usize, code: &'static str, message: String, help: Option<String>) -> Finding {
    Finding { offset, severity: Severity::Error, code, message, help }
}

fn compile(masked: &Masked<'_>, locale: &str, preheader: Option<&str>) -> (Option<String>, Vec<Finding>) {
    let mut findings = Vec::new();
    let parsed = match mrml::parse(&masked.text) {
        Ok(parsed) => parsed,
        Err(error) => return (None, vec![parse_finding(masked, &error)]),
    };
    for warning in &parsed.warnings {
        let offset = masked.original(warning.span.start);
        let message = format!("MJML has an {} here", warning.kind);
        findings.push(Finding { severity: Severity::Warning, ..finding(offset, "E0536", message, None) });
    }
    // No fonts of its own accord: a stylesheet from elsewhere tells its host who reads the mail.
    let options = mrml::prelude::render::RenderOptions { fonts: Default::default(), ..Default::default() };
    let rendered = parsed.element.render(&options);
    let inlined = rendered.map_err(|e| e.to_string()).and_then(|html| {
        let html = comment_out(&html, masked);
        css_inline::CSSInliner::options()
            .keep_style_tags(true)
            .keep_at_rules(true)
            .load_remote_stylesheets(false)
            .build()
            .inline(&html)
            .map_err(|e| e.to_string())
    });
    let html = match inlined {
        Ok(html) => html,
        Err(message) => return (None, vec![finding(0, "E0535", message, None)]),
    };
    for mark in &masked.marks {
        if !mark.word.is_empty() && !html.contains(&mark.word) {
            let expression = &masked.source[mark.range.clone()];
            let message = format!("MJML drops `{expression}` at this place");
            let help =
                "the attribute may want a fixed value: use mj-raw or a style within the text".to_owned();
            findings.push(finding(mark.range.start, "E0530", message, Some(help)));
        }
    }
    let html = with_language(&html, locale);
    (Some(with_preheader(&masked.restore(&html), preheader)), findings)
}

/// Says the language and direction where the author left them open: screen readers and clients go by them.
fn with_language(html: &str, locale: &str) -> String {
    let language = locale.split(['-', '_']).next().unwrap_or_default();
    let rtl = matches!(language, "ar" | "fa" | "he" | "ur" | "yi" | "ps" | "dv");
    let lang = handlebars::html_escape(&locale.replace('_', "-"));
    html.replace("lang=\"und\"", &format!("lang=\"{lang}\""))
        .replace("dir=\"auto\"", if rtl { "dir=\"rtl\"" } else { "dir=\"ltr\"" })
}

fn parse_finding(masked: &Masked<'_>, error: &mrml::prelude::parser::Error) -> Finding {
    use mrml::prelude::parser::Error;
    let (at, message) = match error {
        Error::UnexpectedElement { position, .. } => (position.start, "this element cannot stand here"),
        Error::UnexpectedToken { position, .. } => (position.start, "this is not expected here"),
        Error::MissingAttribute { position, name, .. } => {
            let message = format!("the attribute `{name}` is missing");
            return finding(masked.original(position.start), "E0535", message, None);
        }
        Error::InvalidAttribute { position, .. } => (position.start, "this attribute is not valid"),
        Error::InvalidFormat { position, .. } => (position.start, "this is not well formed"),
        Error::EndOfStream { .. } => (masked.text.len(), "an element is not closed"),
        Error::ParserError { source, .. } => {
            let pos = source.pos();
            (offset_of(&masked.text, pos.row as usize, pos.col as usize), "this is not well-formed MJML")
        }
        Error::NoRootNode => (0, "there is no <mjml> element"),
        _ => (0, "this is not MJML"),
    };
    let help = "every element is closed (<br /> too), attributes stand in quotes";
    finding(masked.original(at), "E0535", message.to_owned(), Some(help.to_owned()))
}

/// Puts the preheader where mail clients look for it: hidden, first in the body, padded so that they show nothing else.
fn with_preheader(html: &str, preheader: Option<&str>) -> String {
    let body = html.find("<body").and_then(|at| Some(at + html[at..].find('>')? + 1));
    let (Some(preheader), Some(at)) = (preheader, body) else { return html.to_owned() };
    let style = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all";
    let padding = "&#847;&zwnj;&nbsp;".repeat(60);
    let text = escape_literals(preheader);
    format!("{}<div style=\"{style}\">{text}{padding}</div>{}", &html[..at], &html[at..])
}

/// Escapes for HTML what stands between expressions.
fn escape_literals(text: &str) -> String {
    let mut out = String::new();
    let mut at = 0;
    for range in expressions(text) {
        out.push_str(&handlebars::html_escape(&text[at..range.start]));
        out.push_str(&text[range.clone()]);
        at = range.end;
    }
    out.push_str(&handlebars::html_escape(&text[at..]));
    out
}

struct Mark {
    /// In the masked text.
    at: usize,
    /// Empty for a comment, which is left out.
    word: String,
    /// In the source.
    range: Range<usize>,
}

struct Masked<'a> {
    source: &'a str,
    text: String,
    marks: Vec<Mark>,
}

impl<'a> Masked<'a> {
    fn new(source: &'a str) -> Self {
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
        Self { source, text, marks }
    }

    /// The source offset of an offset in the masked text.
    fn original(&self, at: usize) -> usize {
        let after = self.marks.partition_point(|m| m.at <= at);
        let Some(mark) = after.checked_sub(1).and_then(|i| self.marks.get(i)) else { return at };
        let beyond = (at - mark.at).checked_sub(mark.word.len());
        beyond.map_or(mark.range.start, |n| (mark.range.end + n).min(self.source.len()))
    }

    /// The marks whose words begin within a range of the masked text.
    fn within(&self, range: &Range<usize>) -> &[Mark] {
        let from = self.marks.partition_point(|m| m.at < range.start);
        let to = self.marks.partition_point(|m| m.at < range.end);
        &self.marks[from..to.max(from)]
    }

    fn expression(&self, mark: &Mark) -> &str {
        &self.source[mark.range.clone()]
    }

    fn restore(&self, html: &str) -> String {
        // The closing `z` keeps one word from being the beginning of another.
        let mut out = html.to_owned();
        for mark in self.marks.iter().filter(|m| !m.word.is_empty()) {
            let expression = self.expression(mark);
            out = out.replace(&format!("<!--{}-->", mark.word), expression).replace(&mark.word, expression);
        }
        out
    }
}

/// Makes comments of the words that stand as text of their own, which HTML parsers leave where they are,
/// within a table too.
fn comment_out(html: &str, masked: &Masked<'_>) -> String {
    let words: BTreeSet<&str> =
        masked.marks.iter().map(|m| m.word.as_str()).filter(|w| !w.is_empty()).collect();
    let mut out = String::with_capacity(html.len());
    let mut raw = false;
    let pieces = pieces(html);
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Text(range) if !raw && !words.is_empty() => {
                let mut rest = &html[range.clone()];
                // Words begin alike: `hbs0x`, digits, `z`.
                let prefix = words.iter().next().and_then(|w| w.split_once('x')).map_or("", |(p, _)| p);
                while let Some(at) = rest.find(prefix) {
                    let end = rest[at..].find('z').map_or(rest.len(), |n| at + n + 1);
                    out.push_str(&rest[..at]);
                    let word = &rest[at..end];
                    let _ = if words.contains(word) {
                        write!(out, "<!--{word}-->")
                    } else {
                        write!(out, "{word}")
                    };
                    rest = &rest[end..];
                }
                out.push_str(rest);
            }
            Piece::Text(range) | Piece::Comment(range) => out.push_str(&html[range.clone()]),
            Piece::Tag(tag) => {
                raw = !tag.closing && RAW_TEXT.contains(&tag.name);
                out.push_str(&html[tag.range.clone()]);
                // The parser would open the table's body at the first row, which is within the loop.
                let next = pieces[index + 1..].iter().find_map(|p| match p {
                    Piece::Tag(tag) => Some(tag.name),
                    _ => None,
                });
                if tag.name == "table" && !tag.closing && next == Some("tr") {
                    out.push_str("<tbody>");
                }
            }
        }
    }
    out
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

struct Tag<'a> {
    name: &'a str,
    range: Range<usize>,
    closing: bool,
    self_closing: bool,
    /// Names and the ranges of their values.
    attributes: Vec<(&'a str, Range<usize>)>,
}

enum Piece<'a> {
    Text(Range<usize>),
    Comment(Range<usize>),
    Tag(Tag<'a>),
}

/// Cuts markup into tags, comments and text. Forgiving: what is not a tag is text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
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
        let attribute = &text[at..attribute_end];
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
        attributes.push((attribute, value));
    }
    let self_closing = text[open..at].ends_with("/>");
    Tag { name: &text[name_at..name_end], range: open..at, closing, self_closing, attributes }
}

/// What the markup shows to be wrong before it is compiled.
fn structure(masked: &Masked<'_>, pieces: &[Piece<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut stack, mut depth): (Vec<&str>, usize) = (Vec::new(), 0);
    for piece in pieces {
        match piece {
            Piece::Comment(_) => {}
            Piece::Text(range) => stray(masked, range, &stack, &mut findings),
            Piece::Tag(tag) if tag.closing => {
                depth = depth.saturating_sub(1);
                if stack.last() == Some(&tag.name) {
                    stack.pop();
                }
            }
            Piece::Tag(tag) => {
                attributes(masked, tag, &mut findings);
                let offset = masked.original(tag.range.start);
                if tag.name.starts_with("mj") && !TAGS.contains(&tag.name) {
                    let near = did_you_mean(tag.name, TAGS.iter().copied());
                    let help = near.map(|n| format!("did you mean <{n}>?"));
                    findings.push(finding(
                        offset,
                        "E0533",
                        format!("MJML has no element <{}>", tag.name),
                        help,
                    ));
                }
                if !tag.self_closing {
                    depth += 1;
                    if tag.name.starts_with("mj") {
                        stack.push(tag.name);
                    }
                }
                if depth > MAX_DEPTH {
                    let message = "elements nest too deep, or are never closed".to_owned();
                    findings.push(finding(offset, "E0534", message, None));
                    return findings;
                }
            }
        }
    }
    findings
}

/// Expressions between elements, where MJML does not expect text.
fn stray(masked: &Masked<'_>, range: &Range<usize>, stack: &[&str], findings: &mut Vec<Finding>) {
    let (innermost, parent) = (stack.last().copied(), stack.iter().rev().nth(1).copied());
    for mark in masked.within(range).iter().filter(|m| !m.word.is_empty()) {
        let (expression, offset) = (masked.expression(mark), mark.range.start);
        if innermost.is_some_and(|tag| STRUCTURE.contains(&tag)) {
            let message = format!("`{expression}` stands between elements, where MJML expects none");
            let help = format!("write <mj-raw>{expression}</mj-raw>, or move it into an mj-text");
            findings.push(finding(offset, "E0531", message, Some(help)));
        } else if innermost == Some("mj-raw")
            && matches!(parent, Some("mj-section" | "mj-group"))
            && expression.trim_start_matches(['{', '~']).starts_with("#each")
        {
            let message = "columns within a loop all get the width of one".to_owned();
            let help = Some("loop over sections, or over rows of an mj-table".to_owned());
            findings.push(Finding { severity: Severity::Warning, ..finding(offset, "E0532", message, help) });
        }
    }
}

fn attributes(masked: &Masked<'_>, tag: &Tag<'_>, findings: &mut Vec<Finding>) {
    let values: Vec<&Range<usize>> = tag.attributes.iter().map(|(_, value)| value).collect();
    for mark in masked.within(&tag.range).iter().filter(|m| !m.word.is_empty()) {
        if !values.iter().any(|value| value.contains(&mark.at)) {
            let message = format!("`{}` stands within a tag, outside of any value", masked.expression(mark));
            findings.push(finding(mark.range.start, "E0531", message, None));
        }
    }
    for (name, value) in tag.attributes.iter().filter(|(name, _)| LINKS.contains(name)) {
        for mark in masked.within(value).iter().filter(|m| !m.word.is_empty()) {
            let expression = masked.expression(mark);
            let inner = expression.trim_matches(['{', '}', '~', ' ']);
            let block = inner.starts_with(['#', '/', '^']) || inner.starts_with("else");
            let first = inner.split_whitespace().next().unwrap_or_default();
            let trusted = matches!(inner, "unsubscribe_url" | "@root.unsubscribe_url" | "../unsubscribe_url");
            if block || trusted || matches!(first, "url" | "urlencode") {
                continue;
            }
            let begins = mark.at == value.start;
            let wanted = if begins { "url" } else { "urlencode" };
            let message = format!("`{expression}` comes from data and is used in `{name}` unchecked");
            let help = format!("write {{{{{wanted} {inner}}}}}");
            findings.push(finding(mark.range.start, "E0537", message, Some(help)));
        }
    }
}
