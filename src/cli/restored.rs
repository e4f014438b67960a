//! `declic restored`: tells a database that was restored to an earlier point what it has forgotten, before any worker
//! starts on it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::{Failure, environment};
use crate::active::Checked;
use crate::domain::outcome::Outcome;
use crate::domain::restore::{self, Fence, LIST_LAGS, List, Told};
use crate::domain::steps::basis;
use crate::store::{Changes, Store};

/// Messages looked at together.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The instant that the database was set back to, such as 2026-11-22T10:00:00Z: when the back-up was begun
    #[arg(long, value_name = "INSTANT", required_unless_present = "nothing_lost")]
    taken_at: Option<DateTime<Utc>>,
    /// What was sent since then: the outcomes that the shop kept, one JSON object a line, or message ids from the mail
    /// server's log; without it, nothing that may have been sent is sent (but messages of a contract)
    #[arg(long, value_name = "FILE", requires = "taken_at")]
    sent: Option<PathBuf>,
    /// The database was moved or copied after the last worker had stopped: it has forgotten nothing
    #[arg(long, conflicts_with_all = ["taken_at", "sent"])]
    nothing_lost: bool,
}

pub async fn restored(config: Option<&Path>, args: Args) -> Result<(), Failure> {
    let config = environment::config(config)?;
    let store = environment::store(&config).await?;
    if let Some(taken_at) = args.taken_at {
        let now = config.clock().now();
        let list = args.sent.as_deref().map(|file| read(file, now)).transpose()?;
        check(&store, taken_at, now).await?;
        let after = list.as_ref().map_or(DateTime::<Utc>::MIN_UTC, |list| list.complete_until);
        let told = list.map(|list| list.told).unwrap_or_default();
        settle(&store, taken_at, Fence { after, until: now }, &told).await?;
    }
    store.settle_in().await.map_err(environment::failed)?;
    if args.nothing_lost {
        println!("the database is taken as whole where it is now: start the workers");
    }
    Ok(())
}

async fn check(store: &Store, taken_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Failure> {
    if taken_at > now {
        return Err(Failure::Refused(format!("--taken-at {} lies in the future", words(taken_at))));
    }
    match store.newest_event_at().await.map_err(environment::failed)? {
        Some(newest) if newest > taken_at => Err(Failure::Refused(format!(
            "the database holds an event that came in at {}: it was set back to that instant or a later one, not to {}",
            words(newest),
            words(taken_at)
        ))),
        _ => Ok(()),
    }
}

/// Settles all that waits, in one transaction with the record of the restore: a command cut short has done nothing.
async fn settle(store: &Store, taken_at: DateTime<Utc>, fence: Fence, told: &List) -> Result<(), Failure> {
    let failed = environment::failed;
    let set = store.active_rule_set().await.map_err(failed)?;
    let policy = Checked::new(&set.map(|set| set.files).unwrap_or_default()).rules.policy;
    let (mut sent, mut unsure, mut waiting) = (0, 0, 0);
    let mut tx = store.begin().await.map_err(failed)?;
    tx.record_restore(taken_at, fence, told).await.map_err(failed)?;
    let by = environment::operator(store.clone()).name;
    tx.audit(&by, "restored", &["database"], Some(&words(taken_at))).await.map_err(failed)?;
    let mut after = String::new();
    loop {
        let page = tx.unfinished(&after, PAGE).await.map_err(failed)?;
        // One that cannot be read is set aside by whoever claims it, and so not sent either.
        let Some(last) = page.messages.iter().chain(&page.unreadable).map(|message| &message.id).max() else {
            break;
        };
        after.clone_from(last);
        let (mut settled, mut changes) = (Vec::new(), Changes::default());
        for message in page.messages {
            let told = told.get(&message.id).copied();
            match restore::gone(&message, basis(&policy, &message.purpose), &[fence], told) {
                Some(message) => {
                    changes.outcomes.extend(Outcome::of_message(&message, fence.until));
                    if matches!(told, Some(Told::Sent(_))) {
                        sent += 1
                    } else {
                        unsure += 1
                    }
                    settled.push(message);
                }
                None => waiting += 1,
            }
        }
        tx.settle_restored(&settled).await.map_err(failed)?;
        tx.write(&changes).await.map_err(failed)?;
    }
    tx.commit().await.map_err(failed)?;
    println!(
        "of the messages that waited at {}, {sent} are known to be sent, {unsure} may have been and are not sent again \
         (uncertain, restored), {waiting} wait for their turn",
        words(taken_at)
    );
    println!(
        "what events make again is held to the same: now deliver those since {} again, consents and erasures first, \
         and start the workers (docs/backup.md)",
        words(taken_at)
    );
    Ok(())
}

/// What was sent, as somebody else kept it.
#[derive(Debug)]
struct Kept {
    told: List,
    /// What was due later may be missing from it.
    complete_until: DateTime<Utc>,
}

fn read(file: &Path, now: DateTime<Utc>) -> Result<Kept, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Failure::Refused(format!("cannot read {}: {e}", file.display())))?;
    parse(&text, now).map_err(|mistake| Failure::Refused(format!("{}{mistake}", file.display())))
}

