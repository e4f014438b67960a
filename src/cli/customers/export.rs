//! Everything that is held of one customer, for them to read or to take elsewhere (GDPR articles 15 and 20).

use std::io::Write as _;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::explain::{Lang, language};
use super::super::{Failure, environment};
use super::page;

/// What an export looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// One JSON object: a list of rows for each kind of data
    Json,
    /// A page to read and to print, with nothing loaded from elsewhere
    Html,
}

pub async fn export(
    config: Option<&Path>,
    id: &str,
    shape: Shape,
    lang: Option<Lang>,
    out: Option<&Path>,
) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    let held = store.holdings(id).await.map_err(environment::failed)?;
    let held = held.ok_or_else(|| Failure::Refused(format!("there is no customer `{id}`")))?;
    let now = config.clock().now();
    let text = match shape {
        Shape::Json => {
            let mut whole = Map::from_iter([
                ("customer_id".to_owned(), json!(id)),
                ("exported_at".to_owned(), json!(now)),
            ]);
            whole.extend(held);
            format!("{:#}\n", Value::Object(whole))
        }
        Shape::Html => page::of(id, &held, now, language(lang)),
    };
    let failed = |e: std::io::Error| match out {
        Some(file) => Failure::Refused(format!("cannot write {}: {e}", file.display())),
        None => environment::failed(e),
    };
    match out {
        Some(file) => private(file).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed),
        None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(failed),
    }
}

/// A file that nobody else can read: it holds all there is of a person.
fn private(file: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}
