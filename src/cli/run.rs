//! `declic run`: the worker.

use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Failure, environment};
use crate::app::{self, App, Options};
use crate::telemetry::Traces;
use crate::{intake, telemetry};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Reads events from this file, one CloudEvents JSON object a line, beside all else (`-` reads standard input)
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Ends when the events of --events are taken in and nothing is due any more
    #[arg(long, requires = "events")]
    exit: bool,
    /// The folder that holds `rules/` and `templates/` (default: worker.rules_dir)
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Follows the rules that another worker publishes instead of publishing the folder's
    #[arg(long)]
    no_publish: bool,
}

pub async fn run(config: Option<&Path>, args: Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let told = &config.telemetry;
    let traces = Traces::start("info", told.log_format, told.otlp_endpoint.as_deref());
    let traces = traces.map_err(Failure::Refused)?;
    let folder = args.rules.unwrap_or_else(|| config.worker.rules_dir.clone());
    let options = Options { rules: (!args.no_publish).then_some(folder) };
    let app = App::build(config, options).await.map_err(environment::start_failed)?;
    let metrics = telemetry::start_metrics().map_err(environment::failed)?;
    let shutdown = CancellationToken::new();
    let reload = listen(&shutdown).map_err(environment::failed)?;
    let feed = args.events.map(|path| {
        let (sink, clock, store, shutdown) =
            (app.sink.clone(), app.clock.clone(), app.store.clone(), shutdown.clone());
        tokio::spawn(async move {
            let counts = intake::file::from_file(&path, &sink, &clock, true, &shutdown).await?;
            eprintln!(
                "{}: {} events taken in, {} known already, {} unusable (see `declic dead-letters list`)",
                path.display(),
                counts.accepted,
                counts.duplicates,
                counts.refused
            );
            if args.exit {
                app::drained(&store, &clock, &shutdown).await;
                shutdown.cancel();
            }
            anyhow::Ok(())
        })
    });
    let worked = app.run(metrics, reload, shutdown.clone()).await.map_err(environment::failed);
    traces.close().await;
    if let Some(feed) = feed {
        let fed = feed.await.map_err(environment::failed)?;
        fed.map_err(|e| Failure::Refused(format!("{e:#}")))?;
    }
    worked
}

/// The first SIGTERM or SIGINT stops softly, the second at once. SIGHUP reads the rules again.
fn listen(shutdown: &CancellationToken) -> std::io::Result<mpsc::Receiver<()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    let (reload, reloads) = mpsc::channel(1);
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        let mut stopping = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {
                    // One reload waiting is enough for any number of signals.
                    let _ = reload.try_send(());
                    continue;
                }
            }
            if stopping {
                std::process::exit(130);
            }
            stopping = true;
            tracing::info!("stopping; once more to stop at once");
            shutdown.cancel();
        }
    });
    Ok(reloads)
}
