//! What the operator sees and does.

use std::time::Duration;

use atelier_domain::job::Job;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, problem};

async fn letters(world: &World, count: usize) -> Vec<Value> {
    let looks = async {
        loop {
            let answer = world.get("/fleet/dead-letters").await;
            let mut list: Value = answer.json().await.unwrap();
            let messages = list["messages"].as_array_mut().unwrap();
            if messages.len() == count {
                return std::mem::take(messages);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), looks)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_letter_that_stays_is_visible_to_alarms_and_to_other_tools() {
    let world = World::start().await;
    let queue = &world.services.queues.dead_letters;
    let job = Job {
        assignment_id: "nobody".to_owned(),
        round: 1,
    };
    queue.send(&job, None, &Default::default()).await.unwrap();
    letters(&world, 1).await;
    let looks = async {
        while queue.depth().await.unwrap().visible == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), looks)
        .await
        .expect("the API gives back what it only looked at");
}

#[tokio::test]
async fn a_letter_of_nobody_can_be_sent_again_or_dropped() {
    let world = World::start().await;
    for id in ["nobody-1", "nobody-2"] {
        let job = Job {
            assignment_id: id.to_owned(),
            round: 1,
        };
        let queue = &world.services.queues.dead_letters;
        queue.send(&job, None, &Default::default()).await.unwrap();
    }
    let list = letters(&world, 2).await;
    assert!(list[0]["body"].as_str().unwrap().contains("nobody"));
    let path = |n: usize| {
        let id = list[n]["message_id"].as_str().unwrap();
        format!("/fleet/dead-letters/{id}")
    };
    let sent = world.sent();
    let redrive = format!("{}/redrive", path(0));
    let answer = world.call(Method::POST, &redrive).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(world.sent(), sent + 1);
    assert_eq!(
        world.delete(&path(1)).await.status(),
        StatusCode::NO_CONTENT
    );
    letters(&world, 0).await;
    let answer = world.delete(&path(1)).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    problem(answer).await;
    let depth = world.services.queues.dead_letters.depth().await.unwrap();
    assert_eq!(depth.total(), 0);
}

#[tokio::test]
async fn the_fleet_tells_what_finished_and_how() {
    let world = World::start().await;
    let done = world.create("a fox").await;
    world.succeed(&done, None).await;
    let failed = world.create("a cat").await;
    world.fail(&failed).await;
    let looks = async {
        loop {
            let fleet: Value = world.get("/fleet.json").await.json().await.unwrap();
            if fleet["totals"]["done"] == 1 && fleet["totals"]["failed"]["declined"] == 1 {
                return fleet;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let fleet = tokio::time::timeout(Duration::from_secs(10), looks).await;
    let fleet = fleet.unwrap();
    assert_eq!(fleet["control"], true);
    assert!(
        fleet["samples"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["done"] == 1)
    );
    assert_eq!(fleet["totals"]["cost_usd"], 0.04);
}

#[tokio::test]
async fn the_switches_reach_the_embedded_cloud_where_there_is_one() {
    let world = World::start().await;
    let fault = json!({"service": "cdn", "kind": "refuse", "share": 0.5});
    let call = world.call(Method::PUT, "/fleet/faults").json(&fault);
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let faults: Value = world.get("/fleet/faults").await.json().await.unwrap();
    assert_eq!(faults["faults"][0]["service"], "cdn");
    let bad = json!({"service": "moon", "kind": "refuse"});
    let call = world.call(Method::PUT, "/fleet/faults").json(&bad);
    let answer = call.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    problem(answer).await;
    let answer = world.delete("/fleet/faults").await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let behavior: Value = world.get("/fleet/temper").await.json().await.unwrap();
    assert!(behavior["latency_ms"].is_number());
    let real = World::with(&[("ATELIER_CONTROL_URL", "")]).await;
    let answer = real.get("/fleet/faults").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}
