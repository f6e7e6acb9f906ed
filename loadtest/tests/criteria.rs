//! The load test finds out what is wrong with a small API.

mod fake;

use std::collections::HashSet;
use std::process::{Command, Output};
use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use serde_json::Value;

use fake::{Behavior, GOOD};

async fn loadtest(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier-loadtest"));
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

/// Runs a scenario against the fake; returns exit code and JSON.
async fn check(url: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (json, report) = (path("run.json"), path("run.html"));
    let mut all = arguments.to_vec();
    all.extend(["--url", url, "--json", &json, "--report", &report]);
    let output = loadtest(&all).await;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let results = serde_json::from_str(&read(&json)).unwrap_or_default();
    (output.status.code(), results, read(&report))
}

fn criterion<'a>(results: &'a Value, name: &str) -> &'a Value {
    let criteria = results["criteria"].as_array().unwrap();
    criteria.iter().find(|each| each["name"] == name).unwrap()
}

// Feature: s3-image-storage, Property 20: Load test image operation coverage
// Feature: s3-image-storage, Property 22: Load test metrics collection
#[tokio::test]
async fn a_good_api_holds_every_criterion_and_every_operation_is_measured() {
    let (url, seen) = fake::serve(GOOD).await;
    let (code, results, report) = check(
        &url,
        &["baseline", "--scale-time", "0.02", "--think", "0.1"],
    )
    .await;
    assert_eq!(code, Some(0), "{results:#}");
    for operation in [
        "post",
        "time_to_picture",
        "generate",
        "upload",
        "download",
        "download_hit",
        "download_miss",
        "retrieval",
        "list",
    ] {
        for percentile in ["p50", "p95", "p99"] {
            assert!(
                results["operations"][operation][percentile]
                    .as_f64()
                    .unwrap()
                    > 0.0,
                "{operation} {percentile}"
            );
        }
        assert!(
            results["operations"][operation]["p95"].as_f64()
                <= results["operations"][operation]["p99"].as_f64()
        );
    }
    for count in [
        &seen.posts,
        &seen.reads,
        &seen.lists,
        &seen.images,
        &seen.downloads,
    ] {
        assert!(count.load(Ordering::Relaxed) > 0);
    }
    for name in [
        "upload_p95_seconds",
        "download_p95_seconds",
        "error_ratio",
        "cdn_hit_ratio",
        "storage_saved_ratio",
        "accepted_not_final",
    ] {
        assert_eq!(criterion(&results, name)["holds"], true, "{name}");
    }
    assert_eq!(criterion(&results, "scaling_seconds")["holds"], Value::Null);
    assert_eq!(criterion(&results, "doubled")["holds"], Value::Null);
    assert!((results["storage"]["saved_ratio"].as_f64().unwrap() - 0.85).abs() < 1e-9);
    assert!(
        (results["cost_per_thousand_pictures"]["model_usd"]
            .as_f64()
            .unwrap()
            - 40.0)
            .abs()
            < 1e-6
    );
    assert_eq!(results["fleet"]["samples"][0]["visible"], 3.0);
    assert!(
        report.contains("<svg") && !report.contains("src=") && !report.contains("href="),
        "nothing from elsewhere"
    );
}

#[tokio::test]
async fn prompts_are_unique_and_teachers_many() {
    let (url, seen) = fake::serve(GOOD).await;
    let (code, _, _) = check(
        &url,
        &[
            "post",
            "--rate",
            "200",
            "--seconds",
            "2",
            "--limit-p99",
            "2000",
        ],
    )
    .await;
    assert_eq!(code, Some(0));
    let posted = seen.prompts.lock().unwrap();
    let distinct =
        |part: fn(&(String, String)) -> &str| posted.iter().map(part).collect::<HashSet<_>>().len();
    assert_eq!(posted.len(), 400);
    assert_eq!(distinct(|(prompt, _)| prompt), 400);
    assert!(distinct(|(_, teacher)| teacher) > 100);
}

