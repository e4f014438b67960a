//! A shop for one crash: a rule for each way that a message can be due, and what became of the one it sent.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::smsc::Smsc;
use crate::support::rabbit::Rabbit;
use crate::support::shop::{Shop, Worker, event, lines};
use crate::support::{now, run, wait_until};

/// Rules run twenty times as fast as the wall, so that a retry after half a minute is a test of seconds.
const CLOCK: &str = "speed = 20.0";

/// Seconds that a claim lasts, and a hand-over at most: the shortest that go together.
pub const LEASE: u64 = 7;

/// How long anything may take, on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(120);

const POLICY: &str = "default_locale: en\ndefault_timezone: UTC\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 Main Street }\n\
    sms: { sender: Shop }\n";

const MAIL: &str = "---\nsubject: Hello\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>\
    {{#if promo_code}}{{promo_code.code}}{{/if}} {{#if unsubscribe_url}}{{unsubscribe_url}}{{/if}}</mj-text></mj-column></mj-section></mj-body></mjml>\n";

/// (rule, event type, purpose, what comes before the send, what is sent)
const RULES: [(&str, &str, &str, &str, &str); 5] = [
    ("news", "news.wanted", "marketing", "", "email: hello"),
    (
        "offer",
        "offer.wanted",
        "marketing",
        "promo_code: { prefix: AB, discount: 10%, valid_for: 7d }",
        "email: hello",
    ),
    ("later", "later.wanted", "marketing", "wait: 1h", "email: hello"),
    ("receipt", "order.placed", "transactional", "", "email: hello"),
    ("text", "parcel.sent", "transactional", "", "sms: hello"),
];

pub struct Town {
    pub shop: Shop,
    pub smsc: Option<Smsc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Postgres,
    Sqlite,
}

impl Town {
    pub fn open(database: Database, rule: &str) -> Self {
        let smsc =
            (rule == "text").then(|| Smsc::start(&json!({ "receipts": true, "receipt_delay_ms": 2000 })));
        let smpp = smsc.as_ref().map_or(String::new(), |smsc| {
            format!(
                "[smpp]\nhost = '127.0.0.1'\nport = {}\nsystem_id = 'shop'\npassword = 'secret'\nsend_deadline_s = 2\n",
                smsc.port
            )
        });
        let mut shop = Shop::open_with(
            &format!("send_deadline_s = 2\n{smpp}[worker]\nlease_s = {LEASE}\nshutdown_deadline_s = 5\n"),
            CLOCK,
        );
        if database == Database::Sqlite {
            shop.set("DECLIC_DATABASE__URL", "sqlite:shop.db");
            run(shop.declic().arg("migrate"));
        }
        let mut files = vec![
            ("rules/policy.yaml".to_owned(), POLICY.to_owned()),
            ("templates/hello/email.en.mjml".to_owned(), MAIL.to_owned()),
            ("templates/hello/sms.en.txt".to_owned(), "Your parcel has left.\n".to_owned()),
        ];
        if rule == "daily" {
            files.push(("rules/daily.yaml".to_owned(), DAILY.to_owned()));
        }
        files.extend(RULES.iter().map(|rule| (format!("rules/{}.yaml", rule.0), written(rule))));
        let files: Vec<(&str, String)> =
            files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
        shop.replace_files(&files);
        Rabbit::shared().keep_outcomes(shop.vhost());
        Self { shop, smsc }
    }

    /// Starts a worker with a failpoint, or none.
    pub fn start(&self, name: &str, failpoint: &str) -> Worker {
        self.shop.spawn(name, &[("DECLIC_FAILPOINTS", failpoint)])
    }

