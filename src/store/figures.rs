//! Figures over time ([`crate::domain::figures`]): added to by each worker, read by pages. They hold no customer.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::rows::Rows;
use super::{Store, StoreError};
use crate::domain::figures::{Figure, Grain, Kind};

/// What a figure is read from.
type Fields = (DateTime<Utc>, String, String, String, String, i64);

impl Store {
    /// Adds these to what is counted already, all or none.
    pub async fn add_figures(&self, figures: &[Figure]) -> Result<(), StoreError> {
        // In the order of their keys, or two workers would wait for each other; and each key once, for one statement changes
        // a row once.
        let mut sums = BTreeMap::new();
        for (Figure { slot, kind, rule, channel, what, count }, grain) in
            figures.iter().flat_map(|figure| Grain::ALL.iter().map(move |grain| (figure, grain)))
        {
            let slot = grain.start(*slot);
            *sums.entry((grain.minutes(), slot, kind.as_str(), rule, channel, what)).or_insert(0) += count;
        }
        if sums.is_empty() {
            return Ok(());
        }
        let sums: Vec<_> = sums.into_iter().collect();
        let mut session = self.writing().await?;
        let (table, args) = Rows::of(&sums)
            .int("minutes", |(key, _)| key.0)
            .time("slot", |(key, _)| key.1)
            .text("kind", |(key, _)| key.2)
            .text("rule", |(key, _)| key.3.as_str())
            .text("channel", |(key, _)| key.4.as_str())
            .text("what", |(key, _)| key.5.as_str())
            .int("count", |(_, count)| *count)
            .after(Vec::new(), session.dialect());
        let sql = format!(
            "INSERT INTO figures (minutes, slot, kind, rule, channel, what, count)
             SELECT minutes, slot, kind, rule, channel, what, count FROM {table} WHERE true
             ON CONFLICT (minutes, slot, kind, rule, channel, what) DO UPDATE SET count = figures.count + excluded.count"
        );
        session.exec(sql, args).await.map(drop)
    }

    /// Over all rules, in the order of slots. `since` inclusive, `until` exclusive; `rule` is empty in all.
    pub async fn figures_over_time(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        grain: Grain,
    ) -> Result<Vec<Figure>, StoreError> {
        let sql = "SELECT slot, kind, '', channel, what, CAST(SUM(count) AS bigint) FROM figures
             WHERE minutes = $3 AND slot >= $1 AND slot < $2 GROUP BY slot, kind, channel, what";
        let rows = self
            .reading()
            .await?
            .fetch(sql, vec![since.into(), until.into(), grain.minutes().into()])
            .await?;
        let mut figures: Vec<Figure> = rows.into_iter().filter_map(read).collect();
        // Here, and not there: told to sort, PostgreSQL sorts all that is to be summed.
        figures.sort();
        Ok(figures)
    }

    /// The sums of each rule over that time, in the order of rules; `slot` is `since` in all. What belongs to no rule has an
    /// empty one.
    pub async fn figures_by_rule(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        grain: Grain,
    ) -> Result<Vec<Figure>, StoreError> {
        let sql = "SELECT kind, rule, channel, what, CAST(SUM(count) AS bigint) FROM figures
             WHERE minutes = $3 AND slot >= $1 AND slot < $2 GROUP BY kind, rule, channel, what";
        type Sums = (String, String, String, String, i64);
        let rows: Vec<Sums> = self
            .reading()
            .await?
            .fetch(sql, vec![since.into(), until.into(), grain.minutes().into()])
            .await?;
        let figure = |(kind, rule, channel, what, count)| read((since, kind, rule, channel, what, count));
        let mut figures: Vec<Figure> = rows.into_iter().filter_map(figure).collect();
        figures.sort_by(|a, b| (&a.rule, a).cmp(&(&b.rule, b)));
        Ok(figures)
    }

    /// One rule over time, in the order of slots.
    pub async fn figures_of(
        &self,
        rule: &str,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        grain: Grain,
    ) -> Result<Vec<Figure>, StoreError> {
        let sql = "SELECT slot, kind, rule, channel, what, count FROM figures
             WHERE minutes = $3 AND slot >= $1 AND slot < $2 AND rule = $4 ORDER BY slot, kind, channel, what";
        let args = vec![since.into(), until.into(), grain.minutes().into(), rule.into()];
        let rows = self.reading().await?.fetch(sql, args).await?;
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Forgets the slots that began before `before`; how many figures that were.
    pub async fn forget_figures(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM figures WHERE slot < $1";
        self.writing().await?.exec(sql, vec![before.into()]).await
    }

    /// When each of the newest sets of rules came into force, the newest first: (generation, hash, published_at).
    pub async fn rule_sets_published(
        &self,
        limit: u32,
    ) -> Result<Vec<(i64, String, DateTime<Utc>)>, StoreError> {
        let sql = "SELECT generation, hash, published_at FROM rule_sets ORDER BY generation DESC LIMIT $1";
        self.reading().await?.fetch(sql, vec![i64::from(limit).into()]).await
    }
}

/// None for a kind that a newer build counts.
fn read((slot, kind, rule, channel, what, count): Fields) -> Option<Figure> {
    Some(Figure { slot, kind: Kind::parse(&kind)?, rule, channel, what, count })
}
