//! The intake against a sink in memory: settling, decoding, HTTP and files.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures_util::FutureExt;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::broker::{AmqpConfig, AmqpUrl, backoff};
use crate::clock::Clock;

fn now() -> DateTime<Utc> {
    "2026-11-22T10:00:00Z".parse().expect("an instant")
}

fn event_json(id: &str) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": "order.placed", "subject": "c-1",
        "time": "2026-11-22T09:00:00Z", "data": { "total": 5 }
    })
}

/// What a sink in memory was given.
#[derive(Default)]
struct Memory {
    seen: HashSet<String>,
    order: Vec<String>,
    batches: Vec<usize>,
    letters: Vec<DeadLetter>,
    /// The accepts that may still pass before the database is away.
    accepts_left: Option<usize>,
}

/// A sink that keeps to its contract: a batch that holds an id beginning with "poison" fails as a whole.
fn memory_sink() -> (Sink, Arc<Mutex<Memory>>) {
    let memory = Arc::new(Mutex::new(Memory::default()));
    let (one, two) = (Arc::clone(&memory), Arc::clone(&memory));
    let accept = move |events: Vec<Event>| {
        let mut memory = one.lock().expect("lock");
        memory.batches.push(events.len());
        if let Some(left) = memory.accepts_left.as_mut() {
            if *left == 0 {
                return async { Err(AcceptError::Unavailable("away".into())) }.boxed();
            }
            *left -= 1;
        }
        if events.iter().any(|e| e.id.starts_with("poison")) {
            return async { Err(AcceptError::Poison("cannot be folded".into())) }.boxed();
        }
        let answers = events
            .into_iter()
            .map(|e| {
                if memory.seen.insert(e.id.clone()) {
                    memory.order.push(e.id);
                    Accepted::New
                } else {
                    Accepted::Duplicate
                }
            })
            .collect();
        async move { Ok(answers) }.boxed()
    };
    let park = move |letters: Vec<DeadLetter>| {
        two.lock().expect("lock").letters.extend(letters);
        async { Ok(()) }.boxed()
    };
    let ready = || async { Ok(()) }.boxed();
    (
        Sink {
            accept: Arc::new(accept),
            park: Arc::new(park),
            ready: Arc::new(ready),
            brake: Brake::default(),
        },
        memory,
    )
}

mod settling {
    use super::*;

    fn letter(_: usize, refusal: &Unusable) -> DeadLetter {
        DeadLetter::new(Origin::File, refusal, b"{}", Map::new(), now())
    }

    fn events(ids: impl IntoIterator<Item = String>) -> Vec<Result<Event, Unusable>> {
        ids.into_iter().map(|id| Event::from_value(event_json(&id), now())).collect()
    }

    #[tokio::test]
    async fn one_poisoned_event_harms_only_itself() {
        for at in [0, 1, 249, 250, 498, 499] {
            let (sink, memory) = memory_sink();
            let ids = (0..500).map(|n| if n == at { "poison".into() } else { format!("e-{n}") });
            let settled = settle(&sink, Origin::File, events(ids), letter).await.expect("available");
            let memory = memory.lock().expect("lock");
            assert_eq!(memory.order.len(), 499);
            let mut sorted = memory.order.clone();
            sorted.sort_by_key(|id| id[2..].parse::<u32>().expect("a number"));
            assert_eq!(memory.order, sorted, "order is kept");
            assert_eq!(memory.letters.len(), 1);
            assert_eq!(memory.letters[0].reason, UnusableReason::Poison);
            assert!(matches!(&settled[at], Settled::Refused(r) if r.reason == UnusableReason::Poison));
            assert!(memory.batches.len() <= 19, "halving, not one by one: {:?}", memory.batches);
        }
    }

