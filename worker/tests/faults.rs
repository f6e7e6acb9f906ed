//! What becomes of jobs when the services around them fail.

mod support;

use std::cell::Cell;
use std::time::Duration;

use atelier_cloud::pictures::key;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::failure::Failure;
use atelier_embedded::faults::{Kind, Service};
use atelier_embedded::model::Settings;
use support::Bench;

fn assert_failed(assignment: &Assignment, failure: Failure) {
    assert_eq!(
        assignment.s3_upload_status,
        Status::Failed,
        "{assignment:#?}"
    );
    let expected = failure.note(&assignment.correlation_id);
    assert_eq!(assignment.failure.as_ref(), Some(&expected));
    assert!(expected.message.ends_with(&assignment.correlation_id));
    assert_eq!(assignment.claim, None);
}

#[tokio::test]
async fn a_prompt_that_the_filter_declines_fails_at_once_with_words_for_the_teacher() {
    let bench = Bench::start().await;
    let worker = bench.work();
    bench.post("a-1", "scenes of violence").await;
    let failed = bench.finished("a-1").await;
    assert_failed(&failed, Failure::Declined);
    assert_eq!((failed.attempts, failed.model_calls), (1, 1));
    bench.queue_is_empty().await;
    worker.stop().await;
}

#[tokio::test]
async fn throttling_burns_no_attempt() {
    let bench = Bench::start().await;
    bench.fault(Service::Bedrock, Kind::Throttle, 0.5);
    let worker = bench.work();
    for n in 0..6 {
        bench.post(&format!("a-{n}"), "a comet").await;
    }
    for n in 0..6 {
        let done = bench.finished(&format!("a-{n}")).await;
        assert_eq!(
            (done.s3_upload_status, done.attempts),
            (Status::Success, 1),
            "{done:#?}"
        );
    }
    worker.stop().await;
}

#[tokio::test]
async fn throttling_slows_a_worker_down() {
    let bench = Bench::with(&[("WORKER_SLOTS", "8"), ("MODEL_SPILL", "off")]).await;
    for n in 0..40 {
        bench.post(&format!("a-{n}"), "a comet").await;
    }
    bench.fault(Service::Bedrock, Kind::Throttle, 1.0);
    let worker = bench.work();
    bench
        .eventually("all slots are throttled", async || {
            bench.count(Service::Bedrock, "calls") >= 8
        })
        .await;
    bench.behavior.set(Settings {
        latency: Duration::from_millis(500),
        throttle: 0.0,
        failure: 0.0,
    });
    bench.repair();
    // The limit was halved and rises again with each picture. Seen twenty times in a row, so that it
    // is no moment between two jobs.
    let seen = Cell::new(0);
    bench
        .eventually("fewer jobs in flight", async || {
            let slow = worker.worker.slots_in_use() < 7;
            seen.set(if slow { seen.get() + 1 } else { 0 });
            seen.get() >= 20
        })
        .await;
    let waiting = bench.queues.jobs.depth().await.unwrap().visible;
    assert!(waiting > 0, "it is slower, though jobs wait");
    worker.stop().await;
}

#[tokio::test]
async fn a_retired_model_makes_way_for_the_next_of_the_list() {
    let models = "stability.gone-forever-v1:0,stability.sd3-5-large-v1:0";
    let prices = ("BEDROCK_PRICES", "stability.gone-forever-v1:0=0.04");
    let bench = Bench::with(&[("BEDROCK_MODELS", models), prices]).await;
    let worker = bench.work();
    bench.post("a-1", "a train").await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    assert_eq!(done.model.as_deref(), Some("stability.sd3-5-large-v1:0"));
    assert_eq!(done.model_calls, 2, "every call is counted");
    worker.stop().await;
}

/// Posts 20 jobs under a fault that would fail every one of them, and mends it.
async fn burns_only_the_few_that_met_it(service: Service, kind: Kind, failure: Failure) {
    let bench = Bench::with(&[("WORKER_SLOTS", "4")]).await;
    bench.fault(service, kind, 1.0);
    let ids: Vec<_> = (0..20).map(|n| format!("a-{n}")).collect();
    for id in &ids {
        bench.post(id, "a castle").await;
    }
    let worker = bench.work();
    bench
        .eventually("the worker is paused", async || worker.worker.is_paused())
        .await;
    bench
        .eventually("its jobs are given back", async || {
            worker.worker.slots_in_use() == 0
        })
        .await;
    bench.repair();
    let mut failed = 0;
    for id in &ids {
        let done = bench.finished(id).await;
        if done.s3_upload_status == Status::Failed {
            assert_failed(&done, failure);
            failed += 1;
        }
    }
    assert!((1..=5).contains(&failed), "{failed} failed, of 4 slots");
    assert!(worker.worker.is_ready(), "it goes on by itself");
    worker.stop().await;
}

