//! Mails that came back, on their way to the messages that they are about.
//!
//! A report is believed when its return path carries our tag, or when it names a stored message and whom that went to. It
//! is kept first and settled here, again and again, until its message is known: it may come before the record of the
//! hand-over. Called by `app` and, through it, by `declic bounces`; [`maildir`] brings the mails.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::maildir;
use super::stop::stoppable;
use super::webhook::WebhookConfig;
use crate::active::Shelf;
use crate::clock::Clock;
use crate::domain::bounce::notice::Notice;
use crate::domain::bounce::verp::{self, BounceAddress, Path};
use crate::domain::bounce::{self, Kind, Reading, Report};
use crate::domain::consent::Channel;
use crate::domain::event::Event;
use crate::domain::hex;
use crate::domain::message::{Message, MessageState};
use crate::domain::outcome::Outcome;
use crate::domain::rules::book::CONSENT_CHANGED;
use crate::domain::token::Keys;
use crate::domain::verdict::Reason;
use crate::failpoint;
use crate::process::{ProcessError, Processor};
use crate::store::{BounceRow, Changes, DeadLetter, Store, StoreError, Suppression};
use crate::telemetry;

/// The CloudEvents `source` of withdrawals by a complaint.
const SOURCE: &str = "/declic/complaint";

/// How often to look, in real time: nobody waits for a bounce.
const EVERY: Duration = Duration::from_secs(1);

/// Reports settled in one transaction.
const AT_ONCE: u32 = 200;

/// `[bounces]`: what comes back, and what follows from it.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BouncesConfig {
    /// A maildir that the worker reads reports from.
    pub maildir: Option<PathBuf>,
    /// So many soft bounces of one address within `soft_days` suppress it.
    pub soft_limit: u32,
    /// Days in which soft bounces count; also how long any report is kept.
    pub soft_days: u32,
    /// What the provider of e-mail posts reports to.
    pub webhook: Option<WebhookConfig>,
}

impl Default for BouncesConfig {
    fn default() -> Self {
        Self { maildir: None, soft_limit: 5, soft_days: 30, webhook: None }
    }
}

impl BouncesConfig {
    /// For how long soft bounces count, and any report is kept.
    pub fn kept(&self) -> TimeDelta {
        TimeDelta::days(self.soft_days.into())
    }
}

/// What has become of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Kept, to be settled; `new` is false when it was known.
    Kept { kind: Kind, new: bool },
    /// A report that shows neither a tag of ours nor a message's id and recipient. Nothing follows from it.
    NotOurs(Kind),
    /// A report whose tag is wrong. Nothing follows from it.
    Forged,
    /// No report of a failure: as [`Reading::as_str`] says.
    Nothing(&'static str),
}

impl Taken {
    /// As it is counted and said.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Kept { new: false, .. } => "known",
            Self::Kept { kind, .. } => kind.as_str(),
            Self::NotOurs(_) => "not_ours",
            Self::Forged => "forged",
            Self::Nothing(what) => what,
        }
    }
}

/// Takes mails in and settles what they report. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bounces {
    pub store: Store,
    pub shelf: Shelf,
    pub clock: Clock,
    pub processor: Processor,
    pub config: BouncesConfig,
    /// Where bounces come back to, when each message has a return path of its own.
    pub address: Option<BounceAddress>,
    /// What return paths were made with.
    pub keys: Keys,
}

impl Bounces {
    /// Keeps what a mail reports; it may be taken in any number of times.
    pub async fn take(&self, mail: &[u8]) -> Result<Taken, StoreError> {
        let taken = match bounce::read(mail) {
            Reading::Report(report) => match self.row(mail, report) {
                Ok(row) => {
                    let new = self.store.keep_bounces(std::slice::from_ref(&row)).await? > 0;
                    Taken::Kept { kind: row.kind, new }
                }
                Err(taken) => taken,
            },
            other => Taken::Nothing(other.as_str()),
        };
        telemetry::bounce_taken(taken.as_str());
        Ok(taken)
    }

