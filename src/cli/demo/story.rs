//! Telling the day: one line an event and one a message, at the shop's local time, and the summary.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::channels::Capture;
use crate::clock::Clock;
use crate::domain::consent::Channel;
use crate::domain::event::Event;
use crate::domain::message::{Message, MessageState};
use crate::store::{LetterFilter, MessageFilter, Store, StoreError};

/// How often to look for news, in real time.
const EVERY: Duration = Duration::from_millis(200);

/// More messages than the demo's day makes.
const ALL: u32 = 10_000;

/// When, in which colour, after which sign, which words.
type News = (DateTime<Utc>, &'static str, &'static str, String);

/// What has been told, and where to hear more.
pub struct Story {
    store: Store,
    clock: Clock,
    capture: Option<Capture>,
    zone: Tz,
    begins: DateTime<Utc>,
    /// The day's events, soonest first.
    events: Vec<Event>,
    names: BTreeMap<String, String>,
    told: BTreeSet<String>,
    color: bool,
}

impl Story {
    pub fn new(app: &App, day: &[u8], begins: DateTime<Utc>) -> Self {
        let mut events: Vec<Event> = day
            .split(|b| *b == b'\n')
            .filter_map(|line| Event::from_json(line, DateTime::<Utc>::MAX_UTC).ok())
            .collect();
        events.sort_by_key(Event::stamp);
        events.dedup_by_key(|e| e.stamp());
        let names = events
            .iter()
            .filter_map(|e| Some((e.subject.clone(), e.data.get("first_name")?.as_str()?.to_owned())))
            .collect();
        Self {
            store: app.store.clone(),
            clock: app.clock.clone(),
            capture: app.capture.clone(),
            zone: app.shelf.get().book.active.policy.default_timezone,
            begins,
            events,
            names,
            told: BTreeSet::new(),
            color: std::io::stdout().is_terminal(),
        }
    }

    /// Tells until `end`, or until `stop`.
    pub async fn tell(mut self, end: DateTime<Utc>, stop: CancellationToken) -> Self {
        let mut events = std::mem::take(&mut self.events).into_iter().peekable();
        while events.next_if(|e| e.time < self.begins).is_some() {}
        loop {
            let now = self.clock.now();
            let mut news = self.messages().await;
            while let Some(event) = events.next_if(|e| e.time <= now) {
                news.push((event.time, "2", "·", self.event_words(&event)));
            }
            news.sort();
            for (at, color, sign, words) in news {
                self.line(at, color, sign, &words);
            }
            if now >= end || stop.is_cancelled() {
                return self;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// The messages that have come to their end since the last look.
    async fn messages(&mut self) -> Vec<News> {
        let filter = MessageFilter { limit: ALL, ..MessageFilter::default() };
        let Ok(mut messages) = self.store.messages(&filter).await else { return Vec::new() };
        messages.retain(|m| m.state.is_final() && !self.told.contains(&m.id));
        let news = messages.iter().map(|message| match (message.state, message.channel) {
            // One that was put off has left at its new instant.
            (MessageState::Sent, Channel::Email) => (message.due_at, "32", "✉", self.sent_words(message)),
            (MessageState::Sent, Channel::Sms) => (message.due_at, "32", "✆", self.sent_words(message)),
            _ => (message.planned_at, "33", "✗", self.refused_words(message)),
        });
        let news = news.collect();
        self.told.extend(messages.into_iter().map(|m| m.id));
        news
    }

    fn line(&self, at: DateTime<Utc>, color: &str, sign: &str, words: &str) {
        let time = at.with_timezone(&self.zone).format("%a %H:%M");
        if self.color {
            println!("{time}  \u{1b}[{color}m{sign} {words}\u{1b}[0m");
        } else {
            println!("{time}  {sign} {words}");
        }
    }

    fn name<'a>(&'a self, customer: &'a str) -> &'a str {
        self.names.get(customer).map_or(customer, String::as_str)
    }

    fn event_words(&self, event: &Event) -> String {
        let name = self.name(&event.subject);
        let total = event.data.get("total").and_then(Value::as_f64);
        let amount = total.map(|t| format!(" ({t:.2} €)")).unwrap_or_default();
        match event.kind.as_str() {
            "customer.signed_up" => format!("{name} signs up"),
            "customer.updated" => format!("{name}'s profile changes"),
            "consent.changed" => format!(
                "{name}: {} for {} is {}",
                event.data["channel"].as_str().unwrap_or("a channel"),
                event.data["purpose"].as_str().unwrap_or("a purpose"),
                event.data["status"].as_str().unwrap_or("changed"),
            ),
            "cart.updated" => format!("{name} fills a cart{amount}"),
            "cart.emptied" => format!("{name} empties the cart"),
            "order.placed" => format!("{name} places an order{amount}"),
            "order.shipped" => format!("{name}'s order leaves the shop"),
            other => format!("{name}: {other}"),
        }
    }

    fn sent_words(&self, message: &Message) -> String {
        let subject = self
            .capture
            .as_ref()
            .and_then(|c| c.list().into_iter().find(|mail| mail.parcel.message_id() == message.id))
            .map(|mail| format!(" « {} »", mail.parcel.headline().replace('\n', " ")))
            .unwrap_or_default();
        let code = message.promo_code.as_ref().map(|c| format!(" [{c}]")).unwrap_or_default();
        format!("{} → {}{subject}{code}", message.rule, self.name(&message.customer_id))
    }

    fn refused_words(&self, message: &Message) -> String {
        let reason = message.reason.map_or("", |r| r.words());
        format!("{} ↛ {}: {reason}", message.rule, self.name(&message.customer_id))
    }

    /// What was sent and what was not, and why.
    pub async fn print(&self, store: &Store) -> Result<(), StoreError> {
        let messages = store.messages(&MessageFilter { limit: ALL, ..MessageFilter::default() }).await?;
        let mut sent: BTreeMap<&str, usize> = BTreeMap::new();
        let mut refused: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for message in &messages {
            match (message.state, message.reason) {
                (MessageState::Sent, _) => *sent.entry(&message.rule).or_default() += 1,
                (_, Some(reason)) => *refused.entry((&message.rule, reason.words())).or_default() += 1,
                _ => {}
            }
        }
        println!("\nSent: {}", sent.values().sum::<usize>());
        for (rule, count) in &sent {
            println!("  {count:>3}  {rule}");
        }
        println!("Not sent: {}", refused.values().sum::<usize>());
        for ((rule, reason), count) in &refused {
            println!("  {count:>3}  {rule}: {reason}");
        }
        let letters = store.dead_letters(&LetterFilter::default(), ALL).await?;
        println!("Events that could not be used: {}", letters.len());
        for letter in letters {
            println!("       {}: {}", letter.reason.as_str(), letter.detail);
        }
        Ok(())
    }
}