#[tokio::test]
async fn a_lacking_permission_does_not_burn_down_the_queue() {
    burns_only_the_few_that_met_it(Service::S3, Kind::Denied, Failure::UploadFailed).await;
}

#[tokio::test]
async fn retired_models_do_not_burn_down_the_queue() {
    burns_only_the_few_that_met_it(Service::Bedrock, Kind::Retired, Failure::Configuration).await;
}

#[tokio::test]
async fn a_bucket_that_never_answers_fails_the_job_after_its_attempts() {
    let bench = Bench::with(&[("MAX_ATTEMPTS", "2")]).await;
    bench.fault(Service::S3, Kind::Error, 1.0);
    let worker = bench.work();
    bench.post("a-1", "a pier").await;
    let failed = bench.finished("a-1").await;
    assert_failed(&failed, Failure::StorageUnavailable);
    assert_eq!(failed.attempts, 2);
    worker.stop().await;
}

#[tokio::test]
async fn an_upload_is_retried_and_makes_one_object() {
    // Of four puts in a row, 13% fail all: with three attempts, one of the jobs fails now and then.
    let bench = Bench::with(&[("MAX_ATTEMPTS", "10")]).await;
    bench.fault(Service::S3, Kind::LostReply, 0.4);
    bench.fault(Service::S3, Kind::Refuse, 0.2);
    let worker = bench.work();
    for n in 0..8 {
        bench.post(&format!("a-{n}"), "a meadow").await;
    }
    for n in 0..8 {
        let id = format!("a-{n}");
        let done = bench.finished(&id).await;
        assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    }
    bench.repair();
    for n in 0..8 {
        assert_eq!(
            bench
                .pictures
                .versions(&key(&format!("a-{n}")))
                .await
                .unwrap()
                .len(),
            1
        );
    }
    worker.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_no_picture_is_asked_for_again() {
    let bench = Bench::start().await;
    bench.fault(Service::Bedrock, Kind::Garbage, 1.0);
    let worker = bench.work();
    bench.post("a-1", "a glacier").await;
    bench.until("a-1", |it| it.model_calls >= 2).await;
    bench.repair();
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    assert!(
        done.attempts >= 2,
        "such a try counts: the prompt may be the cause"
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_decompression_bomb_is_stored_as_it_came_and_kills_nobody() {
    let bench = Bench::start().await;
    let worker = bench.work();
    bench.post("bomb", "[bomb]").await;
    bench.post("neighbor", "a pond").await;
    let done = bench.finished("bomb").await;
    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    let metadata = done.image_metadata.clone().unwrap();
    assert_eq!(
        (metadata.format.as_str(), metadata.compression_ratio),
        ("png", 0.0)
    );
    let found = bench
        .pictures
        .find(&key("bomb"), (&done).into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.content_type, "image/png");
    assert!(!found.label.unwrap().optimized);
    assert_eq!(
        bench.finished("neighbor").await.s3_upload_status,
        Status::Success
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_queue_that_is_away_for_a_while_loses_nothing() {
    let bench = Bench::start().await;
    let worker = bench.work();
    bench.post("a-1", "an orchard").await;
    bench.fault(Service::Sqs, Kind::Refuse, 1.0);
    bench
        .eventually("the worker is not ready", async || {
            !worker.worker.is_ready()
        })
        .await;
    bench.repair();
    assert_eq!(
        bench.finished("a-1").await.s3_upload_status,
        Status::Success
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_picture_is_tagged_again_if_permanent_changed_meanwhile() {
    let bench = Bench::start().await;
    bench.behavior.set(Settings {
        latency: Duration::from_millis(300),
        throttle: 0.0,
        failure: 0.0,
    });
    let worker = bench.work();
    bench.post("a-1", "a lantern").await;
    let pending = bench.until("a-1", |it| it.model_calls == 1).await;
    let now = atelier_domain::timestamp::Timestamp::now();
    let keep = atelier_domain::transition::set_permanent(&pending, true, now, now);
    bench.store.apply("a-1", &keep).await.unwrap().unwrap();
    bench.finished("a-1").await;
    bench
        .eventually("the tag says permanent", async || {
            bench.count(Service::S3, "put_object_tagging") >= 1
        })
        .await;
    worker.stop().await;
}
