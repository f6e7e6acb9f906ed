//! Answers that no table foresees, ordered at the wire: what they may cost in jobs, model calls and
//! requests.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::failure::Failure;
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::faults::{Answer, Kind, Order, Service};
use support::{Bench, Running};
use tokio::time::sleep;

const SLOTS: usize = 4;

async fn bench() -> Bench {
    Bench::with(&[("WORKER_SLOTS", "4")]).await
}

async fn post_twenty(bench: &Bench) -> Vec<String> {
    let ids: Vec<_> = (0..20).map(|n| format!("a-{n}")).collect();
    for id in &ids {
        bench.post(id, "a castle").await;
    }
    ids
}

/// Waits until all are final. Returns those that failed.
async fn failed(bench: &Bench, ids: &[String]) -> Vec<Assignment> {
    let mut failed = Vec::new();
    for id in ids {
        let done = bench.finished(id).await;
        if done.s3_upload_status == Status::Failed {
            failed.push(done);
        }
    }
    failed
}

/// Waits until all are final. Returns those that failed: slots + 1 at most.
async fn few_failed(bench: &Bench, ids: &[String]) -> Vec<Assignment> {
    let failed = failed(bench, ids).await;
    assert!(failed.len() <= SLOTS + 1, "{} failed", failed.len());
    failed
}

async fn pauses(bench: &Bench, worker: &Running) {
    bench
        .eventually("the worker is paused", async || worker.worker.is_paused())
        .await;
}

async fn gives_back(bench: &Bench, worker: &Running) {
    bench
        .eventually("its jobs are given back", async || {
            worker.worker.slots_in_use() == 0
        })
        .await;
}

fn code(assignment: &Assignment) -> &str {
    &assignment.failure.as_ref().unwrap().code
}

/// A fault that is met before a model is called: at most slots + 1 jobs fail, the worker pauses,
/// finds the repair by itself, and no model is called meanwhile.
async fn a_refused_look_up_pauses(answer: Answer, failure: Failure) {
    let bench = bench().await;
    let ids = post_twenty(&bench).await;
    for operation in ["HeadObject", "GetObject"] {
        bench.order(Order {
            operation: Some(operation.to_owned()),
            answer: Some(answer.clone()),
            ..Order::new(Service::S3, Kind::Answer)
        });
    }
    let worker = bench.work();
    pauses(&bench, &worker).await;
    gives_back(&bench, &worker).await;
    assert_eq!(bench.count(Service::Bedrock, "calls"), 0);
    bench.repair();
    for assignment in few_failed(&bench, &ids).await {
        assert_eq!(code(&assignment), failure.code());
    }
    assert!(!worker.worker.is_paused());
    worker.stop().await;
}

#[tokio::test]
async fn a_bucket_in_another_region_pauses_the_worker() {
    let region = ("x-amz-bucket-region".to_owned(), "eu-west-3".to_owned());
    let moved = Answer {
        status: 301,
        headers: BTreeMap::from([region]),
        ..Answer::default()
    };
    a_refused_look_up_pauses(moved, Failure::UploadFailed).await;
}

#[tokio::test]
async fn an_expired_token_pauses_the_worker_though_head_answers_a_bare_400() {
    let expired = Answer {
        status: 400,
        code: "ExpiredToken".to_owned(),
        ..Answer::default()
    };
    a_refused_look_up_pauses(expired, Failure::Configuration).await;
}

#[tokio::test]
async fn a_refusal_that_nobody_foresaw_pauses_the_worker() {
    let odd = Answer {
        status: 418,
        code: "IAmATeapot".to_owned(),
        ..Answer::default()
    };
    a_refused_look_up_pauses(odd, Failure::UploadFailed).await;
}

