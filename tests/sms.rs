//! A shop that sends SMS through a provider: from the event to the telephone, back as a receipt, and STOP.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use support::shop::{Shop, ask, event};
use support::{run, wait_until};

/// Monday, eleven in the morning in Paris: within the hours of SMS.
const CLOCK: &str = "start = 2026-11-23T10:00:00Z";

/// Who has told the provider to stop, not us.
const OPTED_OUT: &str = "+33600000010";

/// A provider over HTTP that takes everything, but for who has told it to stop, and remembers it.
struct Provider {
    port: u16,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
        let shared = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let taken = shared.clone();
                std::thread::spawn(move || serve(&stream, &taken));
            }
        });
        Self { port, taken }
    }

    fn taken(&self) -> Vec<Value> {
        self.taken.lock().expect("the list").clone()
    }
}

/// Answers requests on one connection until it ends. The id of a message is its place in the list.
fn serve(stream: &TcpStream, taken: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if length == 0 || reader.read_exact(&mut body).is_err() {
            return;
        }
        let message: Value = serde_json::from_slice(&body).expect("JSON");
        if message["to"] == OPTED_OUT {
            let answer = "{\"code\":21610}";
            let mut stream = stream;
            let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n";
            if write!(stream, "{head}Content-Length: {}\r\n\r\n{answer}", answer.len()).is_err() {
                return;
            }
            continue;
        }
        let id = {
            let mut taken = taken.lock().expect("the list");
            taken.push(message);
            format!("sms-{}", taken.len())
        };
        let answer = json!({ "id": id }).to_string();
        let mut stream = stream;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        if write!(stream, "{head}Content-Length: {}\r\n\r\n{answer}", answer.len()).is_err() {
            return;
        }
    }
}

fn shop(provider: &Provider) -> Shop {
    let shop = Shop::open_with(
        &format!(
            "[sms]\nurl = 'http://127.0.0.1:{}/send'\nsecret = 'key'\nauth = 'bearer'\ncontent_type = 'json'\n\
             id_pointer = '/id'\nerror_pointer = '/code'\nerrors = {{ opted_out = [21610] }}\n\
             [sms.body]\nto = '{{{{to}}}}'\nfrom = '{{{{from}}}}'\ntext = '{{{{text}}}}'\n\
             [sms.webhook]\nverify = 'path'\nsecret = 'hook-secret-of-the-shop'\n\
             [sms.webhook.status]\nid = '/id'\nstate = '/state'\n\
             states = {{ done = 'delivered', lost = 'failed', nobody = 'bad_address' }}\n\
             [sms.webhook.inbound]\nid = '/id'\nfrom = '/from'\nto = '/to'\ntext = '/text'\n",
            provider.port
        ),
        CLOCK,
    );
    let rule = "rule: flash\npurpose: marketing\ntrigger: { event: flash.sale }\nre_entry: always\n\
        steps: [{ send: { sms: flash, email: flash, prefer: sms } }]\n";
    let mail = "---\nsubject: Vente\n---\n<mjml><mj-body><mj-section><mj-column><mj-text>{{unsubscribe_url}}\
        </mj-text></mj-column></mj-section></mj-body></mjml>\n";
    let sms = "Vente flash : c’est maintenant{{#if customer.first_name}}, {{customer.first_name}}{{/if}} !\n";
    std::fs::create_dir_all(shop.folder.join("templates/flash")).expect("a folder");
    for (path, text) in [
        ("rules/flash.yaml", rule),
        ("templates/flash/email.fr.mjml", mail),
        ("templates/flash/sms.fr.txt", sms),
    ] {
        std::fs::write(shop.folder.join(path), text).expect("written");
    }
    shop.edit("rules/events.yaml", "  order.placed:", "  flash.sale: []\n  order.placed:");
    // The shipped cap would let two through.
    shop.edit("rules/policy.yaml", "limit: 2 per 7d", "limit: 20 per 7d");
    shop
}

/// The provider reports, by the path that holds the secret.
fn hook(shop: &Shop, what: &str, body: &Value) -> String {
    let body = body.to_string();
    let request = format!(
        "POST /sms/{what}/hook-secret-of-the-shop HTTP/1.0\r\nHost: news.example.com\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    ask(shop.public, &request).expect("an answer")
}

fn state<'a>(messages: &'a [Value], customer: &str, channel: &str) -> Vec<&'a str> {
    let theirs = messages.iter().filter(|m| m["customer"] == customer && m["channel"] == channel);
    let mut found: Vec<_> = theirs
        .map(|m| (m["planned_at"].as_str().unwrap_or_default(), m["state"].as_str().unwrap_or_default()))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, state)| state).collect()
}

