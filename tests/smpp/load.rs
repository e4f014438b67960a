//! Thousands of messages through throttling, lost connections and lost answers: what is said of each is true.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use declic::channels::sms::smpp::ReceiptIds;
use declic::channels::sms::{Incoming, ReceiptState};
use declic::channels::{Answer, SmppConfig};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::smsc::{Accepted, Smsc};
use crate::{Kept, sms, start};

const MESSAGES: usize = 5_000;
const AT_ONCE: usize = 80;
const WINDOW: usize = 12;

/// Two thirds short and plain; the rest accented, with emoji, or longer than one part.
fn text(n: usize) -> String {
    match n % 12 {
        0 => format!("Votre code {n} : 20 € de réduction {{été}} [A~B]"),
        1 => format!("Forêt ❤ n° {n} 😀"),
        2 => format!("Message {n} : {}", "le texte est long, é€. ".repeat(9)),
        3 => format!("Nº{n} {}", "😀 ça, où, naïve ".repeat(12)),
        _ => format!("Bonjour, message {n}."),
    }
}

fn number(n: usize) -> String {
    format!("+336{n:08}")
}

/// What was said of one message, and how often it was busy before.
struct Told {
    answer: Answer,
    busy: usize,
}

/// As delivery does: sends again only what was certainly not accepted.
async fn send(channel: &declic::channels::Smpp, n: usize) -> Told {
    let sms = sms(&number(n), &text(n));
    for busy in 0..200 {
        match channel.send(&sms).await {
            Answer::Busy { .. } => tokio::time::sleep(Duration::from_millis(20)).await,
            answer => return Told { answer, busy },
        }
    }
    panic!("message {n} was busy 200 times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_arrives_as_often_as_was_said() {
    let began = Instant::now();
    let smsc = Smsc::start(&json!({ "delay_ms": 2, "receipts": true, "receipt_form": "decimal" }));
    smsc.behave(json!({
        "throttle_every": 9, "drop_before_every": 701, "drop_after_every": 503,
        "lose_every": 601, "swallow_every": 401,
    }));
    let kept = Kept::default();
    let config =
        SmppConfig { window: WINDOW, connections: 2, receipt_ids: ReceiptIds::HexToDecimal, ..smsc.config() };
    let channel = start(&config, kept.sink(|call| call % 10 == 3));

    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut sends = Vec::new();
    for n in 0..MESSAGES {
        let place = room.clone().acquire_owned().await.unwrap();
        let smpp = channel.smpp.clone();
        sends.push(tokio::spawn(async move {
            let told = send(&smpp, n).await;
            drop(place);
            told
        }));
    }
    let mut told = Vec::new();
    for send in sends {
        told.push(send.await.unwrap());
    }
    let sent = began.elapsed();

    let mut arrived: HashMap<String, Vec<Accepted>> = HashMap::new();
    for part in smsc.accepted() {
        arrived.entry(part.to.clone()).or_default().push(part);
    }
    let (mut accepted, mut uncertain, mut busy, mut in_parts) = (0, 0, 0, 0);
    let mut ids = HashSet::new();
    for (n, told) in told.iter().enumerate() {
        let parts = arrived.remove(number(n).trim_start_matches('+')).unwrap_or_default();
        once(n, &parts);
        busy += told.busy;
        match &told.answer {
            Answer::Accepted { ids: given, .. } => {
                accepted += 1;
                in_parts += usize::from(parts.len() > 1);
                assert_eq!(whole(&parts).as_deref(), Some(text(n).as_str()), "message {n}: {parts:?}");
                let theirs: Vec<String> = parts.iter().map(|part| part.id.to_string()).collect();
                assert_eq!(*given, theirs, "message {n}");
                ids.extend(theirs);
            }
            Answer::Uncertain { .. } => uncertain += 1,
            other => panic!("message {n}: {other:?}"),
        }
    }
    assert!(arrived.is_empty(), "for nobody: {arrived:?}");
    println!(
        "{accepted} accepted ({in_parts} in parts), {uncertain} uncertain, {busy} times busy, in {sent:?}; {}",
        smsc.tell(json!({}), "stats")
    );
    // The faults were there. What they leave uncertain is at most the lost answers, and a window for each lost session.
    let (submits, lost) = (smsc.count("submits") as usize, smsc.count("binds") as usize - 2);
    assert!(busy > 300 && in_parts > 500 && lost > 10 && uncertain > submits / 401);
    assert!(uncertain <= lost * WINDOW + submits / 401 + submits / 601 + 2, "{uncertain} are uncertain");
    assert!(smsc.count("most_outstanding") <= WINDOW as u64, "{} at once", smsc.count("most_outstanding"));
    assert!(smsc.count("most_outstanding") > WINDOW as u64 / 2, "the window was not used");

    // Every receipt reaches the sink, which refuses each tenth call, by the id that was given.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let reported: HashSet<String> = kept.items().iter().filter_map(delivered).collect();
        let missing = ids.difference(&reported).count();
        if missing == 0 {
            break;
        }
        assert!(Instant::now() < until, "{missing} receipts are missing");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    channel.smpp.close().await;
    println!("all of it in {:?}", began.elapsed());
}

/// None of the parts twice.
fn once(n: usize, parts: &[Accepted]) {
    let mut numbers = HashSet::new();
    for part in parts {
        assert!(numbers.insert(part.place.map(|place| place.number)), "message {n} twice: {parts:?}");
    }
}

/// The text put together, when all parts of one reference are here.
fn whole(parts: &[Accepted]) -> Option<String> {
    if let [part] = parts
        && part.place.is_none()
    {
        return Some(part.text.clone());
    }
    let first = parts.first()?.place?;
    let mut texts = BTreeMap::new();
    for part in parts {
        let place = part.place?;
        if (place.reference, place.count) != (first.reference, first.count) {
            return None;
        }
        texts.insert(place.number, part.text.as_str());
    }
    let complete = texts.keys().copied().eq(1..=first.count);
    complete.then(|| texts.into_values().collect())
}

fn delivered(item: &Incoming) -> Option<String> {
    match item {
        Incoming::Receipt(receipt) if receipt.state == ReceiptState::Delivered => {
            Some(receipt.provider_id.clone())
        }
        other => panic!("{other:?}"),
    }
}
