//! What is logged and counted. Each operational event is one function here that does both.
//!
//! Labels are bounded (rules, states, reasons); addresses and message bodies never appear.

mod buckets;
mod catalogue;
mod logs;
mod machine;
#[cfg(feature = "otlp")]
mod otlp;
pub mod spans;
pub mod tally;
mod traces;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::Value;

use crate::domain::consent::Channel;
use crate::domain::event::Event;
use crate::domain::figures::Trouble;
use crate::domain::memory::{Entry, EntryStatus};
use crate::domain::message::{Message, MessageState};
use crate::domain::pause::Pauses;
use crate::domain::retention::{Kind, Phase};
use crate::domain::rules::book::Book;
use crate::domain::snapshot::Verdicts;
use crate::domain::trace::Trace;

pub use logs::{LogFormat, start_logging};
pub use traces::Traces;

/// Starts counting. The handle renders the Prometheus text format.
pub fn start_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = buckets::set(PrometheusBuilder::new())?.install_recorder()?;
    catalogue::describe();
    gauge!("declic_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// New events were taken in. What no rule waits for is counted as `other`: types are the shop's, and there may be many.
pub fn events_taken<'a>(events: impl IntoIterator<Item = &'a Event>, book: &Book, now: DateTime<Utc>) {
    let age = histogram!("declic_event_age_seconds");
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events {
        age.record((now - event.time).num_milliseconds().max(0) as f64 / 1000.0);
        *counts.entry(if book.waits_for(&event.kind) { &event.kind } else { "other" }).or_default() += 1;
    }
    for (kind, count) in counts {
        counter!("declic_events_by_type_total", "type" => kind.to_owned()).increment(count);
    }
}

/// An event, or what brought it, has a `traceparent` that is none (W3C Trace Context §3.2.2): it is taken in without a trace.
/// What it says is not quoted, for anything may stand there.
pub fn broken_trace(event: &Event, told: &Value) {
    let length = told.as_str().map(str::len);
    tracing::debug!(
        event = event.id,
        source = event.source,
        length,
        "the traceparent of event {} is not one of W3C Trace Context and is ignored",
        event.id
    );
}

/// The provider has answered, in a dialogue that took so long.
pub fn answered(channel: Channel, class: &'static str, seconds: f64) {
    counter!("declic_provider_replies_total", "channel" => channel.as_str(), "class" => class).increment(1);
    histogram!("declic_hand_over_seconds", "channel" => channel.as_str()).record(seconds);
}

/// Events were taken in, were known already, or refused.
pub fn events_settled(origin: &'static str, accepted: u64, duplicate: u64, refused: u64) {
    let mut counted = tally::Batch::default();
    for (outcome, word, n) in
        [("accepted", "new", accepted), ("duplicate", "known", duplicate), ("refused", "refused", refused)]
    {
        if n > 0 {
            counter!("declic_events_total", "origin" => origin, "outcome" => outcome).increment(n);
            counted.events(word, n);
        }
    }
    tally::count(counted);
}

/// The core has decided about one customer, of whom these entries were known. What belongs among the figures is in `counted`, to
/// be added once what was decided is committed.
pub fn decided(verdicts: &Verdicts, known: &[Entry], counted: &mut tally::Batch) {
    for entry in &verdicts.entries {
        let is = |rule: &str, occurrence: &str| entry.rule == rule && entry.occurrence == occurrence;
        let told = verdicts.skipped.iter().any(|skip| is(&skip.rule, &skip.occurrence));
        if known.iter().any(|known| is(&known.rule, &known.occurrence)) || told {
            continue;
        }
        match entry.reason {
            // Written down as one that did not begin: a birthday missed, an exit that came first.
            Some(reason) if entry.status == EntryStatus::Ended && !entry.committed => {
                counted.skipped(&entry.rule, reason);
            }
            _ => counted.begun(&entry.rule),
        }
    }
    verdicts.promo_codes.iter().for_each(|code| counted.code(&code.rule));
    for message in &verdicts.messages {
        counted.message(message);
        let reason = message.reason.map_or("", |r| r.as_str());
        counter!("declic_messages_decided_total", "rule" => message.rule.clone(), "state" => message.state.as_str(), "reason" => reason)
            .increment(1);
        tracing::debug!(
            message_id = message.id,
            customer = message.customer_id,
            rule = message.rule,
            step = message.step,
            state = message.state.as_str(),
            reason,
            trace_id = trace_id(message.trace),
            "rule {} decided message {}: {}",
            message.rule,
            message.id,
            message.state.as_str()
        );
    }
    for fact in &verdicts.consents {
        let (channel, status) = (fact.channel.as_str(), fact.status.as_str());
        counter!("declic_consents_total", "channel" => channel, "status" => status).increment(1);
    }
    for skip in &verdicts.skipped {
        // An `if` step that ran neither branch is no entry that was not begun.
        if skip.step.is_none() {
            counted.skipped(&skip.rule, skip.reason);
        }
        counter!("declic_entries_skipped_total", "rule" => skip.rule.clone(), "reason" => skip.reason.as_str())
            .increment(1);
        tracing::debug!(
            rule = skip.rule,
            occurrence = skip.occurrence,
            reason = skip.reason.as_str(),
            detail = skip.detail,
            "rule {} does not begin by {}: {}",
            skip.rule,
            skip.occurrence,
            skip.reason.as_str()
        );
    }
}

