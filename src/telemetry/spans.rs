//! Spans about traced events and messages, for log lines at debug level and for whoever exports them.
//!
//! Only what came with a `traceparent` has any: timers and ticks begin no trace. Of the attributes none is an address or a
//! customer's; those of OpenTelemetry's conventions for messaging are used where they fit, ours begin with `declic.`.
//! Without a subscriber for this level a span is a comparison of a number, and what is asked of it costs no more.

use tracing::Span;

use crate::domain::event::Event;
use crate::domain::message::{Message, MessageState};
use crate::domain::outcome::Outcome;
use crate::domain::trace::Trace;

/// A batch of events, from its decisions to its commit; none where no event of it is in a trace that is kept. Linked to the
/// events' own spans, as OpenTelemetry has it for batches: it has many causes and can be the child of none.
pub fn events(origin: &'static str, events: &[Event]) -> Span {
    if !events.iter().any(is_kept) {
        return Span::none();
    }
    let span = tracing::debug_span!(
        parent: None,
        "events",
        otel.name = "process events",
        otel.kind = "consumer",
        otel.status_code = tracing::field::Empty,
        messaging.system = if origin == "amqp" { "rabbitmq" } else { origin },
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.batch.message_count = events.len() as i64,
    );
    link(&span, events.iter().filter(|event| is_kept(event)));
    span
}

fn is_kept(event: &Event) -> bool {
    event.trace.is_some_and(|trace| trace.is_sampled())
}

/// A batch could not be committed.
pub fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// One message, from the gate to the record of what became of it: a child of the span that its event came
/// in by, however long that is ago.
pub fn message(message: &Message) -> Span {
    let Some(trace) = message.trace else { return Span::none() };
    let span = tracing::debug_span!(
        parent: None,
        "message",
        otel.name = format_args!("send {}", message.channel.as_str()),
        otel.kind = "consumer",
        otel.status_code = tracing::field::Empty,
        trace_id = trace.id(),
        messaging.message.id = message.id,
        declic.rule = message.rule,
        declic.step = message.step,
        declic.channel = message.channel.as_str(),
        declic.template = message.template,
        declic.attempt = message.attempts + 1,
        declic.state = tracing::field::Empty,
        declic.reason = tracing::field::Empty,
    );
    descend(&span, trace);
    span
}

/// What became of the message of this span.
pub fn became(span: &Span, message: &Message) {
    span.record("declic.state", message.state.as_str());
    if let Some(reason) = message.reason {
        span.record("declic.reason", reason.as_str());
    }
    if matches!(message.state, MessageState::Failed | MessageState::Uncertain) {
        span.record("otel.status_code", "ERROR");
    }
}

/// It ends now. A span that is exported lasts until it was entered last, not until nobody holds it any more.
pub fn end(span: &Span) {
    span.in_scope(|| ());
}

/// The dialogue with the provider about the message of `parent`.
pub fn hand_over(parent: &Span, message: &Message) -> Span {
    if parent.is_disabled() {
        return Span::none();
    }
    tracing::debug_span!(
        parent: parent,
        "hand-over",
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        declic.channel = message.channel.as_str(),
        declic.answer = tracing::field::Empty,
    )
}

/// The provider's answer, by its class.
pub fn answered(span: &Span, class: &'static str) {
    span.record("declic.answer", class);
    if class != "accepted" {
        span.record("otel.status_code", "ERROR");
    }
}

/// The outcome of the message of a span, in the trace as that has it.
pub fn told(span: &Span, outcome: Option<Outcome>) -> Option<Outcome> {
    outcome.map(|outcome| Outcome { trace: below(span, outcome.trace), ..outcome })
}

/// What goes out under a span says so, where it is exported; else it passes on the trace that it came in.
pub fn below(span: &Span, trace: Option<Trace>) -> Option<Trace> {
    place(span).or(trace)
}

#[cfg(feature = "otlp")]
use super::otlp::{descend, link, place};

#[cfg(not(feature = "otlp"))]
fn link<'a>(_: &Span, _: impl Iterator<Item = &'a Event>) {}

#[cfg(not(feature = "otlp"))]
fn descend(_: &Span, _: Trace) {}

#[cfg(not(feature = "otlp"))]
fn place(_: &Span) -> Option<Trace> {
    None
}
