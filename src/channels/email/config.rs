//! The `[email.smtp]` part of the configuration: what may be said, and its defaults.
//!
//! Only shape is checked here; [`Smtp::new`](super::Smtp::new) refuses what does not fit together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::channels::limits::{DomainLimits, Limits};
use crate::secret::Secret;

/// How to reach the provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpConfig {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// How many connections are open at most, and so how many mails are under way at once.
    pub connections: usize,
    /// Seconds for one whole send, waiting for a free connection included. Must be shorter than a lease.
    pub send_deadline_s: u64,
    /// Seconds to reach the server, TLS and sign-in included, and for it to show that a kept connection is alive.
    pub connect_timeout_s: u64,
    /// Seconds after which an idle connection is not used again. Keep it below the provider's own limit.
    pub idle_s: u64,
    /// Mails after which a connection is replaced; some providers close it at 100.
    pub mails_per_connection: u32,
    /// The name given at EHLO; by default the connection's own address (RFC 5321 4.1.3).
    pub hello_name: Option<String>,
    /// Certificate authorities in PEM, trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// The address bounces go to (`MAIL FROM`); by default the sender of each mail.
    pub envelope_from: Option<String>,
    /// Gives each mail a return path of its own, `USER+MESSAGE-TAG@DOMAIN`, by which its bounce is known.
    pub bounce_address: Option<String>,
    /// Each one adds a signature, in this order; none by default, as many providers sign themselves.
    pub dkim: Vec<DkimConfig>,
    /// Mails a second at most, of this worker.
    pub max_rate: Option<f64>,
    /// Mails that may go at once after a quiet moment; by default what a quarter of a second brings.
    pub burst: Option<u32>,
    /// Limits by recipient's domain.
    pub domains: BTreeMap<String, DomainLimits>,
    /// Where the provider works (ISO 3166-1 alpha-2), for the register of processing.
    pub country: Option<String>,
}

impl SmtpConfig {
    /// How much may go this way.
    pub fn limits(&self) -> Limits {
        Limits { max_rate: self.max_rate, burst: self.burst, domains: self.domains.clone() }
    }
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 587,
            tls: Tls::Starttls,
            username: None,
            password: None,
            connections: 4,
            send_deadline_s: 20,
            connect_timeout_s: 10,
            idle_s: 30,
            mails_per_connection: 1000,
            hello_name: None,
            ca_file: None,
            envelope_from: None,
            bounce_address: None,
            dkim: Vec::new(),
            max_rate: None,
            burst: None,
            domains: BTreeMap::new(),
            country: None,
        }
    }
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all: a relay on the same machine, a sink for trials.
    None,
    /// RFC 3207, and required: a server that does not offer it gets no mail.
    Starttls,
    /// TLS from the first byte (RFC 8314, port 465).
    Implicit,
}

/// One DKIM key (RFC 6376). The key is given as text or as a file, not both.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimConfig {
    /// `d=`: best the domain of the sender, or one above it, so that DMARC sees them aligned.
    pub domain: String,
    /// `s=`: the public key is the TXT record of `selector._domainkey.domain`.
    pub selector: String,
    pub algorithm: DkimAlgorithm,
    /// PEM, or for Ed25519 also the 32-byte seed in base64.
    pub private_key: Option<Secret>,
    pub private_key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum DkimAlgorithm {
    #[serde(rename = "rsa-sha256")]
    RsaSha256,
    /// RFC 8463.
    #[serde(rename = "ed25519-sha256")]
    Ed25519Sha256,
}
