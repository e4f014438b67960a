//! `rules/events.yaml`: the events that the shop sends, the fields of their data, and so what a profile can hold.

use std::collections::BTreeMap;

use super::condition::Type;
use super::reader::Reader;
use super::tree::{Kind, Node};
use crate::domain::diagnostic::{Diagnostic, did_you_mean};

/// The fields of the file.
pub(super) const FIELDS: [&str; 1] = ["events"];

/// The event types that change the profile; known without a catalogue.
const BUILT_IN: [&str; 4] = ["customer.signed_up", "customer.updated", "customer.deleted", "consent.changed"];

/// Those whose data becomes the profile.
const OF_PROFILES: [&str; 2] = ["customer.signed_up", "customer.updated"];

/// The attributes that Declic itself reads, all of them texts; known without being declared.
const ATTRIBUTES: [&str; 6] = ["id", "email", "phone", "locale", "timezone", "country"];

/// Fields by name, with what they hold where that is said.
pub type Fields = BTreeMap<String, Option<Type>>;

/// What the shop has declared. Empty where there is no such file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// By event type; none where any field may come.
    events: BTreeMap<String, Option<Fields>>,
    profile: Option<Fields>,
}

impl Catalogue {
    /// All known event types, the built-in ones last.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str).chain(BUILT_IN)
    }

    /// The event types of the shop's own, which nothing but rules can use.
    pub fn own(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str).filter(|name| !BUILT_IN.contains(name))
    }

    /// Whether an event type is declared or built in.
    pub fn knows(&self, event: &str) -> bool {
        self.events.contains_key(event) || BUILT_IN.contains(&event)
    }

    /// The fields of an event's data; none where any may come.
    pub fn fields(&self, event: &str) -> Option<&Fields> {
        self.events.get(event)?.as_ref()
    }

    /// What a profile can hold; none where it may be anything, as long as the events that change it are not declared
    /// with their fields.
    pub fn profile(&self) -> Option<&Fields> {
        self.profile.as_ref()
    }

    /// What a path such as `data.total` or `customer.country` holds, in a rule that this event starts.
    pub fn type_of(&self, event: Option<&str>, path: &str) -> Option<Type> {
        let (root, field) = path.split_once('.')?;
        match root {
            "data" => *self.fields(event?)?.get(field)?,
            _ if ATTRIBUTES.contains(&field) => Some(Type::Text),
            _ => *self.profile.as_ref()?.get(field)?,
        }
    }

    /// What the declared events can put into a profile.
    fn of_profile(&self) -> Option<Fields> {
        let declared: Vec<_> = OF_PROFILES.iter().filter_map(|kind| self.events.get(*kind)).collect();
        if declared.is_empty() || declared.iter().any(|fields| fields.is_none()) {
            return None;
        }
        let own = ATTRIBUTES.iter().map(|name| ((*name).to_owned(), Some(Type::Text)));
        Some(declared.into_iter().flatten().flat_map(Clone::clone).chain(own).collect())
    }
}

/// Reads the catalogue: `events:` with a list of names, or a mapping from each name to the fields of its data: a list
/// of them, a mapping to what each holds, or nothing.
pub(super) fn catalogue<'a>(reader: &mut Reader<'a>, tree: &'a Node) -> Option<Catalogue> {
    let fields = reader.fields(tree, "the event catalogue", &FIELDS)?;
    let example = "events: [cart.updated, order.placed]";
    let node = reader.required(&fields, "events", "the event catalogue", example)?;
    let mut catalogue = Catalogue::default();
    if let Kind::List(names) = &node.kind {
        for name in names {
            if let Some(name) = reader.text(name, "events") {
                catalogue.events.insert(name.to_owned(), None);
            }
        }
        return Some(catalogue);
    }
    for (key, value) in reader.open_fields(node, "`events`")?.iter() {
        let declared = declared(reader, &key.name, value);
        catalogue.events.insert(key.name.clone(), declared);
    }
    catalogue.profile = catalogue.of_profile();
    Some(catalogue)
}

/// The fields of one event.
fn declared<'a>(reader: &mut Reader<'a>, event: &str, node: &'a Node) -> Option<Fields> {
    match &node.kind {
        Kind::Empty => None,
        Kind::List(names) => {
            Some(names.iter().filter_map(|n| reader.text(n, event)).map(|n| (n.to_owned(), None)).collect())
        }
        Kind::Map(_) => {
            let fields = reader.open_fields(node, "an event")?;
            Some(
                fields
                    .iter()
                    .map(|(key, value)| (key.name.clone(), holds(reader, &key.name, value)))
                    .collect(),
            )
        }
        Kind::Scalar(_) => {
            let message = format!("`{event}` must list the fields of its data, or nothing");
            let diagnostic = Diagnostic::error("E0105", reader.path, node.span.clone(), message);
            reader.report(diagnostic.help(format!("write it like `{event}: [cart_id, total]`")));
            None
        }
    }
}

/// What a field holds, where it is said.
fn holds<'a>(reader: &mut Reader<'a>, field: &str, node: &'a Node) -> Option<Type> {
    if node.kind == Kind::Empty {
        return None;
    }
    let text = reader.text(node, field)?;
    let known = Type::OF_FIELDS.iter().find(|(name, _)| *name == text);
    if known.is_none() {
        let names = Type::OF_FIELDS.map(|(name, _)| name);
        let meant = match text.to_lowercase().as_str() {
            "string" | "date" | "datetime" | "timestamp" => Some("text"),
            "int" | "integer" | "float" | "double" | "decimal" | "amount" => Some("number"),
            "bool" | "yes_no" => Some("boolean"),
            "array" => Some("list"),
            "map" | "mapping" => Some("object"),
            other => did_you_mean(other, names),
        };
        let message = format!("`{text}` is not what a field can hold");
        let diagnostic = Diagnostic::error("E0217", reader.path, node.span.clone(), message);
        reader.report(match meant {
            Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
            None => diagnostic.help(format!("it is one of {}", super::reader::listed(&names))),
        });
    }
    known.map(|(_, kind)| *kind)
}
