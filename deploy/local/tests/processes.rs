//! A cloud, several APIs and several workers, each a process of its own.

mod support;

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use support::{PATIENCE, Process, client, finished, post};
use tempfile::TempDir;

type Environment = Vec<(String, String)>;

struct Fleet {
    apis: Vec<String>,
    processes: Vec<Process>,
    _data: TempDir,
}

impl Fleet {
    /// Two APIs and two workers on one embedded cloud, with `options` for all of them; an empty one
    /// is not set.
    async fn start(options: &[(&str, &str)]) -> Self {
        let data = TempDir::new().unwrap();
        let cloud = Process::start(
            "atelier",
            &[
                "cloud",
                "--data",
                data.path().to_str().unwrap(),
                "--model-latency",
                "0",
            ],
            &[],
        );
        let printed = cloud.read_until(|line| line.starts_with("ATELIER_CONTROL_URL="));
        let mut environment: Environment = printed
            .iter()
            .map(|line| line.split_once('=').expect("NAME=value and nothing else"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        environment.retain(|(name, _)| options.iter().all(|(option, _)| option != name));
        let set = options.iter().filter(|(_, value)| !value.is_empty());
        environment.extend(set.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut processes = vec![cloud];
        let apis: Vec<_> = (0..2).map(|_| free_address()).collect();
        for address in &apis {
            let mut environment = environment.clone();
            environment.push(("LISTEN_ADDR".to_owned(), address.clone()));
            processes.push(Process::start("atelier-api", &[], &environment));
            processes.push(Process::start(
                "atelier-worker",
                &[],
                &environment[..environment.len() - 1],
            ));
        }
        let fleet = Self {
            apis: apis
                .iter()
                .map(|address| format!("http://{address}"))
                .collect(),
            processes,
            _data: data,
        };
        for api in &fleet.apis {
            until_ready(api).await;
        }
        fleet
    }

    /// Tells all but the cloud to stop, waits for them, then ends the cloud.
    fn stop(self) {
        let mut processes = self.processes.into_iter();
        let cloud = processes.next().unwrap();
        let others: Vec<_> = processes.collect();
        others.iter().for_each(Process::terminate);
        for process in others {
            assert_eq!(process.wait().code(), Some(0));
        }
        cloud.terminate();
        assert_eq!(cloud.wait().code(), Some(0));
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

async fn until_ready(api: &str) {
    let client = client();
    let ready = async {
        loop {
            let answer = client.get(format!("{api}/health/ready")).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready)
        .await
        .expect("the API gets ready");
}

async fn make_pictures_on(fleet: &Fleet) {
    let client = client();
    let (first, second) = (&fleet.apis[0], &fleet.apis[1]);
    for n in 0..6 {
        let id = format!("a-{}-{n}", std::process::id());
        // Posted to one, followed on the other.
        post(&client, first, &id, "A village in the snow").await;
        let done = finished(&client, second, &id).await;
        assert_eq!(done["s3_upload_status"], "success", "{done}");
    }
}

#[tokio::test]
async fn several_processes_share_the_work_on_sqlite() {
    let fleet = Fleet::start(&[]).await;
    make_pictures_on(&fleet).await;
    fleet.stop();
}

#[tokio::test]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn several_processes_share_the_work_on_mongodb() {
    let uri = std::env::var("ATELIER_TEST_MONGODB_URI");
    let uri = uri.expect("ATELIER_TEST_MONGODB_URI is not set");
    let (server, options) = uri.split_once("/?").unwrap_or((&uri, ""));
    let url = format!("{server}/processes_{}?{options}", std::process::id());
    let fleet = Fleet::start(&[("STORE_URL", &url)]).await;
    make_pictures_on(&fleet).await;
    fleet.stop();
}

/// What EC2's metadata service (IMDSv2) and ECS's credentials endpoint answer.
async fn metadata_service() -> String {
    use axum::routing::{get, put};
    let credentials = async || {
        axum::Json(serde_json::json!({
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "AccessKeyId": "test",
            "SecretAccessKey": "test",
            "Token": "of-the-role",
            "Expiration": "2099-01-01T00:00:00Z",
        }))
    };
    let token = async || {
        (
            [("x-aws-ec2-metadata-token-ttl-seconds", "21600")],
            "a-token",
        )
    };
    let roles = "/latest/meta-data/iam/security-credentials";
    let router = axum::Router::new()
        .route("/latest/api/token", put(token))
        .route(&format!("{roles}/"), get(async || "atelier-worker"))
        .route(&format!("{roles}/atelier-worker"), get(credentials))
        .route("/ecs", get(credentials));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

const NO_KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];

#[tokio::test(flavor = "multi_thread")]
async fn an_ec2_instance_gets_its_credentials_from_its_role() {
    let service = metadata_service().await;
    let role = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.as_str());
    let fleet = Fleet::start(&[NO_KEYS[0], NO_KEYS[1], role]).await;
    make_pictures_on(&fleet).await;
    fleet.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ecs_task_gets_its_credentials_from_its_role() {
    let uri = format!("{}/ecs", metadata_service().await);
    let role = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str());
    let fleet = Fleet::start(&[NO_KEYS[0], NO_KEYS[1], role]).await;
    make_pictures_on(&fleet).await;
    fleet.stop();
}

/// A span as a collector gets it: the service, its name and its trace.
#[derive(Debug, PartialEq)]
struct Span {
    service: String,
    name: String,
    kind: SpanKind,
    failed: bool,
    trace_id: Vec<u8>,
}

type Collected = Arc<Mutex<Vec<Span>>>;

async fn collect(State(collected): State<Collected>, body: Bytes) {
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in export.resource_spans {
        let attributes = resource
            .resource
            .map(|it| it.attributes)
            .unwrap_or_default();
        let service = attributes
            .into_iter()
            .find(|it| it.key == "service.name")
            .and_then(|it| it.value?.value)
            .map(|value| match value {
                AnyValue::StringValue(name) => name,
                other => panic!("{other:?}"),
            })
            .unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|it| it.spans) {
            collected.lock().unwrap().push(Span {
                service: service.clone(),
                kind: span.kind(),
                failed: span
                    .status
                    .as_ref()
                    .is_some_and(|status| status.code() == StatusCode::Error),
                name: span.name,
                trace_id: span.trace_id,
            });
        }
    }
}

#[tokio::test]
async fn one_trace_leads_from_the_post_to_the_finish_across_processes() {
    let collected = Collected::default();
    let router = axum::Router::new()
        .route("/v1/traces", axum::routing::post(collect))
        .route("/v1/metrics", axum::routing::post(async || ()))
        .with_state(Arc::clone(&collected));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let fleet = Fleet::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)]).await;
    let client = client();
    post(&client, &fleet.apis[0], "traced", "A kite").await;
    finished(&client, &fleet.apis[0], "traced").await;
    // What is still in the processes is sent when they end.
    tokio::task::spawn_blocking(move || fleet.stop())
        .await
        .unwrap();

    let spans = collected.lock().unwrap();
    let job = spans
        .iter()
        .find(|span| span.name == "process atelier-jobs")
        .expect("a job's span");
    assert_eq!(job.service, "atelier-worker");
    assert!(spans.iter().all(|span| !span.failed), "{spans:#?}");
    for (service, name, kind) in [
        ("atelier-api", "POST /assignments", SpanKind::Server),
        ("atelier-api", "send atelier-jobs", SpanKind::Producer),
        ("atelier-worker", "process atelier-jobs", SpanKind::Consumer),
        ("atelier-worker", "generate", SpanKind::Internal),
        ("atelier-worker", "optimize", SpanKind::Internal),
        ("atelier-worker", "upload", SpanKind::Internal),
        ("atelier-worker", "s3 upload", SpanKind::Client),
    ] {
        let found = spans.iter().filter(|span| {
            let is_this = span.service == service && span.name == name && span.kind == kind;
            is_this && span.trace_id == job.trace_id
        });
        assert_eq!(
            found.count(),
            1,
            "{service}, {name}, {kind:?} in {spans:#?}"
        );
    }
}
