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
