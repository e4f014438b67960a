//! The pages against a shop in memory, which takes in what they tell as the worker does: by the core's own decision.

use std::net::SocketAddr;
use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderValue, Request, StatusCode};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::domain::decide::on_events;
use crate::domain::diagnostic::SourceFile;
use crate::domain::rules::book::{Book, CONSENT_CHANGED};
use crate::domain::rules::compile::compile;
use crate::domain::snapshot::Snapshot;
use crate::domain::token::Unsubscribe;

pub(super) const SECRET: &[u8] = b"a secret for tests";
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
/// A message whose address the customer still has.
pub(super) const REACHED: &str = "11111111111111111111111111111111";
pub(super) const CUSTOMER: &str = "c-secret-person";

const POLICY: &str = "default_locale: fr
default_timezone: Europe/Paris
sender: { name: 'Lumen <& Fils>', email: a@lumen.example, postal_address: Lyon }
purposes:
  newsletter: { basis: consent, double_opt_in: true, label: { fr: La lettre du jeudi, en: The Thursday letter } }
";

fn link() -> Unsubscribe {
    Unsubscribe {
        customer_id: CUSTOMER.into(),
        channel: Channel::Email,
        purpose: "marketing".into(),
        message_id: "0".repeat(32),
    }
}

/// A shop with one customer, whose clock moves on by a minute with each look at it.
pub(super) struct Shop {
    pub(super) router: Router,
    pub(super) customer: Arc<Mutex<Snapshot>>,
    /// What the pages told, and what a test tells beside them.
    pub(super) told: Arc<Mutex<Vec<Event>>>,
    clock: Arc<Mutex<DateTime<Utc>>>,
    book: Arc<Book>,
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn book() -> Book {
    let file = SourceFile { path: "rules/policy.yaml".to_owned(), text: POLICY.to_owned() };
    let compiled = compile(&[file]);
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    Book::new(compiled.rules, [], SECRET.to_vec())
}

impl Shop {
    pub(super) fn open() -> Self {
        Self::with(true, 0)
    }

    fn with(works: bool, per_minute: u32) -> Self {
        let customer = Snapshot { customer_id: CUSTOMER.to_owned(), ..Snapshot::default() };
        let (customer, told) = (Arc::new(Mutex::new(customer)), Arc::<Mutex<Vec<Event>>>::default());
        let clock = Arc::new(Mutex::new(at("2026-03-02T10:00:00Z")));
        let book = Arc::new(book());
        let (policy, now) = (book.active.policy.clone(), clock.clone());
        let (known, kept, taken, rules) = (customer.clone(), told.clone(), customer.clone(), book.clone());
        let public = Public {
            keys: Keys::new(SECRET, [b"the secret before it".to_vec()]),
            policy: Arc::new(move || policy.clone()),
            now: Arc::new(move || {
                let mut now = now.lock().unwrap();
                *now += chrono::TimeDelta::minutes(1);
                *now
            }),
            ask: Arc::new(move |id, message| {
                let customer = known.lock().unwrap();
                assert_eq!(id, customer.customer_id);
                let known = Known {
                    locale: customer.profile.text("locale").map(str::to_owned),
                    channels: vec![Channel::Email],
                    consents: customer.consents.clone(),
                    erased: customer.erased,
                    reached_by: (message == REACHED).then_some(Channel::Email),
                };
                async move { Ok(known) }.boxed()
            }),
            tell: Arc::new(move |events| {
                if works {
                    take_in(&rules, &taken, &events);
                    kept.lock().unwrap().extend(events);
                }
                async move { if works { Ok(()) } else { Err("database away".to_owned()) } }.boxed()
            }),
            limit: Arc::new(Limit::new(per_minute)),
        };
        Self { router: router(public), customer, told, clock, book }
    }

    /// The shop itself tells of a consent, now.
    pub(super) fn says(&self, status: &str, purpose: &str) -> DateTime<Utc> {
        let now = {
            let mut clock = self.clock.lock().unwrap();
            *clock += chrono::TimeDelta::minutes(1);
            *clock
        };
        let event = Event {
            id: format!("{now}"),
            source: "/shop".to_owned(),
            kind: CONSENT_CHANGED.to_owned(),
            subject: CUSTOMER.to_owned(),
            time: now,
            data: json!({"channel": "email", "purpose": purpose, "status": status}).into(),
            trace: None,
        };
        take_in(&self.book, &self.customer, &[event]);
        now
    }

