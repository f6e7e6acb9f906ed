//! Sends traces and metrics to a collector (OTLP, http/protobuf).

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::Temporality;
use tokio::runtime::Handle;

/// What sends to a collector.
#[derive(Debug)]
pub(super) struct Exporters {
    pub(super) spans: SpanExporter,
    pub(super) metrics: MetricExporter,
}

impl Exporters {
    /// To the collector at `endpoint` (its base address, as `OTEL_EXPORTER_OTLP_ENDPOINT` gives
    /// it). Must be called on a tokio runtime.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub(super) fn to(endpoint: &str, temporality: Temporality) -> anyhow::Result<Self> {
        let client = RuntimeClient {
            runtime: Handle::current(),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()?,
        };
        let base = endpoint.trim_end_matches('/');
        let spans = SpanExporter::builder()
            .with_http()
            .with_http_client(client.clone())
            .with_endpoint(format!("{base}/v1/traces"))
            .build()?;
        let metrics = MetricExporter::builder()
            .with_temporality(temporality)
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{base}/v1/metrics"))
            .build()?;
        Ok(Self { spans, metrics })
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
