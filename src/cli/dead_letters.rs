//! `declic dead-letters`: what could not be used, why, and what is to become of it.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::table::{self, Format};
use super::{Failure, environment};
use crate::domain::event::{Unusable, UnusableReason};
use crate::operate::Operator;
use crate::process::Processor;
use crate::store::{DeadLetter, LetterFilter, Store};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Lists them, the newest first
    List {
        #[command(flatten)]
        only: Only,
        /// How many at the most
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// How the list is printed; JSON holds the bodies
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Shows one whole: reason, headers, body
    Show {
        /// Its id, or the beginning of it
        id: String,
        /// How it is printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Tries them again, the oldest first; what is refused again stays, with the new reason
    ///
    /// Works with or without a worker beside it. An event is taken in, once however often it is replayed; what the worker
    /// has set aside is put back in its place. Exit code 1 when something was refused again.
    Replay(Chosen),
    /// Removes them, after showing what
    Discard(Chosen),
}

#[derive(Debug, clap::Args)]
pub struct Only {
    /// Only those for this reason: too_large, not_json, not_cloud_event, missing_attribute, invalid_attribute, time_too_far_ahead, poison
    #[arg(long, value_parser = reason)]
    reason: Option<UnusableReason>,
    /// Only those of this origin: amqp, http, file, sms (events), timer, tick, message, outcome (set aside by the worker)
    #[arg(long)]
    origin: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// Their ids, or the beginnings of them
    #[arg(required_unless_present = "all", conflicts_with_all = ["all", "reason", "origin"])]
    ids: Vec<String>,
    /// All there are, or all of a reason or an origin
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    only: Only,
}

impl Only {
    fn filter(self) -> LetterFilter {
        LetterFilter { origin: self.origin, reason: self.reason, ..LetterFilter::default() }
    }
}

fn reason(text: &str) -> Result<UnusableReason, String> {
    serde_json::from_value(Value::from(text)).map_err(|_| "no such reason".to_owned())
}

pub async fn dead_letters(config: Option<&Path>, command: Command) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    match command {
        Command::List { only, limit, format } => {
            let letters = store.dead_letters(&only.filter(), limit).await.map_err(environment::failed)?;
            let rows: Vec<Value> = letters.iter().map(row).collect();
            table::print(&rows, &["received_at", "origin", "reason", "detail", "id"], format)
                .map_err(environment::failed)
        }
        Command::Show { id, format } => {
            let letter = letter(&store, &the_one(&store, &id).await?).await?;
            match (letter, format) {
                (Some(letter), Format::Table) => show(&letter),
                (letter, format) => {
                    let rows: Vec<Value> = letter.iter().map(row).collect();
                    table::print(&rows, &[], format)
                }
            }
            .map_err(environment::failed)
        }
        Command::Replay(chosen) => {
            let ids = ids(&store, chosen).await?;
            let processor = environment::processor(&config, store.clone()).await?;
            note(&store, "dead-letters replay", &ids).await?;
            replay(&environment::operator(store), &processor, ids, config.clock().now()).await
        }
        Command::Discard(chosen) => {
            let ids = ids(&store, chosen).await?;
            note(&store, "dead-letters discard", &ids).await?;
            for id in ids {
                let Some(letter) = letter(&store, &id).await? else { continue };
                println!("{id}  {}  {}: {}", letter.origin, letter.reason.as_str(), letter.detail);
                store.remove_dead_letter(&id).await.map_err(environment::failed)?;
            }
            Ok(())
        }
    }
}

async fn note(store: &Store, action: &str, ids: &[String]) -> Result<(), Failure> {
    environment::operator(store.clone()).note(action, ids, None).await.map_err(environment::failed)
}

fn row(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id,
        "received_at": letter.received_at,
        "origin": letter.origin,
        "reason": letter.reason,
        "detail": letter.detail,
        "headers": letter.headers,
        "body": String::from_utf8_lossy(&letter.body),
    })
}

/// For people: one line a field, then the body as it came, JSON set out.
fn show(letter: &DeadLetter) -> std::io::Result<()> {
    use std::io::Write;
    let out = &mut std::io::stdout().lock();
    let at = letter.received_at.to_rfc3339();
    let fields =
        [("id", &letter.id), ("received_at", &at), ("origin", &letter.origin), ("detail", &letter.detail)];
    writeln!(out, "{:<12} {}", "reason", letter.reason.as_str())?;
    for (name, text) in fields {
        writeln!(out, "{name:<12} {text}")?;
    }
    for (name, value) in letter.headers.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(out, "{:<12} {name}: {text}", "header")?;
    }
    match serde_json::from_slice::<Value>(&letter.body) {
        Ok(json) => writeln!(out, "\n{json:#}"),
        Err(_) if letter.body.is_empty() => Ok(()),
        Err(_) => writeln!(out, "\n{}", String::from_utf8_lossy(&letter.body)),
    }
}

async fn letter(store: &Store, id: &str) -> Result<Option<DeadLetter>, Failure> {
    store.dead_letter(id).await.map_err(environment::failed)
}

/// The letter whose id begins so; an unknown or ambiguous one is refused.
async fn the_one(store: &Store, id: &str) -> Result<String, Failure> {
    let filter = LetterFilter { id: Some(id.to_owned()), ..LetterFilter::default() };
    let mut found = store.dead_letter_ids(&filter).await.map_err(environment::failed)?;
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), others) => {
            Err(Failure::Refused(format!("`{id}` begins {} ids: write more of it", others + 1)))
        }
        (None, _) => Err(Failure::Refused(format!("there is no dead letter `{id}`"))),
    }
}

/// All ids are looked up before anything is done.
async fn ids(store: &Store, chosen: Chosen) -> Result<Vec<String>, Failure> {
    if chosen.all {
        return store.dead_letter_ids(&chosen.only.filter()).await.map_err(environment::failed);
    }
    let mut ids = Vec::with_capacity(chosen.ids.len());
    for id in &chosen.ids {
        ids.push(the_one(store, id).await?);
    }
    Ok(ids)
}

async fn replay(
    operator: &Operator,
    processor: &Processor,
    ids: Vec<String>,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let (mut done, mut refused) = (0, 0);
    for id in ids {
        let Some(letter) = letter(&operator.store, &id).await? else { continue };
        match operator.replay(processor, &letter, now).await.map_err(environment::failed)? {
            Ok(replayed) => {
                done += 1;
                println!("{id}  {}", replayed.words());
            }
            Err(Unusable { reason, detail }) => {
                refused += 1;
                println!("{id}  refused again, {}: {detail}", reason.as_str());
            }
        }
    }
    if refused == 0 {
        return Ok(());
    }
    Err(Failure::Refused(format!("{done} done, {refused} refused again and kept")))
}
