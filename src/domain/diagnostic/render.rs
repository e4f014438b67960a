//! Findings as a person reads them, in rustc's style. Text only: printing is the caller's.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::place::floor;
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
        let main = match diagnostic.text(files) {
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

#[cfg(test)]
mod tests {
    use super::super::{lsp, sarif};
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
        assert_eq!(render(&[], &files, true), "");
    }

    #[test]
    fn places_out_of_bounds_do_not_panic() {
        let files = [SourceFile { path: "a".into(), text: "é\n\n".into() }];
        for span in [0..0, 1..1, 1..2, 4..4, 3..900, 2..4] {
            let found = [Diagnostic::error("E0101", "a", span, "m")];
            assert!(render(&found, &files, true).contains("E0101"));
            lsp(&found, &files);
            sarif(&found, &files, "");
        }
        let empty = [SourceFile { path: "a".into(), text: String::new() }];
        assert!(render(&[Diagnostic::error("E0101", "a", 0..0, "m")], &empty, false).contains("--> a"));
    }
}
