//! `atelier` on a disk that takes no more.

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{Atelier, PATIENCE, Process, client, finished, post};
use tempfile::TempDir;

/// `atelier` that gets an error where a file would be longer than its limit, as on a disk that is
/// full or read-only, and no signal.
fn limitable(data: &TempDir) -> Process {
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(support::binary("atelier"))
        .args(["--port", "0", "--model-latency", "0", "--data"])
        .arg(data.path())
        .env("LOG_FORMAT", "json")
        .stderr(Stdio::piped());
    Process::of(command)
}

/// Sets how long the files may be that the process writes from now on; holds for root, too.
fn limit(process: &Process, bytes: &str) {
    let set = Command::new("prlimit")
        .args(["--pid", &process.pid().to_string()])
        .arg(format!("--fsize={bytes}:"))
        .status()
        .expect("prlimit of util-linux");
    assert!(set.success());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(target_os = "linux"), ignore = "needs Linux's prlimit")]
async fn a_disk_that_takes_no_more_is_survived() {
    let data = TempDir::new().unwrap();
    let mut process = limitable(&data);
    let log = process.log();
    let atelier = Atelier::ready(process);
    let (client, url) = (client(), &atelier.url);
    post(&client, url, "before", "A castle").await;
    finished(&client, url, "before").await;
    let ready = async || {
        let answer = client.get(format!("{url}/health/ready")).send();
        answer.await.unwrap().status()
    };
    assert_eq!(ready().await, StatusCode::OK);

    limit(&atelier.process, "0");
    let body = json!({"assignment_id": "refused", "prompt": "A kite", "teacher_id": "t"});
    for _ in 0..3 {
        let answer = client.post(format!("{url}/assignments")).json(&body).send();
        assert_eq!(
            answer.await.unwrap().status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(ready().await, StatusCode::SERVICE_UNAVAILABLE);
        let read = client.get(format!("{url}/assignments/before")).send();
        let read: Value = read.await.unwrap().json().await.unwrap();
        assert_eq!(read["s3_upload_status"], "success");
        let picture = client.get(format!("{url}/assignments/before/image")).send();
        assert_eq!(picture.await.unwrap().status(), StatusCode::OK);
    }
    let alert = loop {
        let line = log.recv_timeout(PATIENCE).expect("an alert");
        let line: Value = serde_json::from_str(&line).expect("a line of JSON");
        if line["alert"] == true {
            break line;
        }
    };
    assert_eq!(
        (&alert["level"], &alert["code"]),
        (&json!("ERROR"), &json!("store"))
    );
    assert!(alert["cause"].to_string().contains("atelier.db"), "{alert}");

    limit(&atelier.process, "unlimited");
    let end = Instant::now() + PATIENCE;
    while ready().await != StatusCode::OK {
        assert!(Instant::now() < end, "never ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    post(&client, url, "after", "A kite").await;
    let done = finished(&client, url, "after").await;
    assert_eq!(done["s3_upload_status"], "success", "{done}");
    atelier.process.terminate();
    assert_eq!(atelier.process.wait().code(), Some(0));
}