    #[tokio::test]
    async fn several_poisoned_events_and_unusable_ones_between_them() {
        let (sink, memory) = memory_sink();
        let mut read = events(["a", "poison-1", "b", "poison-2", "a"].map(String::from));
        read.insert(2, Event::from_json(b"?", now()));
        let settled = settle(&sink, Origin::File, read, letter).await.expect("available");
        assert_eq!(Counts::of(&settled), Counts { accepted: 2, duplicates: 1, refused: 3 });
        assert_eq!(settled[5], Settled::Accepted(Accepted::Duplicate));
        assert_eq!(memory.lock().expect("lock").letters.len(), 3);
    }

    #[tokio::test]
    async fn without_a_database_nothing_is_answered() {
        let (sink, memory) = memory_sink();
        memory.lock().expect("lock").accepts_left = Some(0);
        let settled = settle(&sink, Origin::File, events(["a".to_owned()]), letter).await;
        assert_eq!(settled.expect_err("away").0, "away");
        assert!(memory.lock().expect("lock").letters.is_empty(), "an outage is nobody's fault");
    }

    #[test]
    fn letters_can_always_be_stored() {
        let mut headers = Map::new();
        headers.insert("x\0".into(), json!(["a\0", { "b": "\0" }]));
        let refusal = Unusable { reason: UnusableReason::NotJson, detail: format!("\0{}", "é".repeat(400)) };
        let big = vec![b'x'; MAX_EVENT_BYTES + 5];
        let letter = DeadLetter::new(Origin::Amqp, &refusal, &big, headers, now());
        assert!(!letter.headers.to_string().contains("\\u0000"));
        assert!(!letter.detail.contains('\0') && letter.detail.len() <= 502);
        assert_eq!(letter.body.len(), MAX_EVENT_BYTES);
        let later = DeadLetter { received_at: now() + chrono::TimeDelta::hours(1), ..letter.clone() };
        assert_eq!(letter.fingerprint(), later.fingerprint());
        assert_eq!(letter.fingerprint().len(), 32);
        let other = DeadLetter { body: b"y".to_vec(), ..letter.clone() };
        assert_ne!(letter.fingerprint(), other.fingerprint());
    }
}

mod decoding {
    use super::*;

    fn binary_headers(prefix: &str) -> FieldTable {
        let mut table = FieldTable::default();
        let attributes = [
            ("specversion", "1.0"),
            ("id", "e-1"),
            ("source", "/shop"),
            ("type", "order.placed"),
            ("subject", "c-1"),
            ("time", "2026-11-22T09:00:00Z"),
        ];
        for (name, value) in attributes {
            table.insert(format!("{prefix}{name}").into(), AMQPValue::LongString(value.into()));
        }
        table
    }

    #[test]
    fn structured_mode_by_content_type() {
        let body = event_json("e-1").to_string();
        let types = [
            Some("application/cloudevents+json"),
            Some("application/cloudevents+json; charset=utf-8"),
            Some("Application/CloudEvents+JSON"),
            Some("application/json"),
            Some("application/json;charset=UTF-8"),
            None,
        ];
        for kind in types {
            let mut properties = BasicProperties::default();
            if let Some(kind) = kind {
                properties = properties.with_content_type(kind.into());
            }
            let read = decode::delivery(&properties, body.as_bytes(), now());
            assert_eq!(read.expect("usable").id, "e-1", "{kind:?}");
        }
    }

