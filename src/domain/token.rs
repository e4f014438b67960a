//! Signed tokens for links in messages: who, what for, and until when, sealed with the secret.
//!
//! A token is a head (its layout's version and, from version 2 on, the kind of link), JSON, and a tag (HMAC-SHA-256, cut to
//! 128 bits; RFC 2104 §5) over both. Each layout is keyed for itself, so that a link of one kind never opens as another.
//! Layouts are only ever added: a mail that was sent is opened years later.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::consent::Channel;

const TAG_BYTES: usize = 16;

/// What links are opened with: the secret that seals, and those that sealed before it.
#[derive(Clone)]
pub struct Keys(Vec<Vec<u8>>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Keys {
    pub fn new(secret: &[u8], previous: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(std::iter::once(secret.to_vec()).chain(previous).collect())
    }

    /// The secret that seals new links.
    pub fn first(&self) -> &[u8] {
        self.0.first().map_or(&[], Vec::as_slice)
    }

    /// The secret that seals, and then those before it.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }
}

/// How the tokens of one kind of link begin, and the words that key them.
struct Layout {
    head: &'static [u8],
    keyed: &'static [u8],
}

const UNSUBSCRIBE: Layout = Layout { head: &[1], keyed: b"declic unsubscribe" };
const PREFERENCES: Layout = Layout { head: &[2, b'p'], keyed: b"declic link" };
const CONFIRMATION: Layout = Layout { head: &[2, b'c'], keyed: b"declic link" };

/// What an unsubscribe link says. It has no end: a mail from years ago must still let its reader out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscribe {
    #[serde(rename = "c")]
    pub customer_id: String,
    #[serde(rename = "h")]
    pub channel: Channel,
    #[serde(rename = "p")]
    pub purpose: String,
    /// The message that carried the link: the proof of where the withdrawal came from.
    #[serde(rename = "m")]
    pub message_id: String,
}

impl Unsubscribe {
    /// The token, in URL-safe base 64.
    pub fn seal(&self, secret: &[u8]) -> String {
        seal(&UNSUBSCRIBE, self, secret)
    }

    /// Reads a token back; none when it is of another kind or was sealed with none of these keys.
    pub fn open(token: &str, keys: &Keys) -> Option<Self> {
        open(&UNSUBSCRIBE, token, keys)
    }
}

/// What a link to the preference centre says. It has no end either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    #[serde(rename = "c")]
    pub customer_id: String,
    /// The message that carried the link.
    #[serde(rename = "m")]
    pub message_id: String,
}

impl Preferences {
    /// The token, in URL-safe base 64.
    pub fn seal(&self, secret: &[u8]) -> String {
        seal(&PREFERENCES, self, secret)
    }

    /// Reads a token back; none when it is of another kind or was sealed with none of these keys.
    pub fn open(token: &str, keys: &Keys) -> Option<Self> {
        open(&PREFERENCES, token, keys)
    }
}

/// What a confirmation link says (double opt-in).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    #[serde(rename = "c")]
    pub customer_id: String,
    /// The channel that carried the link, which is the one that it confirms: it shows whose address that is.
    #[serde(rename = "h")]
    pub channel: Channel,
    #[serde(rename = "p")]
    pub purpose: String,
    #[serde(rename = "m")]
    pub message_id: String,
    /// The planned instant of that message: a refusal that came since stands.
    #[serde(rename = "s", with = "chrono::serde::ts_microseconds")]
    pub mailed_at: DateTime<Utc>,
    /// From when on the link confirms nothing any more.
    #[serde(rename = "e", with = "chrono::serde::ts_seconds")]
    pub expires_at: DateTime<Utc>,
}

impl Confirmation {
    /// The token, in URL-safe base 64.
    pub fn seal(&self, secret: &[u8]) -> String {
        seal(&CONFIRMATION, self, secret)
    }

    /// Reads a token back, expired or not; none when it is of another kind or was sealed with none of these keys.
    pub fn open(token: &str, keys: &Keys) -> Option<Self> {
        open(&CONFIRMATION, token, keys)
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        now >= self.expires_at
    }
}

fn seal(layout: &Layout, link: &impl Serialize, secret: &[u8]) -> String {
    let mut bytes = layout.head.to_vec();
    // Unwrap safety: a struct of strings and numbers always becomes JSON.
    bytes.extend(serde_json::to_vec(link).unwrap());
    let tag = mac(layout, secret, &bytes).finalize().into_bytes();
    bytes.extend(&tag[..TAG_BYTES]);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open<T: DeserializeOwned>(layout: &Layout, token: &str, keys: &Keys) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
    let json = body.strip_prefix(layout.head)?;
    let sealed_with = |secret: &Vec<u8>| mac(layout, secret, body).verify_truncated_left(tag).is_ok();
    keys.0.iter().any(sealed_with).then(|| serde_json::from_slice(json).ok()).flatten()
}

fn mac(layout: &Layout, secret: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    // Unwrap safety: HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(layout.keyed);
    mac.update(bytes);
    mac
}

#[cfg(test)]
mod tests;
