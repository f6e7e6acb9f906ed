//! A worker that is told to stop: nothing is lost, nothing burnt, and the next one goes on at once.

mod support;

use std::time::{Duration, Instant};

use atelier_domain::assignment::Status;
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::faults::{Kind, Service};
use atelier_embedded::model::Settings;
use support::Bench;

const SLOW: Settings = Settings {
    latency: Duration::from_secs(20),
    throttle: 0.0,
    failure: 0.0,
};

#[tokio::test]
async fn what_cannot_be_finished_inside_the_grace_is_given_back_and_visible_at_once() {
    let bench = Bench::with(&[("GRACE_SECONDS", "3"), ("WORKER_SLOTS", "4")]).await;
    bench.behavior.set(SLOW);
    let worker = bench.work();
    let ids: Vec<_> = (0..8).map(|n| format!("a-{n}")).collect();
    for id in &ids {
        bench.post(id, "a tower").await;
    }
    bench
        .eventually("all slots are busy", async || {
            worker.worker.slots_in_use() == 4
        })
        .await;
    let start = Instant::now();
    worker.stop().await;
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    let depth = bench.queues.jobs.depth().await.unwrap();
    assert_eq!((depth.visible, depth.in_flight), (8, 0), "all are visible");
    for id in &ids {
        let waiting = bench.get(id).await;
        assert_eq!((waiting.claim, waiting.attempts), (None, 0));
    }
    bench.behavior.set(Settings {
        latency: Duration::ZERO,
        ..SLOW
    });
    let next = bench.work();
    for id in &ids {
        let done = bench.finished(id).await;
        assert_eq!((done.s3_upload_status, done.attempts), (Status::Success, 1));
    }
    next.stop().await;
}

#[tokio::test]
async fn what_can_be_finished_inside_the_grace_is_finished() {
    let bench = Bench::start().await;
    bench.behavior.set(Settings {
        latency: Duration::from_millis(500),
        ..SLOW
    });
    let worker = bench.work();
    bench.post("a-1", "a garden").await;
    bench.until("a-1", |it| it.model_calls == 1).await;
    worker.stop().await;
    assert_eq!(bench.get("a-1").await.s3_upload_status, Status::Success);
    bench.queue_is_empty().await;
}

#[tokio::test]
async fn a_worker_that_is_killed_loses_nothing() {
    let bench = Bench::with(&[("CLAIM_SECONDS", "1")]).await;
    bench.behavior.set(SLOW);
    let worker = bench.work();
    bench.post("a-1", "a quarry").await;
    bench.until("a-1", |it| it.model_calls == 1).await;
    worker.kill();
    bench.behavior.set(Settings {
        latency: Duration::ZERO,
        ..SLOW
    });
    let next = bench.work();
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    next.stop().await;
}

#[tokio::test]
async fn what_a_receive_in_flight_brings_is_given_back_untouched() {
    // A receive waits for a quarter of the grace: long enough to be in flight still.
    let bench = Bench::with(&[("GRACE_SECONDS", "80")]).await;
    let worker = bench.work();
    bench.post("a-1", "a harbor").await;
    bench.finished("a-1").await;
    bench.queue_is_empty().await;
    tokio::join!(worker.stop(), bench.post("a-2", "a bridge"));
    assert_eq!(bench.count(Service::Sqs, "received"), 2, "it was received");
    let depth = bench.queues.jobs.depth().await.unwrap();
    assert_eq!((depth.visible, depth.in_flight), (1, 0), "and is visible");
    let waiting = bench.get("a-2").await;
    assert_eq!((waiting.claim, waiting.attempts), (None, 0));
    assert_eq!(waiting.model_calls, 0);
}

#[tokio::test]
async fn a_queue_that_hangs_does_not_keep_a_worker_beyond_its_grace() {
    let bench = Bench::with(&[("GRACE_SECONDS", "2")]).await;
    bench.fault(Service::Sqs, Kind::Hang, 1.0);
    let worker = bench.work();
    bench
        .eventually("it has begun", async || {
            let since = Timestamp::from_seconds(0.0);
            !bench.store.heartbeats(since).await.unwrap().is_empty()
        })
        .await;
    let start = Instant::now();
    worker.stop().await;
    // Without a limit it would wait for the receive's own: more than ten seconds.
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
}
