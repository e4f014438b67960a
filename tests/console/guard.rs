//! Without the token nothing is shown, and no other page acts in an operator's name.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::support::run;
use super::support::shop::{Shop, ask};
use super::{CLOCK, TOKEN, busy_shop, message_of};

/// A request as a browser sends it, with these lines more, and the whole answer.
fn get(port: u16, path: &str, more: &str) -> String {
    let head = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: text/html,*/*\r\n{more}\r\n");
    ask(port, &head).expect("an answer")
}

fn post(port: u16, path: &str, more: &str, body: &str) -> String {
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n{more}\r\n{body}",
        body.len()
    );
    ask(port, &head).expect("an answer")
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// The value between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    text[start..].split(after).next().expect("a part")
}

fn enter(port: u16, name: &str) -> String {
    let token = TOKEN.replace(' ', "+");
    let answer = post(port, "/enter", "", &format!("token={token}&name={name}&back=/rules"));
    assert_eq!(status(&answer), 303, "{answer}");
    let cookie =
        answer.lines().find(|line| line.to_lowercase().starts_with("set-cookie:")).expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    between(cookie, "declic_session=", ";").to_owned()
}

#[test]
fn nothing_is_shown_and_nothing_done_without_the_token() {
    let (shop, worker) = busy_shop();
    let port = shop.admin;
    let id = message_of(&shop, "alice")["id"].as_str().expect("an id").to_owned();
    let places = [
        "/".to_owned(),
        "/when?from=2026-11-23T10:00:00Z&until=2026-11-23T10:30:00Z".to_owned(),
        "/rules".to_owned(),
        "/rules/welcome".to_owned(),
        "/messages".to_owned(),
        format!("/messages/{id}"),
        format!("/messages/{id}/html"),
        "/customers?q=alice".to_owned(),
        "/customers/alice".to_owned(),
        "/dead-letters".to_owned(),
        "/providers".to_owned(),
        "/audit".to_owned(),
        "/live".to_owned(),
    ];
    let session = format!("Cookie: declic_session={}\r\n", enter(port, "eve"));
    let forged = format!("{}x", session.trim_end());
    for place in &places {
        for more in [
            "",
            "Cookie: declic_session=1.ZXZl.x\r\n",
            &format!("{forged}\r\n"),
            "Authorization: Bearer no\r\n",
        ] {
            let answer = get(port, place, more);
            assert_eq!(status(&answer), 303, "{place}: {answer}");
            assert!(answer.to_lowercase().contains("location: /enter?back="), "{answer}");
            assert!(!answer.contains("alice") || place.contains("alice"), "{place}: {answer}");
        }
        let program =
            ask(port, &format!("GET {place} HTTP/1.0\r\nHost: localhost\r\n\r\n")).expect("an answer");
        assert_eq!(status(&program), 401, "{place}: {program}");
        if place != "/live" {
            // The one customer found is shown at once.
            let shown = if place.contains("q=") { 303 } else { 200 };
            assert_eq!(status(&get(port, place, &session)), shown, "{place}");
            let program = format!("Authorization: Bearer {TOKEN}\r\n");
            assert_eq!(status(&get(port, place, &program)), shown, "{place}");
        }
    }
    // What is outside says nothing of the shop.
    for place in ["/enter", "/console.js", "/language?to=en"] {
        let answer = get(port, place, "");
        assert!(!answer.contains("welcome") && !answer.contains("alice"), "{place}: {answer}");
    }
    assert_eq!(status(&post(port, "/enter", "", "token=wrong&name=eve")), 401);
    // The way back never leads to another host.
    for back in ["//evil.example/", "https://evil.example/", "/\\evil.example"] {
        let body = format!("token={}&back={back}", TOKEN.replace(' ', "+"));
        let answer = post(port, "/enter", "", &body);
        assert!(answer.to_lowercase().contains("\nlocation: /\r\n"), "{back}: {answer}");
    }

    // Acting asks for the code of this very session.
    let page = get(port, "/rules/welcome", &session);
    let code = between(&page, "name=\"code\" value=\"", "\"").to_owned();
    let other = format!("Cookie: declic_session={}\r\n", enter(port, "mallory"));
    let wish = |code: &str| format!("code={code}&do=pause&target=rule%3Awelcome&back=/rules");
    for (more, body) in [
        (String::new(), wish(&code)),
        (session.clone(), wish("")),
        (session.clone(), "do=pause&target=rule%3Awelcome".to_owned()),
        (other, wish(&code)),
        (format!("{session}Sec-Fetch-Site: cross-site\r\n"), wish(&code)),
    ] {
        let answer = post(port, "/act", &more, &body);
        assert!(matches!(status(&answer), 401 | 403), "{more}: {answer}");
    }
    assert_eq!(status(&post(port, "/act", &session, &format!("code={code}&do=everything&target=x"))), 400);
    assert_eq!(status(&post(port, "/act", &session, &format!("code={code}&do=pause&target=nothing"))), 400);
    let paused = run(shop.declic().arg("paused"));
    assert!(!paused.contains("welcome"), "{paused}");
    let done = post(port, "/act", &format!("{session}Sec-Fetch-Site: same-origin\r\n"), &wish(&code));
    assert_eq!(status(&done), 303, "{done}");
    let paused = run(shop.declic().arg("paused"));
    assert!(paused.contains("rule:welcome") && paused.contains("eve"), "{paused}");

    // A browser that has a page open does not keep the worker from stopping.
    let mut open = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    write!(open, "GET /live HTTP/1.1\r\nHost: localhost\r\n{session}\r\n").expect("asked");
    let mut some = [0; 15];
    open.read_exact(&mut some).expect("an answer");
    assert_eq!(&some, b"HTTP/1.1 200 OK");
    assert!(worker.terminate(Duration::from_secs(10)).success());
}

#[test]
fn without_a_token_in_its_configuration_the_console_is_closed() {
    let shop = Shop::open(CLOCK);
    let _worker = shop.start();
    let answer = get(shop.admin, "/", "Accept-Language: en\r\n");
    assert_eq!(status(&answer), 403, "{answer}");
    assert!(answer.contains("[admin] token"), "{answer}");
}
