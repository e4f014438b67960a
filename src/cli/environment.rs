//! What commands stand on: the configuration and the database, with failures in the right exit code.

use std::path::Path;

use super::Failure;
use crate::active::{Active, Checked, Shelf};
use crate::app;
use crate::config::{self, Config};
use crate::operate::Operator;
use crate::process::Processor;
use crate::store::Store;

/// The configuration; what is wrong with it is the user's to mend.
pub fn config(path: Option<&Path>) -> Result<Config, Failure> {
    config::load(path, config::environment())
        .map_err(|e| Failure::Refused(format!("{:#}", anyhow::Error::from(e))))
}

/// The database of the configuration, its schema checked.
pub async fn store(config: &Config) -> Result<Store, Failure> {
    app::open_store(config, config.clock()).await.map_err(failed)
}

/// What applies facts as the worker would, by the rules that are in force and within the fences of a restore: after one,
/// an import is the first to bring back what customers said.
pub async fn processor(config: &Config, store: Store) -> Result<Processor, Failure> {
    let active = active(config, &store).await?;
    Ok(Processor::new(store, Shelf::new(active), config.clock()))
}

/// The rules that are in force according to the database; none where nothing has been published.
pub async fn active(config: &Config, store: &Store) -> Result<Active, Failure> {
    let secret = app::secret(config, store).await.map_err(failed)?;
    let files = store.active_rule_set().await.map_err(failed)?.map(|set| set.files).unwrap_or_default();
    let active = Checked::new(&files).activate(&files, secret);
    let since = store.in_force_since().await.map_err(failed)?;
    let fences = store.fences().await.map_err(failed)?;
    Ok(Active { book: active.book.in_force_since(since).fenced(fences), ..active })
}

/// Who acts, by the name of their account on this machine: for the audit log.
pub fn operator(store: Store) -> Operator {
    let named = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|variable| std::env::var(variable).ok().filter(|name| !name.is_empty()));
    let name = named.unwrap_or_else(|| {
        use std::os::unix::fs::MetadataExt as _;
        // A container has no name for its user.
        let uid = std::fs::metadata("/proc/self").map(|process| process.uid());
        uid.map_or_else(|_| "unknown".to_owned(), |uid| format!("uid {uid}"))
    });
    Operator { store, name }
}

/// An error of the surroundings, with its causes on one line.
pub fn failed(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Environment(format!("{:#}", error.into()))
}

/// A worker that cannot start: what it was given is refused, or its surroundings failed.
pub fn start_failed(error: anyhow::Error) -> Failure {
    if app::is_refusal(&error) { Failure::Refused(format!("{error:#}")) } else { failed(error) }
}
