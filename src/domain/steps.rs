//! Running an entry's steps up to now: waits, branches, promo codes and sends.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::admit::{Question, admit};
use super::consent::Channel;
use super::fold::customer_as_of;
use super::memory::{Entry, EntryStatus, Exit};
use super::message::{Message, MessageState};
use super::promo;
use super::rules::book::Book;
use super::rules::condition::{Condition, Scope, Truth};
use super::rules::timing::{next_local_time, parse_zone};
use super::rules::{Basis, OnChange, Op, Policy, PromoSpec, Rule, Send, Trigger, Wait};
use super::snapshot::{PromoCode, Skip, Snapshot, Verdicts};
use super::verdict::Reason;

/// Runs `entry` until it ends or must wait, adding its messages to `verdicts`.
///
/// Every step is judged as of its planned instant, so that a worker which comes late decides what one on time
/// would have decided. The caller stores the entry.
pub fn run(book: &Book, snapshot: &Snapshot, entry: &mut Entry, now: DateTime<Utc>, verdicts: &mut Verdicts) {
    let Some(rule) = settle_version(book, entry) else { return };
    let run = Run { book, rule: &rule, snapshot, now };
    // Invariant: jumps only go forward, so a program ends after at most as many operations as it has.
    for _ in 0..=rule.program.len() {
        if !run.step(entry, verdicts) {
            return;
        }
    }
}

struct Run<'a> {
    book: &'a Book,
    rule: &'a Rule,
    snapshot: &'a Snapshot,
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
        if let Some(Exit { at, reason, by }) = entry.exit.clone().filter(|e| e.at <= entry.planned) {
            let detail = format!("{by} at {}", at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
            end(entry, reason, Some(detail));
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
            Some(Op::Branch { condition, on_false, end: after, .. }) => {
                entry.position = match self.judge(condition, entry) {
                    Truth::True => entry.position + 1,
                    Truth::False => *on_false,
                    Truth::Unknown(what) => {
                        verdicts.skipped.push(self.skip(entry, Reason::MissingField, Some(what)));
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
        verdicts.skipped.push(self.skip(entry, reason, detail.clone()));
        entry.committed = true;
        end(entry, reason, detail);
        false
    }

    fn judge(&self, condition: &Condition, entry: &Entry) -> Truth {
        let customer = customer_as_of(self.snapshot, entry.planned);
        let about = json!({
            "rule": entry.rule, "occurrence": entry.occurrence, "key": entry.key, "started_at": entry.started_at,
        });
        condition.eval(&Scope::new(entry.trigger.as_ref(), &customer, &about, entry.planned))
    }

    /// Writes the step's message, or waits for a grant; false when it waits.
    fn send(&self, send: &Send, entry: &mut Entry, verdicts: &mut Verdicts) -> bool {
        let channel = Channel::Email;
        let policy = &self.book.active.policy;
        let basis = basis(policy, &self.rule.purpose);
        let answer = |planned: DateTime<Utc>| {
            let question = Question {
                channel,
                purpose: &self.rule.purpose,
                basis,
                profile: &self.snapshot.profile,
                consents: &self.snapshot.consents,
                suppressed: self.snapshot.suppressed,
                erased: self.snapshot.erased,
                expires_at: planned + send.expire_after,
            };
            admit(&question, planned, self.now)
        };
        let mut answered = answer(entry.planned);
        if let (Err(Reason::NoConsent | Reason::ConsentWithdrawn), Some(patience)) =
            (&answered, send.wait_for_consent)
        {
            match self.await_grant(entry, channel, patience) {
                Grant::At(instant) => {
                    entry.planned = instant;
                    answered = answer(instant);
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
        entry.status = EntryStatus::Active;
        let message = self.message(send, entry, channel, answered, verdicts);
        verdicts.messages.push(message);
        entry.committed = true;
        entry.position += 1;
        true
    }

    /// Looks for the grant that a `wait_for_consent` waits for. An exit that comes first ends the wait.
    fn await_grant(&self, entry: &mut Entry, channel: Channel, patience: TimeDelta) -> Grant {
        let until = entry.planned + patience;
        let grant = self.snapshot.consents.first_grant(channel, &self.rule.purpose, entry.planned, until);
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

    fn message(
        &self,
        send: &Send,
        entry: &mut Entry,
        channel: Channel,
        answer: Result<String, Reason>,
        verdicts: &mut Verdicts,
    ) -> Message {
        let (state, reason, address) = match answer {
            Ok(address) => (MessageState::Pending, None, Some(address)),
            Err(Reason::Expired) => (MessageState::Expired, Some(Reason::Expired), None),
            Err(reason) => (MessageState::Suppressed, Some(reason), None),
        };
        let promo = match (state, entry.promo_step.as_deref()) {
            (MessageState::Pending, Some(step)) => self.promo_code(step, entry),
            _ => None,
        };
        if let Some(code) = &promo {
            entry.promo_step = None;
            verdicts.promo_codes.push(code.clone());
        }
        Message {
            id: message_id(entry, &send.id, channel),
            customer_id: entry.customer_id.clone(),
            rule: entry.rule.clone(),
            version: entry.version.clone(),
            occurrence: entry.occurrence.clone(),
            step: send.id.clone(),
            channel,
            purpose: self.rule.purpose.clone(),
            template: send.email.clone(),
            planned_at: entry.planned,
            expires_at: entry.planned + send.expire_after,
            state,
            reason,
            detail: None,
            context: json!({
                "event": entry.trigger,
                "promo_code": promo.as_ref().map(PromoCode::to_json),
            }),
            promo_code: promo.map(|p| p.code),
            due_at: entry.planned,
            attempts: 0,
            template_hash: None,
            locale: None,
            address,
            reply: None,
            sent_at: None,
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
        zone_of(&self.snapshot.profile.as_of(at), &self.book.active.policy)
    }

    fn skip(&self, entry: &Entry, reason: Reason, detail: Option<String>) -> Skip {
        Skip { rule: entry.rule.clone(), occurrence: entry.occurrence.clone(), reason, detail }
    }
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
pub fn zone_of(customer: &serde_json::Map<String, Value>, policy: &Policy) -> Tz {
    customer
        .get("timezone")
        .and_then(Value::as_str)
        .and_then(|name| parse_zone(name).ok())
        .unwrap_or(policy.default_timezone)
}

/// The legal basis of a purpose. One that the policy does not know (any more) is held to consent, the strictest.
pub fn basis(policy: &Policy, purpose: &str) -> Basis {
    policy.purposes.get(purpose).copied().unwrap_or(Basis::Consent)
}

/// 128 bits of SHA-256 over the message's identity: (entry, step, channel).
fn message_id(entry: &Entry, step: &str, channel: Channel) -> String {
    let mut hash = Sha256::new();
    for part in [&entry.rule, &entry.customer_id, &entry.occurrence, step, channel.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
