use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::FutureExt as _;
use tower::ServiceExt as _;

use super::*;

type Withdrawals = Arc<Mutex<Vec<(Unsubscribe, Map<String, Value>)>>>;

const SECRET: &[u8] = b"a secret for tests";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
const FORM: &str = "application/x-www-form-urlencoded";

fn link() -> Unsubscribe {
    Unsubscribe {
        customer_id: "c-secret-person".into(),
        channel: Channel::Email,
        purpose: "marketing".into(),
        message_id: "0".repeat(32),
    }
}

fn public(works: bool) -> (Router, Withdrawals) {
    let withdrawals = Withdrawals::default();
    let kept = withdrawals.clone();
    let public = Public {
        secret: SECRET.into(),
        shop_name: Arc::new(|| "Lumen <& Fils>".to_owned()),
        withdraw: Arc::new(move |link, proof| {
            if works {
                kept.lock().unwrap().push((link, proof));
            }
            async move { if works { Ok(()) } else { Err("database away".to_owned()) } }.boxed()
        }),
    };
    (router(public), withdrawals)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

async fn ask_router(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn request(method: &str, path: &str, kind: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, kind)
        .header("accept-language", "en")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn path() -> String {
    format!("/u/{}", link().seal(SECRET))
}

#[tokio::test]
async fn looking_never_withdraws() {
    let (router, withdrawals) = public(true);
    for method in ["GET", "HEAD"] {
        let answer = ask_router(&router, request(method, &path(), FORM, ONE_CLICK)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body.is_empty(), method == "HEAD");
        if method == "GET" {
            assert!(answer.body.contains("<form method=\"post\">"), "{}", answer.body);
            assert!(answer.body.contains("marketing e-mails</strong> from Lumen &lt;&amp; Fils&gt;"));
            assert!(!answer.body.contains("c-secret-person"), "the page says for whom");
        }
    }
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = ask_router(&router, request(method, &path(), FORM, ONE_CLICK)).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert!(withdrawals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_post_that_asks_for_it_withdraws() {
    let multipart =
        "--xYz\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--xYz--\r\n";
    let cases = [
        (FORM, ONE_CLICK, "one_click"),
        ("application/x-www-form-urlencoded; charset=utf-8", "List-Unsubscribe=One-Click\r\n", "one_click"),
        ("multipart/form-data; boundary=xYz", multipart, "one_click"),
        ("Multipart/Form-Data; charset=utf-8; boundary=\"xYz\"", multipart, "one_click"),
        (FORM, "confirm=yes", "page"),
    ];
    for (kind, body, method) in cases {
        let (router, withdrawals) = public(true);
        let mut post = request("POST", &path(), kind, body);
        post.headers_mut().insert(USER_AGENT, HeaderValue::from_static("Mail robot"));
        post.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
        post.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))));
        let answer = ask_router(&router, post).await;
        assert_eq!(answer.status, StatusCode::OK, "{kind} {body}");
        assert!(answer.body.contains("You will no longer receive"), "{}", answer.body);
        let proof = serde_json::json!({"source": "unsubscribe-link", "method": method, "ip": "192.0.2.1",
            "forwarded_for": "203.0.113.7", "user_agent": "Mail robot"});
        let kept = withdrawals.lock().unwrap();
        assert_eq!(kept.as_slice(), [(link(), proof.as_object().unwrap().clone())]);
    }
}

#[tokio::test]
async fn a_post_that_does_not_ask_for_it_changes_nothing() {
    let (router, withdrawals) = public(true);
    let long = format!("{ONE_CLICK}&x={}", "x".repeat(MAX_BODY_BYTES));
    let cases = [
        (FORM, "", 400),
        (FORM, "List-Unsubscribe=no", 400),
        (FORM, "list=One-Click", 400),
        ("multipart/form-data; boundary=xYz", ONE_CLICK, 400),
        ("multipart/form-data; boundary=x", "--x\r\nname=\"List-Unsubscribe\r\n\r\nOne-Click", 400),
        (FORM, &long, 413),
    ];
    for (kind, body, status) in cases {
        let answer = ask_router(&router, request("POST", &path(), kind, body)).await;
        assert_eq!(answer.status.as_u16(), status, "{kind} {body}");
        assert!(answer.body.contains("<form"), "the page offers the button again");
    }
    assert!(withdrawals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_ours_is_not_found() {
    let (router, withdrawals) = public(true);
    let mut tampered = path();
    tampered.replace_range(20..21, if &tampered[20..21] == "A" { "B" } else { "A" });
    let foreign = format!("/u/{}", link().seal(b"another secret"));
    let paths = [&*tampered, &foreign, "/u/x", "/u/%FF", "/u/", "/u", "/", "/healthz", "/metrics", "/health"];
    for path in paths {
        for method in ["GET", "POST"] {
            let answer = ask_router(&router, request(method, path, FORM, ONE_CLICK)).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
            assert_eq!(
                answer.body.contains("reply to the e-mail"),
                path.starts_with("/u/") && path.len() > 3
            );
        }
    }
    assert!(withdrawals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_kept_is_asked_for_again() {
    let (router, _) = public(false);
    let answer = ask_router(&router, request("POST", &path(), FORM, ONE_CLICK)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[RETRY_AFTER], "60");
    assert!(answer.body.contains("Try again") && !answer.body.contains("database away"));
}

#[tokio::test]
async fn every_answer_is_harmless() {
    let (router, _) = public(true);
    for (method, path) in
        [("GET", &*path()), ("POST", &path()), ("GET", "/u/x"), ("GET", "/x"), ("PUT", &path())]
    {
        let answer = ask_router(&router, request(method, path, FORM, ONE_CLICK)).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-robots-tag", "noindex, nofollow"),
        ] {
            assert_eq!(answer.headers[name], value, "{method} {path}");
        }
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        for absent in ["set-cookie", "location"] {
            assert!(!answer.headers.contains_key(absent), "{absent} at {method} {path}");
        }
        assert!(!answer.body.contains("<script") && !answer.body.contains(" style="));
    }
}

#[tokio::test]
async fn the_styles_hash_is_that_of_what_is_sent() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let (router, _) = public(true);
    let answer = ask_router(&router, request("GET", &path(), FORM, "")).await;
    let (_, style) = answer.body.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
}

#[tokio::test]
async fn speaks_the_readers_language_and_the_shops_own_purposes() {
    let (router, _) = public(true);
    let own = Unsubscribe { purpose: "<b>new</b>".into(), channel: Channel::Sms, ..link() };
    let mut get = request("GET", &format!("/u/{}", own.seal(SECRET)), FORM, "");
    get.headers_mut().remove("accept-language");
    let answer = ask_router(&router, get).await;
    assert_eq!(answer.headers["content-language"], "fr");
    assert!(answer.body.contains("<html lang=\"fr\">"));
    assert!(answer.body.contains("les SMS « &lt;b&gt;new&lt;/b&gt; »"), "{}", answer.body);
}
