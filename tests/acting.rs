//! What operators do while workers run: pause and resume, the kill switch, drain, retry, cancel; and the log of it.

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use declic::clock::Clock;
use serde_json::{Value, json};

use support::shop::{Shop, event};
use support::smtp::SmtpSink;
use support::{Folder, run, wait_until};

/// Real time from Monday, eleven in the morning in Paris.
const CLOCK: &str = "start = 2026-11-23T10:00:00Z";

const TIME: &str = "2026-11-23T10:00:00Z";

const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n";

const MAIL: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{unsubscribe_url}}</mj-text>\
    </mj-column></mj-section></mj-body></mjml>\n";

/// Hand-overs that a worker may have begun when it hears of a pause.
const UNDER_WAY: usize = 20;

/// A shop of two rules: who signs up is welcomed, who orders is thanked.
fn shop() -> Shop {
    let shop = Shop::open(CLOCK);
    let rule = |name: &str, on: &str| {
        format!(
            "rule: {name}\npurpose: marketing\ntrigger: {{ event: {on} }}\nre_entry: always\n\
             steps: [{{ send: {{ email: m }} }}]\n"
        )
    };
    shop.replace_files(&[
        ("rules/policy.yaml", POLICY.to_owned()),
        ("rules/welcome.yaml", rule("welcome", "customer.signed_up")),
        ("rules/thanks.yaml", rule("thanks", "order.placed")),
        ("templates/m/email.fr.mjml", MAIL.to_owned()),
    ]);
    shop
}

/// Postfix's sink, which is fast, with all mails in one file.
struct FastSink {
    _server: SmtpSink,
    folder: Folder,
}

impl FastSink {
    /// Takes all mail of the shop from now on.
    fn of(shop: &mut Shop) -> Self {
        let folder = Folder::new("mails");
        // The sink runs under an account of its own.
        let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(), anybody).expect("its rights");
        let file = folder.join("mails");
        let server = SmtpSink::with(&["-D", file.to_str().expect("a name")]);
        shop.set("DECLIC_SMTP__PORT", server.port);
        Self { _server: server, folder }
    }

    /// The Message-IDs of all mails that were taken, as often as they came.
    fn mails(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("mails")).unwrap_or_default();
        text.lines().filter(|line| line.starts_with("Message-ID:")).map(str::to_owned).collect()
    }

    fn wait_for(&self, count: usize, limit: Duration) {
        let came = wait_until(limit, || self.mails().len() >= count);
        assert!(came, "{} of {count} mails after {limit:?}", self.mails().len());
    }

    /// Waits a second, when nothing may be begun any more, and a while longer: what comes after it was under way.
    fn nothing_comes(&self) -> usize {
        std::thread::sleep(Duration::from_secs(1));
        let then = self.mails().len();
        std::thread::sleep(Duration::from_secs(3));
        let now = self.mails().len();
        assert!(now - then <= UNDER_WAY, "{} mails came later than a second after the pause", now - then);
        now
    }

    /// All of them, which must be so many, each once.
    fn each_once(&self, count: usize) {
        self.wait_for(count, Duration::from_secs(600));
        std::thread::sleep(Duration::from_secs(1));
        let mails = self.mails();
        assert_eq!((mails.len(), mails.iter().collect::<BTreeSet<_>>().len()), (count, count), "each once");
    }
}

fn signs_up(customer: &str, email: &str) -> String {
    signs_up_at(TIME, customer, email)
}

fn signs_up_at(time: &str, customer: &str, email: &str) -> String {
    let word = json!([{"channel": "email", "purpose": "marketing", "status": "granted"}]);
    let profile = json!({"email": email, "consents": word});
    event(&format!("s-{customer}"), "customer.signed_up", customer, time, profile)
}

fn orders(customer: &str) -> String {
    event(&format!("o-{customer}"), "order.placed", customer, TIME, json!({}))
}

/// Runs a command of the shop, which must succeed, and returns what it prints.
fn declic(shop: &Shop, args: &[&str]) -> String {
    run(shop.declic().args(args))
}