    pub(super) fn pass(&self, days: i64) {
        *self.clock.lock().unwrap() += chrono::TimeDelta::days(days);
    }

    pub(super) fn word(&self, purpose: &str) -> Option<&'static str> {
        let customer = self.customer.lock().unwrap();
        customer.consents.latest(Channel::Email, purpose).map(|fact| fact.status.as_str())
    }

    pub(super) fn told(&self) -> Vec<Event> {
        self.told.lock().unwrap().clone()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        ask_router(&self.router, request("GET", path, FORM, "")).await
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> Answer {
        ask_router(&self.router, request("POST", path, FORM, body)).await
    }
}

fn take_in(book: &Book, customer: &Mutex<Snapshot>, events: &[Event]) {
    let mut customer = customer.lock().unwrap();
    let verdicts = on_events(book, &customer, events, events[0].time);
    customer.evolve(&verdicts);
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    /// The value of the hidden field that says what was seen.
    pub(super) fn seen(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"seen\" value=\"").expect("a fingerprint");
        rest.split('"').next().unwrap().to_owned()
    }
}

pub(super) async fn ask_router(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Answer { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

pub(super) fn request(method: &str, path: &str, kind: &str, body: &str) -> Request<Body> {
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
    let shop = Shop::open();
    for method in ["GET", "HEAD"] {
        let answer = ask_router(&shop.router, request(method, &path(), FORM, ONE_CLICK)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body.is_empty(), method == "HEAD");
        if method == "GET" {
            assert!(answer.body.contains("<form method=\"post\">"), "{}", answer.body);
            assert!(answer.body.contains("marketing e-mails</strong> from Lumen &lt;&amp; Fils&gt;"));
            assert!(!answer.body.contains("c-secret-person"), "the page says for whom");
        }
    }
    for method in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = ask_router(&shop.router, request(method, &path(), FORM, ONE_CLICK)).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert!(shop.told().is_empty());
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
        let shop = Shop::open();
        let mut post = request("POST", &path(), kind, body);
        post.headers_mut().insert(USER_AGENT, HeaderValue::from_static("Mail robot"));
        post.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
        post.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))));
        let answer = ask_router(&shop.router, post).await;
        assert_eq!(answer.status, StatusCode::OK, "{kind} {body}");
        assert!(answer.body.contains("You will no longer receive"), "{}", answer.body);
        let told = shop.told();
        let expected = json!({"source": "unsubscribe-link", "method": method, "ip": "192.0.2.1",
            "forwarded_for": "203.0.113.7", "user_agent": "Mail robot", "channel": "email", "purpose": "marketing",
            "status": "withdrawn", "message_id": "0".repeat(32)});
        assert_eq!(told.iter().map(|event| &*event.data).collect::<Vec<&Value>>(), [&expected]);
        assert_eq!(
            (told[0].kind.as_str(), told[0].source.as_str()),
            (CONSENT_CHANGED, "/declic/unsubscribe")
        );
        assert_eq!(shop.word("marketing"), Some("withdrawn"));
    }
}

#[tokio::test]
async fn a_post_that_does_not_ask_for_it_changes_nothing() {
    let shop = Shop::open();
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
        let answer = ask_router(&shop.router, request("POST", &path(), kind, body)).await;
        assert_eq!(answer.status.as_u16(), status, "{kind} {body}");
        assert!(answer.body.contains("<form"), "the page offers the button again");
    }
    assert!(shop.told().is_empty());
}

