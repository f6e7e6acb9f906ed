//! Logs, traces and metrics: start and stop.

mod config;
pub mod events;
pub mod http_server;
mod json;
pub mod metrics;
mod otlp;
mod scrape;
mod text;

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Status, TracerProvider as _};
use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

pub use config::TelemetryConfig;
use json::JsonLines;
use otlp::Exporters;
use scrape::Scrape;
use text::TextFields;

/// The longest that the end of a process waits for a collector.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Running telemetry; [`Telemetry::stop`] sends what is still here.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    /// Metrics can be scraped as long as this lives.
    _scrape: Option<DropGuard>,
}

/// Starts logs (to standard error), traces and metrics in the name of `service`. Once a process,
/// on its runtime, before anything else is told.
///
/// # Errors
/// Where the system refuses `METRICS_ADDR`, or it was started before.
pub fn start(config: &TelemetryConfig, service: &'static str) -> anyhow::Result<Telemetry> {
    let resource = resource(service);
    let mut readers = SdkMeterProvider::builder().with_resource(resource.clone());
    let mut traces = None;
    if let Some(collector) = &config.collector {
        let exporters = Exporters::to(collector, config.temporality)?;
        let metrics = PeriodicReader::builder(exporters.metrics).with_interval(config.interval);
        readers = readers.with_reader(metrics.build());
        let spans = SdkTracerProvider::builder().with_batch_exporter(exporters.spans);
        traces = Some(spans.with_resource(resource).build());
    }
    let mut scrape = None;
    if let Some(address) = config.scrape {
        let (exporter, scraped) = Scrape::new()?;
        readers = readers.with_reader(exporter);
        scrape = Some((scraped, address));
    }
    let is_measured = traces.is_some() || scrape.is_some();
    let metrics = is_measured.then(|| readers.build());
    if let Some(metrics) = &metrics {
        opentelemetry::global::set_meter_provider(metrics.clone());
    }
    // The S3 library has a span at INFO for each request.
    let filter = EnvFilter::try_new(format!("s3s=off,{}", config.filter))?;
    let lines = match config.json {
        true => JsonLines::to(std::io::stderr).boxed(),
        false => tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .with_target(false)
            .fmt_fields(TextFields)
            .boxed(),
    };
    let spans = traces
        .as_ref()
        .map(|traces| tracing_opentelemetry::layer().with_tracer(traces.tracer(service)));
    tracing_subscriber::registry()
        .with(filter)
        .with(spans)
        .with(lines)
        .try_init()?;
    // It says where, so the log comes before.
    let scrape = scrape.map(|(scraped, address)| scraped.serve(address));
    Ok(Telemetry {
        traces,
        metrics,
        _scrape: scrape.transpose()?,
    })
}

/// Who measures: the service, and this process of it. `OTEL_RESOURCE_ATTRIBUTES` may say more, and
/// name the process.
fn resource(service: &'static str) -> Resource {
    const INSTANCE: Key = Key::from_static_str("service.instance.id");
    let given = Resource::builder().build();
    let instance = given
        .get(&INSTANCE)
        .unwrap_or_else(|| uuid::Uuid::now_v7().to_string().into());
    Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new(INSTANCE, instance))
        .build()
}

impl Telemetry {
    /// Sends what is still here and ends the exporters. A collector that does not answer is waited
    /// for until `over`, and no longer than 10 s.
    pub async fn stop(self, over: &CancellationToken) {
        let Self {
            traces, metrics, ..
        } = self;
        let flushed = tokio::task::spawn_blocking(move || flush(traces, metrics));
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

/// Sends what is still here. Blocks.
fn flush(traces: Option<SdkTracerProvider>, metrics: Option<SdkMeterProvider>) {
    let traces = traces.map(|traces| traces.shutdown());
    let metrics = metrics.map(|metrics| metrics.shutdown());
    for error in [traces, metrics]
        .into_iter()
        .flatten()
        .filter_map(Result::err)
    {
        tracing::warn!(target: "atelier::telemetry", %error, "telemetry was not flushed");
    }
}

/// What `span` is about failed.
pub fn span_failed(span: &Span, why: &impl std::fmt::Display) {
    span.set_status(Status::error(why.to_string()));
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
