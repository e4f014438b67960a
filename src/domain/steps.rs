//! Running an entry's steps up to now: waits, branches, promo codes and sends.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::admit::{Gate, Question, admit};
use super::consent::Channel;
use super::memory::{Entry, EntryStatus, Exit};
use super::message::{CONFIRMS, Lane, Message, MessageState, message_id};
use super::promo;
use super::rules::book::Book;
use super::rules::condition::{Condition, Truth};
use super::rules::timing::next_local_time;
use super::rules::{Basis, OnChange, Op, Policy, PromoSpec, Rule, Send, Trigger, Wait};
use super::snapshot::{PromoCode, Seen, Skip, Turn, Verdicts};
use super::verdict::Reason;

/// Runs `entry` until it ends or must wait, adding its messages to `verdicts`.
///
/// Every step is judged as of its planned instant, so that a worker which comes late decides what one on time
/// would have decided. The caller stores the entry.
pub fn run(book: &Book, seen: &Seen<'_>, entry: &mut Entry, now: DateTime<Utc>, verdicts: &mut Verdicts) {
    let Some(rule) = settle_version(book, entry) else { return };
    walk(book, &rule, seen, entry, now, verdicts, |_| {});
}

/// Runs `entry` by this rule, whatever has become of the rule since. `watch` is shown the entry before each operation:
/// how it came to stand where it does is told by walking it again.
pub fn walk(
    book: &Book,
    rule: &Rule,
    seen: &Seen<'_>,
    entry: &mut Entry,
    now: DateTime<Utc>,
    verdicts: &mut Verdicts,
    mut watch: impl FnMut(&Entry),
) {
    let run = Run { book, rule, seen, now };
    // Invariant: jumps only go forward, so a program ends after at most as many operations as it has.
    for _ in 0..=rule.program.len() {
        watch(entry);
        if !run.step(entry, verdicts) {
            return;
        }
    }
}

/// What the conditions of steps see as `entry`.
pub fn about(entry: &Entry) -> Value {
    json!({ "rule": entry.rule, "occurrence": entry.occurrence, "key": entry.key, "started_at": entry.started_at })
}

struct Run<'a> {
    book: &'a Book,
    rule: &'a Rule,
    seen: &'a Seen<'a>,
    now: DateTime<Utc>,
}

/// Finds the version to run by, or ends the entry as `on_change` and deletion ask.
fn settle_version(book: &Book, entry: &mut Entry) -> Option<std::sync::Arc<Rule>> {
    let pinned = book.version(&entry.rule, &entry.version).cloned();
    let Some(active) = book.active.rules.get(&entry.rule) else {
        end(entry, Reason::RuleDeleted, None);
        return None;
    };
    if !active.enabled {
        end(entry, Reason::RuleDisabled, None);
        return None;
    }
    if entry.version == active.version {
        return pinned;
    }
    match (active.on_change, pinned) {
        (OnChange::Exit, _) => {
            end(entry, Reason::RuleChanged, None);
            None
        }
        (OnChange::Keep, Some(pinned)) => Some(pinned),
        (OnChange::Migrate, Some(pinned)) => {
            // An entry that waited at the end of a branch stands at the jump out of it, which has no id.
            let mut position = entry.position;
            while let Some(Op::Jump(to)) = pinned.program.get(position) {
                position = *to;
            }
            let place = match pinned.program.get(position) {
                None => Some(active.program.len()),
                Some(op) => active.program.iter().position(|new| new.id().is_some() && new.id() == op.id()),
            };
            let Some(place) = place else { return Some(pinned) };
            entry.position = place;
            entry.version.clone_from(&active.version);
            Some(active.clone())
        }
        // The old text is gone from the store: going on by the new one could send twice.
        (OnChange::Keep | OnChange::Migrate, None) => {
            end(entry, Reason::RuleChanged, None);
            None
        }
    }
}

