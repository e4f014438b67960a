//! `declic explain` on a real database: a morning of three customers through the worker, told in both languages.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The clock stands at noon in London, one o'clock in Paris.
const CONFIG: &str = "[clock]\nstart = 2026-11-22T12:00:00Z\nend = 2026-11-22T12:00:00Z\n\
    [admin]\nlisten = \"127.0.0.1:0\"\n[public]\nlisten = \"127.0.0.1:0\"\n";

/// A shop with the shipped rules, which has lived through its events; gone with the test.
struct Shop(PathBuf);

impl Shop {
    fn new(name: &str, events: &[Value]) -> Self {
        let path = std::env::temp_dir().join(format!("declic-explain-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        for folder in ["rules", "templates"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            assert!(Command::new("cp").arg("-r").arg(from).arg(&path).status().unwrap().success());
        }
        std::fs::write(path.join("declic.toml"), CONFIG).unwrap();
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        std::fs::write(path.join("events.ndjson"), lines.join("\n")).unwrap();
        let shop = Self(path);
        let (code, _, words) = shop.declic(&["run", "--events", "events.ndjson", "--exit"], "");
        assert_eq!(code, 0, "{words}");
        shop
    }

    /// Exit code, standard output, standard error.
    fn declic(&self, arguments: &[&str], lang: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_declic"));
        command.current_dir(&self.0).args(arguments).env_clear().env("LANG", lang);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn explain(&self, arguments: &str) -> String {
        let arguments: Vec<&str> = ["explain"].into_iter().chain(arguments.split(' ')).collect();
        let (code, told, words) = self.declic(&arguments, "C");
        assert_eq!((code, words.as_str()), (0, ""), "{arguments:?}");
        told
    }

    fn json(&self, arguments: &str) -> Vec<Value> {
        serde_json::from_str(&self.explain(&format!("{arguments} --format json"))).unwrap()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn event(id: &str, kind: &str, customer: &str, time: &str, data: Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "subject": customer,
        "time": format!("2026-11-22T{time}:00Z"), "data": data,
    })
}

fn cart(id: &str, customer: &str, time: &str, key: &str, items: Value) -> Value {
    let data = json!({"cart_id": key, "items": items, "total": 19.9, "currency": "EUR", "cart_url": "https://x.example"});
    event(id, "cart.updated", customer, time, data)
}

fn morning() -> Vec<Value> {
    let alice = json!({
        "email": "alice@example.com", "first_name": "Alice", "locale": "fr-FR", "timezone": "Europe/Paris",
        "consents": [{"channel": "email", "purpose": "marketing", "status": "granted", "source": "signup-form"}],
    });
    let lamp = json!([{"name": "Lampe", "quantity": 1, "price": 19.9}]);
    vec![
        event("1", "customer.signed_up", "c-42", "10:00", alice),
        cart("2", "c-42", "10:30", "k-7", lamp.clone()),
        cart("3", "c-42", "11:00", "k-8", json!([])),
        cart("4", "c-42", "11:45", "k-9", lamp.clone()),
        event(
            "5",
            "customer.updated",
            "c-42",
            "11:50",
            json!({"first_name": "Alix", "birthday": "1990-02-28"}),
        ),
        // Bruno never agreed to anything.
        event("6", "customer.signed_up", "c-43", "10:00", json!({"email": "bruno@example.com"})),
        cart("7", "c-43", "10:30", "k-1", lamp.clone()),
        event("8", "customer.signed_up", "c-44", "10:00", json!({"email": "chloe@example.com"})),
        cart("9", "c-44", "11:30", "k-2", lamp),
        event("10", "customer.deleted", "c-44", "11:59", json!({})),
    ]
}

#[test]
fn a_morning_is_told() {
    let shop = Shop::new("morning", &morning());
    let told = [
        "c-42 --lang en",
        "c-42 --lang fr",
        "c-43 --rule abandoned-cart --lang fr",
        "c-44",
        "c-43 --rule birthday",
    ];
    let told: Vec<String> =
        told.iter().map(|asked| format!("$ declic explain {asked}\n{}", shop.explain(asked))).collect();
    // Which of them was captured first is nobody's business.
    let told = (1..=9).fold(told.join("\n"), |told, n| told.replace(&format!("captured as {n}"), "captured"));
    insta::assert_snapshot!(told);

    // The terminal's language, unless another is asked for.
    let (_, french, _) = shop.declic(&["explain", "c-42"], "fr_FR.UTF-8");
    assert_eq!(french, shop.explain("c-42 --lang fr"));
    let (_, english, _) = shop.declic(&["explain", "c-42", "--lang", "en"], "fr_FR.UTF-8");
    assert_eq!(english, shop.explain("c-42 --lang en"));

    json_is_whole(&shop);
    one_message_is_told(&shop);
    what_is_not_there_is_refused(&shop);
}

fn json_is_whole(shop: &Shop) {
    let items = shop.json("c-42");
    let kinds: Vec<&str> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "customer");
    for (kind, count) in [("customer", 1), ("event", 5), ("entry", 3), ("message", 2), ("rule", 0)] {
        assert_eq!(kinds.iter().filter(|k| **k == kind).count(), count, "{kind}");
    }
    let empty = items.iter().find(|item| item["id"] == "3").unwrap();
    assert_eq!(
        empty["rules"],
        json!([{
            "rule": "abandoned-cart", "occurrence": "/shop#3", "outcome": "not_begun", "reason": "condition_false",
            "detail": null, "judged_by_rule_since": null,
            "condition": {
                "expression": "size(data.items) > 0", "result": "false",
                "reads": [{"path": "data.items", "value": []}],
            },
        }])
    );
    let updated = items.iter().find(|item| item["id"] == "5").unwrap();
    assert_eq!(updated["profile"][1], json!({"attribute": "first_name", "from": "Alice", "to": "Alix"}));
    let waits = items.iter().find(|item| item["kind"] == "entry" && item["occurrence"] == "/shop#4").unwrap();
    assert_eq!(
        (&waits["status"], &waits["due_at"], &waits["next"]["id"], &waits["differs"]),
        (&json!("active"), &json!("2026-11-22T12:45:00Z"), &json!("send-abandoned-cart"), &json!(false))
    );
    // One object a line, the newest first; what is left out is said on the other stream.
    let (code, lines, words) = shop.declic(&["explain", "c-42", "--limit", "2", "--format", "ndjson"], "C");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, &lines[..]), (0, &items[..3]));
    assert!(words.contains("8 older items are not shown"), "{words}");
    let rule = &shop.json("c-42 --rule abandoned-cart")[1];
    assert_eq!((&rule["kind"], &rule["waits_for"]["event"]), (&json!("rule"), &json!("cart.updated")));
    assert_eq!(rule["under_way"], json!(["/shop#2", "/shop#4"]));
}

