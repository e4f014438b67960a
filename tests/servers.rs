//! The test servers themselves: each starts, does one round trip, can be crashed and brought back, and leaves
//! nothing behind.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lapin::options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use sqlx::{Connection as _, PgConnection};

use support::postgres::Postgres;
use support::rabbit::Rabbit;
use support::smtp::{Sink, SmtpSink};
use support::{Folder, python, run, wait_until};

#[tokio::test]
async fn postgres_gives_each_test_a_database_and_survives_a_crash() {
    let (one, other) = (Postgres::shared().database(), Postgres::shared().database());
    assert_ne!(one, other);
    let mut connection = PgConnection::connect(&one).await.unwrap();
    let number: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await.unwrap();
    assert_eq!(number, 1);

    let mut own = Postgres::start();
    let database = own.database();
    let name = database.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    own.psql(&name, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)");
    own.crash();
    assert!(PgConnection::connect(&database).await.is_err());
    own.start_again();
    assert_eq!(own.psql(&name, "SELECT n FROM kept").trim(), "42");
    gone_after(own.pid(), &folder_of(own.pid()), || drop(own));
}

#[tokio::test]
async fn rabbit_carries_events_in_every_shape_and_survives_a_crash() {
    let mut rabbit = Rabbit::start();
    let vhost = rabbit.vhost();
    let folder = Folder::new("publish");
    let file = folder.join("events.ndjson");
    let event = |n: u32| {
        format!(
            r#"{{"specversion":"1.0","id":"e{n}","source":"/shop","type":"order.placed","subject":"c-1",
            "time":"2026-11-22T10:00:00Z","data":{{"total":{n}}}}}"#
        )
        .replace("\n            ", "")
    };
    let lines: Vec<String> = (0..4).map(event).chain(["not json".to_owned()]).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let mut publish = python("publish.py");
    publish.args(["--url", &vhost, "--exchange", "shop", "--declare", "topic", "--declare-queue", "events"]);
    let printed = run(publish.args(["--mode", "mixed"]).arg(&file));
    assert_eq!(printed.trim(), r#"{"published": 5, "unroutable": 0}"#);

    // See `crash`: the queue is new.
    std::thread::sleep(Duration::from_millis(1500));
    rabbit.crash();
    rabbit.start_again();
    let connection = Connection::connect(&vhost, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, durable: true, ..Default::default() };
    // A quorum queue needs a moment to elect its leader again.
    let mut bodies = Vec::new();
    for _ in 0..200 {
        let got = channel.basic_get("events".into(), BasicGetOptions::default()).await;
        match got.expect("the queue is there") {
            Some(message) => {
                let kind = message.properties.content_type().as_ref().map(|kind| kind.to_string());
                let headers = message.properties.headers().as_ref().map_or(0, |headers| {
                    headers.inner().keys().filter(|name| name.as_str().starts_with("cloudEvents")).count()
                });
                bodies.push((
                    kind.unwrap_or_default(),
                    headers,
                    String::from_utf8_lossy(&message.data).into_owned(),
                ));
                message.acker.ack(BasicAckOptions::default()).await.unwrap();
            }
            None if bodies.len() == 5 => break,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    let structured = "application/cloudevents+json".to_owned();
    let json = "application/json".to_owned();
    let expected = [
        (structured.clone(), 0, event(0)),
        (json.clone(), 6, r#"{"total": 1}"#.to_owned()),
        (json.clone(), 0, event(2)),
        (json, 6, r#"{"total": 3}"#.to_owned()),
        (structured, 0, "not json".to_owned()),
    ];
    assert_eq!(bodies, expected);
    channel.queue_declare("events".into(), passive, FieldTable::default()).await.unwrap();

    rabbit.close_connections();
    gone_after(rabbit.pid(), &folder_of(rabbit.pid()), || drop(rabbit));
}

#[test]
fn the_sink_keeps_mails_and_refuses_when_asked() {
    let sink = Sink::start();
    let mut client = Smtp::connect(sink.port);
    assert_eq!(client.mail("shop@example.com", "alice@example.com"), "250 2.0.0 kept as 1");
    assert_eq!(
        client.mail("shop@example.com", "rcpt-550-5.1.1+bob@example.com"),
        "550 5.1.1 as the address asks for"
    );
    assert_eq!(
        client.mail("shop@example.com", "once-451-4.7.1@example.com"),
        "451 4.7.1 as the address asks for"
    );
    assert_eq!(client.mail("shop@example.com", "once-451-4.7.1@example.com"), "250 2.0.0 kept as 2");
    assert_eq!(
        client.mail("shop@example.com", "data-554-5.7.1@example.com"),
        "554 5.7.1 as the address asks for"
    );
    assert_eq!(
        client.mail("mail-550-5.7.1@example.com", "a@example.com"),
        "550 5.7.1 as the address asks for"
    );
    assert_eq!(client.mail("shop@example.com", "drop@example.com"), "");
    sink.behave(&[("connect", "554 5.7.1 go away")]);
    assert_eq!(Smtp::greeting(sink.port), "554 5.7.1 go away");
    sink.behave(&[]);
    assert_eq!(Smtp::connect(sink.port).mail("shop@example.com", "z@example.com"), "250 2.0.0 kept as 4");

    let mails = sink.wait_for(4, Duration::from_secs(5));
    assert_eq!(mails[0].envelope["from"], "shop@example.com");
    assert_eq!(mails[0].envelope["to"][0], "alice@example.com");
    assert_eq!(mails[2].envelope["answered"], false);
    assert!(mails[0].raw.ends_with(b"\r\n.hello\r\n"), "dot-stuffing is undone");

    let facts = run(python("check_mail.py").arg(sink.folder()));
    let first: serde_json::Value = serde_json::from_str(facts.lines().next().unwrap()).unwrap();
    assert_eq!(facts.lines().count(), 4);
    assert_eq!(first["subject"], "Été");
    assert_eq!(first["date"], "2026-11-22T09:00:00Z");
    assert_eq!(first["text"], ".hello\n");
    assert_eq!(first["parts"], serde_json::json!(["text/plain"]));
    assert_eq!(first["defects"], serde_json::json!([]));
}

#[test]
fn the_fast_sink_takes_mail_too() {
    let sink = SmtpSink::start();
    let answer = Smtp::connect(sink.port).mail("shop@example.com", "alice@example.com");
    assert!(answer.starts_with("250 "), "{answer}");
}

/// Just enough of an SMTP client to see the sinks' answers.
struct Smtp {
    stream: BufReader<TcpStream>,
}

impl Smtp {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut client = Self { stream: BufReader::new(stream) };
        assert!(client.answer().starts_with("220 "));
        assert!(client.say("EHLO test.example").starts_with("250 "));
        client
    }

    fn greeting(port: u16) -> String {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        Self { stream: BufReader::new(stream) }.answer()
    }

    /// Sends one mail; returns the first refusal, or the answer to its final dot (empty: none came).
    fn mail(&mut self, from: &str, to: &str) -> String {
        let mail = "From: shop@example.com\r\nTo: alice@example.com\r\nSubject: =?utf-8?q?=C3=89t=C3=A9?=\r\n\
                    Date: Sun, 22 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.com>\r\n\
                    MIME-Version: 1.0\r\n\r\n..hello\r\n.";
        for line in [&format!("MAIL FROM:<{from}>"), &format!("RCPT TO:<{to}>"), "DATA"] {
            let answer = self.say(line);
            if !answer.starts_with(['2', '3']) {
                self.say("RSET");
                return answer;
            }
        }
        self.say(mail)
    }

    fn say(&mut self, line: &str) -> String {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.answer()
    }

    /// The last line of an answer.
    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let _ = self.stream.read_line(&mut line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end_matches(['\r', '\n']).to_owned();
            }
        }
    }
}

/// The folder a server works in.
fn folder_of(pid: Option<u32>) -> PathBuf {
    // PostgreSQL moves into its data folder, so the folder is found by our prefix.
    let here = std::fs::read_link(format!("/proc/{}/cwd", pid.unwrap())).unwrap();
    let ours = |path: &&Path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("declic_"));
    here.ancestors().find(ours).expect("a folder of ours").to_owned()
}

/// Runs `stop`; fails if a process of the server's session or its folder is left afterwards.
fn gone_after(pid: Option<u32>, folder: &Path, stop: impl FnOnce()) {
    let session = pid.unwrap();
    let processes = || -> Vec<String> {
        let mentions = |pid: &str| {
            // A stat line is "pid (name) state parent group session …", and a name may hold spaces.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit(')').next().unwrap_or_default().split(' ').collect::<Vec<_>>();
            let ours = fields.get(4).is_some_and(|id| *id == session.to_string());
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            ours || line.contains(&*folder.to_string_lossy())
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter_map(|e| e.file_name().into_string().ok())
            .filter(|name| name.parse::<u32>().is_ok() && mentions(name))
            .collect()
    };
    assert!(!processes().is_empty(), "the server was seen running");
    stop();
    assert!(wait_until(Duration::from_secs(5), || processes().is_empty()), "left: {:?}", processes());
    assert!(!folder.exists(), "{} is left", folder.display());
}
