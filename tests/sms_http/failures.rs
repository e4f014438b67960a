//! What a failing provider makes of a message: certain failures stay certain, the rest is uncertain, and nothing is
//! sent twice.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use declic::channels::sms::{Incoming, IncomingSink, OptOut};
use declic::channels::{Answer, HttpSms};

use crate::stub::{Play, Stub, data, http, json};
use crate::{channel, sms};

fn speaking_to(url: &str, more: &str) -> HttpSms {
    channel(&format!(
        "url = '{url}'\nsecret = 'k-secret-1'\nauth = 'bearer'\nsend_deadline_s = 1\nid_pointer = '/id'\n\
         error_pointer = '/code'\nmessage_pointer = '/message'\nidle_s = 5\n{more}\n\
         [body]\nto = '{{{{to}}}}'\ntext = '{{{{text}}}}'\n[errors]\nbad_address = ['absent']\n"
    ))
}

fn scope(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accepted { ids, .. } if ids.is_empty() => "accepted, nameless",
        Answer::Accepted { .. } => "accepted",
        Answer::Retry { .. } => "retry",
        Answer::Busy { .. } => "busy",
        Answer::Wait { .. } => "wait",
        Answer::Refused { bad_address: true, .. } => "address",
        Answer::Refused { bad_address: false, .. } => "message",
        Answer::ProviderRefused { .. } => "us",
        Answer::Uncertain { .. } => "uncertain",
        Answer::Invalid { .. } => "invalid",
    }
}

/// A whole answer in chunks that never ends.
fn endless() -> String {
    let chunk = format!("2000\r\n{}\r\n", " ".repeat(0x2000));
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(20))
}

