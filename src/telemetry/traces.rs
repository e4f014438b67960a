//! The export of spans, where the configuration and this build want it.

use super::logs::{self, LogFormat};

#[cfg(feature = "otlp")]
use super::otlp;

/// Where OpenTelemetry's own variables say that spans go (OTLP exporter configuration).
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// For a build that is configured for what is not in it.
#[cfg(not(feature = "otlp"))]
const NOT_BUILT: &str = "`telemetry.otlp_endpoint` is set, and this build exports no spans: build it with `cargo build \
                         --release --features otlp`, or take the key away (docs/tracing.md)";

/// The worker's spans on their way out. Close it last: what waits then is sent.
#[must_use = "spans that wait are lost unless it is closed"]
pub struct Traces {
    #[cfg(feature = "otlp")]
    exporter: Option<otlp::Exporter>,
}

impl Traces {
    /// Starts logging, and the export of spans where `endpoint` or OpenTelemetry's variables say to where.
    ///
    /// # Errors
    /// In words, naming the key: an endpoint that is none, or one for a build that exports nothing.
    pub fn start(default_level: &str, format: LogFormat, endpoint: Option<&str>) -> Result<Self, String> {
        let by_environment = is_wanted_by_environment();
        #[cfg(feature = "otlp")]
        {
            let wanted = endpoint.is_some() || by_environment;
            let started = wanted.then(|| otlp::Exporter::start(endpoint)).transpose()?;
            let (exporter, layer) = started.unzip();
            logs::start(default_level, format, layer);
            if let Some(exporter) = &exporter {
                tracing::info!(
                    endpoint = exporter.endpoint(),
                    "spans of traced events and messages are exported"
                );
            }
            Ok(Self { exporter })
        }
        #[cfg(not(feature = "otlp"))]
        {
            if endpoint.is_some() {
                return Err(
                    "`telemetry.otlp_endpoint` is set, and this build exports no spans: build it with \
                            `cargo build --release --features otlp`, or take the key away (docs/tracing.md)"
                        .to_owned(),
                );
            }
            logs::start(default_level, format, None);
            if by_environment {
                tracing::warn!(
                    "OTEL_EXPORTER_OTLP_ENDPOINT is set, and this build exports no spans (docs/tracing.md)"
                );
            }
            Ok(Self {})
        }
    }

    /// Tries the way to the collector, where one is configured. Both answers are words for the operator.
    pub async fn check(endpoint: Option<&str>) -> Option<Result<String, String>> {
        if endpoint.is_none() && !is_wanted_by_environment() {
            return None;
        }
        #[cfg(feature = "otlp")]
        return Some(otlp::check(endpoint).await);
        #[cfg(not(feature = "otlp"))]
        Some(Err(NOT_BUILT.to_owned()))
    }

    /// Sends what waits, for at most two seconds.
    pub async fn close(self) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = self.exporter {
            exporter.close().await;
        }
    }
}

fn is_wanted_by_environment() -> bool {
    ENDPOINTS.iter().any(|name| said(name).is_some()) && !is_switched_off()
}

/// A variable that is set and not empty, which counts as not set (OpenTelemetry, environment variables).
pub(super) fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether OpenTelemetry's variables ask for no export of traces at all.
fn is_switched_off() -> bool {
    said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || said("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none")
}

#[cfg(all(test, not(feature = "otlp")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_the_export_refuses_to_be_configured_for_it() {
        let refused = Traces::start("error", LogFormat::Auto, Some("http://localhost:4318"));
        let words = refused.err().unwrap_or_default();
        assert!(words.contains("telemetry.otlp_endpoint") && words.contains("--features otlp"), "{words}");
    }
}
