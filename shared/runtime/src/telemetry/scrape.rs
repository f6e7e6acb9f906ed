//! `/metrics` for a Prometheus.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use opentelemetry_prometheus::PrometheusExporter;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::process;

/// The metrics of this process, to be scraped.
#[derive(Debug)]
pub(super) struct Scrape {
    registry: Registry,
}

impl Scrape {
    /// What the meters have to be given to, and what shows them.
    ///
    /// # Errors
    /// None that is known: the registry is new and empty.
    pub(super) fn new() -> anyhow::Result<(PrometheusExporter, Self)> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()?;
        Ok((exporter, Self { registry }))
    }

    /// Serves `/metrics` at `address` until the guard is dropped. Must be called on a runtime.
    ///
    /// # Errors
    /// Where the system refuses the address.
    pub(super) fn serve(self, address: SocketAddr) -> anyhow::Result<DropGuard> {
        let listener = process::listen(address)
            .with_context(|| format!("METRICS_ADDR: cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let registry = self.registry;
        let show = async move || match text(&registry) {
            Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, TEXT_FORMAT)], text),
            Err(error) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(CONTENT_TYPE, "text/plain")],
                error.to_string(),
            ),
        };
        let router = Router::new().route("/metrics", get(show));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(async move {
            tracing::info!(url = %format_args!("http://{address}/metrics"), "metrics can be scraped");
            let served = axum::serve(listener, router).with_graceful_shutdown(stopped);
            if let Err(error) = served.await {
                tracing::error!(%error, "METRICS_ADDR is served no longer");
            }
        });
        Ok(stop.drop_guard())
    }
}

fn text(registry: &Registry) -> prometheus::Result<String> {
    TextEncoder::new().encode_to_string(&registry.gather())
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::SdkMeterProvider;

    use super::*;
    use crate::telemetry::http_server::{Exchange, HttpServer};
    use crate::telemetry::metrics::Metrics;

    /// Every metric with its help and type, as the dashboards' test reads them.
    const LISTED: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/grafana/metrics.txt"
    );

    #[test]
    fn the_list_of_metrics_has_all_that_the_code_emits() {
        let (exporter, scrape) = Scrape::new().unwrap();
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("atelier");
        Metrics::of(&meter).record_each();
        let server = HttpServer::of(&meter);
        let request = Request::builder().method(Method::GET).body(()).unwrap();
        let span = tracing::Span::none();
        let mut answered =
            Exchange::begin_with(&server, &span, &request, Some("/assignments/{id}"));
        answered.answered(&span, StatusCode::OK);
        drop(answered);
        let shown = text(&scrape.registry).unwrap();
        let mut described: Vec<_> = shown
            .lines()
            .filter(|line| line.starts_with('#') && !line.contains(" target_info"))
            .collect();
        described.sort_by_key(|line| line.split(' ').nth(2).map(str::to_owned));
        let described = described.join("\n") + "\n";
        if std::env::var_os("WRITE_METRICS_LIST").is_some() {
            std::fs::write(LISTED, &described).unwrap();
        }
        let listed = std::fs::read_to_string(LISTED).unwrap();
        assert_eq!(listed, described, "WRITE_METRICS_LIST=1 writes it anew");
    }
}
