//! DKIM signatures (RFC 6376, RFC 8463), `relaxed/relaxed`, over finished bytes.
//!
//! Ours rather than lettre's: that one takes its time from the machine's clock, so a retry would not have
//! the same bytes, and puts a second signature in place of the first. Keys are read once, at start.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use ring::rand::SystemRandom;
use ring::signature::{self, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::config::{DkimAlgorithm, DkimConfig};

/// The headers that are signed where present. RFC 8058 3.1 demands both `List-Unsubscribe` ones.
const SIGNED: [&str; 11] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "mime-version",
    "content-type",
    "auto-submitted",
];
/// Named once more than they occur, so that none can be added afterwards (RFC 6376 8.15).
const SEALED: [&str; 5] = ["from", "to", "subject", "date", "reply-to"];

/// A key that signs for a domain.
#[derive(Debug)]
pub struct Signer {
    domain: String,
    selector: String,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Why a key in the configuration cannot sign.
#[derive(Debug, Error)]
#[error("the DKIM key of {selector}._domainkey.{domain} ({place}) {why}")]
pub struct BadKey {
    domain: String,
    selector: String,
    place: String,
    why: String,
}

impl Signer {
    /// Reads and checks the key.
    pub fn new(config: &DkimConfig) -> Result<Self, BadKey> {
        let place = match &config.private_key_file {
            Some(file) => file.display().to_string(),
            None => "private_key".to_owned(),
        };
        let bad = |why| BadKey {
            domain: config.domain.clone(),
            selector: config.selector.clone(),
            place: place.clone(),
            why,
        };
        let text = match (&config.private_key, &config.private_key_file) {
            (Some(key), None) => key.expose().to_owned(),
            (None, Some(file)) => {
                fs::read_to_string(file).map_err(|error| bad(format!("cannot be read: {error}")))?
            }
            (Some(_), Some(_)) => return Err(bad("is given twice, as private_key too".to_owned())),
            (None, None) => return Err(bad("is missing: give private_key or private_key_file".to_owned())),
        };
        if !dns_name(&config.domain) || !dns_name(&config.selector) {
            return Err(bad("has a domain or selector that is not a DNS name in ASCII".to_owned()));
        }
        let key = match config.algorithm {
            DkimAlgorithm::RsaSha256 => rsa_key(&text).map(Key::Rsa),
            DkimAlgorithm::Ed25519Sha256 => ed25519_key(&text).map(Key::Ed25519),
        };
        let key = key.map_err(bad)?;
        Ok(Self { domain: config.domain.clone(), selector: config.selector.clone(), key })
    }

    /// The header that signs `message`, with its line end, to be put before it.
    ///
    /// Fails only when the machine's randomness does (RSA blinds with it; the signature is the same).
    pub fn sign(&self, message: &[u8], at: DateTime<Utc>) -> Result<String, &'static str> {
        let (head, body) = split(message);
        let headers = unfolded(head);
        let names = signed_names(&headers);
        let algorithm = match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        // Folded by hand. Relaxed canonicalization reads each fold as one blank.
        let unsigned = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={};\r\n s={}; t={};\r\n h={};\r\n bh={};\r\n b=",
            self.domain,
            self.selector,
            at.timestamp(),
            names.chunks(5).map(|names| names.join(":")).collect::<Vec<_>>().join(":\r\n "),
            STANDARD.encode(body_hash(body)),
        );
        let mut to_sign = String::new();
        for (name, value) in chosen(&headers, &names) {
            to_sign.push_str(&format!("{name}:{value}\r\n"));
        }
        to_sign.push_str("dkim-signature:");
        to_sign.push_str(&relaxed(&unsigned));
        let signature = STANDARD.encode(self.signature(to_sign.as_bytes())?);
        Ok(format!("DKIM-Signature: {unsigned}{}\r\n", folded(&signature)))
    }

    fn signature(&self, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
        match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature)
                    .map_err(|_| "the machine has no randomness for an RSA signature")?;
                Ok(signature)
            }
            // RFC 8463 3: the SHA-256 of the data is what Ed25519 signs.
            Key::Ed25519(key) => Ok(key.sign(&Sha256::digest(bytes)).as_ref().to_vec()),
        }
    }
}

