//! `declic man`: the pages of the manual, written from the command line's own words. For packages (`scripts/package`).

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::{Cli, Failure};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write them: `declic.1`, and one for each command
    dir: PathBuf,
}

pub fn man(args: &Args) -> Result<(), Failure> {
    std::fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.dir))
        .map_err(|e| Failure::Environment(format!("cannot write to {}: {e}", args.dir.display())))
}
