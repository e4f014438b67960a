//! Rendering and diagnostics of templates, case by case.

use serde_json::{Value, json};

use super::*;
use crate::domain::diagnostic::{Diagnostic, Severity, SourceFile};

fn files(files: &[(&str, &str)]) -> Vec<SourceFile> {
    files.iter().map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() }).collect()
}

/// A template whose only content is `body` within an mj-text.
fn mail(subject: &str, body: &str) -> String {
    page(subject, &format!("<mj-section><mj-column><mj-text>{body}</mj-text></mj-column></mj-section>"))
}

fn page(subject: &str, body: &str) -> String {
    format!("---\nsubject: '{}'\n---\n<mjml><mj-body>{body}</mj-body></mjml>\n", subject.replace('\'', "''"))
}

fn check(text: &str) -> (Option<Arc<Template>>, Vec<Diagnostic>) {
    let (templates, diagnostics) = compile(&files(&[("templates/t/email.fr.mjml", text)]), "fr");
    (templates.resolve("t", "fr"), diagnostics)
}

fn template(text: &str) -> Arc<Template> {
    let (template, diagnostics) = check(text);
    assert_eq!(diagnostics, [], "{text}");
    template.unwrap()
}

/// What an expression renders to in a subject, or the error.
fn shown(expression: &str, context: Value) -> Result<String, String> {
    template(&mail(expression, "x")).render(&context).map(|r| r.subject).map_err(|e| e.message)
}

#[test]
fn tables_keep_loops_in_place() {
    let body = "<mj-section><mj-column><mj-table>{{#each data.items}}<tr><td title=\"{{name}}\">{{name}} × {{number quantity}}</td></tr>{{/each}}</mj-table></mj-column></mj-section>";
    let t = template(&page("s", body));
    let html = t
        .render(
            &json!({"data": {"items": [{"name": "A<b>\"", "quantity": 1}, {"name": "B", "quantity": 2}]}}),
        )
        .unwrap()
        .html;
    println!("{html}");
    assert!(html.contains(
        "<tr><td title=\"A&lt;b&gt;&quot;\">A&lt;b&gt;&quot; × 1</td></tr><tr><td title=\"B\">B × 2</td></tr>"
    ));
}