impl Run<'_> {
    /// Runs one operation; false when the entry has ended or waits.
    fn step(&self, entry: &mut Entry, verdicts: &mut Verdicts) -> bool {
        if let Some(Exit { at, reason, by }) = entry.exit.as_ref().filter(|e| e.at <= entry.planned) {
            let detail = format!("{by} at {}", at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
            end(entry, *reason, Some(detail));
            return false;
        }
        if entry.planned > self.now {
            entry.due_at = Some(entry.planned);
            return false;
        }
        if entry.position == 0 && !self.absence_condition_holds(entry, verdicts) {
            return false;
        }
        match self.rule.program.get(entry.position) {
            None => {
                entry.committed = true;
                entry.status = EntryStatus::Ended;
                entry.due_at = None;
                return false;
            }
            Some(Op::Wait { wait, .. }) => {
                entry.planned = match wait {
                    Wait::For(time) => entry.planned + *time,
                    Wait::Until(at) => next_local_time(self.zone(entry.planned), entry.planned, *at),
                };
                entry.position += 1;
            }
            Some(Op::Jump(to)) => entry.position = *to,
            Some(Op::Branch { id, condition, on_false, end: after }) => {
                let turn = |then| Turn { rule: entry.rule.clone(), step: id.clone(), then };
                entry.position = match self.judge(condition, entry) {
                    Truth::True => {
                        verdicts.turns.push(turn(true));
                        entry.position + 1
                    }
                    Truth::False => {
                        verdicts.turns.push(turn(false));
                        *on_false
                    }
                    Truth::Unknown(what) => {
                        let step = Some(id.clone());
                        verdicts.skipped.push(Skip { step, ..skip(entry, Reason::MissingField, Some(what)) });
                        *after
                    }
                };
            }
            Some(Op::PromoCode(spec)) => {
                entry.promo_step = Some(spec.id.clone());
                entry.position += 1;
            }
            Some(Op::Send(send)) => return self.send(send, entry, verdicts),
        }
        true
    }

    /// The `if` of an absence is about the moment it is over, so it is judged here and not by the fold.
    fn absence_condition_holds(&self, entry: &mut Entry, verdicts: &mut Verdicts) -> bool {
        let Trigger::Absent { condition: Some(condition), .. } = &self.rule.trigger else { return true };
        let (reason, detail) = match self.judge(condition, entry) {
            Truth::True => return true,
            Truth::False => (Reason::ConditionFalse, None),
            Truth::Unknown(what) => (Reason::MissingField, Some(what)),
        };
        verdicts.skipped.push(skip(entry, reason, detail.clone()));
        entry.committed = true;
        end(entry, reason, detail);
        false
    }

    fn judge(&self, condition: &Condition, entry: &Entry) -> Truth {
        self.seen.judge(condition, entry.trigger.as_ref(), || about(entry), entry.planned)
    }

    /// Writes the step's messages, or waits for a grant; false when it waits.
    fn send(&self, send: &Send, entry: &mut Entry, verdicts: &mut Verdicts) -> bool {
        let mut answers = self.ask(send, entry, entry.planned);
        if let Some(patience) = send.wait_for_consent {
            let wanting = want_consent(&answers);
            if !wanting.is_empty() {
                match self.await_grant(entry, &wanting, patience) {
                    Grant::At(instant) => {
                        entry.planned = instant;
                        answers = self.ask(send, entry, instant);
                    }
                    Grant::Never(until) => entry.planned = until,
                    Grant::Exited => return true,
                    Grant::Wait(until) => {
                        entry.status = EntryStatus::AwaitingConsent;
                        entry.due_at = Some(until);
                        return false;
                    }
                }
            }
        }
        entry.status = EntryStatus::Active;
        let messages = self.messages(send, entry, answers, verdicts);
        verdicts.messages.extend(messages);
        entry.committed = true;
        entry.position += 1;
        true
    }

    /// The gate's answer for each channel of the step, the preferred one first.
    fn ask<'s>(&self, send: &'s Send, entry: &Entry, planned: DateTime<Utc>) -> Vec<Offer<'s>> {
        let ask = |(channel, template)| {
            let id = message_id(&entry.rule, &entry.customer_id, &entry.occurrence, &send.id, channel);
            let question = Question {
                policy: &self.book.active.policy,
                message_id: &id,
                channel,
                purpose: &self.rule.purpose,
                profile: self.seen.profile,
                consents: self.seen.consents,
                suppressed: self.seen.suppressed.contains(&channel),
                erased: self.seen.erased,
                over: None,
                expires_at: planned + send.expire_after,
                slots: &[],
                due_at: planned,
                fences: &self.book.fences,
                told: None,
                confirms: send.confirm.as_deref(),
            };
            // By the planned instant, so that it does not matter when the decision is taken.
            let mut gate = admit(&question, planned, planned);
            if gate.lets_through() && self.now > question.expires_at {
                gate = Gate::TooLate(Reason::Expired);
            }
            Offer { id, channel, template, gate }
        };
        send.channels().map(ask).collect()
    }

    /// Looks for the grant that a `wait_for_consent` waits for. An exit that comes first ends the wait.
    fn await_grant(&self, entry: &mut Entry, channels: &[Channel], patience: TimeDelta) -> Grant {
        let until = entry.planned + patience;
        let first = |channel: &Channel| {
            self.seen.consents.first_grant(*channel, &self.rule.purpose, entry.planned, until)
        };
        let grant = channels.iter().filter_map(first).min();
        let exit =
            entry.exit.as_ref().map(|e| e.at).filter(|at| *at <= until && grant.is_none_or(|g| *at <= g));
        if let Some(exit) = exit {
            entry.planned = exit;
            return Grant::Exited;
        }
        match grant {
            Some(instant) if instant <= self.now => Grant::At(instant),
            _ if until <= self.now => Grant::Never(until),
            Some(instant) => Grant::Wait(instant),
            None => Grant::Wait(until),
        }
    }

    /// One message for each channel; with `prefer`, none for the other channel where the preferred one is possible.
    fn messages(
        &self,
        send: &Send,
        entry: &mut Entry,
        mut offers: Vec<Offer<'_>>,
        verdicts: &mut Verdicts,
    ) -> Vec<Message> {
        let mut fallback = None;
        if send.prefer.is_some() && offers[0].gate.is_possible() {
            fallback = offers.get(1).map(|other| other.template.to_owned());
            offers.truncate(1);
        }
        let promo = match entry.promo_step.as_deref() {
            Some(step) if offers.iter().any(|o| o.gate.is_possible()) => self.promo_code(step, entry),
            _ => None,
        };
        if let Some(code) = &promo {
            entry.promo_step = None;
            verdicts.promo_codes.push(code.clone());
        }
        offers
            .into_iter()
            .map(|offer| self.message(send, entry, offer, promo.as_ref(), fallback.clone()))
            .collect()
    }

    fn message(
        &self,
        send: &Send,
        entry: &Entry,
        offer: Offer<'_>,
        promo: Option<&PromoCode>,
        fallback: Option<String>,
    ) -> Message {
        let promo = promo.filter(|_| offer.gate.is_possible());
        let (state, reason, address, due_at) = match offer.gate {
            Gate::Open { address } => (MessageState::Pending, None, Some(address), entry.planned),
            // Known already: an exit that comes before the message would leave.
            Gate::Later { until, .. } if entry.exit.as_ref().is_some_and(|exit| exit.at <= until) => {
                let reason = entry.exit.as_ref().map(|exit| exit.reason);
                (MessageState::Suppressed, reason, None, entry.planned)
            }
            Gate::Later { address, until, reason } => {
                (MessageState::Deferred, Some(reason), Some(address), until)
            }
            Gate::TooLate(reason) => (MessageState::Expired, Some(reason), None, entry.planned),
            Gate::Shut(reason) => (MessageState::Suppressed, Some(reason), None, entry.planned),
            Gate::Gone(_) => (MessageState::Uncertain, Some(Reason::Restored), None, entry.planned),
        };
        Message {
            id: offer.id,
            customer_id: entry.customer_id.clone(),
            rule: entry.rule.clone(),
            version: entry.version.clone(),
            occurrence: entry.occurrence.clone(),
            step: send.id.clone(),
            channel: offer.channel,
            purpose: self.rule.purpose.clone(),
            template: offer.template.to_owned(),
            planned_at: entry.planned,
            expires_at: entry.planned + send.expire_after,
            state,
            reason,
            detail: None,
            context: context(send, entry, promo).into(),
            promo_code: promo.map(|p| p.code.clone()),
            due_at,
            attempts: 0,
            template_hash: None,
            locale: None,
            address,
            reply: None,
            sent_at: None,
            lane: self.lane(),
            priority: self.rule.priority,
            fallback,
            // It counts for frequency caps as long as it may have reached its reader.
            slot_at: (state == MessageState::Uncertain).then_some(entry.planned),
            trace: entry.trace,
        }
    }

    fn lane(&self) -> Lane {
        match &self.rule.trigger {
            _ if basis(&self.book.active.policy, &self.rule.purpose) == Basis::Contract => {
                Lane::Transactional
            }
            Trigger::Event { .. } | Trigger::Absent { .. } => Lane::Event,
            Trigger::Anniversary { .. } | Trigger::Schedule { .. } => Lane::Bulk,
        }
    }

    fn promo_code(&self, step: &str, entry: &Entry) -> Option<PromoCode> {
        let spec: &PromoSpec = self.rule.program.iter().find_map(|op| match op {
            Op::PromoCode(spec) if spec.id == step => Some(spec),
            _ => None,
        })?;
        let identity = [entry.rule.as_str(), &entry.customer_id, &entry.occurrence, step];
        Some(PromoCode {
            code: promo::derive(&self.book.secret, &spec.prefix, identity, 0),
            customer_id: entry.customer_id.clone(),
            rule: entry.rule.clone(),
            occurrence: entry.occurrence.clone(),
            step: step.to_owned(),
            discount: spec.discount.clone(),
            valid_from: entry.planned,
            valid_until: entry.planned + spec.valid_for,
        })
    }

    fn zone(&self, at: DateTime<Utc>) -> Tz {
        zone_of(self.seen.profile.value_as_of("timezone", at), &self.book.active.policy)
    }
}

