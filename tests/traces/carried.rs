//! What is carried where, without anybody who exports it.

use serde_json::{Value, json};

use super::*;
use crate::support::shop::ask;

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_with_what_an_event_causes() {
    let provider = provider();
    let shop = tokio::task::block_in_place(|| shop(&provider));
    let worker = tokio::task::block_in_place(|| shop.start());
    let (connection, channel) = rabbit::publisher(&shop.broker).await;

    // The ways in: (customer, the trace that is expected).
    let broken = "00-00000000000000000000000000000000-00ad6b7169203331-01";
    structured(&channel, &with(sign_up("attribute"), &traceparent(1, "01")), &[]).await;
    let second = traceparent(2, "00");
    structured(&channel, &sign_up("header"), &[("traceparent", &second)]).await;
    let other = traceparent(0xee, "01");
    structured(&channel, &with(sign_up("both"), &traceparent(3, "01")), &[("traceparent", &other)]).await;
    structured(&channel, &with(sign_up("broken"), broken), &[]).await;
    structured(&channel, &sign_up("broken-header"), &[("traceparent", "none")]).await;
    structured(&channel, &sign_up("none"), &[]).await;
    let binary = sign_up("binary");
    let (fifth, data) = (traceparent(5, "01"), binary["data"].to_string());
    let mut headers = vec![("cloudEvents:traceparent", fifth.as_str())];
    let names = ["specversion", "id", "source", "type", "subject", "time"];
    let named: Vec<(String, &str)> = names
        .iter()
        .map(|name| (format!("cloudEvents:{name}"), binary[*name].as_str().expect("a text")))
        .collect();
    headers.extend(named.iter().map(|(name, value)| (name.as_str(), *value)));
    publish(&channel, "application/json", data, &headers).await;
    tokio::task::block_in_place(|| {
        let body = format!("{}\n{}", sign_up("http"), with(sign_up("http-own"), &traceparent(7, "01")));
        let head = "POST /events HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n";
        let trace = traceparent(6, "01");
        let request = format!("{head}traceparent: {trace}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = ask(shop.admin, &request).expect("an answer");
        assert!(answer.contains(" 200 "), "{answer}");
    });

    let expected = [
        ("attribute", Some(traceparent(1, "01"))),
        ("header", Some(second)),
        ("both", Some(traceparent(3, "01"))),
        ("broken", None),
        ("broken-header", None),
        ("none", None),
        ("binary", Some(fifth)),
        ("http", Some(traceparent(6, "01"))),
        ("http-own", Some(traceparent(7, "01"))),
    ];
    let sent = tokio::task::block_in_place(|| outcomes(&shop, "message.sent", expected.len()));
    for (customer, trace) in &expected {
        let outcome = sent.iter().find(|o| o["subject"] == *customer).expect("one for each customer");
        assert_eq!(outcome.get("traceparent").and_then(Value::as_str), trace.as_deref(), "{outcome}");
    }
    // A mail says nothing of it.
    for mail in shop.sink.mails() {
        let text = String::from_utf8_lossy(&mail.raw).to_ascii_lowercase();
        assert!(!text.contains("traceparent") && !text.contains(&trace_id(1)), "{text}");
    }

    // After a wait, of a customer whose events are read back from the database, and out over HTTP.
    let sale = with(event("sale", "flash.sale", "none", &json!({})), &traceparent(8, "01"));
    structured(&channel, &sale, &[]).await;
    structured(&channel, &event("untraced", "flash.sale", "header", &json!({})), &[]).await;
    let sent = tokio::task::block_in_place(|| outcomes(&shop, "message.sent", expected.len() + 2));
    let of = |customer: &str| {
        let sms = |o: &&Value| o["subject"] == customer && o["data"]["channel"] == "sms";
        sent.iter().find(sms).expect("an SMS")["traceparent"].clone()
    };
    assert_eq!((of("none"), of("header")), (traceparent(8, "01").into(), Value::Null));
    let mut asked: Vec<_> =
        provider.asked().iter().map(|a| a.header("traceparent").map(str::to_owned)).collect();
    asked.sort();
    assert_eq!(asked, [None, Some(traceparent(8, "01"))]);

    // Lines about a message lead to its trace; those about what was broken say so.
    let log = log_of(&worker);
    for (customer, trace) in &expected {
        let about: Vec<_> = lines_about(&log, "customer", customer)
            .filter(|l| l["fields"]["state"] == "sent" && l["fields"]["rule"] == "welcome")
            .collect();
        assert!(!about.is_empty(), "{customer}");
        for line in about {
            let id = line["fields"]["message_id"].as_str().expect("the message's id");
            assert!(line["fields"]["message"].as_str().is_some_and(|words| words.contains(id)), "{line}");
            let found = line["fields"].get("trace_id").and_then(Value::as_str);
            assert_eq!(found, trace.as_deref().map(|trace| &trace[3..35]), "{line}");
        }
    }
    for (id, is_broken) in
        [("broken-1", true), ("broken-header-1", true), ("none-1", false), ("both-1", false)]
    {
        assert_eq!(lines_about(&log, "event", id).count() == 1, is_broken, "{id}");
    }
    assert!(tokio::task::block_in_place(|| worker.terminate(PATIENCE)).success());
    let _ = connection.close(200, "done".into()).await;
}

#[test]
fn a_provider_is_told_nothing_where_the_configuration_says_so() {
    let provider = provider();
    let shop = shop(&provider);
    let text = std::fs::read_to_string(shop.folder.join("declic.toml")).expect("it is there");
    std::fs::write(shop.folder.join("declic.toml"), text.replace("[sms]\n", "[sms]\ntraceparent = false\n"))
        .expect("written");
    let worker = shop.start();
    shop.post(&[sign_up("alice").to_string()]);
    let sale = with(event("sale", "flash.sale", "alice", &json!({})), &traceparent(9, "01"));
    shop.post(&[sale.to_string()]);
    let sent = outcomes(&shop, "message.sent", 2);
    let sms = sent.iter().find(|o| o["data"]["channel"] == "sms").expect("an SMS");
    assert_eq!(sms["traceparent"], traceparent(9, "01"));
    assert_eq!(provider.asked().len(), 1);
    assert_eq!(provider.asked()[0].header("traceparent"), None);
    drop(worker);
}
