//! Pages of messages, for people who look for some of them: quick whatever is asked, however many there are.
//!
//! Each question goes by the one index that knows most of it, in the order of the page. What the index does not know is
//! asked of a bounded number of its newest rows, and the answer says how far back that reached.

use chrono::{DateTime, Utc};

use super::args::Arg;
use super::messages::READ;
use super::session::Session;
use super::unreadable::{Found, load_each};
use super::{Store, StoreError};
use crate::domain::consent::Channel;
use crate::domain::message::{Message, MessageState};
use crate::domain::verdict::Reason;

/// Rows of an index that one question looks at. More make it slow, fewer make people ask again.
const WINDOW: u32 = 20_000;

/// Messages waiting or in hand that are read and sorted to find those of one state; where there are more, those of that
/// state are no rarity, and the newest are found soon.
const FEW: u32 = 5_000;

/// Messages on a page at most.
const MOST: u32 = 500;

/// The states by which the indexes `messages_by_state` and `messages_by_reason` know messages, as in the migration.
const INDEXED: &str =
    "('deferred', 'paused', 'bounced', 'complained', 'suppressed', 'failed', 'expired', 'uncertain')";

/// Which messages to show. The default is the newest hundred.
#[derive(Debug, Clone, Default)]
pub struct MessagePage {
    pub state: Option<MessageState>,
    pub reason: Option<Reason>,
    pub rule: Option<String>,
    pub channel: Option<Channel>,
    pub customer: Option<String>,
    /// Only those planned until then (an instant that somebody asks for).
    pub until: Option<DateTime<Utc>>,
    /// (planned_at, id) of the last message of the page before.
    pub after: Option<(DateTime<Utc>, String)>,
    /// 100 when zero; 500 at most.
    pub limit: u32,
}

/// A page of messages, the latest planned first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MessagesFound {
    pub messages: Vec<Message>,
    /// Where to go on: after this one. None where there is nothing more.
    pub next: Option<(DateTime<Utc>, String)>,
    /// Where fewer than asked for were found because only so many rows were looked at: how far back that reached.
    pub looked_back_to: Option<DateTime<Utc>>,
}

/// Those that wait, and those in the hands of senders: the ranges of `messages_waiting` and `messages_held`.
const WAITING: &str = "state IN ('pending', 'deferred')";
const HELD: &str = "state IN ('claimed', 'sending')";

/// Where a page's rows come from.
enum Source {
    /// All that meet a condition, which are few, sorted afterwards.
    Gathered(String),
    /// An index in the order of the page, or the part of it that meets a condition.
    Walked(String),
}

impl Store {
    /// A page of messages. Of one that cannot be read, what its columns tell.
    ///
    /// By a reason alone, those are found that it holds up or has ended, not one that is in a sender's hands at that moment.
    pub async fn messages_page(&self, page: &MessagePage) -> Result<MessagesFound, StoreError> {
        let limit = if page.limit == 0 { 100 } else { page.limit.min(MOST) } as usize;
        let mut session = self.reading().await?;
        let mut args = Vec::new();
        let source = source(&mut session, page, &mut args).await?;
        let range = range(page, &mut args);
        let for_range = args.len();
        let filters = filters(page, &mut args);
        // One more than asked for tells whether there is more.
        let columns = "customer_id, id, state, reason, rule, channel, planned_at, body";
        let order = "ORDER BY planned_at DESC, id DESC";
        let sql = match &source {
            Source::Gathered(condition) => format!(
                "WITH looked_at AS MATERIALIZED (SELECT {columns} FROM messages WHERE {condition})
                 SELECT {READ} FROM looked_at WHERE {range} AND {filters} {order} LIMIT {}",
                limit + 1
            ),
            Source::Walked(condition) => format!(
                "SELECT {READ} FROM (SELECT {columns} FROM messages WHERE {condition} AND {range} {order} LIMIT {WINDOW}) AS looked_at
                 WHERE {filters} {order} LIMIT {}",
                limit + 1
            ),
        };
        let Found { mut messages, unreadable } = load_each(&mut session, sql, args.clone()).await?;
        messages.extend(unreadable);
        messages.sort_by(|a, b| (b.planned_at, &b.id).cmp(&(a.planned_at, &a.id)));
        if messages.len() > limit {
            messages.truncate(limit);
            let next = messages.last().map(|last| (last.planned_at, last.id.clone()));
            return Ok(MessagesFound { messages, next, looked_back_to: None });
        }
        let Source::Walked(condition) = source else {
            return Ok(MessagesFound { messages, ..MessagesFound::default() });
        };
        // Where the rows looked at came to an end before the index did.
        args.truncate(for_range);
        let sql = format!(
            "SELECT planned_at, id FROM messages WHERE {condition} AND {range} {order} LIMIT 1 OFFSET {}",
            WINDOW - 1
        );
        let next: Option<(DateTime<Utc>, String)> = session.first(sql, args).await?;
        let looked_back_to = next.as_ref().map(|(planned_at, _)| *planned_at);
        Ok(MessagesFound { messages, next, looked_back_to })
    }
}

