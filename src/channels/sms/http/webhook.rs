//! What the provider tells of its own accord: verified first, then read by description.
//!
//! A pure function of the request and the time; whoever serves it answers the provider only after what came in has
//! been kept.

use std::fmt;

use axum::http::{HeaderMap, HeaderName};
use chrono::{DateTime, Utc};

use super::config::{Encoding, HttpSmsConfig, InboundFields, StatusFields, Verify, WebhookConfig};
use super::presets::with_preset;
use super::provider::{check_pointer, header_name};
use super::report::{is_form, items, parsed, receipt, text};
use super::verify;
use crate::channels::sms::Incoming;
use crate::domain::hex;
use crate::secret::Secret;

/// Where reports go, below the public base URL.
const STATUS: &str = "/sms/status";
/// Where customers' messages go.
const INBOUND: &str = "/sms/inbound";
/// A shorter secret in a path could be guessed.
const SHORTEST_SECRET: usize = 16;

/// One request to a webhook.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Path and query, as they came.
    pub target: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// Why a request is not taken in. None of its content was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is expected here.
    Unknown,
    /// It does not come from the provider, or does not show it.
    Forbidden,
    /// It comes from the provider and cannot be read; the words hold nothing of it.
    Malformed(String),
}

/// How the provider's requests are verified and read.
#[derive(Clone)]
pub struct Webhooks {
    base_url: String,
    secret: Secret,
    check: Check,
    status: StatusFields,
    inbound: InboundFields,
    reply: (String, String),
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhooks")
    }
}

#[derive(Debug, Clone)]
enum Check {
    Twilio,
    HmacSha256 { header: HeaderName, prefix: String, decode: fn(&str) -> Option<Vec<u8>> },
    Path,
    Basic { username: String },
    Header { name: HeaderName, prefix: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Status,
    Inbound,
}

impl Webhooks {
    /// None if no webhook is configured. `base_url` is what the provider reaches us by, without a slash at the end:
    /// signatures cover it. The error names the key.
    pub fn new(config: &HttpSmsConfig, base_url: &str) -> Result<Option<Self>, String> {
        Self::described(&with_preset(config)?, base_url)
    }

    /// As [`Self::new`], from a configuration that has its preset below it.
    pub(super) fn described(config: &HttpSmsConfig, base_url: &str) -> Result<Option<Self>, String> {
        let webhook = &config.webhook;
        let Some(how) = &webhook.verify else {
            return match webhook.secret {
                Some(_) => {
                    Err("`webhook.verify` is missing: how the provider uses `webhook.secret`".to_owned())
                }
                None => Ok(None),
            };
        };
        let secret = match (how, &webhook.secret, &config.secret) {
            (_, Some(secret), _) => secret.clone(),
            (Verify::Twilio, None, Some(secret)) => secret.clone(),
            _ => return Ok(None),
        };
        check_fields(webhook)?;
        Ok(Some(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            check: check(how, &secret)?,
            secret,
            status: webhook.status.clone(),
            inbound: webhook.inbound.clone(),
            reply: (
                webhook.reply_type.clone().unwrap_or_else(|| "text/plain".to_owned()),
                webhook.reply_body.clone().unwrap_or_default(),
            ),
        }))
    }

    /// What the provider is to call with reports; none if they could not be read. May hold a secret.
    pub fn status_url(&self) -> Option<String> {
        self.status.id.as_ref().map(|_| self.url(STATUS))
    }

    /// What the provider is to call with customers' messages; none if they could not be read. May hold a secret.
    pub fn inbound_url(&self) -> Option<String> {
        self.inbound.text.as_ref().map(|_| self.url(INBOUND))
    }

    /// The type and text of a success.
    pub fn reply(&self) -> (&str, &str) {
        (&self.reply.0, &self.reply.1)
    }

