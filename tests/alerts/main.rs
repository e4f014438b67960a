//! The alerts in `deploy/prometheus`: read and tried by Prometheus' own tool, with a runbook for each, about metrics that
//! a worker has; and the metrics themselves, as that tool wants them.

mod faults;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use support::shop::{Shop, ask, event};
use support::{Folder, needed, run, wait_until};

/// The least that rules may be sent by.
const POLICY: &str = "default_locale: fr\ndefault_timezone: Europe/Paris\n\
    sender: { name: Shop, email: shop@example.com, postal_address: 1 rue X }\n";

const MAIL: &str = "---\nsubject: S\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{unsubscribe_url}}</mj-text>\
    </mj-column></mj-section></mj-body></mjml>\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn promtool() -> Command {
    let mut promtool = Command::new(needed("/usr/bin/promtool"));
    promtool.current_dir(root().join("deploy/prometheus"));
    promtool
}

fn read(path: impl Into<PathBuf>) -> String {
    let path = root().join(path.into());
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn alerts_fire_when_they_should_and_are_quiet_otherwise() {
    let said = run(promtool().args(["check", "rules", "declic.rules.yml"]));
    assert!(said.contains("SUCCESS"), "{said}");
    let said = run(promtool().args(["test", "rules", "declic.rules.test.yml"]));
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn each_alert_has_its_test_its_runbook_and_metrics_that_exist() {
    let (rules, tests) =
        (read("deploy/prometheus/declic.rules.yml"), read("deploy/prometheus/declic.rules.test.yml"));
    let (pages, metrics) = (read("docs/operations.md"), read("docs/metrics.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 8, "{alerts:?}");
    for alert in &alerts {
        assert!(pages.contains(&format!("\n## {alert}\n")), "docs/operations.md has no runbook for {alert}");
        assert!(
            rules.contains(&format!("runbook: docs/operations.md#{}\n", alert.to_lowercase())),
            "{alert}"
        );
        assert!(tests.contains(&format!("alertname: {alert} }}")), "no test in which {alert} is quiet");
        let fires = tests.split("- eval_time").filter(|case| case.contains("exp_alerts"));
        assert!(
            fires.clone().any(|case| case.contains(&format!("alertname: {alert}\n"))),
            "none in which it fires: {alert}"
        );
    }
    let sections = pages.lines().filter_map(|line| line.strip_prefix("## "));
    for section in sections {
        assert!(
            alerts.contains(&section),
            "docs/operations.md has a runbook for {section}, which is no alert"
        );
    }
    for name in rules
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("declic_"))
    {
        let known = ["`", "{"].iter().any(|end| metrics.contains(&format!("`{name}{end}")));
        assert!(known, "docs/metrics.md has no metric {name}");
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist_in_a_language_that_prometheus_reads() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/declic.json")).expect("the dashboard is JSON");
    let mut questions = Vec::new();
    expressions(&dashboard, &mut questions);
    assert!(questions.len() > 30, "{questions:?}");
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (number, question) in questions.iter().enumerate() {
        let question = question.replace("$job", ".*").replace("$__rate_interval", "5m");
        rules.push_str(&format!("  - record: question_{number}\n    expr: '{question}'\n"));
    }
    let folder = Folder::new("dashboard");
    let file = folder.join("rules.yml");
    std::fs::write(&file, rules).expect("written");
    let said = run(promtool().args(["check", "rules"]).arg(&file));
    assert!(said.contains("SUCCESS"), "{said}");
    let metrics = read("docs/metrics.md");
    for name in questions.iter().flat_map(|question| names(question)) {
        let name = name.strip_suffix("_bucket").unwrap_or(name);
        let known = ["`", "{"].iter().any(|end| metrics.contains(&format!("`{name}{end}")));
        assert!(known || name == "up", "docs/metrics.md has no metric {name}");
    }
    let alerts = read("deploy/prometheus/declic.rules.yml");
    for alert in dashboard.to_string().split("Alert: ").skip(1).filter_map(|rest| rest.split('.').next()) {
        assert!(alerts.contains(&format!("- alert: {alert}\n")), "there is no alert {alert}");
    }
}

/// What the panels and annotations ask.
fn expressions(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(|expr| expr.as_str()).map(str::to_owned));
            fields.values().for_each(|value| expressions(value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// The metrics that a question is about: the words before a selector.
fn names(question: &str) -> Vec<&str> {
    let ends = question.match_indices('{').map(|(at, _)| at);
    ends.map(|end| {
        let start = question[..end].rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        &question[start.map_or(0, |at| at + 1)..end]
    })
    .collect()
}

#[test]
fn prometheus_reads_a_workers_metrics_without_a_complaint() {
    let shop = Shop::open("start = 2026-11-23T09:45:00Z\nspeed = 60.0");
    let worker = shop.start();
    let data = serde_json::json!({"email": "alice@example.com", "first_name": "Alice"});
    shop.publish(&[
        event("1", "customer.signed_up", "alice", "2026-11-23T09:45:00Z", data),
        "this is no event".to_owned(),
    ]);
    shop.sink.wait_for(1, Duration::from_secs(60));
    let mut metrics = String::new();
    let told = wait_until(Duration::from_secs(30), || {
        let answer = ask(shop.admin, "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("an answer");
        metrics = answer.split_once("\r\n\r\n").expect("a body").1.to_owned();
        metrics.contains("declic_dead_letters_total") && metrics.contains("declic_messages_total")
    });
    assert!(told, "{metrics}");
    let file = shop.folder.join("metrics");
    std::fs::write(&file, &metrics).expect("written");
    let output = promtool()
        .args(["check", "metrics"])
        .stdin(Stdio::from(std::fs::File::open(&file).expect("it is there")))
        .output()
        .expect("promtool runs");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    assert_eq!(words, "", "{metrics}");
    drop(worker);
}
