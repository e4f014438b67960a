//! Binds, refusals, silence and goodbyes.

use std::time::{Duration, Instant};

use declic::channels::sms::smpp::{Bind, Tls};
use declic::channels::{Answer, SmppConfig};
use declic::secret::Secret;
use serde_json::json;

use crate::smsc::{Place, Smsc};
use crate::support::free_port;
use crate::{Kept, Running, sms, start, word};

const TO: &str = "+33612345678";

fn quiet(config: &SmppConfig) -> Running {
    start(config, Kept::default().sink(|_| false))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_what_was_meant() {
    let smsc = Smsc::start(&json!({}));
    let channel = quiet(&smsc.config());
    let long = "é€".repeat(80);
    let senders = [Some("Boutique"), Some("+33612000000"), Some("36180"), None];
    for (n, from) in senders.into_iter().enumerate() {
        let sms =
            declic::channels::Sms { from: from.map(str::to_owned), ..sms(TO, &format!("n° {n} [€]")) };
        assert_eq!(word(&channel.smpp.send(&sms).await), "accepted");
    }
    assert_eq!(word(&channel.smpp.send(&sms(TO, &long)).await), "accepted");

    let accepted = smsc.accepted();
    let addresses: Vec<_> = accepted.iter().map(|a| (a.from.as_str(), a.address)).collect();
    let expected = [
        ("Boutique", [5, 0, 1, 1]),
        ("33612000000", [1, 1, 1, 1]),
        ("36180", [3, 0, 1, 1]),
        ("", [0, 0, 1, 1]),
        ("Boutique", [5, 0, 1, 1]),
        ("Boutique", [5, 0, 1, 1]),
    ];
    assert_eq!(addresses, expected);
    for one in &accepted {
        assert_eq!(one.to, "33612345678");
        assert_eq!(one.registered, 1);
        assert!((3590..=3600).contains(&one.valid_for_s), "{}", one.valid_for_s);
    }
    // ° is not in the GSM alphabet; € and é are.
    assert_eq!((accepted[0].esm_class, accepted[0].data_coding), (0, 8));
    let [first, second] = [&accepted[4], &accepted[5]];
    let places = [first.place.unwrap(), second.place.unwrap()];
    let reference = places[0].reference;
    assert_eq!(places, [1, 2].map(|number| Place { reference, count: 2, number }));
    assert_eq!((first.esm_class, first.data_coding), (0x40, 0));
    assert_eq!(format!("{}{}", first.text, second.text), long);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_refused_is_not_hammered() {
    let smsc = Smsc::start(&json!({}));
    let wrong = SmppConfig { password: Some(Secret::new("wrong")), ..smsc.config() };
    let channel = quiet(&wrong);
    let began = Instant::now();
    let mut refusals = 0;
    while began.elapsed() < Duration::from_secs(3) {
        match channel.smpp.send(&sms(TO, "x")).await {
            Answer::ProviderRefused { reply } => {
                assert!(reply.contains("ESME_RINVPASWD"), "{reply}");
                refusals += 1;
            }
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(refusals > 20, "each is told at once: {refusals}");
    assert!(smsc.count("refused_binds") <= 2, "{} binds", smsc.count("refused_binds"));
    let error = channel.smpp.check().await.unwrap_err();
    assert!(error.contains("ESME_RINVPASWD") && !error.contains("wrong"), "{error}");
    assert!(smsc.accepted().is_empty());

    let stranger = quiet(&SmppConfig { system_id: "stranger".into(), ..smsc.config() });
    let answer = stranger.smpp.send(&sms(TO, "x")).await;
    assert_eq!(word(&answer), "provider refused", "{answer:?}");
}

#[tokio::test]
async fn nobody_there() {
    let config = SmppConfig {
        host: "127.0.0.1".into(),
        port: free_port(),
        system_id: "shop".into(),
        ..SmppConfig::default()
    };
    let channel = quiet(&config);
    let began = Instant::now();
    let answer = channel.smpp.send(&sms(TO, "x")).await;
    assert_eq!(word(&answer), "busy", "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "told at once");
    assert!(channel.smpp.check().await.is_err());
    channel.smpp.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_have_their_scope() {
    let smsc = Smsc::start(&json!({}));
    smsc.behave(json!({ "numbers": {
        "0001": [0x0b], "0002": [0x58], "0003": [0x14], "0004": [0x08], "0005": [0x01], "0006": [0x0a],
        "0007": [0x45], "0008": [0x499], "0009": ["swallow"], "0010": ["drop"],
    } }));
    let channel = quiet(&smsc.config());
    let expected = [
        "bad address",
        "busy",
        "busy",
        "retry",
        "refused",
        "provider refused",
        "retry",
        "retry",
        "uncertain",
        "uncertain",
    ];
    for (n, expected) in (1..).zip(expected) {
        let to = format!("+3361234{n:04}");
        let answer = channel.smpp.send(&sms(&to, "x")).await;
        assert_eq!(word(&answer), expected, "{to}: {answer:?}");
        assert!(smsc.accepted().is_empty(), "{to}");
    }
    // Busy and uncertain alike leave the channel usable.
    assert_eq!(word(&channel.smpp.send(&sms(TO, "x")).await), "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_message_is_brought_to_its_end() {
    let smsc = Smsc::start(&json!({}));
    smsc.behave(json!({ "numbers": {
        "0001": [0, 0x58, 0x14, 0x08, 0, 0x58], // throttled at each later part
        "0002": [0, 0x0b],                      // refused for good at the second
        "0003": [0, "drop"],                    // the session is lost at the second
        "0004": [0x58, 0],                      // throttled at the first
        "0005": [0, 0x58, 0x58, 0x58, 0x58, 0x58, 0x58, 0x58, 0x58], // throttled for longer than the deadline
    } }));
    let channel = quiet(&smsc.config());
    let long = "abc ".repeat(100);
    let expected = [("accepted", 3), ("uncertain", 1), ("uncertain", 1), ("busy", 0), ("uncertain", 1)];
    for (n, (expected, arrived)) in (1..).zip(expected) {
        let to = format!("+3361234{n:04}");
        let began = Instant::now();
        let answer = channel.smpp.send(&sms(&to, &long)).await;
        assert_eq!(word(&answer), expected, "{to}: {answer:?}");
        assert!(began.elapsed() < Duration::from_millis(2500), "{to}: {:?}", began.elapsed());
        let parts: Vec<_> = smsc.accepted().into_iter().filter(|a| to.ends_with(&a.to)).collect();
        assert_eq!(parts.len(), arrived, "{to}: {parts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_falls_silent_is_left() {
    let smsc = Smsc::start(&json!({}));
    let config = SmppConfig { enquire_link_s: 1, connect_timeout_s: 1, send_deadline_s: 20, ..smsc.config() };
    let channel = quiet(&config);
    smsc.wait_for("enquiries", 2);
    assert_eq!(smsc.count("binds"), 1, "one session, kept awake");
    smsc.behave(json!({ "mute": true }));
    let began = Instant::now();
    let answer = channel.smpp.send(&sms(TO, "x")).await;
    assert_eq!(word(&answer), "uncertain", "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "long before the deadline: {:?}", began.elapsed());
    smsc.behave(json!({}));
    smsc.wait_for("binds", 2);
    assert_eq!(word(&channel.smpp.send(&sms(TO, "x")).await), "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_end_politely_and_begin_again() {
    let smsc = Smsc::start(&json!({}));
    let channel = quiet(&smsc.config());
    assert_eq!(word(&channel.smpp.send(&sms(TO, "one")).await), "accepted");
    assert!(channel.smpp.check().await.unwrap().contains("bound as shop"));
    // What no client expects does no harm.
    smsc.tell(json!({}), "surprise");
    assert_eq!(word(&channel.smpp.send(&sms(TO, "two")).await), "accepted");
    for politely in [true, false] {
        smsc.tell(json!({ "politely": politely }), "leave");
        // Nothing of it can be written, or a new session carries it: in no case is it uncertain for long.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = channel.smpp.send(&sms(TO, "again")).await;
        assert_eq!(word(&answer), "accepted", "{answer:?}");
    }
    assert_eq!(smsc.count("binds"), 3);
    assert_eq!(smsc.count("unbinds"), 0);
    channel.smpp.close().await;
    assert_eq!(smsc.count("unbinds"), 1);
    assert_eq!(smsc.count("sessions"), 0);
    assert_eq!(word(&channel.smpp.send(&sms(TO, "late")).await), "busy");
    let mut channel = channel;
    tokio::time::timeout(Duration::from_secs(1), &mut channel.task).await.expect("run has ended").unwrap();
    assert_eq!(smsc.accepted().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_lets_what_is_under_way_end() {
    let smsc = Smsc::start(&json!({ "delay_ms": 300 }));
    let channel = quiet(&smsc.config());
    let smpp = channel.smpp.clone();
    let under_way = tokio::spawn(async move { smpp.send(&sms(TO, &"long ".repeat(100))).await });
    smsc.wait_for("submits", 1);
    channel.smpp.close().await;
    assert_eq!(word(&under_way.await.unwrap()), "accepted");
    assert_eq!((smsc.accepted().len(), smsc.count("unbinds")), (4, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transmitter_and_a_receiver() {
    let smsc = Smsc::start(&json!({ "receipts": true }));
    let kept = Kept::default();
    let config = SmppConfig { bind: Bind::Separate, ..smsc.config() };
    let channel = start(&config, kept.sink(|_| false));
    assert_eq!(word(&channel.smpp.send(&sms(TO, "x")).await), "accepted");
    assert!(crate::support::wait_until(Duration::from_secs(5), || kept.items().len() == 1));
    let mut roles: Vec<String> =
        serde_json::from_value(smsc.tell(json!({}), "stats")["roles"].clone()).unwrap();
    roles.sort();
    assert_eq!(roles, ["receiver", "transmitter"]);
    channel.smpp.close().await;
    assert!(crate::support::wait_until(Duration::from_secs(5), || smsc.count("unbinds") == 2));
}

/// The certificate is that of the mail tests; node's TLS is OpenSSL's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/smtp");
    let (key, cert) = (data.join("server.key"), data.join("server.pem"));
    let smsc = Smsc::start(&json!({ "tls": { "key": key, "cert": cert } }));
    let trusting = SmppConfig { tls: Tls::Implicit, ca_file: Some(data.join("ca.pem")), ..smsc.config() };
    let channel = quiet(&trusting);
    assert_eq!(word(&channel.smpp.send(&sms(TO, &"long é ".repeat(100))).await), "accepted");
    assert_eq!(smsc.accepted().len(), 5);
    channel.smpp.close().await;
    let checked = quiet(&trusting).smpp.check().await.unwrap();
    assert!(checked.contains("TLS 1.3"), "{checked}");

    let wary = quiet(&SmppConfig { ca_file: None, ..trusting });
    let answer = wary.smpp.send(&sms(TO, "x")).await;
    assert_eq!(word(&answer), "provider refused", "{answer:?}");
}
