//! Spans at a collector of our own, and no collector at all.

use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message as _;

use super::*;
use crate::support::shop::metric;

fn collector() -> Listener {
    Listener::start("200 OK", "application/x-protobuf", b"")
}

fn exporting_to(shop: &mut Shop, port: u16) {
    shop.set("DECLIC_TELEMETRY__OTLP_ENDPOINT", format!("http://127.0.0.1:{port}/"));
    shop.set("OTEL_BSP_SCHEDULE_DELAY", 100);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All spans that came so far.
fn spans(collector: &Listener) -> Vec<Span> {
    let exported = collector.asked().into_iter().flat_map(|asked| {
        assert_eq!(asked.line, "POST /v1/traces HTTP/1.1");
        assert_eq!(asked.header("content-type"), Some("application/x-protobuf"));
        let request = ExportTraceServiceRequest::decode(&*asked.body).expect("OTLP");
        request.resource_spans.into_iter().flat_map(|resource| {
            let about = resource.resource.expect("a resource");
            assert_eq!(text(&about.attributes, "service.name").as_deref(), Some("declic"));
            resource.scope_spans.into_iter().flat_map(|scope| scope.spans)
        })
    });
    exported.collect()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_what_is_sampled_reach_the_collector() {
    let (provider, collector) = (provider(), collector());
    let mut shop = tokio::task::block_in_place(|| shop(&provider));
    exporting_to(&mut shop, collector.port);
    let worker = tokio::task::block_in_place(|| shop.start());
    let (connection, channel) = rabbit::publisher(&shop.broker).await;
    structured(&channel, &with(sign_up("alice"), &traceparent(1, "01")), &[]).await;
    structured(&channel, &with(sign_up("bruno"), &traceparent(2, "00")), &[]).await;
    structured(&channel, &sign_up("chloe"), &[]).await;
    structured(&channel, &with(sign_up("rcpt-550-5.1.1"), &traceparent(3, "01")), &[]).await;
    let consents = json!({ "channel": "sms", "purpose": "service", "status": "denied" });
    structured(&channel, &event("alice-2", "consent.changed", "alice", &consents), &[]).await;
    let sale = |customer: &str, trace: u8| {
        let id = format!("{customer}-3");
        with(event(&id, "flash.sale", customer, &json!({})), &traceparent(trace, "01"))
    };
    // One that the gate stops, and one that goes out by SMS.
    structured(&channel, &sale("alice", 4), &[]).await;
    structured(&channel, &sale("chloe", 5), &[]).await;
    let _ = connection.close(200, "done".into()).await;
    let told = tokio::task::block_in_place(|| {
        let told = outcomes(&shop, "message.sent", 4);
        outcomes(&shop, "message.failed", 1);
        assert!(worker.terminate(PATIENCE).success());
        told
    });

    let spans = spans(&collector);
    let of = |trace: u8, name: &str| {
        let is_it = |s: &&Span| hex(&s.trace_id) == trace_id(trace) && s.name == name;
        spans.iter().filter(is_it).collect::<Vec<_>>()
    };
    let parent = |trace: u8| traceparent(trace, "01")[36..52].to_owned();

    // The message is a child of the publisher's span, the hand-over of the message.
    let [message] = of(1, "send email")[..] else { panic!("{spans:#?}") };
    assert_eq!(hex(&message.parent_span_id), parent(1));
    assert_eq!(text(&message.attributes, "declic.rule").as_deref(), Some("welcome"));
    assert_eq!(text(&message.attributes, "declic.state").as_deref(), Some("sent"));
    let [hand_over] = of(1, "hand-over")[..] else { panic!("{spans:#?}") };
    assert_eq!(hand_over.parent_span_id, message.span_id);
    assert!(hand_over.start_time_unix_nano >= message.start_time_unix_nano);
    assert!(hand_over.end_time_unix_nano <= message.end_time_unix_nano);

    // What goes out names them as its parents.
    let outcome = told.iter().find(|o| o["subject"] == "alice").expect("alice's");
    let expected = format!("00-{}-{}-01", trace_id(1), hex(&message.span_id));
    assert_eq!(outcome["traceparent"], expected);
    let [sms] = of(5, "send sms")[..] else { panic!("{spans:#?}") };
    let [dialogue] = of(5, "hand-over")[..] else { panic!("{spans:#?}") };
    assert_eq!((hex(&sms.parent_span_id), &dialogue.parent_span_id), (parent(5), &sms.span_id));
    let header = provider.asked()[0].header("traceparent").map(str::to_owned);
    assert_eq!(header, Some(format!("00-{}-{}-01", trace_id(5), hex(&dialogue.span_id))));

    // A failure is one.
    let [refused] = of(3, "send email")[..] else { panic!("{spans:#?}") };
    let code = refused.status.as_ref().map(|status| status.code);
    assert_eq!(code, Some(StatusCode::Error as i32));
    assert_eq!(text(&refused.attributes, "declic.reason").as_deref(), Some("refused"));

    // Batches are linked to what caused them, and only to what is sampled.
    let batches: Vec<&Span> = spans.iter().filter(|span| span.name == "process events").collect();
    let mut linked: Vec<_> = batches
        .iter()
        .flat_map(|batch| &batch.links)
        .map(|link| (hex(&link.trace_id), hex(&link.span_id), text(&link.attributes, "messaging.message.id")))
        .collect();
    linked.sort();
    let mut expected: Vec<_> = [(1, "alice-1"), (3, "rcpt-550-5.1.1-1"), (4, "alice-3"), (5, "chloe-3")]
        .map(|(trace, id)| (trace_id(trace), parent(trace), Some(id.to_owned())))
        .to_vec();
    expected.sort();
    assert_eq!(linked, expected);
    assert!(batches.iter().all(|batch| batch.parent_span_id.is_empty()));

    // Nothing of what is not sampled, and no address, number or customer.
    assert!(spans.iter().all(|span| hex(&span.trace_id) != trace_id(2)));
    let everything = format!("{spans:?}");
    for secret in ["@example.com", "612345678", "\"alice\"", "chloe\""] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

#[test]
fn a_collector_that_is_away_costs_nothing() {
    let provider = provider();
    let mut shop = shop(&provider);
    let away = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = away.local_addr().expect("its address").port();
    drop(away);
    exporting_to(&mut shop, port);
    let worker = shop.start();
    let events: Vec<_> =
        (0..50u8).map(|n| with(sign_up(&format!("c{n}")), &traceparent(n + 1, "01")).to_string()).collect();
    shop.post(&events);
    assert_eq!(outcomes(&shop, "message.sent", 50).len(), 50);
    let lost = || metric(shop.admin, "declic_spans_total", "lost").unwrap_or_default();
    assert!(wait_until(PATIENCE, || lost() > 0.0), "{}", worker.log());
    assert!(shop.is_healthy());
    // What comes later fares as well, and nobody is told twice.
    shop.post(&[with(sign_up("late"), &traceparent(99, "01")).to_string()]);
    outcomes(&shop, "message.sent", 51);
    let before = lost();
    assert!(wait_until(PATIENCE, || lost() > before || before >= 102.0), "{}", worker.log());
    let said = worker.log().matches("the collector does not take spans").count();
    assert_eq!(said, 1, "{}", worker.log());
    let began = Instant::now();
    assert!(worker.terminate(PATIENCE).success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn an_endpoint_that_is_none_is_refused_with_words() {
    let shop = Shop::open(CLOCK);
    let mut command = shop.declic();
    command.env("DECLIC_TELEMETRY__OTLP_ENDPOINT", "localhost:4318").arg("run");
    let output = command.output().expect("declic starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("telemetry.otlp_endpoint") && words.contains("http://localhost:4318"), "{words}");
}
