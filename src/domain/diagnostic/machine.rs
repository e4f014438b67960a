//! Findings for programs: as an editor wants them (the Language Server Protocol's `Diagnostic`), and as code hosts do
//! (SARIF 2.1.0). Both are stable interfaces.

use serde_json::{Value, json};

use super::codes;
use super::place::Position;
use super::{Diagnostic, Severity, SourceFile};

/// All findings as an array of the protocol's `Diagnostic`, each with the `path` of its file beside it, and `label` and
/// `help` where there are any.
pub fn lsp(diagnostics: &[Diagnostic], files: &[SourceFile]) -> Value {
    let objects = diagnostics.iter().map(|diagnostic| {
        let text = diagnostic.text(files).unwrap_or_default();
        let position = |at| {
            let Position { line, column } = Position::in_utf16(text, at);
            json!({ "line": line, "character": column })
        };
        json!({
            "path": diagnostic.path,
            "range": { "start": position(diagnostic.span.start), "end": position(diagnostic.span.end) },
            "severity": match diagnostic.severity {
                Severity::Error => 1,
                Severity::Warning => 2,
            },
            "code": diagnostic.code,
            "source": "declic",
            "message": diagnostic.message,
            "label": diagnostic.label,
            "help": diagnostic.help,
        })
    });
    Value::Array(objects.collect())
}

/// All findings as a log with one run, and every code as one of its rules. `folder`, empty or ending in a slash, is put
/// before each path: code hosts count from the root of the repository.
pub fn sarif(diagnostics: &[Diagnostic], files: &[SourceFile], folder: &str) -> Value {
    let rules: Vec<Value> = codes::all()
        .iter()
        .map(|code| {
            json!({
                "id": code.code,
                "shortDescription": { "text": code.title },
                "fullDescription": { "text": code.text },
                "defaultConfiguration": { "level": level(code.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| {
            let text = diagnostic.text(files).unwrap_or_default();
            let start = Position::in_characters(text, diagnostic.span.start);
            let end = Position::in_characters(text, diagnostic.span.end);
            let message = [Some(&diagnostic.message), diagnostic.label.as_ref(), diagnostic.help.as_ref()];
            json!({
                "ruleId": diagnostic.code,
                "level": level(diagnostic.severity),
                "message": { "text": message.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("\n") },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri(folder) + &uri(&diagnostic.path) },
                    "region": {
                        "startLine": start.line + 1,
                        "startColumn": start.column + 1,
                        "endLine": end.line + 1,
                        "endColumn": end.column + 1,
                    },
                } }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "declic",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// A relative path as a URI reference (RFC 3986): all but what may stand in a path is escaped.
fn uri(path: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    path.bytes().map(|b| if kept(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> ([Diagnostic; 2], [SourceFile; 1]) {
        let text = "rule: x\npurpose: 🎂 marketng\n".to_owned();
        let at = text.find("marketng").unwrap();
        let found = [
            Diagnostic::error("E0402", "rules/é x.yaml", at..at + 8, "no such purpose")
                .label("here")
                .help("did you mean `marketing`?"),
            Diagnostic::warning("E0404", "rules/policy.yaml", 3..9, "careful"),
        ];
        (found, [SourceFile { path: "rules/é x.yaml".into(), text }])
    }

    #[test]
    fn an_editor_counts_from_nought_and_in_utf16() {
        let (found, files) = found();
        assert_eq!(
            lsp(&found, &files),
            json!([
                {
                    "path": "rules/é x.yaml",
                    "range": { "start": { "line": 1, "character": 12 }, "end": { "line": 1, "character": 20 } },
                    "severity": 1, "code": "E0402", "source": "declic", "message": "no such purpose",
                    "label": "here", "help": "did you mean `marketing`?",
                },
                {
                    "path": "rules/policy.yaml",
                    "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } },
                    "severity": 2, "code": "E0404", "source": "declic", "message": "careful",
                    "label": null, "help": null,
                },
            ])
        );
    }

    #[test]
    fn a_code_host_counts_from_one_and_in_characters() {
        let (found, files) = found();
        let log = sarif(&found, &files, "my shop/");
        let run = &log["runs"][0];
        assert_eq!((&log["version"], &run["columnKind"]), (&json!("2.1.0"), &json!("unicodeCodePoints")));
        assert_eq!(
            run["results"][0],
            json!({
                "ruleId": "E0402",
                "level": "error",
                "message": { "text": "no such purpose\nhere\ndid you mean `marketing`?" },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": "my%20shop/rules/%C3%A9%20x.yaml" },
                    "region": { "startLine": 2, "startColumn": 12, "endLine": 2, "endColumn": 20 },
                } }],
            })
        );
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for result in run["results"].as_array().unwrap() {
            let rule =
                rules.iter().find(|rule| rule["id"] == result["ruleId"]).expect("each result has its rule");
            assert_eq!(rule["defaultConfiguration"]["level"], result["level"]);
        }
    }
}
