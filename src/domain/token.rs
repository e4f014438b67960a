//! Signed tokens for links in mails: who, which channel and purpose, sealed with the secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::consent::Channel;

/// The layout's version, first byte of each token: a later layout can live beside this one.
const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;

/// What an unsubscribe link says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
        let mut bytes = vec![VERSION];
        // Unwrap safety: a struct of strings always becomes JSON.
        bytes.extend(serde_json::to_vec(self).unwrap());
        let tag = mac(secret, &bytes).finalize().into_bytes();
        bytes.extend(&tag[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token back; none when it was not sealed with this secret.
    pub fn open(token: &str, secret: &[u8]) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        mac(secret, body).verify_truncated_left(tag).ok()?;
        let (version, json) = body.split_first()?;
        (*version == VERSION).then(|| serde_json::from_slice(json).ok()).flatten()
    }
}

fn mac(secret: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    // Unwrap safety: HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(b"declic unsubscribe");
    mac.update(bytes);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let link = Unsubscribe {
            customer_id: "c-42".into(),
            channel: Channel::Email,
            purpose: "marketing".into(),
            message_id: "0".repeat(32),
        };
        let token = link.seal(b"secret");
        assert_eq!(Unsubscribe::open(&token, b"secret"), Some(link));
        assert_eq!(Unsubscribe::open(&token, b"other"), None);
        for place in 0..token.len() {
            let mut tampered = token.clone().into_bytes();
            tampered[place] = if tampered[place] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert_eq!(Unsubscribe::open(&tampered, b"secret"), None, "at {place}");
        }
        for junk in ["", "A", "AQ", "été", &"A".repeat(5000)] {
            assert_eq!(Unsubscribe::open(junk, b"secret"), None);
        }
    }
}
