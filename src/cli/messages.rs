//! `declic messages`: what was sent, what waits, what was refused, and why; and what customers wrote back.

use std::path::Path;

use serde_json::json;

use super::table::{self, Format};
use super::{Failure, environment};
use crate::domain::message::{Message, MessageState};
use crate::store::{InboundText, MessageFilter};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Lists messages, the latest planned first
    List(List),
    /// Shows one message with everything known about it, as JSON
    Show {
        /// The message's id, as listed
        id: String,
    },
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
    /// Only those in this state: pending, claimed, sending, sent, suppressed, failed, expired, uncertain
    #[arg(long, value_parser = state)]
    state: Option<MessageState>,
    /// Only those of this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only those to this customer
    #[arg(long)]
    customer: Option<String>,
    /// How many at the most
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
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
            let filter = MessageFilter {
                state: list.state,
                rule: list.rule,
                customer: list.customer,
                limit: list.limit,
                before: None,
            };
            let found = store.messages(&filter).await.map_err(environment::failed)?;
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
        Command::Inbound(list) => {
            let found = store.inbound(list.meaning.as_deref(), list.limit).await;
            let rows: Vec<_> = found.map_err(environment::failed)?.iter().map(inbound).collect();
            let columns = ["received_at", "meaning", "customers", "from", "to", "text", "id"];
            table::print(&rows, &columns, list.format).map_err(environment::failed)
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
    })
}