    /// Publishes one customer and the event that the rule waits for; `daily` waits for none.
    pub fn tell(&self, rule: &str) {
        let now = if comes_at_eleven(rule) { TEN.to_owned() } else { now() };
        let profile = json!({"email": "alice@example.com", "phone": "+33612345678", "consents": [
            {"channel": "email", "purpose": "marketing", "status": "granted", "source": "form"}]});
        let mut events = vec![event("1", "customer.signed_up", "alice", &now, profile)];
        if let Some((_, kind, ..)) = RULES.iter().find(|r| r.0 == rule) {
            events.push(event("2", kind, "alice", &now, json!({})));
        }
        self.shop.publish(&events);
    }

    /// Publishes what cannot be used.
    pub fn tell_nonsense(&self) {
        self.shop.publish(&["this is not JSON".to_owned()]);
    }

    /// Waits until the only message is in a state, and returns it.
    pub fn wait_for(&self, state: &str, words: &str) -> Value {
        let mut messages = Vec::new();
        let came = wait_until(PATIENCE, || {
            std::thread::sleep(Duration::from_millis(600));
            messages = self.messages();
            messages.len() == 1 && messages[0]["state"] == state
        });
        assert!(came, "{words}: not {state}: {messages:#?}");
        messages.remove(0)
    }

    /// All messages. Asked again where the command finds SQLite locked for longer than it waits: a busy machine is not
    /// what this is about.
    pub fn messages(&self) -> Vec<Value> {
        let mut listed = None;
        let came = wait_until(PATIENCE, || {
            let mut list = self.shop.declic();
            let output =
                list.args(["messages", "list", "--format", "ndjson"]).output().expect("declic starts");
            listed = output.status.success().then(|| lines(&String::from_utf8_lossy(&output.stdout)));
            listed.is_some()
        });
        assert!(came, "the messages cannot be listed");
        listed.expect("it came")
    }

    /// What the shop was told: each outcome by its id, however often it came.
    pub fn outcomes(&self) -> BTreeSet<String> {
        Rabbit::shared().outcomes(self.shop.vhost()).into_iter().collect()
    }

    /// Mails, or SMS, that their provider has taken.
    pub fn taken(&self) -> usize {
        match &self.smsc {
            Some(smsc) => smsc.accepted().len(),
            None => self.shop.sink.mails().len(),
        }
    }
}

/// Waits until a worker is ready, which declares exchange and queue, or gone.
pub fn wait_until_ready(worker: &mut Worker, words: &str) {
    let ready = wait_until(PATIENCE, || worker.is_healthy() || !worker.is_running());
    assert!(ready, "{words}: not ready:\n{}", worker.log());
}

/// Waits until a worker has met a failpoint: for a kill, until it is gone.
pub fn wait_for_failpoint(worker: &mut Worker, words: &str) {
    let met = wait_until(PATIENCE, || {
        let log = worker.log();
        log.contains(": SIGSTOP") || (log.contains(": SIGKILL") && !worker.is_running())
    });
    assert!(met, "{words}: the failpoint is not met:\n{}", worker.log());
}

/// What is due an hour after ten: a schedule, and what has waited since then. Each is taken in by a clock that starts at
/// [`AT_TEN`], and comes two seconds after one that starts at [`BEFORE_ELEVEN`], on a machine however slow.
pub fn comes_at_eleven(rule: &str) -> bool {
    ["daily", "later"].contains(&rule)
}

const DAILY: &str = "rule: daily\npurpose: service\n\
    trigger: { schedule: \"0 11 * * *\", timezone: UTC, audience: \"customer.email != ''\" }\n\
    steps: [{ send: { email: hello } }]\n";

const TEN: &str = "2026-11-23T10:00:00Z";
pub const AT_TEN: &str = "start = 2026-11-23T10:00:00Z";
pub const BEFORE_ELEVEN: &str = "start = 2026-11-23T10:59:58Z";

fn written((rule, kind, purpose, before, send): &(&str, &str, &str, &str, &str)) -> String {
    let before = if before.is_empty() { String::new() } else { format!("  - {before}\n") };
    format!(
        "rule: {rule}\npurpose: {purpose}\ntrigger: {{ event: {kind} }}\nsteps:\n{before}  - send: {{ {send} }}\n"
    )
}
