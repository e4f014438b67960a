//! MJML to HTML, once per template, with every handlebars expression kept whole.
//!
//! Expressions are masked by plain words before the MJML compiler and the CSS inliner see the text, and put
//! back afterwards: neither can then mangle a quote, move an `{{#each}}` out of its table, or drop an expression
//! without our noticing. Called by [`super::compile`].

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mrml::prelude::parser::WarningKind;

use super::lint::{Finding, offset_of};
use super::markup::{Masked, Piece, RAW_TEXT, expressions, pieces};
use super::structure;
use crate::domain::diagnostic::Severity;

/// What the HTML takes over from the template's head.
pub struct Head<'a> {
    pub locale: &'a str,
    pub subject: &'a str,
    pub preheader: Option<&'a str>,
}

/// Where the preheader's element begins and ends.
const PREHEADER: (&str, &str) = ("<div data-preheader", "</div>");

/// The HTML without its preheader, which a plain text does not hide.
pub fn without_preheader(html: &str) -> String {
    let found = html
        .split_once(PREHEADER.0)
        .and_then(|(before, rest)| Some((before, rest.split_once(PREHEADER.1)?.1)));
    found.map_or_else(|| html.to_owned(), |(before, after)| format!("{before}{after}"))
}

/// Compiles MJML. Offsets in the findings are of `text`. Without HTML there is at least one error.
pub fn to_html(text: &str, head: &Head<'_>) -> (Option<String>, Vec<Finding>) {
    let masked = Masked::new(text);
    let pieces = pieces(&masked.text);
    let mut findings = structure::check(&masked, &pieces);
    // The compiler would only say it again, in its own words.
    if findings.iter().any(|f| matches!(f.code, "E0534" | "E0535")) {
        return (None, findings);
    }
    // A panic of a third-party parser must not take the worker down with it: it becomes a finding of this file.
    let compiled = std::panic::catch_unwind(|| compile(&masked, head));
    let (html, more) = compiled.unwrap_or_else(|_| {
        let message = "this template breaks the MJML compiler; simplify it, piece by piece".to_owned();
        (None, vec![finding(0, "E0535", message, None)])
    });
    findings.extend(more);
    (html, findings)
}

/// An error at an offset of the source.
pub fn finding(offset: usize, code: &'static str, message: String, help: Option<String>) -> Finding {
    Finding { offset, severity: Severity::Error, code, message, help }
}

fn compile(masked: &Masked<'_>, head: &Head<'_>) -> (Option<String>, Vec<Finding>) {
    let mut findings = Vec::new();
    let parsed = match mrml::parse(&masked.text) {
        Ok(parsed) => parsed,
        Err(error) => return (None, vec![parse_finding(masked, &error)]),
    };
    // The inliner below does what the parser says it cannot.
    let dropped = parsed.warnings.iter().filter(|warning| warning.kind == WarningKind::UnexpectedAttribute);
    for warning in dropped {
        let offset = masked.original(warning.span.start);
        let message = "this element has no such attribute: it comes to nothing".to_owned();
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
    for mark in masked.lost(&html) {
        let message = format!("MJML drops `{}` at this place", masked.expression(mark));
        let help = "the attribute may want a fixed value: use mj-raw or a style within the text".to_owned();
        findings.push(finding(mark.range.start, "E0530", message, Some(help)));
    }
    let html = with_language(&html, head.locale);
    let title = format!("<title>{}</title>", escape_literals(head.subject));
    let html = masked.restore(&html).replacen("<title></title>", &title, 1);
    (Some(with_preheader(&html, head.preheader)), findings)
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
    let help = match error {
        Error::UnexpectedElement { .. } => "move it to where it belongs, or into an mj-text or mj-raw",
        _ => "every element is closed (<br /> too), attributes stand in quotes",
    };
    finding(masked.original(at), "E0535", message.to_owned(), Some(help.to_owned()))
}

/// Puts the preheader where mail clients look for it: hidden, first in the body, padded so that they show nothing else.
fn with_preheader(html: &str, preheader: Option<&str>) -> String {
    let body = html.find("<body").and_then(|at| Some(at + html[at..].find('>')? + 1));
    let (Some(preheader), Some(at)) = (preheader, body) else { return html.to_owned() };
    let style = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all";
    let padding = "&#847;&zwnj;&nbsp;".repeat(60);
    let text = escape_literals(preheader);
    let (open, close) = PREHEADER;
    format!("{}{open} style=\"{style}\">{text}{padding}{close}{}", &html[..at], &html[at..])
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
