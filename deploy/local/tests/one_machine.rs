//! What a stranger does first: one command, a prompt, a picture; then a kill, and another start.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use support::{Atelier, Process, client, finished, post};
use tempfile::TempDir;

fn audit(data: &TempDir) -> (i32, serde_json::Value) {
    let out = Command::new(support::binary("atelier"))
        .args(["audit", "--json", "--data", data.path().to_str().unwrap()])
        .output()
        .unwrap();
    let report = serde_json::from_slice(&out.stdout).expect("one JSON object");
    (out.status.code().unwrap(), report)
}

#[tokio::test]
async fn a_prompt_becomes_a_picture_that_readers_get_from_the_cdn() {
    let data = TempDir::new().unwrap();
    let start = Instant::now();
    let atelier = Atelier::start(data.path(), &["--model-latency", "0"]);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "ready after {:?}",
        start.elapsed()
    );
    let client = client();
    post(&client, &atelier.url, "a-1", "A castle by the sea").await;
    let done = finished(&client, &atelier.url, "a-1").await;
    assert_eq!(done["s3_upload_status"], "success", "{done}");
    let image = format!("{}/assignments/a-1/image", atelier.url);
    for expected in ["Miss from cloudfront", "Hit from cloudfront"] {
        let answer = client.get(&image).send().await.unwrap();
        assert_eq!(answer.headers()["x-cache"], expected);
        assert_eq!(answer.headers()["content-type"], "image/webp");
    }
    let (code, report) = audit(&data);
    assert_eq!((code, &report["ok"]), (0, &true.into()), "{report}");

    atelier.process.terminate();
    assert_eq!(atelier.process.wait().code(), Some(0));
}

#[test]
fn one_line_tells_who_may_do_what() {
    for (flags, said) in [
        (
            &[][..],
            "off: everybody who reaches the page may do everything",
        ),
        (
            &["--sign-in"],
            "/auth/sign-in as Tess Teacher, Theo Teacher, Olga Operator or Sam Student",
        ),
    ] {
        let data = TempDir::new().unwrap();
        let mut all = vec!["--port", "0", "--data", data.path().to_str().unwrap()];
        all.extend(flags);
        let process = Process::start("atelier", &all, &[]);
        let lines = process.read_until(|line| line.trim_start().starts_with("sign-in"));
        assert!(lines.last().unwrap().contains(said), "{lines:?}");
        process.kill();
    }
}

#[test]
fn an_identity_provider_without_passwords_is_for_this_machine_alone() {
    let data = TempDir::new().unwrap();
    let out = Command::new(support::binary("atelier"))
        .args(["--sign-in", "--data", data.path().to_str().unwrap()])
        .env("LISTEN_ADDR", "0.0.0.0:0")
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(64));
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(
        said.contains("LISTEN_ADDR must be a loopback address"),
        "{said}"
    );
}

#[tokio::test]
async fn clients_that_only_connect_do_not_use_up_the_open_files() {
    let data = TempDir::new().unwrap();
    let atelier = Atelier::start_with_open_files(400, data.path(), &["--model-latency", "0"]);
    let address = atelier.url.strip_prefix("http://").unwrap();
    let mut idle = Vec::new();
    for _ in 0..500 {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let client = client();
    post(&client, &atelier.url, "a-1", "A full waiting room").await;
    let done = finished(&client, &atelier.url, "a-1").await;
    assert_eq!(done["s3_upload_status"], "success", "{done}");
}

#[tokio::test]
async fn fifty_assignments_survive_a_kill() {
    let data = TempDir::new().unwrap();
    let atelier = Atelier::start(data.path(), &["--model-latency", "1"]);
    let client = client();
    let ids: Vec<_> = (0..50).map(|n| format!("a-{n}")).collect();
    for id in &ids {
        post(&client, &atelier.url, id, &format!("A boat named {id}")).await;
    }
    atelier.process.kill();
    let atelier = Atelier::start(data.path(), &["--model-latency", "0"]);
    for id in &ids {
        let done = finished(&client, &atelier.url, id).await;
        assert_eq!(done["s3_upload_status"], "success", "{done}");
    }
    let (code, report) = audit(&data);
    assert_eq!((code, &report["ok"]), (0, &true.into()), "{report}");
}

#[test]
fn every_binary_explains_every_option_and_names_every_fault() {
    for name in ["atelier", "atelier-api", "atelier-worker"] {
        let help = Command::new(support::binary(name))
            .arg("--help")
            .output()
            .unwrap();
        assert!(help.status.success());
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(
            help.contains("CLAIM_SECONDS") && help.contains("[default: 25]"),
            "{help}"
        );
        let bad = Command::new(support::binary(name))
            .arg("--no-such-flag")
            .output()
            .unwrap();
        assert_eq!(bad.status.code(), Some(64));
    }
    let data = TempDir::new().unwrap();
    let out = Command::new(support::binary("atelier"))
        .args(["--port", "0", "--data", data.path().to_str().unwrap()])
        .envs([
            ("WORKER_SLOTS", "0"),
            ("BEDROCK_MODELS", "some.model"),
            ("CREATE_LIMIT_PER_MINUTE", "x"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere"),
        ])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(64));
    let said = String::from_utf8(out.stderr).unwrap();
    for option in [
        "WORKER_SLOTS",
        "BEDROCK_MODELS",
        "CREATE_LIMIT_PER_MINUTE",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ] {
        assert_eq!(said.matches(option).count(), 1, "{option} in: {said}");
    }
    for name in ["atelier-api", "atelier-worker"] {
        let out = Command::new(support::binary(name))
            .env_clear()
            .env("CLAIM_SECONDS", "soon")
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(64));
        let said = String::from_utf8(out.stderr).unwrap();
        for option in [
            "S3_BUCKET_NAME",
            "SQS_QUEUE_URL",
            "STORE_URL",
            "AWS_REGION",
            "CLAIM_SECONDS",
        ] {
            assert!(said.contains(option), "{option} is not in: {said}");
        }
    }
}

