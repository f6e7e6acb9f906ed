//! A worker: slots, receive, spawn, drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use atelier_cloud::client::Aws;
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::{MAX_RECEIVE, MAX_WAIT, Message, Queues};
use atelier_domain::assignment::Assignment;
use atelier_domain::timestamp::Timestamp;
use atelier_runtime::config::ConfigFaults;
use atelier_runtime::telemetry::metrics;
use atelier_store::Store;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::generate::Models;
use crate::health::Pulse;
use crate::optimize::Optimizer;
use crate::pace::{Alone, Pace, Room};
use crate::trouble::Trouble;
use crate::{heartbeat, work};

/// A job whose claim was taken over so often works alone, so that it takes nobody with it.
const ALONE_AFTER_TAKEOVERS: u32 = 2;

/// The first wait after a receive that failed, and the longest.
const RECEIVE_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What a worker uses, but does not own.
#[derive(Debug)]
pub struct Services {
    /// The documents.
    pub store: Arc<dyn Store>,
    /// Jobs and dead letters.
    pub queues: Queues,
    /// The bucket.
    pub pictures: Pictures,
    /// The text-to-image models.
    pub models: Models,
}

impl Services {
    /// As configured; asks nobody yet. Models of no known family are told, all at once.
    pub fn new(config: &Config, store: Arc<dyn Store>, aws: &Aws) -> Result<Self, ConfigFaults> {
        Ok(Self {
            store,
            queues: Queues::new(aws, &config.queue),
            pictures: Pictures::new(aws, &config.bucket),
            models: Models::new(aws, &config.worker.models, config.worker.model_timeout)?,
        })
    }
}

/// All that a job needs.
#[derive(Debug)]
pub struct Worker {
    /// New at each start, so that a heartbeat of an earlier process is not taken for this one's.
    pub name: String,
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queues: Queues,
    pub(crate) pictures: Pictures,
    pub(crate) models: Models,
    pub(crate) optimizer: Optimizer,
    pub(crate) pace: Arc<Pace>,
    pub(crate) pulse: Pulse,
    /// Called out when jobs have to be given back.
    pub(crate) stopping: CancellationToken,
    pub(crate) started_at: Timestamp,
    pub(crate) counts: Counts,
}

/// What this process has done, for its heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) throttles: AtomicU64,
    pub(crate) model_calls: AtomicU64,
    pub(crate) finished: AtomicU64,
}

impl Worker {
    /// A worker with these services, all slots free.
    pub fn new(config: Config, services: Services) -> Arc<Self> {
        Arc::new(Self {
            name: format!("worker-{}-{:08x}", std::process::id(), fastrand::u32(..)),
            store: services.store,
            queues: services.queues,
            pictures: services.pictures,
            models: services.models,
            optimizer: Optimizer::new(&config.optimize),
            pace: Pace::new(config.worker.slots),
            pulse: Pulse::new(config.worker.model_timeout),
            stopping: CancellationToken::new(),
            started_at: Timestamp::now(),
            counts: Counts::default(),
            config,
        })
    }

    /// Whether it is taking jobs.
    pub fn is_ready(&self) -> bool {
        self.pulse.queue_answers() && !self.pace.is_paused()
    }

    /// Whether it waits for a fault to end that would fail every job.
    pub fn is_paused(&self) -> bool {
        self.pace.is_paused()
    }

    /// Jobs that it is working on.
    pub fn slots_in_use(&self) -> u32 {
        self.pace.in_use()
    }

    /// Whether a poll finished lately.
    pub fn is_alive(&self) -> bool {
        self.pulse.is_alive()
    }

    /// Returns when the job may work: at once beside others, or, if its workers went away, when no
    /// other works here; until it is dropped none does. Trouble where another job works alone.
    pub(crate) async fn company(&self, assignment: &Assignment) -> Result<Option<Alone>, Trouble> {
        if assignment.takeovers < ALONE_AFTER_TAKEOVERS {
            return if self.pace.is_alone() {
                Err(Trouble::Unwelcome)
            } else {
                Ok(None)
            };
        }
        tracing::warn!(
            takeovers = assignment.takeovers,
            "its workers went away: it works alone"
        );
        let alone = self.pace.alone().await;
        alone.map(Some).ok_or(Trouble::Unwelcome)
    }

    pub(crate) fn throttled(&self) {
        self.pace.throttled();
        self.counts.throttles.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn called_model(&self) {
        metrics::get().model_calls.add(1, &[]);
        self.counts.model_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn finished(&self) {
        self.counts.finished.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes jobs until `stop`, then drains: no new job, what can be finished inside the grace is
/// finished, the rest is given back. Returns when the grace is over at the latest, whatever does
/// not answer.
pub async fn run(worker: Arc<Worker>, stop: CancellationToken) {
    let jobs = TaskTracker::new();
    let beating = tokio::spawn(heartbeat::run(Arc::clone(&worker)));
    let deadline = tokio::spawn(call_stopping(Arc::clone(&worker), stop.clone()));
    tracing::info!(
        worker = worker.name,
        slots = worker.config.worker.slots,
        "taking jobs"
    );
    let drained = async {
        receive_jobs(&worker, &jobs, &stop).await;
        jobs.close();
        tracing::info!(in_flight = jobs.len(), "draining: no new jobs");
        jobs.wait().await;
        beating.abort();
        heartbeat::last(&worker).await;
        tracing::info!("drained");
    };
    let grace_is_over = async {
        stop.cancelled().await;
        sleep(worker.config.drain.grace).await;
    };
    tokio::select! {
        () = drained => {}
        () = grace_is_over => tracing::warn!(
            left = jobs.len(),
            "the grace is over; what is left comes again by itself"
        ),
    }
    beating.abort();
    deadline.abort();
}

/// Jobs are given back so early that claim and message are free before the grace is over.
async fn call_stopping(worker: Arc<Worker>, stop: CancellationToken) {
    stop.cancelled().await;
    let grace = worker.config.drain.grace;
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
            room = worker.pace.room() => room,
        };
        let max = match room {
            Room::For(free) => free.min(MAX_RECEIVE),
            Room::Probe => 1,
        };
        worker.pulse.polls();
        // Never dropped half way: its messages would be hidden and in nobody's hands.
        let received = worker
            .queues
            .jobs
            .receive(max, poll_wait(worker), worker.config.job.claim)
            .await;
        worker.pulse.polled(received.is_ok());
        match received {
            Ok(messages) => {
                backoff = RECEIVE_BACKOFF.0;
                let wanted = !stop.is_cancelled()
                    && !worker.pace.is_alone()
                    && (room == Room::Probe || !worker.pace.is_paused());
                for message in messages {
                    if wanted {
                        spawn(worker, jobs, message);
                    } else {
                        crate::settle::later(worker, &message, Duration::ZERO).await;
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

/// A receive in flight is waited for at the end, so its wait has to fit into the grace well.
fn poll_wait(worker: &Worker) -> Duration {
    let seconds = worker.config.drain.grace.as_secs() / 4;
    Duration::from_secs(seconds.max(1)).min(MAX_WAIT)
}

fn spawn(worker: &Arc<Worker>, jobs: &TaskTracker, message: Message) {
    let slot = worker.pace.take();
    let worker = Arc::clone(worker);
    jobs.spawn(async move {
        work::work(&worker, message).await;
        drop(slot);
    });
}