    #[test]
    fn binary_mode_by_headers() {
        for prefix in ["cloudEvents_", "cloudEvents:", "cloudevents_", "ce-"] {
            for kind in [None, Some("application/json; charset=utf-8"), Some("application/vnd.shop+json")] {
                let mut properties = BasicProperties::default().with_headers(binary_headers(prefix));
                if let Some(kind) = kind {
                    properties = properties.with_content_type(kind.into());
                }
                let event = decode::delivery(&properties, br#"{"total":5}"#, now()).expect("usable");
                assert_eq!(event, Event::from_value(event_json("e-1"), now()).expect("usable"));
            }
        }
        let properties = BasicProperties::default().with_headers(binary_headers("cloudEvents_"));
        assert_eq!(*decode::delivery(&properties, b"", now()).expect("usable").data, Value::Null);
    }

    #[test]
    fn a_time_in_the_protocols_own_type() {
        let mut table = binary_headers("cloudEvents_");
        table.insert("cloudEvents_time".into(), AMQPValue::Timestamp(1_795_338_000));
        let properties = BasicProperties::default().with_headers(table);
        let event = decode::delivery(&properties, b"1", now()).expect("usable");
        assert_eq!(event.time.timestamp(), 1_795_338_000);
    }

    #[test]
    fn refusals() {
        use UnusableReason::*;
        let plain = BasicProperties::default;
        let mut no_id = binary_headers("cloudEvents_");
        no_id.insert("cloudEvents_id".into(), AMQPValue::Void);
        let mut number = binary_headers("cloudEvents_");
        number.insert("cloudEvents_id".into(), AMQPValue::LongInt(3));
        let body = event_json("e-1").to_string();
        let large = vec![b' '; MAX_EVENT_BYTES + 1];
        let binary = || plain().with_headers(binary_headers("cloudEvents_"));
        let cases = [
            (plain(), b"nonsense".as_slice(), NotJson),
            (plain(), large.as_slice(), TooLarge),
            (binary(), large.as_slice(), TooLarge),
            (plain().with_content_type("text/plain".into()), body.as_bytes(), NotCloudEvent),
            (plain().with_content_type(decode::CLOUDEVENTS_BATCH.into()), b"[]".as_slice(), NotCloudEvent),
            (plain().with_content_encoding("gzip".into()), body.as_bytes(), NotJson),
            (binary(), b"{".as_slice(), NotJson),
            (binary().with_content_type("application/xml".into()), b"<a/>".as_slice(), InvalidAttribute),
            (plain().with_headers(no_id), b"{}".as_slice(), MissingAttribute),
            (plain().with_headers(number), b"{}".as_slice(), InvalidAttribute),
        ];
        for (properties, body, reason) in cases {
            let refusal = decode::delivery(&properties, body, now()).expect_err("refused");
            assert_eq!(refusal.reason, reason, "{properties:?}");
        }
    }

    #[test]
    fn a_letter_delivered_again_is_the_same_letter() {
        let refusal = Unusable { reason: UnusableReason::NotJson, detail: String::new() };
        let letter = |count: Option<i64>| {
            let mut table = FieldTable::default();
            if let Some(count) = count {
                table.insert("x-delivery-count".into(), AMQPValue::LongLongInt(count));
            }
            let properties = BasicProperties::default().with_headers(table);
            DeadLetter::new(Origin::Amqp, &refusal, b"?", decode::delivery_headers(&properties), now())
        };
        assert_eq!(letter(None).fingerprint(), letter(Some(3)).fingerprint());
    }

    #[test]
    fn a_dead_letter_can_be_read_again() {
        let refusal = Unusable { reason: UnusableReason::Poison, detail: String::new() };
        let properties = BasicProperties::default()
            .with_headers(binary_headers("cloudEvents:"))
            .with_content_type("application/json".into());
        let headers = decode::delivery_headers(&properties);
        let letter = DeadLetter::new(Origin::Amqp, &refusal, b"{\"total\":5}", headers, now());
        let event = decode::dead_letter(&letter.headers, &letter.body, now()).expect("usable");
        assert_eq!(event, Event::from_value(event_json("e-1"), now()).expect("usable"));
        assert_eq!(Event::from_value(decode::structured(&event), now()), Ok(event));
    }
}

mod over_http {
    use super::*;

