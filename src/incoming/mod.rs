//! What comes back: mails that were not delivered ([`bounces`], told by mail or by a provider's [`webhook`]), and what SMS
//! providers tell: receipts ([`receipts`]), and messages from customers' telephones.
//!
//! A STOP becomes an event like any other, `consent.changed`, taken in by the same process, with the words and the
//! number as its proof; so does a provider's refusal to write to somebody who told it to stop. Nothing is acknowledged
//! to the provider before it is committed here, and all of it may be delivered again. [`numbers`] sees to it that
//! customers are found by their number. `app` joins it to the channels.

pub mod bounces;
pub mod maildir;
pub mod numbers;
pub mod receipts;
mod stop;
pub mod webhook;

use std::sync::Arc;

use self::stop::Stop;
use crate::active::Shelf;
use crate::channels::sms::{Inbound, Incoming, IncomingSink, OptOut, Receipt, ReceiptState};
use crate::clock::Clock;
use crate::domain::phone;
use crate::domain::sms::stop_keyword;
use crate::failpoint;
use crate::process::Processor;
use crate::store::{InboundRow, ReceiptRow, Store, StoreError};
use crate::telemetry;

/// Where channels put what comes in.
pub fn sink(store: Store, shelf: Shelf, clock: Clock, processor: Processor) -> IncomingSink {
    let desk = Desk { store, shelf, clock, processor };
    Arc::new(move |batch| {
        let desk = desk.clone();
        Box::pin(async move { desk.take(batch).await.map_err(|error| error.to_string()) })
    })
}

#[derive(Clone)]
struct Desk {
    store: Store,
    shelf: Shelf,
    clock: Clock,
    processor: Processor,
}

impl Desk {
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), StoreError> {
        let mut receipts = Vec::new();
        for incoming in batch {
            match incoming {
                Incoming::Receipt(receipt) => receipts.extend(row(receipt)),
                Incoming::Text(inbound) => self.text(inbound).await?,
                Incoming::OptOut(opt_out) => self.opted_out(&opt_out).await?,
            }
        }
        self.store.keep_receipts(&receipts).await?;
        failpoint::reach("incoming.kept");
        Ok(())
    }

    /// The number that a message is from, and the customers who have it: of the ways to read the number, the first that
    /// leads to somebody.
    async fn who(&self, inbound: &Inbound) -> Result<(String, Vec<String>), StoreError> {
        let active = self.shelf.get();
        let readings = readings(inbound, active.book.active.policy.default_country.as_deref());
        for number in &readings {
            let customers = self.store.customers_by_phone(number).await?;
            if !customers.is_empty() {
                return Ok((number.clone(), customers));
            }
        }
        Ok((readings.into_iter().next().unwrap_or_else(|| inbound.from.trim().to_owned()), Vec::new()))
    }

    /// Keeps a message from a telephone, after what it means has been done: it comes again if that fails.
    async fn text(&self, inbound: Inbound) -> Result<(), StoreError> {
        let (sender, customers) = self.who(&inbound).await?;
        let keyword = stop_keyword(&inbound.text);
        if keyword.is_some() {
            if customers.is_empty() {
                telemetry::stop_from_nobody(&inbound.id);
            }
            self.withdraw(&Stop::by_text(&inbound, &sender, self.clock.now()), &customers).await?;
        }
        let row = InboundRow {
            id: inbound.id,
            sender,
            recipient: inbound.to,
            body: inbound.text,
            at: inbound.at,
            meaning: if keyword.is_some() { "stop" } else { "other" },
            customers: customers.len(),
        };
        telemetry::text_received(row.meaning);
        self.store.keep_inbound(&[row]).await
    }

    /// A STOP that the provider took itself, of which it tells by refusing a message.
    async fn opted_out(&self, opt_out: &OptOut) -> Result<(), StoreError> {
        let customers = self.store.customers_by_phone(&opt_out.number).await?;
        telemetry::text_received("opt_out");
        self.withdraw(&Stop::by_refusal(opt_out, self.clock.now()), &customers).await
    }
}

/// The numbers in E.164 that a telephone's may be, the likelier first: providers write them with or without the plus
/// sign, some as they are dialled in their country. None for a short code.
fn readings(inbound: &Inbound, country: Option<&str>) -> Vec<String> {
    let written = inbound.from.trim();
    let international = || phone::parse(&format!("+{}", written.trim_start_matches('+')), None);
    let national = || phone::parse(written, country);
    let both = if inbound.national { [national(), international()] } else { [international(), national()] };
    let mut found: Vec<String> = Vec::new();
    for phone in both.into_iter().flatten() {
        if !found.contains(&phone.e164) {
            found.push(phone.e164);
        }
    }
    found
}

/// A receipt that says something final.
fn row(receipt: Receipt) -> Option<ReceiptRow> {
    let state = match receipt.state {
        ReceiptState::Pending => return None,
        ReceiptState::Delivered => "delivered",
        ReceiptState::Failed { bad_address: false } => "failed",
        ReceiptState::Failed { bad_address: true } => "bad_address",
    };
    Some(ReceiptRow { provider_id: receipt.provider_id, state, at: receipt.at, detail: receipt.detail })
}

#[cfg(test)]
mod tests;
