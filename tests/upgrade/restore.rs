//! A database set back to an earlier point by the database's own tools, on both dialects: after `declic restored`, and
//! with all events delivered again, no marketing or service mail goes out a second time.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::rolling::settled;
use super::support::postgres::Postgres;
use super::support::run;
use super::support::shop::Shop;
use super::{
    MORNING, cart, fate, is_postgres, mails_to, on_each_database, order, signed_up, small_shop, sqlite,
    withdrawal,
};

/// The clock stands still where a test puts it.
fn still(time: &str) -> String {
    format!("start = 2026-11-23T{time}Z\nend = 2026-11-23T{time}Z")
}

/// The shop on one dialect, and its back-up.
struct Kept {
    shop: Shop,
    database: String,
    backup: PathBuf,
}

impl Kept {
    fn open(database: &str) -> Self {
        let shop = small_shop(database, &still("09:30:00"));
        run(shop.declic().arg("migrate"));
        let backup = shop.folder.join("backup");
        Self { shop, database: database.to_owned(), backup }
    }

    /// Takes a back-up of the database in use, as docs/backup.md says.
    fn back_up(&self) {
        if is_postgres(&self.database) {
            let dump = Postgres::shared().dump(&self.shop.database, &["--no-owner"]);
            std::fs::write(&self.backup, dump).expect("the dump is kept");
            return;
        }
        sqlite(&self.shop.folder.join("shop.db"), format!("VACUUM INTO '{}'", self.backup.display()));
    }

    /// Puts the back-up in the place of the database.
    fn restore(&self) {
        let (shop, server) = (&self.shop, Postgres::shared());
        if is_postgres(&self.database) {
            server.psql("postgres", &format!("DROP DATABASE {0}", shop.database));
            server.psql("postgres", &format!("CREATE DATABASE {0}", shop.database));
            server.load(&shop.database, &self.backup);
            return;
        }
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(shop.folder.join(&format!("shop.db{end}")));
        }
        std::fs::copy(&self.backup, shop.folder.join("shop.db")).expect("the back-up is put back");
    }

    /// Lets a worker do all that is due at `time`, after these events.
    fn work(&self, time: &str, events: &[String]) -> Vec<Value> {
        self.shop.set_clock(&still(time));
        let worker = self.shop.start();
        if !events.is_empty() {
            self.shop.post(events);
        }
        // What is due at a clock that stands still is done within a few rounds.
        std::thread::sleep(Duration::from_secs(3));
        let due = |m: &Value| m["due_at"].as_str() <= Some(&format!("2026-11-23T{time}Z"));
        let messages = self.shop.wait_for(Duration::from_secs(60), |all| {
            settled(&all.iter().filter(|m| due(m)).cloned().collect::<Vec<_>>())
        });
        assert!(worker.terminate(Duration::from_secs(25)).success());
        messages
    }

    fn restored(&self, time: &str, arguments: &[&str]) -> String {
        self.shop.set_clock(&still(time));
        run(self.shop.declic().args(["restored", "--taken-at", "2026-11-23T09:40:00Z"]).args(arguments))
    }
}

/// The morning: alice is written to before the back-up; bob, carol and dave after it. Erin's cart is open at the end.
fn before() -> Vec<String> {
    vec![signed_up("alice", MORNING), cart("alice", "2026-11-23T09:05:00Z")]
}

fn after() -> Vec<String> {
    vec![
        signed_up("bob", "2026-11-23T09:45:00Z"),
        cart("bob", "2026-11-23T09:50:00Z"),
        // This one is late: it tells of what was before the back-up.
        signed_up("carol", "2026-11-23T09:35:00Z"),
        signed_up("dave", "2026-11-23T09:45:00Z"),
        order("dave", "2026-11-23T09:55:00Z"),
        signed_up("frank", "2026-11-23T09:45:00Z"),
        cart("frank", "2026-11-23T10:30:00Z"),
        withdrawal("frank", "2026-11-23T10:40:00Z"),
        signed_up("erin", "2026-11-23T09:45:00Z"),
        cart("erin", "2026-11-23T11:30:00Z"),
    ]
}

const SENT_AT_LEAST_ONCE: [(&str, &str); 8] = [
    ("alice", "welcome"),
    ("alice", "reminder"),
    ("bob", "welcome"),
    ("bob", "reminder"),
    ("carol", "welcome"),
    ("dave", "welcome"),
    ("frank", "welcome"),
    ("erin", "welcome"),
];

/// Works until noon, takes the back-up at 09:40, and loses all that came after it.
fn lose_a_morning(kept: &Kept) {
    kept.work("09:30:00", &before());
    kept.back_up();
    let messages = kept.work("12:00:00", &after());
    assert_eq!(fate(&messages, "frank", "reminder"), "suppressed consent_withdrawn");
    for (customer, rule) in SENT_AT_LEAST_ONCE {
        assert_eq!(mails_to(&kept.shop, customer, rule), 1, "{customer} {rule}");
    }
    assert_eq!(mails_to(&kept.shop, "dave", "receipt"), 1);
    kept.restore();
}