    async fn post(sink: &Sink, headers: &[(&str, &str)], body: impl Into<Body>) -> (StatusCode, Value) {
        let mut request = Request::post("/events");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let router = http::router(sink.clone(), Clock::manual(now()));
        let request = request.body(body.into()).expect("a request");
        let response = router.oneshot(request).await.expect("infallible");
        let status = response.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            assert!(response.headers().contains_key("retry-after"));
        }
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    #[tokio::test]
    async fn one_event_in_each_mode() {
        let (sink, memory) = memory_sink();
        let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
        let (status, answer) = post(&sink, &structured, event_json("a").to_string()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer, json!({ "results": [{ "id": "a", "status": "accepted" }] }));

        let plain = [("content-type", "application/json")];
        let (status, answer) = post(&sink, &plain, event_json("a").to_string()).await;
        assert_eq!((status, &answer["results"][0]["status"]), (StatusCode::OK, &json!("duplicate")));

        let binary = [
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", "b"),
            ("ce-source", "/shop"),
            ("ce-type", "order.placed"),
            ("ce-subject", "k%C3%A4ufer"),
            ("ce-time", "2026-11-22T09:00:00Z"),
        ];
        let (status, answer) = post(&sink, &binary, "{}").await;
        assert_eq!((status, &answer["results"][0]["id"]), (StatusCode::OK, &json!("b")));
        assert_eq!(memory.lock().expect("lock").order, ["a", "b"]);
    }

