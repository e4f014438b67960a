//! Deliveries against a scripted server: which outcome, and what was said on which connection.

use super::mail;
use super::server::{Act, ONE_BY_ONE, Script, Server, data};
use crate::channels::Answer;
use crate::channels::EmailChannel;
use crate::channels::email::{Email, Smtp, SmtpConfig, Tls};
use crate::secret::Secret;

fn config(server: &Server) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port: server.port,
        tls: Tls::None,
        send_deadline_s: 2,
        connect_timeout_s: 2,
        ..SmtpConfig::default()
    }
}

async fn plain(script: Script) -> (Server, Smtp) {
    let server = Server::start(Tls::None, script).await;
    let smtp = Smtp::new(&config(&server)).unwrap();
    (server, smtp)
}

/// The script as it is, where commands are sent together, and where they are sent one by one.
fn both_ways(script: &[(&'static str, Act)]) -> [Script; 2] {
    let without = if script.iter().any(|(word, _)| *word == "EHLO") { &[][..] } else { &ONE_BY_ONE };
    [script.to_vec(), [without, script].concat()]
}

fn accepted(outcome: &Answer) -> bool {
    matches!(outcome, Answer::Accepted { .. })
}

#[tokio::test]
async fn mails_share_a_connection() {
    let (server, smtp) = plain(vec![]).await;
    for _ in 0..3 {
        assert_eq!(
            smtp.send(&mail()).await,
            Answer::Accepted { reply: "250 2.0.0 queued".to_owned(), ids: Vec::new() }
        );
    }
    assert_eq!(server.count("0 BODY"), 3);
    assert_eq!((server.count("0 RSET"), server.count("1 ")), (0, 0), "{:?}", server.log());
    assert!(server.log().iter().any(|line| line == "0 MAIL FROM:<shop@shop.example>"));
    assert!(server.log().iter().any(|line| line.starts_with("0 EHLO [127.0.0.1]")));
    let body = server.log().into_iter().find(|line| line.starts_with("0 BODY")).unwrap();
    // Dots at the start of a line are doubled on the wire, and there is no empty line before the last dot.
    assert!(body.contains("\n..\n") && body.ends_with("--\n") && !body.ends_with("\n\n"), "{body}");
    smtp.close().await;
    assert_eq!(server.count("0 QUIT"), 1);
    assert!(matches!(smtp.send(&mail()).await, Answer::Busy { .. }));
}

#[tokio::test]
async fn as_many_connections_as_allowed() {
    let server = Server::start(Tls::None, vec![]).await;
    let smtp = Smtp::new(&SmtpConfig { connections: 2, ..config(&server) }).unwrap();
    let sends = (0..20).map(|_| smtp.clone()).map(|smtp| async move { smtp.send(&mail()).await });
    assert!(futures_util::future::join_all(sends).await.iter().all(accepted));
    assert_eq!((server.count("0 MAIL") > 0, server.count("1 MAIL") > 0, server.count("2 ")), (true, true, 0));
}

#[tokio::test]
async fn a_connection_ends_after_its_share() {
    let server = Server::start(Tls::None, vec![]).await;
    let smtp = Smtp::new(&SmtpConfig { connections: 1, mails_per_connection: 2, ..config(&server) }).unwrap();
    for _ in 0..3 {
        assert!(accepted(&smtp.send(&mail()).await));
    }
    assert_eq!((server.count("0 BODY"), server.count("0 QUIT"), server.count("1 BODY")), (2, 1, 1));
}

#[tokio::test]
async fn each_refusal_has_its_scope() {
    let refused = |reply: &str, bad_address| Answer::Refused { reply: reply.to_owned(), bad_address };
    let ours = |reply: &str| Answer::ProviderRefused { reply: reply.to_owned() };
    let retry = |reply: &str| Answer::Retry { reply: reply.to_owned() };
    let busy = |reply: &str| Answer::Busy { reply: reply.to_owned() };
    let cases = [
        ("GREETING", "554 go away", ours("554 go away")),
        ("GREETING", "421 too busy", busy("421 too busy")),
        ("EHLO", "550 who are you", ours("550 who are you")),
        ("MAIL", "550 5.1.0 not you", ours("550 5.1.0 not you")),
        ("MAIL", "450 4.3.2 not now", busy("450 4.3.2 not now")),
        (
            "RCPT",
            "550-5.1.1 <Alice@example.com>: unknown\r\n550 5.1.1 really",
            refused("550 5.1.1 <a…@example.com>: unknown really", true),
        ),
        ("RCPT", "550 5.7.1 blocked", ours("550 5.7.1 blocked")),
        ("RCPT", "452 4.2.2 full", retry("452 4.2.2 full")),
        ("RCPT", "450 4.7.0 too many", busy("450 4.7.0 too many")),
        ("DATA", "554 5.6.0 no", refused("554 5.6.0 no", false)),
        (".", "552 5.3.4 too big", refused("552 5.3.4 too big", false)),
        (".", "554 5.7.1 spam", ours("554 5.7.1 spam")),
        (".", "451 4.3.0 later", retry("451 4.3.0 later")),
    ];
    for (word, reply, expected) in cases {
        for script in both_ways(&[(word, Act::Say(reply))]) {
            let (_server, smtp) = plain(script).await;
            assert_eq!(smtp.send(&mail()).await, expected, "{word} {reply}");
            assert!(accepted(&smtp.send(&mail()).await), "the next mail, after {word} {reply}");
        }
    }
}

#[tokio::test]
async fn a_refused_recipient_leaves_the_connection_clean() {
    let unknown = ("RCPT", Act::Say("550 5.1.1 unknown"));
    let [in_one_go, one_by_one] = both_ways(&[unknown]);
    let sensible = vec![unknown, ("DATA", Act::Say("554 5.5.1 no valid recipients"))];
    // A server that says yes to DATA all the same is sent nothing but the dot.
    for (script, dots) in [(in_one_go, 1), (sensible, 0), (one_by_one, 0)] {
        let server = Server::start(Tls::None, script).await;
        // The second mail waits until the one connection is clean.
        let smtp = Smtp::new(&SmtpConfig { connections: 1, ..config(&server) }).unwrap();
        assert!(matches!(smtp.send(&mail()).await, Answer::Refused { bad_address: true, .. }));
        let outcome = smtp.send(&mail()).await;
        assert!(accepted(&outcome), "{outcome:?} {:?}", server.log());
        let empty = server.log().iter().filter(|line| *line == "0 BODY ").count();
        let said = (server.count("0 RSET"), server.count("0 BODY"), empty, server.count("1 "));
        assert_eq!(said, (1, 1 + dots, dots, 0), "{:?}", server.log());
    }
}

#[tokio::test]
async fn a_loss_is_uncertain_only_after_the_dot() {
    let cases = [
        ("GREETING", Act::Close, false),
        ("EHLO", Act::Close, false),
        ("MAIL", Act::Close, false),
        ("MAIL", Act::Stall, false),
        ("RCPT", Act::Last("421 4.4.2 shutting down"), false),
        ("RCPT", Act::Close, true),
        ("DATA", Act::Close, true),
        ("DATA", Act::Stall, true),
        ("DATA", Act::Say("250 what?"), true),
    ];
    for (word, act, costs_an_attempt) in cases {
        for script in both_ways(&[(word, act)]) {
            let (_server, smtp) = plain(script).await;
            let outcome = smtp.send(&mail()).await;
            match &outcome {
                Answer::Retry { .. } => assert!(costs_an_attempt, "{word} {act:?}: {outcome:?}"),
                Answer::Busy { .. } => assert!(!costs_an_attempt, "{word} {act:?}: {outcome:?}"),
                _ => panic!("{word} {act:?}: {outcome:?}"),
            }
            assert!(accepted(&smtp.send(&mail()).await), "the next mail, after {word} {act:?}");
        }
    }
    for act in [Act::Close, Act::Stall, Act::Say("354 again?"), Act::Say("nonsense")] {
        let (_server, smtp) = plain(vec![(".", act)]).await;
        let outcome = smtp.send(&mail()).await;
        assert!(matches!(outcome, Answer::Uncertain { .. }), "{act:?}: {outcome:?}");
        assert!(accepted(&smtp.send(&mail()).await), "the next mail, after {act:?}");
    }
    let (_server, smtp) = plain(vec![(".", Act::Last("421 4.3.0 not taken"))]).await;
    assert!(matches!(smtp.send(&mail()).await, Answer::Retry { .. }));
}

#[tokio::test]
async fn a_body_that_does_not_get_through_was_not_accepted() {
    let (_server, smtp) = plain(vec![("BODY", Act::Stall)]).await;
    // More than the socket's buffers take.
    let big = Email { html: "0123456789\n".repeat(1_000_000), ..mail() };
    assert!(matches!(smtp.send(&big).await, Answer::Retry { .. }));
}

#[tokio::test]
async fn nobody_listens() {
    let (server, _) = plain(vec![]).await;
    let gone = SmtpConfig { port: 1, ..config(&server) };
    assert!(matches!(Smtp::new(&gone).unwrap().send(&mail()).await, Answer::Busy { .. }));
}

#[tokio::test]
async fn a_stale_connection_costs_no_attempt() {
    // The second mail meets a connection that: was closed after the first; says 421; says nothing.
    for act in [Act::Close, Act::Last("421 4.4.2 idle too long"), Act::Stall] {
        let server = Server::start(Tls::None, vec![("MAIL", Act::Say("250 ok")), ("MAIL", act)]).await;
        let smtp =
            Smtp::new(&SmtpConfig { send_deadline_s: 5, connect_timeout_s: 1, ..config(&server) }).unwrap();
        assert!(accepted(&smtp.send(&mail()).await));
        assert!(accepted(&smtp.send(&mail()).await), "{act:?}");
        assert_eq!((server.count("0 MAIL"), server.count("1 MAIL")), (2, 1), "{act:?}");
    }
    let (server, smtp) = plain(vec![(".", Act::Last("250 ok, and goodbye"))]).await;
    assert!(accepted(&smtp.send(&mail()).await));
    assert!(accepted(&smtp.send(&mail()).await));
    assert_eq!((server.count("0 BODY"), server.count("1 BODY")), (1, 1));
}

#[tokio::test]
async fn tls_of_both_kinds() {
    for tls in [Tls::Implicit, Tls::Starttls] {
        for host in ["localhost", "127.0.0.1"] {
            let server = Server::start(tls, vec![]).await;
            let trusting = SmtpConfig {
                host: host.to_owned(),
                tls,
                ca_file: Some(data("ca.pem")),
                username: Some("shop".to_owned()),
                password: Some(Secret::new("pass")),
                ..config(&server)
            };
            let smtp = Smtp::new(&trusting).unwrap();
            for _ in 0..2 {
                let outcome = smtp.send(&mail()).await;
                assert!(accepted(&outcome), "{tls:?} {outcome:?}");
            }
            assert_eq!(
                (server.count("0 AUTH PLAIN AHNob3AAcGFzcw=="), server.count("1 ")),
                (1, 0),
                "{tls:?}"
            );
            let words = EmailChannel::Smtp(smtp).check().await.unwrap();
            assert!(words.ends_with(" answers, encrypted with TLS 1.3, signed in"), "{words}");

            let wary = SmtpConfig { ca_file: None, ..trusting };
            let outcome = Smtp::new(&wary).unwrap().send(&mail()).await;
            assert!(matches!(outcome, Answer::ProviderRefused { .. }), "{tls:?} {outcome:?}");
        }
    }
}

#[tokio::test]
async fn starttls_is_required_and_clean() {
    let server = Server::start(Tls::None, vec![]).await;
    let secure = SmtpConfig { tls: Tls::Starttls, ca_file: Some(data("ca.pem")), ..config(&server) };
    assert!(matches!(Smtp::new(&secure).unwrap().send(&mail()).await, Answer::ProviderRefused { .. }));
    assert_eq!(server.count("0 MAIL"), 0);

    let injected = Act::Say("220 go ahead\r\n250 injected");
    let server = Server::start(Tls::Starttls, vec![("STARTTLS", injected)]).await;
    let secure = SmtpConfig { port: server.port, ..secure };
    assert!(matches!(Smtp::new(&secure).unwrap().send(&mail()).await, Answer::ProviderRefused { .. }));
}

#[tokio::test]
async fn a_refused_sign_in_is_about_us() {
    let server = Server::start(Tls::None, vec![("AUTH", Act::Say("535 5.7.8 bad credentials"))]).await;
    let named = SmtpConfig {
        username: Some("shop".to_owned()),
        password: Some(Secret::new("hunter2")),
        ..config(&server)
    };
    let smtp = Smtp::new(&named).unwrap();
    let expected = Answer::ProviderRefused { reply: "535 5.7.8 bad credentials".to_owned() };
    assert_eq!(smtp.send(&mail()).await, expected);
    assert!(!format!("{named:?}{smtp:?}").contains("hunter2"));

    let server = Server::start(Tls::None, vec![("EHLO", Act::Say("250 sink"))]).await;
    let named = SmtpConfig { port: server.port, ..named };
    assert!(matches!(Smtp::new(&named).unwrap().send(&mail()).await, Answer::ProviderRefused { .. }));
}

#[tokio::test]
async fn addresses_outside_ascii_need_a_server_that_takes_them() {
    let foreign = Email { to: "josé@example.com".to_owned(), ..mail() };
    let (server, smtp) = plain(vec![]).await;
    assert!(matches!(smtp.send(&foreign).await, Answer::Refused { bad_address: false, .. }));
    assert_eq!(server.count("0 MAIL"), 0);
    let (server, smtp) = plain(vec![("EHLO", Act::Say("250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8"))]).await;
    assert!(accepted(&smtp.send(&foreign).await));
    assert_eq!(
        server.count("0 MAIL FROM:<shop@shop.example> SMTPUTF8 BODY=8BITMIME"),
        1,
        "{:?}",
        server.log()
    );
}

#[test]
fn configurations_that_do_not_hold_together() {
    let base = SmtpConfig::default();
    let name = Some("shop".to_owned());
    let password = Some(Secret::new("x"));
    let cases = [
        (SmtpConfig { username: name.clone(), ..base.clone() }, "password go together"),
        (
            SmtpConfig {
                host: "mail.example.com".to_owned(),
                tls: Tls::None,
                username: name,
                password,
                ..base.clone()
            },
            "readable by anyone",
        ),
        (SmtpConfig { ca_file: Some("/nowhere/ca.pem".into()), ..base.clone() }, "ca_file /nowhere/ca.pem"),
        (SmtpConfig { ca_file: Some(data("server.key")), ..base.clone() }, "holds no certificate"),
        (SmtpConfig { envelope_from: Some("bounces".to_owned()), ..base.clone() }, "`bounces`"),
        (SmtpConfig { hello_name: Some("a\r\nb".to_owned()), ..base }, "not a host name"),
    ];
    for (config, expected) in cases {
        let error = Smtp::new(&config).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn configuration_as_text() {
    let text = r#"
        host = "smtp.example.com"
        port = 465
        tls = "implicit"
        username = "u"
        password = "p"
        [[dkim]]
        domain = "shop.example"
        selector = "s1"
        algorithm = "ed25519-sha256"
        private_key_file = "k.pem"
        [domains."gmail.com"]
        max_rate = 20
        max_connections = 2
    "#;
    let config: SmtpConfig = toml::from_str(text).unwrap();
    assert_eq!(config.limits().domains["gmail.com"].max_rate, Some(20.0));
    assert_eq!((config.tls, config.connections, config.dkim.len()), (Tls::Implicit, 4, 1));
    assert!(toml::from_str::<SmtpConfig>("hosts = 1").is_err());
}
