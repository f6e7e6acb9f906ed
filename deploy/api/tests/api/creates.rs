//! Creating: one id is one assignment, one job, one charge.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atelier_domain::timestamp::Timestamp;
use atelier_embedded::faults::{Kind, Service};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{SOON_AGAIN, World, problem};

#[tokio::test]
async fn a_prompt_is_acknowledged_and_its_job_is_sent_and_noted() {
    let world = World::start().await;
    let body = json!({"prompt": " a fox ", "teacher_id": "t", "question_answers": "[1]"});
    let answer = world.post("/assignments", &body).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let view: Value = answer.json().await.unwrap();
    let id = view["assignment_id"].as_str().unwrap();
    assert_eq!(location, format!("/assignments/{id}"));
    assert_eq!(view["prompt"], "a fox");
    assert_eq!(view["s3_upload_status"], "pending");
    for inside in [
        "claim",
        "wake_at",
        "tag_due",
        "sent_at",
        "erasures",
        "prompt_hash",
        "post_hash",
    ] {
        assert!(view.get(inside).is_none(), "{inside}");
    }
    assert_eq!(world.sent(), 1, "sent before the answer");
    let document = world.until(id, |it| it.sent_at.is_some()).await;
    assert_eq!(document.wake_at, document.give_up_at);
}

#[tokio::test]
async fn without_a_prompt_there_is_no_image_and_no_job() {
    let world = World::start().await;
    for body in [
        json!({"prompt": ""}),
        json!({"prompt": " \n\t"}),
        json!({"question_answers": "[[\"1 + 1?\", 2]]"}),
        json!({"question_answers": ["Why?"], "prompt": null}),
    ] {
        let answer = world.post("/assignments", &body).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        let view: Value = answer.json().await.unwrap();
        assert_eq!(view["s3_upload_status"], "no_image");
    }
    assert_eq!(world.sent(), 0);
}

#[tokio::test]
async fn neither_a_prompt_nor_questions_is_refused() {
    let world = World::start().await;
    for body in [
        json!({}),
        json!({"prompt": null}),
        json!({"teacher_id": "t", "permanent": true}),
        json!({"question_answers": null}),
        json!({"question_answers": []}),
        json!({"question_answers": "[]"}),
        json!({"question_answers": "{}"}),
        json!({"question_answers": "null"}),
    ] {
        let answer = world.post("/assignments", &body).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let problem = problem(answer).await;
        assert_eq!(problem["errors"][0]["field"], "prompt");
    }
    let list: Value = world.get("/assignments").await.json().await.unwrap();
    assert_eq!(list["assignments"], json!([]));
}

#[tokio::test]
async fn questions_are_a_list_or_its_text_and_both_are_the_same_content() {
    let world = World::start().await;
    let questions = json!([{"question": "Which animal is it?", "answer": "a fox"}, ["2 + 2?", 4]]);
    let body = |question_answers: Value| json!({"assignment_id": "one", "prompt": "a fox", "question_answers": question_answers});
    let created = world.post("/assignments", &body(questions.clone())).await;
    assert_eq!(created.status(), StatusCode::ACCEPTED);
    let view: Value = created.json().await.unwrap();
    let text = view["question_answers"].as_str().unwrap().to_owned();
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read, questions);
    for same in [json!(text), json!(questions.to_string()), questions] {
        let again = world.post("/assignments", &body(same)).await;
        assert_eq!(again.status(), StatusCode::ACCEPTED);
    }
    let other = world.post("/assignments", &body(json!([]))).await;
    assert_eq!(other.status(), StatusCode::CONFLICT);
    for bad in [json!(1), json!({"question": "?"}), json!(true), json!("[")] {
        let answer = world.post("/assignments", &body(bad)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let field = &problem(answer).await["errors"][0]["field"];
        assert_eq!(field, "question_answers");
    }
}

#[tokio::test]
async fn sixteen_racing_posts_of_one_id_make_one_job_and_one_charge() {
    let world = World::with(&[("CREATE_LIMIT_PER_MINUTE", "2")]).await;
    let body = json!({"assignment_id": "one", "prompt": "a fox", "question_answers": "{\"a\": 1}"});
    let posts = (0..16).map(|_| world.post("/assignments", &body));
    for answer in futures_util::future::join_all(posts).await {
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let view: Value = answer.json().await.unwrap();
        assert_eq!(view["assignment_id"], "one");
    }
    assert_eq!(world.sent(), 1);
    let same = json!({"assignment_id": "one", "prompt": "a fox ", "question_answers": "{\"a\":1}"});
    let answer = world.post("/assignments", &same).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let other = json!({"assignment_id": "one", "prompt": "a cat"});
    let answer = world.post("/assignments", &other).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert_eq!(problem(answer).await["errors"][0]["field"], "assignment_id");
    // The window may have turned over meanwhile, so two more are let through at least once.
    world.create("another").await;
    assert_eq!(world.sent(), 2);
}