/// A worker beside real servers has no provider for a channel.
pub fn nothing_is_sent(channel: Channel) {
    let section = match channel {
        Channel::Email => "[smtp]",
        Channel::Sms => "[sms] or [smpp]",
    };
    tracing::warn!(
        "there is no section {section}: messages by {} are captured, none is sent",
        channel.as_str()
    );
}

/// Rows whose time was over were archived or deleted.
pub fn retained(kind: Kind, phase: Phase, amount: u64) {
    counter!("declic_retention_rows_total", "kind" => kind.as_str(), "phase" => phase.as_str())
        .increment(amount);
}

/// A provider has taken an SMS of so many segments, each of which is paid for.
pub fn sms_accepted(rule: &str, segments: u32) {
    counter!("declic_sms_segments_total", "rule" => rule.to_owned()).increment(u64::from(segments));
}

/// A customer's telephone has written to us.
pub fn text_received(meaning: &'static str) {
    counter!("declic_sms_received_total", "meaning" => meaning).increment(1);
}

/// A mail that may be a report was taken in: what it was.
pub fn bounce_taken(what: &'static str) {
    counter!("declic_bounces_received_total", "what" => what).increment(1);
    if what == "forged" {
        tracing::warn!("a mail claims to have come back, and its return path is not one of ours");
    }
}

/// A report has met its message; `not_ours` when it names another recipient.
pub fn bounce_settled(kind: &'static str, message: &str) {
    counter!("declic_bounces_settled_total", "kind" => kind).increment(1);
    tracing::info!(message_id = message, kind, "a report about message {message}: {kind}");
}

/// A report named an address to which no mail of ours has gone.
pub fn bounce_of_nobody(kind: &'static str) {
    counter!("declic_bounces_settled_total", "kind" => kind).increment(1);
    tracing::info!(kind, "a report about an address to which no mail has gone: {kind}");
}

/// A provider will post nothing before somebody opens this address.
pub fn wants_confirmation(url: &str) {
    tracing::warn!(
        url,
        "the provider of e-mail wants to be told once that its reports are welcome: open {url}"
    );
}

/// A STOP came from a number that no customer has: nobody's consent could be withdrawn.
pub fn stop_from_nobody(id: &str) {
    tracing::warn!(inbound = id, "a STOP came from a number that no customer has");
}

/// Messages have taken the place of others, on the other channel; what they are is committed.
pub fn fell_back(messages: &[Message]) {
    let mut counted = tally::Batch::default();
    messages.iter().for_each(|message| counted.message(message));
    tally::count(counted);
}

/// A message has reached the end of a hand-over, or something was heard of it later.
pub fn handed_over(message: &Message) {
    became(message);
    let reason = message.reason.map_or("", |r| r.as_str());
    counter!("declic_messages_total", "rule" => message.rule.clone(), "channel" => message.channel.as_str(),
        "state" => message.state.as_str(), "reason" => reason)
    .increment(1);
    tracing::debug!(
        message_id = message.id,
        customer = message.customer_id,
        rule = message.rule,
        step = message.step,
        channel = message.channel.as_str(),
        state = message.state.as_str(),
        reason,
        reply = message.reply,
        trace_id = trace_id(message.trace),
        "message {} is {}",
        message.id,
        message.state.as_str()
    );
}

