//! What the cases stand on: one customer, a book made from rule texts, and a clock moved by hand.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};
use declic::active::Checked;
use declic::domain::customer::Profile;
use declic::domain::decide::{self, Tick};
use declic::domain::diagnostic::{SourceFile, render};
use declic::domain::event::Event;
use declic::domain::memory::Entry;
use declic::domain::message::Message;
use declic::domain::rules::book::Book;
use declic::domain::snapshot::{PromoCode, Skip, Snapshot, Verdicts};
use serde_json::Value;

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n";

const TEMPLATE: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{#if unsubscribe_url}}\
    {{unsubscribe_url}}{{/if}}{{#if promo_code}}{{promo_code.code}}{{/if}}</mj-text></mj-column></mj-section></mj-body></mjml>";

/// Compiles rules given as (name, body).
pub fn book(rules: &[(&str, &str)]) -> Book {
    let file = |path: String, text: &str| SourceFile { path, text: text.to_owned() };
    let mut files = vec![file("rules/policy.yaml".to_owned(), POLICY)];
    for (name, body) in rules {
        files.push(file(format!("rules/{name}.yaml"), &format!("rule: {name}\n{body}")));
    }
    files.extend(["a", "b", "c"].map(|t| file(format!("templates/{t}/email.fr.mjml"), TEMPLATE)));
    let checked = Checked::new(&files);
    assert!(!checked.has_errors(), "{}", render(&checked.diagnostics, &files, false));
    checked.activate(&files, b"secret".to_vec()).book
}

/// The new book once `before` has been replaced: versions that entries are pinned to are still at hand.
pub fn replaced(before: &Book, rules: &[(&str, &str)]) -> Book {
    let mut after = book(rules);
    before.active.rules.values().for_each(|rule| after.pin(rule.clone()));
    after
}

/// `2026-11-23T10:00`, in UTC.
pub fn at(text: &str) -> DateTime<Utc> {
    format!("{text}:00Z").parse::<DateTime<Utc>>().unwrap_or_else(|e| panic!("{text}: {e}")).trunc_subsecs(6)
}

/// An event of the customer `c`, whose id is its place in the order of arrival unless that matters.
pub fn event(id: &str, time: &str, kind: &str, data: &str) -> Event {
    Event {
        id: id.to_owned(),
        source: "/t".to_owned(),
        kind: kind.to_owned(),
        subject: "c".to_owned(),
        time: at(time),
        data: serde_json::from_str(data).unwrap_or(Value::Null.into()),
        trace: None,
    }
}

/// One customer, and all that was decided about them.
pub struct Customer {
    pub name: String,
    pub snapshot: Snapshot,
    pub messages: Vec<Message>,
    pub codes: Vec<PromoCode>,
    pub skipped: Vec<Skip>,
    arrived: usize,
}

impl Customer {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            snapshot: Snapshot { customer_id: name.to_owned(), ..Snapshot::default() },
            messages: Vec::new(),
            codes: Vec::new(),
            skipped: Vec::new(),
            arrived: 0,
        }
    }

    /// A customer with an address.
    pub fn known(book: &Book) -> Self {
        let mut customer = Self::new("c");
        customer.hears(book, "2026-01-01T00:00", "customer.updated", r#"{"email":"c@x.fr"}"#);
        customer
    }

    /// An event arrives at the moment it happens.
    pub fn hears(&mut self, book: &Book, time: &str, kind: &str, data: &str) -> &mut Self {
        self.hears_at(book, time, time, kind, data)
    }

    /// An event arrives at `now`, which happened at `time`.
    pub fn hears_at(&mut self, book: &Book, now: &str, time: &str, kind: &str, data: &str) -> &mut Self {
        self.arrived += 1;
        let mut event = event(&format!("e{}", self.arrived), time, kind, data);
        event.subject.clone_from(&self.name);
        self.takes(book, at(now), event)
    }

    pub fn takes(&mut self, book: &Book, now: DateTime<Utc>, event: Event) -> &mut Self {
        self.snapshot.remember(&event, book.known_at(now));
        let verdicts = decide::on_events(book, &self.snapshot, &[event], now);
        self.apply(verdicts)
    }

    /// The customer's timers run, once, at `now`, whether that is in time or late.
    pub fn wakes(&mut self, book: &Book, now: &str) -> &mut Self {
        let verdicts = decide::on_timer(book, &self.snapshot, at(now));
        assert_eq!(verdicts, decide::on_timer(book, &self.snapshot, at(now)), "a decision is a function");
        self.apply(verdicts)
    }

    /// All timers run, each when it is due, until none is left or the next is after `until`.
    pub fn lives(&mut self, book: &Book, until: &str) -> &mut Self {
        while let Some(due) = self.snapshot.next_due().filter(|due| *due <= at(until)) {
            let verdicts = decide::on_timer(book, &self.snapshot, due);
            self.apply(verdicts);
        }
        self
    }

    /// A sweep that should have run at `planned` runs at `now`.
    pub fn ticks(&mut self, book: &Book, rule: &str, local: &str, planned: &str, now: &str) -> &mut Self {
        let tick = Tick { rule: rule.to_owned(), local: local.to_owned(), planned: at(planned) };
        let verdicts = decide::on_tick(book, &self.snapshot, &tick, at(now));
        self.first_look(book, &tick, &verdicts);
        self.apply(verdicts)
    }

    /// What a sweep concludes before it locks anybody, from a part of the profile, is what is decided under the lock.
    fn first_look(&self, book: &Book, tick: &Tick, verdicts: &Verdicts) {
        let Snapshot { customer_id, profile, entries, erased, .. } = &self.snapshot;
        let stored = serde_json::to_string(profile).expect("a profile");
        let rule = &book.active.rules[&tick.rule];
        let part = Profile::read_partly(&stored, |name| decide::looks_at(rule, name)).expect("a profile");
        let look = |profile| decide::passed_over(book, customer_id, profile, tick);
        assert_eq!(look(&part), look(profile), "what was left out does not matter");
        match look(&part) {
            Some(known) if !erased => assert_eq!(&known, verdicts),
            Some(_) => {}
            None => assert!(
                *erased || !verdicts.entries.is_empty() || entries.iter().any(|e| e.rule == tick.rule),
                "whoever is kept is concerned"
            ),
        }
    }

    fn apply(&mut self, verdicts: Verdicts) -> &mut Self {
        self.snapshot.evolve(&verdicts);
        self.messages.extend(verdicts.messages);
        self.codes.extend(verdicts.promo_codes);
        self.skipped.extend(verdicts.skipped);
        self
    }

    /// `TIME TEMPLATE [REASON]` of each message, in the order in which they were decided.
    pub fn said(&self) -> Vec<String> {
        let said = self.messages.iter().map(|m| {
            let reason = m.reason.map(|r| format!(" {}", r.as_str())).unwrap_or_default();
            format!("{} {}{reason}", m.planned_at.format("%Y-%m-%dT%H:%M"), m.template)
        });
        said.collect()
    }

    /// `RULE REASON [DETAIL]` of what was considered and not begun.
    pub fn refused(&self) -> Vec<String> {
        let refused = self.skipped.iter().map(|s| {
            let detail = s.detail.as_deref().map(|d| format!(" {d}")).unwrap_or_default();
            format!("{} {}{detail}", s.rule, s.reason.as_str())
        });
        refused.collect()
    }

    /// Why each entry ended, by occurrence; `-` for one that came to its end or is under way.
    pub fn ends(&self) -> BTreeMap<&str, &str> {
        let end = |e: &Entry| e.reason.map_or("-", |r| r.as_str());
        self.snapshot.entries.iter().map(|e| (e.occurrence.as_str(), end(e))).collect()
    }
}
