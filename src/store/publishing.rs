//! The active rule set, which all workers share, and every version of a rule or template that something is pinned to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::args::Arg;
use super::rows::Rows;
use super::session::read_json;
use super::{Store, StoreError};
use crate::domain::diagnostic::SourceFile;

/// The advisory lock that lets one worker publish at a time ("rules" in ASCII).
const PUBLISH_LOCK: i64 = 0x72_756c_6573;

/// The rule set that workers are to run.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveRuleSet {
    /// Grows by one with each set published.
    pub generation: i64,
    pub hash: String,
    pub files: Vec<SourceFile>,
}

impl Store {
    /// The generation of the active set, for a cheap look whether it changed.
    pub async fn active_generation(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT MAX(generation) FROM rule_sets";
        let row: Option<(Option<i64>,)> = self.reading().await?.first(sql, vec![]).await?;
        Ok(row.and_then(|(generation,)| generation))
    }

    /// The newest set published.
    pub async fn active_rule_set(&self) -> Result<Option<ActiveRuleSet>, StoreError> {
        let sql =
            "SELECT generation, hash, CAST(files AS text) FROM rule_sets ORDER BY generation DESC LIMIT 1";
        let row: Option<(i64, String, String)> = self.reading().await?.first(sql, vec![]).await?;
        row.map(|(generation, hash, files)| {
            let files = read_json("rule_sets", || generation.to_string(), "files", &files)?;
            Ok(ActiveRuleSet { generation, hash, files })
        })
        .transpose()
    }

    /// Makes a set the active one and returns its generation; the set that is active already keeps its own. `enabled`
    /// rules are in force from `now` on, or since they were without a break.
    pub async fn publish_rule_set(
        &self,
        hash: &str,
        files: &[SourceFile],
        enabled: &[String],
        now: DateTime<Utc>,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        tx.session.alone(PUBLISH_LOCK).await?;
        let sql = "SELECT generation, hash FROM rule_sets ORDER BY generation DESC LIMIT 1";
        let newest: Option<(i64, String)> = tx.session.first(sql, vec![]).await?;
        if let Some((generation, active)) = &newest
            && active == hash
        {
            return Ok(*generation);
        }
        let generation = newest.map_or(1, |(generation, _)| generation + 1);
        let args = vec![generation.into(), hash.into(), now.into()];
        // As a row, because a text parameter is no `json` to PostgreSQL.
        let (table, args) =
            Rows::of(&[files]).json("files", |files| *files)?.after(args, tx.session.dialect());
        let sql = format!(
            "INSERT INTO rule_sets (generation, hash, files, published_at) SELECT $1, $2, files, $3 FROM {table}"
        );
        tx.session.exec(sql, args).await?;
        let among = tx.session.dialect().among(1);
        let ended = format!("DELETE FROM rules_in_force WHERE NOT (rule {among})");
        tx.session.exec(ended, vec![Arg::list(enabled)]).await?;
        let (table, args) = Rows::of(enabled)
            .text("rule", |rule| rule.as_str())
            .after(vec![now.into()], tx.session.dialect());
        let begun = format!(
            "INSERT INTO rules_in_force (rule, since) SELECT rule, $1 FROM {table} WHERE true ON CONFLICT DO NOTHING"
        );
        tx.session.exec(begun, args).await?;
        tx.commit().await?;
        Ok(generation)
    }

    /// Since when each rule has been in force without a break.
    pub async fn in_force_since(&self) -> Result<BTreeMap<String, DateTime<Utc>>, StoreError> {
        let sql = "SELECT rule, since FROM rules_in_force";
        let rows: Vec<(String, DateTime<Utc>)> = self.reading().await?.fetch(sql, vec![]).await?;
        Ok(rows.into_iter().collect())
    }

    /// The source of a rule as it was in a version, once saved.
    pub async fn rule_version(&self, rule: &str, version: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT source FROM rule_versions WHERE rule = $1 AND version = $2";
        let row: Option<(String,)> =
            self.reading().await?.first(sql, vec![rule.into(), version.into()]).await?;
        Ok(row.map(|(source,)| source))
    }

    /// When each version of each rule was first published, by (rule, version).
    pub async fn rule_versions_since(&self) -> Result<BTreeMap<(String, String), DateTime<Utc>>, StoreError> {
        let sql = "SELECT rule, version, first_seen FROM rule_versions";
        let rows: Vec<(String, String, DateTime<Utc>)> = self.reading().await?.fetch(sql, vec![]).await?;
        Ok(rows.into_iter().map(|(rule, version, since)| ((rule, version), since)).collect())
    }

    /// Keeps (rule, version, source); versions known already stay as they are.
    pub async fn save_rule_versions(
        &self,
        versions: &[(String, String, String)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if versions.is_empty() {
            return Ok(());
        }
        let mut sorted = versions.to_vec();
        sorted.sort();
        let mut session = self.writing().await?;
        let (table, args) = Rows::of(&sorted)
            .text("rule", |(rule, ..)| rule.as_str())
            .text("version", |(_, version, _)| version.as_str())
            .text("source", |(.., source)| source.as_str())
            .after(vec![now.into()], session.dialect());
        let sql = format!(
            "INSERT INTO rule_versions (rule, version, source, first_seen)
             SELECT rule, version, source, $1 FROM {table} WHERE true ON CONFLICT DO NOTHING"
        );
        session.exec(sql, args).await.map(drop)
    }

    /// A template as it was when something was pinned to it, by content hash.
    pub async fn template_version(&self, hash: &str) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT CAST(source AS text) FROM template_versions WHERE hash = $1";
        let row: Option<(String,)> = self.reading().await?.first(sql, vec![hash.into()]).await?;
        row.map(|(source,)| read_json("template_versions", || hash.to_owned(), "source", &source)).transpose()
    }

    /// Keeps templates by content hash; those known already stay as they are.
    pub async fn save_template_versions(&self, versions: &[(String, Value)]) -> Result<(), StoreError> {
        if versions.is_empty() {
            return Ok(());
        }
        let mut sorted: Vec<&(String, Value)> = versions.iter().collect();
        sorted.sort_by_key(|(hash, _)| hash);
        let mut session = self.writing().await?;
        let (table, args) = Rows::of(&sorted)
            .text("hash", |(hash, _)| hash.as_str())
            .json("source", |(_, source)| source)?
            .after(Vec::new(), session.dialect());
        let sql = format!(
            "INSERT INTO template_versions (hash, source)
             SELECT hash, source FROM {table} WHERE true ON CONFLICT DO NOTHING"
        );
        session.exec(sql, args).await.map(drop)
    }
}