/// Runs a command that is refused, and returns what it says.
fn refused(shop: &Shop, args: &[&str]) -> String {
    let Output { status, stderr, .. } = shop.declic().args(args).output().expect("declic starts");
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(1), "{args:?}: {said}");
    said
}

/// Runs `declic pause` and returns at once when it has said that the pause is committed.
fn pause_now(shop: &Shop, args: &[&str]) {
    let mut pause =
        shop.declic().arg("pause").args(args).stdout(Stdio::piped()).spawn().expect("declic starts");
    let mut lines = BufReader::new(pause.stdout.take().expect("its output")).lines();
    let said = lines.next().expect("a line").expect("text");
    assert!(said.starts_with("paused: "), "{said}");
    std::thread::spawn(move || {
        lines.for_each(drop);
        pause.wait().expect("it ends")
    });
}

fn acts(shop: &Shop) -> Vec<Value> {
    serde_json::from_str(&declic(shop, &["audit", "--format", "json"])).expect("JSON")
}

/// Publishes the sign-ups of so many.
fn crowd(shop: &Shop, many: usize) {
    let one = |n| signs_up(&format!("c{n}"), &format!("c{n}@example.com"));
    shop.publish_over(4, &(0..many).map(one).collect::<Vec<_>>());
}

fn paused(shop: &Shop) -> Vec<Value> {
    serde_json::from_str(&declic(shop, &["paused", "--format", "json"])).expect("JSON")
}

/// How many messages wait when their rule is paused: `make pauses` has ten thousand of them.
fn many() -> usize {
    std::env::var("PAUSED_MESSAGES").map_or(2_500, |many| many.parse().expect("a number"))
}

#[test]
fn a_rule_s_messages_stop_within_a_second_and_go_once_when_it_is_resumed() {
    let many = many();
    let mut shop = shop();
    let sink = FastSink::of(&mut shop);
    let (worker, _other) = (shop.start(), shop.spawn("other", &[]));
    declic(&shop, &["pause", "--channel", "email", "--why", "to fill the outbox"]);
    crowd(&shop, many);
    let full = wait_until(Duration::from_secs(180), || paused(&shop)[0]["waiting"] == many);
    assert!(full, "{:?}\n{}", paused(&shop), worker.log());
    assert!(sink.mails().is_empty(), "the channel is paused");

    declic(&shop, &["resume", "--channel", "email"]);
    sink.wait_for(200, Duration::from_secs(60));
    pause_now(&shop, &["--rule", "welcome", "--why", "a wrong link"]);
    let sent = sink.nothing_comes();
    assert!(sent < many, "all were sent before the pause");

    // Nobody waits behind a paused rule.
    shop.publish(&[orders("c1")]);
    sink.wait_for(sent + 1, Duration::from_secs(30));
    let lasting = paused(&shop);
    assert_eq!(lasting[0]["target"], "rule:welcome");
    assert_eq!((&lasting[0]["why"], &lasting[0]["waiting"]), (&json!("a wrong link"), &json!(many - sent)));

    // It outlasts the workers, and holds for one that starts.
    assert!(worker.terminate(Duration::from_secs(30)).success());
    let worker = shop.start();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(sink.mails().len(), sent + 1);

    assert!(declic(&shop, &["resume", "--rule", "welcome"]).contains("resumed: rule:welcome"));
    sink.each_once(many + 1);
    assert!(paused(&shop).is_empty());
    let told: Vec<_> = acts(&shop).iter().map(|act| format!("{} {}", act["action"], act["target"])).collect();
    assert_eq!(
        told,
        [
            r#""resume" "rule:welcome""#,
            r#""pause" "rule:welcome""#,
            r#""resume" "channel:email""#,
            r#""pause" "channel:email""#
        ]
    );
    assert!(worker.terminate(Duration::from_secs(30)).success());
}

