//! The command line: one file a command. Results go to standard output, everything else to standard error.

mod audit;
mod bounces;
mod check;
mod completions;
mod consents;
mod customers;
mod dead_letters;
mod demo;
mod doctor;
mod environment;
mod explain;
mod health;
mod maintain;
mod man;
mod messages;
mod migrate;
mod new;
mod pause;
mod preview;
mod progress;
mod register;
mod restored;
mod retention;
mod run;
mod schema;
mod simulate;
mod suppressions;
mod table;
mod test;
mod topology;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::domain::diagnostic::{Diagnostic, SourceFile, render};
use crate::files::FilesError;

/// Marketing messages set off by customer events: rules in files, consent respected, nothing sent twice.
#[derive(Debug, Parser)]
#[command(name = "declic", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// The configuration (default: `declic.toml` if there is one; without it, embedded mode)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the input was refused, 2 usage, 3 the environment failed (database, broker, mail server).

Start with `declic demo`; then `declic check` your own rules and `declic run` the worker.";

#[derive(Debug, Subcommand)]
enum Command {
    /// A shop's day in a minute: sample customers and events, captured mail, a page to watch it on
    Demo(demo::Args),
    /// The worker: takes events in, runs the rules, sends
    Run(run::Args),
    /// Checks rules, their tests, templates and policy; exit code 1 on errors
    Check(check::Args),
    /// Runs the rule tests (`rules/NAME.test.yaml`); exit code 1 on failures
    Test(test::Args),
    /// What a history of events would send, or what other rules would change about that
    Simulate(simulate::Args),
    /// A template with its sample or a customer, in each of its languages
    Preview(preview::Args),
    /// A rule or a template to begin with, commented; it passes `check` as it is
    #[command(subcommand)]
    New(new::Command),
    /// The JSON Schemas of rules, their tests, policy and events, by which editors complete and explain them
    Schema(schema::Args),
    /// The story of a customer: what happened, which rules it began or did not, what was sent or not, and why
    Explain(explain::Args),
    /// Imports and shows customers; exports, corrects, restricts and erases them
    #[command(subcommand)]
    Customers(customers::Command),
    /// Shows the ledger of consents, and verifies that nobody has altered it
    #[command(subcommand)]
    Consents(consents::Command),
    /// Writes the register of processing (GDPR article 30) from rules, templates and configuration
    Register(register::Args),
    /// Lists and shows messages: sent, waiting, refused, and why; sends again, cancels; and what customers wrote
    #[command(subcommand)]
    Messages(messages::Command),
    /// Takes in mails that came back
    #[command(subcommand)]
    Bounces(bounces::Command),
    /// Lists the addresses that are never written to again, adds to them and takes off
    #[command(subcommand)]
    Suppressions(suppressions::Command),
    /// Stops sending: a rule, a channel or everything, on all workers, within a second; what is decided meanwhile waits
    Pause(pause::Pause),
    /// Goes on sending what was paused, each message once
    Resume(pause::Resume),
    /// Lists what is paused, since when, by whom and why
    Paused(pause::List),
    /// Pauses, and waits until no message is being handed over: before a provider's or the database's maintenance
    Drain(pause::Drain),
    /// Lists what operators did, the latest first
    Audit(audit::Args),
    /// Lists, shows, replays and discards what could not be used
    #[command(subcommand, name = "dead-letters")]
    DeadLetters(dead_letters::Command),
    /// Creates or upgrades the database's tables
    Migrate(migrate::Args),
    /// Has the database let go of what was erased, and encrypts all profiles, or none, as is configured
    ///
    /// The first the worker does by itself, without `--rewrite`.
    Maintain(maintain::Args),
    /// Shows what retention has done and what is due, and does it by hand
    #[command(subcommand)]
    Retention(retention::Command),
    /// Tells a database that was restored from a back-up what it has forgotten; before any worker starts
    Restored(restored::Args),
    /// Plans the exchanges and queues that the configuration asks RabbitMQ for, and applies the plan
    Topology(topology::Args),
    /// Tries rules, database, broker, providers, clock, disk and the sending domain, and says what is wrong and what to do
    Doctor(doctor::Args),
    /// Asks the worker that runs with this configuration whether it is well; exit code 1 if not, or if none answers
    Health(health::Args),
    /// Writes the pages of the manual
    #[command(hide = true)]
    Man(man::Args),
    /// Prints what completes commands in a shell
    #[command(hide = true)]
    Completions(completions::Args),
}

/// Why a command did not do what it was asked, by exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Exit code 1.
    #[error("{0}")]
    Refused(String),
    /// Exit code 3.
    #[error("{0}")]
    Environment(String),
    /// Exit code 75 (EX_TEMPFAIL of `sysexits.h`), for mail servers: not taken, and worth another try.
    #[error("{0}")]
    TryLater(String),
}

/// The files of rules and templates are the user's to mend.
impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Failure {
    /// These files have errors, and all that was found in them.
    fn errors_in(what: &str, findings: &[Diagnostic], files: &[SourceFile]) -> Self {
        Self::Refused(format!("{what} have errors\n{}", render(findings, files, false)))
    }

    fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Environment(_) => 3,
            Self::TryLater(_) => 75,
        }
    }
}

/// Runs the command line to its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Environment(format!("cannot start: {e}")))
        .and_then(|runtime| runtime.block_on(execute(cli)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

async fn execute(cli: Cli) -> Result<(), Failure> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::demo(args).await,
        Command::Run(args) => run::run(config, args).await,
        Command::Check(args) => check::check(&args),
        Command::Test(args) => test::test(&args),
        Command::Simulate(args) => simulate::simulate(config, &args).await,
        Command::Preview(args) => preview::preview(config, args).await,
        Command::New(command) => new::new(&command),
        Command::Schema(args) => schema::schema(&args),
        Command::Explain(args) => explain::explain(config, &args).await,
        Command::Customers(command) => customers::customers(config, command).await,
        Command::Consents(command) => consents::consents(config, command).await,
        Command::Register(args) => register::register(config, &args),
        Command::Messages(command) => messages::messages(config, command).await,
        Command::Bounces(command) => bounces::bounces(config, command).await,
        Command::Pause(args) => pause::pause(config, args).await,
        Command::Resume(args) => pause::resume(config, args).await,
        Command::Paused(args) => pause::list(config, args).await,
        Command::Drain(args) => pause::drain(config, args).await,
        Command::Audit(args) => audit::audit(config, args).await,
        Command::Suppressions(command) => suppressions::suppressions(config, command).await,
        Command::DeadLetters(command) => dead_letters::dead_letters(config, command).await,
        Command::Migrate(args) => migrate::migrate(config, &args).await,
        Command::Maintain(args) => maintain::maintain(config, &args).await,
        Command::Retention(command) => retention::retention(config, command).await,
        Command::Restored(args) => restored::restored(config, args).await,
        Command::Topology(args) => topology::topology(config, &args).await,
        Command::Doctor(args) => doctor::doctor(config, args).await,
        Command::Health(args) => health::health(config, &args).await,
        Command::Man(args) => man::man(&args),
        Command::Completions(args) => {
            completions::completions(&args);
            Ok(())
        }
    }
}
