//! Whether it is the provider who speaks. All comparisons take as long whatever the difference is.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use ring::hmac as ring_hmac;
use sha2::{Digest as _, Sha256};

use super::form;
use crate::domain::hex;
use crate::secret::same;

const TWILIO_SIGNATURE: HeaderName = HeaderName::from_static("x-twilio-signature");

/// `X-Twilio-Signature`: base64 of HMAC-SHA1, keyed with the account's token, over the URL and, for a form, each
/// field's name and value in the order of names. Another body is covered by `bodySHA256` in the URL.
/// <https://www.twilio.com/docs/usage/webhooks/webhooks-security>
pub fn twilio(token: &str, url: &str, headers: &HeaderMap, body: &[u8], is_form: bool) -> bool {
    let Some(signature) =
        headers.get(TWILIO_SIGNATURE).and_then(|value| STANDARD.decode(value.as_bytes()).ok())
    else {
        return false;
    };
    let mut fields = Vec::new();
    if is_form {
        let Some(decoded) = form::decode(body) else { return false };
        fields = decoded;
        fields.sort();
        // A field given several times counts once with each of its values.
        fields.dedup();
    } else if !body_hash_holds(url, body) {
        return false;
    }
    let key = ring_hmac::Key::new(ring_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    // Whether the signed URL names its port has varied.
    spellings(url).iter().any(|url| {
        let mut signed = url.clone();
        for (name, value) in &fields {
            signed.push_str(name);
            signed.push_str(value);
        }
        ring_hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
    })
}

/// The URL as it is, with its scheme's port, and without a port.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    if let Some((scheme, rest)) = url.split_once("://") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        // A colon within brackets belongs to an address (RFC 3986 3.2.2), one before `@` to a user.
        let from = host.rfind([']', '@']).map_or(0, |at| at + 1);
        match host[from..].find(':') {
            Some(colon) => all.push(format!("{scheme}://{}{path}", &host[..from + colon])),
            None => {
                let port = if scheme == "https" { 443 } else { 80 };
                all.push(format!("{scheme}://{host}:{port}{path}"));
            }
        }
    }
    all
}

/// An empty body needs no hash: there is nothing to cover.
fn body_hash_holds(url: &str, body: &[u8]) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    match query.split('&').find_map(|pair| pair.strip_prefix("bodySHA256=")) {
        Some(hash) => {
            same(hash.to_ascii_lowercase().as_bytes(), hex::encode(&Sha256::digest(body)).as_bytes())
        }
        None => body.is_empty(),
    }
}

/// The header holds `prefix` and the HMAC-SHA256 of the body; `decode` turns text into bytes.
pub fn hmac_sha256(
    secret: &str,
    headers: &HeaderMap,
    (header, prefix): (&HeaderName, &str),
    decode: fn(&str) -> Option<Vec<u8>>,
    body: &[u8],
) -> bool {
    let value = headers.get(header).and_then(|value| value.to_str().ok());
    let Some(signature) =
        value.and_then(|value| value.strip_prefix(prefix)).and_then(|text| decode(text.trim()))
    else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

/// RFC 7617.
pub fn basic(username: &str, password: &str, headers: &HeaderMap) -> bool {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = value.and_then(|value| {
        let (scheme, credentials) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(credentials.trim()).ok())?
    });
    given.is_some_and(|given| same(&given, format!("{username}:{password}").as_bytes()))
}

/// The header holds `prefix` and the secret itself.
pub fn header(secret: &str, headers: &HeaderMap, (header, prefix): (&HeaderName, &str)) -> bool {
    let given = headers.get(header).map(|value| value.as_bytes());
    given
        .and_then(|given| given.strip_prefix(prefix.as_bytes()))
        .is_some_and(|given| same(given, secret.as_bytes()))
}

pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests;
