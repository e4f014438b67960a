//! The ways out: for each channel its outlet, its flow, and the dispatchers that serve it.

use std::time::Duration;

use super::App;
use super::bounces::{self, BouncesConfig};
use crate::channels::sms::IncomingSink;
use crate::channels::{
    Capture, EmailChannel, HttpSms, HttpSmsConfig, Limits, Outlet, Smpp, SmppConfig, SmsChannel, Smtp,
    SmtpConfig,
};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::console;
use crate::delivery::dispatch::{Dispatcher, give_back};
use crate::delivery::flow::Flow;
use crate::delivery::outcomes::Outcomes;
use crate::domain::bounce::verp::BounceAddress;
use crate::domain::message::Lane;

/// Captures are kept in memory: a few side by side are as fast as many.
const CAPTURES_AT_ONCE: usize = 4;

/// Messages claimed in one round of a dispatcher: enough to keep the connections busy, few enough for one lease.
const CLAIM: u32 = 200;

const ALL: &[Lane] = &[Lane::Transactional, Lane::Event, Lane::Bulk];
const URGENT: &[Lane] = &[Lane::Transactional, Lane::Event];

/// The dispatchers of a provider, by the lanes they look after. Two for everything: while one records, another hands
/// over. One for the urgent alone, which is free when mails of the bulk hang and hold the others.
const OF_A_PROVIDER: &[&[Lane]] = &[URGENT, ALL, ALL];

/// A capture never hangs.
const OF_A_CAPTURE: &[&[Lane]] = &[ALL, ALL];

/// What the configuration says of providers.
pub(super) struct Sections {
    pub smtp: Option<SmtpConfig>,
    pub sms: Option<HttpSmsConfig>,
    pub smpp: Option<SmppConfig>,
    pub bounces: BouncesConfig,
    /// Where bounces come back to.
    pub bounce_address: Option<BounceAddress>,
}

impl Sections {
    /// Reads the sections and refuses what does not fit together, before anything is touched.
    pub fn read(config: &Config) -> Result<Self, ConfigError> {
        let smtp: Option<SmtpConfig> = config.section("smtp")?;
        let sections = Self {
            bounces: bounces::section(config)?,
            bounce_address: bounces::address(config, smtp.as_ref())?,
            smtp,
            sms: config.section("sms")?,
            smpp: config.section("smpp")?,
        };
        if sections.sms.is_some() && sections.smpp.is_some() {
            let message = "SMS go out by one provider: take out either [sms] or [smpp]".to_owned();
            return Err(config.invalid("smpp", message));
        }
        let email = sections.smtp.as_ref().map(|s| ("smtp", s.limits(), s.send_deadline_s));
        let sms = sections.sms.as_ref().map(|s| ("sms", s.limits(), s.send_deadline_s));
        let smpp = sections.smpp.as_ref().map(|s| ("smpp", s.limits(), s.send_deadline_s));
        for (section, limits, send_deadline_s) in email.into_iter().chain(sms).chain(smpp) {
            if let Some((key, words)) = limits.problem() {
                return Err(config.invalid(&format!("{section}.{key}"), words));
            }
            check_deadlines(config, section, send_deadline_s)?;
        }
        Ok(sections)
    }
}

/// Refuses times that do not fit together.
fn check_deadlines(config: &Config, section: &str, send: u64) -> Result<(), ConfigError> {
    let (lease, shutdown) = (config.worker.lease_s, config.worker.shutdown_deadline_s);
    if lease <= send.saturating_mul(3) {
        let message = format!(
            "worker.lease_s ({lease}) must be more than three times {section}.send_deadline_s ({send}): a lease that \
             ends during a hand-over would let another worker send the same message"
        );
        return Err(config.invalid("worker.lease_s", message));
    }
    if shutdown <= send {
        let message = format!(
            "worker.shutdown_deadline_s ({shutdown}) must be more than {section}.send_deadline_s ({send}): a hand-over \
             cut short leaves its message uncertain"
        );
        return Err(config.invalid("worker.shutdown_deadline_s", message));
    }
    Ok(())
}

/// The way out of one channel.
pub(super) struct Way {
    pub outlet: Outlet,
    flow: Flow,
    /// Hand-overs under way at once.
    connections: usize,
    /// Messages a second at most.
    max_rate: Option<f64>,
    /// The longest one hand-over takes.
    send_deadline: Duration,
    dispatchers: &'static [&'static [Lane]],
}

