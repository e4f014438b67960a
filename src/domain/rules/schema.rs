//! What may stand in the files below `rules/`, as JSON Schema: editors complete fields and explain them by it.
//!
//! Composed from the lists by which the readers go, so that no field is forgotten or made up; the words are for the
//! people who write rules. It says what a file looks like and never more than the readers want: whether a rule makes
//! sense, `check` says. Draft 7, which the YAML language server speaks best.

mod policy;
mod rule;
mod scenario;
mod shapes;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

/// The kinds of file that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    Rule,
    Test,
    Policy,
    Events,
}

impl Schema {
    pub const ALL: [Self; 4] = [Self::Rule, Self::Test, Self::Policy, Self::Events];

    /// How it is called; `NAME.json` is its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Test => "test",
            Self::Policy => "policy",
            Self::Events => "events",
        }
    }

    /// The schema itself.
    pub fn value(self) -> Value {
        let (title, mut schema) = match self {
            Self::Rule => ("A rule of Declic (rules/NAME.yaml)", rule::rule()),
            Self::Test => ("What a rule of Declic is meant to do (rules/NAME.test.yaml)", scenario::test()),
            Self::Policy => ("What all rules of Declic share (rules/policy.yaml)", policy::policy()),
            Self::Events => ("The events that the shop sends (rules/events.yaml)", policy::events()),
        };
        schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        schema["title"] = json!(title);
        schema
    }

    /// The text of its file.
    pub fn text(self) -> String {
        format!("{:#}\n", self.value())
    }
}
