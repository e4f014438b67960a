//! SMS: from a finished [`Sms`] to a provider's answer, and back: receipts and messages from customers.
//!
//! Whatever comes in is handed to an [`IncomingSink`] and acknowledged to the provider only after that has kept it.

pub mod http;
pub mod smpp;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::sms::Encoding;
use crate::domain::trace::Trace;

/// A finished SMS. Everything that goes over the wire is a field, so the same value gives the same bytes on every
/// retry, but for the header `traceparent`, where one is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    /// The message's identity, 32 hexadecimal digits.
    pub message_id: String,
    /// A name of at most 11 characters, a number in E.164 (`+33…`), or a short code; none leaves it to the provider.
    pub from: Option<String>,
    /// E.164, with the plus sign.
    pub to: String,
    pub text: String,
    pub encoding: Encoding,
    /// How many parts it takes, by our own count.
    pub segments: u32,
    /// Nobody wants it after this.
    pub expires_at: DateTime<Utc>,
    /// It is not to leave at this instant or after it, for the reader's quiet hours.
    pub leave_by: DateTime<Utc>,
    /// For the page of captured messages, like the three that follow; never sent.
    pub customer_id: String,
    pub rule: String,
    pub locale: String,
    pub purpose: String,
    /// The span that hands it over, or that caused it: for a provider's server that takes part in traces.
    pub trace: Option<Trace>,
}

/// What a provider tells of its own accord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Receipt(Receipt),
    Text(Inbound),
    OptOut(OptOut),
}

/// What became of one part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's name for the part, as in [`super::Answer::Accepted`].
    pub provider_id: String,
    pub state: ReceiptState,
    /// When, by the provider; by our clock where it does not say.
    pub at: DateTime<Utc>,
    /// The provider's words or code.
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    /// On its way; says nothing yet.
    Pending,
    Delivered,
    /// Never to be delivered. `bad_address`: the number does not exist or takes no SMS.
    Failed {
        bad_address: bool,
    },
}

/// A message from a customer's telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The same when the provider delivers it again: the provider's own id, or derived from what it says.
    pub id: String,
    /// As the provider gives it: E.164 with or without the plus sign, or as it is dialled in its country.
    pub from: String,
    /// The provider says that `from` is without its country's code.
    pub national: bool,
    /// Our number or short code.
    pub to: String,
    pub text: String,
    pub at: DateTime<Utc>,
}

/// A provider's refusal of a message because its customer has told the provider to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    /// Of the message that was refused.
    pub message_id: String,
    /// The customer's, in E.164.
    pub number: String,
    /// The provider's words.
    pub answer: String,
}

/// Keeps what came in, durably, before it answers. An error means: not kept, deliver it again.
pub type IncomingSink =
    Arc<dyn Fn(Vec<Incoming>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;