#[tokio::test]
async fn a_deleted_id_is_gone_before_anything_else() {
    let world = World::start().await;
    let body = json!({"assignment_id": "gone", "prompt": "a fox"});
    world.post("/assignments", &body).await;
    let answer = world.delete("/assignments/gone").await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    for body in [
        body,
        json!({"assignment_id": "gone", "prompt": 1, "what": 2}),
    ] {
        let answer = world.post("/assignments", &body).await;
        assert_eq!(answer.status(), StatusCode::GONE);
        problem(answer).await;
    }
}

#[tokio::test]
async fn above_the_limit_a_caller_is_told_when_to_come_back() {
    let world = World::with(&[("CREATE_LIMIT_PER_MINUTE", "3")]).await;
    let mut statuses = Vec::new();
    for n in 0..8 {
        let answer = world
            .post("/assignments", &json!({"prompt": format!("fox {n}")}))
            .await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let seconds = answer.headers()["retry-after"].to_str().unwrap();
            assert!((1..=60).contains(&seconds.parse::<u32>().unwrap()));
            assert!(
                problem(answer).await["detail"]
                    .as_str()
                    .unwrap()
                    .contains('3')
            );
            statuses.push(429);
        } else {
            statuses.push(answer.status().as_u16());
        }
    }
    // Eight posts in at most two windows.
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 2);
}

#[tokio::test]
async fn an_insert_without_an_answer_is_found_by_the_next_post_and_sent_at_once() {
    let world = World::start().await;
    world.store.lose_insert.store(true, Ordering::Relaxed);
    let body = json!({"assignment_id": "one", "prompt": "a fox"});
    let lost = world.post("/assignments", &body).await;
    assert_eq!(lost.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.sent(), 0);
    let a_while_ago = Timestamp::now() - Duration::from_secs(5);
    world.set("one", "created_at", json!(a_while_ago)).await;
    let again = world.post("/assignments", &body).await;
    assert_eq!(again.status(), StatusCode::ACCEPTED);
    assert_eq!(world.sent(), 1);
}

#[tokio::test]
async fn the_same_post_is_known_again_after_a_change() {
    let world = World::start().await;
    let body = json!({"assignment_id": "one", "prompt": "a fox", "question_answers": "{\"a\": 1, \"b\": 2}"});
    assert_eq!(world.post("/assignments", &body).await.status(), 202);
    let kept = world
        .patch("/assignments/one", &json!({"permanent": true}))
        .await;
    assert_eq!(kept.status(), StatusCode::OK);
    world.fail("one").await;
    let retried = world
        .post("/assignments/one/retry", &json!({"prompt": "a cat"}))
        .await;
    assert_eq!(retried.status(), StatusCode::ACCEPTED);
    let again = json!({"question_answers": "{\"b\":2,\"a\":1}", "prompt": "a fox ", "assignment_id": "one"});
    let answer = world.post("/assignments", &again).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let view: Value = answer.json().await.unwrap();
    assert_eq!(
        (&view["prompt"], &view["permanent"]),
        (&json!("a cat"), &json!(true))
    );
    let other = json!({"assignment_id": "one", "prompt": "a cat", "permanent": true});
    let answer = world.post("/assignments", &other).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_store_that_is_away_is_said_so_and_nothing_is_sent() {
    let world = World::start().await;
    world.store.away.store(true, Ordering::Relaxed);
    let answer = world
        .post("/assignments", &json!({"prompt": "a fox"}))
        .await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    problem(answer).await;
    let ready = world.get("/health/ready").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.get("/health/live").await.status(), StatusCode::OK);
    assert_eq!(world.sent(), 0);
    world.store.away.store(false, Ordering::Relaxed);
    assert_eq!(world.get("/health/ready").await.status(), StatusCode::OK);
    world.create("a fox").await;
}

#[tokio::test]
async fn a_queue_that_is_away_is_no_reason_to_refuse() {
    let world = World::with(&[SOON_AGAIN]).await;
    world.fault(Service::Sqs, Kind::Refuse);
    let id = world.create("a fox").await;
    assert!(world.document(&id).await.sent_at.is_none());
    world.cloud.faults().clear();
    world
        .until(&id, |document| document.sent_at.is_some())
        .await;
}