/// Adds a message's new state to the figures. One that waits again was counted when it was decided.
fn became(message: &Message) {
    if message.state != MessageState::Pending {
        let mut counted = tally::Batch::default();
        counted.message(message);
        tally::count(counted);
    }
}

/// How long after its planned instant a message was accepted, in seconds.
pub fn sent_after(channel: Channel, seconds: f64) {
    histogram!("declic_send_delay_seconds", "channel" => channel.as_str()).record(seconds);
}

/// What operators have paused is another set than before.
pub fn paused(before: &Pauses, now: &Pauses) {
    let (before, after) = (before.targets(), now.targets());
    for target in before.difference(&after) {
        gauge!("declic_paused", "target" => target.clone()).set(0.0);
        tracing::info!(target, "resumed: {target}");
    }
    for pause in now.lasting().filter(|pause| !before.contains(&pause.target.to_string())) {
        let target = pause.target.to_string();
        gauge!("declic_paused", "target" => target.clone()).set(1.0);
        let why = pause.why.as_deref().unwrap_or("no reason given");
        tracing::warn!(target, by = pause.by, why, "paused: nothing of {target} is sent until it is resumed");
    }
}

/// The database role may not VACUUM these tables after an erasure.
pub fn may_not_make_room(tables: &[String]) {
    tracing::warn!(
        "this database role may not VACUUM {}: what was erased is deleted, and its bytes stay in PostgreSQL's files until \
         autovacuum frees them and they are written over. To be sure, run `declic maintain` as the owner of the tables, or \
         on PostgreSQL 17 grant MAINTAIN (docs/security.md)",
        tables.join(", ")
    );
}

/// The provider refuses us, not a message: nobody gets any until this is mended.
pub fn provider_refused(channel: Channel, reply: &str, pause_seconds: u64) {
    counter!("declic_provider_refusals_total", "channel" => channel.as_str()).increment(1);
    provider_state(channel, false);
    tracing::error!(
        channel = channel.as_str(),
        reply,
        pause_seconds,
        "the provider refuses us: sending pauses, messages stay in the outbox"
    );
}

/// The provider cannot be reached, does not answer, or asks us to slow down.
pub fn provider_paused(channel: Channel, reply: &str, pause_seconds: f64) {
    counter!("declic_provider_pauses_total", "channel" => channel.as_str()).increment(1);
    provider_state(channel, false);
    tracing::warn!(
        channel = channel.as_str(),
        reply,
        pause_seconds,
        "the provider takes nothing: sending pauses, messages stay in the outbox"
    );
}

/// The provider takes messages again.
pub fn provider_back(channel: Channel) {
    provider_state(channel, true);
    tracing::info!(channel = channel.as_str(), "the provider takes messages again");
}

/// Whether messages are handed to the provider, for the gauge.
pub fn provider_state(channel: Channel, takes: bool) {
    gauge!("declic_provider_paused", "channel" => channel.as_str()).set(if takes { 0.0 } else { 1.0 });
    let trouble = match channel {
        Channel::Email => Trouble::Email,
        Channel::Sms => Trouble::Sms,
    };
    tally::note(trouble, !takes);
}

/// A recipient domain has asked several times in a row to try later.
pub fn domain_paused(domain: &str, pause_seconds: u64, paused: usize, reply: &str) {
    counter!("declic_domain_pauses_total").increment(1);
    tracing::warn!(domain, pause_seconds, paused, reply, "mail to {domain} pauses: it asks to try later");
}

/// Messages given back to the outbox untried, for a reason that lies in limits.
pub fn put_back(channel: Channel, reason: &'static str, messages: u64) {
    counter!("declic_messages_put_back_total", "channel" => channel.as_str(), "reason" => reason)
        .increment(messages);
}

/// A sender has waited for the provider's rate.
pub fn waited_for_rate(channel: Channel, seconds: f64) {
    histogram!("declic_rate_wait_seconds", "channel" => channel.as_str()).record(seconds);
}

/// An older rule version cannot be compiled by this program any more.
pub fn unreadable_rule_version(rule: &str, version: &str) {
    counter!("declic_rule_version_failures_total").increment(1);
    tracing::error!(rule, version, "a rule version that entries are pinned to cannot be read any more");
}