    #[tokio::test]
    async fn batches_answer_for_each_event() {
        let array = json!([event_json("a"), { "id": "bad" }, event_json("poison"), event_json("a")]);
        let lines = format!("{}\r\n\n{{\"id\":\"bad\"}}\n{}\n{}", array[0], array[2], array[3]);
        let batches =
            [("application/cloudevents-batch+json", array.to_string()), ("application/x-ndjson", lines)];
        for (kind, body) in batches {
            let (sink, memory) = memory_sink();
            let (status, answer) = post(&sink, &[("content-type", kind)], body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            let got: Vec<_> = answer["results"]
                .as_array()
                .expect("an array")
                .iter()
                .map(|r| (r["id"].as_str().unwrap_or("?"), r["status"].as_str().unwrap_or("?")))
                .collect();
            let expected = [("a", "accepted"), ("bad", "refused"), ("poison", "refused"), ("a", "duplicate")];
            assert_eq!(got, expected);
            assert_eq!(answer["results"][1]["reason"], "missing_attribute");
            assert_eq!(answer["results"][2]["reason"], "poison");
            let memory = memory.lock().expect("lock");
            assert_eq!(memory.letters.len(), 2);
            let parked = &memory.letters[1];
            let again = decode::dead_letter(&parked.headers, &parked.body, now()).expect("usable by itself");
            assert_eq!(again.id, "poison");
        }
    }

    #[tokio::test]
    async fn a_large_batch_is_committed_in_parts() {
        let (sink, memory) = memory_sink();
        let events: Vec<Value> = (0..1234).map(|n| event_json(&format!("e-{n}"))).collect();
        let kind = [("content-type", decode::CLOUDEVENTS_BATCH)];
        let (status, answer) = post(&sink, &kind, Value::Array(events).to_string()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["results"].as_array().map(Vec::len), Some(1234));
        assert_eq!(memory.lock().expect("lock").batches, [500, 500, 234]);
    }

    #[tokio::test]
    async fn refusals_of_the_whole_request() {
        let (sink, memory) = memory_sink();
        let json_type = [("content-type", "application/json")];
        let batch_type = [("content-type", decode::CLOUDEVENTS_BATCH)];
        let cases = [
            (&json_type[..], Body::from("nonsense"), StatusCode::BAD_REQUEST),
            (&json_type[..], Body::from("{}"), StatusCode::BAD_REQUEST),
            (&batch_type[..], Body::from("{}"), StatusCode::BAD_REQUEST),
            (&batch_type[..], Body::from("[] []"), StatusCode::BAD_REQUEST),
            (&batch_type[..], Body::from("[]"), StatusCode::BAD_REQUEST),
            (&[("content-type", "application/x-ndjson")][..], Body::from("\n\n"), StatusCode::BAD_REQUEST),
            (&[("content-type", "text/plain")][..], Body::from("{}"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (&[][..], Body::from("{}"), StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (&json_type[..], Body::from(vec![b' '; http::MAX_BODY_BYTES + 1]), StatusCode::PAYLOAD_TOO_LARGE),
            (
                &batch_type[..],
                Body::from(format!("[{}1]", "1,".repeat(http::MAX_EVENTS))),
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
        ];
        for (headers, body, expected) in cases {
            let (status, answer) = post(&sink, headers, body).await;
            assert_eq!(status, expected, "{answer}");
            if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
                assert_eq!(answer["accepted"][0], "application/cloudevents+json");
            }
        }
        let letters = &memory.lock().expect("lock").letters;
        assert_eq!(letters.len(), 4, "what was unusable is parked");
        assert!(letters.iter().all(|l| l.origin == "http"));
    }

    #[tokio::test]
    async fn an_event_over_the_limit_is_refused_by_itself() {
        let (sink, memory) = memory_sink();
        let mut large = event_json("large");
        large["data"] = "x".repeat(300 * 1024).into();
        let kind = [("content-type", decode::CLOUDEVENTS_BATCH)];
        let (status, answer) = post(&sink, &kind, json!([large, event_json("a")]).to_string()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["results"][0]["reason"], "too_large");
        assert_eq!(answer["results"][1]["status"], "accepted");
        assert_eq!(memory.lock().expect("lock").letters[0].body.len(), MAX_EVENT_BYTES);
    }

    #[tokio::test]
    async fn without_a_database_the_caller_is_asked_to_come_back() {
        let (sink, memory) = memory_sink();
        memory.lock().expect("lock").accepts_left = Some(0);
        let kind = [("content-type", crate::domain::event::CLOUDEVENT)];
        let (status, _) = post(&sink, &kind, event_json("a").to_string()).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
}

mod from_files {
    use super::*;

    async fn import(text: &[u8], sink: &Sink) -> Result<Counts, file::FileError> {
        let clock = Clock::manual(now());
        let stop = CancellationToken::new();
        file::read_all(text, Path::new("events.ndjson"), sink, &clock, false, &stop).await
    }

    #[tokio::test]
    async fn lines_good_and_bad() {
        let (sink, memory) = memory_sink();
        let text = format!(
            "\u{feff}{}\r\n\n  nonsense\n{}\n{}\n{{\"pad\":\"{}\"}}\n{}",
            event_json("a"),
            event_json("b"),
            event_json("a"),
            "x".repeat(700 * 1024),
            event_json("c"),
        );
        let counts = import(text.as_bytes(), &sink).await.expect("read");
        assert_eq!(counts, Counts { accepted: 3, duplicates: 1, refused: 2 });
        let memory = memory.lock().expect("lock");
        assert_eq!(memory.order, ["a", "b", "c"]);
        assert_eq!(memory.letters[0].headers["line"], 3);
        assert!(memory.letters[0].detail.starts_with("line 3: "), "{}", memory.letters[0].detail);
        assert_eq!(memory.letters[1].reason, UnusableReason::TooLarge);
        assert_eq!(memory.letters[1].body.len(), MAX_EVENT_BYTES);
    }

    #[tokio::test]
    async fn batches_are_bounded_and_an_outage_says_where() {
        let (sink, memory) = memory_sink();
        memory.lock().expect("lock").accepts_left = Some(2);
        let text: String = (0..1700).map(|n| format!("{}\n", event_json(&format!("e-{n}")))).collect();
        let error = import(text.as_bytes(), &sink).await.expect_err("away");
        let file::FileError::Unavailable { line, counts, .. } = error else { panic!("{error}") };
        assert_eq!((line, counts.accepted), (1001, 1000));
        memory.lock().expect("lock").accepts_left = None;
        let counts = import(text.as_bytes(), &sink).await.expect("read");
        assert_eq!(counts, Counts { accepted: 700, duplicates: 1000, refused: 0 });
        assert!(memory.lock().expect("lock").batches.iter().all(|size| *size <= BATCH_SIZE));
    }

    #[tokio::test]
    async fn a_paced_file_keeps_to_the_clock() {
        let (sink, memory) = memory_sink();
        // A thousand times as fast: events 100 s apart arrive 100 ms apart.
        let clock = Clock::scaled(now(), 1000.0, None);
        let stop = CancellationToken::new();
        let mut text = String::new();
        for (id, after) in [("a", 0), ("b", 100), ("late", -50), ("c", 200), ("in-two-days", 172_800)] {
            let mut event = event_json(id);
            event["time"] = (now() + chrono::TimeDelta::seconds(after)).to_rfc3339().into();
            text.push_str(&format!("{event}\n"));
        }
        let began = std::time::Instant::now();
        let reading = file::read_all(text.as_bytes(), Path::new("day"), &sink, &clock, true, &stop);
        let halt = async {
            while memory.lock().expect("lock").order.len() < 4 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        let (counts, ()) = tokio::join!(reading, halt);
        assert!(began.elapsed() >= std::time::Duration::from_millis(190));
        assert_eq!(counts.expect("read").accepted, 4, "the last still waits when it is stopped");
        assert_eq!(memory.lock().expect("lock").order, ["a", "b", "late", "c"]);
    }

    #[tokio::test]
    async fn a_file_that_is_not_there() {
        let (sink, _) = memory_sink();
        let stop = CancellationToken::new();
        let path = Path::new("no/such/file.ndjson");
        let error = file::from_file(path, &sink, &Clock::Real, false, &stop).await.expect_err("missing");
        assert!(error.to_string().starts_with("no/such/file.ndjson cannot be read"), "{error}");
    }
}

mod broker_configuration {
    use super::*;

    #[test]
    fn a_url_never_shows_its_password() {
        let url = AmqpUrl::parse("amqps://shop:s3cret@mq.example:5671/shop").expect("a URL");
        assert_eq!(url.to_string(), "amqps://mq.example:5671 (vhost shop)");
        assert!(!format!("{url:?}").contains("s3cret"));
        for bad in ["s3cret", "http://u:s3cret@h", "amqp://u:s3cret@[::1]:5672", "amqp:s3cret"] {
            let error = AmqpUrl::parse(bad).expect_err(bad);
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert_eq!(AmqpUrl::parse("amqp://h/").expect("a URL").to_string(), "amqp://h:5672");
    }

    #[test]
    fn keys_are_read_and_checked() {
        let config: AmqpConfig =
            toml::from_str("url = \"amqp://h\"\nprefetch = 50\nbatch_size = 50").expect("a section");
        assert!(config.problems().is_empty(), "{:?}", config.problems());
        assert!(toml::from_str::<AmqpConfig>("prefetsh = 1").is_err());
        let error = toml::from_str::<AmqpConfig>("url = \"ftp://u:s3cret@h\"").expect_err("refused");
        assert!(error.message().contains("not an AMQP URL"), "{error}");
        let bad = AmqpConfig {
            delivery_limit: 20,
            batch_size: 5000,
            queue: String::new(),
            dead_letter_exchange: "declic.events".into(),
            binding_keys: Vec::new(),
            shards: 129,
            ..AmqpConfig::default()
        };
        assert_eq!(bad.problems().len(), 6, "{:?}", bad.problems());
    }

    #[test]
    fn the_wait_doubles_to_half_a_minute() {
        let waits: Vec<u128> = (0..12).map(|n| backoff(n, "declic").as_millis()).collect();
        for (wait, full) in waits.iter().zip([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]) {
            assert!((full * 3 / 4..=full).contains(wait), "{waits:?}");
        }
        assert!(backoff(u32::MAX, "declic").as_secs() <= 30);
    }
}
