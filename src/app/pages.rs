//! What the two listeners are given: closures over the parts, so that `ops` knows none of them.

use std::sync::Arc;

use super::Pulses;
use super::bounces::{Bounces, Refusal as EmailRefusal, Webhook};
use crate::active::Shelf;
use crate::channels::sms::IncomingSink;
use crate::channels::sms::http::{Call, Refusal, Webhooks};
use crate::channels::{Capture, Captured, Parcel};
use crate::clock::Clock;
use crate::console::mail::{Content, Mail, MailSource, MailSummary};
use crate::delivery::flow::Flow;
use crate::delivery::pauses::Pauses;
use crate::domain::bounce::providers::Posted;
use crate::domain::consent::Channel;
use crate::domain::customer::comparable_address;
use crate::domain::token::Keys;
use crate::intake;
use crate::ops::health::{AskHealth, Check};
use crate::ops::hooks::{HookAnswer, Receive};
use crate::ops::public::limit::Limit;
use crate::ops::public::{Known, Public};
use crate::process::Processor;
use crate::store::{Store, StoreError};
use crate::telemetry;

/// A part whose last sign of life is older than this is not well, in seconds.
const STALE_AFTER: i64 = 60;

/// The pages behind links: what a customer says there is an event like any other, taken in by the same process.
pub fn public(
    keys: Keys,
    limit: Limit,
    store: Store,
    shelf: Shelf,
    processor: Processor,
    clock: Clock,
) -> Public {
    Public {
        keys,
        policy: Arc::new(move || shelf.get().book.active.policy.clone()),
        now: Arc::new(move || clock.now()),
        ask: Arc::new(move |customer, message| {
            let store = store.clone();
            Box::pin(async move { known(&store, customer, &message).await.map_err(|e| e.to_string()) })
        }),
        tell: Arc::new(move |events| {
            let processor = processor.clone();
            Box::pin(async move { processor.accept(&events).await.map(drop).map_err(|e| e.to_string()) })
        }),
        limit: Arc::new(limit),
    }
}

async fn known(store: &Store, customer: String, message: &str) -> Result<Known, StoreError> {
    let message = store.message(message).await?.filter(|message| message.customer_id == customer);
    let Some(state) = store.customers_known(std::slice::from_ref(&customer)).await?.remove(&customer) else {
        return Ok(Known::default());
    };
    let has = |field: &str| state.profile.text(field).is_some_and(|address| !address.trim().is_empty());
    let channels = [(Channel::Email, "email"), (Channel::Sms, "phone")];
    // A number is written in many ways; that of an SMS is compared nowhere, and confirms nothing.
    let mailed_to = message.filter(|message| message.channel == Channel::Email).and_then(|m| m.address);
    let now = state.profile.text("email").map(comparable_address);
    let still = now.zip(mailed_to).is_some_and(|(now, then)| now == comparable_address(&then));
    Ok(Known {
        locale: state.profile.text("locale").map(str::to_owned),
        channels: channels.into_iter().filter(|(_, field)| has(field)).map(|(channel, _)| channel).collect(),
        consents: state.consents,
        // Of whom the data is archived only: what they say here takes them out again.
        erased: state.erased && !state.archived,
        reached_by: still.then_some(Channel::Email),
    })
}

/// What the provider of e-mail tells of mails that came back: verified, kept, and only then acknowledged. For
/// [`hooks::email`](crate::ops::hooks::email).
pub fn email_hooks(webhook: Webhook, bounces: Bounces) -> Receive {
    Arc::new(move |hook| {
        let (webhook, bounces) = (webhook.clone(), bounces.clone());
        Box::pin(async move {
            let posted = match webhook.receive(&hook.target, &hook.headers, &hook.body) {
                Ok(posted) => posted,
                Err(EmailRefusal::Forbidden) => return HookAnswer::Forbidden,
                Err(EmailRefusal::Malformed(words)) => return HookAnswer::Malformed(words),
            };
            match posted {
                Posted::Notices(notices) => {
                    if let Err(error) = bounces.take_notices(&notices).await {
                        return HookAnswer::Later(error.to_string());
                    }
                }
                Posted::Confirm(url) => telemetry::wants_confirmation(&url),
            }
            HookAnswer::Kept { content_type: "text/plain".to_owned(), text: String::new() }
        })
    })
}