    /// Keeps what a provider tells; told again, it is known.
    pub async fn take_notices(&self, notices: &[Notice]) -> Result<(), StoreError> {
        let rows: Vec<BounceRow> = notices.iter().map(BounceRow::told).collect();
        self.store.keep_bounces(&rows).await?;
        rows.iter().for_each(|row| telemetry::bounce_taken(row.kind.as_str()));
        Ok(())
    }

    /// The report, if it names a message of ours.
    fn row(&self, mail: &[u8], report: Report) -> Result<BounceRow, Taken> {
        let path = self.address.as_ref().map_or(Path::None, |address| address.find(mail, &self.keys));
        let named = report.about.iter().find_map(|id| verp::message_of(id));
        let named = named.filter(|_| !report.recipients.is_empty());
        let (message_id, recipients) = match (path, named) {
            (Path::Ours(id), _) => (id, None),
            (_, Some(id)) => (id, Some(report.recipients)),
            (Path::Forged, None) => return Err(Taken::Forged),
            (Path::None, None) => return Err(Taken::NotOurs(report.kind)),
        };
        // A tag's word and a recipient's are two: whoever says the second wrongly must not keep the first from being heard.
        let believed = if recipients.is_some() { recipients.as_ref().map(|r| r.join(" ")) } else { None };
        let identity = format!("{message_id} {} {}", report.kind.as_str(), believed.unwrap_or_default());
        Ok(BounceRow {
            id: hex::encode(&Sha256::digest(identity.as_bytes())[..16]),
            message_id,
            kind: report.kind,
            status: report.status,
            detail: Some(report.detail),
            recipients,
        })
    }

    /// Finds the messages of reports that name an address only: the last mail to it. One to which none has gone is
    /// suppressed all the same.
    async fn name(&self) -> Result<(), StoreError> {
        for row in self.store.nameless_bounces(AT_ONCE).await? {
            let Some(address) = row.recipients.as_ref().and_then(|named| named.first()) else { continue };
            match self.store.last_mail_to(address).await? {
                Some(message) if row.is_about(&message) => {
                    self.store.name_bounce(&row.id, &message.id).await?;
                }
                _ => {
                    let mut tx = self.store.begin().await?;
                    if tx.settle_nameless(&row.id, address).await? {
                        let suppressions = self.suppression(&row, address, 1, self.clock.now());
                        let suppressions = suppressions.into_iter().collect();
                        tx.write(&Changes { suppressions, ..Changes::default() }).await?;
                        telemetry::bounce_of_nobody(row.kind.as_str());
                    }
                    tx.commit().await?;
                }
            }
        }
        Ok(())
    }

    /// Settles some reports; how many.
    pub async fn settle(&self) -> Result<usize, StoreError> {
        self.name().await?;
        let due = self.store.due_bounces(AT_ONCE).await?;
        if due.is_empty() {
            return Ok(0);
        }
        // The withdrawals first: known by their ids, they may be told again should the rest fail.
        for (row, message) in &due {
            if let Some(message) = message {
                self.withdraw(row, message).await?;
            }
        }
        let ids: Vec<String> = due.into_iter().map(|(row, _)| row.id).collect();
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let (mut changes, mut messages) = (Changes::default(), Vec::<Message>::new());
        for (row, message) in tx.settle_bounces(&ids).await? {
            if !may_be_about(&row, &message) {
                telemetry::bounce_settled("not_ours", &message.id);
                continue;
            }
            telemetry::bounce_settled(row.kind.as_str(), &message.id);
            if let Some(address) = &message.address {
                let since = now - self.config.kept();
                let soft = tx.count_soft_bounces(&row.id, address, since).await?;
                changes.suppressions.extend(self.suppression(&row, address, soft, now));
            }
            // Of two reports about one message the complaint holds: it did arrive.
            let after = after(&row, message);
            match messages.iter_mut().find(|m| m.id == after.id) {
                Some(known) if known.state == MessageState::Complained => {}
                Some(known) => *known = after,
                None => messages.push(after),
            }
        }
        let written = tx.record_bounces(&messages).await?;
        messages.retain(|message| written.contains(&message.id));
        for message in &messages {
            changes.outcomes.extend(Outcome::of_message(message, now));
            changes.messages.extend(message.fall_back(now));
        }
        tx.write(&changes).await?;
        failpoint::reach("bounces.settled");
        tx.commit().await?;
        messages.iter().for_each(telemetry::handed_over);
        telemetry::fell_back(&changes.messages);
        Ok(ids.len())
    }