    /// What a request brings, which may be nothing. `now` stands in where the provider gives no time.
    pub fn receive(&self, call: Call<'_>, now: DateTime<Utc>) -> Result<Vec<Incoming>, Refusal> {
        let path = call.target.split_once('?').map_or(call.target, |(path, _)| path);
        let (kind, rest) = match (path.strip_prefix(STATUS), path.strip_prefix(INBOUND)) {
            (Some(rest), _) if self.status.id.is_some() => (Kind::Status, rest),
            (_, Some(rest)) if self.inbound.text.is_some() => (Kind::Inbound, rest),
            _ => return Err(Refusal::Unknown),
        };
        let key = match rest.strip_prefix('/') {
            Some(key) => Some(key),
            None if rest.is_empty() => None,
            None => return Err(Refusal::Unknown),
        };
        if !self.verifies(call, key) {
            return Err(Refusal::Forbidden);
        }
        let items = items(&parsed(call)?, self.list(kind))?;
        let incoming = items.iter().map(|item| match kind {
            Kind::Status => receipt(&self.status, item, now).map(Incoming::Receipt),
            Kind::Inbound => text(&self.inbound, item, now).map(Incoming::Text),
        });
        incoming.collect()
    }

    fn list(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Status => self.status.items.as_deref(),
            Kind::Inbound => self.inbound.items.as_deref(),
        }
    }

    fn url(&self, path: &str) -> String {
        match self.check {
            Check::Path => format!("{}{path}/{}", self.base_url, self.secret.expose()),
            _ => format!("{}{path}", self.base_url),
        }
    }

    /// `key`: what follows the webhook's own path.
    fn verifies(&self, Call { target, headers, body }: Call<'_>, key: Option<&str>) -> bool {
        let secret = self.secret.expose();
        match (&self.check, key) {
            (Check::Path, key) => key.is_some_and(|key| self.secret.is(key)),
            (_, Some(_)) => false,
            (Check::Twilio, None) => {
                verify::twilio(secret, &format!("{}{target}", self.base_url), headers, body, is_form(headers))
            }
            (Check::HmacSha256 { header, prefix, decode }, None) => {
                verify::hmac_sha256(secret, headers, (header, prefix), *decode, body)
            }
            (Check::Basic { username }, None) => verify::basic(username, secret, headers),
            (Check::Header { name, prefix }, None) => verify::header(secret, headers, (name, prefix)),
        }
    }
}

fn check(how: &Verify, secret: &Secret) -> Result<Check, String> {
    let text = secret.expose();
    if text.is_empty() {
        return Err("`webhook.secret` is empty".to_owned());
    }
    Ok(match how {
        Verify::Twilio => Check::Twilio,
        Verify::HmacSha256 { header, encoding, prefix } => Check::HmacSha256 {
            header: header_name("webhook.verify.hmac_sha256.header", header)?,
            prefix: prefix.clone(),
            decode: match encoding {
                Encoding::Hex => hex::decode,
                Encoding::Base64 => verify::from_base64,
            },
        },
        Verify::Path => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if text.len() < SHORTEST_SECRET || !text.chars().all(plain) {
                return Err(format!(
                    "`webhook.secret` is part of a path: at least {SHORTEST_SECRET} letters, digits, `-` and `_`, as \
                     `openssl rand -hex 16` makes them"
                ));
            }
            Check::Path
        }
        Verify::Basic { username } => Check::Basic { username: username.clone() },
        Verify::Header { name, prefix } => {
            Check::Header { name: header_name("webhook.verify.header.name", name)?, prefix: prefix.clone() }
        }
    })
}

fn check_fields(WebhookConfig { status, inbound, .. }: &WebhookConfig) -> Result<(), String> {
    let pointers = [
        ("webhook.status.items", &status.items),
        ("webhook.status.id", &status.id),
        ("webhook.status.state", &status.state),
        ("webhook.status.code", &status.code),
        ("webhook.status.at", &status.at),
        ("webhook.inbound.items", &inbound.items),
        ("webhook.inbound.id", &inbound.id),
        ("webhook.inbound.from", &inbound.from),
        ("webhook.inbound.to", &inbound.to),
        ("webhook.inbound.text", &inbound.text),
        ("webhook.inbound.at", &inbound.at),
    ];
    for (key, pointer) in pointers {
        check_pointer(key, pointer.as_deref())?;
    }
    if status.id.is_some() != status.state.is_some() {
        return Err(
            "`webhook.status.id` and `webhook.status.state` go together: one of them is missing".to_owned()
        );
    }
    if inbound.text.is_some() != inbound.from.is_some() {
        return Err("`webhook.inbound.from` and `webhook.inbound.text` go together: one of them is missing"
            .to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