#[test]
fn the_kill_switch_stops_all_that_is_under_way() {
    const MANY: usize = 2_000;
    let mut shop = shop();
    let sink = FastSink::of(&mut shop);
    let (worker, _other) = (shop.start(), shop.spawn("other", &[]));
    crowd(&shop, MANY);
    sink.wait_for(1, Duration::from_secs(60));
    pause_now(&shop, &["--everything"]);
    sink.nothing_comes();
    assert!(refused(&shop, &["resume", "--channel", "email"]).contains("channel:email is not paused"));
    // What is begun ends, and then a drained system is one.
    assert!(declic(&shop, &["drain"]).contains("drained: nothing is being handed over"));
    let full = wait_until(Duration::from_secs(120), || {
        paused(&shop)[0]["waiting"]
            .as_u64()
            .is_some_and(|waiting| waiting as usize + sink.mails().len() == MANY)
    });
    assert!(full, "rules go on deciding: {:?}\n{}", paused(&shop), worker.log());
    assert!(sink.mails().len() < MANY, "all were sent before the pause");
    declic(&shop, &["resume", "--everything"]);
    sink.each_once(MANY);
    assert!(worker.terminate(Duration::from_secs(30)).success());
}

#[test]
fn what_ended_a_journey_while_it_was_paused_has_ended_it() {
    let shop = shop();
    // Commands have to agree with the worker on the time.
    shop.set_clock("");
    let now = || Clock::Real.now().to_rfc3339();
    let rule = "rule: cart\npurpose: marketing\ntrigger: { event: cart.updated }\nexit_on: [order.placed]\n\
        steps: [{ send: { email: m } }]\n";
    std::fs::write(shop.folder.join("rules/cart.yaml"), rule).expect("the rule is written");
    let worker = shop.start();
    let signs_up = |who: &str| signs_up_at(&now(), who, &format!("{who}@example.com"));
    shop.publish(&[signs_up("alice"), signs_up("bob")]);
    shop.sink.wait_for(2, Duration::from_secs(30));
    for target in [["--rule", "cart"], ["--channel", "email"]] {
        declic(&shop, &["pause", target[0], target[1]]);
    }
    let cart = |who: &str| event(&format!("cart-{who}"), "cart.updated", who, &now(), json!({}));
    shop.publish(&[cart("alice"), cart("bob")]);
    shop.wait_for(Duration::from_secs(30), |all| all.iter().filter(|m| m["rule"] == "cart").count() == 2);
    // An order after the cart's mail was due, and before it could go.
    shop.publish(&[event("order", "order.placed", "alice", &now(), json!({}))]);
    shop.wait_for(Duration::from_secs(30), |all| all.iter().any(|m| m["rule"] == "thanks"));
    for target in [["--channel", "email"], ["--rule", "cart"]] {
        declic(&shop, &["resume", target[0], target[1]]);
    }
    let all = shop.wait_for(Duration::from_secs(30), |all| {
        all.iter().all(|m| m["state"] == "sent" || m["state"] == "suppressed")
    });
    let fate = |who: &str| {
        let message = all.iter().find(|m| m["rule"] == "cart" && m["customer"] == who).expect("one");
        (message["state"].clone(), message["reason"].clone())
    };
    assert_eq!(fate("alice"), (json!("suppressed"), json!("exited")));
    assert_eq!(fate("bob"), (json!("sent"), Value::Null));
    assert!(worker.terminate(Duration::from_secs(30)).success());
}