// Feature: s3-image-storage, Property 21: Concurrent user simulation
#[tokio::test]
async fn stress_has_fifty_users_at_once() {
    let behavior = Behavior {
        picture_after: std::time::Duration::from_millis(1500),
        ..GOOD
    };
    let (url, seen) = fake::serve(behavior).await;
    let arguments = [
        "stress",
        "--scale-time",
        "0.008",
        "--create-weight",
        "1",
        "--view-weight",
        "0",
        "--list-weight",
        "0",
        "--think",
        "0",
    ];
    let (code, results, _) = check(&url, &arguments).await;
    assert_eq!(code, Some(0), "{results:#}");
    assert!(
        seen.most_following.load(Ordering::SeqCst) >= 45,
        "{:?}",
        seen.most_following
    );
    assert_eq!(results["users"], 50);
}

#[tokio::test]
async fn errors_fail_the_run() {
    let (url, _) = fake::serve(Behavior {
        refuse_every: 2,
        ..GOOD
    })
    .await;
    let (code, results, _) = check(
        &url,
        &["baseline", "--scale-time", "0.01", "--think", "0.1"],
    )
    .await;
    assert_eq!(code, Some(1));
    assert_eq!(criterion(&results, "error_ratio")["holds"], false);
    assert!(results["errors"]["create: 503"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn an_assignment_that_stays_pending_fails_the_run() {
    let (url, _) = fake::serve(Behavior {
        stuck: true,
        ..GOOD
    })
    .await;
    let arguments = [
        "baseline",
        "--scale-time",
        "0.003",
        "--think",
        "0.1",
        "--final-within",
        "0.5",
    ];
    let (code, results, _) = check(&url, &arguments).await;
    assert_eq!(code, Some(1));
    assert_eq!(criterion(&results, "accepted_not_final")["holds"], false);
}

#[tokio::test]
async fn what_an_address_cannot_show_does_not_fail() {
    let (url, _) = fake::serve(Behavior {
        whole: false,
        ..GOOD
    })
    .await;
    let (code, results, _) = check(
        &url,
        &["baseline", "--scale-time", "0.01", "--think", "0.1"],
    )
    .await;
    assert_eq!(code, Some(0), "{results:#}");
    for name in ["cdn_hit_ratio", "scaling_seconds", "doubled"] {
        assert_eq!(criterion(&results, name)["holds"], Value::Null, "{name}");
        assert_eq!(criterion(&results, name)["figure"], Value::Null, "{name}");
    }
}

#[tokio::test]
async fn the_audits_exit_code_counts() {
    let (url, _) = fake::serve(GOOD).await;
    let run = |audit: &'static str| {
        let url = url.clone();
        async move {
            check(
                &url,
                &[
                    "baseline",
                    "--scale-time",
                    "0.005",
                    "--think",
                    "0.1",
                    "--audit-command",
                    audit,
                ],
            )
            .await
        }
    };
    let (code, results, _) = run("true").await;
    assert_eq!(
        (code, &criterion(&results, "doubled")["holds"]),
        (Some(0), &Value::Bool(true))
    );
    let (code, results, _) = run("exit 1").await;
    assert_eq!(
        (code, &criterion(&results, "doubled")["holds"]),
        (Some(1), &Value::Bool(false))
    );
}

#[tokio::test]
async fn a_run_is_compared_with_an_earlier_one() {
    let (url, _) = fake::serve(GOOD).await;
    let folder = tempfile::tempdir().unwrap();
    let earlier = folder.path().join("earlier.json");
    let earlier = earlier.to_str().unwrap();
    let baseline = [
        "baseline",
        "--url",
        &url,
        "--scale-time",
        "0.005",
        "--think",
        "0.1",
    ];
    let first = loadtest(&[&baseline[..], &["--json", earlier]].concat()).await;
    assert_eq!(first.status.code(), Some(0));
    let (code, results, report) = check(
        &url,
        &[
            "baseline",
            "--scale-time",
            "0.005",
            "--think",
            "0.1",
            "--compare",
            earlier,
        ],
    )
    .await;
    assert_eq!(code, Some(0));
    assert!(results["compared"]["p95"]["post"]["before"].as_f64() > Some(0.0));
    assert!(report.contains("earlier p95"));
}

#[tokio::test]
async fn bad_usage_is_64() {
    for arguments in [
        &["baseline"][..],
        &["nonsense"],
        &[],
        &["baseline", "--url", "ftp://example.com"],
        &[
            "baseline",
            "--url",
            "http://127.0.0.1:1",
            "--scale-time",
            "0",
        ],
        &[
            "baseline",
            "--url",
            "http://127.0.0.1:1",
            "--scale-time",
            "soon",
        ],
        &[
            "baseline",
            "--url",
            "http://127.0.0.1:1",
            "--create-weight",
            "0",
            "--view-weight",
            "0",
            "--list-weight",
            "0",
        ],
        &[
            "baseline",
            "--url",
            "http://127.0.0.1:1",
            "--compare",
            "/no/such.json",
        ],
        &["post", "--url", "http://127.0.0.1:1", "--rate", "-1"],
        &["scaling", "--scaling", "/no/such.json"],
        &["scaling", "--hours", "0"],
    ] {
        let output = loadtest(arguments).await;
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

/// Refuses with 64 and tells `wanted`.
async fn refused(arguments: &[&str], wanted: &[&str]) {
    let output = loadtest(arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
    for text in wanted {
        assert!(said.contains(text), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_number_out_of_range_is_told_its_limit() {
    let baseline = ["baseline", "--url", "http://127.0.0.1:1"];
    let post = ["post", "--url", "http://127.0.0.1:1"];
    for (command, flag, value, limit) in [
        (
            &baseline[..],
            "--scale-time",
            "-1",
            "above 0 and at most 100",
        ),
        (&baseline, "--think", "-3", "from 0 to 86400"),
        (&baseline, "--timeout", "0", "above 0 and at most 86400"),
        (&baseline, "--timeout", "-1", "above 0 and at most 86400"),
        (&baseline, "--timeout", "soon", "must be a number"),
        (&baseline, "--backlog-per-worker", "-1", "above 0"),
        (&post, "--rate", "-1", "above 0 and at most 100000"),
        (&post, "--seconds", "0", "above 0 and at most 86400"),
        (&post, "--limit-p99", "-2.5", "above 0"),
        (&["scaling"], "--peak-per-minute", "-3", "from 0 to 100000"),
        (&["scaling"], "--quota", "-3", "from 0.01 to 100000"),
    ] {
        refused(&[command, &[flag, value]].concat(), &[flag, limit]).await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_refused_before_the_run() {
    let (url, seen) = fake::serve(GOOD).await;
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no").join("such.out");
    let (missing, folder) = (missing.to_str().unwrap(), folder.path().to_str().unwrap());
    for path in [missing, folder] {
        for flag in ["--report", "--json"] {
            refused(&["baseline", "--url", &url, flag, path], &[path]).await;
            refused(&["post", "--url", &url, flag, path], &[path]).await;
        }
        for flag in ["--report", "--json", "--svg"] {
            refused(&["scaling", flag, path], &[path]).await;
        }
    }
    assert_eq!(seen.posts.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn arrivals_that_cannot_be_replayed_are_refused_by_file_line_and_limit() {
    let folder = tempfile::tempdir().unwrap();
    let day = folder.path().join("monday.csv");
    std::fs::write(&day, "seconds,per_minute\n0,1e12\n").unwrap();
    let day = day.to_str().unwrap();
    refused(
        &["scaling", "--arrivals-file", day],
        &[day, "line 2", "from 0 to 100000"],
    )
    .await;
}

#[tokio::test]
async fn help_is_0_and_an_address_without_an_answer_is_1() {
    assert_eq!(loadtest(&["--help"]).await.status.code(), Some(0));
    let output = loadtest(&["baseline", "--url", "http://127.0.0.1:1"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not answer"));
}

#[tokio::test]
async fn private_pictures_are_loaded_by_their_signed_addresses_and_refused_by_others() {
    for (status, holds, code) in [(403, true, 0), (200, false, 1)] {
        let (url, _) = fake::serve(Behavior {
            unsigned: Some(StatusCode::from_u16(status).unwrap()),
            ..GOOD
        })
        .await;
        let arguments = ["baseline", "--scale-time", "0.02", "--think", "0.1"];
        let (exit_code, results, _) = check(&url, &arguments).await;
        assert_eq!(exit_code, Some(code), "{results:#}");
        assert_eq!(criterion(&results, "unsigned_served")["holds"], holds);
        assert_eq!(criterion(&results, "cdn_hit_ratio")["holds"], true);
    }
}
