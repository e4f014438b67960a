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
const WINDOW: u32 = 10_000;

/// Messages waiting or in hand that are read and sorted to find those of one state; where there are more, those of that
/// state are no rarity, and the newest are found soon.
const FEW: u32 = 5_000;

/// Messages on a page at most.
const MOST: u32 = 500;

/// The states of which there is an index, `messages_by_state`: its condition, as in the migration.
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

/// Those that wait, and those in the hands of senders: the conditions of `messages_waiting` and `messages_held`.
const WAITING: &str = "state IN ('pending', 'deferred')";
const HELD: &str = "state IN ('claimed', 'sending')";

/// All of them. Said so, and not as `true`, for it to stand in any place.
const ALL: &str = "planned_at IS NOT NULL";

const ORDER: &str = "ORDER BY planned_at DESC, id DESC";

impl Store {
    /// A page of messages. Of one that cannot be read, what its columns tell.
    pub async fn messages_page(&self, page: &MessagePage) -> Result<MessagesFound, StoreError> {
        let limit = if page.limit == 0 { 100 } else { page.limit.min(MOST) };
        let mut rest = page.clone();
        let mut session = self.reading().await?;
        if let Some(few) = few(&mut session, &mut rest).await? {
            return gathered(&mut session, few, &rest, limit).await;
        }
        let index = index(&mut rest);
        walked(&mut session, index, &rest, limit).await
    }
}

/// The messages among which those wished for are, where these are few however many there are.
async fn few(session: &mut Session, page: &mut MessagePage) -> Result<Option<Wanted>, StoreError> {
    if let Some(customer) = page.customer.take() {
        let args = vec![customer.as_str().into()];
        return Ok(Some(Wanted { conditions: "customer_id = $1".to_owned(), args }));
    }
    let all = match page.state {
        Some(MessageState::Pending) => WAITING,
        Some(MessageState::Claimed | MessageState::Sending) => HELD,
        _ => return Ok(None),
    };
    let sql =
        format!("SELECT COUNT(*) FROM (SELECT id FROM messages WHERE {all} LIMIT {}) AS counted", FEW + 1);
    let count: Option<(i64,)> = session.first(sql, Vec::new()).await?;
    Ok(count.filter(|(count,)| *count <= i64::from(FEW)).map(|_| Wanted::new(all)))
}

/// The index that knows most of what is wished for; the rest of the wishes is left in `page`. Conditions of partial indexes
/// hold no arguments, or the index is not found.
fn index(page: &mut MessagePage) -> Wanted {
    if let Some(reason) = page.reason.take() {
        return Wanted::new(&format!("reason = '{}'", reason.as_str()));
    }
    let indexed = |state: &MessageState| INDEXED.contains(&format!("'{}'", state.as_str()));
    if let Some(state) = page.state.take_if(|state| indexed(state)) {
        return Wanted::new(&format!("state IN {INDEXED} AND state = '{}'", state.as_str()));
    }
    Wanted::new(ALL)
}

/// Reads all of a few, and sorts them.
async fn gathered(
    session: &mut Session,
    few: Wanted,
    page: &MessagePage,
    limit: u32,
) -> Result<MessagesFound, StoreError> {
    let all = few.conditions;
    let mut wanted = Wanted { conditions: ALL.to_owned(), args: few.args };
    wanted.range(page);
    wanted.filters(page);
    let Wanted { conditions, args } = wanted;
    // MATERIALIZED: planned into one, the order of the page could be taken for the better way to them.
    let sql = format!(
        "WITH few AS MATERIALIZED (
             SELECT customer_id, id, state, reason, rule, channel, planned_at, body FROM messages WHERE {all})
         SELECT {READ} FROM few WHERE {conditions} {ORDER} LIMIT {}",
        limit + 1
    );
    let mut messages = load(session, sql, args).await?;
    let next = cut(&mut messages, limit);
    Ok(MessagesFound { messages, next, looked_back_to: None })
}

