//! `declic messages`: what was sent, what waits, what was refused, and why; sent again or cancelled by hand; and what
//! customers wrote back.

use std::path::Path;

use serde_json::json;

use super::table::{self, Format};
use super::{Failure, environment};
use crate::config::Config;
use crate::domain::message::{Message, MessageState};
use crate::domain::verdict::Reason;
use crate::operate::MOST;
use crate::store::{InboundText, MessageFilter, Store};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Lists messages, the latest planned first
    List(List),
    /// Shows one message with everything known about it, as JSON
    Show {
        /// The message's id, as listed
        id: String,
    },
    /// Sends messages again that were not sent, if the gate lets them; exit code 1 when one is refused
    ///
    /// Consent, hours and caps are asked as for any other. What may have been sent needs --even-if-sent.
    Retry {
        #[command(flatten)]
        chosen: Chosen,
        /// Also those that the provider may have accepted: their readers may get them twice
        #[arg(long)]
        even_if_sent: bool,
    },
    /// Has messages that wait never sent; exit code 1 when one is refused
    Cancel(Chosen),
    /// Lists what customers wrote by SMS, the latest received first
    Inbound(Inbound),
}

#[derive(Debug, clap::Args)]
pub struct Inbound {
    /// Only those taken as this
    #[arg(long, value_parser = ["stop", "other"])]
    meaning: Option<String>,
    /// How many at the most
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    only: Only,
    /// How many at the most
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Which are meant.
#[derive(Debug, clap::Args)]
pub struct Only {
    /// Only those in this state: pending, deferred, paused, sent, suppressed, failed, expired, uncertain…
    #[arg(long, value_parser = state)]
    state: Option<MessageState>,
    /// Only those for this reason, such as refused or retries_exhausted
    #[arg(long, value_parser = reason)]
    reason: Option<Reason>,
    /// Only those of this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only those to this customer
    #[arg(long)]
    customer: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// Their ids, as listed
    #[arg(required_unless_present = "all", conflicts_with_all = ["all", "state", "reason", "rule", "customer"])]
    ids: Vec<String>,
    /// All there are of a state, a reason, a rule or a customer
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    only: Only,
}

impl Only {
    fn filter(self, limit: u32) -> MessageFilter {
        let Self { state, reason, rule, customer } = self;
        MessageFilter { state, reason, rule, customer, limit, before: None }
    }
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::parse(text).ok_or_else(|| "no such reason: `declic messages list` shows them".to_owned())
}

fn state(text: &str) -> Result<MessageState, String> {
    MessageState::parse(text).ok_or_else(|| {
        let known: Vec<_> = MessageState::ALL.iter().map(|s| s.as_str()).collect();
        format!("no such state; there are {}", known.join(", "))
    })
}

pub async fn messages(config: Option<&Path>, command: Command) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    match command {
        Command::List(list) => {
            let found = store.messages(&list.only.filter(list.limit)).await.map_err(environment::failed)?;
            let rows: Vec<_> = found.iter().map(row).collect();
            let columns = [
                "planned_at",
                "state",
                "reason",
                "customer",
                "rule",
                "step",
                "channel",
                "to",
                "promo_code",
                "id",
            ];
            table::print(&rows, &columns, list.format).map_err(environment::failed)
        }
        Command::Show { id } => {
            let message = store.message(&id).await.map_err(environment::failed)?;
            let message = message.ok_or_else(|| Failure::Refused(format!("there is no message `{id}`")))?;
            table::print(&[message], &[], Format::Json).map_err(environment::failed)
        }
        Command::Retry { chosen, even_if_sent } => {
            act(&config, store, chosen, Act::Retry { even_if_sent }).await
        }
        Command::Cancel(chosen) => act(&config, store, chosen, Act::Cancel).await,
        Command::Inbound(list) => {
            let found = store.inbound(list.meaning.as_deref(), list.limit).await;
            let rows: Vec<_> = found.map_err(environment::failed)?.iter().map(inbound).collect();
            let columns = ["received_at", "meaning", "customers", "from", "to", "text", "id"];
            table::print(&rows, &columns, list.format).map_err(environment::failed)
        }
    }
}

#[derive(Clone, Copy)]
enum Act {
    Retry { even_if_sent: bool },
    Cancel,
}

async fn act(config: &Config, store: Store, chosen: Chosen, act: Act) -> Result<(), Failure> {
    let operator = environment::operator(store);
    let (mut done, mut refused) = (0, 0);
    let mut pages =
        Pages { named: (!chosen.all).then_some(chosen.ids), filter: chosen.only.filter(MOST as u32) };
    let mut after = String::new();
    loop {
        let ids = pages.next(&operator.store, &after).await?;
        let Some(last) = ids.last() else { break };
        after.clone_from(last);
        let now = config.clock().now();
        let acted = match act {
            Act::Retry { even_if_sent } => operator.retry(&ids, even_if_sent, now).await,
            Act::Cancel => operator.cancel(&ids, now).await,
        };
        let acted = acted.map_err(environment::failed)?;
        done += acted.done.len();
        refused += acted.refused.len();
        acted.refused.iter().for_each(|(id, why)| eprintln!("{id}: {why}"));
    }
    let what = match act {
        Act::Retry { .. } => "wait to be sent again",
        Act::Cancel => "will not be sent",
    };
    println!("{done} {what}");
    if refused > 0 {
        return Err(Failure::Refused(format!("{refused} are as they were")));
    }
    Ok(())
}

/// The ids that are meant, some at a time.
struct Pages {
    /// Those that were named, if they were.
    named: Option<Vec<String>>,
    filter: MessageFilter,
}

impl Pages {
    async fn next(&mut self, store: &Store, after: &str) -> Result<Vec<String>, Failure> {
        match &mut self.named {
            Some(ids) => Ok(ids.drain(..ids.len().min(MOST)).collect()),
            None => store.message_ids(&self.filter, after).await.map_err(environment::failed),
        }
    }
}

fn inbound(text: &InboundText) -> serde_json::Value {
    json!({
        "id": text.id,
        "received_at": text.received_at,
        "written_at": text.at,
        "from": text.sender,
        "to": text.recipient,
        "text": text.body,
        "meaning": text.meaning,
        "customers": text.customers,
    })
}

fn row(message: &Message) -> serde_json::Value {
    json!({
        "id": message.id,
        "planned_at": message.planned_at,
        "due_at": message.due_at,
        "sent_at": message.sent_at,
        "state": message.state,
        "reason": message.reason,
        "detail": message.detail,
        "customer": message.customer_id,
        "rule": message.rule,
        "step": message.step,
        "channel": message.channel,
        "purpose": message.purpose,
        "template": message.template,
        "locale": message.locale,
        "to": message.address,
        "promo_code": message.promo_code,
        "attempts": message.attempts,
        "reply": message.reply,
        "trace_id": message.trace.map(|trace| trace.id()),
    })
}
