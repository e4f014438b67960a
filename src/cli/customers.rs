//! `declic customers`: profiles and consents in, what is known of one, and what they may ask for.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tokio::io::AsyncReadExt;

mod export;
mod page;
mod rights;

use self::export::Shape;
use self::rights::Assignment;
use super::explain::Lang;
use super::table::{self, Format};
use super::{Failure, environment, progress};
use crate::domain::event::Event;
use crate::domain::rules::book::UPDATED;

/// Profiles written in one transaction.
const AT_ONCE: usize = 500;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Imports profiles and consents, one JSON object a line: {"id": "c-42", "email": …, "locale": …, "consents": […]}
    ///
    /// An import mails nobody: it is taken in as `customer.updated`, which starts no rule unless one asks for it.
    Import {
        /// The file (`-` reads standard input)
        file: PathBuf,
        /// The instant at which this was true; an older import never overwrites newer facts (default: now)
        #[arg(long, value_name = "TIME")]
        at: Option<DateTime<Utc>>,
    },
    /// Shows a customer: profile, consents, entries
    Show {
        /// The customer's id (`subject` of their events)
        id: String,
        /// How it is printed
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Everything that is held of a customer, as JSON or as a page to read: for whoever asks what is known of them
    Export {
        /// The customer's id
        id: String,
        /// JSON for programs, HTML for people
        #[arg(long, value_enum, default_value_t = Shape::Json)]
        format: Shape,
        /// The page's language (default: French where LANG says so, else English)
        #[arg(long, value_enum)]
        lang: Option<Lang>,
        /// Where it is written, readable by its owner only (default: standard output)
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Corrects what is known of a customer
    ///
    /// What was known before stays in the past: what was decided by it can still be explained.
    Correct {
        /// The customer's id
        id: String,
        /// Attributes and their values: `city=Lyon`, `loyalty_points=12`; nothing after the `=` takes one away
        #[arg(required = true, value_name = "NAME=VALUE")]
        values: Vec<Assignment>,
    },
    /// Keeps what is known of a customer without using it: nothing is sent, not even receipts
    Restrict {
        /// The customer's id
        id: String,
        /// Uses it again
        #[arg(long)]
        lift: bool,
    },
    /// Erases a customer: profile, events, messages, proofs; a hash of their addresses stays on the suppression list
    ///
    /// Works with or without a worker beside it, and as the event `customer.deleted` too. Messages that wait do not go.
    Erase {
        /// The customer's id
        id: String,
        /// Does it; without this it says what there is
        #[arg(long)]
        yes: bool,
    },
}

pub async fn customers(config: Option<&Path>, command: Command) -> Result<(), Failure> {
    match command {
        Command::Import { file, at } => import(config, &file, at).await,
        Command::Show { id, format } => show(config, &id, format).await,
        Command::Export { id, format, lang, out } => {
            export::export(config, &id, format, lang, out.as_deref()).await
        }
        Command::Correct { id, values } => rights::correct(config, &id, values).await,
        Command::Restrict { id, lift } => rights::restrict(config, &id, lift).await,
        Command::Erase { id, yes } => rights::erase(config, &id, yes).await,
    }
}

async fn import(config: Option<&Path>, file: &Path, at: Option<DateTime<Utc>>) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let text = read(file).await?;
    let at = at.unwrap_or_else(|| config.clock().now());
    let events = parse(&text, file, at)?;
    let store = environment::store(&config).await?;
    let processor = environment::processor(&config, store).await?;
    let bar = progress::bar(events.len() as u64, "customers");
    let mut new = 0;
    for batch in events.chunks(AT_ONCE) {
        let fresh = processor.accept(batch).await.map_err(environment::failed)?;
        new += fresh.into_iter().filter(|fresh| *fresh).count();
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    println!(
        "{} customers read, {new} taken in, {} known from an earlier import",
        events.len(),
        events.len() - new
    );
    Ok(())
}

async fn read(file: &Path) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::Refused(format!("cannot read {}: {e}", file.display()));
    if file == Path::new("-") {
        let mut text = String::new();
        tokio::io::stdin().read_to_string(&mut text).await.map_err(failed)?;
        return Ok(text);
    }
    tokio::fs::read_to_string(file).await.map_err(failed)
}

/// Reads all lines before anything is written: a file with a mistake changes nothing.
fn parse(text: &str, file: &Path, at: DateTime<Utc>) -> Result<Vec<Event>, Failure> {
    let (mut events, mut mistakes) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match profile_event(line, at) {
            Ok(event) => events.push(event),
            Err(mistake) => mistakes.push(format!("{}:{}: {mistake}", file.display(), number + 1)),
        }
    }
    if mistakes.is_empty() {
        return Ok(events);
    }
    mistakes.truncate(20);
    Err(Failure::Refused(format!("nothing was imported\n{}", mistakes.join("\n"))))
}

/// What a line of an import says of a customer, as an event of that instant.
pub(super) fn profile_event(line: &str, at: DateTime<Utc>) -> Result<Event, String> {
    let mut profile: Map<String, Value> =
        serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let Some(Value::String(id)) = profile.remove("id") else {
        return Err("`id` is missing: the customer's id, as text".to_owned());
    };
    let attributes = json!({
        "specversion": "1.0",
        "id": format!("import-{}-{id}", at.timestamp_micros()),
        "source": "/declic/import",
        "type": UPDATED,
        "subject": id,
        "time": at,
    });
    let Value::Object(attributes) = attributes else { return Err("cannot build an event".to_owned()) };
    Event::from_attributes(attributes, Value::Object(profile), at).map_err(|e| e.to_string())
}

async fn show(config: Option<&Path>, id: &str, format: Format) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    let customer = store.customer(id).await.map_err(environment::failed)?;
    let customer = customer.ok_or_else(|| Failure::Refused(format!("there is no customer `{id}`")))?;
    let consents: Vec<_> = customer.consents.0.iter().map(|c| json!(c)).collect();
    let entries: Vec<_> = customer.entries.iter().map(|e| json!(e)).collect();
    if format != Format::Table {
        let whole = json!({
            "id": customer.customer_id,
            "profile": customer.profile.current(),
            "consents": consents,
            "entries": entries,
            "suppressed": customer.suppressed,
            "erased": customer.erased,
        });
        return table::print(&[whole], &[], format).map_err(environment::failed);
    }
    let profile: Vec<_> = customer
        .profile
        .current()
        .into_iter()
        .map(|(name, value)| json!({ "attribute": name, "value": value }))
        .collect();
    let print = |rows: &[Value], columns: &[&str]| {
        table::print(rows, columns, Format::Table).map_err(environment::failed)?;
        println!();
        Ok(())
    };
    for channel in &customer.suppressed {
        println!("the address for {} is on the suppression list\n", channel.as_str());
    }
    print(&profile, &["attribute", "value"])?;
    print(&consents, &["at", "channel", "purpose", "status", "event_source"])?;
    print(&entries, &["rule", "occurrence", "status", "started_at", "due_at", "reason"])
}