#[test]
fn messages_are_sent_again_or_never_by_hand() {
    let shop = shop();
    let worker = shop.start();
    let id_of = |who: &str, rule: &str, state: &str| -> String {
        let is = |m: &&Value| m["customer"] == who && m["rule"] == rule && m["state"] == state;
        let all = shop.wait_for(Duration::from_secs(30), |all| all.iter().any(|m| is(&m)));
        all.iter().find(is).expect("it is there")["id"].as_str().expect("an id").to_owned()
    };
    // Refused for its content: mended, it goes.
    shop.sink.behave(&[("data", "554 5.6.0 the content is refused")]);
    shop.publish(&[signs_up("alice", "alice@example.com")]);
    let alice = id_of("alice", "welcome", "failed");
    shop.sink.behave(&[]);
    let all = ["messages", "retry", "--all", "--state", "failed", "--reason", "refused", "--rule", "welcome"];
    assert_eq!(declic(&shop, &all), "1 wait to be sent again\n");
    assert_eq!(id_of("alice", "welcome", "sent"), alice);
    let said = refused(&shop, &["messages", "retry", &alice, "nonsense"]);
    assert!(said.contains(&format!("{alice}: it is sent")), "{said}");
    assert!(
        said.contains("nonsense: there is no such message") && said.contains("2 are as they were"),
        "{said}"
    );

    // Nobody knows whether it was taken: only who accepts that it may come twice sends it again.
    shop.publish(&[signs_up("bob", "drop@example.com")]);
    let bob = id_of("bob", "welcome", "uncertain");
    assert!(refused(&shop, &["messages", "retry", &bob]).contains("--even-if-sent"));
    let before = shop.sink.mails().len();
    declic(&shop, &["messages", "retry", "--even-if-sent", &bob]);
    shop.sink.wait_for(before + 1, Duration::from_secs(30));

    // Cancelled while it waits, it never goes.
    declic(&shop, &["pause", "--rule", "thanks"]);
    shop.publish(&[orders("alice")]);
    let thanks = id_of("alice", "thanks", "paused");
    assert!(refused(&shop, &["messages", "retry", &thanks]).contains("its rule is paused"));
    assert_eq!(declic(&shop, &["messages", "cancel", &thanks]), "1 will not be sent\n");
    assert!(refused(&shop, &["messages", "cancel", &thanks]).contains("it is suppressed already"));
    let before = shop.sink.mails().len();
    declic(&shop, &["resume", "--rule", "thanks"]);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((shop.sink.mails().len(), id_of("alice", "thanks", "suppressed")), (before, thanks.clone()));
    let story = declic(&shop, &["explain", "alice"]);
    assert!(story.contains("an operator has cancelled it"), "{story}");

    // The log knows an address by its hash.
    declic(&shop, &["suppressions", "add", "carol@example.com", "--detail", "asked by letter"]);
    declic(&shop, &["suppressions", "remove", "carol@example.com"]);
    let log = declic(&shop, &["audit"]);
    assert!(!log.contains("carol"), "{log}");
    let of_carol = declic(&shop, &["audit", "--target", "Carol@example.com", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&of_carol).expect("JSON").len(), 2, "{of_carol}");
    for (action, target) in [("messages retry", alice.as_str()), ("messages cancel", &thanks)] {
        assert!(acts(&shop).iter().any(|act| act["action"] == action && act["target"] == target), "{log}");
    }
    assert!(worker.terminate(Duration::from_secs(30)).success());
}

#[test]
fn slips_of_the_pen_stop_nothing_and_say_what_there_is() {
    let shop = shop();
    assert!(refused(&shop, &["pause", "--rule", "welcome"]).contains("no worker has published any yet"));
    let worker = shop.start();
    let said = refused(&shop, &["pause", "--rule", "wellcome"]);
    assert!(said.contains("there is no rule `wellcome`; there are thanks, welcome"), "{said}");
    assert!(refused(&shop, &["resume", "--everything"]).contains("everything is not paused"));
    for wrong in
        [&["pause"][..], &["pause", "--channel", "fax"], &["pause", "--everything", "--rule", "thanks"]]
    {
        let output = shop.declic().args(wrong).output().expect("declic starts");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(declic(&shop, &["paused"]).lines().count(), 1, "nothing is paused");

    // A hand-over that does not end is not drained, and said.
    shop.publish(&[signs_up("dave", "stall@example.com")]);
    shop.wait_for(Duration::from_secs(30), |all| all.iter().any(|m| m["state"] == "sending"));
    let began = Instant::now();
    let said = refused(&shop, &["drain", "--channel", "email", "--within", "2"]);
    assert!(said.contains("1 message still being handed over"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(20));
    worker.signal("KILL");
}
