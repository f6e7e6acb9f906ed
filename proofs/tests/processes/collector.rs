//! A collector of metrics (OTLP over HTTP) that remembers what workers say of their pauses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use atelier_runtime::telemetry::metrics::PAUSED;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message as _;
use tokio::net::TcpListener;

/// What each worker said, in order, without repetitions.
type Said = Arc<Mutex<BTreeMap<String, Vec<i64>>>>;

pub(crate) struct Collector {
    pub address: String,
    said: Said,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let said = Said::default();
        let router = Router::new()
            .route("/{worker}/v1/metrics", post(take))
            .route("/{worker}/v1/traces", post(async || ()))
            .with_state(Arc::clone(&said));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, said }
    }

    /// The workers whose last word is that they are paused, or that they are not.
    pub(crate) fn last_said(&self, paused: bool) -> BTreeSet<String> {
        let said = self.said.lock().unwrap();
        let those = said
            .iter()
            .filter(|(_, values)| values.last() == Some(&i64::from(paused)));
        those.map(|(worker, _)| worker.clone()).collect()
    }
}

async fn take(State(said): State<Said>, Path(worker): Path<String>, body: Bytes) {
    let export = ExportMetricsServiceRequest::decode(body).unwrap();
    let scopes = export
        .resource_metrics
        .into_iter()
        .flat_map(|it| it.scope_metrics);
    for metric in scopes
        .flat_map(|it| it.metrics)
        .filter(|it| it.name == PAUSED)
    {
        let Some(Data::Gauge(gauge)) = metric.data else {
            panic!("{metric:?}");
        };
        for point in gauge.data_points {
            let Some(Value::AsInt(value)) = point.value else {
                panic!("{point:?}");
            };
            let mut said = said.lock().unwrap();
            let values = said.entry(worker.clone()).or_default();
            if values.last() != Some(&value) {
                values.push(value);
            }
        }
    }
}
