//! The guardrail sees every prompt before a model does, and no model is called without its word.

mod support;

use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::failure::Failure;
use atelier_embedded::faults::{Answer, Kind, Order, Service};
use support::Bench;

const GUARDED: [(&str, &str); 2] = [("GUARDRAIL_ID", "atelier"), ("GUARDRAIL_VERSION", "1")];

async fn guarded() -> Bench {
    Bench::with(&GUARDED).await
}

fn assert_failed(assignment: &Assignment, failure: Failure) {
    assert_eq!(
        assignment.s3_upload_status,
        Status::Failed,
        "{assignment:#?}"
    );
    let expected = failure.note(&assignment.correlation_id);
    assert_eq!(assignment.failure.as_ref(), Some(&expected));
    assert_eq!(assignment.claim, None);
}

/// A fault of ApplyGuardrail that strikes `count` times.
fn strikes(kind: Kind, count: u64) -> Order {
    Order {
        operation: Some("ApplyGuardrail".to_owned()),
        count: Some(count),
        ..Order::new(Service::Bedrock, kind)
    }
}

#[tokio::test]
async fn what_the_guardrail_blocks_or_masks_fails_at_once_and_costs_no_picture() {
    let bench = guarded().await;
    bench.behavior.guard(["Dragon".to_owned()]);
    let worker = bench.work();
    for (id, prompt) in [
        ("blocked", "a dragon over the school"),
        ("masked", "a letter to ann@example.org"),
    ] {
        bench.post(id, prompt).await;
        let failed = bench.finished(id).await;
        assert_failed(&failed, Failure::Declined);
        assert_eq!((failed.attempts, failed.model_calls), (1, 0), "{id}");
        assert_eq!(failed.cost_usd, 0.0, "{id}");
    }
    assert_eq!(bench.count(Service::Bedrock, "calls"), 0);
    assert_eq!(bench.count(Service::Bedrock, "guardrail_interventions"), 2);
    bench.queue_is_empty().await;
    worker.stop().await;
}

#[tokio::test]
async fn what_it_lets_pass_is_painted() {
    let bench = guarded().await;
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    assert_eq!(bench.count(Service::Bedrock, "guardrail_calls"), 1);
    worker.stop().await;
}

#[tokio::test]
async fn the_prompt_is_assessed_once_an_attempt_however_often_models_throttle() {
    let bench = guarded().await;
    bench.order(Order {
        operation: Some("InvokeModel".to_owned()),
        // Each of the three models once, and the first again.
        count: Some(4),
        ..Order::new(Service::Bedrock, Kind::Throttle)
    });
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    let done = bench.finished("a-1").await;
    assert_eq!((done.s3_upload_status, done.attempts), (Status::Success, 1));
    assert_eq!(bench.count(Service::Bedrock, "guardrail_calls"), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_throttled_guardrail_burns_no_attempt() {
    let bench = guarded().await;
    bench.order(strikes(Kind::Throttle, 1));
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    assert_eq!((done.attempts, done.model_calls), (1, 1));
    assert_eq!(bench.count(Service::Bedrock, "guardrail_calls"), 2);
    worker.stop().await;
}

#[tokio::test]
async fn without_an_answer_of_the_guardrail_no_model_is_called() {
    let bench = guarded().await;
    for kind in [Kind::Refuse, Kind::Error, Kind::Garbage] {
        bench.order(strikes(kind, 1));
    }
    let worker = bench.work();
    bench.post("a-1", "a comet").await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success, "{done:#?}");
    assert_eq!((done.attempts, done.model_calls), (4, 1));
    assert_eq!(bench.count(Service::Bedrock, "calls"), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_guardrail_that_cannot_be_applied_pauses_the_worker_and_calls_no_model() {
    let invalid = Answer {
        status: 400,
        code: "ValidationException".to_owned(),
        message: "The guardrail is not valid.".to_owned(),
        ..Answer::default()
    };
    for (kind, answer) in [
        (Kind::Denied, None),
        (Kind::Missing, None),
        (Kind::Answer, Some(invalid)),
    ] {
        let bench = guarded().await;
        bench.order(Order {
            operation: Some("ApplyGuardrail".to_owned()),
            answer,
            ..Order::new(Service::Bedrock, kind)
        });
        let worker = bench.work();
        bench.post("a-0", "a comet").await;
        assert_failed(&bench.finished("a-0").await, Failure::Configuration);
        bench.post("a-1", "a comet").await;
        bench
            .eventually("the worker pauses", async || worker.worker.is_paused())
            .await;
        assert_eq!(bench.count(Service::Bedrock, "calls"), 0, "{kind:?}");
        bench.repair();
        let done = bench.finished("a-1").await;
        assert_eq!(
            done.s3_upload_status,
            Status::Success,
            "{kind:?}: {done:#?}"
        );
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_picture_that_no_guardrail_has_seen_the_prompt_of_is_not_reused() {
    let mut bench = Bench::with(&[("REUSE", "teacher")]).await;
    let before = bench.work();
    bench.post("before", "a dragon").await;
    let made = bench.finished("before").await;
    assert_eq!(made.s3_upload_status, Status::Success);
    before.stop().await;

    bench.behavior.guard(["dragon".to_owned()]);
    bench.config.worker.guardrail = Some(atelier_worker::generate::GuardrailConfig {
        id: GUARDED[0].1.to_owned(),
        version: GUARDED[1].1.to_owned(),
    });
    let after = bench.work();
    bench.post("after", "a dragon").await;
    assert_failed(&bench.finished("after").await, Failure::Declined);
    after.stop().await;
}