/// A fault that is met by uploads alone: the pictures are kept, and none is bought again.
async fn a_refused_upload_loses_no_picture(status: u16, code: &str) {
    let bench = bench().await;
    let ids = post_twenty(&bench).await;
    bench.refuse(Service::S3, "PutObject", status, code);
    let worker = bench.work();
    pauses(&bench, &worker).await;
    // Longer than the first probes wait.
    sleep(Duration::from_secs(3)).await;
    assert!(worker.worker.is_paused() && worker.worker.is_alive());
    assert!(bench.count(Service::Bedrock, "calls") <= SLOTS as u64);
    bench.repair();
    let failed = failed(&bench, &ids).await;
    assert!(failed.is_empty(), "{failed:#?}");
    for id in &ids {
        assert_eq!(bench.get(id).await.model_calls, 1, "{id}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_key_that_is_disabled_loses_no_picture() {
    a_refused_upload_loses_no_picture(400, "KMS.DisabledException").await;
}

#[tokio::test]
async fn a_lacking_permission_to_put_loses_no_picture() {
    a_refused_upload_loses_no_picture(403, "AccessDenied").await;
}

#[tokio::test]
async fn a_missing_bucket_loses_no_picture() {
    a_refused_upload_loses_no_picture(404, "NoSuchBucket").await;
}

#[tokio::test]
async fn an_upload_refused_for_an_unknown_reason_loses_no_picture() {
    a_refused_upload_loses_no_picture(400, "SomethingNew").await;
}

#[tokio::test]
async fn a_paused_worker_without_a_picture_probes_the_bucket_without_buying_one() {
    let bench = bench().await;
    bench.refuse(Service::S3, "HeadObject", 403, "AccessDenied");
    bench.post("first", "a kite").await;
    let worker = bench.work();
    let first = bench.finished("first").await;
    assert_eq!(code(&first), Failure::UploadFailed.code());
    sleep(Duration::from_secs(3)).await;
    assert!(worker.worker.is_paused());
    bench.repair();
    bench
        .eventually("the outage is over", async || !worker.worker.is_paused())
        .await;
    assert_eq!(bench.count(Service::S3, "put_object"), 1, "the probe's");
    assert_eq!(bench.count(Service::S3, "delete_object"), 1, "the probe's");
    assert_eq!(bench.count(Service::Bedrock, "calls"), 0);
    worker.stop().await;
}

/// With an end after `seconds`.
async fn post_with_end(bench: &Bench, id: &str, seconds: f64) {
    let mut assignment = bench.assignment(id, "a harbor");
    assignment.give_up_at = Some(Timestamp::from_seconds(
        Timestamp::now().seconds() + seconds,
    ));
    bench.post_as(&assignment).await;
}

/// Conflicts are backed off, bounded by the job's own end, and buy no second picture.
async fn a_conflict_is_bounded(status: u16, code: &str) {
    let bench = Bench::with(&[("RETRY_SECONDS", "1")]).await;
    bench.refuse(Service::S3, "PutObject", status, code);
    post_with_end(&bench, "a-1", 4.0).await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Failed);
    assert_eq!(self::code(&done), Failure::StorageUnavailable.code());
    assert_eq!(done.model_calls, 1);
    // The waits of this bench's uploads are milliseconds; four puts a try.
    assert!(done.s3_upload_attempts <= 40, "{}", done.s3_upload_attempts);
    worker.stop().await;
}

#[tokio::test]
async fn a_put_that_always_conflicts_is_bounded() {
    a_conflict_is_bounded(409, "OperationAborted").await;
}

#[tokio::test]
async fn a_precondition_that_fails_without_an_object_is_bounded() {
    a_conflict_is_bounded(412, "PreconditionFailed").await;
}

#[tokio::test]
async fn a_moment_of_conflict_costs_one_more_put() {
    let bench = bench().await;
    bench.order(Order {
        operation: Some("PutObject".to_owned()),
        count: Some(1),
        answer: Some(Answer {
            status: 409,
            code: "ConditionalRequestConflict".to_owned(),
            ..Answer::default()
        }),
        ..Order::new(Service::S3, Kind::Answer)
    });
    bench.post("a-1", "a harbor").await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    assert_eq!((done.s3_upload_attempts, done.attempts), (2, 1));
    worker.stop().await;
}

fn model_answer(status: u16, code: &str, message: &str) -> Order {
    Order {
        answer: Some(Answer {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            ..Answer::default()
        }),
        ..Order::new(Service::Bedrock, Kind::Answer)
    }
}

#[tokio::test]
async fn a_model_that_is_only_called_through_a_profile_makes_way_for_the_next() {
    let bench = bench().await;
    let message = "Invocation of model ID stability.x with on-demand throughput isn\u{2019}t \
                   supported. Retry your request with the ID or ARN of an inference profile.";
    bench.order(Order {
        count: Some(1),
        ..model_answer(400, "ValidationException", message)
    });
    bench.post("a-1", "a train").await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    assert_eq!((done.attempts, done.model_calls), (1, 2));
    bench.post("a-2", "a tram").await;
    let next = bench.finished("a-2").await;
    assert_eq!(next.model_calls, 1, "the model that refuses is passed over");
    assert_eq!(next.model, done.model);
    worker.stop().await;
}

#[tokio::test]
async fn models_that_refuse_every_prompt_for_an_unknown_reason_pause_the_worker() {
    let bench = bench().await;
    bench.order(model_answer(400, "ValidationException", "computer says no"));
    let ids: Vec<_> = (0..20).map(|n| format!("a-{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        bench.post(id, &format!("castle number {n}")).await;
    }
    let worker = bench.work();
    pauses(&bench, &worker).await;
    gives_back(&bench, &worker).await;
    bench.repair();
    few_failed(&bench, &ids).await;
    worker.stop().await;
}

/// Answers of a proxy, or of a model that has gone mad: they are no job's own fault.
async fn useless_answers_pause(body: &str) {
    let bench = bench().await;
    bench.order(Order {
        answer: Some(Answer {
            status: 200,
            body: body.to_owned(),
            ..Answer::default()
        }),
        ..Order::new(Service::Bedrock, Kind::Answer)
    });
    let ids = post_twenty(&bench).await;
    let worker = bench.work();
    pauses(&bench, &worker).await;
    sleep(Duration::from_secs(3)).await;
    // The model's own counter knows nothing of calls that an ordered answer took.
    let mut calls = 0;
    for id in &ids {
        calls += bench.get(id).await.model_calls;
    }
    assert!((1..=16).contains(&calls), "{calls} calls");
    bench.repair();
    few_failed(&bench, &ids).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_page_in_place_of_every_answer_pauses_the_worker() {
    useless_answers_pause("<html>Please sign in</html>").await;
}

#[tokio::test]
async fn bytes_that_are_no_picture_in_every_answer_pause_the_worker() {
    useless_answers_pause(r#"{"images":["bm8gcGljdHVyZQ=="]}"#).await;
}

/// Overload burns no attempt, whatever status and words it comes with.
async fn overload_burns_nothing(order: Order) {
    let bench = bench().await;
    bench.order(Order {
        share: 0.6,
        ..order
    });
    let ids = post_twenty(&bench).await;
    let worker = bench.work();
    for id in &ids {
        let done = bench.finished(id).await;
        assert_eq!(
            (done.s3_upload_status, done.attempts),
            (Status::Success, 1),
            "{done:#?}"
        );
    }
    worker.stop().await;
}

#[tokio::test]
async fn too_many_connections_burn_no_attempt() {
    let words = "Too many connections, please wait before trying again.";
    overload_burns_nothing(model_answer(503, "ServiceUnavailableException", words)).await;
}

#[tokio::test]
async fn a_model_that_is_not_ready_burns_no_attempt() {
    let words = "Model is not ready for inference. Wait and try again.";
    overload_burns_nothing(model_answer(429, "ModelNotReadyException", words)).await;
}

#[tokio::test]
async fn a_throttled_model_spills_to_the_next_of_the_list() {
    let bench = bench().await;
    let throttled = || Order {
        count: Some(1),
        ..model_answer(429, "ThrottlingException", "Too many requests")
    };
    bench.order(throttled());
    bench.post("a-1", "a train").await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(done.model.as_deref(), Some("stability.sd3-5-large-v1:0"));
    worker.stop().await;

    let bench = Bench::with(&[("MODEL_SPILL", "off")]).await;
    bench.order(throttled());
    bench.post("a-1", "a train").await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    let first = "stability.stable-image-core-v1:1";
    assert_eq!(done.model.as_deref(), Some(first));
    worker.stop().await;
}

#[tokio::test]
async fn a_prompt_that_no_model_takes_fails_at_once_with_words_and_costs_nothing() {
    let titan = ("BEDROCK_MODELS", "amazon.titan-image-generator-v2:0");
    let bench = Bench::with(&[titan]).await;
    bench.post("long", &"画".repeat(513)).await;
    bench.post("fits", &"画".repeat(512)).await;
    let worker = bench.work();
    let long = bench.finished("long").await;
    assert_eq!(code(&long), Failure::PromptTooLong.code());
    assert_eq!((long.model_calls, long.attempts), (0, 1));
    let fits = bench.finished("fits").await;
    assert_eq!(fits.s3_upload_status, Status::Success);
    worker.stop().await;

    let both = "amazon.titan-image-generator-v2:0,stability.stable-image-core-v1:1";
    let bench = Bench::with(&[("BEDROCK_MODELS", both)]).await;
    bench.post("long", &"画".repeat(700)).await;
    let worker = bench.work();
    let long = bench.finished("long").await;
    let takes_it = "stability.stable-image-core-v1:1";
    assert_eq!(long.model.as_deref(), Some(takes_it));
    assert_eq!(long.model_calls, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_declined_prompt_costs_one_call_in_whatever_words() {
    let blocked = "This request has been blocked by our content filters.";
    for answer in [
        r#"{"images":[],"error":null,"finish_reasons":["Filter reason: prompt"]}"#,
        r#"{"images":null,"finish_reasons":[null,"Filter reason: output image"]}"#,
        r#"{"error":"All of the generated images have been blocked by our content filters."}"#,
    ] {
        let bench = bench().await;
        bench.order(Order {
            answer: Some(Answer {
                status: 200,
                body: answer.to_owned(),
                ..Answer::default()
            }),
            ..Order::new(Service::Bedrock, Kind::Answer)
        });
        one_call(&bench, answer).await;
    }
    let bench = bench().await;
    bench.order(model_answer(400, "ValidationException", blocked));
    one_call(&bench, blocked).await;
}

async fn one_call(bench: &Bench, answer: &str) {
    bench.post("a-1", "a prompt").await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(code(&done), Failure::Declined.code(), "{answer}");
    assert_eq!(done.model_calls, 1, "{answer}");
    worker.stop().await;
}

#[tokio::test]
async fn receives_that_return_at_once_and_empty_are_no_tight_loop() {
    let bench = bench().await;
    bench.order(Order {
        operation: Some("ReceiveMessage".to_owned()),
        answer: Some(Answer {
            status: 200,
            headers: BTreeMap::from([(
                "content-type".to_owned(),
                "application/x-amz-json-1.0".to_owned(),
            )]),
            body: "{}".to_owned(),
            ..Answer::default()
        }),
        // More than a second's floor allows, less than a tight loop makes.
        count: Some(20),
        ..Order::new(Service::Sqs, Kind::Answer)
    });
    let worker = bench.work();
    sleep(Duration::from_secs(4)).await;
    let left = bench.cloud.faults().list()[0].count.unwrap();
    assert!((14..20).contains(&left), "{} receives in 4 s", 20 - left);
    worker.stop().await;
}

#[tokio::test]
async fn a_queue_that_refuses_message_groups_takes_jobs_without() {
    let bench = bench().await;
    let message = "The request include parameter that is not valid for this queue type";
    bench.order(Order {
        operation: Some("SendMessage".to_owned()),
        count: Some(1),
        answer: Some(Answer {
            status: 400,
            code: "InvalidParameterValue".to_owned(),
            message: message.to_owned(),
            ..Answer::default()
        }),
        ..Order::new(Service::Sqs, Kind::Answer)
    });
    bench.post("a-1", "a bridge").await;
    let worker = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    worker.stop().await;
}
