//! Spans on their way to an OpenTelemetry collector: OTLP over HTTP, in batches, by a thread of their own.
//!
//! Nothing waits for a collector: what finds no room in the queue, or is not taken, is lost and counted. Configured by
//! OpenTelemetry's own variables: endpoint, headers, timeout, certificate, sampler, queue, the service's name.

mod http;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::Uri;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::{Layer, Registry};

use super::traces::said;
use crate::domain::event::Event;
use crate::domain::trace::Trace;

/// What the service is called where nobody says otherwise (`OTEL_SERVICE_NAME`).
const SERVICE: &str = "declic";

/// A batch is linked to each of its events; OpenTelemetry's own limit of 128 is for spans of unknown making.
const MOST_LINKS: u32 = 500;

/// How long a collector that is only tried may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what waits may take at the end.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Exporter {
    provider: SdkTracerProvider,
    endpoint: String,
}

impl Exporter {
    /// Begins to export to the collector at this address, or where OpenTelemetry's variables say; the layer is what gives
    /// it the spans. Within a runtime, on which the requests are made.
    pub(super) fn start(
        endpoint: Option<&str>,
    ) -> Result<(Self, Box<dyn Layer<Registry> + Send + Sync>), String> {
        let exporter = exporter(endpoint)?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_batch_exporter(Watched { exporter, is_failing: AtomicBool::new(false) });
        let provider = match said("OTEL_SPAN_LINK_COUNT_LIMIT") {
            Some(_) => provider,
            None => provider.with_max_links_per_span(MOST_LINKS),
        };
        let provider = provider.build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_context_activation(false)
            .with_tracked_inactivity(false);
        // Spans, and of ours alone: what log lines say is for logs. Asked anew for each: what `tracing::enabled!` of any crate
        // has asked on this thread before would else be taken for the answer.
        let ours = |about: &Metadata<'_>| about.is_span() && about.target().starts_with("declic::");
        let may_be = move |about: &'static Metadata<'static>| {
            if ours(about) { Interest::sometimes() } else { Interest::never() }
        };
        let filter = dynamic_filter_fn(move |about, _| ours(about)).with_callsite_filter(may_be);
        let layer = layer.with_filter(filter.with_max_level_hint(LevelFilter::DEBUG)).boxed();
        let endpoint = endpoint.map_or_else(|| "by the environment".to_owned(), str::to_owned);
        Ok((Self { provider, endpoint }, layer))
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) async fn close(self) {
        // It waits for its thread, which a runtime's own must not.
        let closing = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FAREWELL));
        if let Ok(Err(error)) = closing.await {
            tracing::warn!(%error, "some spans were not exported before the end");
        }
    }
}

/// Exports nothing to the collector, to see that it answers. Both answers are words for the operator.
pub(super) async fn check(endpoint: Option<&str>) -> Result<String, String> {
    let exporter = exporter(endpoint)?;
    let answer = tokio::time::timeout(PATIENCE, exporter.export(Vec::new())).await;
    let place = endpoint.unwrap_or("that OTEL_EXPORTER_OTLP_ENDPOINT names");
    match answer {
        Ok(Ok(())) => Ok(format!("the collector {place} takes spans")),
        Ok(Err(error)) => Err(format!("the collector {place} does not take spans: {error}")),
        Err(_) => Err(format!("the collector {place} did not answer within {} s", PATIENCE.as_secs())),
    }
}

fn exporter(endpoint: Option<&str>) -> Result<Otlp, String> {
    let builder = Otlp::builder().with_http().with_http_client(http::Client::new()?);
    let builder = match endpoint {
        Some(endpoint) => builder.with_endpoint(traces_at(endpoint)?),
        None => builder,
    };
    builder.build().map_err(|error| format!("spans cannot be exported: {error}"))
}

/// Where a collector takes traces (OTLP/HTTP), by its address.
fn traces_at(endpoint: &str) -> Result<String, String> {
    let uri: Option<Uri> = endpoint.parse().ok();
    let fits = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if uri.as_ref().is_some_and(fits) {
        return Ok(format!("{}/v1/traces", endpoint.trim_end_matches('/')));
    }
    Err(format!(
        "`telemetry.otlp_endpoint`: `{endpoint}` is no address of a collector; write it like http://localhost:4318"
    ))
}

fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version.clone()).build();
    let named = resource
        .get(&Key::new("service.name"))
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if named {
        resource
    } else {
        Resource::builder().with_attribute(version).with_service_name(SERVICE).build()
    }
}

/// Counts what goes out and what is lost, and says once that the collector is away, and once that it is back.
#[derive(Debug)]
struct Watched {
    exporter: Otlp,
    is_failing: AtomicBool,
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = |outcome, spans: usize| {
            metrics::counter!("declic_spans_total", "outcome" => outcome).increment(spans as u64);
        };
        let spans = batch.len();
        match self.exporter.export(batch).await {
            Ok(()) => {
                count("exported", spans);
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                count("lost", spans);
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "the collector does not take spans: they are lost until it does");
                }
            }
        }
        // It is said and counted; the batch processor would say it again each time.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Makes the span a child of one that somebody else keeps.
pub(super) fn descend(span: &Span, trace: Trace) {
    // An error means that nobody exports: no layer, or none for this span.
    let _ = span.set_parent(Context::new().with_remote_span_context(remote(trace)));
}

/// Links a batch to what caused it.
pub(super) fn link<'a>(span: &Span, events: impl Iterator<Item = &'a Event>) {
    for event in events {
        if let Some(trace) = event.trace {
            let id = KeyValue::new("messaging.message.id", event.id.clone());
            span.add_link_with_attributes(remote(trace), vec![id]);
        }
    }
}

/// The span as what comes next names its parent; none where nobody exports it.
pub(super) fn place(span: &Span) -> Option<Trace> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| Trace {
        trace_id: context.trace_id().to_bytes(),
        span_id: context.span_id().to_bytes(),
        flags: context.trace_flags().to_u8(),
    })
}

fn remote(trace: Trace) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(trace.trace_id),
        SpanId::from_bytes(trace.span_id),
        TraceFlags::new(trace.flags),
        true,
        TraceState::NONE,
    )
}
