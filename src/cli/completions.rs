//! `declic completions`: what completes commands and options in a shell. For packages (`scripts/package`).

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell that reads what is printed
    shell: Shell,
}

pub fn completions(args: &Args) {
    clap_complete::generate(args.shell, &mut Cli::command(), "declic", &mut std::io::stdout());
}
