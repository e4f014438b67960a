//! Entries and messages in words: the steps done, where an entry stands, what became of a message.

use super::super::story::{Answer, Cause, Did, Offer, Run, Sent, Step};
use super::super::words::Phrase;
use super::Page;
use crate::domain::memory::EntryStatus;
use crate::domain::message::MessageState;
use crate::domain::rules::Basis;
use crate::domain::verdict::Reason;

impl Page {
    pub(super) fn run(&mut self, run: &Run) {
        match &run.begun_by {
            Some(Cause { event, time }) => {
                self.put(Phrase::BegunBy, &[("event", event), ("at", &self.at(*time))]);
            }
            None => self.put(Phrase::BegunByTick, &[("occurrence", &run.occurrence)]),
        }
        if !run.key.is_empty() {
            self.put(Phrase::EntryKey, &[("key", &run.key)]);
        }
        if run.version_lost {
            self.put(Phrase::VersionLost, &[("version", &run.version)]);
        } else if run.version_is_old {
            self.put(Phrase::OldVersion, &[("version", &run.version)]);
        }
        if let Some(condition) = &run.condition {
            let verdict = self.verdict(condition);
            self.line(1, &verdict);
            self.parts(condition, 2);
        }
        run.steps.iter().for_each(|step| self.step(step));
        self.end(run);
        if run.differs {
            self.put(Phrase::Differs, &[]);
        }
    }

    fn step(&mut self, step: &Step) {
        let what = match &step.did {
            Did::If { condition } => {
                let verdict = self.verdict(condition);
                self.put(Phrase::Step, &[("id", &step.id), ("what", &verdict)]);
                return self.parts(condition, 2);
            }
            Did::Send { messages, .. } if !messages.is_empty() => {
                for message in messages {
                    let values = [
                        ("template", message.template.as_str()),
                        ("channel", self.language.channel(message.channel)),
                        ("state", self.language.state(message.state)),
                    ];
                    let what = self.say(Phrase::OfferIs, &values);
                    self.put(Phrase::Step, &[("id", &step.id), ("what", &what)]);
                }
                return;
            }
            Did::Send { .. } | Did::PromoCode | Did::Wait { .. } => self.intent(step),
        };
        self.put(Phrase::Step, &[("id", &step.id), ("what", &what)]);
    }

    /// What a step does, before it has come to anything.
    fn intent(&self, step: &Step) -> String {
        match &step.did {
            Did::Wait { until } => {
                let phrase = if *until > self.now { Phrase::WaitsUntil } else { Phrase::Waited };
                self.say(phrase, &[("at", &self.at(*until))])
            }
            Did::If { condition } => format!("`{}`", condition.expression),
            Did::PromoCode => self.say(Phrase::PromoCode, &[]),
            Did::Send { offers, .. } => {
                let offer = |Offer { channel, template }: &Offer| {
                    let channel = self.language.channel(*channel);
                    self.say(Phrase::Offer, &[("template", template), ("channel", channel)])
                };
                offers.iter().map(offer).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// Where the entry stands, or how it ended.
    fn end(&mut self, run: &Run) {
        let exit = run.exit.as_ref();
        if run.status == EntryStatus::Ended {
            return match (run.reason, exit) {
                (None, _) => self.put(Phrase::Finished, &[]),
                (Some(reason @ (Reason::Exited | Reason::Restarted)), Some(exit)) => {
                    let (at, reason) = (self.at(exit.at), self.language.reason(reason));
                    self.put(Phrase::EndedBy, &[("by", &exit.by), ("at", &at), ("reason", &reason)]);
                }
                (Some(reason), _) => {
                    self.put(Phrase::Ended, &[("reason", &self.language.reason(reason))]);
                }
            };
        }
        let step = run.next.as_ref().map_or(String::new(), |next| {
            self.say(Phrase::Step, &[("id", &next.id), ("what", &self.intent(next))])
        });
        match run.due_at {
            None => self.put(Phrase::SetAside, &[]),
            Some(due) => {
                let phrase = match run.status {
                    EntryStatus::AwaitingConsent => Phrase::AwaitsConsent,
                    _ if due > self.now => Phrase::NextOn,
                    _ => Phrase::NextDue,
                };
                self.put(phrase, &[("at", &self.at(due)), ("step", &step)]);
            }
        }
        if let Some(exit) = exit {
            self.put(Phrase::EndsBy, &[("by", &exit.by), ("at", &self.at(exit.at))]);
        }
    }

    pub(super) fn message(&mut self, sent: &Sent) {
        self.put(Phrase::MessageOf, &[("rule", &sent.rule), ("step", &sent.step), ("id", &sent.id)]);
        match (&sent.address, &sent.locale) {
            (Some(address), Some(locale)) => {
                self.put(Phrase::ToIn, &[("address", address), ("locale", locale)]);
            }
            (Some(address), None) => self.put(Phrase::To, &[("address", address)]),
            (None, _) => {}
        }
        if let Some(reason) = sent.reason {
            let reason = self.language.reason(reason);
            match &sent.detail {
                Some(detail) => self.put(Phrase::WhyMore, &[("reason", &reason), ("detail", detail)]),
                None => self.put(Phrase::Why, &[("reason", &reason)]),
            }
        }
        let (planned, due) = (self.at(sent.planned_at), self.at(sent.due_at));
        let expires = self.at(sent.expires_at);
        let waits = matches!(sent.state, MessageState::Pending | MessageState::Deferred);
        match sent.sent_at {
            Some(at) => self.put(Phrase::WasSent, &[("planned", &planned), ("at", &self.at(at))]),
            None if waits => {
                self.put(Phrase::Leaves, &[("planned", &planned), ("at", &due), ("expires", &expires)]);
            }
            None => self.put(Phrase::Planned, &[("at", &planned)]),
        }
        if sent.attempts > 1 {
            self.put(Phrase::Tries, &[("count", &sent.attempts.to_string())]);
        }
        if let Some(reply) = &sent.reply {
            self.put(Phrase::Reply, &[("reply", reply)]);
        }
        self.put(Phrase::Purpose, &[("purpose", &sent.purpose), ("basis", self.language.basis(sent.basis))]);
        if sent.basis != Basis::Contract {
            self.put(Phrase::ConsentThen, &[("word", &self.word(sent.consent_then.as_ref()))]);
        }
        if let Some(since) = &sent.consent_since {
            self.put(Phrase::ConsentSince, &[("word", &self.word(Some(since)))]);
        }
        if let Some(code) = &sent.promo_code {
            self.put(Phrase::Code, &[("code", code)]);
        }
        match &sent.gate {
            Some(Answer::Goes { at }) => self.put(Phrase::Goes, &[("at", &self.at(*at))]),
            Some(Answer::PutOff { until, reason }) => {
                let reason = self.language.reason(*reason);
                self.put(Phrase::PutOff, &[("at", &self.at(*until)), ("reason", &reason)]);
            }
            Some(Answer::Refuses { reason }) => {
                self.put(Phrase::Refuses, &[("reason", &self.language.reason(*reason))]);
            }
            None => {}
        }
    }
}
