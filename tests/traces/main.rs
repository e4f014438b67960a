//! Traces, from the outside: a `traceparent` comes in with an event and goes out with what follows from it, on every way in
//! and over every way out; a collector gets the spans, or is away and harms nobody; and logs find their way to a trace, and
//! never to an address.

#[path = "../support/mod.rs"]
mod support;

mod carried;
mod exported;
mod listener;
mod logged;

use std::time::Duration;

use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel};
use serde_json::{Value, json};

use listener::Listener;
use support::rabbit::{self, Rabbit};
use support::shop::{Shop, lines};
use support::wait_until;

/// Monday, eleven in the morning in Paris: within the hours of SMS. An hour passes in six seconds.
const CLOCK: &str = "start = 2026-11-23T10:00:00Z\nspeed = 600.0";

const BEFORE: &str = "2026-11-23T09:59:00Z";

const PATIENCE: Duration = Duration::from_secs(60);

/// The trace of this number, by the span of whoever publishes, sampled or not.
fn traceparent(number: u8, flags: &str) -> String {
    format!("00-{number:02x}7651916cd43dd8448eb211c80319c0-{number:02x}ad6b7169203331-{flags}")
}

/// The id of the trace of this number.
fn trace_id(number: u8) -> String {
    traceparent(number, "01")[3..35].to_owned()
}

/// A provider of SMS that takes everything.
fn provider() -> Listener {
    Listener::start("200 OK", "application/json", b"{\"id\":\"1\"}")
}

/// A shop whose SMS go to `provider`, with a rule that waits an hour first, and a copy of all its outcomes.
fn shop(provider: &Listener) -> Shop {
    let more = format!(
        "[sms]\nurl = 'http://127.0.0.1:{}/send'\nid_pointer = '/id'\n\
         [sms.body]\nto = '{{{{to}}}}'\ntext = '{{{{text}}}}'\n",
        provider.port
    );
    let mut shop = Shop::open_with(&more, CLOCK);
    let rule = "rule: flash\npurpose: service\ntrigger: { event: flash.sale }\nre_entry: always\n\
        steps: [{ wait: 1h }, { send: { sms: flash } }]\n";
    std::fs::create_dir_all(shop.folder.join("templates/flash")).expect("a folder");
    for (path, text) in [("rules/flash.yaml", rule), ("templates/flash/sms.fr.txt", "La vente commence.\n")] {
        std::fs::write(shop.folder.join(path), text).expect("written");
    }
    shop.edit("rules/events.yaml", "  order.placed:", "  flash.sale: []\n  order.placed:");
    Rabbit::shared().keep_outcomes(shop.vhost());
    shop.set("RUST_LOG", "info,lapin=off,declic=debug");
    shop
}

/// An event as the shop would send it.
fn event(id: &str, kind: &str, customer: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "subject": customer, "time": BEFORE, "data": data,
    })
}

fn sign_up(customer: &str) -> Value {
    let data =
        json!({ "email": format!("{customer}@example.com"), "phone": "+33612345678", "locale": "fr-FR" });
    event(&format!("{customer}-1"), "customer.signed_up", customer, &data)
}

/// The event with a trace of its own.
fn with(mut event: Value, traceparent: &str) -> Value {
    event["traceparent"] = traceparent.into();
    event
}

/// Publishes an event in structured mode, with these headers.
async fn structured(channel: &Channel, event: &Value, headers: &[(&str, &str)]) {
    publish(channel, "application/cloudevents+json", event.to_string(), headers).await;
}

async fn publish(channel: &Channel, content_type: &str, body: String, headers: &[(&str, &str)]) {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert((*name).into(), AMQPValue::LongString(LongString::from(*value)));
    }
    let properties = BasicProperties::default().with_content_type(content_type.into()).with_headers(table);
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let sent =
        channel.basic_publish("declic.events".into(), "any".into(), options, body.as_bytes(), properties);
    rabbit::is_taken(sent.await.expect("published")).await;
}

/// The outcomes of these messages, once there are as many.
fn outcomes(shop: &Shop, kind: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    let came = wait_until(PATIENCE, || {
        found = Rabbit::shared().outcome_events(shop.vhost());
        found.retain(|outcome| outcome["type"] == kind);
        found.len() >= count
    });
    assert!(came, "{} of {count} {kind}: {found:#?}", found.len());
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

/// The log's lines, of those that are about this.
fn lines_about<'a>(log: &'a [Value], field: &'a str, value: &'a str) -> impl Iterator<Item = &'a Value> {
    log.iter().filter(move |line| line["fields"][field] == value)
}

fn log_of(worker: &support::shop::Worker) -> Vec<Value> {
    lines(&worker.log())
}
