//! `declic bounces`: takes in mails that came back, from a mail server's pipe, a file or a maildir.

use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;

use super::{Failure, environment};
use crate::app::bounces::{Bounces, Taken, beginning, of_config, read_maildir};
use crate::domain::bounce::MOST_BYTES;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Takes in reports (RFC 3464, RFC 5965): their messages become bounced or complained, their addresses suppressed
    ///
    /// Made for a mail server's pipe: exit code 0 for whatever a mail says, also for one that is no report, and 75
    /// (EX_TEMPFAIL) where it could not be kept, so that the server tries again. Taking a mail in twice changes nothing.
    Ingest {
        /// A mail, a maildir whose `new/` is read and moved to `cur/`, or `-` for a mail on standard input
        #[arg(default_value = "-")]
        source: PathBuf,
    },
}

pub async fn bounces(config: Option<&Path>, command: Command) -> Result<(), Failure> {
    let Command::Ingest { source } = command;
    let bounces = match built(config).await {
        Ok(bounces) => bounces,
        Err(failure) => return Err(Failure::TryLater(failure.to_string())),
    };
    if source.join("new").is_dir() {
        let tell = |path: &Path, taken: &Taken| println!("{}  {}", path.display(), taken.as_str());
        while read_maildir(&bounces, &source, tell).await.map_err(later)? > 0 {}
    } else {
        let mut mail = Vec::new();
        if source == Path::new("-") {
            let whole = &mut tokio::io::stdin();
            whole.take(MOST_BYTES as u64).read_to_end(&mut mail).await.map_err(later)?;
            // A pipe that is closed early is a broken one for whoever writes.
            tokio::io::copy(whole, &mut tokio::io::sink()).await.map_err(later)?;
        } else {
            mail = beginning(&source)
                .await
                .map_err(|error| Failure::Refused(format!("{}: {error}", source.display())))?;
        }
        println!("{}", bounces.take(&mail).await.map_err(later)?.as_str());
    }
    while bounces.settle().await.map_err(later)? > 0 {}
    Ok(())
}

async fn built(config: Option<&Path>) -> Result<Bounces, Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    let active = environment::active(&config, &store).await?;
    of_config(&config, store, active).await.map_err(environment::start_failed)
}

fn later(error: impl Into<anyhow::Error>) -> Failure {
    Failure::TryLater(environment::failed(error).to_string())
}
