//! The keeper repairs what got lost.

use std::time::Duration;

use atelier_domain::assignment::Status;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use atelier_embedded::faults::{Kind, Service};
use serde_json::Value;

use crate::world::{SOON_AGAIN, World};

#[tokio::test]
async fn a_send_that_failed_is_made_again() {
    let world = World::with(&[SOON_AGAIN]).await;
    world.fault(Service::Sqs, Kind::Error);
    let id = world.create("a fox").await;
    assert_eq!(world.sent(), 0);
    world.cloud.faults().clear();
    world.until(&id, |it| it.sent_at.is_some()).await;
    assert_eq!(world.sent(), 1);
}

#[tokio::test]
async fn an_assignment_whose_time_is_over_is_given_up() {
    let world = World::with(&[("GIVE_UP_SECONDS", "1")]).await;
    let id = world.create("a fox").await;
    let failed = world
        .until(&id, |it| it.s3_upload_status != Status::Pending)
        .await;
    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, "too_busy");
    assert!(failure.message.ends_with(&failed.correlation_id));
    assert!(failed.wake_at.is_none());
}

#[tokio::test]
async fn a_live_claim_is_never_given_up_nor_sent_again() {
    let world = World::with(&[("GIVE_UP_SECONDS", "1")]).await;
    let id = world.create("a fox").await;
    let token = world.claim(&id, 60).await;
    let due = Timestamp::now();
    let back = transition::renew(&world.document(&id).await.claim.unwrap(), due);
    world.services.store.apply(&id, &back).await.unwrap();
    world.until(&id, |it| it.wake_at > Some(due)).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let document = world.document(&id).await;
    assert_eq!(document.s3_upload_status, Status::Pending);
    assert!(document.is_held_by(&token));
    assert_eq!(world.sent(), 1);
}

#[tokio::test]
async fn what_the_queue_forgot_is_sent_again() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let noted = world.until(&id, |it| it.sent_at.is_some()).await;
    let sent = noted.sent_at;
    let queue = &world.services.queues.jobs;
    let second = Duration::from_secs(1);
    for message in queue.receive(10, second, second).await.unwrap() {
        queue.delete(&message.receipt).await.unwrap();
    }
    world.until(&id, |it| it.sent_at > sent).await;
    assert!(world.sent() >= 2);
}

#[tokio::test]
async fn a_dead_letter_fails_its_assignment() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let queue = &world.services.queues.jobs;
    let second = Duration::from_secs(1);
    let message = queue.receive(1, second, second).await.unwrap().remove(0);
    world.services.queues.dead_letter(&message).await.unwrap();
    let failed = world
        .until(&id, |it| it.s3_upload_status == Status::Failed)
        .await;
    assert_eq!(failed.failure.unwrap().code, "dead_letter");
    let letters = &world.services.queues.dead_letters;
    let gone = async {
        while letters.depth().await.unwrap().total() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_shown_so_and_holds_up_nothing() {
    let world = World::start().await;
    let spoilt = world.create("a fox").await;
    let id = world.create("a cat").await;
    world.spoil(&spoilt).await;
    let listed: Value = world.get("/assignments").await.json().await.unwrap();
    let listed = listed["assignments"].as_array().unwrap();
    let shown = |id: &str| listed.iter().find(|it| it["assignment_id"] == id).unwrap();
    assert_eq!(shown(&spoilt)["failure"]["code"], "unreadable");
    assert_eq!(shown(&id)["s3_upload_status"], "pending");
    // The dead letters of both are met in one round.
    let queues = &world.services.queues;
    let second = Duration::from_secs(1);
    let mut jobs = Vec::new();
    while jobs.len() < 2 {
        jobs.extend(queues.jobs.receive(10, second, second * 20).await.unwrap());
    }
    jobs.sort_by_key(|job| !job.body.contains(&spoilt));
    for job in &jobs {
        queues.dead_letter(job).await.unwrap();
    }
    let failed = world
        .until(&id, |it| it.s3_upload_status == Status::Failed)
        .await;
    assert_eq!(failed.failure.unwrap().code, "dead_letter");
}

#[tokio::test]
async fn a_dead_letter_of_an_older_round_changes_nothing() {
    let world = World::start().await;
    let id = world.create("a fox").await;
    let queue = &world.services.queues.jobs;
    let second = Duration::from_secs(1);
    let message = queue.receive(1, second, second).await.unwrap().remove(0);
    world.fail(&id).await;
    let retried = world
        .post(&format!("/assignments/{id}/retry"), &serde_json::json!({}))
        .await;
    assert!(retried.status().is_success());
    world.services.queues.dead_letter(&message).await.unwrap();
    let letters = &world.services.queues.dead_letters;
    let gone = async {
        while letters.depth().await.unwrap().total() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
    let document = world.document(&id).await;
    assert_eq!(
        (document.s3_upload_status, document.round),
        (Status::Pending, 2)
    );
}
