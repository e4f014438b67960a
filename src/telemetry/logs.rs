//! Where log lines go, in which form, and beside them the spans, where somebody wants those.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// What is said by default of libraries: lapin repeats what we say of the broker, and the exporter of traces reports each
/// failure, of which we say once that it lasts.
const LIBRARIES: &str = "lapin=off,opentelemetry_sdk=warn,opentelemetry-otlp=off";

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    Human,
    /// One JSON object a line: `timestamp`, `level`, `target`, `fields` (`message` and the identifiers), `spans`.
    Json,
}

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging to standard error. `RUST_LOG` chooses what is said.
pub fn start_logging(default_level: &str) {
    start(default_level, LogFormat::Auto, None);
}

/// The same in a form of one's choice, with a layer that is given the spans.
pub(super) fn start(default_level: &str, format: LogFormat, spans: Option<Boxed>) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{default_level},{LIBRARIES}")));
    let is_human = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Boxed = if is_human {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).compact().boxed()
    } else {
        // The list has the span that a line stands in, too.
        lines.json().with_current_span(false).boxed()
    };
    let layers: Vec<Boxed> = std::iter::once(lines.with_filter(filter).boxed()).chain(spans).collect();
    tracing_subscriber::registry().with(layers).init();
}
