//! `atelier doctor` names what is missing, in words.

mod support;

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{PATIENCE, Process, client};
use tempfile::TempDir;

/// A cloud, and the address that orders faults.
struct Cloud {
    data: TempDir,
    control: String,
    _process: Process,
}

impl Cloud {
    fn start() -> Self {
        let data = TempDir::new().unwrap();
        let flags = ["cloud", "--data", data.path().to_str().unwrap()];
        let process = Process::start("atelier", &flags, &[]);
        let name = "ATELIER_CONTROL_URL=";
        let printed = process.read_until(|line| line.starts_with(name));
        let control = printed.last().unwrap().strip_prefix(name).unwrap();
        Self {
            control: control.to_owned(),
            data,
            _process: process,
        }
    }

    async fn fault(&self, fault: Value) {
        let url = format!("{}/faults", self.control);
        let answer = client().put(url).json(&fault).send().await.unwrap();
        assert!(answer.status().is_success(), "{fault}");
    }

    fn doctor(&self, flags: &[&str], options: &[(&str, &str)]) -> (Option<i32>, Value) {
        let out = Command::new(support::binary("atelier"))
            .args(["doctor", "--json", "--data"])
            .arg(self.data.path())
            .args(flags)
            .envs(options.iter().copied())
            .output()
            .unwrap();
        let report = serde_json::from_slice(&out.stdout);
        let words = String::from_utf8_lossy(&out.stderr).into_owned();
        (out.status.code(), report.unwrap_or_else(|_| words.into()))
    }
}

/// The words of what is missing.
fn missing(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap();
    let missing = findings.iter().filter(|it| it["state"] == "missing");
    missing
        .map(|it| {
            format!(
                "{}: {}",
                it["what"].as_str().unwrap(),
                it["words"].as_str().unwrap()
            )
        })
        .collect()
}

