//! The `[smpp]` part of the configuration: what may be said, and its defaults.
//!
//! Only shape is checked here; [`Smpp::new`](super::Smpp::new) refuses what does not fit together.

use std::path::PathBuf;

use serde::Deserialize;

use crate::channels::limits::Limits;
use crate::secret::Secret;

/// How to reach the message centre (SMSC), by SMPP 3.4.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmppConfig {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// Certificate authorities in PEM, trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// The account.
    pub system_id: String,
    pub password: Option<Secret>,
    /// Wanted by some providers, which say so.
    pub system_type: String,
    pub bind: Bind,
    /// How many binds are kept up; with `separate`, pairs of them.
    pub connections: usize,
    /// Submits that may wait for their answer at once, on each connection.
    pub window: usize,
    /// Seconds for one whole message, all its parts and the wait for a free place in the window included. Must be
    /// shorter than a lease.
    pub send_deadline_s: u64,
    /// Seconds to reach the provider, TLS and bind included, and for it to show that a connection is alive.
    pub connect_timeout_s: u64,
    /// Seconds of silence after which the provider is asked whether it is there.
    pub enquire_link_s: u64,
    /// Type of number and numbering plan of our sender (SMPP 3.4, 5.2.5 and 5.2.6), instead of what its shape says:
    /// 5 and 0 for a name, 1 and 1 for E.164, 3 and 0 for a short code.
    pub source_ton: Option<u8>,
    pub source_npi: Option<u8>,
    /// The same of our customers' numbers, instead of 1 and 1.
    pub dest_ton: Option<u8>,
    pub dest_npi: Option<u8>,
    /// Whether the provider is asked to report what became of each message.
    pub registered_delivery: bool,
    pub receipt_ids: ReceiptIds,
    /// Codes in receipts (`err:`) by which this provider says that nobody has the number. There is no standard for
    /// them, so none by default.
    pub bad_number_errors: Vec<String>,
    /// Messages a second at most, for this process; what the account allows.
    pub max_rate: Option<f64>,
    /// Messages that may go at once after a quiet moment; by default what a quarter of a second brings.
    pub burst: Option<u32>,
    /// Where the provider works (ISO 3166-1 alpha-2), for the register of processing.
    pub country: Option<String>,
}

impl SmppConfig {
    /// What the provider takes.
    pub fn limits(&self) -> Limits {
        Limits { max_rate: self.max_rate, burst: self.burst, ..Limits::default() }
    }

    /// Messages that may be under way at once.
    pub fn under_way(&self) -> usize {
        self.connections.saturating_mul(self.window).max(1)
    }
}

impl Default for SmppConfig {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 2775,
            tls: Tls::None,
            ca_file: None,
            system_id: String::new(),
            password: None,
            system_type: String::new(),
            bind: Bind::Transceiver,
            connections: 1,
            window: 10,
            send_deadline_s: 20,
            connect_timeout_s: 10,
            enquire_link_s: 30,
            source_ton: None,
            source_npi: None,
            dest_ton: None,
            dest_npi: None,
            registered_delivery: true,
            receipt_ids: ReceiptIds::Same,
            bad_number_errors: Vec::new(),
            max_rate: None,
            burst: None,
            country: None,
        }
    }
}

/// How the connection is protected. SMPP has no STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all: a private line, a VPN, or a tunnel on this machine.
    None,
    /// TLS from the first byte.
    Implicit,
}

/// How we bind (SMPP 3.4, 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bind {
    /// Both ways over one connection.
    Transceiver,
    /// A transmitter and a receiver, for providers that know no transceiver.
    Separate,
}

/// How receipts write the id that the answer to a submit gave: some providers print the same number to another base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptIds {
    /// To the letter.
    Same,
    /// Hexadecimal in the answer, decimal in receipts.
    HexToDecimal,
    /// Decimal in the answer, hexadecimal in receipts.
    DecimalToHex,
}
