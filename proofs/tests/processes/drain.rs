//! A worker that is told to stop loses nothing, burns nothing, and is gone in time.

use std::time::Duration;

use atelier_domain::assignment::Status;
use atelier_proofs::fleet::Plan;
use atelier_proofs::{people, silent};
use tokio::time::{Instant, sleep};

use crate::{Bench, eventually};

const SLOTS: u64 = 4;

/// A model that takes longer than the grace.
fn slow_model<'a>(options: &'a [(&'a str, &'a str)]) -> Plan<'a> {
    Plan {
        apis: 1,
        workers: 1,
        model_latency: Duration::from_secs(20),
        options,
    }
}

#[tokio::test]
async fn a_drain_under_load_gives_everything_back_within_its_grace() {
    let options = [
        ("GRACE_SECONDS", "10"),
        ("WORKER_SLOTS", "8"),
        ("LOG_FORMAT", "json"),
    ];
    let mut bench = Bench::start(slow_model(&options)).await;
    let apis = bench.fleet.addresses();
    people::post(0..4, Duration::ZERO, apis.clone())
        .await
        .unwrap();
    eventually("four calls are under way", async || {
        bench.count("bedrock", "calls").await == 4
    })
    .await;

    // Four slots are free, so a receive is in flight: it gets what is posted now.
    let start = Instant::now();
    let posting = people::post(4..8, Duration::ZERO, apis);
    let (told, posted) = tokio::join!(bench.fleet.workers[0].terminate(), posting);
    told.unwrap();
    posted.unwrap();
    let status = bench.fleet.workers[0].end().await.unwrap();
    let took = start.elapsed();
    let visible = eventually("all eight messages are visible", async || {
        bench.count("sqs", "visible").await == 8
    })
    .await;
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    assert!(visible < Duration::from_secs(1), "after {visible:?}");
    // More than were begun, unless the machine was too busy to post before that receive ended.
    let received = bench.count("sqs", "received").await;
    let untouched = received.saturating_sub(bench.count("bedrock", "calls").await);
    for document in bench.view.documents().await.unwrap() {
        assert_eq!(
            (&document.claim, document.attempts),
            (&None, 0),
            "{document:#?}"
        );
    }

    bench.view.set_model_latency(0).await.unwrap();
    let next = bench.fleet.worker().unwrap();
    bench.fleet.workers[0] = next;
    for document in bench.rests().await {
        assert_eq!(
            (document.s3_upload_status, document.attempts),
            (Status::Success, 1),
            "{document:#?}"
        );
    }
    println!(
        "drain: exit 0 after {:.1} s; 8 messages visible {} ms later, {untouched} of them from the receive in flight",
        took.as_secs_f64(),
        visible.as_millis()
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_second_signal_ends_a_worker_at_once_and_loses_nothing() {
    let options = [("CLAIM_SECONDS", "2"), ("LOG_FORMAT", "json")];
    let mut bench = Bench::start(slow_model(&options)).await;
    let apis = bench.fleet.addresses();
    people::post(0..4, Duration::ZERO, apis).await.unwrap();
    eventually("four calls are under way", async || {
        bench.count("bedrock", "calls").await == 4
    })
    .await;
    let worker = &mut bench.fleet.workers[0];
    worker.terminate().await.unwrap();
    worker.says("told to stop", 1).await.unwrap();
    // The same stop: a terminal and a supervisor may both send a signal.
    worker.terminate().await.unwrap();
    sleep(Duration::from_millis(1_200)).await;
    worker.still_runs().unwrap();
    let start = Instant::now();
    worker.terminate().await.unwrap();
    let status = worker.end().await.unwrap();
    let took = start.elapsed();
    assert_eq!(status.code(), Some(1), "it did not drain, and says so");
    // At once; well below the 22 s after which it would have given its jobs back.
    assert!(took < Duration::from_secs(5), "it took {took:?}");

    bench.view.set_model_latency(0).await.unwrap();
    let next = bench.fleet.worker().unwrap();
    bench.fleet.workers[0] = next;
    for document in bench.rests().await {
        assert_eq!(document.s3_upload_status, Status::Success, "{document:#?}");
    }
    println!("second signal: exit 1 after {} ms", took.as_millis());
    bench.stop().await;
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_no_stop_beyond_its_grace() {
    let collector = silent::collector().await.unwrap();
    let options = [
        ("GRACE_SECONDS", "5"),
        ("LOG_FORMAT", "json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
    ];
    let mut bench = Bench::start(slow_model(&options)).await;
    let apis = bench.fleet.addresses();
    people::post(0..2, Duration::ZERO, apis).await.unwrap();
    eventually("two calls are under way", async || {
        bench.count("bedrock", "calls").await == 2
    })
    .await;
    let start = Instant::now();
    bench.fleet.workers[0].terminate().await.unwrap();
    let worker = bench.fleet.workers[0].end().await.unwrap();
    let took = start.elapsed();
    assert_eq!(worker.code(), Some(0));
    // A busy machine may need a moment more; without a limit it took 13 s.
    assert!(took < Duration::from_secs(8), "it took {took:?}");
    for document in bench.view.documents().await.unwrap() {
        assert_eq!((&document.claim, document.attempts), (&None, 0));
    }
    let start = Instant::now();
    bench.fleet.apis[0].1.terminate().await.unwrap();
    let api = bench.fleet.apis[0].1.end().await.unwrap();
    let took = start.elapsed();
    assert_eq!(api.code(), Some(0));
    // A busy machine may need a moment more; without a limit it took 13 s.
    assert!(took < Duration::from_secs(8), "it took {took:?}");
    bench.fleet.stop().await;
}

#[tokio::test]
async fn a_rolling_restart_under_load_fails_nothing_and_repeats_only_calls_in_flight() {
    const JOBS: u32 = 120;
    const WORKERS: usize = 4;
    // Half of the calls in flight at a signal cannot be finished inside the grace.
    let options = [
        ("GRACE_SECONDS", "3"),
        ("WORKER_SLOTS", "4"),
        ("CREATE_LIMIT_PER_MINUTE", "0"),
        ("LOG_FORMAT", "json"),
    ];
    let plan = Plan {
        apis: 2,
        workers: WORKERS,
        model_latency: Duration::from_secs(3),
        options: &options,
    };
    let mut bench = Bench::start(plan).await;
    let apis = bench.fleet.addresses();
    let posting = people::post(0..JOBS, Duration::from_secs(15), apis);
    let posting = tokio::spawn(posting);
    eventually("the fleet is busy", async || {
        bench.count("bedrock", "calls").await >= SLOTS * WORKERS as u64
    })
    .await;

    let mut slowest = Duration::ZERO;
    let mut given_back = 0;
    for n in 0..WORKERS {
        let next = bench.fleet.worker().unwrap();
        let mut old = std::mem::replace(&mut bench.fleet.workers[n], next);
        let start = Instant::now();
        old.terminate().await.unwrap();
        assert_eq!(old.end().await.unwrap().code(), Some(0));
        slowest = slowest.max(start.elapsed());
        given_back += old.said("\"why\":\"stopping\"").unwrap();
    }
    for n in 0..bench.fleet.apis.len() {
        let (address, api) = &mut bench.fleet.apis[n];
        let address = *address;
        api.terminate().await.unwrap();
        assert_eq!(api.end().await.unwrap().code(), Some(0));
        bench.fleet.apis[n].1 = bench.fleet.api(address).unwrap();
    }
    let acknowledged = posting.await.unwrap().unwrap();
    assert_eq!(acknowledged.ids.len(), JOBS as usize);

    let documents = bench.rests().await;
    assert_eq!(documents.len(), JOBS as usize);
    for document in &documents {
        assert_eq!(
            (
                document.s3_upload_status,
                document.attempts,
                document.takeovers
            ),
            (Status::Success, 1, 0),
            "{document:#?}"
        );
    }
    let calls = bench.count("bedrock", "calls").await;
    let twice = calls - u64::from(JOBS);
    assert!(given_back as u64 <= SLOTS * WORKERS as u64);
    assert!(
        twice <= given_back as u64,
        "{calls} calls for {JOBS} jobs, {given_back} given back"
    );
    println!(
        "rolling restart: {JOBS} jobs, 0 failed; {given_back} given back in flight, {twice} calls made twice; the slowest worker drained in {:.1} s",
        slowest.as_secs_f64()
    );
    bench.stop().await;
}
