//! What a process says of itself: its log lines, its metrics at a collector and at a scraper.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};
use prost::Message as _;
use serde_json::Value;
use support::{Atelier, PATIENCE, Process, client, finished, post};
use tempfile::TempDir;

/// `atelier` with a free port for the page, a JSON log that can be read, and `options`.
fn start(data: &TempDir, options: &[(&str, &str)]) -> Process {
    let mut command = Command::new(support::binary("atelier"));
    command
        .args(["--port", "0", "--model-latency", "0", "--data"])
        .arg(data.path())
        .env("LOG_FORMAT", "json")
        .envs(options.iter().copied())
        .stderr(Stdio::piped());
    Process::of(command)
}

/// The keys of an object of JSON, as they are written.
fn keys(line: &str) -> Vec<String> {
    struct Keys;
    impl<'de> serde::de::Visitor<'de> for Keys {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                keys.push(key);
            }
            Ok(keys)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(line);
    serde::de::Deserializer::deserialize_map(&mut reader, Keys).expect("an object of JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_job_bears_its_correlation_id_and_no_key_stands_twice() {
    let data = TempDir::new().unwrap();
    let mut process = start(
        &data,
        &[
            ("STORE_URL", "mongodb://elsewhere/documents"),
            ("LOG", "debug,hyper=off"),
        ],
    );
    let log = process.log();
    let atelier = Atelier::ready(process);
    let client = client();
    let posted = post(&client, &atelier.url, "logged", "A kite").await;
    let id = posted["correlation_id"].as_str().unwrap().to_owned();
    finished(&client, &atelier.url, "logged").await;
    atelier.process.terminate();
    assert_eq!(atelier.process.wait().code(), Some(0));

    let lines: Vec<String> = log.iter().collect();
    let mut messages = BTreeSet::new();
    for line in &lines {
        let keys = keys(line);
        let once: BTreeSet<_> = keys.iter().collect();
        assert_eq!(once.len(), keys.len(), "{line}");
        let object: Value = serde_json::from_str(line).unwrap();
        if object["assignment"] == "logged" {
            assert_eq!(object["correlation_id"], *id, "{line}");
            messages.insert((
                object["message"].as_str().unwrap_or_default().to_owned(),
                object["operation"].as_str().unwrap_or_default().to_owned(),
            ));
        }
    }
    for (message, operation) in [
        ("picture ready", ""),
        ("s3 operation", "upload"),
        ("s3 operation", "head"),
    ] {
        let told = (message.to_owned(), operation.to_owned());
        assert!(messages.contains(&told), "no {told:?} in {messages:?}");
    }
    let ignored = lines
        .iter()
        .find(|line| line.contains("STORE_URL"))
        .expect("it is told");
    assert!(ignored.contains("ignored"), "{ignored}");
}

/// What a collector got: the resource and all metrics, in order.
#[derive(Default)]
struct Collected {
    resource: BTreeMap<String, String>,
    metrics: Vec<Metric>,
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |attribute: KeyValue| match attribute.value?.value? {
        AnyValue::StringValue(text) => Some((attribute.key, text)),
        AnyValue::IntValue(number) => Some((attribute.key, number.to_string())),
        _ => None,
    };
    attributes.into_iter().filter_map(text).collect()
}

async fn take(State(collected): State<Arc<Mutex<Collected>>>, body: Bytes) {
    let export = ExportMetricsServiceRequest::decode(body).unwrap();
    let mut collected = collected.lock().unwrap();
    for of_resource in export.resource_metrics {
        collected.resource = texts(of_resource.resource.unwrap_or_default().attributes);
        let scopes = of_resource.scope_metrics.into_iter();
        collected
            .metrics
            .extend(scopes.flat_map(|scope| scope.metrics));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_deltas_where_it_asks_for_them_with_units_and_descriptions() {
    let collected = Arc::<Mutex<Collected>>::default();
    let router = axum::Router::new()
        .route("/v1/metrics", axum::routing::post(take))
        .route("/v1/traces", axum::routing::post(async || ()))
        .with_state(Arc::clone(&collected));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let data = TempDir::new().unwrap();
    let process = start(
        &data,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ("BUDGET_USD_PER_DAY", "5"),
        ],
    );
    let atelier = Atelier::ready(process);
    let client = client();
    for n in 0..2 {
        let id = format!("measured-{n}");
        post(&client, &atelier.url, &id, "A kite").await;
        finished(&client, &atelier.url, &id).await;
    }
    let gauges = |name: &str| {
        let collected = collected.lock().unwrap();
        collected
            .metrics
            .iter()
            .filter(|metric| metric.name == name)
            .count()
    };
    // A gauge is told in every export, though it was measured long ago.
    let (before, patience) = (
        gauges("atelier.paused"),
        tokio::time::Instant::now() + PATIENCE,
    );
    while gauges("atelier.paused") < before + 3 {
        assert!(
            tokio::time::Instant::now() < patience,
            "paused is told no longer"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    atelier.process.terminate();
    assert_eq!(atelier.process.wait().code(), Some(0));

    let collected = collected.lock().unwrap();
    assert!(collected.resource["service.instance.id"].len() >= 16);
    assert_eq!(collected.resource["service.name"], "atelier");
    let mut calls = 0;
    let mut requests = Vec::new();
    for metric in &collected.metrics {
        assert!(!metric.description.is_empty(), "{metric:?}");
        // `{request}` is the conventions'; Terraform's collector drops that metric.
        assert!(
            ["", "s", "{request}"].contains(&metric.unit.as_str()),
            "{metric:?}"
        );
        let temporality = match metric.data.as_ref().unwrap() {
            Data::Sum(sum) if !sum.is_monotonic => continue,
            Data::Sum(sum) => {
                if metric.name == "atelier.model_calls" {
                    calls += sum.data_points.len();
                }
                sum.aggregation_temporality()
            }
            Data::Histogram(histogram) => {
                if metric.name == "http.server.request.duration" {
                    requests.extend(histogram.data_points.clone());
                }
                histogram.aggregation_temporality()
            }
            _ => continue,
        };
        assert_eq!(
            temporality,
            AggregationTemporality::Delta,
            "{}",
            metric.name
        );
    }
    assert!(
        (1..=2).contains(&calls),
        "two calls in {calls} exports: each is told once"
    );
    let requests = requests
        .into_iter()
        .map(|point| (texts(point.attributes), point.count));
    let created: u64 = requests
        .filter(|(of, _)| {
            let is = |key: &str, value: &str| of.get(key).is_some_and(|it| it == value);
            is("http.request.method", "POST")
                && is("http.route", "/assignments")
                && is("http.response.status_code", "202")
                && is("url.scheme", "http")
        })
        .map(|(_, count)| count)
        .sum();
    assert_eq!(created, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_scrapes_metrics_where_metrics_addr_is_set() {
    let data = TempDir::new().unwrap();
    let mut process = start(&data, &[("METRICS_ADDR", "127.0.0.1:0")]);
    let log = process.log();
    let atelier = Atelier::ready(process);
    let url = loop {
        let line = log.recv_timeout(PATIENCE).expect("it says where");
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "metrics can be scraped" {
            break line["url"].as_str().unwrap().to_owned();
        }
    };
    let client = client();
    post(&client, &atelier.url, "scraped", "A kite").await;
    finished(&client, &atelier.url, "scraped").await;
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4"
    );
    let text = answer.text().await.unwrap();
    for sample in [
        "atelier_jobs_total{code=\"generated\",result=\"success\"} 1",
        "atelier_slots ",
        "atelier_stage_duration_seconds_bucket{stage=\"upload\",le=\"+Inf\"} 1",
        "http_server_request_duration_seconds_count{http_request_method=\"POST\",http_response_status_code=\"202\",http_route=\"/assignments\",url_scheme=\"http\"} 1",
        "service_instance_id=\"",
    ] {
        assert!(text.contains(sample), "no {sample} in:\n{text}");
    }
    let other = client
        .get(url.replace("/metrics", "/"))
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 404);

    // An address in use ends a start with its name.
    let taken = url
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let elsewhere = TempDir::new().unwrap();
    let mut second = start(&elsewhere, &[("METRICS_ADDR", taken)]);
    let said: Vec<String> = second.log().iter().collect();
    assert_eq!(second.wait().code(), Some(1));
    assert!(
        said.iter().any(|line| line.contains("METRICS_ADDR")),
        "{said:?}"
    );
}
