//! Many at once: counted first, confirmed, each on its own.

use std::sync::atomic::Ordering;

use atelier_domain::assignment::Status;
use atelier_domain::budget::{Account, Day, MicroUsd, Scope};
use atelier_domain::timestamp::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::provider::Provider;
use crate::world::{World, problem};

const BATCH: &str = "/assignments:batch";

async fn ask(world: &World, body: &Value) -> Value {
    let answer = world.post(BATCH, body).await;
    assert_eq!(answer.status(), StatusCode::OK, "{body}");
    answer.json().await.unwrap()
}

/// Assignments that failed, with these ids, of teacher `t`.
async fn failed(world: &World, ids: &[&str]) {
    for id in ids {
        let body = json!({"assignment_id": id, "prompt": format!("fox {id}"), "teacher_id": "t"});
        world.post("/assignments", &body).await;
        world.fail(id).await;
    }
}

/// Id and status of each that was not done.
fn not_done(answer: &Value) -> Vec<(&str, u64)> {
    let failed = answer["failed"].as_array().unwrap().iter();
    failed
        .map(|it| {
            let status = it["problem"]["status"].as_u64().unwrap();
            (it["assignment_id"].as_str().unwrap(), status)
        })
        .collect()
}

#[tokio::test]
async fn a_retry_is_counted_then_confirmed_and_done_once() {
    let world = World::start().await;
    failed(&world, &["a", "b", "c"]).await;
    world.create("a pending one").await;
    let mut body = json!({"operation": "retry", "filter": {"teacher_id": "t"}});
    let told = ask(&world, &body).await;
    let price = told["cost_usd"].as_f64().unwrap() / 3.0;
    assert!(price > 0.0);
    assert_eq!(told["count"], 3);
    assert_eq!(
        (&told["confirmed"], told.get("done")),
        (&json!(false), None)
    );
    assert_eq!(world.document("a").await.round, 1, "nothing is done yet");
    for wrong in [0, 2, 4] {
        body["confirm_count"] = wrong.into();
        let answer = world.post(BATCH, &body).await;
        assert_eq!(answer.status(), StatusCode::CONFLICT);
        let told = problem(answer).await;
        assert_eq!(told["errors"][0]["field"], "confirm_count");
        assert_eq!(told["errors"][0]["limit"], 3);
    }
    assert_eq!(world.document("a").await.round, 1);
    body["confirm_count"] = 3.into();
    let done = ask(&world, &body).await;
    assert_eq!((&done["count"], &done["done"]), (&json!(3), &json!(3)));
    assert_eq!(
        (&done["confirmed"], &done["failed"]),
        (&json!(true), &json!([]))
    );
    for id in ["a", "b", "c"] {
        let document = world.document(id).await;
        assert_eq!(document.s3_upload_status, Status::Pending);
        assert_eq!(document.round, 2);
    }
    // Whose answer is lost asks again.
    let again = world.post(BATCH, &body).await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(world.document("a").await.round, 2);
    let log: Value = world.get("/audit-log").await.json().await.unwrap();
    let entries = log["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    assert!(
        entries
            .iter()
            .all(|it| it["action"] == "assignment.retried")
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_listed_beside_what_is_done() {
    let world = World::start().await;
    failed(&world, &["a"]).await;
    let pending = world.create("a cat").await;
    let lost = world.create("an owl").await;
    world.succeed(&lost, None).await;
    let there = world.create("a hen").await;
    world.succeed(&there, Some(b"RIFF and so on")).await;
    let ids = json!(["a", pending, lost, there, "nobody", "a"]);
    let mut body = json!({"operation": "retry", "ids": ids});
    let told = ask(&world, &body).await;
    assert_eq!(told["count"], 2, "the failed and the lost one: {told:#}");
    body["confirm_count"] = 2.into();
    let done = ask(&world, &body).await;
    assert_eq!(done["done"], 2);
    let mut refused = not_done(&done);
    refused.sort_by_key(|(_, status)| *status);
    assert_eq!(refused[0], ("nobody", 404));
    assert_eq!(refused.len(), 3);
    assert!(refused[1..].iter().all(|(_, status)| *status == 409));
    assert_eq!(world.document(&lost).await.round, 2);
    // By a filter nobody named those that have their pictures.
    let filter = json!({"operation": "retry", "filter": {"status": "success"}});
    let told = ask(&world, &filter).await;
    assert_eq!((&told["count"], &told["failed"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn a_delete_by_words_and_time_leaves_the_others() {
    let world = World::start().await;
    failed(&world, &["a", "b"]).await;
    let paid = world.create("an expensive FOX").await;
    world.succeed(&paid, Some(b"RIFF and so on")).await;
    let other = world.create("a cat").await;
    let filter = json!({"q": "fox", "from": "2020-01-01"});
    let mut body = json!({"operation": "delete", "filter": filter});
    let told = ask(&world, &body).await;
    assert_eq!(told["count"], 3);
    assert_eq!(told["cost_usd"], 0.04, "what they have cost");
    body["confirm_count"] = 3.into();
    assert_eq!(ask(&world, &body).await["done"], 3);
    for id in ["a", "b", &paid] {
        let status = world.document(id).await.s3_upload_status;
        assert_eq!(status, Status::Deleted);
    }
    let status = world.document(&other).await.s3_upload_status;
    assert_eq!(status, Status::Pending);
    body["confirm_count"] = 0.into();
    assert_eq!(ask(&world, &body).await["done"], 0, "nothing is left");
}

#[tokio::test]
async fn the_rate_limit_and_the_budget_hold_for_each_retry() {
    let world = World::with(&[("CREATE_LIMIT_PER_MINUTE", "7")]).await;
    failed(&world, &["a", "b", "c", "d"]).await;
    let ids = json!(["a", "b", "c", "d"]);
    let body = json!({"operation": "retry", "ids": ids, "confirm_count": 4});
    let done = ask(&world, &body).await;
    let refused = not_done(&done);
    // The creates count, too; the minute may have turned over meanwhile.
    assert!(refused.len() <= 1 && refused.iter().all(|it| it.1 == 429));
    assert_eq!(done["done"], 4 - refused.len());
    let mut rounds = 0;
    for id in ["a", "b", "c", "d"] {
        rounds += world.document(id).await.round;
    }
    assert_eq!(rounds as usize, 8 - refused.len());

    let world = World::with(&[("BUDGET_USD_PER_TEACHER_PER_DAY", "0.10")]).await;
    failed(&world, &["a"]).await;
    let other = world.create("a cat").await;
    world.fail(&other).await;
    let account = Account {
        day: Day::of(Timestamp::now()),
        scope: Scope::Teacher("t".to_owned()),
    };
    let (price, limit) = (MicroUsd::from_usd(0.09), MicroUsd::from_usd(0.10));
    let store = &world.services.store;
    store
        .charge_call(&account, "c", price, limit)
        .await
        .unwrap();
    let body = json!({"operation": "retry", "ids": ["a", other], "confirm_count": 2});
    let done = ask(&world, &body).await;
    assert_eq!(not_done(&done), [("a", 429)]);
    assert_eq!(world.document("a").await.round, 1);
    assert_eq!(world.document(&other).await.round, 2);
}

#[tokio::test]
async fn a_store_that_goes_away_leaves_none_half_done() {
    let world = World::start().await;
    failed(&world, &["a", "b"]).await;
    let body = json!({"operation": "delete", "ids": ["a", "b"], "confirm_count": 2});
    world.store.away.store(true, Ordering::Relaxed);
    let answer = world.post(BATCH, &body).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    world.store.away.store(false, Ordering::Relaxed);
    for id in ["a", "b"] {
        let status = world.document(id).await.s3_upload_status;
        assert_eq!(status, Status::Failed);
    }
    assert_eq!(ask(&world, &body).await["done"], 2);
}

#[tokio::test]
async fn bad_batches_are_refused_with_field_and_limit() {
    let world = World::start().await;
    let many: Vec<String> = (0..501).map(|n| format!("a{n}")).collect();
    for (body, field, limit) in [
        (json!({"ids": ["a"]}), "operation", None),
        (
            json!({"operation": "drop", "ids": ["a"]}),
            "operation",
            None,
        ),
        (json!({"operation": "delete"}), "ids", None),
        (
            json!({"operation": "delete", "ids": ["a"], "filter": {}}),
            "ids",
            None,
        ),
        (json!({"operation": "delete", "ids": []}), "ids", Some(1)),
        (
            json!({"operation": "delete", "ids": many}),
            "ids",
            Some(500),
        ),
        (json!({"operation": "delete", "ids": "a"}), "ids", None),
        (
            json!({"operation": "delete", "ids": ["a/b"]}),
            "ids",
            Some(64),
        ),
        (
            json!({"operation": "delete", "filter": "all"}),
            "filter",
            None,
        ),
        (
            json!({"operation": "delete", "filter": {"colour": "red"}}),
            "filter.colour",
            None,
        ),
        (
            json!({"operation": "delete", "filter": {"q": "x".repeat(201)}}),
            "filter.q",
            Some(200),
        ),
        (
            json!({"operation": "delete", "filter": {"from": "2026-11-29", "to": "2026-11-01"}}),
            "filter.to",
            None,
        ),
        (
            json!({"operation": "delete", "filter": {"status": "deleted"}}),
            "filter.status",
            None,
        ),
        (
            json!({"operation": "delete", "ids": ["a"], "confirm_count": 501}),
            "confirm_count",
            Some(500),
        ),
        (
            json!({"operation": "delete", "ids": ["a"], "confirm_count": -1}),
            "confirm_count",
            Some(500),
        ),
    ] {
        let answer = world.post(BATCH, &body).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let error = &problem(answer).await["errors"][0];
        assert_eq!(error["field"], field, "{body}");
        assert_eq!(error["limit"].as_u64(), limit, "{body}");
    }
}

#[tokio::test]
async fn a_teacher_changes_its_own_alone() {
    let provider = Provider::start().await;
    let world = World::with(&provider.options()).await;
    let call = |who: &str, role: &str, body: &Value| {
        let call = world.call(Method::POST, BATCH).json(body);
        call.bearer_auth(provider.token(who, &[role])).send()
    };
    for (id, teacher) in [("a", "ann"), ("b", "bob")] {
        let body = json!({"assignment_id": id, "prompt": "a fox"});
        let made = world.call(Method::POST, "/assignments").json(&body);
        let made = made.bearer_auth(provider.token(teacher, &["teacher"]));
        assert_eq!(made.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
    let named = json!({"operation": "delete", "ids": ["a", "b", "nobody"], "confirm_count": 1});
    let done: Value = call("ann", "teacher", &named)
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(done["done"], 1);
    assert_eq!(not_done(&done), [("b", 404), ("nobody", 404)]);
    let words = |n: usize| done["failed"][n]["problem"]["detail"].clone();
    assert_eq!(
        words(0),
        words(1),
        "another's is like one that is not there"
    );
    for filter in [json!({"teacher_id": "bob"}), json!({"q": "fox"}), json!({})] {
        let all = json!({"operation": "delete", "filter": filter});
        let told: Value = call("ann", "teacher", &all)
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(told["count"], 0, "{filter}");
    }
    let all = json!({"operation": "delete", "filter": {}, "confirm_count": 1});
    let done: Value = call("p", "portal", &all)
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(done["done"], 1, "bob's");
}
