//! Panics, loops that end, and a store that does no writes.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use atelier_domain::assignment::Status;
use support::Bench;
use support::odd_store::{OddStore, Oddity};
use tokio::time::sleep;

async fn bench(oddity: Oddity) -> (Bench, Arc<OddStore>) {
    let mut bench = Bench::with(&[("REUSE", "teacher"), ("WORKER_SLOTS", "2")]).await;
    let odd = Arc::new(OddStore {
        store: Arc::clone(&bench.store),
        oddity,
        times: AtomicU32::new(0),
    });
    bench.store = Arc::clone(&odd) as _;
    (bench, odd)
}

#[tokio::test]
async fn a_panic_ends_one_attempt_and_leaves_no_claim() {
    let (bench, odd) = bench(Oddity::ReusePanics(2)).await;
    let worker = bench.work();
    bench.post("a-1", "a volcano").await;
    let done = bench.finished("a-1").await;
    assert_eq!(done.s3_upload_status, Status::Success);
    assert_eq!(odd.times.load(Ordering::Relaxed), 3);
    assert_eq!(
        (done.attempts, done.takeovers),
        (3, 0),
        "it is not isolated"
    );
    bench.post("a-2", "a volcano at night").await;
    let next = bench.finished("a-2").await;
    assert_eq!((next.s3_upload_status, next.attempts), (Status::Success, 1));
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_always_panics_fails_after_its_attempts() {
    let (bench, _) = bench(Oddity::ReusePanics(u32::MAX)).await;
    let worker = bench.work();
    bench.post("a-1", "a volcano").await;
    let failed = bench.finished("a-1").await;
    assert_eq!(failed.s3_upload_status, Status::Failed);
    assert_eq!((failed.attempts, failed.model_calls), (5, 0));
    assert!(!worker.worker.is_paused());
    worker.stop().await;
}

#[tokio::test]
async fn a_loop_that_ends_by_itself_ends_the_worker() {
    let (bench, _) = bench(Oddity::HeartbeatPanics).await;
    let error = bench.work().ends().await.unwrap_err();
    assert!(error.to_string().contains("heartbeat"), "{error:#}");
}

#[tokio::test]
async fn a_store_that_only_reads_pauses_the_worker_and_burns_nothing() {
    let (bench, odd) = bench(Oddity::ReadsOnly).await;
    let worker = bench.work();
    for n in 0..10 {
        bench.post(&format!("a-{n}"), "a lake").await;
    }
    bench
        .eventually("the worker is paused", async || worker.worker.is_paused())
        .await;
    let before = odd.times.load(Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    let writes = odd.times.load(Ordering::Relaxed) - before;
    assert!(writes <= 40, "{writes} writes in 5 s");
    let first = bench.get("a-0").await;
    assert_eq!(
        (first.s3_upload_status, first.attempts),
        (Status::Pending, 0)
    );
    worker.stop().await;
}
