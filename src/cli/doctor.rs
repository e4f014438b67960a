//! `declic doctor`: tries everything the worker stands on, and says what is wrong and what to do.

mod dns;
mod domain;
mod standing;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::{Failure, environment};
use crate::active::Checked;
use crate::app;
use crate::broker::{AmqpConfig, AmqpError, topology};
use crate::channels::sms::IncomingSink;
use crate::channels::sms::http::Webhooks;
use crate::channels::{EmailChannel, HttpSms, Smpp, SmsChannel, Smtp};
use crate::config::Config;
use crate::domain::diagnostic::Severity;
use crate::files;
use crate::telemetry::Traces;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whom to ask about SPF, DKIM and DMARC (default: the first of /etc/resolv.conf)
    #[arg(long, value_name = "ADDRESS:PORT")]
    resolver: Option<SocketAddr>,
}

/// One thing tried.
struct Finding {
    name: &'static str,
    outcome: Outcome,
}

enum Outcome {
    Right(String),
    /// It works, and somebody should look at it.
    Doubtful(String),
    Wrong(String),
}

/// What is not as it should be, and stops nothing.
impl From<Result<String, String>> for Outcome {
    fn from(said: Result<String, String>) -> Self {
        said.map_or_else(Self::Doubtful, Self::Right)
    }
}

fn tried(name: &'static str, outcome: Result<String, String>) -> Finding {
    Finding { name, outcome: outcome.map_or_else(Outcome::Wrong, Outcome::Right) }
}

pub async fn doctor(config: Option<&Path>, args: Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let mut findings = vec![
        tried("rules", rules(&config)),
        tried("database", database(&config).await),
        tried("secret", secret(&config).await),
        tried("broker", broker(&config).await),
        tried("mail", mail(&config).await),
        tried("sms", sms(&config).await),
    ];
    findings.extend(deaf(&config).map(|words| Finding { name: "stop", outcome: Outcome::Doubtful(words) }));
    // A collector that is away stops nothing.
    let traces = Traces::check(config.telemetry.otlp_endpoint.as_deref()).await;
    findings.extend(traces.map(|said| Finding { name: "traces", outcome: said.into() }));
    findings.extend(standing::findings(&config).await);
    if let Ok(files) = files::read(&config.worker.rules_dir) {
        let policy = Checked::new(&files).rules.policy;
        findings.extend(domain::findings(&config, &policy, args.resolver).await);
    }
    for Finding { name, outcome } in &findings {
        match outcome {
            Outcome::Right(words) => println!("ok    {name:<9} {words}"),
            Outcome::Doubtful(words) => println!("warn  {name:<9} {words}"),
            Outcome::Wrong(words) => println!("WRONG {name:<9} {words}"),
        }
    }
    let wrong = findings.iter().filter(|finding| matches!(finding.outcome, Outcome::Wrong(_))).count();
    if wrong == 0 {
        return Ok(());
    }
    Err(Failure::Environment(format!("{wrong} of {} checks failed", findings.len())))
}

fn rules(config: &Config) -> Result<String, String> {
    let files = files::read(&config.worker.rules_dir).map_err(|e| e.to_string())?;
    let checked = Checked::new(&files);
    let errors = checked.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    if errors > 0 {
        return Err(format!("{errors} errors in the rules: run `declic check`"));
    }
    Ok(format!("{} rules, {} templates", checked.rules.rules.len(), checked.templates.names().count()))
}

async fn database(config: &Config) -> Result<String, String> {
    let store = app::open_store(config, config.clock()).await.map_err(|e| format!("{e:#}"))?;
    match store.is_in_its_place().await {
        Ok(true) => {}
        Ok(false) => return Err(app::ELSEWHERE.to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    Ok(if config.uses_sqlite() { "SQLite answers" } else { "PostgreSQL answers; the schema fits" }.to_owned())
}

async fn secret(config: &Config) -> Result<String, String> {
    if config.uses_sqlite() && config.secret.is_none() {
        return Ok("made once and kept in the database (embedded mode)".to_owned());
    }
    match config.secret {
        Some(_) => Ok("given".to_owned()),
        None => {
            Err("DECLIC_SECRET is not set: make one with `openssl rand -base64 32` and keep it for years"
                .to_owned())
        }
    }
}

async fn broker(config: &Config) -> Result<String, String> {
    let Some(amqp) = config.section::<AmqpConfig>("amqp").map_err(|e| e.to_string())? else {
        return Ok("none configured: events come by POST /events or --events".to_owned());
    };
    let depth = match topology::probe(&amqp).await {
        Ok(depth) => depth,
        Err(AmqpError::NotFound { .. }) if amqp.declare => {
            return Ok("RabbitMQ answers; `declic run` will declare its exchanges and queues".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    let surplus = match depth.surplus {
        0 => String::new(),
        events => format!("; {events} more in queues of another number of shards: see `declic topology`"),
    };
    Ok(format!(
        "RabbitMQ answers: {} events waiting, {} consumers, {} dead letters{surplus}",
        depth.waiting, depth.consumers, depth.dead_letters
    ))
}

async fn mail(config: &Config) -> Result<String, String> {
    let Some(smtp) = config.section("smtp").map_err(|e| e.to_string())? else {
        return Ok("none configured: mails are captured and shown in the console".to_owned());
    };
    let channel = EmailChannel::Smtp(Smtp::new(&smtp).map_err(|e| e.to_string())?);
    let answer = channel.check().await;
    channel.close().await;
    answer
}

async fn sms(config: &Config) -> Result<String, String> {
    let (http, smpp) = (
        config.section("sms").map_err(|e| e.to_string())?,
        config.section("smpp").map_err(|e| e.to_string())?,
    );
    let channel = match (http, smpp) {
        (None, None) => {
            return Ok("none configured: SMS are captured and shown in the console".to_owned());
        }
        (Some(_), Some(_)) => return Err("both [sms] and [smpp] are configured: take one out".to_owned()),
        (Some(http), None) => SmsChannel::Http(HttpSms::new(&http, &config.public.base_url())?),
        // A trial of the way there: what comes in meanwhile is left for the worker.
        (None, Some(smpp)) => SmsChannel::Smpp(Smpp::new(&smpp, left_for_the_worker(), config.clock())?),
    };
    let answer = channel.check().await;
    channel.close().await;
    answer
}

/// Why no STOP could be heard by the HTTP provider that is configured, if so: it may be heard by other means.
fn deaf(config: &Config) -> Option<String> {
    let http = config.section("sms").ok()??;
    let why = match Webhooks::new(&http, &config.public.base_url()).ok()? {
        Some(webhooks) if webhooks.inbound_url().is_some() => return None,
        Some(_) => "`[sms.webhook.inbound]` is not described",
        None => "webhooks are off for want of `[sms.webhook] secret`",
    };
    Some(format!(
        "customers' messages are not read ({why}): no STOP is heard from your SMS provider; describe them, or see \
         to it that each STOP comes as a `consent.changed` event"
    ))
}

fn left_for_the_worker() -> IncomingSink {
    Arc::new(|_| Box::pin(async { Err("only a trial".to_owned()) }))
}
