//! Tests of the SMPP channel without a message centre: what comes in, and what is refused before anything goes out.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::config::ReceiptIds;
use super::pdu::{Delivered, Frame, command};
use super::receipt::Dialect;
use super::{Smpp, SmppConfig, validity};
use crate::channels::Answer;
use crate::channels::sms::{Incoming, IncomingSink, ReceiptState, Sms};
use crate::clock::Clock;
use crate::domain::sms::Encoding;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
const FAILED: ReceiptState = ReceiptState::Failed { bad_address: false };
const NOBODY: ReceiptState = ReceiptState::Failed { bad_address: true };

type Tlvs<'a> = &'a [(u16, &'a [u8])];

/// A `deliver_sm` from +33612345678 to 36180.
fn deliver(esm_class: u8, data_coding: u8, text: &[u8], tlvs: Tlvs) -> Frame {
    let mut body = b"\0\x01\x0133612345678\0\x03\x0036180\0".to_vec();
    body.extend_from_slice(&[esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, text.len() as u8]);
    body.extend_from_slice(text);
    put(&mut body, tlvs);
    Frame { command: command::DELIVER_SM, status: 0, sequence: 1, body }
}

fn put(body: &mut Vec<u8>, tlvs: Tlvs) {
    for (tag, value) in tlvs {
        body.extend_from_slice(&tag.to_be_bytes());
        body.extend_from_slice(&(value.len() as u16).to_be_bytes());
        body.extend_from_slice(value);
    }
}

fn read(config: &SmppConfig, frame: &Frame) -> Option<Incoming> {
    Dialect::new(config).read(&Delivered::parse(frame)?, NOW)
}

fn receipt(config: &SmppConfig, frame: &Frame) -> (String, ReceiptState) {
    match read(config, frame) {
        Some(Incoming::Receipt(receipt)) => (receipt.provider_id, receipt.state),
        other => panic!("{other:?}"),
    }
}

#[test]
fn receipts_in_text() {
    let config = SmppConfig { bad_number_errors: vec!["027".into()], ..SmppConfig::default() };
    let cases = [
        ("stat:DELIVRD err:000", ReceiptState::Delivered),
        ("stat:DELIVERED", ReceiptState::Delivered),
        ("stat: delivrd err: 0", ReceiptState::Delivered),
        ("stat:EXPIRED err:027", FAILED),
        ("stat:DELETED", FAILED),
        ("stat:UNDELIV err:011", FAILED),
        ("stat:UNDELIV err:027", NOBODY),
        ("stat:REJECTD err:1", FAILED),
        ("stat:FAILED", FAILED),
        ("stat:ACCEPTD", ReceiptState::Pending),
        ("stat:ENROUTE", ReceiptState::Pending),
        ("stat:UNKNOWN", ReceiptState::Pending),
        ("stat:WHATEVER", ReceiptState::Pending),
        ("no state", ReceiptState::Pending),
        // The customer's own words are not the receipt's.
        ("stat:DELIVRD Text:stat:UNDELIV", ReceiptState::Delivered),
        ("text:stat:DELIVRD", ReceiptState::Pending),
    ];
    for (text, expected) in cases {
        let dates = "submit date:2611221000 done date:2611221001";
        let text = format!("id:4A7f sub:001 dlvrd:001 {dates} {text}");
        let frame = deliver(0x04, 0, text.as_bytes(), &[]);
        assert_eq!(receipt(&config, &frame), ("4A7f".to_owned(), expected), "{text}");
    }
    let Some(Incoming::Receipt(whole)) =
        read(&config, &deliver(4, 0, b"id:7 stat:UNDELIV err:011 text:Bonjour", &[]))
    else {
        panic!("not a receipt")
    };
    assert_eq!((whole.at, whole.detail.as_deref()), (NOW, Some("id:7 stat:UNDELIV err:011")));
}

#[test]
fn receipts_in_parameters_win() {
    let config = SmppConfig::default();
    let text = b"id:7 stat:UNDELIV err:000";
    let cases: [(Tlvs, &str, ReceiptState); 6] = [
        (&[(0x1e, b"8\0"), (0x427, &[2])], "8", ReceiptState::Delivered),
        // Without its zero, as some write it, and beside a parameter that nobody knows.
        (&[(0x1400, b"x"), (0x1e, b"8"), (0x427, &[2])], "8", ReceiptState::Delivered),
        (&[(0x427, &[1])], "7", ReceiptState::Pending),
        (&[(0x1e, b"")], "7", FAILED),
        (&[(0x427, &[5]), (0x423, &[3, 0, 1])], "7", NOBODY),
        (&[(0x427, &[3]), (0x423, &[3, 0, 1])], "7", FAILED),
    ];
    for (tlvs, id, state) in cases {
        assert_eq!(receipt(&config, &deliver(0x04, 0, text, tlvs)), (id.to_owned(), state), "{tlvs:?}");
    }
    // Not said to be a receipt, but with both parameters of one; and an intermediate notification.
    let bare = deliver(0, 0, b"", &[(0x1e, b"8\0"), (0x427, &[2])]);
    assert_eq!(receipt(&config, &bare), ("8".to_owned(), ReceiptState::Delivered));
    let intermediate = deliver(0x20, 0, b"id:8 stat:DELIVRD", &[]);
    assert_eq!(receipt(&config, &intermediate), ("8".to_owned(), ReceiptState::Pending));
    assert_eq!(read(&config, &deliver(0x04, 0, b"delivered!", &[])), None);
}

#[test]
fn receipts_in_data_sm() {
    let mut body = b"\0\x01\x0133612345678\0\x03\x0036180\0\x04\x00\x00".to_vec();
    put(&mut body, &[(0x1e, b"8\0"), (0x427, &[5])]);
    let frame = Frame { command: command::DATA_SM, status: 0, sequence: 1, body };
    assert_eq!(receipt(&SmppConfig::default(), &frame), ("8".to_owned(), FAILED));
}

#[test]
fn ids_to_another_base() {
    use ReceiptIds::{DecimalToHex, HexToDecimal, Same};
    let cases = [
        (Same, "00AbC", "00AbC"),
        (HexToDecimal, "1A2B3C", "1715004"),
        (HexToDecimal, "001a2b3c", "0001715004"),
        (DecimalToHex, "1715004", "1A2B3C"),
        (DecimalToHex, "0001715004", "001a2b3c"),
        (HexToDecimal, "7b6c3c8e-c1ad-45b0", "7b6c3c8e-c1ad-45b0"),
    ];
    for (receipt_ids, submitted, printed) in cases {
        let config = SmppConfig { receipt_ids, ..SmppConfig::default() };
        let ours = Dialect::new(&config).submitted(submitted);
        let text = format!("id:{printed} stat:DELIVRD");
        // The parameter in the form of the answer changes nothing.
        let tlvs: Tlvs = &[(0x1e, submitted.as_bytes())];
        for tlvs in [&[], tlvs] {
            assert_eq!(receipt(&config, &deliver(4, 0, text.as_bytes(), tlvs)).0, ours, "{submitted}");
        }
    }
}

fn text(frame: &Frame) -> (String, String, String, String) {
    match read(&SmppConfig::default(), frame) {
        Some(Incoming::Text(inbound)) => (inbound.id, inbound.from, inbound.to, inbound.text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_from_customers() {
    let cases: [(u8, u8, &[u8], &str); 6] = [
        (0, 0, b"STOP", "STOP"),
        (0, 1, b"Stop ", "Stop "),
        (0, 3, &[0x41, 0x72, 0x72, 0xea, 0x74], "Arrêt"),
        (0, 8, &[0, 0x53, 0xd8, 0x3d, 0xde, 0], "S😀"),
        (0x40, 0, b"\x05\x00\x03\x07\x02\x01STOP", "STOP"),
        (0, 0, b"id:7 stat:DELIVRD err:000", "id:7 stat:DELIVRD err:000"),
    ];
    for (esm_class, data_coding, octets, expected) in cases {
        let (id, from, to, text) = text(&deliver(esm_class, data_coding, octets, &[]));
        assert_eq!((from.as_str(), to.as_str(), text.as_str()), ("+33612345678", "36180", expected));
        assert_eq!(id.len(), 32);
    }
    let payload = deliver(0, 0, b"", &[(0x424, b"STOP")]);
    assert_eq!(text(&payload).3, "STOP");
}

#[test]
fn a_message_has_one_id_within_its_minute() {
    let at = |seconds: i64, octets: &[u8]| {
        let delivered = Delivered::parse(&deliver(0, 0, octets, &[])).unwrap();
        let dialect = Dialect::new(&SmppConfig::default());
        match dialect.read(&delivered, NOW + TimeDelta::seconds(seconds)) {
            Some(Incoming::Text(inbound)) => inbound.id,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(at(0, b"STOP"), at(59, b"STOP"));
    assert_ne!(at(0, b"STOP"), at(60, b"STOP"));
    assert_ne!(at(0, b"STOP"), at(0, b"START"));
    let own = deliver(0, 0, b"STOP", &[(0x1e, b"mo-17\0")]);
    assert_eq!(text(&own).0, "mo-17");
}

/// Whatever is cut off, reading neither fails loudly nor invents.
#[test]
fn deliveries_cut_short() {
    let whole = deliver(4, 0, b"id:7 stat:DELIVRD", &[(0x427, &[2])]);
    let least = whole.body.len() - 5;
    for length in 0..whole.body.len() {
        let cut = Frame { body: whole.body[..length].to_vec(), ..whole.clone() };
        assert_eq!(Delivered::parse(&cut).is_some(), length >= least, "{length}");
    }
}

fn sink() -> IncomingSink {
    Arc::new(|_| Box::pin(async { Ok(()) }))
}

fn config() -> SmppConfig {
    SmppConfig { system_id: "shop".into(), ..SmppConfig::default() }
}

#[test]
fn configurations_that_do_not_hold_together() {
    let cases = [
        (SmppConfig { system_id: String::new(), ..config() }, "system_id"),
        (SmppConfig { system_id: "é".into(), ..config() }, "system_id"),
        (SmppConfig { password: Some(crate::secret::Secret::new("a\0b")), ..config() }, "password"),
        (SmppConfig { connections: 0, ..config() }, "connections"),
        (SmppConfig { window: 0, ..config() }, "window"),
        (SmppConfig { ca_file: Some("/nowhere.pem".into()), ..config() }, "ca_file"),
    ];
    for (config, key) in cases {
        let error = Smpp::new(&config, sink(), Clock::Real).unwrap_err();
        assert!(error.contains(key), "{key}: {error}");
    }
    assert!(Smpp::new(&config(), sink(), Clock::Real).is_ok());
}

#[tokio::test]
async fn what_never_leaves() {
    let sms = Sms {
        message_id: "00112233445566778899aabbccddeeff".into(),
        from: Some("Boutique".into()),
        to: "+33612345678".into(),
        text: "Bonjour".into(),
        encoding: Encoding::Gsm7,
        segments: 1,
        expires_at: NOW + TimeDelta::hours(1),
        leave_by: NOW + TimeDelta::hours(1),
        customer_id: String::new(),
        rule: String::new(),
        locale: String::new(),
        purpose: String::new(),
        trace: None,
    };
    let smpp = Smpp::new(&config(), sink(), Clock::manual(NOW)).unwrap();
    let invalid = [
        Sms { text: "chaîne".into(), ..sms.clone() },
        Sms { to: "0612".replace('0', "+x"), ..sms.clone() },
        Sms { from: Some("Une boutique trop longue".into()), ..sms.clone() },
    ];
    for sms in invalid {
        assert!(matches!(smpp.send(&sms).await, Answer::Invalid { .. }), "{sms:?}");
    }
    let late = Sms { expires_at: NOW, ..sms.clone() };
    assert!(matches!(smpp.send(&late).await, Answer::Retry { .. }));
    smpp.close().await;
    assert!(matches!(smpp.send(&sms).await, Answer::Busy { .. }));
}

#[test]
fn validity_periods() {
    let clock = Clock::manual(NOW);
    let cases = [
        (TimeDelta::seconds(59), Some("000000000059000R")),
        (TimeDelta::hours(49) + TimeDelta::minutes(3), Some("000002010300000R")),
        (TimeDelta::days(300), Some("000007000000000R")),
        (TimeDelta::zero(), None),
        (TimeDelta::seconds(-5), None),
    ];
    for (left, expected) in cases {
        assert_eq!(validity(&clock, NOW + left).as_deref(), expected, "{left}");
    }
}
