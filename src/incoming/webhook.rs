//! The provider's webhook for mails that come back: verified first, then read.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use crate::domain::bounce::providers::{self, Posted, Provider};
use crate::domain::hex;
use crate::secret::Secret;

/// Where the provider posts, below the public base URL; the secret follows.
const PATH: &str = "/email/";

/// A shorter secret in a path could be guessed.
const SHORTEST_SECRET: usize = 16;

/// Octets of an uncompressed point of the curve P-256, which stand at the end of a public key in DER (RFC 5480 §2.2).
const POINT: usize = 65;

/// `[bounces.webhook]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Who posts.
    pub provider: Provider,
    /// The end of the address that it posts to.
    pub secret: Secret,
    /// What it signs with, where it does: Mailgun's signing key, SendGrid's public key.
    pub signing_key: Option<Secret>,
}

/// Why a request is not taken in. None of its content was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It does not show that it comes from the provider.
    Forbidden,
    /// It comes from the provider and cannot be read; the words hold nothing of it.
    Malformed(String),
}

/// A webhook as it is configured.
#[derive(Debug, Clone)]
pub struct Webhook {
    provider: Provider,
    secret: Secret,
    signed: Signed,
}

#[derive(Debug, Clone)]
enum Signed {
    No,
    Mailgun(Secret),
    Sendgrid(Vec<u8>),
}

impl Webhook {
    /// The error names the key to mend.
    pub fn new(config: &WebhookConfig) -> Result<Self, String> {
        let secret = config.secret.expose();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if secret.len() < SHORTEST_SECRET || !secret.chars().all(plain) {
            return Err(format!(
                "`secret` is part of an address: at least {SHORTEST_SECRET} letters, digits, `-` and `_`, as \
                 `openssl rand -hex 16` makes them"
            ));
        }
        let signed = match (config.provider, &config.signing_key) {
            (_, None) => Signed::No,
            (Provider::Mailgun, Some(key)) => Signed::Mailgun(key.clone()),
            (Provider::Sendgrid, Some(key)) => Signed::Sendgrid(point(key.expose())?),
            _ => {
                return Err(
                    "`signing_key` is for `mailgun` and `sendgrid`: the others do not sign".to_owned()
                );
            }
        };
        Ok(Self { provider: config.provider, secret: config.secret.clone(), signed })
    }

    /// What a request to `path` says.
    pub fn receive(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Posted, Refusal> {
        let key = path.split('?').next().and_then(|path| path.strip_prefix(PATH));
        if !key.is_some_and(|key| self.secret.is(key)) || !self.is_signed(headers, body) {
            return Err(Refusal::Forbidden);
        }
        providers::read(self.provider, body).map_err(Refusal::Malformed)
    }

    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        match &self.signed {
            Signed::No => true,
            Signed::Mailgun(key) => mailgun(key, body).unwrap_or(false),
            Signed::Sendgrid(point) => sendgrid(point, headers, body).unwrap_or(false),
        }
    }
}

/// HMAC-SHA256 over time and token, in hexadecimal.
/// <https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks>
fn mailgun(key: &Secret, body: &[u8]) -> Option<bool> {
    let request: Value = serde_json::from_slice(body).ok()?;
    let field = |name: &str| request["signature"][name].as_str();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).ok()?;
    mac.update(field("timestamp")?.as_bytes());
    mac.update(field("token")?.as_bytes());
    Some(mac.verify_slice(&hex::decode(field("signature")?)?).is_ok())
}

/// ECDSA over time and body.
/// <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features>
fn sendgrid(point: &[u8], headers: &HeaderMap, body: &[u8]) -> Option<bool> {
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes());
    let signature = STANDARD.decode(header("x-twilio-email-event-webhook-signature")?).ok()?;
    let signed = [header("x-twilio-email-event-webhook-timestamp")?, body].concat();
    Some(UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(&signed, &signature).is_ok())
}

