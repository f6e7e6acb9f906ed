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
async fn a_dead_letter_tells_its_cause_and_all_of_a_cause_are_sent_again_once_confirmed() {
    let world = World::start().await;
    let spoilt = world.create("a fox").await;
    world.spoil(&spoilt).await;
    let queue = &world.services.queues.dead_letters;
    for id in ["nobody-1", "nobody-2", spoilt.as_str()] {
        let job = Job {
            assignment_id: id.to_owned(),
            round: 1,
        };
        queue.send(&job, None, &Default::default()).await.unwrap();
    }
    let list = letters(&world, 3).await;
    let cause_of = |id: &str| {
        let letter = list
            .iter()
            .find(|it| it["body"].as_str().unwrap().contains(id))
            .unwrap();
        let words = letter["words"].as_str().unwrap();
        assert!(words.contains(id), "{words}");
        letter["cause"].clone()
    };
    assert_eq!(cause_of("nobody-1"), "unknown_assignment");
    assert_eq!(cause_of(&spoilt), "unreadable_assignment");
    let redrive = |wish: Value| {
        world
            .call(Method::POST, "/fleet/dead-letters:redrive")
            .json(&wish)
    };
    let cause = "unknown_assignment";
    let counted: Value = redrive(json!({"cause": cause}))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(counted, json!({"count": 2, "confirmed": false}));
    let sent = world.sent();
    for (wish, status) in [
        (
            json!({"cause": cause, "confirm_count": 3}),
            StatusCode::CONFLICT,
        ),
        (json!({"cause": "boredom"}), StatusCode::BAD_REQUEST),
    ] {
        let answer = redrive(wish).send().await.unwrap();
        assert_eq!(answer.status(), status);
        problem(answer).await;
    }
    assert_eq!(world.sent(), sent, "nothing is sent before it is confirmed");
    let wish = json!({"cause": cause, "confirm_count": 2});
    let done: Value = redrive(wish).send().await.unwrap().json().await.unwrap();
    let wanted = json!({"count": 2, "confirmed": true, "done": 2, "failed": []});
    assert_eq!(done, wanted);
    assert_eq!(world.sent(), sent + 2);
    let left = letters(&world, 1).await;
    assert_eq!(left[0]["cause"], "unreadable_assignment");
    let log: Value = world
        .get("/audit-log?action=dead_letter.redriven")
        .await
        .json()
        .await
        .unwrap();
    let entry = &log["entries"][0];
    assert_eq!(
        (&entry["what"], &entry["outcome"]),
        (&json!(cause), &json!("done"))
    );
    assert_eq!(entry["counts"], json!({"dead_letters": 2, "failed": 0}));
}

#[tokio::test]
async fn the_fleet_tells_the_teachers_shares_and_names_nobody_who_was_erased() {
    let world = World::start().await;
    let create = async |teacher: &str| {
        let body = json!({"prompt": "a fox", "teacher_id": teacher});
        let view: Value = world
            .post("/assignments", &body)
            .await
            .json()
            .await
            .unwrap();
        view["assignment_id"].as_str().unwrap().to_owned()
    };
    let mut ids = Vec::new();
    for teacher in ["Ms. Okafor", "Ms. Okafor", "Ms. Okafor", "Mr. Lindqvist"] {
        ids.push(create(teacher).await);
    }
    world.claim(&ids[2], 60).await;
    let fleet = async || -> Value { world.get("/fleet.json").await.json().await.unwrap() };
    let told = fleet().await["fairness"].clone();
    assert_eq!(
        (&told["pending"], &told["teachers"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(told["complete"], true);
    let largest = &told["largest"][0];
    assert_eq!(largest["teacher_id"], "Ms. Okafor");
    assert_eq!(
        (&largest["waiting"], &largest["in_flight"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(told["longest_wait"]["teacher_id"], "Ms. Okafor");
    world.succeed(&ids[0], None).await;
    let spent = async |wanted: Value| {
        let looks = async {
            while fleet().await["spending"]["most"][0]["teacher_id"] != wanted {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looks)
            .await
            .unwrap();
        fleet().await["spending"]["most"][0].clone()
    };
    let most = spent(json!("Ms. Okafor")).await;
    assert_eq!(
        (&most["pictures"], &most["cost_usd"]),
        (&json!(1), &json!(0.04))
    );
    assert_eq!(most["charged_usd"], Value::Null, "teachers have no budget");
    let deleted = world.delete(&format!("/assignments/{}", ids[0])).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let most = spent(Value::Null).await;
    assert_eq!(most["cost_usd"], 0.04);
}

#[tokio::test]
async fn the_fleet_tells_hosts_models_and_outages_and_reads_older_heartbeats() {
    let world = World::start().await;
    let now = atelier_domain::timestamp::Timestamp::now();
    let old = json!({
        "worker": "old", "started_at": now, "at": now, "slots": 8, "slots_in_use": 0,
        "paused": false, "throttles": 0, "model_calls": 0, "jobs_finished": 0,
        "resident_bytes": 0,
    });
    let mut new = old.clone();
    let more = json!({
        "worker": "new", "host": "pod-7", "paused": true, "limit": 4,
        "outages": [{"service": "bucket", "since": now, "cause": "AccessDenied"}],
        "models": [{"model": "m", "limit": 4, "in_flight": 2, "breaker": "open", "spent": 80_000}],
    });
    new.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    for heartbeat in [old, new] {
        let heartbeat = serde_json::from_value(heartbeat).unwrap();
        let store = &world.services.store;
        store.record_heartbeat(&heartbeat).await.unwrap();
    }
    let fleet: Value = world.get("/fleet.json").await.json().await.unwrap();
    let [old, new] = fleet["workers"].as_array().unwrap().as_slice() else {
        panic!("two workers: {fleet}");
    };
    assert_eq!((&old["host"], &old["limit"]), (&json!(""), &Value::Null));
    assert_eq!((&old["outages"], &old["models"]), (&json!([]), &json!([])));
    assert_eq!((&new["host"], &new["limit"]), (&json!("pod-7"), &json!(4)));
    assert_eq!(new["outages"][0]["service"], "bucket");
    let model = &new["models"][0];
    assert_eq!(
        (&model["breaker"], &model["spent_usd"]),
        (&json!("open"), &json!(0.08))
    );
    assert_eq!(new["spent_usd"], 0.08);
    let findings = fleet["findings"].as_array().unwrap();
    let codes: Vec<_> = findings
        .iter()
        .map(|it| it["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["outage_of_bucket", "model_busy"]);
    assert!(
        findings[0]["words"]
            .as_str()
            .unwrap()
            .contains("AccessDenied")
    );
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
