//! A story in plain words: items in, lines of text out, in English or French.
//!
//! Instants are written in the customer's zone, to the second. The layout is for reading and not a stable interface.

mod conditions;
mod runs;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::story::{
    Change, Considered, Customer, Happened, Item, Outcome, RuleState, Standing, Ticked, WaitsFor, What,
};
use super::words::{Language, Phrase};
use crate::domain::consent::ConsentFact;
use crate::domain::rules::condition::Truth;

/// The longest value shown; JSON has the whole.
const MAX_VALUE: usize = 160;

/// The story as text, told at `now`.
pub fn tell(items: &[Item], language: Language, now: DateTime<Utc>) -> String {
    let zone = items.iter().find_map(|item| match &item.what {
        What::Customer(customer) => customer.timezone.parse().ok(),
        _ => None,
    });
    let mut page = Page { language, zone: zone.unwrap_or(Tz::UTC), now, text: String::new() };
    for item in items {
        page.item(item);
    }
    page.text
}

struct Page {
    language: Language,
    zone: Tz,
    now: DateTime<Utc>,
    text: String,
}

impl Page {
    fn item(&mut self, item: &Item) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        match &item.what {
            What::Customer(customer) => self.customer(customer),
            What::Rule(standing) => self.standing(standing),
            What::Event(event) => {
                self.head(item.at, &event.event);
                self.event(event, item.at);
            }
            What::Consent(fact) => {
                self.head(item.at, &self.say(Phrase::Consent, &[]));
                self.consent(fact);
            }
            What::Tick(tick) => self.tick(tick, item.at),
            What::Entry(run) => {
                self.head(item.at, &self.say(Phrase::Entry, &[("rule", &run.rule)]));
                self.run(run);
            }
            What::Message(sent) => {
                let channel = self.language.channel(sent.channel);
                let state = self.language.state(sent.state);
                let values = [("template", sent.template.as_str()), ("channel", channel), ("state", state)];
                self.head(item.at, &self.say(Phrase::OfferIs, &values));
                self.message(sent);
            }
        }
    }

    fn say(&self, phrase: Phrase, values: &[(&str, &str)]) -> String {
        self.language.say(phrase, values)
    }

    fn at(&self, at: DateTime<Utc>) -> String {
        let format = match self.language {
            Language::English => "%Y-%m-%d %H:%M:%S",
            Language::French => "%d/%m/%Y %H:%M:%S",
        };
        at.with_timezone(&self.zone).format(format).to_string()
    }

    fn head(&mut self, at: DateTime<Utc>, words: &str) {
        let at = self.at(at);
        self.line(0, &format!("{at}  {words}"));
    }

    /// One line below a head, indented.
    fn put(&mut self, phrase: Phrase, values: &[(&str, &str)]) {
        let words = self.say(phrase, values);
        self.line(1, &words);
    }

    fn line(&mut self, depth: usize, words: &str) {
        // Values come from outside, and a terminal obeys control characters.
        let words = words.replace(char::is_control, " ");
        self.text += &format!("{:width$}{words}\n", "", width = depth * 4);
    }

    fn customer(&mut self, customer: &Customer) {
        self.line(0, &self.say(Phrase::Customer, &[("id", &customer.id)]));
        if customer.erased {
            self.put(Phrase::Erased, &[]);
        }
        for (name, value) in &customer.profile {
            self.put(Phrase::Attribute, &[("name", name), ("value", &plain(value))]);
        }
        customer.consents.iter().for_each(|fact| self.consent(fact));
        for channel in &customer.suppressed {
            self.put(Phrase::SuppressedAddress, &[("channel", self.language.channel(*channel))]);
        }
        self.put(Phrase::Times, &[("zone", customer.timezone)]);
    }

    fn consent(&mut self, fact: &ConsentFact) {
        let channel = self.language.channel(fact.channel);
        let word = self.word(Some(fact));
        self.put(Phrase::Word, &[("channel", channel), ("purpose", &fact.purpose), ("word", &word)]);
    }

    /// What the customer said, when, and where that comes from.
    fn word(&self, fact: Option<&ConsentFact>) -> String {
        let Some(fact) = fact else { return self.say(Phrase::NoWord, &[]) };
        let (status, at) = (self.language.status(fact.status), self.at(fact.at));
        match fact.proof.get("source").and_then(Value::as_str) {
            Some(source) => {
                self.say(Phrase::WordFrom, &[("status", status), ("at", &at), ("source", source)])
            }
            None => self.say(Phrase::WordOn, &[("status", status), ("at", &at)]),
        }
    }

    fn standing(&mut self, standing: &Standing) {
        self.line(0, &self.say(Phrase::Rule, &[("rule", &standing.rule)]));
        let state = match standing.state {
            RuleState::InForce => Phrase::InForce,
            RuleState::Disabled => Phrase::Disabled,
            RuleState::Deleted => Phrase::Deleted,
        };
        self.put(state, &[]);
        if let Some(since) = standing.since {
            self.put(Phrase::AsSince, &[("at", &self.at(since))]);
        }
        if let Some(waits_for) = &standing.waits_for {
            self.waits_for(waits_for);
        }
        for occurrence in &standing.under_way {
            self.put(Phrase::UnderWay, &[("occurrence", occurrence)]);
        }
        if standing.over {
            self.put(Phrase::Over, &[]);
        }
    }

    fn waits_for(&mut self, waits_for: &WaitsFor) {
        match waits_for {
            WaitsFor::Event { event, condition, last } => {
                self.put(Phrase::WaitsForEvent, &[("event", event)]);
                self.condition_and_last(condition.as_deref(), *last);
            }
            WaitsFor::Absence { event, condition, last, due } => {
                self.put(Phrase::WaitsForAbsence, &[("event", event)]);
                self.condition_and_last(condition.as_deref(), *last);
                if let Some(due) = due {
                    let phrase = if *due > self.now { Phrase::AbsenceDue } else { Phrase::AbsenceWas };
                    self.put(phrase, &[("at", &self.at(*due))]);
                }
            }
            WaitsFor::Anniversary { attribute, date, next } => {
                let attribute = format!("customer.{attribute}");
                match date {
                    Some(date) => {
                        let values = [("attribute", attribute.as_str()), ("date", &plain(date))];
                        self.put(Phrase::WaitsForDate, &values);
                        self.next(*next);
                    }
                    None => self.put(Phrase::NoDate, &[("attribute", &attribute)]),
                }
            }
            WaitsFor::Schedule { next, audience } => {
                self.put(Phrase::WaitsForTick, &[]);
                self.next(*next);
                if let Some(audience) = audience {
                    let condition = self.verdict(audience);
                    self.put(Phrase::Audience, &[("condition", &condition)]);
                    self.parts(audience, 2);
                }
            }
        }
    }

    fn condition_and_last(&mut self, condition: Option<&str>, last: Option<DateTime<Utc>>) {
        if let Some(condition) = condition {
            self.put(Phrase::Meeting, &[("condition", &format!("`{condition}`"))]);
        }
        match last {
            Some(last) => self.put(Phrase::Last, &[("at", &self.at(last))]),
            None => self.put(Phrase::NoneCame, &[]),
        }
    }

    fn next(&mut self, next: Option<DateTime<Utc>>) {
        match next {
            Some(next) => self.put(Phrase::Next, &[("at", &self.at(next))]),
            None => self.put(Phrase::NeverNext, &[]),
        }
    }

    fn event(&mut self, event: &Happened, at: DateTime<Utc>) {
        let received = self.at(event.received_at);
        self.put(Phrase::EventFrom, &[("source", &event.source), ("id", &event.id), ("at", &received)]);
        if event.forgotten {
            self.put(Phrase::Forgotten, &[]);
        }
        for Change { attribute, from, to } in &event.profile {
            let (name, to) = (attribute.as_str(), plain(to));
            match from {
                Some(from) => {
                    self.put(Phrase::ProfileChanged, &[("name", name), ("to", &to), ("from", &plain(from))])
                }
                None => self.put(Phrase::ProfileSet, &[("name", name), ("to", &to)]),
            }
        }
        event.consents.iter().for_each(|fact| self.consent(fact));
        let said = !event.profile.is_empty() || !event.consents.is_empty();
        if !said && event.data.as_object().is_some_and(|data| !data.is_empty()) {
            self.put(Phrase::Carried, &[("data", &shown(&event.data))]);
        }
        event.rules.iter().for_each(|considered| self.considered(considered, at));
    }

    fn tick(&mut self, tick: &Ticked, at: DateTime<Utc>) {
        let rule = &tick.considered.rule;
        self.head(at, &self.say(Phrase::Tick, &[("rule", rule), ("tick", &tick.tick)]));
        self.considered(&tick.considered, at);
    }

    fn considered(&mut self, considered: &Considered, at: DateTime<Utc>) {
        let rule = ("rule", considered.rule.as_str());
        match &considered.outcome {
            Outcome::Began { starts_at } if *starts_at == at => self.put(Phrase::Began, &[rule]),
            Outcome::Began { starts_at } => {
                self.put(Phrase::BeganLater, &[rule, ("at", &self.at(*starts_at))]);
            }
            Outcome::NotBegun { reason, detail } => {
                let mut reason = self.language.reason(*reason).into_owned();
                // Where it is the condition's word, that tells it better.
                let condition = considered.condition.as_ref().map(|condition| &condition.truth);
                let told = |detail: &&String| condition == Some(&Truth::Unknown((*detail).clone()));
                if let Some(detail) = detail.as_ref().filter(|detail| !told(detail)) {
                    reason += &format!(" ({detail})");
                }
                self.put(Phrase::NotBegun, &[rule, ("reason", &reason)]);
            }
            Outcome::Broken { at } => self.put(Phrase::Broken, &[rule, ("at", &self.at(*at))]),
            Outcome::WouldBegin => self.put(Phrase::WouldBegin, &[rule]),
            Outcome::Ends { reason } => {
                self.put(Phrase::Ends, &[rule, ("reason", &self.language.reason(*reason))]);
            }
        }
        if let Some(condition) = &considered.condition {
            let verdict = self.verdict(condition);
            self.line(2, &verdict);
            self.parts(condition, 3);
        }
        if let Some(since) = considered.judged_by_rule_since {
            let words = self.say(Phrase::JudgedSince, &[("at", &self.at(since))]);
            self.line(2, &words);
        }
    }
}

/// A value as JSON, by which a text is told from a number; what is long is cut.
fn shown(value: &Value) -> String {
    cut(value.to_string())
}

/// A value as it is read.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => cut(text.clone()),
        other => shown(other),
    }
}

fn cut(text: String) -> String {
    if text.chars().count() <= MAX_VALUE {
        return text;
    }
    text.chars().take(MAX_VALUE - 1).chain(['…']).collect()
}
