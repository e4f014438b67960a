use std::sync::Arc;

use axum::body::{Body, to_bytes};
use futures_util::FutureExt as _;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::ServiceExt as _;

use super::*;
use crate::ops::health::Check;

const LOOPBACK: &str = "127.0.0.1";

fn admin(bound: &str, well: bool) -> Router {
    with_token(bound, well, None)
}

fn with_token(bound: &str, well: bool, token: Option<&str>) -> Router {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::counter!("declic_tests_total").increment(3));
    router(Admin {
        metrics: recorder.handle(),
        health: Arc::new(move || {
            async move { vec![Check::new("database", true, "answers"), Check::new("broker", well, "away")] }
                .boxed()
        }),
        console: Router::new(),
        bound: bound.parse().unwrap(),
        token: token.map(|token| token.as_bytes().into()),
        name: Some("declic.internal".to_owned()),
        also: Router::new().route("/events", axum::routing::post("taken")),
    })
}

async fn ask(router: &Router, path: &str, host: Option<&str>) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path);
    if let Some(host) = host {
        request = request.header(HOST, host);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (status, headers, body) = ask(&admin(LOOPBACK, true), "/metrics", Some("localhost:9090")).await;
    assert_eq!((status, headers[CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, METRICS_TYPE));
    assert!(body.contains("declic_tests_total 3"), "{body}");
}

#[tokio::test]
async fn health_is_the_worst_of_its_parts() {
    let (status, _, body) = ask(&admin(LOOPBACK, true), "/health", Some("localhost")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.starts_with(r#"{"status":"ok","checks":[{"name":"database","ok":true,"detail":"answers"}"#));
    let (status, headers, body) = ask(&admin(LOOPBACK, false), "/health", Some("localhost")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        body.contains(r#""status":"failing""#) && body.contains(r#""name":"broker","ok":false"#),
        "{body}"
    );
    assert_eq!(headers["cache-control"], "no-store");
    let (status, _, _) = ask(&admin(LOOPBACK, false), "/health/live", None).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn health_that_hangs_is_failing() {
    let hanging: AskHealth = Arc::new(|| std::future::pending().boxed());
    let answer = health::report_within(&hanging, std::time::Duration::from_millis(1), true).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn on_loopback_only_known_hosts_are_answered() {
    let known = [
        "localhost",
        "LOCALHOST:9090",
        "127.0.0.1:1",
        "127.9.9.9",
        "[::1]:80",
        "[::1]",
        "declic.internal:80",
    ];
    let unknown = [
        "evil.example",
        "evil.example:9090",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "::",
    ];
    let router = admin(LOOPBACK, true);
    for host in known {
        assert_eq!(ask(&router, "/metrics", Some(host)).await.0, StatusCode::OK, "{host}");
    }
    for host in unknown {
        for path in ["/metrics", "/health", "/nowhere"] {
            assert_eq!(ask(&router, path, Some(host)).await.0, StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
    }
}

const TOKEN: &str = "a token of twenty-two";

async fn bring(router: &Router, method: &str, path: &str, authorization: &[&str]) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri(path);
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer realm=\"declic\"");
    }
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn whoever_brings_the_token_is_let_in() {
    let right = format!("Bearer {TOKEN}");
    for bound in [LOOPBACK, "0.0.0.0", "::", "10.0.0.1"] {
        let router = with_token(bound, true, Some(TOKEN));
        for (method, path) in [("GET", "/metrics"), ("POST", "/events")] {
            assert_eq!(bring(&router, method, path, &[&right]).await.0, StatusCode::OK, "{bound} {path}");
            assert_eq!(bring(&router, method, path, &[&format!("bearer {TOKEN}")]).await.0, StatusCode::OK);
        }
        assert_eq!(bring(&router, "GET", "/nowhere", &[&right]).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn whoever_does_not_bring_it_is_told_yes_or_no_at_most() {
    let right = format!("Bearer {TOKEN}");
    let wrong: &[&[&str]] = &[
        &[],
        &["Bearer"],
        &["Bearer "],
        &["Bearer a token of twenty-tw"],
        &["Bearer a token of twenty-two!"],
        &["Basic a token of twenty-two"],
        &[TOKEN],
        &[&right, &right],
    ];
    for (bound, token) in [(LOOPBACK, Some(TOKEN)), ("0.0.0.0", Some(TOKEN)), ("0.0.0.0", None)] {
        let router = with_token(bound, true, token);
        for authorization in wrong {
            for (method, path) in [("GET", "/metrics"), ("POST", "/events")] {
                let (status, body) = bring(&router, method, path, authorization).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{bound} {path} {authorization:?}");
                assert!(!body.contains(TOKEN));
            }
            let told = bring(&router, "GET", "/health", authorization).await;
            assert_eq!(told, (StatusCode::OK, r#"{"status":"ok"}"#.to_owned()));
            assert_eq!(bring(&router, "GET", "/health/live", authorization).await.0, StatusCode::OK);
        }
        let failing = bring(&with_token(bound, false, token), "GET", "/health", &[]).await;
        assert_eq!(failing, (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"failing"}"#.to_owned()));
    }
    // Where no token is set, nobody needs one on loopback, and nobody comes in from elsewhere with one.
    assert_eq!(bring(&admin(LOOPBACK, true), "GET", "/metrics", &[]).await.0, StatusCode::OK);
    assert_eq!(
        bring(&admin("0.0.0.0", true), "GET", "/metrics", &[&right]).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        bring(&admin("0.0.0.0", true), "GET", "/metrics", &["Bearer "]).await.0,
        StatusCode::UNAUTHORIZED
    );
}
