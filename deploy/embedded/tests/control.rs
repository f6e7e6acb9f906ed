//! The control address and the cloud as a whole.

use std::path::Path;
use std::time::Duration;

use atelier_embedded::cloud::{Cloud, Options};
use atelier_embedded::faults::Service;
use atelier_embedded::model::Behavior;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

async fn start(data: &Path) -> Cloud {
    let options = Options {
        data: data.to_owned(),
        behavior: Behavior::default(),
    };
    Cloud::start(options).await.unwrap()
}

fn variable(cloud: &Cloud, name: &str) -> String {
    let mut environment = cloud.environment().iter();
    environment
        .find(|(known, _)| known == name)
        .unwrap()
        .1
        .clone()
}

/// One request over plain HTTP: status and JSON body (null if it is empty).
async fn call(url: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[tokio::test]
async fn the_stats_show_every_service_from_the_start() {
    let data = tempfile::tempdir().unwrap();
    let cloud = start(data.path()).await;
    let control = variable(&cloud, "ATELIER_CONTROL_URL");
    let (status, stats) = call(&control, "GET", "/stats", "").await;
    assert_eq!(status, 200);
    for (service, key) in [
        ("bedrock", "calls"),
        ("bedrock", "pictures"),
        ("bedrock", "throttled"),
        ("sqs", "sent"),
        ("sqs", "received"),
        ("sqs", "deleted"),
        ("sqs", "visible"),
        ("sqs", "in_flight"),
        ("sqs", "delayed"),
        ("cdn", "hits"),
        ("cdn", "misses"),
    ] {
        assert_eq!(stats[service][key], 0, "{service}.{key}");
    }
    assert!(stats["s3"].is_object());
    cloud.stop().await;
}

#[tokio::test]
async fn faults_are_added_listed_and_ended() {
    let data = tempfile::tempdir().unwrap();
    let cloud = start(data.path()).await;
    let control = variable(&cloud, "ATELIER_CONTROL_URL");
    let fault = json!({"service": "sqs", "kind": "slow", "share": 0.5, "delay_ms": 20});
    let (status, _) = call(&control, "PUT", "/faults", &fault.to_string()).await;
    assert_eq!(status, 204);
    let (_, listed) = call(&control, "GET", "/faults", "").await;
    assert_eq!(listed, json!({"faults": [fault]}));
    let (status, _) = call(&control, "DELETE", "/faults", "").await;
    assert_eq!(status, 204);
    let (_, listed) = call(&control, "GET", "/faults", "").await;
    assert_eq!(listed, json!({"faults": []}));
    cloud.stop().await;
}

#[tokio::test]
async fn a_fault_strikes_and_ends_by_itself() {
    let data = tempfile::tempdir().unwrap();
    let cloud = start(data.path()).await;
    let control = variable(&cloud, "ATELIER_CONTROL_URL");
    let sqs = variable(&cloud, "AWS_ENDPOINT_URL_SQS");
    let fault = r#"{"service": "sqs", "kind": "error", "share": 1, "for_seconds": 1}"#;
    call(&control, "PUT", "/faults", fault).await;
    assert_eq!(call(&sqs, "POST", "/", "{}").await.0, 500);
    let over = async {
        while call(&sqs, "POST", "/", "{}").await.0 != 403 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), over)
        .await
        .expect("the fault ends");
    assert!(cloud.faults().list().is_empty());
    cloud.stop().await;
}

#[tokio::test]
async fn bad_faults_are_refused_with_the_field_and_its_limit() {
    let data = tempfile::tempdir().unwrap();
    let cloud = start(data.path()).await;
    let control = variable(&cloud, "ATELIER_CONTROL_URL");
    for (fault, field, limit) in [
        (
            json!({"service": "sqs", "kind": "error", "share": 1.1}),
            "share",
            "0 to 1",
        ),
        (json!({"service": "ses", "kind": "error"}), "service", "sqs"),
        (
            json!({"service": "sqs", "kind": "fire"}),
            "kind",
            "lost_reply",
        ),
        (
            json!({"service": "s3", "kind": "duplicate"}),
            "kind",
            "lost_reply",
        ),
        (
            json!({"service": "sqs", "kind": "slow"}),
            "delay_ms",
            "600000",
        ),
        (
            json!({"service": "sqs", "kind": "hang", "delay_ms": 5}),
            "delay_ms",
            "slow",
        ),
        (
            json!({"service": "sqs", "kind": "hang", "for_seconds": 0}),
            "for_seconds",
            "above 0",
        ),
        (
            json!({"service": "sqs", "kind": "hang", "color": 1}),
            "color",
            "share",
        ),
        (json!({"service": "sqs"}), "kind", "missing"),
    ] {
        let (status, problem) = call(&control, "PUT", "/faults", &fault.to_string()).await;
        assert_eq!(status, 400, "{fault}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(field) && detail.contains(limit),
            "{fault}: {detail}"
        );
    }
    assert_eq!(call(&control, "PUT", "/faults", "nonsense").await.0, 400);
    assert!(cloud.faults().list().is_empty());
    cloud.stop().await;
}

#[tokio::test]
async fn the_temper_changes_while_the_model_runs() {
    let data = tempfile::tempdir().unwrap();
    let cloud = start(data.path()).await;
    let control = variable(&cloud, "ATELIER_CONTROL_URL");
    let change = r#"{"latency_ms": 5, "throttle": 0.25}"#;
    assert_eq!(call(&control, "PUT", "/temper", change).await.0, 204);
    let (_, behavior) = call(&control, "GET", "/temper", "").await;
    assert_eq!(
        behavior,
        json!({"latency_ms": 5, "throttle": 0.25, "failure": 0.0})
    );
    for bad in [
        r#"{"failure": 2}"#,
        r#"{"latency_ms": -1}"#,
        r#"{"mood": 1}"#,
    ] {
        assert_eq!(call(&control, "PUT", "/temper", bad).await.0, 400, "{bad}");
    }
    let (_, after) = call(&control, "GET", "/temper", "").await;
    assert_eq!(after, behavior);
    cloud.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_its_addresses() {
    let data = tempfile::tempdir().unwrap();
    let cloud = start(data.path()).await;
    let environment = cloud.environment().to_vec();
    cloud.stop().await;
    let cloud = start(data.path()).await;
    assert_eq!(cloud.environment(), environment);
    assert_eq!(cloud.counters().get(Service::Sqs, "sent"), 0);
    let names: Vec<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.last(), Some(&"ATELIER_CONTROL_URL"));
    cloud.stop().await;
}

#[tokio::test]
async fn a_second_cloud_on_the_same_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let cloud = start(data.path()).await;
    let options = Options {
        data: data.path().to_owned(),
        behavior: Behavior::default(),
    };
    let error = Cloud::start(options).await.unwrap_err().to_string();
    let who = format!("another process (pid {}) uses", std::process::id());
    assert!(error.starts_with(&who), "{error}");
    cloud.stop().await;
    start(data.path()).await.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_replaced() {
    let data = tempfile::tempdir().unwrap();
    let cloud = start(data.path()).await;
    let sqs = variable(&cloud, "AWS_ENDPOINT_URL_SQS");
    cloud.stop().await;
    let taken = tokio::net::TcpListener::bind(sqs.strip_prefix("http://").unwrap());
    let _taken = taken.await.unwrap();
    let cloud = start(data.path()).await;
    assert_ne!(variable(&cloud, "AWS_ENDPOINT_URL_SQS"), sqs);
    cloud.stop().await;
}
