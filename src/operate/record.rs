//! All that is recorded of one customer, for whoever must say why they were written to or not.

use std::sync::Arc;

use crate::domain::decide::Tick;
use crate::domain::event::Event;
use crate::domain::explain::Record;
use crate::domain::message::Message;
use crate::domain::rules::book::Book;
use crate::domain::rules::compile;
use crate::domain::ticks::Scope;
use crate::store::{CustomerState, MessageFilter, Store, StoreError, SweepState};

/// How far back a customer's events, messages and ticks are looked at: the newest of each.
const LOOK_BACK: u32 = 2_000;

/// Why there is nothing to tell of a message.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("there is no message `{message}`; `declic messages list --customer {customer}` lists theirs")]
    NoMessage { message: String, customer: String },
    #[error("message `{message}` is not theirs: try `declic explain {whose} --message {message}`")]
    NotTheirs { message: String, whose: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All that is recorded of the customer, with the ticks of one rule and one message where they are asked for; the rule
/// versions that their entries are pinned to are put into the book.
pub async fn record(
    store: &Store,
    book: &mut Book,
    customer: CustomerState,
    rule: Option<&str>,
    message: Option<&str>,
) -> Result<Record, RecordError> {
    let id = &customer.customer_id;
    let mut facts = store.events_of(id, LOOK_BACK).await?;
    facts.sort_by(|a, b| Event::place(&a.event).cmp(&Event::place(&b.event)));
    let filter = MessageFilter { customer: Some(id.clone()), limit: LOOK_BACK, ..MessageFilter::default() };
    let mut messages = store.messages(&filter).await?;
    if let Some(asked) = message
        && !messages.iter().any(|message| message.id == *asked)
    {
        messages.push(message_of(store, asked, id).await?);
    }
    for entry in &customer.entries {
        if book.version(&entry.rule, &entry.version).is_none()
            && let Some(source) = store.rule_version(&entry.rule, &entry.version).await?
            && let Ok(rule) = compile::compile_rule(&source, &format!("rules/{}.yaml", entry.rule))
        {
            book.pin(Arc::new(rule));
        }
    }
    let versions = store.rule_versions_since().await?;
    let rules_since = book.active.rules.values().filter_map(|rule| {
        let since = versions.get(&(rule.name.clone(), rule.version.clone()))?;
        Some((rule.name.clone(), *since))
    });
    let ticks = match rule {
        Some(rule) => ticks(store, rule, &customer).await?,
        None => Vec::new(),
    };
    let remembered_from =
        customer.forgotten_until.map_or(0, |until| facts.partition_point(|fact| fact.event.time <= until));
    let history = facts.split_off(remembered_from);
    let snapshot = customer.with_history(history);
    Ok(Record { rules_since: rules_since.collect(), messages, ticks, snapshot, forgotten: facts })
}

/// One message by its id, which must be this customer's.
async fn message_of(store: &Store, id: &str, customer: &str) -> Result<Message, RecordError> {
    match store.message(id).await? {
        Some(message) if message.customer_id == customer => Ok(message),
        Some(message) => Err(RecordError::NotTheirs { message: id.to_owned(), whose: message.customer_id }),
        None => Err(RecordError::NoMessage { message: id.to_owned(), customer: customer.to_owned() }),
    }
}

/// The ticks of a rule that came where the customer lives, each with whether it was missed for too long.
async fn ticks(store: &Store, rule: &str, customer: &CustomerState) -> Result<Vec<(Tick, bool)>, StoreError> {
    let zone = Scope::of_customer(&customer.profile).key();
    let sweeps = store.sweeps_of(rule, LOOK_BACK).await?;
    // One with a zone of its own is for everyone.
    let theirs = sweeps.into_iter().filter(|sweep| sweep.zone == zone || sweep.zone.starts_with('*'));
    let tick = theirs.map(|sweep| {
        let expired = sweep.state == SweepState::Expired;
        (Tick { rule: sweep.rule, local: sweep.tick, planned: sweep.planned_at }, expired)
    });
    Ok(tick.collect())
}
