//! Receipts and customers' messages come in while nothing is sent, and again until they are kept.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use declic::channels::SmppConfig;
use declic::channels::sms::{Incoming, ReceiptState};
use serde_json::{Value, json};

use crate::smsc::Smsc;
use crate::support::wait_until;
use crate::{Kept, start};

const TRY_AGAIN: u32 = 0x64;

fn delivery(tag: &str, data_coding: u8, octets: &[u8]) -> Value {
    let pdu = json!({
        "source_addr": "33612345678", "source_addr_ton": 1, "source_addr_npi": 1,
        "destination_addr": "36180", "data_coding": data_coding,
    });
    json!({ "tag": tag, "pdu": pdu, "base64": STANDARD.encode(octets) })
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_arrives_in_every_alphabet() {
    let smsc = Smsc::start(&json!({}));
    let kept = Kept::default();
    let channel = start(&smsc.config(), kept.sink(|_| false));
    smsc.wait_for("sessions", 1);
    let cases = [
        ("gsm", 0, b"STOP \x05".to_vec(), "STOP é"),
        ("ascii", 1, b"Stop".to_vec(), "Stop"),
        ("latin1", 3, vec![0x41, 0x72, 0x72, 0xea, 0x74], "Arrêt"),
        ("ucs2", 8, utf16("Désolé 😀"), "Désolé 😀"),
    ];
    let list: Vec<Value> =
        cases.iter().map(|(tag, coding, octets, _)| delivery(tag, *coding, octets)).collect();
    smsc.tell(json!({ "list": list }), "deliver");
    assert!(wait_until(Duration::from_secs(5), || kept.items().len() == cases.len()));
    for (item, (tag, .., text)) in kept.items().into_iter().zip(cases) {
        let Incoming::Text(inbound) = item else { panic!("{item:?}") };
        assert_eq!((inbound.from.as_str(), inbound.to.as_str()), ("+33612345678", "36180"));
        assert_eq!(inbound.text, text);
        assert!(wait_until(Duration::from_secs(5), || !smsc.answers_to(tag).is_empty()));
        assert_eq!(smsc.answers_to(tag), [0]);
    }
    channel.smpp.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_comes_again() {
    let smsc = Smsc::start(&json!({}));
    let kept = Kept::default();
    let _channel = start(&smsc.config(), kept.sink(|call| call < 2));
    smsc.wait_for("sessions", 1);
    smsc.tell(json!({ "list": [delivery("stop", 0, b"STOP")] }), "deliver");
    assert!(wait_until(Duration::from_secs(10), || smsc.answers_to("stop").ends_with(&[0])));
    // Acknowledged only when it was kept, and kept once.
    assert_eq!(smsc.answers_to("stop"), [TRY_AGAIN, TRY_AGAIN, 0]);
    assert_eq!(kept.items().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_acknowledged_comes_with_the_next_session() {
    let smsc = Smsc::start(&json!({}));
    let kept = Kept::default();
    let gone = start(&smsc.config(), std::sync::Arc::new(|_| Box::pin(std::future::pending())));
    smsc.wait_for("sessions", 1);
    smsc.tell(json!({ "list": [delivery("stop", 0, b"STOP")] }), "deliver");
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(gone);
    let _channel = start(&smsc.config(), kept.sink(|_| false));
    assert!(wait_until(Duration::from_secs(10), || kept.items().len() == 1));
    assert!(wait_until(Duration::from_secs(5), || smsc.answers_to("stop") == [0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_in_both_units() {
    let smsc = Smsc::start(&json!({}));
    let kept = Kept::default();
    let _channel =
        start(&SmppConfig { bad_number_errors: vec!["027".into()], ..smsc.config() }, kept.sink(|_| false));
    smsc.wait_for("sessions", 1);
    let receipt = |tag: &str, text: &str| {
        let mut delivery = delivery(tag, 0, text.as_bytes());
        delivery["pdu"]["esm_class"] = 4.into();
        delivery
    };
    let mut parameters = receipt("parameters", "");
    parameters["command"] = "data_sm".into();
    parameters["pdu"]["receipted_message_id"] = "c".into();
    parameters["pdu"]["message_state"] = 3.into();
    let list = [
        receipt("delivered", "id:a sub:001 dlvrd:001 stat:DELIVRD err:000 text:Bonjour"),
        receipt("nobody", "id:b sub:001 dlvrd:000 stat:UNDELIV err:027"),
        parameters,
        receipt("nonsense", "all is well"),
    ];
    smsc.tell(json!({ "list": list }), "deliver");
    let acknowledged = |tag: &str| wait_until(Duration::from_secs(5), || smsc.answers_to(tag) == [0]);
    for tag in ["delivered", "nobody", "parameters", "nonsense"] {
        assert!(acknowledged(tag), "{tag}");
    }
    let receipts: Vec<_> = kept
        .items()
        .into_iter()
        .map(|item| match item {
            Incoming::Receipt(receipt) => (receipt.provider_id, receipt.state),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("a", ReceiptState::Delivered),
        ("b", ReceiptState::Failed { bad_address: true }),
        ("c", ReceiptState::Failed { bad_address: false }),
    ];
    assert_eq!(receipts, expected.map(|(id, state)| (id.to_owned(), state)));
}