#[tokio::test]
async fn a_whole_system_lacks_nothing_and_each_fault_is_named() {
    let cloud = Cloud::start();
    let (code, report) = cloud.doctor(&[], &[]);
    assert_eq!((code, &report["ok"]), (Some(0), &json!(true)), "{report}");

    for (fault, named) in [
        (
            json!({"service": "s3", "kind": "denied"}),
            "bucket: permission denied",
        ),
        (
            json!({"service": "s3", "kind": "missing"}),
            "bucket: missing",
        ),
        (
            json!({"service": "sqs", "kind": "denied", "operation": "DeleteMessage"}),
            "queue: permission denied",
        ),
        (
            json!({"service": "sqs", "kind": "missing"}),
            "queue: missing",
        ),
        (
            json!({"service": "bedrock", "kind": "denied"}),
            "model stability",
        ),
        (
            json!({"service": "bedrock", "kind": "retired"}),
            "model stability",
        ),
    ] {
        cloud.fault(fault.clone()).await;
        let (code, report) = cloud.doctor(&[], &[]);
        let missing = missing(&report);
        println!("{missing:#?}");
        assert_eq!(code, Some(1), "{fault}");
        assert!(
            missing.iter().any(|it| it.starts_with(named)),
            "{fault}: {missing:?}"
        );
        let url = format!("{}/faults", cloud.control);
        client().delete(url).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_guardrail_that_cannot_be_applied_is_named() {
    let cloud = Cloud::start();
    let guarded = |version| [("GUARDRAIL_ID", "atelier"), ("GUARDRAIL_VERSION", version)];
    let (code, report) = cloud.doctor(&[], &guarded("1"));
    assert_eq!(code, Some(0), "{report}");
    assert!(report.to_string().contains("guardrail atelier"), "{report}");

    let (code, report) = cloud.doctor(&[], &guarded("7"));
    let named = missing(&report);
    assert_eq!((code, named.len()), (Some(1), 1), "{report}");
    assert!(
        named[0].starts_with("guardrail atelier: guardrail: missing"),
        "{named:?}"
    );

    let denied = json!({"service": "bedrock", "kind": "denied", "operation": "ApplyGuardrail"});
    cloud.fault(denied).await;
    let (code, report) = cloud.doctor(&[], &guarded("1"));
    let named = missing(&report);
    assert_eq!((code, named.len()), (Some(1), 1), "{report}");
    assert!(named[0].contains("bedrock:ApplyGuardrail"), "{named:?}");
    let (code, _) = cloud.doctor(&["--of", "api"], &guarded("1"));
    assert_eq!(code, Some(0), "an API applies none");
}

#[tokio::test]
async fn an_api_needs_no_models_and_a_bad_option_is_named() {
    let cloud = Cloud::start();
    cloud
        .fault(json!({"service": "bedrock", "kind": "denied"}))
        .await;
    let (code, report) = cloud.doctor(&["--of", "api"], &[]);
    assert_eq!(code, Some(0), "{report}");
    let (code, words) = cloud.doctor(&[], &[("MAX_ATTEMPTS", "many")]);
    assert_eq!(code, Some(64));
    assert!(words.as_str().unwrap().contains("MAX_ATTEMPTS"), "{words}");
}

#[tokio::test]
async fn what_is_missing_is_logged_at_the_start_and_the_process_starts_all_the_same() {
    let cloud = Cloud::start();
    cloud
        .fault(json!({"service": "s3", "kind": "denied"}))
        .await;
    let environment = std::fs::read_to_string(cloud.data.path().join("environment")).unwrap();
    let environment = environment.lines().filter_map(|line| line.split_once('='));
    let environment: Vec<_> = environment
        .map(|(name, value)| (name, value.trim_matches('\'')))
        .collect();
    for program in ["atelier-worker", "atelier-api"] {
        let mut command = Command::new(support::binary(program));
        command.envs(environment.iter().copied());
        command
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .stderr(Stdio::piped());
        let mut process = Process::of(command);
        let log = process.log();
        let mut started = false;
        let told = loop {
            let line = log.recv_timeout(PATIENCE).expect("the bucket is named");
            started |= line.contains("taking jobs") || line.contains("listening");
            if line.contains("start check") && line.contains("bucket") {
                break line;
            }
        };
        assert!(told.contains("s3:ListBucket"), "{told}");
        while !started {
            let line = log.recv_timeout(PATIENCE).expect("it starts");
            started = line.contains("taking jobs") || line.contains("listening");
        }
        process.terminate();
        assert!(process.wait().success(), "{program}");
    }
}

async fn doctor_of(store: &str) -> Value {
    let cloud = Cloud::start();
    let environment = cloud.data.path().join("environment");
    let text = std::fs::read_to_string(&environment).unwrap();
    let lines = text
        .lines()
        .map(|line| match line.starts_with("STORE_URL=") {
            true => format!("STORE_URL={store}\n"),
            false => format!("{line}\n"),
        });
    std::fs::write(&environment, lines.collect::<String>()).unwrap();
    let (_, report) = cloud.doctor(&[], &[]);
    report
}

#[tokio::test]
#[ignore = "needs a MongoDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn one_mongodb_server_is_told_from_a_replica_set() {
    let url =
        std::env::var("ATELIER_TEST_MONGODB_URI").expect("ATELIER_TEST_MONGODB_URI is not set");
    let report = doctor_of(&url).await;
    assert_eq!(report["ok"], true, "{report}");
    let findings = report["findings"].as_array().unwrap();
    let store = findings.iter().find(|it| it["what"] == "store").unwrap();
    assert_eq!(store["state"], "warning", "{report}");
    assert!(
        store["words"].to_string().contains("lost with its disk"),
        "{report}"
    );
}

#[tokio::test]
#[ignore = "needs a FerretDB: conformance/run cargo test --workspace -- --include-ignored"]
async fn a_store_whose_writes_are_not_atomic_is_found_out() {
    let url =
        std::env::var("ATELIER_TEST_FERRETDB_URI").expect("ATELIER_TEST_FERRETDB_URI is not set");
    let report = doctor_of(&url).await;
    let missing = missing(&report);
    assert_eq!(missing.len(), 1, "{report}");
    assert!(
        missing[0].contains("compare-and-set is not atomic"),
        "{missing:?}"
    );
}
