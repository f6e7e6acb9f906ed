//! An operator pauses and resumes the fleet.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atelier_domain::pause::Pause;
use atelier_domain::timestamp::Timestamp;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::provider::Provider;
use crate::world::{World, problem};

async fn fleet(world: &World) -> Value {
    let answer = world.get("/fleet.json").await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn resume(world: &World) -> Response {
    let call = world.call(Method::POST, "/fleet/resume");
    call.send().await.unwrap()
}

/// The audit log's actions with their outcomes, newest first.
async fn log(world: &World) -> Vec<String> {
    let log: Value = world.get("/audit-log").await.json().await.unwrap();
    let entries = log["entries"].as_array().unwrap().iter();
    entries
        .map(|it| {
            let word = |field: &str| it[field].as_str().unwrap().to_owned();
            format!("{} {}", word("action"), word("outcome"))
        })
        .collect()
}

#[tokio::test]
async fn a_pause_is_shown_logged_and_replaced_and_assignments_are_accepted_meanwhile() {
    let world = World::start().await;
    assert_eq!(fleet(&world).await["paused"], Value::Null);
    let before = Timestamp::now();
    let until = (before + Duration::from_secs(3600)).rfc3339();
    let wish = json!({"until": until, "reason": " The bucket moves. "});
    let answer = world.post("/fleet/pause", &wish).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let told: Value = answer.json().await.unwrap();
    let shown = fleet(&world).await;
    assert_eq!(shown["paused"], told);
    assert_eq!(told["by"], "nobody");
    assert_eq!(told["name"], Value::Null);
    assert_eq!(told["reason"], "The bucket moves.");
    assert!(told["since"].as_f64().unwrap() >= before.seconds());
    let until = Timestamp::of_rfc3339(&until).unwrap().seconds();
    assert_eq!(told["until"], until);
    let codes = |fleet: &Value| -> Vec<String> {
        let findings = fleet["findings"].as_array().unwrap().iter();
        findings
            .map(|it| it["code"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(codes(&shown), ["fleet_paused"]);
    world.create("a fox").await;
    let answer = world
        .call(Method::POST, "/fleet/pause")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "without a body");
    assert_eq!(fleet(&world).await["paused"]["until"], Value::Null);
    for _ in 0..2 {
        assert_eq!(resume(&world).await.status(), StatusCode::NO_CONTENT);
        assert_eq!(fleet(&world).await["paused"], Value::Null);
    }
    let wanted = [
        "fleet.resumed begun",
        "fleet.paused begun",
        "fleet.paused begun",
    ];
    assert_eq!(log(&world).await, wanted, "a resume of nothing leaves none");
}

#[tokio::test]
async fn a_pause_that_has_ended_is_none() {
    let world = World::start().await;
    let ended = Pause {
        by: "key:night-shift".to_owned(),
        since: Timestamp::now() - Duration::from_secs(60),
        until: Some(Timestamp::now() - Duration::from_secs(1)),
        reason: None,
    };
    let store = &world.services.store;
    store.set_pause(Some(&ended)).await.unwrap();
    assert_eq!(fleet(&world).await["paused"], Value::Null);
    assert_eq!(resume(&world).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(log(&world).await, [""; 0]);
}

#[tokio::test]
async fn what_is_wrong_with_a_pause_is_told_by_field_and_limit_and_pauses_nothing() {
    let world = World::start().await;
    let now = Timestamp::now();
    let day = Duration::from_secs(86_400);
    for (wish, field, limit) in [
        (json!({"until": "tomorrow"}), "until", Value::Null),
        (json!({"until": 1_795_971_600}), "until", Value::Null),
        (json!({"until": (now - day).rfc3339()}), "until", json!(30)),
        (
            json!({"until": (now + day * 31).rfc3339()}),
            "until",
            json!(30),
        ),
        (json!({"reason": "x".repeat(201)}), "reason", json!(200)),
        (json!({"reason": "  "}), "reason", json!(1)),
        (json!({"why": "x"}), "why", Value::Null),
    ] {
        let answer = world.post("/fleet/pause", &wish).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wish}");
        let problem = problem(answer).await;
        assert_eq!(problem["errors"][0]["field"], field, "{wish}");
        assert_eq!(problem["errors"][0]["limit"], limit, "{wish}");
    }
    assert_eq!(fleet(&world).await["paused"], Value::Null);
    assert_eq!(log(&world).await, [""; 0]);
}

#[tokio::test]
async fn a_pause_whose_entry_cannot_be_written_is_not_made() {
    let world = World::start().await;
    world.store.log_is_away.store(true, Ordering::Relaxed);
    let answer = world.post("/fleet/pause", &json!({})).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    problem(answer).await;
    world.store.log_is_away.store(false, Ordering::Relaxed);
    assert_eq!(world.services.store.pause().await.unwrap(), None);
    world.store.away.store(true, Ordering::Relaxed);
    let answer = resume(&world).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn operators_alone_pause_and_the_pause_says_who_it_was() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let call = |token: &str, path: &str| world.call(Method::POST, path).bearer_auth(token);
    let teacher = provider.token("ann", &["teacher"]);
    for path in [
        "/fleet/pause",
        "/fleet/resume",
        "/fleet/dead-letters:redrive",
    ] {
        let answer = call(&teacher, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        let answer = world.call(Method::POST, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let operator = provider.token("olga", &["operator"]);
    let answer = call(&operator, "/fleet/pause").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let read = world
        .call(Method::GET, "/fleet.json")
        .bearer_auth(&operator);
    let fleet: Value = read.send().await.unwrap().json().await.unwrap();
    assert_eq!(fleet["paused"]["name"], "olga");
    let by = fleet["paused"]["by"].as_str().unwrap();
    assert!(by.starts_with("person:") && !by.contains("olga"));
    world.services.store.forget_person("olga").await.unwrap();
    let read = world
        .call(Method::GET, "/fleet.json")
        .bearer_auth(&operator);
    let fleet: Value = read.send().await.unwrap().json().await.unwrap();
    assert_eq!(fleet["paused"]["name"], Value::Null, "forgotten");
}
