//! The ways out: for each channel its outlet, its flow, and the dispatchers that serve it.

use chrono::TimeDelta;

use super::App;
use crate::channels::{Capture, EmailChannel, Limits, Outlet, SmsChannel, Smtp, SmtpConfig};
use crate::delivery::dispatch::Dispatcher;
use crate::delivery::flow::Flow;
use crate::delivery::outcomes::Outcomes;
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

/// The way out of one channel.
pub(super) struct Way {
    pub outlet: Outlet,
    flow: Flow,
    /// Hand-overs under way at once.
    connections: usize,
    /// The longest one hand-over takes.
    send_deadline: TimeDelta,
    dispatchers: &'static [&'static [Lane]],
}

impl Way {
    /// By the provider, or without one captured. The error is in words, about the section.
    pub fn email(smtp: Option<&SmtpConfig>, capture: &Capture) -> Result<Self, String> {
        let Some(smtp) = smtp else {
            return Ok(Self::captured(Outlet::Email(EmailChannel::Capture(capture.clone()))));
        };
        let outlet = Outlet::Email(EmailChannel::Smtp(Smtp::new(smtp)?));
        Ok(Self {
            flow: Flow::new(outlet.channel(), &smtp.limits(), smtp.connections),
            outlet,
            connections: smtp.connections,
            send_deadline: TimeDelta::seconds(smtp.send_deadline_s as i64),
            dispatchers: OF_A_PROVIDER,
        })
    }

    /// Captured: there is no provider of SMS to configure.
    pub fn sms(capture: &Capture) -> Self {
        Self::captured(Outlet::Sms(SmsChannel::Capture(capture.clone())))
    }

    fn captured(outlet: Outlet) -> Self {
        Self {
            flow: Flow::new(outlet.channel(), &Limits::default(), CAPTURES_AT_ONCE),
            outlet,
            connections: CAPTURES_AT_ONCE,
            send_deadline: TimeDelta::seconds(1),
            dispatchers: OF_A_CAPTURE,
        }
    }
}

/// Where the flows of all channels stand, for health.
pub(super) fn states(ways: &[Way]) -> Vec<Flow> {
    ways.iter().map(|way| way.flow.clone()).collect()
}

impl App {
    /// The dispatchers of one way out.
    pub(super) fn dispatchers(&self, way: &Way, outcomes: &Outcomes) -> Vec<Dispatcher> {
        let dispatcher = |lanes: &&'static [Lane]| Dispatcher {
            store: self.store.clone(),
            shelf: self.shelf.clone(),
            clock: self.clock.clone(),
            outlet: way.outlet.clone(),
            flow: way.flow.clone(),
            lanes,
            outcomes: outcomes.clone(),
            public_url: self.config().public.base_url().into(),
            connections: way.connections,
            claim: CLAIM,
            lease: TimeDelta::seconds(self.config().worker.lease_s as i64),
            send_deadline: way.send_deadline,
        };
        way.dispatchers.iter().map(dispatcher).collect()
    }
}
