//! Countries in the policy: codes of ISO 3166-1, with help for those who write them otherwise.

use std::ops::Range;

use super::super::reader::Reader;
use super::super::tree::{Kind, Node};
use crate::domain::countries;
use crate::domain::diagnostic::Diagnostic;

/// What people write instead of a code, in small letters.
const MEANT: [(&str, &str); 12] = [
    ("uk", "GB"),
    ("el", "GR"),
    ("usa", "US"),
    ("fra", "FR"),
    ("france", "FR"),
    ("belgique", "BE"),
    ("belgium", "BE"),
    ("suisse", "CH"),
    ("switzerland", "CH"),
    ("reunion", "RE"),
    ("guadeloupe", "GP"),
    ("martinique", "MQ"),
];

/// One country's code.
pub(super) fn code<'a>(reader: &mut Reader<'a>, node: &'a Node, field: &str) -> Option<String> {
    let text = reader.text(node, field)?;
    written(reader, text, node.span.clone())
}

/// The code written at a place, a value or a key.
pub(super) fn written(reader: &mut Reader<'_>, text: &str, span: Range<usize>) -> Option<String> {
    if countries::is_code(text) {
        return Some(text.to_owned());
    }
    let lower = text.to_lowercase();
    let near = MEANT.iter().find(|(word, _)| *word == lower).map(|(_, code)| *code);
    let near = near.or_else(|| countries::codes().find(|code| code.eq_ignore_ascii_case(text)));
    let message = format!("`{text}` is not a country's code");
    let diagnostic = Diagnostic::error("E0407", reader.path, span, message);
    reader.report(match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("write the two capital letters of ISO 3166-1, like `FR` or `RE`"),
    });
    None
}

/// One code or a list of them, each once.
pub(super) fn list<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Vec<String> {
    let Kind::List(nodes) = &node.kind else {
        return code(reader, node, "country").into_iter().collect();
    };
    if nodes.is_empty() {
        reader.error("E0105", node.span.clone(), "`country` is empty: leave it out for all countries");
    }
    nodes.iter().filter_map(|node| code(reader, node, "country")).collect()
}
