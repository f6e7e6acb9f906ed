//! Another round, retention, delete.

use atelier_cloud::pictures;
use atelier_domain::assignment::Status;
use atelier_embedded::faults::{Kind, Service};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, problem};

const PICTURE: &[u8] = b"RIFF and so on";

#[tokio::test]
async fn a_failed_one_gets_another_round_with_other_words() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let path = format!("/assignments/{id}/retry");
    let answer = world.call(Method::POST, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    problem(answer).await;
    world.fail(&id).await;
    for bad in [
        json!({"prompt": " "}),
        json!({"promt": "a cat"}),
        json!({"prompt": 1}),
    ] {
        let answer = world.post(&path, &bad).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        problem(answer).await;
    }
    let answer = world.post(&path, &json!({"prompt": " a cat "})).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let view: Value = answer.json().await.unwrap();
    assert_eq!(view["prompt"], "a cat");
    assert_eq!(view["round"], 2);
    assert_eq!(view["s3_upload_status"], "pending");
    assert!(view.get("failure").is_none());
    for no_body in [None, Some(json!(null)), Some(json!({}))] {
        world.fail(&id).await;
        let call = world.call(Method::POST, &path);
        let call = match &no_body {
            Some(body) => call.json(body),
            None => call,
        };
        assert_eq!(call.send().await.unwrap().status(), StatusCode::ACCEPTED);
    }
    assert_eq!(world.sent(), 5);
}

#[tokio::test]
async fn unknown_and_deleted_ones_cannot_be_changed() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.delete(&format!("/assignments/{id}")).await;
    for id in [id.as_str(), "unknown"] {
        let path = format!("/assignments/{id}");
        let patch = world.patch(&path, &json!({"permanent": true})).await;
        assert_eq!(patch.status(), StatusCode::NOT_FOUND);
        let retry = world.post(&format!("{path}/retry"), &json!({})).await;
        assert_eq!(retry.status(), StatusCode::NOT_FOUND);
        assert_eq!(world.get(&path).await.status(), StatusCode::NOT_FOUND);
    }
    let again = world.delete(&format!("/assignments/{id}")).await;
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
    let unknown = world.delete("/assignments/unknown").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn permanent_is_on_the_document_and_the_tag() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    let path = format!("/assignments/{id}");
    let answer = world.patch(&path, &json!({})).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(problem(answer).await["errors"][0]["field"], "permanent");
    let answer = world.patch(&path, &json!({"permanent": true})).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let view: Value = answer.json().await.unwrap();
    assert_eq!(view["permanent"], true);
    let document = world.document(&id).await;
    assert!(!document.tag_due && document.wake_at.is_none());
}

#[tokio::test]
async fn questions_are_replaced_whatever_became_of_the_picture() {
    let world = World::start().await;
    let pending = world.create("a fox").await;
    let failed = world.create("a cat").await;
    world.fail(&failed).await;
    let done = world.create("an owl").await;
    world.succeed(&done, Some(PICTURE)).await;
    for id in [&pending, &failed, &done] {
        let path = format!("/assignments/{id}");
        let list = json!({"question_answers": [{"question": "Who?", "answer": "it"}]});
        let answer = world.patch(&path, &list).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let view: Value = answer.json().await.unwrap();
        let text = r#"[{"question":"Who?","answer":"it"}]"#;
        assert_eq!(view["question_answers"], text);
        let both = json!({"question_answers": "[[\"Why?\", \"so\"]]", "permanent": true});
        let view: Value = world.patch(&path, &both).await.json().await.unwrap();
        assert_eq!(view["question_answers"], "[[\"Why?\", \"so\"]]");
        assert_eq!(view["permanent"], true);
        for bad in [json!("["), json!(7), json!({})] {
            let body = json!({"question_answers": bad, "permanent": false});
            let answer = world.patch(&path, &body).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
            let told = problem(answer).await;
            assert_eq!(told["errors"][0]["field"], "question_answers");
        }
        let kept = world.document(id).await;
        assert!(kept.permanent && kept.question_answers.unwrap().contains("Why?"));
    }
}

#[tokio::test]
async fn a_picture_that_is_lost_can_be_made_again_and_one_that_is_there_cannot() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    let retry = format!("/assignments/{id}/retry");
    let answer = world.call(Method::POST, &retry).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let told = problem(answer).await["detail"].to_string();
    assert!(told.contains("is there"), "{told}");
    let document = world.document(&id).await;
    let pictures = &world.services.pictures;
    pictures.erase((&document).into()).await.unwrap();
    world.fault(Service::S3, Kind::Refuse);
    let answer = world.call(Method::POST, &retry).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.document(&id).await, document);
    world.cloud.faults().clear();
    let answer = world.call(Method::POST, &retry).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let view: Value = answer.json().await.unwrap();
    assert_eq!(view["s3_upload_status"], "pending");
    assert_eq!(view["round"], 2);
    for gone in ["s3_image_key", "cloudfront_url", "image_metadata", "model"] {
        assert!(view.get(gone).is_none(), "{gone}");
    }
    assert_eq!(view["cost_usd"], 0.04, "what the first one cost");
    assert_eq!(world.sent(), 2);
    world.succeed(&id, Some(PICTURE)).await;
    let again = world.document(&id).await;
    assert_eq!(again.s3_upload_status, Status::Success);
    assert_eq!((again.round, again.cost_usd), (2, 0.08));
    let answer = world.call(Method::POST, &retry).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn two_who_ask_for_a_lost_picture_begin_one_round() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.succeed(&id, None).await;
    let retry = format!("/assignments/{id}/retry");
    let ask = || world.call(Method::POST, &retry).send();
    let answers = futures_util::future::join_all((0..8).map(|_| ask())).await;
    let statuses: Vec<_> = answers.into_iter().map(|it| it.unwrap().status()).collect();
    let begun = statuses.iter().filter(|it| **it == StatusCode::ACCEPTED);
    assert_eq!(begun.count(), 1, "{statuses:?}");
    assert_eq!(world.document(&id).await.round, 2);
}

#[tokio::test]
async fn a_tagging_that_failed_is_left_to_the_sweep() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    world.fault(Service::S3, Kind::Refuse);
    let path = format!("/assignments/{id}");
    let answer = world.patch(&path, &json!({"permanent": true})).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let document = world.document(&id).await;
    assert!(document.permanent && document.tag_due && document.wake_at.is_some());
}

#[tokio::test]
async fn a_delete_erases_every_version_and_leaves_a_tombstone() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.succeed(&id, Some(PICTURE)).await;
    let answer = world.delete(&format!("/assignments/{id}")).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let tombstone = world.document(&id).await;
    assert_eq!(tombstone.s3_upload_status, Status::Deleted);
    assert_eq!((tombstone.erasures, tombstone.prompt.as_str()), (1, ""));
    assert!(tombstone.wake_at.is_some(), "it is erased once more");
    let versions = world.services.pictures.versions(&pictures::key(&id)).await;
    assert!(versions.unwrap().is_empty());
}

#[tokio::test]
async fn a_pending_one_can_be_deleted_and_its_job_makes_nothing() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    world.fault(Service::S3, Kind::Refuse);
    let answer = world.delete(&format!("/assignments/{id}")).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let tombstone = world.document(&id).await;
    assert_eq!(tombstone.s3_upload_status, Status::Deleted);
    assert_eq!(tombstone.erasures, 0, "left to the sweep");
    assert!(tombstone.wake_at.is_some());
}