/// What the SMS provider tells of its own accord: verified, kept by the sink, and only then acknowledged. For
/// [`hooks::sms`](crate::ops::hooks::sms).
pub fn sms_hooks(webhooks: Webhooks, sink: IncomingSink, clock: Clock) -> Receive {
    Arc::new(move |hook| {
        let (webhooks, sink, now) = (webhooks.clone(), Arc::clone(&sink), clock.now());
        Box::pin(async move {
            let call = Call { target: &hook.target, headers: &hook.headers, body: &hook.body };
            let incoming = match webhooks.receive(call, now) {
                Ok(incoming) => incoming,
                Err(Refusal::Unknown) => return HookAnswer::Unknown,
                Err(Refusal::Forbidden) => return HookAnswer::Forbidden,
                Err(Refusal::Malformed(words)) => return HookAnswer::Malformed(words),
            };
            if !incoming.is_empty()
                && let Err(error) = sink(incoming).await
            {
                return HookAnswer::Later(error);
            }
            let (content_type, text) = webhooks.reply();
            HookAnswer::Kept { content_type: content_type.to_owned(), text: text.to_owned() }
        })
    })
}

/// The captured mail.
pub fn mail(capture: Capture, clock: Clock) -> MailSource {
    let (list, get) = (capture.clone(), capture);
    MailSource {
        list: Arc::new(move || list.list().iter().map(summary).collect()),
        get: Arc::new(move |seq| {
            let captured = get.get(seq)?;
            let content = match captured.parcel.as_ref() {
                Parcel::Email(email) => Content::Email {
                    html: email.html.clone(),
                    text: email.text.clone(),
                    raw: get.raw(seq).unwrap_or_default(),
                },
                Parcel::Sms(sms) => Content::Sms {
                    text: sms.text.clone(),
                    parts: sms.segments,
                    encoding: sms.encoding.name(),
                },
            };
            Some(Mail { summary: summary(&captured), content })
        }),
        // A clock that has come to its end sends nothing more.
        live: Arc::new(move || !clock.has_ended()),
    }
}

fn summary(captured: &Captured) -> MailSummary {
    let (seq, at) = (captured.seq, captured.at);
    match captured.parcel.as_ref() {
        Parcel::Email(email) => MailSummary {
            seq,
            at,
            to: email.to.clone(),
            from: email.from.clone(),
            subject: email.subject.clone(),
            sms: false,
            rule: email.rule.clone(),
            locale: email.locale.clone(),
            customer_id: email.customer_id.clone(),
        },
        Parcel::Sms(sms) => MailSummary {
            seq,
            at,
            to: sms.to.clone(),
            from: sms.from.clone().unwrap_or_default(),
            subject: sms.text.clone(),
            sms: true,
            rule: sms.rule.clone(),
            locale: sms.locale.clone(),
            customer_id: sms.customer_id.clone(),
        },
    }
}

/// Readiness is real progress: the database answers, the loops go round, the broker is connected. A provider that is
/// out of reach is told and does not count: the worker does all it can, events come in and messages wait in the outbox,
/// and neither a restart nor another worker would mend it. Metrics alarm about it.
pub fn health(
    store: Store,
    pulses: Pulses,
    broker: Option<intake::Status>,
    providers: Vec<Flow>,
    pauses: Pauses,
) -> AskHealth {
    Arc::new(move || {
        let (store, pulses, broker) = (store.clone(), pulses.clone(), broker.clone());
        let (known, words) = pauses.describe();
        let sending = Check::new("sending", known, words);
        let providers: Vec<Check> =
            providers.iter().map(|flow| Check::new(flow.channel().as_str(), true, flow.describe())).collect();
        Box::pin(async move {
            let database = match store.check_schema().await {
                Ok(()) => store.check_secrets().await,
                unfit => unfit,
            };
            let mut checks = vec![Check::new(
                "database",
                database.is_ok(),
                database.map_or_else(|e| e.to_string(), |()| "answers".to_owned()),
            )];
            for (name, pulse) in [("scheduler", &pulses.scheduler), ("dispatcher", &pulses.dispatcher)] {
                let age = pulse.age_seconds();
                checks.push(Check::new(name, age < STALE_AFTER, format!("last round {age} s ago")));
            }
            if let Some(status) = broker {
                let age = status.since_progress().as_secs();
                let ok = status.connected() && age < STALE_AFTER.unsigned_abs();
                let words = if status.connected() { "connected" } else { "not connected" };
                checks.push(Check::new("broker", ok, format!("{words}, last sign of life {age} s ago")));
            }
            checks.push(sending);
            checks.extend(providers);
            checks
        })
    })
}