/// The public half of a key in the configuration, as its record ends: PKCS #1 for RSA, 32 bytes for Ed25519.
pub fn public_key(config: &DkimConfig) -> Result<Vec<u8>, BadKey> {
    Ok(match Signer::new(config)?.key {
        Key::Rsa(key) => key.public().as_ref().to_vec(),
        Key::Ed25519(key) => signature::KeyPair::public_key(&key).as_ref().to_vec(),
    })
}

fn dns_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn rsa_key(text: &str) -> Result<RsaKeyPair, String> {
    let der = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| "is not a private key in PEM (`-----BEGIN … PRIVATE KEY-----`)".to_owned())?;
    let key = match &der {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return Err("is not an RSA key".to_owned()),
    };
    key.map_err(|error| format!("is not an RSA key of 2048 to 8192 bits ({error})"))
}

/// PEM as `openssl genpkey` writes it, or the bare seed in base64 as DKIM tools do.
fn ed25519_key(text: &str) -> Result<Ed25519KeyPair, String> {
    if let Ok(PrivateKeyDer::Pkcs8(key)) = PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        return Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der())
            .map_err(|error| format!("is not an Ed25519 key ({error})"));
    }
    let seed = STANDARD.decode(text.trim());
    let key = seed.ok().and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok());
    key.ok_or_else(|| "is neither an Ed25519 key in PEM nor a seed of 32 bytes in base64".to_owned())
}

fn split(message: &[u8]) -> (&[u8], &[u8]) {
    match message.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(end) => (&message[..end], &message[end + 4..]),
        None => (message, b""),
    }
}

/// The headers in order, names in lower case, values relaxed (RFC 6376 3.4.2).
fn unfolded(head: &[u8]) -> Vec<(String, String)> {
    let mut lines: Vec<String> = Vec::new();
    for line in String::from_utf8_lossy(head).split("\r\n") {
        match lines.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => last.push_str(line),
            _ => lines.push(line.to_owned()),
        }
    }
    let split =
        |line: &String| line.split_once(':').map(|(n, v)| (n.trim_end().to_ascii_lowercase(), relaxed(v)));
    lines.iter().filter_map(split).collect()
}

/// Blanks and folds become one blank, none at either end.
fn relaxed(value: &str) -> String {
    let words = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn signed_names(headers: &[(String, String)]) -> Vec<&'static str> {
    let present = SIGNED.into_iter().filter(|name| headers.iter().any(|(have, _)| have == name));
    present.chain(SEALED).collect()
}

/// The headers that `names` stands for: each mention takes the next one from the bottom, or nothing
/// (RFC 6376 5.4.2).
fn chosen<'a>(headers: &'a [(String, String)], names: &[&str]) -> Vec<&'a (String, String)> {
    let mut left: Vec<_> = headers.iter().collect();
    let take = |name: &&str| left.iter().rposition(|(have, _)| have == name).map(|at| left.remove(at));
    names.iter().filter_map(take).collect()
}

/// RFC 6376 3.4.4: blanks within a line become one, those at its end go, as do empty lines at the end.
fn body_hash(body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut empty_lines = 0;
    let body = body.strip_suffix(b"\r\n").unwrap_or(body);
    for line in body.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = relaxed_line(line);
        if line.is_empty() {
            empty_lines += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty_lines) {
            hash.update(b"\r\n");
        }
        hash.update(&line);
        hash.update(b"\r\n");
    }
    hash.finalize().into()
}

fn relaxed_line(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    for &byte in line {
        let blank = byte == b' ' || byte == b'\t';
        if !blank {
            out.push(byte);
        } else if out.last() != Some(&b' ') {
            out.push(b' ');
        }
    }
    if out.last() == Some(&b' ') {
        out.pop();
    }
    out
}

/// Base64 in lines of 72, continuation lines indented.
fn folded(base64: &str) -> String {
    let mut out = String::with_capacity(base64.len() + base64.len() / 24);
    for (i, c) in base64.chars().enumerate() {
        if i > 0 && i % 72 == 0 {
            out.push_str("\r\n ");
        }
        out.push(c);
    }
    out
}
