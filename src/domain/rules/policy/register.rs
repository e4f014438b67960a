//! `register` of the policy: what the register of processing (GDPR article 30) says that nothing else tells.

use std::collections::BTreeMap;

use super::super::reader::{Fields, Reader};
use super::super::tree::Node;
use super::country;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::register::{Declared, Officer};

/// The fields of `register`.
pub(in super::super) const FIELDS: [&str; 4] = ["joint_controller", "representative", "dpo", "safeguards"];

/// What says that there is no data protection officer.
const NONE: &str = "none";

/// Contact details and safeguards are a line in a table; longer ones are a document to refer to.
const LONGEST: usize = 300;

pub(super) fn register<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Declared {
    let Some(fields) = reader.fields(node, "`register`", &FIELDS) else { return Declared::default() };
    let dpo = line_of(reader, &fields, "dpo");
    Declared {
        joint_controller: line_of(reader, &fields, "joint_controller"),
        representative: line_of(reader, &fields, "representative"),
        dpo: dpo.map(|words| if words == NONE { Officer::None } else { Officer::Is(words) }),
        safeguards: fields.get("safeguards").map_or_else(BTreeMap::new, |node| safeguards(reader, node)),
    }
}

/// What protects data in a country outside of the European Economic Area, by its code.
fn safeguards<'a>(reader: &mut Reader<'a>, node: &'a Node) -> BTreeMap<String, String> {
    let mut safeguards = BTreeMap::new();
    let Some(by_country) = reader.open_fields(node, "`safeguards`") else { return safeguards };
    for (key, value) in by_country.iter() {
        let Some(country) = country::written(reader, &key.name, key.span.clone()) else { continue };
        if let Some(words) = line(reader, value, &key.name) {
            safeguards.insert(country, words);
        }
    }
    safeguards
}

fn line_of<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>, name: &str) -> Option<String> {
    fields.get(name).and_then(|node| line(reader, node, name))
}

/// A text on one line.
fn line<'a>(reader: &mut Reader<'a>, node: &'a Node, name: &str) -> Option<String> {
    let text = reader.text(node, name)?.trim();
    if text.is_empty() || text.contains(char::is_control) || text.chars().count() > LONGEST {
        let message = format!("`{name}` is one line of at most {LONGEST} characters");
        let found = Diagnostic::error("E0403", reader.path, node.span.clone(), message);
        reader.report(found.help("name who it is and how they are reached, or the document that says more"));
        return None;
    }
    Some(text.to_owned())
}
