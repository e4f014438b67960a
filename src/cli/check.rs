//! `declic check`: everything that can be known to be wrong with rules, their tests, templates and policy, all at once.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::{Component, Path, PathBuf};

use super::Failure;
use crate::active::Checked;
use crate::domain::diagnostic::{Severity, codes, did_you_mean, lsp, render, sarif};
use crate::files;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that holds `rules/` and `templates/`
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// How to report: for people, for editors (JSON as in the Language Server Protocol) or for code hosts
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Says what a code means and how to mend it; without one, lists them all
    #[arg(long, value_name = "CODE", num_args = 0..=1, default_missing_value = "", conflicts_with = "format")]
    explain: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

pub fn check(args: &Args) -> Result<(), Failure> {
    if let Some(code) = &args.explain {
        print!("{}", explain(code)?);
        return Ok(());
    }
    let mut files = files::read(&args.folder)?;
    let tests = files::read_tests(&args.folder)?;
    let checked = Checked::with_tests(&files, &tests);
    files.extend(tests);
    match args.format {
        Format::Text => {
            eprint!("{}", render(&checked.diagnostics, &files, std::io::stderr().is_terminal()));
        }
        Format::Json => println!("{:#}", lsp(&checked.diagnostics, &files)),
        Format::Sarif => println!("{:#}", sarif(&checked.diagnostics, &files, &in_repository(&args.folder))),
    }
    if checked.has_errors() {
        return Err(Failure::Refused("the rules or their tests cannot be used".to_owned()));
    }
    if matches!(args.format, Format::Text) {
        println!(
            "{} and {} checked: no errors, {}",
            plural(checked.rules.rules.len(), "rule"),
            plural(checked.templates.names().count(), "template"),
            plural(checked.diagnostics.len(), "warning"),
        );
    }
    Ok(())
}

/// What a code means, or one line for each code.
fn explain(code: &str) -> Result<String, Failure> {
    if code.is_empty() {
        let mut list = String::new();
        for code in codes::all() {
            let note = if code.severity == Severity::Warning { " (warning)" } else { "" };
            // Writing to a string does not fail.
            let _ = writeln!(list, "{}  {}{note}", code.code, code.title);
        }
        return Ok(list);
    }
    if let Some(found) = codes::find(code) {
        return Ok(format!("{}: {}\n\n{}\n", found.code, found.title, found.text));
    }
    let near = did_you_mean(&code.to_uppercase(), codes::all().iter().map(|known| known.code));
    Err(Failure::Refused(match near {
        Some(near) => format!("there is no code `{code}`; did you mean `{near}`?"),
        None => format!("there is no code `{code}`: `declic check --explain` lists them"),
    }))
}

/// The folder as a code host counts it, ending in a slash: from the current one, which is the root of the repository
/// where hosts run their checks. Empty for that folder itself, and for one that lies elsewhere.
fn in_repository(folder: &Path) -> String {
    let mut path = String::new();
    for part in folder.components() {
        match part {
            Component::Normal(name) => {
                path.push_str(&name.to_string_lossy());
                path.push('/');
            }
            Component::CurDir => {}
            _ => return String::new(),
        }
    }
    path
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}
