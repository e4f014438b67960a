//! A shop that sends SMS by SMPP: from the event to the telephone through throttling, lost connections and lost answers,
//! back as a receipt, and STOP. Counted at the message centre, which is not ours.

#[allow(dead_code, reason = "the part of the message centre that this test needs")]
#[path = "smpp/smsc.rs"]
mod smsc;
mod support;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use smsc::{Accepted, Smsc};
use support::shop::{Shop, event};
use support::{run, wait_until};

/// Monday, eleven in the morning in Paris: within the hours of SMS. Messages that met a busy provider wait for minutes.
const CLOCK: &str = "start = 2026-11-23T10:00:00Z\nspeed = 20.0";

const CUSTOMERS: usize = 300;
const WINDOW: usize = 10;

/// Of these the message centre keeps its answer for itself, or hangs up instead; all but the second have arrived.
const UNANSWERED: [(usize, &str); 3] = [(1, "accept_and_swallow"), (2, "swallow"), (3, "accept_and_drop")];

/// These telephones are never reached.
const UNREACHED: [usize; 2] = [30, 31];

/// Who says STOP.
const STOPS: usize = 40;

/// Two thirds short and plain; the rest accented, with emoji, or longer than one part.
fn words(n: usize) -> String {
    match n % 12 {
        0 => format!("no {n}, 20 € de réduction {{été}} [A~B]"),
        4 => format!("Forêt ❤ {n} 😀"),
        7 => format!("{n} {}", "le texte est long, é€. ".repeat(9)),
        10 => format!("{n} {}", "😀 ça, où, naïve ".repeat(12)),
        _ => format!("{n}"),
    }
}

fn number(n: usize) -> String {
    format!("336{n:08}")
}

fn shop(smsc: &Smsc) -> Shop {
    let shop = Shop::open_with(
        &format!(
            "[smpp]\nhost = '127.0.0.1'\nport = {}\nsystem_id = 'shop'\npassword = 'secret'\nwindow = {WINDOW}\n\
             connections = 2\nsend_deadline_s = 8\nconnect_timeout_s = 2\n",
            smsc.port
        ),
        CLOCK,
    );
    let rule = "rule: flash\npurpose: marketing\ntrigger: { event: flash.sale }\nre_entry: always\n\
        steps: [{ send: { sms: flash } }]\n";
    std::fs::create_dir_all(shop.folder.join("templates/flash")).expect("a folder");
    for (path, text) in
        [("rules/flash.yaml", rule), ("templates/flash/sms.fr.txt", "Vente {{data.words}}!\n")]
    {
        std::fs::write(shop.folder.join(path), text).expect("written");
    }
    shop.edit("rules/events.yaml", "  order.placed:", "  flash.sale: [words]\n  order.placed:");
    shop
}

fn customer(n: usize) -> String {
    let consents = json!([{"channel": "sms", "purpose": "marketing", "status": "granted", "source": "form"}]);
    let data = json!({ "phone": format!("+{}", number(n)), "consents": consents });
    event(&format!("c{n}"), "customer.updated", &format!("c-{n}"), "2026-11-23T09:50:00Z", data)
}

fn sale(n: usize, id: &str, time: &str) -> String {
    let data = json!({ "words": words(n) });
    event(&format!("{id}{n}"), "flash.sale", &format!("c-{n}"), &format!("2026-11-23T{time}Z"), data)
}

fn text<'a>(message: &'a Value, field: &str) -> &'a str {
    message[field].as_str().unwrap_or_default()
}

/// What the message centre took, by number.
fn arrived(smsc: &Smsc) -> BTreeMap<String, Vec<Accepted>> {
    let mut arrived: BTreeMap<String, Vec<Accepted>> = BTreeMap::new();
    for part in smsc.accepted() {
        arrived.entry(part.to.clone()).or_default().push(part);
    }
    arrived
}

/// The text put together; none while parts are missing.
fn whole(parts: &[Accepted]) -> Option<String> {
    let count = parts.first()?.place.map_or(1, |place| place.count);
    let mut texts = BTreeMap::new();
    for part in parts {
        texts.insert(part.place.map_or(1, |place| place.number), part.text.as_str());
    }
    (texts.len() == count).then(|| texts.into_values().collect())
}

