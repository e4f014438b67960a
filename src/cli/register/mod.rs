//! `declic register`: the register of processing (GDPR article 30), from what is configured. Needs no server.

mod csv;
mod html;
mod markdown;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::explain::Lang;
use super::{Failure, environment};
use crate::active::Checked;
use crate::app;
use crate::domain::explain::Language;
use crate::domain::register::Register;
use crate::files;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What it looks like
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// The language (default: the policy's `default_locale`)
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// Writes to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit code 1 where something is missing
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Markdown,
    /// A page to read and to print, with nothing loaded from elsewhere
    Html,
    /// One row for each purpose (RFC 4180)
    Csv,
}

pub fn register(config: Option<&Path>, args: &Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let files = files::read(&config.worker.rules_dir)?;
    let checked = Checked::new(&files);
    if checked.has_errors() {
        return Err(Failure::errors_in("the rules", &checked.diagnostics, &files));
    }
    let surroundings = app::register::surroundings(&config, &checked.rules.policy)
        .map_err(|e| Failure::Refused(format!("{:#}", anyhow::Error::from(e))))?;
    let register = Register::of(&checked.rules, &checked.templates, checked.events.as_ref(), surroundings);
    let language = match args.lang {
        Some(Lang::En) => Language::English,
        Some(Lang::Fr) => Language::French,
        None if checked.rules.policy.default_locale.split('-').next() == Some("fr") => Language::French,
        None => Language::English,
    };
    let now = config.clock().now();
    let text = match args.format {
        Format::Markdown => markdown::of(&register.document(language, now)),
        Format::Html => html::of(&register.document(language, now)),
        Format::Csv => csv::of(&register, language),
    };
    match &args.out {
        Some(file) => std::fs::write(file, text)
            .map_err(|e| Failure::Refused(format!("cannot write {}: {e}", file.display())))?,
        None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(environment::failed)?,
    }
    let missing = match register.gaps.len() {
        0 => return Ok(()),
        1 => "1 thing is missing in the register".to_owned(),
        n => format!("{n} things are missing in the register"),
    };
    if args.strict {
        return Err(Failure::Refused(format!("{missing}; its last section says which")));
    }
    eprintln!("{missing}: its last section says which");
    Ok(())
}
