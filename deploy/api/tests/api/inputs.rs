//! Bad input is refused with the field and the limit named, all of it at once.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::world::{World, problem};

fn faults(problem: &Value) -> Vec<(String, Option<u64>)> {
    let errors = problem["errors"].as_array().unwrap();
    errors
        .iter()
        .map(|error| {
            let field = error["field"].as_str().unwrap();
            assert!(error["detail"].as_str().unwrap().contains(field));
            (field.to_owned(), error["limit"].as_u64())
        })
        .collect()
}

#[tokio::test]
async fn every_fault_of_a_create_is_told_at_once_with_its_limit() {
    let world = World::start().await;
    let body = json!({
        "prompt": "x".repeat(1025), "teacher_id": "", "question_answers": "no json",
        "assignment_id": "a/b", "permanent": "yes", "fresh": 1, "colour": "red",
    });
    let answer = world.post("/assignments", &body).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let mut told = faults(&problem(answer).await);
    told.sort();
    assert_eq!(
        told,
        [
            ("assignment_id".to_owned(), Some(64)),
            ("colour".to_owned(), None),
            ("fresh".to_owned(), None),
            ("permanent".to_owned(), None),
            ("prompt".to_owned(), Some(1024)),
            ("question_answers".to_owned(), None),
            ("teacher_id".to_owned(), Some(1)),
        ]
    );
}