#[test]
fn from_the_event_to_the_telephone_and_back() {
    let undelivered: Vec<String> = UNREACHED.iter().map(|n| number(*n)).collect();
    let smsc = Smsc::start(&json!({ "delay_ms": 2, "receipts": true, "undelivered": undelivered }));
    let numbers: BTreeMap<String, Value> =
        UNANSWERED.iter().map(|(n, fault)| (number(*n), json!([fault]))).collect();
    smsc.behave(json!({
        "throttle_every": 9, "drop_before_every": 101, "drop_after_every": 197, "swallow_every": 83,
        "numbers": numbers,
    }));
    let shop = shop(&smsc);
    let worker = shop.start();
    let events: Vec<String> =
        (0..CUSTOMERS).map(customer).chain((0..CUSTOMERS).map(|n| sale(n, "s", "09:55:00"))).collect();
    shop.publish(&events);
    let settled = |all: &[Value]| {
        let ended = |m: &&Value| ["delivered", "failed", "uncertain"].contains(&text(m, "state"));
        all.iter().filter(ended).count() == CUSTOMERS
    };
    let messages = shop.wait_for(Duration::from_secs(150), settled);

    let mut taken = arrived(&smsc);
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    let mut in_parts = 0;
    for message in &messages {
        let n: usize = text(message, "customer").trim_start_matches("c-").parse().expect("a number");
        let parts = taken.remove(&number(n)).unwrap_or_default();
        let mut seen = HashSet::new();
        let once = parts.iter().all(|part| seen.insert(part.place.map(|place| place.number)));
        assert!(once, "customer {n} got it twice: {parts:?}");
        let state = text(message, "state");
        *counted.entry(state).or_default() += 1;
        if state == "uncertain" {
            continue;
        }
        in_parts += usize::from(parts.len() > 1);
        let sent = format!("Vente {}!\nSTOP au 36180", words(n));
        assert_eq!(whole(&parts).as_deref(), Some(sent.as_str()), "customer {n}, {message}");
        assert_eq!(state == "failed", UNREACHED.contains(&n), "{message}");
        if state == "failed" {
            assert_eq!(text(message, "reason"), "undelivered");
        }
    }
    assert!(taken.is_empty(), "for nobody: {taken:?}");
    for (n, fault) in UNANSWERED {
        let customer = format!("c-{n}");
        let message = messages.iter().find(|m| m["customer"] == customer.as_str()).expect("its message");
        assert_eq!(text(message, "state"), "uncertain", "{fault}: {message}");
    }
    println!("{counted:?}, {in_parts} in parts; {}", smsc.tell(json!({}), "stats"));
    // The faults were there, and left no more uncertain than what was under way.
    let (submits, lost) = (smsc.count("submits") as usize, smsc.count("binds") as usize - 2);
    assert!(in_parts > 10 && lost > 3, "{in_parts} in parts, {lost} sessions lost");
    assert!(counted.contains_key("failed") && counted["delivered"] > CUSTOMERS / 2, "{counted:?}");
    let uncertain = counted["uncertain"];
    assert!(uncertain <= lost * WINDOW + submits / 83 + UNANSWERED.len(), "{uncertain} are uncertain");

    stop(&smsc, &shop);
    assert!(worker.terminate(Duration::from_secs(25)).success());
    assert!(smsc.count("unbinds") >= 2, "the sessions end with a goodbye");
}

/// STOP as the network gives it, in national form, and again in other words: withdrawn once for all, confirmed once.
fn stop(smsc: &Smsc, shop: &Shop) {
    smsc.behave(json!({}));
    let before = smsc.accepted().len();
    let national = format!("0{}", number(STOPS).trim_start_matches("33"));
    let delivery = |tag: &str, words: &str| {
        let pdu = json!({
            "source_addr": national, "source_addr_ton": 2, "source_addr_npi": 1, "destination_addr": "36180",
        });
        json!({ "tag": tag, "pdu": pdu, "base64": STANDARD.encode(words) })
    };
    for (tag, words) in [("first", "Stop."), ("second", "STOP svp")] {
        smsc.tell(json!({ "list": [delivery(tag, words)] }), "deliver");
        let kept = wait_until(Duration::from_secs(30), || smsc.answers_to(tag).ends_with(&[0]));
        assert!(kept, "{tag}: {:?}", smsc.answers_to(tag));
    }
    let customer = format!("c-{STOPS}");
    let shown = run(shop.declic().args(["customers", "show", &customer, "--format", "json"]));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let shown = if shown.is_array() { shown[0].clone() } else { shown };
    let consents = shown["consents"].as_array().expect("consents");
    let withdrawn = |c: &&Value| c["status"] == "withdrawn" && c["purpose"] == "marketing";
    let first = consents.iter().filter(withdrawn).find(|c| c["proof"]["text"] == "Stop.").expect("withdrawn");
    assert_eq!(first["channel"], "sms");
    let proof = &first["proof"];
    assert_eq!((text(proof, "from"), text(proof, "to")), (format!("+{}", number(STOPS)).as_str(), "36180"));
    let id = text(proof, "provider_message_id");

    let listed = run(shop.declic().args(["messages", "inbound", "--meaning", "stop", "--format", "ndjson"]));
    let listed = support::shop::lines(&listed);
    let written = listed.iter().find(|row| row["text"] == "Stop.").expect("it is listed");
    assert_eq!((text(written, "id"), text(written, "from")), (id, text(proof, "from")));
    assert_eq!(written["customers"], 1);

    // From now on no sale reaches this customer; the neighbour's shows that it was looked at.
    shop.post(&[sale(STOPS, "t", "09:58:00"), sale(STOPS + 1, "t", "09:58:00")]);
    shop.wait_for(Duration::from_secs(60), |all| {
        let of = |customer: String, state: &str| {
            all.iter().any(|m| {
                m["customer"] == customer.as_str() && m["rule"] == "flash" && text(m, "state") == state
            })
        };
        let confirmed = |m: &Value| m["rule"] != "flash" && text(m, "state") == "delivered";
        of(format!("c-{STOPS}"), "suppressed")
            && of(format!("c-{}", STOPS + 1), "delivered")
            && all.iter().any(confirmed)
            && all.iter().all(|m| !["pending", "claimed", "sending", "sent"].contains(&text(m, "state")))
    });
    let after = smsc.accepted().split_off(before);
    let to: Vec<&str> = after.iter().map(|part| part.to.as_str()).collect();
    let confirmation = after.iter().find(|part| part.to == number(STOPS)).expect("a confirmation");
    assert!(confirmation.text.contains("plus de publicit"), "{confirmation:?}");
    assert_eq!(to.len(), 2, "one confirmation, and the neighbour's sale: {after:?}");
}