/// Reads a list. Outcomes are told some time after the hand-over and may be lost with the database, so the last of them
/// says until when the list is complete; a mail server's log has every message, so a list of ids is complete.
fn parse(text: &str, now: DateTime<Utc>) -> Result<Kept, String> {
    let (mut told, mut newest) = (List::new(), None);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = |mistake: &str| format!(":{}: {mistake}", number + 1);
        if line.trim_start().starts_with('{') {
            let outcome: Value = serde_json::from_str(line).map_err(|e| at(&format!("not JSON: {e}")))?;
            let time = outcome["time"].as_str().and_then(|t| t.parse::<DateTime<Utc>>().ok());
            let time = time.ok_or_else(|| at("no outcome: `time` is missing"))?;
            newest = newest.max(Some(time));
            let said = match outcome["type"].as_str() {
                Some("message.sent" | "message.delivered") => Told::Sent(time),
                Some("message.uncertain") => Told::Uncertain,
                _ => continue,
            };
            let id = outcome["data"]["message_id"].as_str();
            let id = id.ok_or_else(|| at("no outcome of a message: `data.message_id` is missing"))?;
            told.insert(id.to_owned(), said);
        } else {
            let id = line.trim().trim_matches(['<', '>']).split('@').next().unwrap_or_default();
            if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(at(
                    "neither an outcome nor a message id (32 hexadecimal digits, or a Message-ID)",
                ));
            }
            told.insert(id.to_ascii_lowercase(), Told::Sent(now));
        }
    }
    if told.is_empty() {
        return Err(" names no message that was sent".to_owned());
    }
    Ok(Kept { told, complete_until: newest.map_or(now, |newest| newest - LIST_LAGS) })
}

fn words(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn now() -> DateTime<Utc> {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn outcomes_are_complete_until_shortly_before_the_last() {
        let line = |kind: &str, id: &str, time: &str| {
            format!(r#"{{"type":"{kind}","time":"2026-11-22T{time}:00Z","data":{{"message_id":"{id}"}}}}"#)
        };
        let lines = [
            line("message.sent", "a", "10:00"),
            line("message.suppressed", "b", "11:00"),
            line("message.uncertain", "c", "10:30"),
        ];
        let kept = parse(&lines.join("\n"), now()).unwrap();
        assert_eq!(kept.told["a"], Told::Sent("2026-11-22T10:00:00Z".parse().unwrap()));
        assert_eq!(kept.told["c"], Told::Uncertain);
        assert_eq!(kept.told.len(), 2);
        assert_eq!(kept.complete_until, "2026-11-22T10:55:00Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn ids_are_read_as_mail_servers_log_them() {
        let kept = parse(&format!("{ID}\n\n<{}@shop.example>\n", ID.replace('0', "f")), now()).unwrap();
        assert_eq!(kept.told.len(), 2);
        assert_eq!(kept.told[ID], Told::Sent(now()));
        assert_eq!(kept.complete_until, now());
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        assert!(parse(&format!("{ID}\nxyz"), now()).unwrap_err().starts_with(":2: neither"));
        assert!(parse("{\"type\":\"message.sent\"}", now()).unwrap_err().contains("`time`"));
        assert!(parse("\n", now()).unwrap_err().contains("names no message"));
    }
}
