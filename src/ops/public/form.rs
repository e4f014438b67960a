//! What a `POST` says: the fields of its body, and where it came from.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::{Extensions, HeaderMap, HeaderName};
use serde_json::{Map, Value};

/// How much of a header goes into the proof: a caller must not fill the ledger.
const MAX_PROOF_CHARS: usize = 300;

/// The fields of a body, urlencoded or multipart.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        Self(match boundary(content_type) {
            Some(boundary) => multipart_fields(body, &boundary),
            // No name or value of ours holds a character that a form would encode.
            None => String::from_utf8_lossy(body)
                .trim()
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })
    }

    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(n, v)| n == name && v == value)
    }
}

/// The boundary of `multipart/form-data` (RFC 7578 §4.1).
fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// Just enough of RFC 7578 for short text fields.
fn multipart_fields(body: &[u8], boundary: &str) -> Vec<(String, String)> {
    String::from_utf8_lossy(body)
        .split(&format!("--{boundary}"))
        .filter_map(|part| {
            let (head, value) = part.split_once("\r\n\r\n")?;
            let (_, name) = head.split_once("name=\"")?;
            let (name, _) = name.split_once('"')?;
            Some((name.to_owned(), value.trim().to_owned()))
        })
        .collect()
}

/// What shows later where a customer's word came from.
pub(super) fn proof(
    source: &str,
    method: &str,
    extensions: &Extensions,
    headers: &HeaderMap,
) -> Map<String, Value> {
    let mut proof = Map::new();
    proof.insert("source".to_owned(), source.into());
    proof.insert("method".to_owned(), method.into());
    if let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() {
        proof.insert("ip".to_owned(), peer.ip().to_canonical().to_string().into());
    }
    // Behind a proxy `ip` is the proxy's. What it forwards is a claim, so it is kept apart.
    let claims = [("forwarded_for", HeaderName::from_static("x-forwarded-for")), ("user_agent", USER_AGENT)];
    for (field, header) in claims {
        if let Some(value) = headers.get(header) {
            let text =
                String::from_utf8_lossy(value.as_bytes()).chars().take(MAX_PROOF_CHARS).collect::<String>();
            proof.insert(field.to_owned(), text.into());
        }
    }
    proof
}