/// The narrowest there is for these wishes.
async fn source(
    session: &mut Session,
    page: &MessagePage,
    args: &mut Vec<Arg>,
) -> Result<Source, StoreError> {
    if let Some(customer) = &page.customer {
        args.push(customer.as_str().into());
        return Ok(Source::Gathered("customer_id = $1".to_owned()));
    }
    let few = match page.state {
        Some(MessageState::Pending) => Some(WAITING),
        Some(MessageState::Claimed | MessageState::Sending) => Some(HELD),
        _ => None,
    };
    if let Some(few) = few
        && are_few(session, few).await?
    {
        return Ok(Source::Gathered(few.to_owned()));
    }
    // What a partial index is searched for stands in the statement, not among its arguments.
    let is_indexed = page.state.is_none_or(|state| INDEXED.contains(&format!("'{}'", state.as_str())));
    Ok(Source::Walked(match (page.reason, page.state) {
        (Some(reason), _) if is_indexed => format!("state IN {INDEXED} AND reason = '{}'", reason.as_str()),
        (None, Some(state)) if is_indexed => format!("state IN {INDEXED} AND state = '{}'", state.as_str()),
        _ => "true".to_owned(),
    }))
}

async fn are_few(session: &mut Session, condition: &str) -> Result<bool, StoreError> {
    let sql =
        format!("SELECT COUNT(*) FROM (SELECT id FROM messages WHERE {condition} LIMIT {}) AS some", FEW + 1);
    let count: Option<(i64,)> = session.first(sql, Vec::new()).await?;
    Ok(count.is_some_and(|(count,)| count <= i64::from(FEW)))
}

/// From where on to look, in the order of the page.
fn range(page: &MessagePage, args: &mut Vec<Arg>) -> String {
    let mut range = vec!["true".to_owned()];
    if let Some(until) = page.until {
        args.push(until.into());
        range.push(format!("planned_at <= ${}", args.len()));
    }
    if let Some((planned_at, id)) = &page.after {
        args.extend([(*planned_at).into(), id.as_str().into()]);
        range.push(format!("(planned_at, id) < (${}, ${})", args.len() - 1, args.len()));
    }
    range.join(" AND ")
}

/// What is asked of each row.
fn filters(page: &MessagePage, args: &mut Vec<Arg>) -> String {
    let wanted = [
        ("state", page.state.map(MessageState::as_str)),
        ("reason", page.reason.map(Reason::as_str)),
        ("rule", page.rule.as_deref()),
        ("channel", page.channel.map(Channel::as_str)),
    ];
    let mut filters = vec!["true".to_owned()];
    for (column, value) in wanted {
        let Some(value) = value else { continue };
        args.push(value.into());
        filters.push(format!("{column} = ${}", args.len()));
    }
    filters.join(" AND ")
}