    fn suppression(
        &self,
        row: &BounceRow,
        address: &str,
        soft: i64,
        at: DateTime<Utc>,
    ) -> Option<Suppression> {
        let (reason, detail) = match row.kind {
            Kind::Hard => (Reason::Bounced, words(row)),
            Kind::Complaint => (Reason::Complained, words(row)),
            Kind::Soft if soft >= i64::from(self.config.soft_limit) => {
                let days = self.config.soft_days;
                (Reason::Bounced, format!("{soft} soft bounces in {days} days; the last: {}", words(row)))
            }
            Kind::Soft => return None,
        };
        Some(Suppression {
            channel: Channel::Email,
            address: address.to_owned(),
            reason,
            at,
            detail: Some(detail),
        })
    }

    /// Takes a complaint as the withdrawal that it is, an event like any other. None for an erased customer, who has no
    /// address left.
    async fn withdraw(&self, row: &BounceRow, message: &Message) -> Result<(), StoreError> {
        if row.kind != Kind::Complaint || !may_be_about(row, message) || message.address.is_none() {
            return Ok(());
        }
        let active = self.shelf.get();
        let now = self.clock.now();
        let consents: Vec<Value> = stoppable(&active.book.active.policy)
            .map(|purpose| {
                json!({
                    "channel": "email", "purpose": purpose, "status": "withdrawn", "source": "complaint",
                    "report": row.detail, "message_id": message.id, "received_at": now,
                })
            })
            .collect();
        let event = Event {
            id: row.id.clone(),
            source: SOURCE.to_owned(),
            kind: CONSENT_CHANGED.to_owned(),
            subject: message.customer_id.clone(),
            time: now,
            data: json!({ "consents": consents }).into(),
            trace: None,
        };
        match self.processor.accept(std::slice::from_ref(&event)).await {
            Ok(_) => Ok(()),
            Err(ProcessError::Store(error)) => Err(error),
            Err(ProcessError::Poison(words)) => {
                let letter = DeadLetter::of_event("complaint", &event, &words, now);
                self.store.park(&letter).await?;
                telemetry::set_aside("complaint", &event.subject, &letter.id);
                Ok(())
            }
        }
    }

    /// Reads the maildir and settles reports until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Some(folder) = &self.config.maildir
                && let Err(error) = maildir::read(&self, folder, |_, _| ()).await
            {
                telemetry::waiting_for("maildir", &error.to_string());
            }
            let settled = self.settle().await;
            if let Err(error) = &settled {
                telemetry::waiting_for("database", &error.to_string());
            }
            if settled.is_ok_and(|settled| settled > 0) {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
}

/// Whether a report is to be believed: it names the message's reader, or its return path vouches for it, and the message
/// has left, as far as anybody knows.
fn may_be_about(row: &BounceRow, message: &Message) -> bool {
    use MessageState::{Bounced, Complained, Delivered, Sent, Uncertain};
    row.is_about(message) && matches!(message.state, Sent | Delivered | Uncertain | Bounced | Complained)
}

/// The message after a report about it.
fn after(row: &BounceRow, mut message: Message) -> Message {
    message.detail = Some(words(row));
    if row.kind == Kind::Complaint {
        message.state = MessageState::Complained;
    } else {
        message.state = MessageState::Bounced;
        // It has not reached its reader, and so counts for no cap.
        message.slot_at = None;
    }
    message
}

fn words(row: &BounceRow) -> String {
    let said = [Some(row.kind.as_str()), row.status.as_deref(), row.detail.as_deref()];
    said.into_iter().flatten().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
