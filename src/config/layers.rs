//! The file and the environment laid over each other, and where every key of the result was said.
//!
//! Knows nothing of what keys mean, but for those that hold secrets or name files with them. Only
//! `config` uses it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::{ConfigError, DEFAULT_FILE, Place};
use crate::domain::diagnostic::did_you_mean;

/// Keys whose value can be given by a file instead, under this name and `_file`. Others that end in `_file`,
/// such as a certificate's, are ordinary keys.
const SECRETS: [&str; 7] =
    ["password", "previous_secrets", "private_key", "secret", "signing_key", "token", "url"];

/// The one of them that is a list; its file has one a line.
const LIST: &str = "previous_secrets";

/// Keys of the root that a variable can set by their name alone.
const ROOT: [&str; 4] = ["secret", "secret_file", "previous_secrets", "previous_secrets_file"];

/// A merged configuration: tables, and the origin of each key.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers {
    table: Hidden<Table>,
    /// By path, written as `smtp.dkim[0].selector`.
    places: BTreeMap<String, Place>,
    /// Values from the environment as they were given, by path.
    raw: Hidden<BTreeMap<String, String>>,
}

/// Something that may hold secrets, kept out of debug output.
#[derive(Clone, Default)]
struct Hidden<T>(T);

impl<T> std::fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Layers {
    /// Reads all layers; see [`super::load`].
    pub(super) fn read(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self::default();
        let file = path.unwrap_or(Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(file) {
            Ok(text) => layers.add_file(file, &text)?,
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(ConfigError::Unreadable { place: Place::Nowhere, path: file.to_owned(), source });
            }
        }
        // Sorted, so that the same environment always gives the same first error.
        for (name, value) in env.collect::<BTreeMap<_, _>>() {
            layers.add_variable(&name, &value)?;
        }
        let mut table = std::mem::take(&mut layers.table.0);
        layers.read_secrets(&mut table, "", file.parent().unwrap_or(Path::new("")))?;
        layers.table.0 = table;
        Ok(layers)
    }

    /// Whether there is anything at `path`, such as `amqp` or `amqp.url`.
    pub(super) fn has(&self, path: &str) -> bool {
        let mut keys = path.split('.');
        let first = keys.next().and_then(|key| self.table.0.get(key));
        keys.fold(first, |value, key| value?.get(key)).is_some()
    }