/// Walks along an index in the order of the page, as far as its window reaches.
async fn walked(
    session: &mut Session,
    mut wanted: Wanted,
    page: &MessagePage,
    limit: u32,
) -> Result<MessagesFound, StoreError> {
    wanted.range(page);
    let range = wanted.clone();
    wanted.filters(page);
    // Where the window ends, the index alone can say. Between two ends there is no quicker way that a database could think
    // of, whatever it believes of the numbers.
    let window = if wanted.args.len() > range.args.len() { WINDOW } else { limit + 1 };
    let sql = format!(
        "SELECT planned_at, id FROM messages WHERE {} {ORDER} LIMIT 1 OFFSET {}",
        range.conditions,
        window - 1
    );
    let end: Option<(DateTime<Utc>, String)> = session.first(sql, range.args).await?;
    if let Some((planned_at, id)) = &end {
        wanted.add("(planned_at, id) >= (?, ?)", [(*planned_at).into(), id.as_str().into()]);
    }
    let Wanted { conditions, args } = wanted;
    let sql =
        format!("SELECT /* a page */ {READ} FROM messages WHERE {conditions} {ORDER} LIMIT {}", limit + 1);
    let mut messages = load(session, sql, args).await?;
    let next = cut(&mut messages, limit);
    if next.is_some() {
        return Ok(MessagesFound { messages, next, looked_back_to: None });
    }
    let looked_back_to = end.as_ref().map(|(planned_at, _)| *planned_at);
    Ok(MessagesFound { messages, next: end, looked_back_to })
}

async fn load(session: &mut Session, sql: String, args: Vec<Arg>) -> Result<Vec<Message>, StoreError> {
    let Found { mut messages, unreadable } = load_each(session, sql, args).await?;
    if !unreadable.is_empty() {
        messages.extend(unreadable);
        messages.sort_by(|a, b| (b.planned_at, &b.id).cmp(&(a.planned_at, &a.id)));
    }
    Ok(messages)
}

/// Cuts a page to its limit, and tells where to go on if there was more.
fn cut(messages: &mut Vec<Message>, limit: u32) -> Option<(DateTime<Utc>, String)> {
    if messages.len() <= limit as usize {
        return None;
    }
    messages.truncate(limit as usize);
    messages.last().map(|last| (last.planned_at, last.id.clone()))
}

/// What is asked for, as conditions and their arguments.
#[derive(Clone)]
struct Wanted {
    conditions: String,
    args: Vec<Arg>,
}

impl Wanted {
    fn new(condition: &str) -> Self {
        Self { conditions: condition.to_owned(), args: Vec::new() }
    }

    /// Each `?` of a condition stands for one argument.
    fn add(&mut self, condition: &str, args: impl IntoIterator<Item = Arg>) {
        let mut condition = condition.to_owned();
        for arg in args {
            self.args.push(arg);
            condition = condition.replacen('?', &format!("${}", self.args.len()), 1);
        }
        self.conditions = format!("{} AND {condition}", self.conditions);
    }

    /// From where on to look, in the order of the page.
    fn range(&mut self, page: &MessagePage) {
        if let Some(until) = page.until {
            self.add("planned_at <= ?", [until.into()]);
        }
        if let Some((planned_at, id)) = &page.after {
            self.add("(planned_at, id) < (?, ?)", [(*planned_at).into(), id.as_str().into()]);
        }
    }

    /// What is asked of each row.
    fn filters(&mut self, page: &MessagePage) {
        let filters = [
            ("state = ?", page.state.map(MessageState::as_str)),
            ("reason = ?", page.reason.map(Reason::as_str)),
            ("rule = ?", page.rule.as_deref()),
            ("channel = ?", page.channel.map(Channel::as_str)),
        ];
        for (condition, value) in filters {
            value.into_iter().for_each(|value| self.add(condition, [value.into()]));
        }
    }
}
