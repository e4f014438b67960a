//! `declic explain`: loads what is recorded of a customer, and lets the core tell why.

use std::path::Path;

use super::table;
use super::{Failure, environment};
use crate::domain::diagnostic::did_you_mean;
use crate::domain::explain::story::{Item, What};
use crate::domain::explain::tell::tell;
use crate::domain::explain::{self, Asked, Language, Record};
use crate::domain::rules::book::Book;
use crate::operate::{RecordError, record};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The customer's id (`subject` of their events)
    customer: String,
    /// Only this rule: what it did, what it did not and why, and what it waits for
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Only this message and what it came from (ids are in `declic messages list`)
    #[arg(long, value_name = "ID", conflicts_with = "rule")]
    message: Option<String>,
    /// How many items at the most
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// The language of the text (default: French where LANG says so, else English)
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Lang {
    En,
    Fr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Plain words
    Text,
    /// One JSON array
    Json,
    /// One JSON object a line
    Ndjson,
}

pub async fn explain(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    let found = store.customer(&args.customer).await.map_err(environment::failed)?;
    let customer = found.ok_or_else(|| unknown(&args.customer))?;
    let mut book = environment::active(&config, &store).await?.book;
    let (rule, message) = (args.rule.as_deref(), args.message.as_deref());
    let record = record(&store, &mut book, customer, rule, message).await.map_err(refused)?;
    if let Some(rule) = rule {
        known_rule(rule, &book, &record)?;
    }
    let now = config.clock().now();
    let mut items = explain::explain(&book, &record, Asked { rule, message }, now);
    let head = |item: &&Item| matches!(item.what, What::Customer(_) | What::Rule(_));
    let shown = items.iter().filter(head).count() + args.limit;
    let older = items.len().saturating_sub(shown);
    items.truncate(shown);
    match args.format {
        Format::Text => print!("{}", tell(&items, language(args.lang), now)),
        Format::Json => table::print(&items, &[], table::Format::Json).map_err(environment::failed)?,
        Format::Ndjson => table::print(&items, &[], table::Format::Ndjson).map_err(environment::failed)?,
    }
    if older > 0 {
        eprintln!("{older} older items are not shown; --limit shows more");
    }
    Ok(())
}

fn refused(error: RecordError) -> Failure {
    match error {
        RecordError::Store(error) => environment::failed(error),
        about_the_message => Failure::Refused(about_the_message.to_string()),
    }
}

fn unknown(customer: &str) -> Failure {
    Failure::Refused(format!(
        "there is no customer `{customer}`: no event or import has named them. Ids are compared letter by letter; is this \
         the right database (--config)?"
    ))
}

/// A rule is known that is in force, or that the customer has been through.
fn known_rule(rule: &str, book: &Book, record: &Record) -> Result<(), Failure> {
    let entered = record.snapshot.entries.iter().map(|entry| &entry.rule);
    let written = record.messages.iter().map(|message| &message.rule);
    let known: Vec<&str> =
        book.active.rules.keys().chain(entered).chain(written).map(String::as_str).collect();
    if known.contains(&rule) {
        return Ok(());
    }
    let help = match did_you_mean(rule, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "none has been published: start a worker first".to_owned(),
        None => format!("there are {}", book.active.rules.keys().cloned().collect::<Vec<_>>().join(", ")),
    };
    Err(Failure::Refused(format!("there is no rule `{rule}`; {help}")))
}

/// As asked, else as the terminal's surroundings say (POSIX: LC_ALL, then LC_MESSAGES, then LANG).
pub(super) fn language(asked: Option<Lang>) -> Language {
    let named = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(std::env::var_os);
    let surroundings =
        named.map(|value| value.to_string_lossy().into_owned()).find(|value| !value.is_empty());
    match asked {
        Some(Lang::Fr) => Language::French,
        Some(Lang::En) => Language::English,
        None if surroundings.is_some_and(|name| name.to_lowercase().starts_with("fr")) => Language::French,
        None => Language::English,
    }
}