#[tokio::test]
async fn the_longest_allowed_values_are_taken() {
    let world = World::start().await;
    let body = json!({
        "prompt": format!("  {}\n", "ä".repeat(1024)), "teacher_id": "t".repeat(256),
        "assignment_id": "a".repeat(64), "question_answers": "[]",
    });
    let answer = world.post("/assignments", &body).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let view: Value = answer.json().await.unwrap();
    assert_eq!(view["prompt"], "ä".repeat(1024));
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused() {
    let world = World::start().await;
    for (body, kind, status) in [
        ("{\"prompt\":", "application/json", 400),
        ("[]", "application/json", 400),
        ("", "application/json", 400),
        ("prompt=x", "application/x-www-form-urlencoded", 415),
        ("{}", "text/plain", 415),
        (r#"{"prompt":"a","prompt":"b"}"#, "application/json", 400),
        (r#"{"prompt":"a"} x"#, "application/json", 400),
    ] {
        let call = world.call(Method::POST, "/assignments");
        let call = call.header("content-type", kind).body(body);
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        problem(answer).await;
    }
    let large = vec![b' '; (1 << 20) + 1];
    let call = world.call(Method::POST, "/assignments");
    let call = call.header("content-type", "application/json").body(large);
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(faults(&problem(answer).await)[0].1, Some(1 << 20));
}

#[tokio::test]
async fn a_body_in_a_coding_that_is_not_read_is_refused() {
    let world = World::start().await;
    for (coding, status) in [
        ("gzip", 415),
        ("identity, br", 415),
        ("x-of-somebody", 415),
        ("identity", 201),
    ] {
        let call = world.call(Method::POST, "/assignments");
        let call = call.header("content-type", "application/json");
        let call = call.header("content-encoding", coding);
        let call = call.body(r#"{"prompt":""}"#);
        assert_eq!(call.send().await.unwrap().status(), status, "{coding}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_ignored() {
    let world = World::start().await;
    let call = world.call(Method::POST, "/assignments");
    let call = call.header("content-type", "application/json");
    let answer = call.body("\u{feff}{\"prompt\":\"a fox\"}").send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_prompt_that_shows_nothing_makes_no_picture() {
    let world = World::start().await;
    for prompt in [
        "",
        " \t\n",
        "\u{200b}",
        "\u{feff}\u{2060} \u{00ad}",
        "\u{3164}\u{115f}\u{ffa0}",
        "\u{2800}",
        "\u{e0041}\u{fe0f}",
        "\u{0000}\u{0007}",
    ] {
        let answer = world.post("/assignments", &json!({"prompt": prompt})).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{prompt:?}");
        let view: Value = answer.json().await.unwrap();
        assert_eq!(view["s3_upload_status"], "no_image");
    }
    let shown = json!({"prompt": "\u{200d}\u{1f98a}"});
    let answer = world.post("/assignments", &shown).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_page_under_a_name_that_is_not_ours_changes_nothing() {
    let world = World::with(&[("ALLOWED_HOSTS", "school.example")]).await;
    let new = json!({"prompt": ""});
    for (host, status) in [
        ("rebound.example", StatusCode::FORBIDDEN),
        ("school.example", StatusCode::CREATED),
    ] {
        let call = world.call(Method::POST, "/assignments").json(&new);
        let call = call.header("host", host);
        let from_page = call.header("origin", format!("http://{host}"));
        assert_eq!(from_page.send().await.unwrap().status(), status, "{host}");
    }
    let program = world.call(Method::POST, "/assignments").json(&new);
    let answer = program.header("host", "a-load-balancer.example").send();
    assert_eq!(answer.await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let many: Vec<String> = (0..51).map(|n| format!("a{n}")).collect();
    for (path, field, limit) in [
        (format!("/assignments/{id}?wait=21"), "wait", Some(20)),
        (format!("/assignments/{id}?wait=soon"), "wait", Some(20)),
        (format!("/assignments/{id}?wait=-1"), "wait", Some(20)),
        (format!("/assignments/{id}?what=1"), "what", None),
        ("/assignments?limit=0".to_owned(), "limit", Some(100)),
        ("/assignments?limit=101".to_owned(), "limit", Some(100)),
        ("/assignments?status=deleted".to_owned(), "status", None),
        ("/assignments?after=garbage".to_owned(), "after", None),
        ("/assignments?after=AAAA".to_owned(), "after", None),
        ("/assignments?ids=a,b/c".to_owned(), "ids", Some(64)),
        (
            format!("/assignments?ids={}", many.join(",")),
            "ids",
            Some(50),
        ),
        ("/assignments?ids=a&wait=21".to_owned(), "wait", Some(20)),
        ("/assignments?wait=2".to_owned(), "wait", None),
        ("/assignments?limit=1&limit=2".to_owned(), "limit", None),
        (
            format!("/assignments?q={}", "x".repeat(201)),
            "q",
            Some(200),
        ),
        ("/assignments?from=yesterday".to_owned(), "from", None),
        ("/assignments?from=2026-02-30".to_owned(), "from", None),
        ("/assignments?to=1764030483".to_owned(), "to", None),
        (
            "/assignments?from=2026-11-29&to=2026-11-28".to_owned(),
            "to",
            None,
        ),
        ("/assignments?ids=a&q=fox".to_owned(), "q", None),
    ] {
        let answer = world.get(&path).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        let told = faults(&problem(answer).await);
        assert_eq!(told, [(field.to_owned(), limit)], "{path}");
    }
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems_too() {
    let world = World::start().await;
    for path in [
        "/nothing",
        "/assignments/unknown",
        "/assignments/a%2Fb",
        "/assets/none.js",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        problem(answer).await;
    }
    let answer = world
        .call(Method::PUT, "/assignments")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.headers().contains_key("allow"));
    problem(answer).await;
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    for (method, path) in [
        (Method::POST, "/assignments".to_owned()),
        (Method::DELETE, format!("/assignments/{id}")),
        (Method::POST, "/fleet/dead-letters/x/redrive".to_owned()),
    ] {
        let call = world.call(method, &path);
        let answer = call.header("origin", "http://evil.example").send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        problem(answer).await;
    }
}

#[tokio::test]
async fn a_callers_correlation_id_is_kept_and_a_bad_one_replaced() {
    let world = World::start().await;
    let call = world.call(Method::POST, "/assignments");
    let call = call.json(&json!({"prompt": "a fox"}));
    let answer = call
        .header("x-correlation-id", "mine-1")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-correlation-id"], "mine-1");
    let view: Value = answer.json().await.unwrap();
    assert_eq!(view["correlation_id"], "mine-1");
    let call = world.call(Method::GET, "/health/live");
    let answer = call.header("x-correlation-id", "a b").send().await.unwrap();
    assert_ne!(answer.headers()["x-correlation-id"], "a b");
    let queue = &world.services.queues.jobs;
    let second = std::time::Duration::from_secs(1);
    let messages = queue.receive(1, second, second).await.unwrap();
    assert_eq!(messages[0].context.correlation_id, "mine-1");
}

// Feature: s3-image-storage, Property 25: Error message clarity
#[test]
fn no_error_leaks_what_is_inside() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::start());
    let strategy = (any::<bool>(), ".{0,40}", any::<Option<bool>>(), 0..5usize);
    let mut runner = TestRunner::new(Config::with_cases(120));
    let outcome = runner.run(&strategy, |(away, text, flag, call)| {
        runtime.block_on(async {
            world
                .store
                .away
                .store(away, std::sync::atomic::Ordering::Relaxed);
            let body = json!({"prompt": text, "permanent": flag, "teacher_id": text});
            let answer = match call {
                0 => world.post("/assignments", &body).await,
                1 => world.get("/assignments/an-id").await,
                2 => {
                    world
                        .patch("/assignments/an-id", &json!({"permanent": true}))
                        .await
                }
                3 => world.delete("/assignments/an-id").await,
                _ => world.get("/assignments").await,
            };
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            let problem = problem(answer).await;
            let detail = problem["detail"].as_str().unwrap();
            for inside in [
                "mongodb", "secret", "refused", "Error", "panic", "sqlite", "::",
            ] {
                prop_assert!(
                    !detail.contains(inside) || text.contains(inside),
                    "{}",
                    detail
                );
            }
            if status.is_server_error() {
                prop_assert!(away);
                prop_assert!(detail.ends_with(problem["correlation_id"].as_str().unwrap()));
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
