//! The webhooks as they are served: nothing is kept that does not come from the provider, and success is said only
//! after it has been kept.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use declic::channels::sms::http::Webhooks;
use declic::channels::sms::{Incoming, IncomingSink, ReceiptState};
use declic::clock::Clock;
use declic::ops::hooks;
use tower::ServiceExt as _;

use crate::config;

const BASE: &str = "https://news.example.com";
const TOKEN: &str = "twilio-token";
const FORM: &str = "application/x-www-form-urlencoded";

type Kept = Arc<Mutex<Vec<Incoming>>>;

fn served(works: bool) -> (Router, Kept) {
    let config = config(&format!("preset = 'twilio'\naccount = 'AC12'\nsecret = '{TOKEN}'"));
    let webhooks = Webhooks::new(&config, BASE).unwrap().unwrap();
    let kept = Kept::default();
    let keeper = kept.clone();
    let sink: IncomingSink = Arc::new(move |incoming| {
        if works {
            keeper.lock().unwrap().extend(incoming);
        }
        Box::pin(async move { if works { Ok(()) } else { Err("database away".to_owned()) } })
    });
    (hooks::sms(declic::app::sms_hooks(webhooks, sink, Clock::Real)), kept)
}

/// What Twilio computes, by its documentation; the fields must be given in the order of their names.
fn signature(url: &str, fields: &[(&str, &str)]) -> String {
    let signed = fields.iter().fold(url.to_owned(), |text, (name, value)| text + name + value);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    STANDARD.encode(ring::hmac::sign(&key, signed.as_bytes()))
}

fn form(fields: &[(&str, &str)]) -> String {
    let encoded =
        |text: &str| text.replace('%', "%25").replace('+', "%2B").replace('&', "%26").replace(' ', "+");
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

async fn post(router: &Router, path: &str, signature: &str, body: String) -> (StatusCode, String, String) {
    let request = Request::builder().method("POST").uri(path).header("content-type", FORM);
    let request = request.header("x-twilio-signature", signature).body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let header = |name: &str| {
        response.headers().get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    let kind = header("content-type") + &header("retry-after");
    let (status, body) = (response.status(), to_bytes(response.into_body(), 1 << 20).await.unwrap());
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

const STATUS: [(&str, &str); 4] =
    [("ErrorCode", "30005"), ("MessageSid", "SM9"), ("MessageStatus", "undelivered"), ("To", "+33612345678")];
const TEXT: [(&str, &str); 4] =
    [("Body", "Stop & 50%"), ("From", "+33612345678"), ("MessageSid", "SM10"), ("To", "36111")];

#[tokio::test]
async fn what_the_provider_signs_is_kept_and_answered() {
    let (router, kept) = served(true);
    let status = signature(&format!("{BASE}/sms/status?x=1"), &STATUS);
    let answer = post(&router, "/sms/status?x=1", &status, form(&STATUS)).await;
    assert_eq!(answer, (StatusCode::OK, "text/xml".into(), "<Response/>".into()));
    let text = signature(&format!("{BASE}/sms/inbound"), &TEXT);
    assert_eq!(post(&router, "/sms/inbound", &text, form(&TEXT)).await.0, StatusCode::OK);
    let kept = kept.lock().unwrap();
    let [Incoming::Receipt(receipt), Incoming::Text(inbound)] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(receipt.provider_id, "SM9");
    assert_eq!(receipt.state, ReceiptState::Failed { bad_address: true });
    assert_eq!(receipt.detail.as_deref(), Some("undelivered 30005"));
    assert_eq!((inbound.id.as_str(), inbound.from.as_str()), ("SM10", "+33612345678"));
    assert_eq!((inbound.to.as_str(), inbound.text.as_str()), ("36111", "Stop & 50%"));
}

#[tokio::test]
async fn whatever_else_comes_is_not_kept() {
    let (router, kept) = served(true);
    let good = signature(&format!("{BASE}/sms/inbound"), &TEXT);
    let of_status = signature(&format!("{BASE}/sms/status"), &TEXT);
    let nothing = signature(&format!("{BASE}/sms/inbound"), &[]);
    let cases = [
        ("/sms/inbound", of_status.as_str(), form(&TEXT), StatusCode::FORBIDDEN),
        ("/sms/inbound", "", form(&TEXT), StatusCode::FORBIDDEN),
        ("/sms/inbound", &good, form(&TEXT[..3]), StatusCode::FORBIDDEN),
        ("/sms/inbound?x=1", &good, form(&TEXT), StatusCode::FORBIDDEN),
        ("/sms/inbound/key", &good, form(&TEXT), StatusCode::FORBIDDEN),
        ("/sms/inbound", &nothing, String::new(), StatusCode::BAD_REQUEST),
        ("/sms/inbound", &good, format!("Body={}", "x".repeat(70_000)), StatusCode::PAYLOAD_TOO_LARGE),
        ("/sms/other", &good, form(&TEXT), StatusCode::NOT_FOUND),
    ];
    for (path, signature, body, expected) in cases {
        let (status, _, said) = post(&router, path, signature, body).await;
        assert_eq!(status, expected, "{path}");
        assert!(!said.contains("Stop"), "{said}");
    }
    let get = Request::builder().uri("/sms/status").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(get).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_could_not_be_kept_is_asked_for_again() {
    let (router, kept) = served(false);
    let good = signature(&format!("{BASE}/sms/inbound"), &TEXT);
    let answer = post(&router, "/sms/inbound", &good, form(&TEXT)).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, "60".into(), String::new()));
    assert!(kept.lock().unwrap().is_empty());
}

/// Both sets of routes on one listener.
#[tokio::test]
async fn they_live_beside_the_unsubscribe_pages() {
    let public = declic::ops::public::Public {
        keys: declic::domain::token::Keys::new(b"a secret for tests", []),
        policy: Arc::new(|| declic::domain::rules::compile::compile(&[]).rules.policy),
        now: Arc::new(|| chrono::DateTime::UNIX_EPOCH),
        ask: Arc::new(|_, _| Box::pin(async { Ok(declic::ops::public::Known::default()) })),
        tell: Arc::new(|_| Box::pin(async { Ok(()) })),
        limit: Arc::new(declic::ops::public::limit::Limit::new(0)),
    };
    let router = declic::ops::public::router(public).merge(served(true).0);
    let good = signature(&format!("{BASE}/sms/inbound"), &TEXT);
    assert_eq!(post(&router, "/sms/inbound", &good, form(&TEXT)).await.0, StatusCode::OK);
    assert_eq!(post(&router, "/u/x", "", String::new()).await.0, StatusCode::NOT_FOUND);
}