    /// The text at `path`; none where there is none, or something else.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        let mut keys = path.split('.');
        let first = keys.next().and_then(|key| self.table.0.get(key));
        keys.fold(first, |value, key| value?.get(key))?.as_str()
    }

    /// The table at `path` (empty: all of it) as a `T`.
    pub(super) fn parse<T: DeserializeOwned>(&self, path: &str) -> Result<T, ConfigError> {
        let mut value = Value::Table(self.table.0.clone());
        loop {
            let part = if path.is_empty() { Some(&value) } else { value.get(path) };
            let part = part.cloned().unwrap_or_else(|| Value::Table(Table::new()));
            let error = match serde_path_to_error::deserialize(part) {
                Ok(parsed) => return Ok(parsed),
                Err(error) => error,
            };
            let at = joined(path, &error.path().to_string());
            // A password may look like a number: what does not fit as TOML is tried as the text it came as.
            if let Some(raw) = self.raw.0.get(&at)
                && as_text(&mut value, &at, raw)
            {
                continue;
            }
            let error: toml::de::Error = error.into_inner();
            return Err(self.invalid(&at, reworded(&at, error.message())));
        }
    }

    /// An error at the place where `path` was said, or else the nearest section around it.
    pub(super) fn invalid(&self, path: &str, message: String) -> ConfigError {
        ConfigError::Invalid { place: self.place(path), message }
    }

    fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return place.clone();
            }
            // A section that only variables speak of has no place of its own: any of them will do.
            let inside = self.places.range(format!("{path}.")..).next();
            if let Some((_, place)) = inside.filter(|(found, _)| found.starts_with(&format!("{path}."))) {
                return place.clone();
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return Place::Nowhere,
            }
        }
    }

    fn add_file(&mut self, file: &Path, text: &str) -> Result<(), ConfigError> {
        let at = |offset: usize| {
            let before = text.get(..offset).unwrap_or(text);
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            Place::File {
                path: file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
            }
        };
        // The message alone: the whole error would quote the line, which may hold a secret.
        let invalid = |error: toml::de::Error| ConfigError::Invalid {
            place: at(error.span().map_or(0, |span| span.start)),
            message: error.message().replace('\n', "; "),
        };
        let spanned = DeTable::parse(text).map_err(invalid)?;
        note_table(spanned.get_ref(), "", &at, &mut self.places);
        self.table.0 = toml::from_str(text).map_err(invalid)?;
        Ok(())
    }

    fn add_variable(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let Some(rest) = name.strip_prefix("DECLIC_").filter(|_| !value.is_empty()) else { return Ok(()) };
        let keys: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
        if keys.len() == 1 && !ROOT.contains(&keys[0].as_str()) {
            return Ok(());
        }
        let place = Place::Variable(name.to_owned());
        let invalid = |message: String| ConfigError::Invalid { place: place.clone(), message };
        if keys.iter().any(String::is_empty) {
            return Err(invalid("write it like DECLIC_SECTION__KEY".to_owned()));
        }
        let Some((last, sections)) = keys.split_last() else { return Ok(()) };
        let mut table = &mut self.table.0;
        for section in sections {
            let inner = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(inner) = inner else {
                return Err(invalid(format!("`{section}` is a key, not a section")));
            };
            table = inner;
        }
        // `password` here overrides `password_file` there, and the other way round.
        let section = sections.join(".");
        let other = last.strip_suffix("_file").map_or_else(|| format!("{last}_file"), str::to_owned);
        let other_path = joined(&section, &other);
        if matches!(self.places.get(&other_path), Some(Place::File { .. })) && is_secret(last) {
            table.remove(&other);
            self.places.remove(&other_path);
        }
        let path = joined(&section, last);
        table.insert(last.clone(), typed(value));
        self.raw.0.insert(path.clone(), value.to_owned());
        // What the file said below this key is no longer there.
        self.places
            .retain(|key, _| !key.starts_with(&format!("{path}.")) && !key.starts_with(&format!("{path}[")));
        self.places.insert(path, place);
        Ok(())
    }

    /// Puts the content of each `KEY_file` in the place of KEY. Relative paths are relative to the
    /// configuration file, or to the working directory where a variable names them.
    fn read_secrets(&mut self, table: &mut Table, at: &str, folder: &Path) -> Result<(), ConfigError> {
        for secret in SECRETS {
            let key = format!("{secret}_file");
            let (path, key_path) = (joined(at, secret), joined(at, &key));
            let Some(Value::String(file)) = table.get(&key) else { continue };
            if table.contains_key(secret) {
                let message = format!("both `{secret}` and `{key}` are given; one is enough");
                return Err(self.invalid(&key_path, message));
            }
            let place = self.place(&key_path);
            let from = if matches!(place, Place::Variable(_)) { Path::new("") } else { folder };
            let file: PathBuf = from.join(file);
            let text = std::fs::read_to_string(&file).map_err(|source| ConfigError::Unreadable {
                place: place.clone(),
                path: file,
                source,
            })?;
            table.remove(&key);
            let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
            let value = match secret {
                LIST => Value::Array(lines().map(|line| Value::String(line.to_owned())).collect()),
                _ => Value::String(text.trim().to_owned()),
            };
            table.insert(secret.to_owned(), value);
            self.places.insert(path, place);
        }
        for (key, value) in table.iter_mut() {
            let here = joined(at, key);
            match value {
                Value::Table(inner) => self.read_secrets(inner, &here, folder)?,
                Value::Array(items) => {
                    for (index, item) in items.iter_mut().enumerate() {
                        if let Value::Table(inner) = item {
                            self.read_secrets(inner, &format!("{here}[{index}]"), folder)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn joined(section: &str, key: &str) -> String {
    match (section, key) {
        ("", key) => key.to_owned(),
        // serde_path_to_error calls the root of what it read `.`.
        (section, "" | ".") => section.to_owned(),
        (section, key) => format!("{section}.{key}"),
    }
}

fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key.strip_suffix("_file").unwrap_or(key))
}

/// Notes the place of every key of a table, and of those within.
fn note_table(
    table: &DeTable<'_>,
    path: &str,
    at: &impl Fn(usize) -> Place,
    places: &mut BTreeMap<String, Place>,
) {
    for (key, value) in table {
        let here = joined(path, key.get_ref());
        places.insert(here.clone(), at(key.span().start));
        note_value(value.get_ref(), &here, at, places);
    }
}

fn note_value(
    value: &DeValue<'_>,
    path: &str,
    at: &impl Fn(usize) -> Place,
    places: &mut BTreeMap<String, Place>,
) {
    match value {
        DeValue::Table(table) => note_table(table, path, at, places),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let here = format!("{path}[{index}]");
                places.insert(here.clone(), at(item.span().start));
                note_value(item.get_ref(), &here, at, places);
            }
        }
        _ => {}
    }
}

/// A variable's value as TOML, or as plain text if it is none.
fn typed(value: &str) -> Value {
    let parsed: Result<Table, _> = toml::from_str(&format!("value = {value}"));
    match parsed {
        Ok(mut table) if table.len() == 1 => {
            table.remove("value").unwrap_or_else(|| Value::String(value.to_owned()))
        }
        _ => Value::String(value.to_owned()),
    }
}

/// Replaces what stands at `path` by the text `raw`; false if it is that text already.
fn as_text(value: &mut Value, path: &str, raw: &str) -> bool {
    let mut here = value;
    for key in path.split('.') {
        let Some(inner) = here.get_mut(key) else { return false };
        here = inner;
    }
    if matches!(here, Value::String(text) if text == raw) {
        return false;
    }
    *here = Value::String(raw.to_owned());
    true
}

/// serde's message in the words of a configuration file, and without a secret's value.
fn reworded(path: &str, message: &str) -> String {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let unknown = quoted.next().unwrap_or(key);
        let known: Vec<&str> = quoted.collect();
        let place = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
        let advice = match did_you_mean(unknown, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        return format!("unknown key `{unknown}`{place}; {advice}");
    }
    if message.starts_with("missing field") {
        return format!("`{}` is missing in [{path}]", quoted.next().unwrap_or_default());
    }
    // serde quotes what it found.
    if key.split('[').next().is_some_and(is_secret) && message.starts_with("invalid") {
        let wanted = if key == LIST { "a list of texts" } else { "a text" };
        return format!("`{path}` must be {wanted}");
    }
    format!("`{path}`: {message}")
}
