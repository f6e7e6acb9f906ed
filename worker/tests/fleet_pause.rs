//! An operator pauses the fleet: no new jobs, what is under way is finished, nothing is burned.

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use atelier_domain::assignment::Status;
use atelier_domain::pause::Pause;
use atelier_domain::timestamp::Timestamp;
use atelier_embedded::model::Settings;
use support::odd_store::{OddStore, Oddity};
use support::{Bench, Running};

const SLOW: Settings = Settings {
    latency: Duration::from_secs(5),
    throttle: 0.0,
    failure: 0.0,
};

fn pause(until: Option<Timestamp>) -> Pause {
    Pause {
        by: "nobody".to_owned(),
        since: Timestamp::now(),
        until,
        reason: Some("the bucket moves".to_owned()),
    }
}

async fn is_paused(bench: &Bench, worker: &Running) {
    bench
        .eventually("the worker knows of the pause", async || {
            worker.worker.is_fleet_paused()
        })
        .await;
}

#[tokio::test]
async fn a_job_under_way_is_finished_and_new_ones_wait_until_the_fleet_is_resumed() {
    let bench = Bench::with(&[("WORKER_SLOTS", "2")]).await;
    bench.behavior.set(SLOW);
    let worker = bench.work();
    bench.post("under-way", "a tower").await;
    bench.until("under-way", |it| it.model_calls == 1).await;
    bench.store.set_pause(Some(&pause(None))).await.unwrap();
    is_paused(&bench, &worker).await;
    bench.behavior.set(Settings {
        latency: Duration::ZERO,
        ..SLOW
    });
    for id in ["new-1", "new-2", "new-3"] {
        bench.post(id, "a garden").await;
    }
    let done = bench.finished("under-way").await;
    assert_eq!((done.s3_upload_status, done.attempts), (Status::Success, 1));
    bench
        .eventually("what was received is given back at once", async || {
            let depth = bench.queues.jobs.depth().await.unwrap();
            (depth.visible, depth.in_flight) == (3, 0)
        })
        .await;
    for id in ["new-1", "new-2", "new-3"] {
        let waiting = bench.get(id).await;
        assert_eq!((waiting.claim, waiting.attempts), (None, 0));
        assert_eq!(waiting.s3_upload_status, Status::Pending);
    }
    let state = &worker.worker;
    assert!(state.is_alive() && state.is_ready() && !state.is_paused());
    bench.store.set_pause(None).await.unwrap();
    for id in ["new-1", "new-2", "new-3"] {
        let done = bench.finished(id).await;
        assert_eq!((done.s3_upload_status, done.attempts), (Status::Success, 1));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_starts_during_a_pause_takes_nothing_is_ready_and_stops_at_once() {
    let bench = Bench::start().await;
    bench.store.set_pause(Some(&pause(None))).await.unwrap();
    bench.post("a-1", "a quarry").await;
    let worker = bench.work();
    is_paused(&bench, &worker).await;
    assert!(worker.worker.is_ready() && worker.worker.is_alive());
    worker.stop().await;
    let depth = bench.queues.jobs.depth().await.unwrap();
    assert_eq!((depth.visible, depth.in_flight), (1, 0));
    assert_eq!(bench.get("a-1").await.attempts, 0);
}

#[tokio::test]
async fn a_pause_ends_at_its_time_though_the_store_does_not_say_so() {
    let mut bench = Bench::start().await;
    let until = Timestamp::now() + Duration::from_secs(5);
    bench
        .store
        .set_pause(Some(&pause(Some(until))))
        .await
        .unwrap();
    bench.store = Arc::new(OddStore {
        store: Arc::clone(&bench.store),
        oddity: Oddity::PauseIsReadOnce,
        times: AtomicU32::new(0),
    });
    bench.post("a-1", "a lake").await;
    let worker = bench.work();
    is_paused(&bench, &worker).await;
    let done = bench.finished("a-1").await;
    assert_eq!((done.s3_upload_status, done.attempts), (Status::Success, 1));
    assert!(done.finished_at.unwrap() >= until, "not before");
    worker.stop().await;
}

#[tokio::test]
async fn a_heartbeat_tells_host_limits_and_breakers_with_their_cause() {
    use atelier_embedded::faults::Service;
    let bench = Bench::start().await;
    let worker = bench.work();
    bench.post("a-1", "a bridge").await;
    bench.finished("a-1").await;
    bench.refuse(Service::S3, "PutObject", 403, "AccessDenied");
    bench.post("a-2", "a bridge at night").await;
    bench
        .eventually("the heartbeat tells the outage", async || {
            let beats = bench.store.heartbeats(Timestamp::from_seconds(0.0)).await;
            beats.unwrap().iter().any(|beat| !beat.outages.is_empty())
        })
        .await;
    let beats = bench.store.heartbeats(Timestamp::from_seconds(0.0)).await;
    let beat = beats.unwrap().remove(0);
    let outage = &beat.outages[0];
    assert_eq!(outage.service, atelier_domain::heartbeat::Service::Bucket);
    assert!(outage.cause.contains("AccessDenied"), "{outage:?}");
    assert!(outage.since >= beat.started_at && outage.since <= beat.at);
    assert!(!beat.host.is_empty());
    assert_eq!(beat.limit, Some(beat.slots));
    let ids: Vec<_> = beat.models.iter().map(|it| it.model.as_str()).collect();
    let wanted: Vec<_> = bench
        .config
        .worker
        .models
        .iter()
        .map(|it| it.id())
        .collect();
    assert_eq!(ids, wanted);
    assert_eq!(beat.models[0].limit, beat.slots);
    assert!(beat.spent() > atelier_domain::budget::MicroUsd::ZERO);
    bench.repair();
    bench.finished("a-2").await;
    worker.stop().await;
}