/// What the process takes of the machine.
pub use machine::show as machine;

/// A set of rules is in force.
pub fn rules_in_force(rules: usize, hash: &str) {
    counter!("declic_rule_set_changes_total").increment(1);
    gauge!("declic_rules").set(rules as f64);
    gauge!("declic_rules_stale").set(0.0);
    tally::note(Trouble::Rules, false);
    tracing::info!(rules, set = &hash[..hash.len().min(12)], "rules in force");
}

/// Changed files are wrong; the last good set goes on.
pub fn rules_refused(errors: usize, report: &str) {
    counter!("declic_rule_reload_failures_total").increment(1);
    gauge!("declic_rules_stale").set(1.0);
    tally::note(Trouble::Rules, true);
    tracing::error!(errors, "the changed files have errors; the last good rules stay in force\n{report}");
}

/// Something the worker leans on does not answer; it tries again.
pub fn waiting_for(what: &'static str, error: &str) {
    counter!("declic_unavailable_total", "part" => what).increment(1);
    tracing::warn!(part = what, error, "{what} does not answer; trying again");
}

/// The core has panicked about one customer, or about one message of theirs. What it said may quote the customer, and is
/// kept with the dead letter only.
pub fn panicked(part: &'static str, customer: &str, place: &str) {
    counter!("declic_panics_total", "part" => part).increment(1);
    tracing::error!(part, customer, place, "a panic at {place} about customer {customer}");
}

/// What always fails for one customer is set aside, so that the others' goes on.
pub fn set_aside(origin: &'static str, customer: &str, letter: &str) {
    counter!("declic_dead_letters_total", "origin" => origin, "reason" => "poison").increment(1);
    tracing::error!(
        origin,
        customer,
        letter,
        "a {origin} of customer {customer} cannot be processed and is set aside: see `declic dead-letters show {letter}`"
    );
}

/// A rule's ticks cannot be worked out; the other rules' go on.
pub fn ticks_failed(rule: &str, place: &str) {
    counter!("declic_panics_total", "part" => "ticks").increment(1);
    tracing::error!(rule, place, "a panic at {place} about the ticks of rule {rule}: none is begun");
}

/// A receipt is about a message whose row cannot be read.
pub fn unreadable_receipt(message: &Message) {
    tracing::error!(
        message_id = message.id,
        "a receipt is about message {}, which cannot be read",
        message.id
    );
}

/// Messages whose sender died during the hand-over.
pub fn reclaimed(message: &Message) {
    became(message);
    counter!("declic_messages_reclaimed_total", "state" => message.state.as_str()).increment(1);
    tracing::warn!(
        message_id = message.id,
        customer = message.customer_id,
        rule = message.rule,
        state = message.state.as_str(),
        trace_id = trace_id(message.trace),
        "the sender of message {} died during its hand-over: it is {}",
        message.id,
        message.state.as_str()
    );
}

/// More messages wait than the intake should add to, or no longer.
pub fn intake_slowed(slowed: bool, waiting: u64, limit: u64) {
    gauge!("declic_intake_slowed").set(if slowed { 1.0 } else { 0.0 });
    if slowed {
        tracing::warn!(waiting, limit, "{waiting} messages wait: the intake slows down until they are sent");
    } else {
        tracing::info!(waiting, limit, "the outbox is short enough: the intake goes at full speed");
    }
}

/// How many connections the database's pool has, and how many of them do nothing.
pub fn database_pool(connections: u32, idle: usize) {
    gauge!("declic_database_connections", "state" => "idle").set(idle as f64);
    gauge!("declic_database_connections", "state" => "busy").set(f64::from(connections) - idle as f64);
}

/// The field by which logs and traces find each other; none where there is no trace.
fn trace_id(trace: Option<Trace>) -> Option<String> {
    trace.map(|trace| trace.id())
}

/// What is waiting, for the gauges.
pub fn backlog(open: &BTreeMap<MessageState, i64>, oldest_message_seconds: f64, oldest_timer_seconds: f64) {
    for (state, count) in open {
        gauge!("declic_outbox_messages", "state" => state.as_str()).set(*count as f64);
    }
    gauge!("declic_outbox_oldest_seconds").set(oldest_message_seconds);
    gauge!("declic_timers_oldest_overdue_seconds").set(oldest_timer_seconds);
}
