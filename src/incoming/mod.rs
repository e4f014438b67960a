//! What SMS providers tell: receipts ([`receipts`]), and messages from customers' telephones.
//!
//! A STOP becomes an event like any other, `consent.changed`, taken in by the same process, with the words and the
//! number as its proof. Nothing is acknowledged to the provider before it is committed here, and all of it may be
//! delivered again. `app` joins it to the channels.

pub mod receipts;
mod stop;

use std::sync::Arc;

use crate::active::Shelf;
use crate::channels::sms::{Inbound, Incoming, IncomingSink, Receipt, ReceiptState};
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
            }
        }
        self.store.keep_receipts(&receipts).await?;
        failpoint::reach("incoming.kept");
        Ok(())
    }

    /// Keeps a message from a telephone, after what it means has been done: it comes again if that fails.
    async fn text(&self, inbound: Inbound) -> Result<(), StoreError> {
        let sender = e164(&inbound.from);
        let customers = self.store.customers_by_phone(&sender).await?;
        let keyword = stop_keyword(&inbound.text);
        if keyword.is_some() {
            if customers.is_empty() {
                telemetry::stop_from_nobody(&inbound.id);
            }
            self.withdraw(&inbound, &sender, &customers).await?;
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
}

/// Providers write the number of a telephone with or without the plus sign; short codes stay as they are.
fn e164(from: &str) -> String {
    let number = from.trim().trim_start_matches('+');
    phone::parse(&format!("+{number}"), None).map_or_else(|| from.trim().to_owned(), |p| p.e164)
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
