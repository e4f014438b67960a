//! The command line as a newcomer meets it: help, exit codes, and what goes to which stream.

use std::path::Path;
use std::process::{Command, Output};

use declic::domain::event::UnusableReason;
use declic::store::{DeadLetter, Store};

fn declic(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
    command.current_dir(folder).args(arguments).env_clear().env("RUST_LOG", "error");
    command.output().expect("declic starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it exits by itself")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An empty folder, gone with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("declic-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("rules")).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, text: &str) -> &Self {
        std::fs::write(self.0.join(file), text).unwrap();
        self
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.");

#[test]
fn help_of_every_command() {
    let commands: [&[&str]; 29] = [
        &[],
        &["demo"],
        &["run"],
        &["check"],
        &["test"],
        &["simulate"],
        &["preview"],
        &["new", "rule"],
        &["new", "template"],
        &["schema"],
        &["explain"],
        &["register"],
        &["customers"],
        &["customers", "import"],
        &["customers", "show"],
        &["messages", "list"],
        &["messages", "inbound"],
        &["dead-letters", "list"],
        &["dead-letters", "show"],
        &["dead-letters", "replay"],
        &["dead-letters", "discard"],
        &["migrate"],
        &["topology"],
        &["restored"],
        &["retention"],
        &["retention", "report"],
        &["retention", "run"],
        &["doctor"],
        &["health"],
    ];
    let mut all = String::new();
    for command in commands {
        let output = declic(Path::new(SHOP), &[command, &["--help"]].concat());
        assert_eq!(code(&output), 0, "{command:?}");
        all += &format!("$ declic {} --help\n{}\n", command.join(" "), text(&output.stdout));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn usage_errors_exit_with_2() {
    for arguments in [
        &["bogus"][..],
        &["run", "--exit"],
        &["test", "--min-coverage", "all"],
        &["simulate"],
        &["schema"],
        &["schema", "rules"],
        &["messages", "list", "--state", "lost"],
        &["dead-letters", "replay"],
        &["dead-letters", "discard", "abc", "--all"],
        &["dead-letters", "list", "--reason", "bad-mood"],
    ] {
        let output = declic(Path::new(SHOP), arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}

#[test]
fn the_shipped_rules_pass_their_check() {
    let output = declic(Path::new(SHOP), &["check"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "5 rules and 7 templates checked: no errors, 0 warnings\n");
}

#[test]
fn five_mistakes_in_one_rule_are_all_reported() {
    let folder = Folder::new("mistakes");
    let policy = std::fs::read_to_string(Path::new(SHOP).join("rules/policy.yaml")).unwrap();
    folder.write("rules/policy.yaml", &policy).write(
        "rules/wrong.yaml",
        "rule: wrong\n\
         purpose: marketting\n\
         trigger: { event: cart.updated, if: data.total >= , key: data.cart_id }\n\
         re_entry: sometimes\n\
         steps:\n\
         \x20 - wait: an hour\n\
         \x20 - send: { emial: welcome }\n",
    );
    let output = declic(&folder.0, &["check"]);
    let report = text(&output.stderr);
    assert_eq!(code(&output), 1);
    assert!(output.stdout.is_empty());
    for place in ["wrong.yaml:2:", "wrong.yaml:3:", "wrong.yaml:4:", "wrong.yaml:6:", "wrong.yaml:7:"] {
        assert!(report.contains(place), "{place} is missing in\n{report}");
    }
    assert!(report.contains("did you mean `marketing`"), "{report}");
}

#[test]
fn programs_are_told_in_their_own_form() {
    let folder = Folder::new("formats");
    let shop = Path::new(SHOP);
    for file in ["policy.yaml", "events.yaml", "birthday.yaml"] {
        let text = std::fs::read_to_string(shop.join("rules").join(file)).unwrap();
        folder.write(&format!("rules/{file}"), &text);
    }
    let output = declic(&folder.0, &["check", "--format", "json"]);
    assert_eq!(code(&output), 1);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found[0]["code"], "E0601");
    assert_eq!(found[0]["range"]["start"]["line"], 19);
    let parent = folder.0.parent().unwrap();
    let name = folder.0.file_name().unwrap().to_str().unwrap();
    let output = declic(parent, &["check", "--format", "sarif", &format!("./{name}")]);
    assert_eq!(code(&output), 1);
    let log: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "E0601");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], format!("{name}/rules/birthday.yaml"));
    assert_eq!(place["region"]["startLine"], 20);
    let output = declic(shop, &["check", "--format", "json"]);
    assert_eq!((code(&output), text(&output.stdout)), (0, "[]\n".to_owned()));
}

#[test]
fn a_code_is_explained_and_a_misspelt_one_is_not() {
    let explained = declic(Path::new(SHOP), &["check", "--explain", "e0205"]);
    assert_eq!(code(&explained), 0);
    assert!(text(&explained.stdout).starts_with("E0205: "), "{}", text(&explained.stdout));
    assert!(text(&explained.stdout).contains("31 February"));
    let all = declic(Path::new(SHOP), &["check", "--explain"]);
    assert_eq!(code(&all), 0);
    assert!(text(&all.stdout).lines().any(|line| line.starts_with("E0404  ") && line.ends_with("(warning)")));
    let unknown = declic(Path::new(SHOP), &["check", "--explain", "E9205"]);
    assert_eq!((code(&unknown), unknown.stdout.len()), (1, 0));
    assert!(text(&unknown.stderr).contains("did you mean `E0205`"), "{}", text(&unknown.stderr));
}

#[test]
fn a_template_that_nobody_wrote_and_a_variable_that_nobody_sends_are_found() {
    let folder = Folder::new("agreement");
    for file in ["policy.yaml", "events.yaml"] {
        let text = std::fs::read_to_string(Path::new(SHOP).join("rules").join(file)).unwrap();
        folder.write(&format!("rules/{file}"), &text);
    }
    std::fs::create_dir_all(folder.0.join("templates/thanks")).unwrap();
    folder
        .write(
            "rules/thanks.yaml",
            "rule: thanks\npurpose: service\ntrigger: { event: order.delivered }\nsteps:\n\
             \x20 - send: { email: thanks }\n  - send: { email: thank }\n",
        )
        .write(
            "templates/thanks/email.fr.mjml",
            "---\nsubject: Merci\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{data.order_ref}}</mj-text>\
             </mj-column></mj-section></mj-body></mjml>\n",
        );
    let output = declic(&folder.0, &["check"]);
    let report = text(&output.stderr);
    assert_eq!(code(&output), 1);
    for words in [
        "there is no template `thank`",
        "did you mean `thanks`",
        "reads `data.order_ref`",
        "no unsubscribe link",
    ] {
        assert!(report.contains(words), "`{words}` is missing in\n{report}");
    }
}

#[test]
fn a_folder_without_rules_and_an_unknown_key_are_refused() {
    let folder = Folder::new("refused");
    std::fs::remove_dir(folder.0.join("rules")).unwrap();
    let output = declic(&folder.0, &["check"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("no folder with rules"), "{}", text(&output.stderr));
    folder.write("declic.toml", "[smtp]\nhots = \"mail\"\n[databse]\nurl = \"x\"\n");
    let output = declic(&folder.0, &["messages", "list"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("did you mean `database`"), "{}", text(&output.stderr));
}

#[test]
fn the_doctor_warns_where_no_stop_can_be_heard() {
    let described = "[sms.webhook]\nverify = 'path'\nsecret = '0123456789abcdef'\n\
        [sms.webhook.inbound]\nfrom = '/from'\ntext = '/text'\n";
    let unread = "[sms.webhook]\nverify = 'path'\nsecret = '0123456789abcdef'\n";
    let cases = [
        (true, "", Some("webhooks are off")),
        (true, unread, Some("`[sms.webhook.inbound]` is not described")),
        (true, described, None),
        (false, "", None),
    ];
    for (provider, webhook, expected) in cases {
        let folder = Folder::new("doctor");
        let sms = "[sms]\nurl = 'http://127.0.0.1:1/send'\n[sms.body]\nto = '{{to}}'\ntext = '{{text}}'\n";
        folder.write("declic.toml", &format!("{}{webhook}", if provider { sms } else { "" }));
        let output = declic(&folder.0, &["doctor"]);
        let shown = text(&output.stdout);
        let warning = shown.lines().find(|line| line.starts_with("warn  stop"));
        assert_eq!(warning.is_some(), expected.is_some(), "{webhook}: {shown}");
        let words = warning.unwrap_or_default();
        assert!(words.contains(expected.unwrap_or_default()), "{words}");
    }
}

#[test]
fn customers_are_imported_whole_or_not_at_all() {
    let folder = Folder::new("import");
    folder.write("good.ndjson", "{\"id\":\"c-1\",\"email\":\"a@example.com\",\"tags\":[\"vip\"]}\n");
    folder.write("bad.ndjson", "{\"id\":\"c-2\"}\n{\"email\":\"b@example.com\"}\nnot json\n");
    let output = declic(&folder.0, &["customers", "import", "bad.ndjson"]);
    assert_eq!(code(&output), 1);
    let report = text(&output.stderr);
    assert!(report.contains("bad.ndjson:2: `id` is missing") && report.contains("bad.ndjson:3:"), "{report}");
    assert_eq!(code(&declic(&folder.0, &["customers", "show", "c-2"])), 1);
    let output = declic(&folder.0, &["customers", "import", "good.ndjson"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let output = declic(&folder.0, &["customers", "show", "c-1", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown[0]["profile"]["tags"][0], "vip");
}

#[test]
fn simulate_prints_the_stable_interface() {
    let folder = Folder::new("simulate");
    folder.write(
        "events.ndjson",
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/shop\",\"type\":\"customer.signed_up\",\"subject\":\"c-1\",\
         \"time\":\"2026-11-22T10:00:00+01:00\",\"data\":{\"email\":\"a@example.com\",\"locale\":\"fr-CA\"}}\n",
    );
    let events = folder.0.join("events.ndjson");
    let arguments = ["simulate", "--events", events.to_str().unwrap(), "--format", "ndjson"];
    let output = declic(Path::new(SHOP), &arguments);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = vec![
        "at",
        "customer",
        "rule",
        "step",
        "channel",
        "template",
        "locale",
        "to",
        "status",
        "reason",
        "promo_code",
        "subject",
        "text",
    ];
    expected.sort_unstable();
    let mut sorted = keys;
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!((line["at"].as_str(), line["status"].as_str()), (Some("2026-11-22T09:00:00Z"), Some("sent")));
    assert_eq!(line["locale"], "fr");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_replayed_and_discarded() {
    let folder = Folder::new("letters");
    for name in ["rules", "templates"] {
        let copied = Command::new("cp").arg("-r").arg(Path::new(SHOP).join(name)).arg(&folder.0).status();
        assert!(copied.is_ok_and(|status| status.success()));
    }
    let clock = |now: &str| {
        let listen = "[admin]\nlisten = '127.0.0.1:0'\n[public]\nlisten = '127.0.0.1:0'\n";
        folder.write("declic.toml", &format!("{listen}[clock]\nstart = {now}\n"));
    };
    clock("2026-11-22T10:00:00Z");
    let sign_up = |id: &str, time: &str| {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/shop\",\"type\":\"customer.signed_up\",\
             \"subject\":\"c-{id}\",\"time\":\"{time}\",\"data\":{{\"email\":\"{id}@example.com\"}}}}\n"
        )
    };
    folder.write("events.ndjson", &format!("not json\n{}", sign_up("now", "2026-11-22T10:00:00Z")));
    let ran = declic(&folder.0, &["run", "--events", "events.ndjson", "--exit"]);
    assert_eq!(code(&ran), 0, "{}", text(&ran.stderr));
    let ahead = DeadLetter {
        id: "0123456789abcdef".to_owned(),
        received_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        origin: "http".to_owned(),
        reason: UnusableReason::TimeTooFarAhead,
        detail: "two days".to_owned(),
        headers: serde_json::json!({ "content-type": "application/json" }),
        body: sign_up("ahead", "2026-11-24T10:00:00Z").into_bytes(),
    };
    let store = Store::open(&format!("sqlite:{}", folder.0.join("declic.db").display()), 1).await.unwrap();
    store.park(&ahead).await.unwrap();
    store.close().await;
    let letters = |arguments: &[&str]| {
        let output = declic(&folder.0, &[&["dead-letters"][..], arguments].concat());
        (code(&output), text(&output.stdout), text(&output.stderr))
    };
    let ids = |reason: &str| -> Vec<String> {
        let (code, out, words) = letters(&["list", "--reason", reason, "--format", "ndjson"]);
        assert_eq!(code, 0, "{words}");
        let rows = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let (no_json, ahead) = (ids("not_json").remove(0), ids("time_too_far_ahead").remove(0));
    assert_eq!(letters(&["list", "--origin", "amqp", "--format", "ndjson"]).1, "");

    let (code, shown, _) = letters(&["show", &ahead[..8]]);
    assert_eq!(code, 0);
    for words in [
        ahead.as_str(),
        "time_too_far_ahead",
        "header       content-type: application/json",
        "\"subject\": \"c-ahead\"",
    ] {
        assert!(shown.contains(words), "`{words}` is missing in\n{shown}");
    }
    let (_, shown, _) = letters(&["show", &no_json, "--format", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap()[0]["body"], "not json");
    assert_eq!(letters(&["show", "unknown"]).0, 1);
    let (code, _, words) = letters(&["show", ""]);
    assert!(code == 1 && words.contains("begins 2 ids"), "{words}");

    // Too early still; then its time has come.
    let (code, said, words) = letters(&["replay", "--all"]);
    assert_eq!(code, 1, "{said}");
    assert!(words.contains("0 done, 2 refused again and kept"), "{words}");
    clock("2026-11-24T10:00:00Z");
    let (code, said, words) = letters(&["replay", "--all", "--reason", "time_too_far_ahead"]);
    assert_eq!((code, said), (0, format!("{ahead}  taken in\n")), "{words}");
    let output = declic(&folder.0, &["messages", "list", "--customer", "c-ahead", "--format", "ndjson"]);
    let message: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&message["rule"], &message["state"]), (&"welcome".into(), &"pending".into()));
    assert_eq!(letters(&["replay", &ahead]).0, 1, "it is gone");
    assert_eq!(letters(&["discard", &no_json, "unknown"]).0, 1, "nothing is done before all are known");

    let (code, said, _) = letters(&["discard", &no_json[..6]]);
    assert!(code == 0 && said.starts_with(&format!("{no_json}  file  not_json: ")), "{said}");
    assert_eq!(letters(&["list", "--format", "json"]).1.trim(), "[]");
    assert_eq!(letters(&["replay", "--all"]).0, 0);
}