fn skip(entry: &Entry, reason: Reason, detail: Option<String>) -> Skip {
    Skip { rule: entry.rule.clone(), occurrence: entry.occurrence.clone(), step: None, reason, detail }
}

/// What the message's template is given beside the customer, and the gate beside the rule.
fn context(send: &Send, entry: &Entry, promo: Option<&PromoCode>) -> Value {
    let mut context = json!({ "event": entry.trigger, "promo_code": promo.map(PromoCode::to_json) });
    if let Some(purpose) = &send.confirm {
        context[CONFIRMS] = purpose.as_str().into();
    }
    context
}

/// What a step would send on one channel, and what the gate says to it.
struct Offer<'s> {
    id: String,
    channel: Channel,
    template: &'s str,
    gate: Gate,
}

/// The channels that only lack consent, where none is possible.
fn want_consent(offers: &[Offer<'_>]) -> Vec<Channel> {
    if offers.iter().any(|o| o.gate.is_possible()) {
        return Vec::new();
    }
    let wanting = |o: &&Offer<'_>| matches!(o.gate, Gate::Shut(Reason::NoConsent | Reason::ConsentWithdrawn));
    offers.iter().filter(wanting).map(|o| o.channel).collect()
}

enum Grant {
    At(DateTime<Utc>),
    Never(DateTime<Utc>),
    Wait(DateTime<Utc>),
    Exited,
}

fn end(entry: &mut Entry, reason: Reason, detail: Option<String>) {
    entry.status = EntryStatus::Ended;
    entry.due_at = None;
    entry.reason = Some(reason);
    entry.detail = detail;
}

/// The customer's time zone: their own when it is a real one, else the policy's.
pub fn zone_of(stated: Option<&Value>, policy: &Policy) -> Tz {
    stated.and_then(Value::as_str).and_then(|name| name.parse().ok()).unwrap_or(policy.default_timezone)
}

/// The legal basis of a purpose. One that the policy does not know (any more) is held to consent, the strictest.
pub fn basis(policy: &Policy, purpose: &str) -> Basis {
    policy.purposes.get(purpose).map_or(Basis::Consent, |purpose| purpose.basis)
}
