//! What an MJML document shows to be wrong before it is compiled, since the compiler accepts it in silence:
//! unknown or unclosed elements, expressions where none can be, links that data could poison.

use std::ops::Range;

use super::attributes;
use super::lint::Finding;
use super::markup::{Attribute, Masked, Piece, Tag};
use super::mjml::finding;
use crate::domain::diagnostic::{Severity, did_you_mean};

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

/// Links that are made by us and need no checking.
const OWN_LINKS: [&str; 3] = ["unsubscribe_url", "preferences_url", "confirm_url"];

const LINKS: &[&str] = &["href", "src", "background-url", "background"];

/// Nesting that recursive parsers bear without trouble.
const MAX_DEPTH: usize = 100;

/// What the markup shows to be wrong before it is compiled.
pub fn check(masked: &Masked<'_>, pieces: &[Piece<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    // MJML elements that are open, and where each began.
    let (mut open, mut depth): (Vec<(&str, usize)>, usize) = (Vec::new(), 0);
    for piece in pieces {
        match piece {
            Piece::Comment(_) => {}
            Piece::Text(range) => stray(masked, range, &open, &mut findings),
            Piece::Tag(tag) if tag.closing => {
                depth = depth.saturating_sub(1);
                if tag.name.starts_with("mj") {
                    close(masked, tag, &mut open, &mut findings);
                }
            }
            Piece::Tag(tag) => {
                expressions(masked, tag, &mut findings);
                attributes::check(masked, tag, &mut findings);
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
                        open.push((tag.name, offset));
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
    // The innermost is to blame; closing it may well close the others.
    findings.extend(open.last().map(|(name, at)| unclosed(name, *at)));
    findings
}

fn unclosed(name: &str, at: usize) -> Finding {
    finding(at, "E0535", format!("<{name}> is not closed"), None)
}

/// A closing tag ends the element of its name, and shows those within it to be unclosed.
fn close<'a>(
    masked: &Masked<'_>,
    tag: &Tag<'a>,
    open: &mut Vec<(&'a str, usize)>,
    findings: &mut Vec<Finding>,
) {
    if !open.iter().any(|(name, _)| *name == tag.name) {
        let offset = masked.original(tag.range.start);
        let message = format!("`</{}>` closes nothing", tag.name);
        let help = open.last().map(|(name, _)| format!("<{name}> is open here"));
        return findings.push(finding(offset, "E0535", message, help));
    }
    while let Some((name, at)) = open.pop() {
        if name == tag.name {
            return;
        }
        findings.push(unclosed(name, at));
    }
}

/// Expressions between elements, where MJML does not expect text.
fn stray(masked: &Masked<'_>, range: &Range<usize>, open: &[(&str, usize)], findings: &mut Vec<Finding>) {
    let mut outwards = open.iter().rev().map(|(name, _)| *name);
    let (innermost, parent) = (outwards.next(), outwards.next());
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

/// Expressions within a tag: outside of values they are lost, in links they must be checked.
fn expressions(masked: &Masked<'_>, tag: &Tag<'_>, findings: &mut Vec<Finding>) {
    let values: Vec<&Range<usize>> = tag.attributes.iter().map(|a| &a.value).collect();
    for mark in masked.within(&tag.range).iter().filter(|m| !m.word.is_empty()) {
        if !values.iter().any(|value| value.contains(&mark.at)) {
            let message = format!("`{}` stands within a tag, outside of any value", masked.expression(mark));
            findings.push(finding(mark.range.start, "E0531", message, None));
        }
    }
    for Attribute { name, value, .. } in tag.attributes.iter().filter(|a| LINKS.contains(&a.name)) {
        for mark in masked.within(value).iter().filter(|m| !m.word.is_empty()) {
            let expression = masked.expression(mark);
            let inner = expression.trim_matches(['{', '}', '~', ' ']);
            let block = inner.starts_with(['#', '/', '^']) || inner.starts_with("else");
            let first = inner.split_whitespace().next().unwrap_or_default();
            let root = inner.strip_prefix("@root.").or(inner.strip_prefix("../")).unwrap_or(inner);
            let trusted = OWN_LINKS.contains(&root);
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
