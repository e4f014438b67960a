//! What commands stand on: the configuration and the database, with failures in the right exit code.

use std::path::Path;

use super::Failure;
use crate::app;
use crate::config::{self, Config};
use crate::store::Store;

/// The configuration; what is wrong with it is the user's to mend.
pub fn config(path: Option<&Path>) -> Result<Config, Failure> {
    config::load(path, config::environment()).map_err(|e| Failure::Refused(format!("{:#}", anyhow::Error::from(e))))
}

/// The database of the configuration, its schema checked.
pub async fn store(config: &Config) -> Result<Store, Failure> {
    app::open_store(config, config.clock()).await.map_err(failed)
}

/// An error of the surroundings, with its causes on one line.
pub fn failed(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Environment(format!("{:#}", error.into()))
}

/// A worker that cannot start: what it was given is refused, or its surroundings failed.
pub fn start_failed(error: anyhow::Error) -> Failure {
    if app::is_refusal(&error) { Failure::Refused(format!("{error:#}")) } else { failed(error) }
}
