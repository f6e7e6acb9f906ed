//! Receives jobs, spawns them, and drains.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::queue::{MAX_RECEIVE, MAX_WAIT, Message};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::concurrency::Capacity;
use crate::worker::Worker;
use crate::{fleet_pause, heartbeat, settle, upload, work};

/// The first wait after a receive that failed, and the longest.
const RECEIVE_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Receives jobs until `stop`, then drains: no new job, what can be finished within the grace period
/// is finished, the rest is returned to the queue. Returns before the end of the grace period,
/// whatever does not answer.
///
/// # Errors
/// Where a loop ended by itself: the process must end then, since nothing would notice.
pub async fn run(worker: Arc<Worker>, stop: CancellationToken) -> anyhow::Result<()> {
    let jobs = TaskTracker::new();
    let mut beating = tokio::spawn(heartbeat::run(Arc::clone(&worker)));
    let mut watching = tokio::spawn(fleet_pause::run(Arc::clone(&worker)));
    let deadline = tokio::spawn(cancel_jobs_late(Arc::clone(&worker), stop.clone()));
    tracing::info!(
        worker = worker.name,
        slots = worker.config.worker.slots,
        "taking jobs"
    );
    let drained = async {
        // One that starts during a pause takes no job before it knows of it.
        fleet_pause::look(&worker).await;
        receive_jobs(&worker, &jobs, &stop).await;
        jobs.close();
        tracing::info!(in_flight = jobs.len(), "draining: no new jobs");
        jobs.wait().await;
        heartbeat::last(&worker).await;
        tracing::info!("drained");
    };
    let grace_is_over = async {
        stop.cancelled().await;
        sleep(worker.config.drain.for_work()).await;
    };
    let outcome = tokio::select! {
        () = drained => Ok(()),
        () = grace_is_over => {
            tracing::warn!(
                left = jobs.len(),
                "the grace period is over; what is left is visible again after its timeout"
            );
            Ok(())
        }
        ended = &mut beating => Err(anyhow::anyhow!("the heartbeat ended by itself: {ended:?}")),
        ended = &mut watching => {
            Err(anyhow::anyhow!("the watch for a pause ended by itself: {ended:?}"))
        }
    };
    beating.abort();
    watching.abort();
    deadline.abort();
    outcome
}

/// Cancels jobs early enough that claims and messages are released before the grace period ends.
async fn cancel_jobs_late(worker: Arc<Worker>, stop: CancellationToken) {
    stop.cancelled().await;
    let grace = worker.config.drain.for_work();
    sleep(
        grace
            .mul_f64(0.6)
            .max(grace.saturating_sub(Duration::from_secs(3))),
    )
    .await;
    worker.stopping.cancel();
}

async fn receive_jobs(worker: &Arc<Worker>, jobs: &TaskTracker, stop: &CancellationToken) {
    let mut backoff = RECEIVE_BACKOFF.0;
    loop {
        let room = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            room = worker.concurrency.capacity() => room,
        };
        let (max, is_probe) = match room {
            Capacity::Slots(free) => (free.min(MAX_RECEIVE), false),
            Capacity::Probe => (1, true),
            Capacity::BucketProbe(_probe) => {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = upload::probe(worker) => continue,
                }
            }
        };
        worker.polls.polls();
        // Never dropped half way: its messages would be invisible until their timeout.
        let received = worker
            .queues
            .jobs
            .receive(max, poll_wait(worker), worker.config.job.claim)
            .await;
        worker.polls.polled(received.is_ok());
        match received {
            Ok(messages) => {
                backoff = RECEIVE_BACKOFF.0;
                let wanted = !stop.is_cancelled()
                    && !worker.concurrency.is_isolated()
                    && !worker.concurrency.is_fleet_paused()
                    && (is_probe || !worker.concurrency.is_paused());
                for message in messages {
                    if wanted {
                        spawn(worker, jobs, message);
                    } else {
                        settle::later(worker, &message, Duration::ZERO).await;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, wait_ms = backoff.as_millis() as u64, "the queue did not answer a receive");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(backoff.mul_f64(0.5 + 0.5 * fastrand::f64())) => {}
                }
                backoff = (backoff * 2).min(RECEIVE_BACKOFF.1);
            }
        }
    }
}

/// A receive in flight is waited for in a drain, so its wait must be a small part of the grace.
fn poll_wait(worker: &Worker) -> Duration {
    let seconds = worker.config.drain.grace.as_secs() / 4;
    Duration::from_secs(seconds.max(1)).min(MAX_WAIT)
}

fn spawn(worker: &Arc<Worker>, jobs: &TaskTracker, message: Message) {
    let slot = worker.concurrency.take();
    let worker = Arc::clone(worker);
    jobs.spawn(async move {
        let renditions = work::work(&worker, message).await;
        // They delay no other job.
        drop(slot);
        if let Some(renditions) = renditions {
            renditions.make(&worker).await;
        }
    });
}
