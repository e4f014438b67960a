use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt as _;

use super::*;

fn summary(seq: u64, subject: &str) -> MailSummary {
    MailSummary {
        seq,
        at: DateTime::from_timestamp(1_795_413_600, 0).unwrap(),
        to: "alice@example.com".into(),
        from: "Maison Lumen <contact@maison-lumen.example>".into(),
        subject: subject.into(),
        sms: false,
        rule: "welcome".into(),
        locale: "fr".into(),
        customer_id: "c-1".into(),
    }
}

fn source(mails: Vec<MailSummary>, live: bool) -> MailSource {
    let mails = Arc::new(mails);
    let kept = mails.clone();
    MailSource {
        list: Arc::new(move || mails.to_vec()),
        get: Arc::new(move |seq| {
            let summary = kept.iter().find(|mail| mail.seq == seq)?.clone();
            let html = "<!doctype html><html><head lang=\"fr\"><title>x</title></head><body><script>alert(1)</script></body></html>";
            let text = "</pre><script>".to_owned();
            let content = if summary.sms {
                Content::Sms { text, parts: 2, encoding: "GSM-7" }
            } else {
                Content::Email { html: html.into(), text, raw: b"From: x\r\n".to_vec() }
            };
            Some(Mail { summary, content })
        }),
        live: Arc::new(move || live),
    }
}

async fn ask(source: &MailSource, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let router = router(source.clone()).layer(Extension(Visit::in_english()));
    let response = router.oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn hostile_mail_is_only_text() {
    let hostile = "\"><script>alert(1)</script>";
    let mail = MailSummary {
        to: hostile.into(),
        from: hostile.into(),
        rule: hostile.into(),
        locale: hostile.into(),
        customer_id: hostile.into(),
        ..summary(1, hostile)
    };
    let source = source(vec![mail], true);
    for path in ["/mail", "/mail/1"] {
        let (status, headers, body) = ask(&source, path).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!body.contains("<script>") && body.contains("&lt;script&gt;"), "{body}");
        assert!(!body.contains(" style="), "the policy would drop it");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"));
    }
}

#[tokio::test]
async fn the_html_part_is_shown_in_a_sandbox() {
    let source = source(vec![summary(7, "Hello")], false);
    let (_, _, page) = ask(&source, "/mail/7").await;
    assert!(page.contains("src=\"/mail/7/html\"") && page.contains("sandbox=\"allow-popups"), "{page}");
    let (status, headers, body) = ask(&source, "/mail/7/html").await;
    assert_eq!(status, StatusCode::OK);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("; sandbox allow-popups"),
        "{policy}"
    );
    assert!(!policy.contains("script") && !policy.contains("allow-same-origin"), "{policy}");
    assert!(body.contains("<head lang=\"fr\"><base target=\"_blank\"><title>"), "{body}");
}

#[tokio::test]
async fn the_source_is_the_bytes_sent() {
    let (_, headers, body) = ask(&source(vec![summary(7, "Hello")], false), "/mail/7/raw").await;
    assert_eq!(body, "From: x\r\n");
    assert_eq!(headers["content-type"], "message/rfc822");
    assert_eq!(headers["content-disposition"], "attachment; filename=\"mail-7.eml\"");
}

#[tokio::test]
async fn an_sms_is_shown_as_text_with_its_size() {
    let sms = MailSummary { sms: true, to: "+33612345678".into(), ..summary(3, "Bonjour") };
    let source = source(vec![sms], false);
    let (_, _, list) = ask(&source, "/mail").await;
    assert!(list.contains(">SMS</span>") && list.contains("Bonjour"), "{list}");
    let (status, _, page) = ask(&source, "/mail/3").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("2 SMS joined into one, GSM-7") && page.contains("&lt;script&gt;"), "{page}");
    assert!(!page.contains("<iframe") && !page.contains("<script>"), "{page}");
    for part in ["/mail/3/html", "/mail/3/raw"] {
        assert_eq!(ask(&source, part).await.0, StatusCode::NOT_FOUND, "an SMS has no {part}");
    }
}

#[tokio::test]
async fn lists_the_newest_first_a_hundred_a_page() {
    let source = source((1..=250).map(|n| summary(n, &format!("mail no {n}."))).collect(), true);
    let (_, _, first) = ask(&source, "/mail").await;
    let newest = first.find("mail no 250.").unwrap();
    assert!(newest < first.find("mail no 151.").unwrap() && !first.contains("mail no 150."));
    assert!(
        first.contains("id=\"mails\" data-live") && first.contains("?page=2") && !first.contains("?page=0")
    );
    let (_, _, last) = ask(&source, "/mail?page=3").await;
    assert!(last.contains("mail no 1.") && last.contains("?page=2") && !last.contains("?page=4"));
    assert!(!last.contains("id=\"mails\" data-live"));
    for odd in
        ["/mail?page=0", "/mail?page=x", "/mail?page=-1", "/mail?page=18446744073709551615", "/mail?page=99"]
    {
        assert_eq!(ask(&source, odd).await.0, StatusCode::OK, "{odd}");
    }
}

#[tokio::test]
async fn an_empty_list_and_a_missing_mail_say_so() {
    let source = source(Vec::new(), false);
    let (status, _, body) = ask(&source, "/mail").await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("Nothing yet.") && !body.contains("id=\"mails\" data-live"));
    for path in ["/mail/1", "/mail/1/html", "/mail/1/raw", "/mail/0", "/mail/18446744073709551615"] {
        assert_eq!(ask(&source, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
