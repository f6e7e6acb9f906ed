//! Logs, traces and metrics: start and stop.

pub mod events;
pub mod metrics;
mod otlp;

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Environment, Setting, http_url};
use otlp::Exporters;

/// Log lines, traces and metrics: which, and where to.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// Which log lines.
    pub filter: String,
    /// A JSON object a line, or readable text.
    pub json: bool,
    /// The collector's base address; nothing is sent where it is absent.
    pub collector: Option<String>,
}

const LOG: Setting = Setting {
    name: "LOG",
    default: Some("info"),
    help: "Which log lines: error, warn, info, debug, trace, or target=level pairs separated by commas.",
};
const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    default: None,
    help: "`json` for an object a line, `text` for people. [default: text on a terminal, else json]",
};
const OTEL_EXPORTER_OTLP_ENDPOINT: Setting = Setting {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    default: None,
    help: "Base address of an OpenTelemetry collector (http/protobuf) for traces and metrics; nothing is sent where it is not set.",
};

impl TelemetryConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[LOG, LOG_FORMAT, OTEL_EXPORTER_OTLP_ENDPOINT];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let filter = environment.text(&LOG).unwrap_or_default();
        if let Err(error) = EnvFilter::try_new(&filter) {
            environment.fault(&LOG, &format!("cannot be read: {error}"));
        }
        let json = match environment.text(&LOG_FORMAT).as_deref() {
            None => !std::io::stderr().is_terminal(),
            Some("json") => true,
            Some("text") => false,
            Some(word) => {
                environment.fault(&LOG_FORMAT, &format!("must be json or text, not `{word}`"));
                false
            }
        };
        Self {
            filter,
            json,
            collector: http_url(environment, &OTEL_EXPORTER_OTLP_ENDPOINT),
        }
    }
}

/// The longest that the end of a process waits for a collector.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Running telemetry; [`Telemetry::stop`] sends what is still here.
#[derive(Debug)]
pub struct Telemetry {
    exporters: Option<Exporters>,
}

/// Starts logs (to standard error), traces and metrics in the name of `service`. Once a process,
/// on its runtime, before anything else is told.
pub fn start(config: &TelemetryConfig, service: &'static str) -> anyhow::Result<Telemetry> {
    // The S3 library has a span at INFO for each request.
    let filter = EnvFilter::try_new(format!("s3s=off,{}", config.filter))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = if config.json {
        lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed()
    } else {
        lines.with_target(false).boxed()
    };
    let exporters = match &config.collector {
        Some(endpoint) => Some(Exporters::to(endpoint, service)?),
        None => None,
    };
    let traces = exporters.as_ref().map(|exporters| {
        opentelemetry::global::set_meter_provider(exporters.metrics.clone());
        tracing_opentelemetry::layer().with_tracer(exporters.traces.tracer(service))
    });
    tracing_subscriber::registry()
        .with(filter)
        .with(traces)
        .with(lines)
        .try_init()?;
    Ok(Telemetry { exporters })
}

impl Telemetry {
    /// Sends what is still here and ends the exporters. A collector that does not answer is waited
    /// for until `over`, and no longer than 10 s.
    pub async fn stop(self, over: &CancellationToken) {
        let Some(exporters) = self.exporters else {
            return;
        };
        let flushed = tokio::task::spawn_blocking(move || exporters.flush());
        let flushed = async {
            tokio::select! {
                flushed = timeout(FLUSH_TIMEOUT, flushed) => flushed.is_ok_and(|it| it.is_ok()),
                () = over.cancelled() => false,
            }
        };
        if !flushed.await {
            tracing::warn!("telemetry was not flushed: the collector did not answer in time");
        }
    }
}

/// The W3C trace context of `span`, to send along; `None` where no traces are made.
pub fn trace_parent(span: &Span) -> Option<String> {
    let mut carrier = std::collections::HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove("traceparent")
}

/// Makes `span` a child of the span that `trace_parent` names.
pub fn continue_trace(span: &Span, trace_parent: Option<&str>) {
    let Some(trace_parent) = trace_parent else {
        return;
    };
    let carrier =
        std::collections::HashMap::from([("traceparent".to_owned(), trace_parent.to_owned())]);
    // Refused only where the span is already a root of its own, or where no traces are made.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
}