#[tokio::test]
async fn what_is_not_ours_is_not_found() {
    let shop = Shop::open();
    let mut tampered = path();
    tampered.replace_range(20..21, if &tampered[20..21] == "A" { "B" } else { "A" });
    let foreign = format!("/u/{}", link().seal(b"another secret"));
    let paths = [&*tampered, &foreign, "/u/x", "/u/%FF", "/u/", "/u", "/", "/healthz", "/metrics", "/health"];
    for path in paths {
        for method in ["GET", "POST"] {
            let answer = ask_router(&shop.router, request(method, path, FORM, ONE_CLICK)).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
            assert_eq!(
                answer.body.contains("reply to the e-mail"),
                path.starts_with("/u/") && path.len() > 3
            );
        }
    }
    assert!(shop.told().is_empty());
}

#[tokio::test]
async fn what_cannot_be_kept_is_asked_for_again() {
    let shop = Shop::with(false, 0);
    let answer = ask_router(&shop.router, request("POST", &path(), FORM, ONE_CLICK)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[RETRY_AFTER], "60");
    assert!(answer.body.contains("Try again") && !answer.body.contains("database away"));
}

#[tokio::test]
async fn every_answer_is_harmless() {
    let shop = Shop::open();
    for (method, path) in
        [("GET", &*path()), ("POST", &path()), ("GET", "/u/x"), ("GET", "/x"), ("PUT", &path())]
    {
        let answer = ask_router(&shop.router, request(method, path, FORM, ONE_CLICK)).await;
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
    let shop = Shop::open();
    let answer = ask_router(&shop.router, request("GET", &path(), FORM, "")).await;
    let (_, style) = answer.body.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
}

#[tokio::test]
async fn speaks_the_readers_language_and_the_shops_own_purposes() {
    let shop = Shop::open();
    let own = Unsubscribe { purpose: "<b>new</b>".into(), channel: Channel::Sms, ..link() };
    let mut get = request("GET", &format!("/u/{}", own.seal(SECRET)), FORM, "");
    get.headers_mut().remove("accept-language");
    let answer = ask_router(&shop.router, get).await;
    assert_eq!(answer.headers["content-language"], "fr");
    assert!(answer.body.contains("<html lang=\"fr\">"));
    assert!(answer.body.contains("les SMS « &lt;b&gt;new&lt;/b&gt; »"), "{}", answer.body);
}

#[tokio::test]
async fn a_link_of_the_secret_before_still_opens() {
    let shop = Shop::open();
    let path = format!("/u/{}", link().seal(b"the secret before it"));
    assert_eq!(shop.post(&path, ONE_CLICK).await.status, StatusCode::OK);
    assert_eq!(shop.word("marketing"), Some("withdrawn"));
}

#[tokio::test]
async fn a_link_of_one_kind_is_none_of_another() {
    let shop = Shop::open();
    let token = link().seal(SECRET);
    for page in ["p", "c"] {
        for body in ["", "confirm=yes", "all=yes", ONE_CLICK] {
            let answer = shop.post(&format!("/{page}/{token}"), body).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{page} {body}");
        }
    }
    assert!(shop.told().is_empty());
}

/// A mailbox provider sends the one-click requests of all its customers from a few addresses.
#[tokio::test(start_paused = true)]
async fn looking_and_guessing_are_limited_and_withdrawing_is_not() {
    let shop = Shop::with(true, 10);
    let ask = async |method: &str, path: &str| {
        let mut request = request(method, path, FORM, ONE_CLICK);
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))));
        ask_router(&shop.router, request).await
    };
    for n in 0..10 {
        let kind =
            [("GET", path(), 200), ("POST", "/u/guess".to_owned(), 404), ("GET", "/x".to_owned(), 404)];
        let (method, path, status) = &kind[n % 3];
        assert_eq!(ask(method, path).await.status.as_u16(), *status);
    }
    for (method, path) in
        [("GET", &*path()), ("HEAD", &path()), ("POST", "/u/guess"), ("GET", "/x"), ("POST", "/p/x")]
    {
        let answer = ask(method, path).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{method} {path}");
        assert_eq!(answer.headers[RETRY_AFTER], "7", "a tenth of a minute, and rounded up");
    }
    for _ in 0..100 {
        assert_eq!(ask("POST", &path()).await.status, StatusCode::OK);
    }
    tokio::time::advance(std::time::Duration::from_secs(7)).await;
    assert_eq!(ask("GET", &path()).await.status, StatusCode::OK);
}
