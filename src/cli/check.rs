//! `declic check`: everything that can be known to be wrong with rules, their tests, templates and policy, all at once.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::Failure;
use crate::active::Checked;
use crate::domain::diagnostic::render;
use crate::files;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that holds `rules/` and `templates/`
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub fn check(args: &Args) -> Result<(), Failure> {
    let refused = |e: files::FilesError| Failure::Refused(e.to_string());
    let mut files = files::read(&args.folder).map_err(refused)?;
    let tests = files::read_tests(&args.folder).map_err(refused)?;
    let mut checked = Checked::new(&files);
    let (_, of_tests) = checked.scenarios(&files, &tests);
    checked.diagnostics.extend(of_tests);
    files.extend(tests);
    eprint!("{}", render(&checked.diagnostics, &files, std::io::stderr().is_terminal()));
    if checked.has_errors() {
        return Err(Failure::Refused("the rules or their tests cannot be used".to_owned()));
    }
    let warnings = checked.diagnostics.len();
    println!(
        "{} and {} checked: no errors, {}",
        plural(checked.rules.rules.len(), "rule"),
        plural(checked.templates.names().count(), "template"),
        plural(warnings, "warning"),
    );
    Ok(())
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}