#[test]
fn nothing_that_may_have_been_sent_is_sent_again() {
    on_each_database(|database| {
        let kept = Kept::open(database);
        lose_a_morning(&kept);
        if is_postgres(&kept.database) {
            let started = kept.shop.declic().arg("run").output().expect("declic");
            assert_eq!(started.status.code(), Some(3));
            let words = String::from_utf8_lossy(&started.stderr).into_owned();
            assert!(words.contains("declic restored"), "{words}");
            let doctor = kept.shop.declic().arg("doctor").output().expect("declic");
            assert!(String::from_utf8_lossy(&doctor.stdout).contains("WRONG database"), "{doctor:?}");
        }
        let told = kept.restored("12:10:00", &[]);
        assert!(told.contains("0 are known to be sent, 0 may have been"), "{told}");
        let messages = kept.work("14:00:00", &[before(), after()].concat());
        for (customer, rule) in SENT_AT_LEAST_ONCE {
            assert_eq!(mails_to(&kept.shop, customer, rule), 1, "{customer} {rule}");
        }
        assert_eq!(fate(&messages, "alice", "welcome"), "sent");
        for (customer, rule) in &SENT_AT_LEAST_ONCE[1..] {
            assert_eq!(fate(&messages, customer, rule), "uncertain restored", "{customer} {rule}");
        }
        // A contract's goes again, under the same Message-ID; what a word forbids does not; what is new goes.
        assert_eq!(fate(&messages, "dave", "receipt"), "sent");
        assert_eq!(mails_to(&kept.shop, "dave", "receipt"), 2);
        let receipts: Vec<String> =
            kept.shop.sink.mails().iter().filter_map(message_id_of_a_receipt).collect();
        assert_eq!(receipts[0], receipts[1]);
        assert_eq!(fate(&messages, "frank", "reminder"), "suppressed consent_withdrawn");
        assert_eq!(fate(&messages, "erin", "reminder"), "sent");
        assert_eq!(mails_to(&kept.shop, "erin", "reminder"), 1);
    });
}

fn message_id_of_a_receipt(mail: &super::support::smtp::Mail) -> Option<String> {
    let raw = String::from_utf8_lossy(&mail.raw).into_owned();
    let is = raw.lines().any(|line| line == "Subject: A receipt");
    let id = raw.lines().find(|line| line.to_ascii_lowercase().starts_with("message-id:")).map(str::to_owned);
    id.filter(|_| is)
}

#[test]
fn a_list_of_what_was_sent_lets_the_rest_go() {
    on_each_database(|database| {
        let kept = Kept::open(database);
        lose_a_morning(&kept);
        // The mail server's log names all but bob's: he was not written to, as far as it knows.
        let ids: Vec<String> = kept
            .shop
            .sink
            .mails()
            .iter()
            .filter(|mail| !mail.envelope["to"].to_string().contains("bob@"))
            .filter_map(|mail| {
                let raw = String::from_utf8_lossy(&mail.raw).into_owned();
                let id = raw
                    .lines()
                    .find_map(|l| l.to_ascii_lowercase().strip_prefix("message-id: ").map(str::to_owned));
                Some(id?.trim().to_owned())
            })
            .collect();
        assert!(ids.len() >= 7, "{ids:?}");
        let file = kept.shop.folder.join("sent");
        std::fs::write(&file, ids.join("\n")).expect("the list is written");
        kept.restored("12:10:00", &["--sent", file.to_str().expect("a path")]);
        let messages = kept.work("14:00:00", &[before(), after()].concat());
        for (customer, rule) in SENT_AT_LEAST_ONCE.iter().filter(|(customer, _)| *customer != "bob") {
            assert_eq!(mails_to(&kept.shop, customer, rule), 1, "{customer} {rule}");
            assert_eq!(fate(&messages, customer, rule), "sent", "{customer} {rule}");
        }
        assert_eq!(mails_to(&kept.shop, "dave", "receipt"), 1, "known to be sent, so not again");
        for rule in ["welcome", "reminder"] {
            assert_eq!(fate(&messages, "bob", rule), "sent");
            assert_eq!(mails_to(&kept.shop, "bob", rule), 2, "not on the list, so sent");
        }
    });
}

#[test]
fn a_wrong_instant_is_refused_and_what_waited_is_settled() {
    on_each_database(|database| {
        let kept = Kept::open(database);
        // A mail that waits for its second try when the back-up is taken, and goes out after it.
        kept.shop.sink.behave(&[("rcpt", "450 4.2.1 come back later")]);
        kept.shop.set_clock(&still("09:30:00"));
        let worker = kept.shop.start();
        kept.shop.post(&[signed_up("alice", MORNING), order("alice", "2026-11-23T09:10:00Z")]);
        kept.shop.wait_for(Duration::from_secs(30), |all| {
            all.len() == 2 && all.iter().all(|m| m["state"] == "pending" && m["attempts"].as_u64() > Some(0))
        });
        assert!(worker.terminate(Duration::from_secs(25)).success());
        kept.back_up();
        kept.shop.sink.behave(&[]);
        kept.work("10:00:00", &[]);
        assert_eq!(mails_to(&kept.shop, "alice", "welcome"), 1);
        kept.restore();

        kept.shop.set_clock(&still("10:10:00"));
        for (instant, words) in
            [("2026-11-23T09:00:00Z", "an event that came in at"), ("2026-11-24T09:00:00Z", "future")]
        {
            let refused =
                kept.shop.declic().args(["restored", "--taken-at", instant]).output().expect("declic");
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            assert!(String::from_utf8_lossy(&refused.stderr).contains(words), "{refused:?}");
        }
        let told = kept.restored("10:10:00", &[]);
        assert!(told.contains("1 may have been and are not sent again"), "{told}");
        let messages = kept.work("11:00:00", &[]);
        assert_eq!(fate(&messages, "alice", "welcome"), "uncertain restored");
        assert_eq!(fate(&messages, "alice", "receipt"), "sent");
        assert_eq!(mails_to(&kept.shop, "alice", "welcome"), 1);
        assert_eq!(mails_to(&kept.shop, "alice", "receipt"), 2, "a contract's goes again");
    });
}
