//! The room that frequency caps leave, for the customers of one group of messages.
//!
//! Exact under any number of workers: it is read, judged and taken within one transaction that holds the customers'
//! locks. Where there is room for some only, the more important rule goes first, then the earlier planned message.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::admission::Judge;
use crate::domain::admit::Gate;
use crate::domain::caps::{self, Slot};
use crate::domain::message::Message;
use crate::domain::rules::Policy;
use crate::guard;
use crate::store::{CustomerState, StoreError, Tx};

/// What counts, and who waits, by customer.
#[derive(Debug, Default)]
pub struct Room {
    slots: BTreeMap<String, Vec<Slot>>,
    /// Due and not yet on their way, the most important first.
    waiting: BTreeMap<String, Vec<Message>>,
}

impl Room {
    /// Loads what the caps of this policy look at beside the messages `claimed`; nothing where they cover none of them.
    pub async fn load(
        tx: &mut Tx,
        policy: &Policy,
        claimed: &[Message],
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let covered =
            |message: &&Message| caps::covering(policy, message.channel, &message.purpose).next().is_some();
        let customers: BTreeSet<&str> =
            claimed.iter().filter(covered).map(|message| message.customer_id.as_str()).collect();
        let longest = policy.frequency_caps.iter().map(|cap| cap.period).max();
        let Some(longest) = longest.filter(|_| !customers.is_empty()) else {
            return Ok(Self::default());
        };
        let customers: Vec<String> = customers.into_iter().map(str::to_owned).collect();
        let slots = tx.slots(&customers, now - longest).await?;
        let mut waiting: BTreeMap<String, Vec<Message>> = BTreeMap::new();
        let known: Vec<&str> = claimed.iter().map(|m| m.id.as_str()).collect();
        for message in tx.waiting_beside(&customers, &known, now).await? {
            waiting.entry(message.customer_id.clone()).or_default().push(message);
        }
        let mut of_customer: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
        for message in claimed {
            of_customer.entry(&message.customer_id).or_default().push(message);
        }
        for (customer, messages) in of_customer {
            // One that is alone has nobody before it and is before nobody.
            if messages.len() > 1 || waiting.contains_key(customer) {
                waiting.entry(customer.to_owned()).or_default().extend(messages.into_iter().cloned());
            }
        }
        for messages in waiting.values_mut() {
            messages.sort_by(|a, b| rank(a).cmp(&rank(b)));
        }
        Ok(Self { slots, waiting })
    }

    /// The messages that may stand before others.
    pub fn rivals(&self) -> impl Iterator<Item = &Message> {
        self.waiting.values().flatten()
    }

    /// What counts for `message`: what may have reached its reader, and those that wait before it and may go.
    pub fn beside(&self, message: &Message, customer: &CustomerState, judge: &Judge<'_>) -> Vec<Slot> {
        let mut slots = self.slots.get(&message.customer_id).cloned().unwrap_or_default();
        let waiting = self.waiting.get(&message.customer_id).map_or(&[][..], Vec::as_slice);
        for rival in waiting.iter().take_while(|rival| rank(rival) < rank(message)) {
            // A panic about a rival is the rival's own: it is met again when that one is judged.
            let asked = guard::catch(|| judge.ask(rival, customer, &slots));
            if matches!(asked, Ok(Gate::Open { .. })) {
                slots.push(slot(rival, judge.now));
            }
        }
        slots
    }

    /// Notes what became of a message: it waits no more, and where it goes it counts.
    pub fn settle(&mut self, message: &Message) {
        if let Some(waiting) = self.waiting.get_mut(&message.customer_id) {
            waiting.retain(|m| m.id != message.id);
        }
        if let Some(at) = message.slot_at {
            self.slots.entry(message.customer_id.clone()).or_default().push(slot(message, at));
        }
    }
}

fn rank(message: &Message) -> (Reverse<i32>, DateTime<Utc>, &str) {
    (Reverse(message.priority), message.planned_at, &message.id)
}

fn slot(message: &Message, at: DateTime<Utc>) -> Slot {
    Slot { message_id: message.id.clone(), channel: message.channel, purpose: message.purpose.clone(), at }
}