/// The point of a public key in DER and base 64, as SendGrid's page shows it.
fn point(key: &str) -> Result<Vec<u8>, String> {
    let der = STANDARD.decode(key.trim()).unwrap_or_default();
    let point = der.len().checked_sub(POINT).map(|at| der[at..].to_vec());
    point.filter(|point| point[0] == 4).ok_or_else(|| {
        "`signing_key` is not a verification key as SendGrid's page shows it (`MFkwEwYH…`)".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn webhook(provider: Provider, signing_key: Option<&str>) -> Result<Webhook, String> {
        let signing_key = signing_key.map(Secret::new);
        Webhook::new(&WebhookConfig { provider, secret: Secret::new(SECRET), signing_key })
    }

    #[test]
    fn only_who_knows_the_address_is_heard() {
        let webhook = webhook(Provider::Brevo, None).unwrap();
        let ask = |path: &str| webhook.receive(path, &HeaderMap::new(), b"{}");
        for path in ["/email/0123456789abcdef", "/email/0123456789abcdef?x=1"] {
            assert_eq!(ask(path), Ok(Posted::Notices(Vec::new())), "{path}");
        }
        for path in ["/email/", "/email/0123456789abcdee", "/email/0123456789abcdef/", "/0123456789abcdef"] {
            assert_eq!(ask(path), Err(Refusal::Forbidden), "{path}");
        }
    }

    #[test]
    fn mailgun_signs_its_token() {
        // From Mailgun's documentation of the field, with a key of our own.
        let key = Secret::new("key-3ax6xnjp29jd6fds4gc373sgvjxteol0");
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).unwrap();
        mac.update(b"1529006854a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0");
        let signature = hex::encode(&mac.finalize().into_bytes());
        let body = |signature: &str| {
            format!(
                "{{\"signature\":{{\"timestamp\":\"1529006854\",\"token\":\
                 \"a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0\",\"signature\":\"{signature}\"}}}}"
            )
        };
        let webhook = webhook(Provider::Mailgun, Some(key.expose())).unwrap();
        let ask = |body: &str| webhook.receive("/email/0123456789abcdef", &HeaderMap::new(), body.as_bytes());
        assert!(ask(&body(&signature)).is_ok());
        for wrong in [&signature[2..], "", "zz", &signature.replace(&signature[..2], "00")] {
            assert_eq!(ask(&body(wrong)), Err(Refusal::Forbidden), "{wrong}");
        }
        assert_eq!(ask("{}"), Err(Refusal::Forbidden), "unsigned");
    }

    #[test]
    fn sendgrid_signs_time_and_body() {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pair.as_ref(), &random).unwrap();
        let der = [&[0x30, 0x59, 0x30, 0x13][..], pair.public_key().as_ref()].concat();
        let webhook = webhook(Provider::Sendgrid, Some(&STANDARD.encode(der))).unwrap();
        let signature = pair.sign(&random, b"1600112502[]").unwrap();
        let ask = |time: &str, body: &[u8]| {
            let mut headers = HeaderMap::new();
            let signature = STANDARD.encode(signature.as_ref());
            headers.insert("x-twilio-email-event-webhook-signature", signature.parse().unwrap());
            headers.insert("x-twilio-email-event-webhook-timestamp", time.parse().unwrap());
            webhook.receive("/email/0123456789abcdef", &headers, body)
        };
        assert!(ask("1600112502", b"[]").is_ok());
        assert_eq!(ask("1600112503", b"[]"), Err(Refusal::Forbidden));
        assert_eq!(ask("1600112502", b"[ ]"), Err(Refusal::Forbidden));
        let unsigned = webhook.receive("/email/0123456789abcdef", &HeaderMap::new(), b"[]");
        assert_eq!(unsigned, Err(Refusal::Forbidden));
    }

    #[test]
    fn what_cannot_be_is_refused_at_the_start() {
        assert!(webhook(Provider::Ses, Some("x")).unwrap_err().contains("do not sign"));
        assert!(webhook(Provider::Sendgrid, Some("MFkw")).unwrap_err().contains("verification key"));
        let short =
            WebhookConfig { provider: Provider::Ses, secret: Secret::new("short"), signing_key: None };
        assert!(Webhook::new(&short).unwrap_err().contains("16"));
    }
}
