//! What operators did by hand: added to, never changed.

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::rows::Rows;
use super::{Store, StoreError, Tx};

/// One act of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// It grows from act to act.
    pub id: i64,
    pub at: DateTime<Utc>,
    /// Who: the account on the machine, or the console.
    pub actor: String,
    /// What was done, as the command is called: `pause`, `messages retry`.
    pub action: String,
    /// What it was done to: ids and names, no address.
    pub target: String,
    /// Why, or how much.
    pub detail: Option<String>,
}

/// Which acts are meant. The default is the latest hundred.
#[derive(Debug, Clone, Default)]
pub struct ActFilter {
    pub action: Option<String>,
    /// Any of these.
    pub targets: Vec<String>,
    /// 100 when zero.
    pub limit: u32,
    /// Only those before this one: the last act of the page before.
    pub before: Option<i64>,
}

impl Tx {
    /// Writes down what an operator does in this transaction: a line for each target.
    pub async fn audit<T: AsRef<str>>(
        &mut self,
        actor: &str,
        action: &str,
        targets: &[T],
        detail: Option<&str>,
    ) -> Result<(), StoreError> {
        if targets.is_empty() {
            return Ok(());
        }
        let first = vec![self.session.now.into(), actor.into(), action.into(), detail.unwrap_or("").into()];
        let (table, args) =
            Rows::of(targets).text("target", |target| target.as_ref()).after(first, self.session.dialect());
        let sql = format!(
            "INSERT INTO audit (at, actor, action, target, detail)
             SELECT $1, $2, $3, target, NULLIF($4, '') FROM {table} WHERE true"
        );
        self.session.exec(sql, args).await.map(drop)
    }
}

impl Store {
    /// The latest first.
    pub async fn acts(&self, filter: &ActFilter) -> Result<Vec<Act>, StoreError> {
        let mut session = self.reading().await?;
        let (mut conditions, mut args) = (vec!["true".to_owned()], Vec::<Arg>::new());
        if let Some(action) = &filter.action {
            args.push(action.as_str().into());
            conditions.push(format!("action = ${}", args.len()));
        }
        if !filter.targets.is_empty() {
            args.push(Arg::list(&filter.targets));
            conditions.push(format!("target {}", session.dialect().among(args.len())));
        }
        if let Some(before) = filter.before {
            args.push(before.into());
            conditions.push(format!("id < ${}", args.len()));
        }
        args.push(i64::from(if filter.limit == 0 { 100 } else { filter.limit }).into());
        let sql = format!(
            "SELECT id, at, actor, action, target, detail FROM audit WHERE {} ORDER BY id DESC LIMIT ${}",
            conditions.join(" AND "),
            args.len()
        );
        type Fields = (i64, DateTime<Utc>, String, String, String, Option<String>);
        let rows: Vec<Fields> = session.fetch(sql, args).await?;
        Ok(rows
            .into_iter()
            .map(|(id, at, actor, action, target, detail)| Act { id, at, actor, action, target, detail })
            .collect())
    }
}