impl Way {
    /// By the provider, or without one captured. The error is in words, about the section.
    pub fn email(smtp: Option<&SmtpConfig>, secret: &[u8], capture: &Capture) -> Result<Self, String> {
        let Some(smtp) = smtp else {
            return Ok(Self::captured(Outlet::Email(EmailChannel::Capture(capture.clone()))));
        };
        let outlet = Outlet::Email(EmailChannel::Smtp(Smtp::with_returns(smtp, secret)?));
        Ok(Self {
            max_rate: smtp.limits().max_rate,
            flow: Flow::new(outlet.channel(), &smtp.limits(), smtp.connections),
            outlet,
            connections: smtp.connections,
            send_deadline: Duration::from_secs(smtp.send_deadline_s),
            dispatchers: OF_A_PROVIDER,
        })
    }

    /// Over HTTP. The error is in words, about the section.
    pub fn http(http: &HttpSmsConfig, base_url: &str, incoming: IncomingSink) -> Result<Self, String> {
        let channel = HttpSms::new(http, base_url)?.telling(incoming);
        let outlet = Outlet::Sms(SmsChannel::Http(channel));
        Ok(Self {
            max_rate: http.limits().max_rate,
            flow: Flow::new(outlet.channel(), &http.limits(), http.connections),
            outlet,
            connections: http.connections,
            send_deadline: Duration::from_secs(http.send_deadline_s),
            dispatchers: OF_A_PROVIDER,
        })
    }

    /// Over SMPP, whose sessions [`App::run`] keeps up. The error is in words, about the section.
    pub fn smpp(smpp: &SmppConfig, incoming: IncomingSink, clock: Clock) -> Result<Self, String> {
        let outlet = Outlet::Sms(SmsChannel::Smpp(Smpp::new(smpp, incoming, clock)?));
        Ok(Self {
            max_rate: smpp.limits().max_rate,
            flow: Flow::new(outlet.channel(), &smpp.limits(), smpp.under_way()),
            outlet,
            connections: smpp.under_way(),
            send_deadline: Duration::from_secs(smpp.send_deadline_s),
            dispatchers: OF_A_PROVIDER,
        })
    }

    /// Nowhere, for want of a provider.
    pub fn captured_sms(capture: &Capture) -> Self {
        Self::captured(Outlet::Sms(SmsChannel::Capture(capture.clone())))
    }

    /// The sessions to keep up, where the provider wants that.
    pub fn sessions(&self) -> Option<Smpp> {
        match &self.outlet {
            Outlet::Sms(SmsChannel::Smpp(smpp)) => Some(smpp.clone()),
            Outlet::Sms(_) | Outlet::Email(_) => None,
        }
    }

    /// Whether its messages go nowhere.
    pub fn is_captured(&self) -> bool {
        matches!(self.outlet, Outlet::Email(EmailChannel::Capture(_)) | Outlet::Sms(SmsChannel::Capture(_)))
    }

    /// Its flow, and the limits that are kept.
    pub fn shown(&self) -> (Flow, console::Limits) {
        let (max_rate, at_once) = (self.max_rate, self.connections);
        (self.flow.clone(), console::Limits { captured: self.is_captured(), max_rate, at_once })
    }

    fn captured(outlet: Outlet) -> Self {
        Self {
            max_rate: None,
            flow: Flow::new(outlet.channel(), &Limits::default(), CAPTURES_AT_ONCE),
            outlet,
            connections: CAPTURES_AT_ONCE,
            send_deadline: Duration::from_secs(1),
            dispatchers: OF_A_CAPTURE,
        }
    }
}

/// Where the flows of all channels stand, for health.
pub(super) fn states(ways: &[Way]) -> Vec<Flow> {
    ways.iter().map(|way| way.flow.clone()).collect()
}

impl App {
    /// Gives what was handed to dispatchers, which have ended, back to the outbox. Where that fails its lease will end.
    pub(super) async fn give_back(&self) {
        for way in &self.ways {
            let given = give_back(&self.store, self.processor.handoff(), way.outlet.channel()).await;
            if let Err(error) = given {
                tracing::warn!(%error, "messages stay claimed until their lease is over");
            }
        }
    }

    /// The dispatchers of one way out.
    pub(super) fn dispatchers(&self, way: &Way, outcomes: &Outcomes) -> Vec<Dispatcher> {
        let dispatcher = |lanes: &'static [Lane]| Dispatcher {
            store: self.store.clone(),
            shelf: self.shelf.clone(),
            clock: self.clock.clone(),
            outlet: way.outlet.clone(),
            flow: way.flow.clone(),
            pauses: self.pauses.clone(),
            lanes,
            outcomes: outcomes.clone(),
            handoff: self.processor.handoff().clone(),
            public_url: self.config().public.base_url().into(),
            connections: way.connections,
            claim: CLAIM,
            lease: Duration::from_secs(self.config().worker.lease_s),
            send_deadline: way.send_deadline,
        };
        way.dispatchers.iter().copied().map(dispatcher).collect()
    }
}
