//! `declic demo`: a shop's day in a minute, through the real worker on a fast clock, told as it happens.

pub(super) mod shipped;
mod story;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Failure, environment};
use crate::app::{self, App, Options};
use crate::config::Config;
use crate::secret::Secret;
use crate::{files, intake, telemetry};

/// Sample customers and their events: a Monday in November, with what a shop meets on any day.
const DAY: &[u8] = include_bytes!("day.ndjson");

/// When the day begins, and how much time passes: long enough for the second cart reminder, a day after the first.
const BEGINS: &str = "2026-11-23T06:00:00Z";
const LASTS: TimeDelta = TimeDelta::hours(27);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the console is, with the captured mails
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025")]
    listen: SocketAddr,
    /// How long the day takes, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=3600))]
    seconds: u32,
    /// Ends after the summary instead of staying up for a look at the mails
    #[arg(long)]
    exit: bool,
}

pub async fn demo(args: Args) -> Result<(), Failure> {
    telemetry::start_logging("error");
    let folder = Folder::make()?;
    let begins: DateTime<Utc> = BEGINS.parse().map_err(environment::failed)?;
    let config = configuration(&args, &folder.0, begins);
    let rules = if Path::new("rules").is_dir() { PathBuf::from(".") } else { folder.0.clone() };
    let app = App::build(config, Options { rules: Some(rules) }).await.map_err(environment::start_failed)?;
    let metrics = telemetry::start_metrics().map_err(environment::failed)?;
    let shutdown = CancellationToken::new();
    stop_on_ctrl_c(&shutdown);
    let story = story::Story::new(&app, DAY, begins);
    let console = app.console_link();
    println!("A shop's day in {} s. See it at {console}  (Ctrl-C ends)\n", args.seconds);
    let (sink, clock, store) = (app.sink.clone(), app.clock.clone(), app.store.clone());
    // Never sent to: the demo's rules are not reloaded by signal.
    let (_reload, reloads) = mpsc::channel(1);
    let stop = shutdown.clone();
    let day = tokio::spawn(async move {
        let telling = tokio::spawn(story.tell(begins + LASTS, stop.clone()));
        intake::file::read_all(DAY, Path::new("day.ndjson"), &sink, &clock, true, &stop).await?;
        tokio::select! {
            () = tokio::time::sleep(clock.real_time_until(begins + LASTS)) => {}
            () = stop.cancelled() => {}
        }
        app::drained(&store, &clock, &stop).await;
        let summary = telling.await?;
        // Whoever interrupts the day asks for no sum, and the database is being closed.
        if stop.is_cancelled() {
            return Ok(());
        }
        summary.print(&store).await?;
        if args.exit {
            stop.cancel();
        } else {
            println!("\nIt all stays at {console} until Ctrl-C.");
        }
        anyhow::Ok(())
    });
    let worked = app.run(metrics, reloads, shutdown).await.map_err(environment::failed);
    // The day may still be in the middle of a sentence when Ctrl-C comes.
    let told = day.await.map_err(environment::failed)?;
    worked?;
    told.map_err(environment::failed)
}

fn configuration(args: &Args, folder: &Path, begins: DateTime<Utc>) -> Config {
    let mut config = Config::default();
    config.database.url = Some(Secret::new(format!("sqlite:{}", folder.join("declic.db").display())));
    config.admin.listen = args.listen;
    config.public.listen = SocketAddr::new(args.listen.ip(), args.listen.port().wrapping_add(1));
    config.clock.start = Some(begins);
    config.clock.end = Some(begins + LASTS);
    config.clock.speed = LASTS.num_seconds() as f64 / f64::from(args.seconds);
    config
}

fn stop_on_ctrl_c(shutdown: &CancellationToken) {
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.cancel();
        }
    });
}

/// A folder for the demo's database and, away from a checkout, the shipped rules. Gone when the demo is.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("declic-demo-{}", std::process::id()));
        // A demo that was killed may have left its folder to a process of the same number.
        let _ = std::fs::remove_dir_all(&folder);
        shipped::unpack(&folder)
            .map_err(|e| Failure::Environment(format!("cannot write to {}: {e}", folder.display())))?;
        files::read(&folder).map_err(|e| Failure::Environment(e.to_string()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
