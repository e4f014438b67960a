//! Each alert, provoked by a real fault: what a real worker shows is given to Prometheus' tool, as if it stayed so for hours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::support::postgres::Postgres;
use super::support::rabbit::Rabbit;
use super::support::shop::{Shop, ask, event};
use super::support::{run, wait_until};
use super::{promtool, read, root};

/// An hour a second: what is late is late at once.
const CLOCK: &str = "start = 2026-11-23T10:00:00Z\nspeed = 3600.0";

/// A series and its value.
type Samples = BTreeMap<String, String>;

/// What Prometheus would see of the worker: nothing but that it does not answer, when it does not.
fn scrape(shop: &Shop) -> Samples {
    let answer = ask(shop.admin, "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap_or_default();
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let up = if text.is_empty() { "0" } else { "1" };
    let mut samples = Samples::from([(r#"up{job="declic",instance="w"}"#.to_owned(), up.to_owned())]);
    for line in text.lines().filter(|line| line.starts_with("declic_") && !line.contains("_bucket")) {
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let comma = if labels == "}" { "" } else { "," };
        let series = format!(r#"{name}{{job="declic",instance="w"{comma}{labels}"#);
        samples.insert(series, value.to_owned());
    }
    samples
}

/// The alerts that fire at some time within the thirteen hours that `after` lasts, `before` having lasted for twenty
/// minutes.
fn firing(shop: &Shop, before: &Samples, after: &Samples) -> BTreeSet<String> {
    let rules = read("deploy/prometheus/declic.rules.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let series: Vec<_> = all
        .into_iter()
        .map(|name| {
            let before = before.get(name).map_or("_x20".to_owned(), |value| format!("{value}x20"));
            let after = after.get(name).map_or("_x780".to_owned(), |value| format!("{value}x780"));
            json!({"series": name, "values": format!("{before} {after}")})
        })
        .collect();
    let quiet: Vec<_> = ["22m", "30m", "45m", "13h"]
        .iter()
        .flat_map(|time| alerts.iter().map(move |alert| json!({"eval_time": time, "alertname": alert})))
        .collect();
    let tests = json!({
        "rule_files": [root().join("deploy/prometheus/declic.rules.yml")],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": quiet}],
    });
    // JSON is YAML.
    let file = shop.folder.join("faults.json");
    std::fs::write(&file, tests.to_string()).expect("written");
    let output = promtool().args(["test", "rules"]).arg(&file).output().expect("promtool runs");
    let words =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    // Each is expected to be quiet, so whoever is named is not.
    let fires = |alert: &&&str| words.contains(&format!("alertname: {alert},"));
    let fired: BTreeSet<String> = alerts.iter().filter(fires).map(|alert| (*alert).to_owned()).collect();
    assert_eq!(output.status.success(), fired.is_empty(), "{words}");
    fired
}

/// Waits until a metric of the worker is at least so large.
fn shows(shop: &Shop, metric: &str, least: f64) {
    let value = || -> f64 {
        let samples = scrape(shop);
        let of = samples.iter().filter(|(series, _)| series.starts_with(&format!("{metric}{{")));
        of.filter_map(|(_, value)| value.parse::<f64>().ok()).fold(f64::MIN, f64::max)
    };
    assert!(wait_until(Duration::from_secs(90), || value() >= least), "{metric} is {}", value());
}

fn names(alerts: &[&str]) -> BTreeSet<String> {
    alerts.iter().map(|alert| format!("Declic{alert}")).collect()
}

#[test]
fn each_alert_is_provoked_by_a_real_fault() {
    let mut shop = Shop::open(CLOCK);
    let nobody = super::support::free_port();
    shop.configuration += &format!("[smpp]\nhost = '127.0.0.1'\nport = {nobody}\nsystem_id = 'shop'\n");
    shop.set_clock(CLOCK);
    shop.set("DECLIC_WORKER__OUTBOX_LIMIT", 1);
    shop.set("DECLIC_PANIC_FOR", "timers:stumbles");
    let rule = |name: &str, steps: &str| {
        let head = "purpose: marketing\ntrigger: { event: customer.signed_up }\n";
        (
            format!("rules/{name}.yaml"),
            format!("rule: {name}\n{head}steps: [{steps}{{ send: {{ email: m }} }}]\n"),
        )
    };
    let files = [
        ("rules/policy.yaml".to_owned(), super::POLICY.to_owned()),
        ("templates/m/email.fr.mjml".to_owned(), super::MAIL.to_owned()),
        rule("now", ""),
        rule("later", "{ wait: 12h }, "),
    ];
    shop.replace_files(&files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect::<Vec<_>>());
    let worker = shop.start();
    shows(&shop, "declic_amqp_connected", 1.0);
    let well = scrape(&shop);
    assert_eq!(
        firing(&shop, &well, &well),
        names(&["SmsSessionGone"]),
        "nobody answers there from the start"
    );

    // The mail server refuses us; what waits grows old; the intake slows down; garbage; a customer who is always failed
    // for; a lock that nobody lets go; a slip in a rule file.
    shop.sink.behave(&[("mail", "550 5.7.1 you are not welcome")]);
    let word = json!([{"channel": "email", "purpose": "marketing", "status": "granted"}]);
    let signs_up = |who: &str| {
        let profile = json!({"email": format!("{who}@example.com"), "consents": word});
        event(who, "customer.signed_up", who, "2026-11-23T10:00:00Z", profile)
    };
    shop.publish(&[
        signs_up("waits"),
        signs_up("stumbles"),
        signs_up("locked"),
        "this is no event".to_owned(),
    ]);
    let database = shop.database.clone();
    let there = || {
        !Postgres::shared().psql(&database, "SELECT 1 FROM customers WHERE customer_id = 'locked'").is_empty()
    };
    assert!(wait_until(Duration::from_secs(30), there), "{}", worker.log());
    let locked = std::thread::spawn({
        let database = shop.database.clone();
        let lock = "SELECT 1 FROM customers WHERE customer_id = 'locked' FOR UPDATE; SELECT pg_sleep(40)";
        move || Postgres::shared().psql(&database, lock)
    });
    std::fs::write(shop.folder.join("rules/slip.yaml"), "rule: slip\nsteps: ]\n").expect("written");
    for (metric, least) in [
        ("declic_provider_refusals_total", 1.0),
        ("declic_provider_paused", 1.0),
        ("declic_outbox_oldest_seconds", 601.0),
        ("declic_intake_slowed", 1.0),
        ("declic_timers_oldest_overdue_seconds", 601.0),
        ("declic_panics_total", 1.0),
        ("declic_dead_letters_total", 1.0),
        ("declic_rules_stale", 1.0),
    ] {
        shows(&shop, metric, least);
    }
    let ill = scrape(&shop);
    let all = [
        "DeadLetters",
        "IntakeSlowed",
        "OutboxOld",
        "Panic",
        "ProviderAway",
        "ProviderRefuses",
        "RulesStale",
        "SmsSessionGone",
        "TimersLate",
    ];
    assert_eq!(firing(&shop, &well, &ill), names(&all));

    // An operator pauses: what is overdue is no news then.
    run(shop.declic().args(["pause", "--everything"]));
    shows(&shop, "declic_paused", 1.0);
    let paused = firing(&shop, &well, &scrape(&shop));
    assert!(paused.contains("DeclicPaused") && !paused.contains("DeclicOutboxOld"), "{paused:?}");

    // The broker goes.
    let (status, _) =
        Rabbit::shared().api("DELETE", &format!("/vhosts/{}", shop.vhost()), "").expect("an answer");
    assert_eq!(status, 204);
    let gone = || scrape(&shop).iter().any(|(s, v)| s.starts_with("declic_amqp_connected{") && v == "0");
    assert!(wait_until(Duration::from_secs(60), gone), "{}", worker.log());
    assert!(firing(&shop, &well, &scrape(&shop)).contains("DeclicBrokerAway"));

    // The worker goes.
    worker.signal("KILL");
    assert!(wait_until(Duration::from_secs(20), || scrape(&shop).len() == 1));
    assert!(firing(&shop, &well, &scrape(&shop)).contains("DeclicDown"));
    locked.join().expect("the lock ends");
}