fn one_message_is_told(shop: &Shop) {
    let items = shop.json("c-43 --rule abandoned-cart");
    let refused = items.iter().find(|item| item["kind"] == "message").unwrap();
    assert_eq!((&refused["state"], &refused["reason"]), (&json!("suppressed"), &json!("no_consent")));
    let id = refused["id"].as_str().unwrap();
    let items = shop.json(&format!("c-43 --message {id}"));
    let kinds: Vec<&str> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["customer", "message", "entry", "event"]);
    assert_eq!((&items[2]["rule"], &items[3]["id"]), (&json!("abandoned-cart"), &json!("7")));
    let (code, _, words) = shop.declic(&["explain", "c-42", "--message", id], "C");
    assert!(code == 1 && words.contains(&format!("try `declic explain c-43 --message {id}`")), "{words}");
}

fn what_is_not_there_is_refused(shop: &Shop) {
    for (arguments, expected) in [
        (&["c-4"][..], "there is no customer `c-4`"),
        (&["c-42", "--rule", "birthdy"], "did you mean `birthday`?"),
        (&["c-42", "--message", "none"], "`declic messages list --customer c-42` lists theirs"),
    ] {
        let (code, told, words) = shop.declic(&[&["explain"], arguments].concat(), "C");
        assert_eq!((code, told.as_str()), (1, ""), "{arguments:?}");
        assert!(words.contains(expected), "{words}");
    }
}
