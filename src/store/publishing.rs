//! The active rule set, which all workers share, and every version of a rule or template that something is pinned to.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::session::{instant, json_arg, read_json};
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
        // Through the JSON rows, because a text parameter is no `json` to PostgreSQL.
        let sql = format!(
            "INSERT INTO rule_sets (generation, hash, files, published_at) SELECT $2, $3, files, $4 FROM {}",
            tx.session.dialect().rows(1, &[("files", "json")])
        );
        let args = vec![json_arg(&[json!({ "files": files })])?, generation.into(), hash.into(), now.into()];
        tx.session.exec(sql, args).await?;
        let among = tx.session.dialect().among(1);
        let ended = format!("DELETE FROM rules_in_force WHERE NOT (rule {among})");
        tx.session.exec(ended, vec![json_arg(enabled)?]).await?;
        let rows: Vec<_> = enabled.iter().map(|rule| json!({ "rule": rule })).collect();
        let begun = format!(
            "INSERT INTO rules_in_force (rule, since) SELECT rule, $2 FROM {} WHERE true ON CONFLICT DO NOTHING",
            tx.session.dialect().rows(1, &[("rule", "text")])
        );
        tx.session.exec(begun, vec![json_arg(&rows)?, now.into()]).await?;
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

    /// Keeps (rule, version, source); versions known already stay as they are.
    pub async fn save_rule_versions(
        &self,
        versions: &[(String, String, String)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if versions.is_empty() {
            return Ok(());
        }
        let rows: BTreeMap<_, _> = versions
            .iter()
            .map(|(rule, version, source)| {
                let row =
                    json!({ "rule": rule, "version": version, "source": source, "first_seen": instant(now) });
                ((rule, version), row)
            })
            .collect();
        let mut session = self.writing().await?;
        let sql = format!(
            "INSERT INTO rule_versions (rule, version, source, first_seen)
             SELECT rule, version, source, first_seen FROM {} WHERE true ON CONFLICT DO NOTHING",
            session.dialect().rows(
                1,
                &[("rule", "text"), ("version", "text"), ("source", "text"), ("first_seen", "timestamptz")]
            )
        );
        let rows: Vec<_> = rows.into_values().collect();
        session.exec(sql, vec![json_arg(&rows)?]).await.map(drop)
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
        let rows: BTreeMap<_, _> =
            versions.iter().map(|(hash, source)| (hash, json!({ "hash": hash, "source": source }))).collect();
        let mut session = self.writing().await?;
        let sql = format!(
            "INSERT INTO template_versions (hash, source)
             SELECT hash, COALESCE(source, 'null') FROM {} WHERE true ON CONFLICT DO NOTHING",
            session.dialect().rows(1, &[("hash", "text"), ("source", "json")])
        );
        let rows: Vec<_> = rows.into_values().collect();
        session.exec(sql, vec![json_arg(&rows)?]).await.map(drop)
    }
}
