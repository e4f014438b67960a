//! Findings as a person reads them (in rustc's style) and as a program does. Text only: printing is the caller's.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::{Diagnostic, Severity, SourceFile};

/// All findings with their source lines, one after another with a blank line between, and a last line that counts
/// them. Empty when there are none. `color` asks for ANSI colours.
pub fn render(diagnostics: &[Diagnostic], files: &[SourceFile], color: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
        let main = match text_of(diagnostic, files) {
            Some(text) if !text.is_empty() => {
                let place = AnnotationKind::Primary.span(shown(text, &diagnostic.span));
                let place = match &diagnostic.label {
                    Some(label) => place.label(label.as_str()),
                    None => place,
                };
                title.element(Snippet::source(text).path(diagnostic.path.as_str()).annotation(place))
            }
            _ => title.element(Origin::path(diagnostic.path.as_str())),
        };
        let mut report = vec![main];
        if let Some(help) = &diagnostic.help {
            report.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
        }
        out.push_str(&renderer.render(&report));
        out.push_str("\n\n");
    }
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let counted = |n: usize, word: &str| match n {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let parts = [counted(count(Severity::Error), "error"), counted(count(Severity::Warning), "warning")];
    out.push_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    out.push('\n');
    out
}

/// All findings as a JSON array. Lines and columns count from 1, columns in characters; the end is exclusive.
pub fn to_json(diagnostics: &[Diagnostic], files: &[SourceFile]) -> Value {
    let objects = diagnostics.iter().map(|diagnostic| {
        let text = text_of(diagnostic, files).unwrap_or_default();
        let (line, column) = line_and_column(text, diagnostic.span.start);
        let (end_line, end_column) = line_and_column(text, diagnostic.span.end);
        json!({
            "severity": match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "code": diagnostic.code,
            "path": diagnostic.path,
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "message": diagnostic.message,
            "label": diagnostic.label,
            "help": diagnostic.help,
        })
    });
    Value::Array(objects.collect())
}

fn text_of<'a>(diagnostic: &Diagnostic, files: &'a [SourceFile]) -> Option<&'a str> {
    files.iter().find(|file| file.path == diagnostic.path).map(|file| file.text.as_str())
}

/// The part of a place to mark: its first line, since a mark around ten lines shows nothing.
fn shown(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor(text, span.start);
    let end = floor(text, span.end).max(start);
    let end = text[start..end].find('\n').map_or(end, |at| start + at);
    // An empty place is shown by the character after it, if the line has one.
    match text[start..].chars().next() {
        Some(c) if start == end && c != '\n' && c != '\r' => start..start + c.len_utf8(),
        _ => start..end,
    }
}

fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..floor(text, at)];
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_like_rustc() {
        let files = [SourceFile {
            path: "rules/x.yaml".into(),
            text: "rule: x\npurpose: « marketng »\nsteps: []\n".into(),
        }];
        let span = files[0].text.find("marketng").map(|at| at..at + 8).unwrap();
        let found = [
            Diagnostic::error("E0402", "rules/x.yaml", span, "the policy has no purpose `marketng`")
                .label("not in rules/policy.yaml")
                .help("did you mean `marketing`?"),
            Diagnostic::warning("E0401", "rules/policy.yaml", 0..0, "there is no policy"),
        ];
        insta::assert_snapshot!(render(&found, &files, false), @r"
        error[E0402]: the policy has no purpose `marketng`
         --> rules/x.yaml:2:12
          |
        2 | purpose: « marketng »
          |            ^^^^^^^^ not in rules/policy.yaml
          |
        help: did you mean `marketing`?

        warning[E0401]: there is no policy
        --> rules/policy.yaml

        1 error, 1 warning
        ");
        let json = to_json(&found, &files);
        assert_eq!(
            (&json[0]["line"], &json[0]["column"], &json[0]["end_column"]),
            (&json!(2), &json!(12), &json!(20))
        );
        assert_eq!(render(&[], &files, true), "");
    }

    #[test]
    fn places_out_of_bounds_do_not_panic() {
        let files = [SourceFile { path: "a".into(), text: "é\n\n".into() }];
        for span in [0..0, 1..1, 1..2, 4..4, 3..900, 2..4] {
            let found = [Diagnostic::error("E0101", "a", span, "m")];
            assert!(render(&found, &files, true).contains("E0101"));
            to_json(&found, &files);
        }
        let empty = [SourceFile { path: "a".into(), text: String::new() }];
        assert!(render(&[Diagnostic::error("E0101", "a", 0..0, "m")], &empty, false).contains("--> a"));
    }
}
