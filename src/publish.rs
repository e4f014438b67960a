//! The way of rule files into force: read, check, publish to the store, swap; and following what others publish.
//!
//! Reloading is a transaction: a set with errors changes nothing. Called by `app`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::active::{Active, Checked, Shelf, hash};
use crate::clock::Clock;
use crate::domain::diagnostic::{Severity, SourceFile, render};
use crate::domain::templates::Templates;
use crate::files::{self, FilesError};
use crate::store::{Store, StoreError};
use crate::{guard, telemetry};

/// How often to look whether files changed, in real time. Polling works on every file system and mount.
const EVERY: Duration = Duration::from_secs(1);

/// Why there are no rules to run by.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{report}the rules have errors and the database holds no earlier set: mend them and start again")]
    Refused { report: String },
    #[error("the database holds no rules: start one worker without --no-publish first")]
    NothingPublished,
}

/// Where rules come from.
#[derive(Debug, Clone)]
pub struct Source {
    pub store: Store,
    pub clock: Clock,
    pub secret: Vec<u8>,
    /// The folder to publish from; none follows what other workers publish.
    pub folder: Option<PathBuf>,
}

impl Source {
    /// The set to start with: the folder's, else the last good one of the store.
    pub async fn first(&self) -> Result<Active, PublishError> {
        let active = self.find_first().await?;
        in_force(&active);
        Ok(active)
    }

    async fn find_first(&self) -> Result<Active, PublishError> {
        if let Some(folder) = &self.folder {
            let files = files::read(folder)?;
            match self.publish(&files).await? {
                Ok(active) => return Ok(active),
                Err(report) => match self.published().await? {
                    Some(active) => {
                        telemetry::rules_refused(report.0, &report.1);
                        return Ok(active);
                    }
                    None => return Err(PublishError::Refused { report: report.1 }),
                },
            }
        }
        self.published().await?.ok_or(PublishError::NothingPublished)
    }

    /// Checks the files and publishes them; the inner error is the number of errors and the report on them.
    async fn publish(&self, files: &[SourceFile]) -> Result<Result<Active, (usize, String)>, StoreError> {
        let checked = match check(files) {
            Ok(checked) => checked,
            Err(report) => return Ok(Err(report)),
        };
        let hash = hash(files);
        let known = self.store.active_rule_set().await?.is_some_and(|set| set.hash == hash);
        if !known {
            let rules = checked.rules.rules.values();
            let versions: Vec<_> =
                rules.map(|r| (r.name.clone(), r.version.clone(), r.source.clone())).collect();
            self.store.save_rule_versions(&versions, self.clock.now()).await?;
            self.store.save_template_versions(&template_versions(&checked.templates)?).await?;
            let enabled: Vec<_> =
                checked.rules.rules.values().filter(|r| r.enabled).map(|r| r.name.clone()).collect();
            self.store.publish_rule_set(&hash, files, &enabled, self.clock.now()).await?;
        }
        Ok(Ok(self.activate(checked, files).await?))
    }

    /// The set in force according to the store, if there is one that compiles.
    async fn published(&self) -> Result<Option<Active>, StoreError> {
        let Some(set) = self.store.active_rule_set().await? else { return Ok(None) };
        match check(&set.files) {
            Ok(checked) => Ok(Some(self.activate(checked, &set.files).await?)),
            Err((errors, report)) => {
                telemetry::rules_refused(errors, &report);
                Ok(None)
            }
        }
    }

    async fn activate(&self, checked: Checked, files: &[SourceFile]) -> Result<Active, StoreError> {
        let since = self.store.in_force_since().await?;
        let fences = self.store.fences().await?;
        let active = checked.activate(files, self.secret.clone());
        Ok(Active { book: active.book.in_force_since(since).fenced(fences), ..active })
    }

    /// Keeps the shelf up to date until told to stop. A message on `reload` (SIGHUP) looks at once.
    pub async fn follow(self, shelf: Shelf, mut reload: mpsc::Receiver<()>, shutdown: CancellationToken) {
        let mut files_seen = self.folder.as_deref().and_then(fingerprint);
        let mut generation_seen = None;
        let mut reloads_end = false;
        loop {
            let mut asked = false;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                word = reload.recv(), if !reloads_end => { asked = word.is_some(); reloads_end = word.is_none(); }
                () = shutdown.cancelled() => return,
            }
            let now = self.folder.as_deref().and_then(fingerprint);
            let changed = asked || now != files_seen;
            files_seen = now;
            if let Err(error) = self.look(&shelf, changed, &mut generation_seen).await {
                telemetry::waiting_for("database", &error.to_string());
                // What could not be published is looked at again.
                files_seen = if changed { None } else { files_seen };
            }
        }
    }

    async fn look(
        &self,
        shelf: &Shelf,
        files_changed: bool,
        seen: &mut Option<i64>,
    ) -> Result<(), StoreError> {
        if let Some(folder) = self.folder.as_deref().filter(|_| files_changed) {
            match files::read(folder) {
                Err(error) => telemetry::rules_refused(1, &error.to_string()),
                Ok(files) => match self.publish(&files).await? {
                    Ok(active) => {
                        in_force(&active);
                        shelf.swap(active);
                    }
                    Err((errors, report)) => telemetry::rules_refused(errors, &report),
                },
            }
            return Ok(());
        }
        // Another worker may have published.
        let generation = self.store.active_generation().await?;
        if generation != *seen {
            if let Some(active) = self.published().await?.filter(|active| active.hash != shelf.get().hash) {
                in_force(&active);
                shelf.swap(active);
            }
            *seen = generation;
        }
        Ok(())
    }
}

/// Compiles the files, or says how many errors there are and which. A panic of the compiler is one: the last good set goes
/// on, as after any other.
fn check(files: &[SourceFile]) -> Result<Checked, (usize, String)> {
    let checked = guard::catch(|| Checked::new(files)).map_err(|panic| (1, panic.to_string()))?;
    if checked.has_errors() {
        let errors = checked.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        return Err((errors, render(&checked.diagnostics, files, false)));
    }
    Ok(checked)
}

/// The templates as the store keeps them: content hash and source.
fn template_versions(templates: &Templates) -> Result<Vec<(String, Value)>, StoreError> {
    let mails = templates.all().map(|t| Ok((t.hash.clone(), serde_json::to_value(t.source())?)));
    let texts = templates.all_sms().map(|t| Ok((t.hash.clone(), serde_json::to_value(t.source())?)));
    mails.chain(texts).collect::<Result<_, serde_json::Error>>().map_err(|e| StoreError::Other(e.to_string()))
}

fn in_force(active: &Active) {
    telemetry::rules_in_force(active.book.active.rules.len(), &active.hash);
}

fn fingerprint(folder: &Path) -> Option<u64> {
    files::fingerprint(folder).ok()
}