#[tokio::test]
async fn each_way_to_fail_has_its_meaning() {
    let ok = "{\"id\": \"m-1\"}";
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{\"id\": \r\n6\r\n\"m-1\"}\r\n0\r\n\r\n";
    let truncated = "HTTP/1.1 201 Created\r\ncontent-length: 500\r\n\r\n{\"id\": \"m-";
    let lost_in_chunks = "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{\"id\": \r\n";
    // (what it does, the meaning, the meaning with an idempotency header).
    let cases = [
        (json("200 OK", ok), "accepted", "accepted"),
        (Play::SayAndClose(chunked.to_owned()), "accepted", "accepted"),
        (Play::Say(http("200 OK", &["content-type: text/html"], ok)), "accepted", "accepted"),
        (json("202 Accepted", "{}"), "accepted, nameless", "accepted, nameless"),
        (json("200 OK", "{\"code\": \"absent\"}"), "address", "address"),
        (Play::SayAndClose(truncated.to_owned()), "accepted, nameless", "accepted, nameless"),
        (Play::SayAndHang(truncated.to_owned()), "accepted, nameless", "accepted, nameless"),
        (Play::SayAndClose(lost_in_chunks.to_owned()), "accepted, nameless", "accepted, nameless"),
        (Play::SayAndClose(endless()), "accepted, nameless", "accepted, nameless"),
        (json("200 OK", "<html>sign in</html>"), "uncertain", "busy"),
        (json("200 OK", "{\"id\": "), "uncertain", "busy"),
        (json("429 Too Many Requests", "{}"), "busy", "busy"),
        (json("503 Service Unavailable", "down"), "busy", "busy"),
        (json("400 Bad Request", "{\"code\": \"absent\"}"), "address", "address"),
        (json("400 Bad Request", "{\"code\": \"other\"}"), "message", "message"),
        (json("422 Unprocessable Content", "{}"), "message", "message"),
        (Play::Say(http("400 Bad Request", &[], "<html>")), "us", "us"),
        (json("401 Unauthorized", "{}"), "us", "us"),
        (json("403 Forbidden", ""), "us", "us"),
        (Play::Say(http("302 Found", &["location: /elsewhere"], "")), "us", "us"),
        (json("500 Internal Server Error", "{}"), "uncertain", "busy"),
        (json("502 Bad Gateway", "<html>"), "uncertain", "busy"),
        (json("504 Gateway Timeout", ""), "uncertain", "busy"),
        (Play::CloseAfterReading, "uncertain", "busy"),
        (Play::SayAndClose("HTTP/1.1 200 OK\r\ncontent-le".into()), "uncertain", "busy"),
        (Play::SayAndClose("220 smtp.example.com\r\n".into()), "uncertain", "busy"),
        // The time runs out, with and without a sign of life.
        (Play::SayAndHang(String::new()), "uncertain", "busy"),
        (Play::SayAndHang("HTTP/1.1 20".into()), "uncertain", "busy"),
    ];
    let runs = cases.into_iter().map(|(play, plain, idempotent)| async move {
        for (more, expected) in [("", plain), ("idempotency_header = 'Idempotency-Key'", idempotent)] {
            let stub = Stub::start(vec![play.clone()]).await;
            let begun = Instant::now();
            let mut answer = speaking_to(&stub.url(), more).send(&sms()).await;
            assert_eq!(scope(&answer), expected, "{play:?}: {answer:?}");
            assert!(begun.elapsed() < Duration::from_millis(1900), "{play:?} took {:?}", begun.elapsed());
            assert_eq!(stub.requests().len(), 1, "{play:?} was sent more than once");
            let key = stub.requests()[0].contains("idempotency-key: 0123456789abcdef0123456789abcdef");
            assert_eq!(key, !more.is_empty());
            let words = answer.words_mut();
            assert!(!words.contains("612345678") && !words.contains("k-secret-1"), "{words}");
        }
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn what_never_left_is_never_uncertain() {
    // Nobody listens.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answer = speaking_to(&format!("http://{free}/"), "").send(&sms()).await;
    assert_eq!(scope(&answer), "busy", "{answer:?}");
    // No such name (RFC 6761 6.4).
    let answer = speaking_to("https://provider.invalid/", "").send(&sms()).await;
    assert_eq!(scope(&answer), "busy", "{answer:?}");
    // The connection is closed within the TLS handshake, or nothing ever comes.
    for play in [Play::CloseBeforeReading, Play::NeverSpeak] {
        let stub = Stub::encrypted(vec![play.clone()]).await;
        let answer = speaking_to(&format!("https://127.0.0.1:{}/", stub.port), "").send(&sms()).await;
        assert_eq!(scope(&answer), "busy", "{play:?}: {answer:?}");
    }
    // TLS to a port that speaks none, and a certificate that nobody vouches for.
    let plain = Stub::start(vec![json("400 Bad Request", "{}")]).await;
    let plain_tls = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain_tls.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let (mut tcp, _) = plain_tls.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let unknown = Stub::encrypted(vec![json("200 OK", "{\"id\": \"1\"}")]).await;
    for port in [port, unknown.port] {
        let answer = speaking_to(&format!("https://127.0.0.1:{port}/"), "").send(&sms()).await;
        assert_eq!(scope(&answer), "us", "{answer:?}");
        assert!(matches!(&answer, Answer::ProviderRefused { reply } if reply.contains("TLS with 127.0.0.1")));
    }
    assert!(plain.requests().is_empty() && unknown.requests().is_empty());
}

#[tokio::test]
async fn nothing_in_the_clear_reaches_a_port_with_tls_unnoticed() {
    let stub = Stub::encrypted(vec![json("200 OK", "{}")]).await;
    let answer = speaking_to(&format!("http://127.0.0.1:{}/", stub.port), "").send(&sms()).await;
    // A request was written; that nobody understood it cannot be known from here.
    assert_eq!(scope(&answer), "uncertain", "{answer:?}");
}

#[tokio::test]
async fn closing_at_once_is_busy_or_uncertain_and_sent_once() {
    for _ in 0..20 {
        let stub = Stub::start(vec![Play::CloseBeforeReading]).await;
        let answer = speaking_to(&stub.url(), "").send(&sms()).await;
        assert!(matches!(scope(&answer), "busy" | "uncertain"), "{answer:?}");
        assert_eq!(stub.connections(), 1);
    }
}

#[tokio::test]
async fn encrypted_with_an_authority_of_ones_own() {
    let stub = Stub::encrypted(vec![json("200 OK", "{\"id\": \"m-1\"}")]).await;
    let url = format!("https://localhost:{}/send", stub.port);
    let channel = speaking_to(&url, &format!("ca_file = '{}'", data("ca.pem").display()));
    let said = channel.check().await.unwrap();
    assert!(said.contains("can be reached, encrypted"), "{said}");
    let answer = channel.send(&sms()).await;
    assert_eq!(answer, Answer::Accepted { reply: "200 m-1".into(), ids: vec!["m-1".into()] });
}

#[tokio::test]
async fn connections_are_used_again_and_bounded() {
    let stub = Stub::slow(vec![json("200 OK", "{\"id\": \"m-1\"}")], Duration::from_millis(30)).await;
    let channel = speaking_to(&stub.url(), "connections = 2");
    for _ in 0..3 {
        assert_eq!(scope(&channel.send(&sms()).await), "accepted");
    }
    assert_eq!(stub.connections(), 1);
    let (one, other) = (sms(), sms());
    let all = (0..12).map(|i| channel.send(if i % 2 == 0 { &one } else { &other }));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(|answer| scope(answer) == "accepted"), "{answers:?}");
    assert_eq!((stub.most_at_once(), stub.requests().len()), (2, 15));
    assert!(stub.connections() <= 3, "{}", stub.connections());
}

/// A server may close what was idle; the request then goes out on another connection, whole and once.
#[tokio::test]
async fn an_idle_connection_that_was_closed_costs_nothing() {
    let ok = http("200 OK", &[], "{\"id\": \"m-1\"}");
    let stub = Stub::start(vec![Play::SayAndClose(ok)]).await;
    let channel = speaking_to(&stub.url(), "");
    for _ in 0..5 {
        let answer = channel.send(&sms()).await;
        assert_eq!(scope(&answer), "accepted", "{answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((stub.requests().len(), stub.connections()), (5, 5));
}

#[tokio::test]
async fn waiting_for_a_connection_counts_and_is_certain() {
    let stub = Stub::start(vec![Play::SayAndHang(String::new())]).await;
    let channel = speaking_to(&stub.url(), "connections = 1");
    let (first, second) = (sms(), sms());
    let (first, second) = tokio::join!(channel.send(&first), channel.send(&second));
    assert_eq!((scope(&first), scope(&second)), ("uncertain", "busy"));
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_told() {
    let text = http(
        "429 Too Many Requests",
        &["retry-after: 30"],
        "{\"code\": \"slow\", \"message\": \"not so fast\"}",
    );
    let stub = Stub::start(vec![Play::Say(text)]).await;
    let answer = speaking_to(&stub.url(), "").send(&sms()).await;
    let reply = "429 slow not so fast (asks to wait: 30)".into();
    assert_eq!(answer, Answer::Wait { reply, pause: Duration::from_secs(30) });
}

#[tokio::test]
async fn what_is_echoed_is_not_kept() {
    let body = "{\"code\": \"x\", \"message\": \"to +33 6 12 34 56 78 with Bearer k-secret-1\"}";
    let stub = Stub::start(vec![json("400 Bad Request", body)]).await;
    let answer = speaking_to(&stub.url(), "").send(&sms()).await;
    let reply = "400 x to …78 with Bearer [hidden]".to_owned();
    assert_eq!(answer, Answer::Refused { reply, bad_address: false });
    let shown = format!("{:?}", crate::config("secret = 'k-secret-1'\n[webhook]\nsecret = 'k-secret-2'"));
    assert!(!shown.contains("k-secret"), "{shown}");
}

#[tokio::test]
async fn a_closed_channel_sends_nothing() {
    let stub = Stub::start(vec![json("200 OK", "{\"id\": \"m-1\"}")]).await;
    let channel = speaking_to(&stub.url(), "");
    assert_eq!(scope(&channel.send(&sms()).await), "accepted");
    channel.close().await;
    assert_eq!(channel.send(&sms()).await, Answer::Retry { reply: "the channel is closed".into() });
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn checking_asks_or_connects() {
    let asked = Stub::start(vec![json("200 OK", "{}"), json("401 Unauthorized", "{}")]).await;
    let channel = speaking_to(&asked.url(), "check_path = '/account'");
    let said = channel.check().await.unwrap();
    assert!(said.ends_with("answers and knows the account"), "{said}");
    let said = channel.check().await.unwrap_err();
    assert!(said.ends_with("answers 401 Unauthorized"), "{said}");
    assert!(asked.requests()[0].starts_with("GET /account HTTP/1.1\r\n"), "{:?}", asked.requests());
    assert!(asked.requests()[0].contains("authorization: Bearer k-secret-1\r\n"));
    let reached = speaking_to(&asked.url(), "").check().await.unwrap();
    assert!(reached.contains("can be reached, not encrypted"), "{reached}");
    let nobody = speaking_to("http://127.0.0.1:1/", "").check().await.unwrap_err();
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
    let untrusted = Stub::encrypted(vec![json("200 OK", "{}")]).await;
    let said = speaking_to(&format!("https://127.0.0.1:{}/", untrusted.port), "").check().await.unwrap_err();
    assert!(said.contains("certificate"), "{said}");
}

/// The customer has told the provider to stop: that is kept before the message ends, or it is tried again.
#[tokio::test]
async fn a_refusal_for_a_stop_is_told() {
    let words = "Attempt to send to unsubscribed recipient";
    let refusal = json("400 Bad Request", &format!("{{\"code\": 21610, \"message\": \"{words}\"}}"));
    let other = json("400 Bad Request", "{\"code\": 21617, \"message\": \"too long\"}");
    let told: Arc<Mutex<Vec<Incoming>>> = Arc::default();
    let keeping = |fails: bool| -> IncomingSink {
        let told = told.clone();
        Arc::new(move |items| {
            let told = told.clone();
            Box::pin(async move {
                if fails {
                    return Err("the database is away".to_owned());
                }
                told.lock().unwrap().extend(items);
                Ok(())
            })
        })
    };
    for (play, fails, expected, count) in
        [(other, false, "message", 0), (refusal.clone(), true, "retry", 0), (refusal, false, "message", 1)]
    {
        let stub = Stub::start(vec![play]).await;
        let config = format!(
            "preset = 'twilio'\naccount = 'AC12'\nsecret = 'k:1'\nurl = 'http://127.0.0.1:{}/send'\n",
            stub.port
        );
        let answer = channel(&config).telling(keeping(fails)).send(&sms()).await;
        assert_eq!(scope(&answer), expected, "{answer:?}");
        assert_eq!(told.lock().unwrap().len(), count, "{answer:?}");
    }
    let opt_out =
        OptOut { message_id: sms().message_id, number: sms().to, answer: format!("400 21610 {words}") };
    assert_eq!(*told.lock().unwrap(), [Incoming::OptOut(opt_out)]);
}
