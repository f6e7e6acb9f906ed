//! Sends traces and metrics to a collector (OTLP, http/protobuf).

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;

/// The exporters of one process.
#[derive(Debug)]
pub(super) struct Exporters {
    pub(super) traces: SdkTracerProvider,
    pub(super) metrics: SdkMeterProvider,
}

impl Exporters {
    /// To the collector at `endpoint` (its base address, as `OTEL_EXPORTER_OTLP_ENDPOINT` gives
    /// it), in the name of `service`. Must be called on a tokio runtime.
    pub(super) fn to(endpoint: &str, service: &'static str) -> anyhow::Result<Self> {
        let client = RuntimeClient {
            runtime: Handle::current(),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()?,
        };
        let base = endpoint.trim_end_matches('/');
        let resource = Resource::builder().with_service_name(service).build();
        let spans = SpanExporter::builder()
            .with_http()
            .with_http_client(client.clone())
            .with_endpoint(format!("{base}/v1/traces"))
            .build()?;
        let metrics = MetricExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{base}/v1/metrics"))
            .build()?;
        Ok(Self {
            traces: SdkTracerProvider::builder()
                .with_batch_exporter(spans)
                .with_resource(resource.clone())
                .build(),
            metrics: SdkMeterProvider::builder()
                .with_periodic_exporter(metrics)
                .with_resource(resource)
                .build(),
        })
    }

    /// Sends what is still here. Blocks.
    pub(super) fn flush(&self) {
        let ended = [self.traces.shutdown(), self.metrics.shutdown()];
        for error in ended.into_iter().filter_map(Result::err) {
            tracing::warn!(target: "atelier::telemetry", %error, "telemetry was not flushed");
        }
    }
}

/// The exporters' own threads have no runtime, and an async client panics there: requests are
/// made on the process's runtime instead. The exporters swallow failures, so they are logged here.
#[derive(Clone, Debug)]
struct RuntimeClient {
    runtime: Handle,
    http: reqwest::Client,
}

#[async_trait]
impl HttpClient for RuntimeClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self
            .runtime
            .spawn(async move { send(&http, request).await });
        let answer = sent.await.map_err(HttpError::from).flatten();
        if let Err(error) = &answer {
            tracing::warn!(target: "atelier::telemetry", %error, "the collector did not take telemetry");
        }
        answer
    }
}

async fn send(
    http: &reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let answer = http
        .execute(request.try_into()?)
        .await?
        .error_for_status()?;
    let status = answer.status();
    let mut response = Response::new(answer.bytes().await?);
    *response.status_mut() = status;
    Ok(response)
}
