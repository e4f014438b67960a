//! E-mail: from a finished [`Email`] to a provider's answer.
//!
//! `message` builds the MIME bytes and `dkim` signs them; `connection` opens an SMTP connection, `pool`
//! keeps a few of them, `smtp` runs one delivery over one, and `outcome` says what the provider's answer
//! means for the message. lettre encodes headers and bodies and speaks the dialogue; streams, TLS,
//! deadlines and signatures are ours, each for a reason given where it is done.

mod address;
mod config;
mod connection;
mod dkim;
mod encoding;
pub(super) mod message;
mod outcome;
mod pool;
mod smtp;
#[cfg(test)]
pub(super) mod tests;
mod wire;

use chrono::{DateTime, Utc};

pub use config::{DkimAlgorithm, DkimConfig, SmtpConfig, Tls};
pub use dkim::public_key;
pub use smtp::Smtp;

/// A finished e-mail, ready to be built into MIME.
///
/// Everything that goes into the bytes is a field, so the same value gives the same bytes on every retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The message's identity, 32 hexadecimal digits; the header is `<id@domain of from>`.
    pub message_id: String,
    /// The `Date` header and the time of the DKIM signature (RFC 6376 `t=`).
    pub date: DateTime<Utc>,
    /// The sender's name as the reader sees it; empty for none.
    pub from_name: String,
    pub from: String,
    pub reply_to: Option<String>,
    pub to: String,
    pub subject: String,
    pub html: String,
    pub text: String,
    /// One-click unsubscription (RFC 8058); an absolute `https` URL, or `http` in trials.
    pub unsubscribe_url: Option<String>,
    /// For the page of captured mail, like the three that follow; never sent.
    pub customer_id: String,
    pub rule: String,
    pub locale: String,
    pub purpose: String,
}
