//! `declic pause`, `resume`, `paused` and `drain`: who may be sent to is the rules' affair, whether anything is sent now the
//! operator's.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::table::{self, Format};
use super::{Failure, environment};
use crate::domain::consent::Channel;
use crate::domain::pause::{Pauses, Target};
use crate::operate::{Quiet, wait_until_quiet};
use crate::store::Store;

/// How long `pause` waits to say what was being handed over; workers notice within a second.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct What {
    /// All messages: the kill switch
    #[arg(long)]
    everything: bool,
    /// All messages by this channel
    #[arg(long, value_parser = channel)]
    channel: Option<Channel>,
    /// All messages of this rule
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Pause {
    #[command(flatten)]
    what: What,
    /// Why, for whoever wonders later
    #[arg(long)]
    why: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Resume {
    #[command(flatten)]
    what: What,
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub struct Drain {
    /// Only this channel; without it, everything
    #[arg(long, value_parser = channel)]
    channel: Option<Channel>,
    /// How many seconds to wait at the most
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    within: u64,
}

fn channel(text: &str) -> Result<Channel, String> {
    Channel::parse(text).ok_or_else(|| "the channels are email and sms".to_owned())
}

impl What {
    fn target(self) -> Target {
        match (self.channel, self.rule) {
            (Some(channel), _) => Target::Channel(channel),
            (None, Some(rule)) => Target::Rule(rule),
            (None, None) => Target::Everything,
        }
    }
}

pub async fn pause(config: Option<&Path>, args: Pause) -> Result<(), Failure> {
    let store = environment::store(&environment::config(config)?).await?;
    let target = args.what.target();
    if let Target::Rule(name) = &target {
        known(&store, name).await?;
    }
    begin(&store, &target, args.why.as_deref()).await?;
    let quiet = wait_until_quiet(&store, &target, SETTLES_WITHIN).await.map_err(environment::failed)?;
    println!("{}", left(quiet));
    Ok(())
}

pub async fn resume(config: Option<&Path>, args: Resume) -> Result<(), Failure> {
    let store = environment::store(&environment::config(config)?).await?;
    let target = args.what.target();
    let changed = environment::operator(store.clone()).resume(&target).await.map_err(environment::failed)?;
    if !changed {
        return Err(Failure::Refused(format!(
            "{target} is not paused: `declic paused` shows what is; each is resumed as it was paused"
        )));
    }
    let (waiting, _) = store.messages_of(&target).await.map_err(environment::failed)?;
    println!("resumed: {target}; of it {} wait, and go as the gate lets them", messages(waiting));
    still_paused(&store).await
}

pub async fn list(config: Option<&Path>, args: List) -> Result<(), Failure> {
    let store = environment::store(&environment::config(config)?).await?;
    let mut rows: Vec<Value> = Vec::new();
    for pause in pauses(&store).await?.lasting() {
        let (waiting, _) = store.messages_of(&pause.target).await.map_err(environment::failed)?;
        rows.push(json!({
            "target": pause.target.to_string(),
            "since": pause.since,
            "by": pause.by,
            "why": pause.why,
            "waiting": waiting,
        }));
    }
    table::print(&rows, &["target", "since", "by", "waiting", "why"], args.format)
        .map_err(environment::failed)
}

pub async fn drain(config: Option<&Path>, args: Drain) -> Result<(), Failure> {
    let store = environment::store(&environment::config(config)?).await?;
    let target = args.channel.map_or(Target::Everything, Target::Channel);
    begin(&store, &target, Some("drained")).await?;
    let most = Duration::from_secs(args.within);
    let quiet = wait_until_quiet(&store, &target, most).await.map_err(environment::failed)?;
    if quiet.under_way > 0 {
        return Err(Failure::Refused(format!(
            "after {} s {} still being handed over (`declic messages list --state sending`): a worker that died with them \
             leaves them so until its lease is over",
            args.within,
            messages(quiet.under_way)
        )));
    }
    println!(
        "drained: nothing is being handed over; {} wait for `declic resume {}`",
        messages(quiet.waiting),
        args.channel.map_or("--everything".to_owned(), |channel| format!("--channel {}", channel.as_str()))
    );
    Ok(())
}

async fn begin(store: &Store, target: &Target, why: Option<&str>) -> Result<(), Failure> {
    let operator = environment::operator(store.clone());
    match operator.pause(target, why).await.map_err(environment::failed)? {
        true => println!("paused: {target}"),
        false => println!("{target} is paused already"),
    }
    Ok(())
}

/// A rule that never was is a slip of the pen, found before it stops nothing.
async fn known(store: &Store, name: &str) -> Result<(), Failure> {
    let rules = store.in_force_since().await.map_err(environment::failed)?;
    if rules.contains_key(name) {
        return Ok(());
    }
    let names: Vec<&str> = rules.keys().map(String::as_str).collect();
    Err(Failure::Refused(match names.is_empty() {
        true => format!("there is no rule `{name}`: no worker has published any yet"),
        false => format!("there is no rule `{name}`; there are {}", names.join(", ")),
    }))
}

fn left(quiet: Quiet) -> String {
    let waiting = messages(quiet.waiting);
    match quiet.under_way {
        0 => format!("nothing of it is being handed over; {waiting} wait"),
        n => format!("{} being handed over may still arrive; {waiting} wait", messages(n)),
    }
}

fn messages(count: i64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

async fn pauses(store: &Store) -> Result<Pauses, Failure> {
    Ok(store.pauses().await.map_err(environment::failed)?.into_iter().collect())
}

/// What a larger pause holds is not sent by resuming a smaller one.
async fn still_paused(store: &Store) -> Result<(), Failure> {
    let targets = Vec::from_iter(pauses(store).await?.targets());
    if !targets.is_empty() {
        println!("still paused: {}", targets.join(", "));
    }
    Ok(())
}
