//! What becomes of jobs on a good day, and of those that come twice, late or for nothing.

mod support;

use std::time::Duration;

use atelier_cloud::pictures::key;
use atelier_domain::assignment::{Claim, Status, Token};
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Edit};
use atelier_embedded::faults::{Kind, Service};
use atelier_store::StoreError;
use support::Bench;

#[tokio::test]
async fn a_job_becomes_a_picture() {
    let bench = Bench::start().await;
    let worker = bench.work();
    bench
        .post("a-1", "A serene mountain landscape at sunset")
        .await;
    let done = bench.finished("a-1").await;

    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    assert_eq!(
        done.s3_image_key.as_deref(),
        Some("generated_images/a-1.webp")
    );
    let url = done.cloudfront_url.clone().unwrap();
    assert!(url.ends_with("/generated_images/a-1.webp"), "{url}");
    let metadata = done.image_metadata.clone().unwrap();
    assert_eq!(
        (metadata.format.as_str(), metadata.dimensions.as_str()),
        ("webp", "1024x1024")
    );
    assert!(metadata.compression_ratio >= 0.30, "{metadata:?}");
    assert_eq!(
        (done.attempts, done.model_calls, done.s3_upload_attempts),
        (1, 1, 1)
    );
    assert_eq!(
        (done.claim.clone(), done.wake_at, done.failure.clone()),
        (None, None, None)
    );
    assert_eq!(
        done.model.as_deref(),
        Some("stability.stable-image-core-v1:1")
    );
    assert!((done.cost_usd - 0.04).abs() < 1e-9);
    let stages = done.stage_seconds;
    assert!(stages.queue_wait.is_some() && stages.generate.is_some());
    assert!(stages.optimize.is_some() && stages.upload.is_some());

    let (bytes, found) = bench
        .pictures
        .read(&key("a-1"), (&done).into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bytes.len() as u64, metadata.optimized_size_bytes);
    assert_eq!((&bytes[..4], &bytes[8..12]), (&b"RIFF"[..], &b"WEBP"[..]));
    let xmp = b"trainedAlgorithmicMedia";
    assert!(
        bytes.windows(xmp.len()).any(|part| part == xmp),
        "it says that a machine made it"
    );
    assert_eq!(found.content_type, "image/webp");
    let label = found.label.unwrap();
    assert!(label.is_of(&done) && label.optimized);
    assert_eq!(label.original_format, "png");
    assert_eq!(label.teacher_id.as_deref(), Some("Ms. Frizzle"));
    bench.queue_is_empty().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_picture_that_is_stored_already_is_adopted_without_asking_the_model() {
    let mut bench = Bench::start().await;
    let worker = bench.work();
    bench.post("a-1", "a red fox").await;
    let first = bench.finished("a-1").await;
    worker.stop().await;
    // As after a crash between the put and the finish: the bucket has it, the store does not know.
    bench.with_another_store();
    let mut lost = bench.assignment("a-1", "a red fox");
    // Adopting is all that is allowed after the last attempt.
    lost.attempts = 5;
    bench.post_as(&lost).await;
    let worker = bench.work();
    let adopted = bench.finished("a-1").await;
    assert_eq!(adopted.s3_upload_status, Status::Success);
    assert_eq!(adopted.image_metadata, first.image_metadata);
    assert_eq!((adopted.model, adopted.model_calls), (first.model, 0));
    assert_eq!(bench.count(Service::Bedrock, "calls"), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_message_that_is_delivered_many_times_makes_one_picture() {
    // Deliveries that find it claimed are hidden until that claim ends.
    let bench = Bench::with(&[("CLAIM_SECONDS", "2")]).await;
    bench.fault(Service::Sqs, Kind::Duplicate, 0.5);
    let workers = [bench.work(), bench.work(), bench.work()];
    let assignment = bench.assignment("a-1", "a lighthouse");
    bench.store.insert(&assignment).await.unwrap();
    for _ in 0..8 {
        bench.send(&assignment).await;
    }
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    bench.repair();
    bench.queue_is_empty().await;
    assert_eq!(bench.count(Service::Bedrock, "calls"), 1);
    assert_eq!(bench.pictures.versions(&key("a-1")).await.unwrap().len(), 1);
    assert_eq!(
        bench.get("a-1").await,
        done,
        "late deliveries change nothing"
    );
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn the_same_prompt_of_the_same_teacher_is_made_once() {
    let bench = Bench::with(&[("REUSE", "teacher")]).await;
    let worker = bench.work();
    bench.post("first", "a volcano").await;
    let first = bench.finished("first").await;

    bench.post("same", "a volcano").await;
    let same = bench.finished("same").await;
    assert_eq!(same.s3_upload_status, Status::Success);
    assert_eq!((same.model_calls, same.cost_usd), (0, 0.0));
    assert_eq!(same.image_metadata, first.image_metadata);

    let mut other = bench.assignment("other-teacher", "a volcano");
    other.teacher_id = Some("Mr. Keating".to_owned());
    bench.post_as(&other).await;
    assert_eq!(bench.finished("other-teacher").await.model_calls, 1);

    let mut fresh = bench.assignment("fresh", "a volcano");
    fresh.fresh = true;
    bench.post_as(&fresh).await;
    assert_eq!(bench.finished("fresh").await.model_calls, 1);

    bench.post("other-prompt", "a volcano at night").await;
    assert_eq!(bench.finished("other-prompt").await.model_calls, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_of_an_older_round_is_deleted() {
    let bench = Bench::start().await;
    let worker = bench.work();
    let mut assignment = bench.assignment("a-1", "a harbor");
    bench.send(&assignment).await;
    assignment.round = 2;
    bench.store.insert(&assignment).await.unwrap();
    bench.queue_is_empty().await;
    assert_eq!(bench.get("a-1").await.s3_upload_status, Status::Pending);
    assert_eq!(bench.count(Service::Bedrock, "calls"), 0);
    worker.stop().await;
}

#[tokio::test]
async fn what_no_worker_can_do_anything_with_goes_to_the_dead_letters() {
    let bench = Bench::start().await;
    let worker = bench.work();
    bench
        .send(&bench.assignment("nobody", "never stored"))
        .await;
    bench
        .eventually("a dead letter", async || {
            bench.queues.dead_letters.depth().await.unwrap().visible == 1
        })
        .await;
    bench.queue_is_empty().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_document_that_cannot_be_read_makes_its_job_a_dead_letter_and_pauses_nobody() {
    let bench = Bench::start().await;
    bench.post("a-1", "a fox").await;
    let mut spoil = transition::delete(Timestamp::now(), Timestamp::now());
    spoil.edits = vec![Edit::Set("prompt", serde_json::json!(7))];
    let spoilt = bench.store.apply("a-1", &spoil).await;
    assert!(matches!(spoilt, Err(StoreError::Unreadable { .. })));
    let worker = bench.work();
    bench
        .eventually("a dead letter", async || {
            bench.queues.dead_letters.depth().await.unwrap().visible == 1
        })
        .await;
    assert!(!worker.worker.is_paused());
    bench.post("a-2", "a cat").await;
    let done = bench.finished("a-2").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    bench.queue_is_empty().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_claim_that_ran_out_is_taken_over_and_counted() {
    let bench = Bench::start().await;
    let mut assignment = bench.assignment("a-1", "a windmill");
    assignment.attempts = 1;
    assignment.claim = Some(Claim {
        token: Token::random(),
        worker: "dead".to_owned(),
        until: Timestamp::now() - Duration::from_secs(1),
    });
    bench.post_as(&assignment).await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    assert_eq!((done.attempts, done.takeovers), (2, 1));
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_somebody_else_holds_is_left_alone_until_that_claim_ends() {
    let bench = Bench::start().await;
    let mut assignment = bench.assignment("a-1", "a canyon");
    let until = Timestamp::now() + Duration::from_secs(2);
    let token = Token::random();
    assignment.claim = Some(Claim {
        token: token.clone(),
        worker: "other".to_owned(),
        until,
    });
    bench.post_as(&assignment).await;
    let worker = bench.work();
    bench
        .eventually("the message is hidden", async || {
            bench.queues.jobs.depth().await.unwrap().in_flight == 1
        })
        .await;
    assert!(bench.get("a-1").await.is_held_by(&token));
    let done = bench.finished("a-1").await;
    assert_eq!(
        (done.s3_upload_status, done.takeovers),
        (Status::Success, 1)
    );
    assert!(done.finished_at.unwrap() >= until);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_whose_claim_was_taken_over_changes_nothing() {
    let bench = Bench::with(&[("CLAIM_SECONDS", "1")]).await;
    bench.behavior.set(atelier_embedded::model::Settings {
        latency: Duration::from_secs(600),
        throttle: 0.0,
        failure: 0.0,
    });
    let worker = bench.work();
    bench.post("a-1", "an island").await;
    let claimed = bench.until("a-1", |it| it.model_calls == 1).await;
    let now = Timestamp::now() + Duration::from_secs(60);
    let theirs = Claim {
        token: Token::random(),
        worker: "other".to_owned(),
        until: now + Duration::from_secs(60),
    };
    let ours = claimed.claim.clone().unwrap().token;
    let taken = transition::take_over(&claimed, &ours, &theirs, now, theirs.until);
    assert!(bench.store.apply("a-1", &taken).await.unwrap().is_some());
    // Its next renewal is refused, and it ends its work.
    bench
        .eventually("the late worker ends its work", async || {
            worker.worker.slots_in_use() == 0
        })
        .await;
    let now = bench.get("a-1").await;
    assert_eq!(now.claim, Some(theirs));
    assert_eq!((now.s3_upload_status, now.attempts), (Status::Pending, 2));
    worker.kill();
}

#[tokio::test]
async fn an_assignment_that_is_deleted_while_its_picture_is_made_leaves_nothing() {
    let bench = Bench::start().await;
    bench.fault(Service::S3, Kind::Slow, 1.0);
    bench.behavior.set(atelier_embedded::model::Settings {
        latency: Duration::from_millis(300),
        throttle: 0.0,
        failure: 0.0,
    });
    let worker = bench.work();
    bench.post("a-1", "a waterfall").await;
    bench.until("a-1", |it| it.model_calls == 1).await;
    let now = Timestamp::now();
    assert!(
        bench
            .store
            .apply("a-1", &transition::delete(now, now))
            .await
            .unwrap()
            .is_some()
    );
    bench.queue_is_empty().await;
    assert!(
        bench
            .pictures
            .versions(&key("a-1"))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(bench.get("a-1").await.s3_upload_status, Status::Deleted);
    worker.stop().await;
}

#[tokio::test]
async fn after_the_last_attempt_a_stored_picture_is_adopted_and_else_the_job_fails() {
    let bench = Bench::start().await;
    let mut assignment = bench.assignment("a-1", "a bridge");
    assignment.attempts = 5;
    bench.post_as(&assignment).await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Failed);
    assert_eq!(done.failure.unwrap().code, "unforeseen");
    assert_eq!(bench.count(Service::Bedrock, "calls"), 0);
    worker.stop().await;
}

#[tokio::test]
async fn an_assignment_past_its_time_fails_as_too_busy() {
    let bench = Bench::start().await;
    let mut assignment = bench.assignment("a-1", "a bridge");
    assignment.give_up_at = Some(Timestamp::now() - Duration::from_secs(1));
    bench.post_as(&assignment).await;
    let worker = bench.work();
    let failure = bench.finished("a-1").await.failure.unwrap();
    assert_eq!(failure.code, "too_busy");
    worker.stop().await;
}
