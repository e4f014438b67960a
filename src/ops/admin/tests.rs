use std::sync::Arc;

use axum::body::{Body, to_bytes};
use futures_util::FutureExt as _;
use metrics_exporter_prometheus::PrometheusBuilder;
use tower::ServiceExt as _;

use super::*;
use crate::ops::health::Check;

const LOOPBACK: &str = "127.0.0.1";

fn admin(bound: &str, well: bool) -> Router {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::counter!("declic_tests_total").increment(3));
    router(Admin {
        metrics: recorder.handle(),
        health: Arc::new(move || {
            async move { vec![Check::new("database", true, "answers"), Check::new("broker", well, "away")] }
                .boxed()
        }),
        capture: None,
        bound: bound.parse().unwrap(),
        name: Some("declic.internal".to_owned()),
        also: Router::new(),
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
    let answer = health::report_within(&hanging, std::time::Duration::from_millis(1)).await;
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
    let open = admin("0.0.0.0", true);
    assert_eq!(ask(&open, "/metrics", Some("metrics.shop.example")).await.0, StatusCode::OK);
}