#[test]
fn a_shell_reads_the_printed_environment_whatever_the_directory_is_called() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("it's a \"dir\" `of` $HOME; & ünï *");
    let data = data.to_str().unwrap();
    let cloud = Process::start("atelier", &["cloud", "--data", data], &[]);
    let printed = cloud.read_until(|line| line.starts_with("ATELIER_CONTROL_URL="));
    let script = folder.path().join("environment");
    std::fs::write(&script, printed.join("\n")).unwrap();
    let written = std::path::Path::new(data).join("environment");
    for file in [&script, &written] {
        let read = Command::new("sh")
            .args(["-c", "set -aeu; . \"$0\"; printf %s \"$STORE_URL\""])
            .arg(file)
            .output()
            .unwrap();
        let store = String::from_utf8(read.stdout).unwrap();
        let expected = std::path::Path::new(data).canonicalize().unwrap();
        assert_eq!(store, format!("sqlite:{}/atelier.db", expected.display()));
    }
    let audit = Command::new(support::binary("atelier"))
        .args(["audit", "--data", data])
        .output()
        .unwrap();
    assert!(audit.status.success(), "{audit:?}");
}

#[test]
fn an_audit_of_what_does_not_run_says_what_to_start() {
    let data = TempDir::new().unwrap();
    let audit = || {
        let out = Command::new(support::binary("atelier"))
            .args(["audit", "--data", data.path().to_str().unwrap()])
            .output()
            .unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    let check = |(code, said): (Option<i32>, String)| {
        assert_eq!(code, Some(2), "{said}");
        let start = format!("start `atelier --data {}`", data.path().display());
        assert!(said.contains(&start), "{said}");
    };
    check(audit());
    let atelier = Atelier::start(data.path(), &[]);
    assert_eq!(audit().0, Some(0));
    atelier.process.terminate();
    atelier.process.wait();
    check(audit());
}

#[test]
fn bad_usage_ends_every_program_with_64() {
    for (name, flags) in [
        ("atelier", &["--workers", "0"][..]),
        ("atelier", &["key", "create", "a name", "--role", "portal"]),
        ("atelier", &["teacher", "export"]),
        ("atelier", &["cloud", "--model-latency", "soon"]),
        ("atelier-api", &["--port", "1"]),
        ("atelier-worker", &["here"]),
        ("atelier-loadtest", &["baseline", "--users", "none"]),
        ("storm", &["--jobs", "none"]),
        ("storm", &["--seconds", "1"]),
        ("step_down", &["--every"]),
    ] {
        let out = Command::new(support::binary(name))
            .args(flags)
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(64), "{name} {flags:?}: {out:?}");
        assert!(!out.stderr.is_empty(), "{name} {flags:?} says why");
    }
}

#[tokio::test]
async fn other_machines_get_pictures_from_the_api_since_they_do_not_reach_the_cdn() {
    let data = TempDir::new().unwrap();
    let mut command = Command::new(support::binary("atelier"));
    command
        .args([
            "--model-latency",
            "0",
            "--data",
            data.path().to_str().unwrap(),
        ])
        .envs([("LISTEN_ADDR", "0.0.0.0:0"), ("AUTH", "off")])
        .stderr(std::process::Stdio::null());
    let atelier = Atelier::ready(Process::of(command));
    let url = atelier.url.replace("0.0.0.0", "127.0.0.1");
    let all = client();
    post(&all, &url, "shown", "A castle").await;
    let done = finished(&all, &url, "shown").await;
    assert_eq!(done["s3_upload_status"], "success", "{done}");
    assert!(!done.to_string().contains("http://127.0.0.1"), "{done}");
    let here = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = here
        .get(format!("{url}/assignments/shown/image"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"image/webp".parse().unwrap())
    );
}
