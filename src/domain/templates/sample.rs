//! `templates/NAME/sample.yaml`: what a template is shown with. Nobody is sent it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::source::{complaint, meant_field};
use crate::domain::diagnostic::{Diagnostic, SourceFile};

/// A customer, and the data of an event.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The profile, as in `customer.signed_up`.
    #[serde(default)]
    pub customer: Map<String, Value>,
    #[serde(default)]
    pub data: Map<String, Value>,
}

impl Default for Sample {
    /// What a template without a sample is shown with.
    fn default() -> Self {
        let customer = json!({ "first_name": "Alice", "email": "alice@example.com" });
        Self { customer: customer.as_object().cloned().unwrap_or_default(), data: Map::new() }
    }
}

impl Sample {
    /// The sample of a template; one of ours where it has none.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn of(template: &str, files: &[SourceFile]) -> Result<Self, Box<Diagnostic>> {
        let path = format!("templates/{template}/sample.yaml");
        files.iter().find(|file| file.path == path).map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// Reads a sample.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(file: &SourceFile) -> Result<Self, Box<Diagnostic>> {
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(&file.text, options).map_err(|error| {
            let (place, complaint) = complaint(&file.text, &error);
            let message = format!("this sample cannot be read: {complaint}");
            let found = Diagnostic::error("E0506", &file.path, place, message);
            Box::new(match meant_field(&file.text, &["customer", "data"]) {
                Some(near) => found.help(format!("did you mean `{near}`?")),
                None => found.help("a sample has a `customer` and the `data` of an event"),
            })
        })
    }
}
