//! What the database keeps under the secret: the ledger's hashes, its proofs, and addresses that must be known again
//! without being kept.
//!
//! Every key is derived from the secret for its one use, so that none tells anything of another. Former secrets still
//! open and compare; what is written is written with the present one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

use super::StoreError;
use super::sealed::Sealer;
use crate::domain::consent::Channel;
use crate::domain::hex;
use crate::entropy;

/// What an address is kept as that is only to be compared: this, and a keyed hash in hexadecimal.
pub(super) const HASHED: &str = "hash:";

/// The keys of a database, the present secret's first. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Vault {
    keys: Arc<[Keys]>,
    /// For customers' rows.
    pub(super) customers: Sealer,
}

struct Keys {
    secret: Vec<u8>,
    ledger: Vec<u8>,
    addresses: Vec<u8>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Vault {
    /// The keys that these secrets give, the present one first.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let secrets: Vec<&[u8]> = secrets.into_iter().collect();
        let keys = secrets.iter().map(|secret| Keys {
            secret: secret.to_vec(),
            ledger: derived(secret, "declic ledger", b""),
            addresses: derived(secret, "declic address", b""),
        });
        Self { keys: keys.collect(), customers: Sealer::new(secrets.iter().copied(), false) }
    }

    fn present(&self) -> Result<&Keys, StoreError> {
        self.keys.first().ok_or_else(|| {
            StoreError::Other(
                "consents and erasures need the secret, which the store was not given".to_owned(),
            )
        })
    }

    /// The key with which the ledger's lines are hashed now.
    pub(super) fn ledger_key(&self) -> Result<&[u8], StoreError> {
        Ok(&self.present()?.ledger)
    }

    /// The keys with which they may have been hashed.
    pub(super) fn ledger_keys(&self) -> Vec<Vec<u8>> {
        self.keys.iter().map(|keys| keys.ledger.clone()).collect()
    }

    /// What an address, in the form in which it is compared, is kept as once its owner is erased.
    pub(super) fn hashed(&self, channel: Channel, address: &str) -> Result<String, StoreError> {
        Ok(hashed(self.present()?, channel, address))
    }

    /// All that it may have been kept as.
    pub(super) fn all_hashed(&self, channel: Channel, address: &str) -> impl Iterator<Item = String> {
        self.keys.iter().map(move |keys| hashed(keys, channel, address))
    }

    /// Encrypts a text under the secret and a customer's own key.
    pub(super) fn seal(&self, own: &str, text: &str) -> Result<String, StoreError> {
        Ok(STANDARD.encode(encrypted(&cipher(self.present()?, own)?, Aad::empty(), text)?))
    }

    /// The text again; none where no key of ours opens it.
    pub(super) fn open(&self, own: &str, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        self.keys.iter().find_map(|keys| decrypted(&cipher(keys, own).ok()?, Aad::empty(), &bytes))
    }
}

/// A new key of a customer's own. It is good for nothing without the secret, and the secret for nothing without it.
pub(super) fn new_key() -> Result<String, StoreError> {
    entropy::token::<32>().map_err(|error| StoreError::Other(error.to_string()))
}

/// A text encrypted, with what it is about, behind the nonce of its own.
pub(super) fn encrypted<A: AsRef<[u8]>>(
    key: &LessSafeKey,
    about: Aad<A>,
    text: &str,
) -> Result<Vec<u8>, StoreError> {
    let mut nonce = [0; NONCE_LEN];
    entropy::fill(&mut nonce).map_err(|error| StoreError::Other(error.to_string()))?;
    let mut bytes = text.as_bytes().to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), about, &mut bytes)
        .map_err(|_| StoreError::Other("a text could not be encrypted".to_owned()))?;
    Ok([&nonce[..], &bytes].concat())
}

/// The text again; none where this key does not open it, or it is not about this.
pub(super) fn decrypted<A: AsRef<[u8]>>(key: &LessSafeKey, about: Aad<A>, bytes: &[u8]) -> Option<String> {
    let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = text.to_vec();
    let opened = key.open_in_place(nonce, about, &mut text).ok()?;
    String::from_utf8(opened.to_vec()).ok()
}

fn hashed(keys: &Keys, channel: Channel, address: &str) -> String {
    format!("{HASHED}{}", hex::encode(&derived(&keys.addresses, channel.as_str(), address.as_bytes())))
}

fn cipher(keys: &Keys, own: &str) -> Result<LessSafeKey, StoreError> {
    let key = derived(&keys.secret, "declic proof", own.as_bytes());
    let key = UnboundKey::new(&CHACHA20_POLY1305, &key)
        .map_err(|_| StoreError::Other("a key has the wrong length".to_owned()))?;
    Ok(LessSafeKey::new(key))
}

/// HMAC-SHA256 as a key derivation: one key for each use.
pub(super) fn derived(key: &[u8], about: &str, what: &[u8]) -> Vec<u8> {
    // Unwrap safety: HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(about.as_bytes());
    mac.update(&[0]);
    mac.update(what);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_opens_with_both_keys_and_no_other() {
        let vault = Vault::new([&b"the present secret"[..]]);
        let sealed = vault.seal("own", "{\"ip\":\"192.0.2.1\"}").unwrap();
        assert!(!sealed.contains("192"));
        assert_ne!(
            sealed,
            vault.seal("own", "{\"ip\":\"192.0.2.1\"}").unwrap(),
            "the same twice tells nothing"
        );
        assert_eq!(vault.open("own", &sealed).as_deref(), Some("{\"ip\":\"192.0.2.1\"}"));
        assert_eq!(vault.open("another", &sealed), None);
        let rotated = Vault::new([&b"a new secret"[..], b"the present secret"]);
        assert!(rotated.open("own", &sealed).is_some());
        assert_eq!(Vault::new([&b"a new secret"[..]]).open("own", &sealed), None);
        for junk in ["", "AAAA", "é", "====", &sealed[..20]] {
            assert_eq!(vault.open("own", junk), None, "{junk}");
        }
    }

    #[test]
    fn an_address_is_known_again_after_a_rotation() {
        let (old, new) = (&b"the old secret"[..], &b"the new secret"[..]);
        let kept = Vault::new([old]).hashed(Channel::Email, "a@example.org").unwrap();
        assert!(kept.starts_with(HASHED) && kept.len() == HASHED.len() + 64);
        let rotated = Vault::new([new, old]);
        assert!(rotated.all_hashed(Channel::Email, "a@example.org").any(|hash| hash == kept));
        assert!(!rotated.all_hashed(Channel::Sms, "a@example.org").any(|hash| hash == kept));
        assert_ne!(rotated.hashed(Channel::Email, "a@example.org").unwrap(), kept);
    }

    #[test]
    fn without_a_secret_nothing_is_written_as_if_it_were_safe() {
        let none = Vault::default();
        assert!(none.seal("own", "x").is_err() && none.hashed(Channel::Email, "x").is_err());
        assert!(none.ledger_key().is_err());
    }
}