#[test]
fn from_the_event_to_the_telephone_and_back() {
    let provider = Provider::start();
    let shop = shop(&provider);
    let worker = shop.start();
    let consents = json!([
        {"channel": "sms", "purpose": "marketing", "status": "granted", "source": "form"},
        {"channel": "email", "purpose": "marketing", "status": "granted", "source": "form"},
    ]);
    let customer = |id: &str, phone: &str| {
        let data = json!({"email": format!("{id}@example.com"), "phone": phone, "first_name": "Zoé", "consents": consents});
        event(&format!("{id}-a"), "customer.updated", id, "2026-11-23T09:50:00Z", data)
    };
    let sale = |n: usize, id: &str, time: &str| {
        event(&format!("{id}-s{n}"), "flash.sale", id, &format!("2026-11-23T{time}Z"), json!({}))
    };
    shop.post(&[
        customer("alice", "06 12 34 56 78"),
        customer("bruno", "+33 6 98 76 54 32"),
        customer("chloe", "+33600000009"),
        sale(1, "alice", "09:55:00"),
        sale(1, "bruno", "09:55:00"),
        sale(1, "chloe", "09:55:00"),
    ]);
    let sent = |all: &[Value]| ["alice", "bruno", "chloe"].iter().all(|c| state(all, c, "sms") == ["sent"]);
    shop.wait_for(Duration::from_secs(30), sent);
    let taken = provider.taken();
    assert_eq!(taken.len(), 3);
    let to = |number: &str| taken.iter().position(|m| m["to"] == number).expect("it was sent");
    let alice = &taken[to("+33612345678")];
    // Plain letters, and the way to stop it.
    assert_eq!(alice["text"], "Vente flash : c'est maintenant, Zoé !\nSTOP au 36180");
    assert_eq!(alice["from"], "MaisonLumen");

    // Receipts: one is for nobody, one comes twice; a number that is none gives way to the mail.
    let id = |number: &str| format!("sms-{}", to(number) + 1);
    for report in [
        json!({"id": "sms-99", "state": "done"}),
        json!({"id": id("+33612345678"), "state": "done"}),
        json!({"id": id("+33612345678"), "state": "done"}),
        json!({"id": id("+33698765432"), "state": "lost"}),
        json!({"id": id("+33600000009"), "state": "nobody"}),
    ] {
        let answer = hook(&shop, "status", &report);
        assert!(answer.contains(" 200 "), "{answer}");
    }
    shop.wait_for(Duration::from_secs(30), |all| {
        state(all, "alice", "sms") == ["delivered"]
            && state(all, "bruno", "sms") == ["failed"]
            && state(all, "bruno", "email") == ["sent"]
            && state(all, "chloe", "email") == ["sent"]
            && state(all, "alice", "email").is_empty()
    });
    let forged = hook(&shop, "inbound", &json!({"id": "x"})).replace("hook-secret-of-the-shop", "");
    assert!(
        forged.contains(" 400 ") || forged.contains(" 200 "),
        "the secret is right, the message is none: {forged}"
    );
    let wrong =
        ask(shop.public, "POST /sms/inbound/guess HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    assert!(wrong.is_some_and(|a| a.contains(" 403 ")), "another secret is refused");

    // STOP, twice, and from a stranger: withdrawn for SMS alone, with its proof, confirmed once.
    for (n, from, text) in
        [(1, "33612345678", "Stop."), (2, "33612345678", "STOP"), (3, "33611111111", "stop")]
    {
        let answer = hook(
            &shop,
            "inbound",
            &json!({"id": format!("mo-{n}"), "from": from, "to": "36180", "text": text}),
        );
        assert!(answer.contains(" 200 "), "{answer}");
    }
    assert!(wait_until(Duration::from_secs(30), || provider.taken().len() == 4), "{:?}", provider.taken());
    let confirmation = &provider.taken()[3];
    assert_eq!(confirmation["to"], "+33612345678");
    assert!(confirmation["text"].as_str().is_some_and(|t| t.contains("plus de publicit")), "{confirmation}");
    let shown = run(shop.declic().args(["customers", "show", "alice", "--format", "json"]));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let shown = if shown.is_array() { shown[0].clone() } else { shown };
    let withdrawn: Vec<_> = shown["consents"]
        .as_array()
        .expect("consents")
        .iter()
        .filter(|c| c["status"] == "withdrawn")
        .map(|c| (c["channel"].clone(), c["purpose"].clone(), c["proof"]["text"].clone()))
        .collect();
    assert!(withdrawn.contains(&(json!("sms"), json!("marketing"), json!("Stop."))), "{withdrawn:?}");
    assert!(withdrawn.iter().all(|(channel, ..)| channel == "sms"), "{withdrawn:?}");

    // From now on a mail, and no SMS but what belongs to an order.
    shop.post(&[
        sale(2, "alice", "09:58:00"),
        event("order", "order.shipped", "alice", "2026-11-23T09:58:30Z", json!({"order_id": "A-1"})),
    ]);
    shop.wait_for(Duration::from_secs(30), |all| {
        let of = |rule: &str, channel: &str, state: &str| {
            let same = |m: &&Value| m["rule"] == rule && m["channel"] == channel && m["state"] == state;
            all.iter().filter(|m| m["customer"] == "alice").filter(same).count()
        };
        of("flash", "sms", "suppressed") == 1
            && of("flash", "email", "sent") == 1
            && of("order-shipped", "sms", "sent") == 1
    });
    assert_eq!(provider.taken().len(), 5, "nothing was sent twice: {:?}", provider.taken());

    // Who has told the provider to stop is heard by its refusal, and gets the mail.
    shop.post(&[customer("diane", OPTED_OUT), sale(1, "diane", "09:59:00")]);
    shop.wait_for(Duration::from_secs(30), |all| {
        state(all, "diane", "sms") == ["failed"] && state(all, "diane", "email") == ["sent"]
    });
    let shown = run(shop.declic().args(["customers", "show", "diane", "--format", "json"]));
    assert!(shown.contains("withdrawn") && shown.contains("400 21610"), "{shown}");
    assert!(worker.terminate(Duration::from_secs(25)).success());
}
