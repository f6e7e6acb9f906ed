//! A worker process: its parts, and what it has done so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use atelier_cloud::client::Aws;
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::Queues;
use atelier_domain::assignment::Assignment;
use atelier_domain::timestamp::Timestamp;
use atelier_store::Store;
use tokio_util::sync::CancellationToken;

use crate::budget::Payer;
use crate::concurrency::{Concurrency, Isolation};
use crate::config::Config;
use crate::error::JobError;
use crate::generate::Models;
use crate::lane::Lane;
use crate::optimize::Optimizer;
use crate::polls::Polls;

/// From this number of takeovers on a job runs isolated: if it kills the worker, no other job is
/// lost with it.
const ISOLATED_AFTER_TAKEOVERS: u32 = 2;

/// The services behind a worker.
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
    /// As configured; makes no call yet.
    pub fn new(config: &Config, store: Arc<dyn Store>, aws: &Aws) -> Self {
        Self {
            store,
            queues: Queues::new(aws, &config.queue),
            pictures: Pictures::new(aws, &config.bucket),
            models: Models::new(aws, &config.worker),
        }
    }
}

/// All that a job uses.
#[derive(Debug)]
pub struct Worker {
    /// New at each start, so that a heartbeat of an earlier process is not taken for this one's.
    pub name: String,
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queues: Queues,
    pub(crate) pictures: Pictures,
    pub(crate) models: Models,
    pub(crate) payer: Payer,
    pub(crate) optimizer: Optimizer,
    pub(crate) lane: Lane,
    pub(crate) concurrency: Arc<Concurrency>,
    pub(crate) polls: Polls,
    /// Cancelled when jobs have to be given back.
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
            payer: Payer::new(Arc::clone(&services.store), config.budget.budgets),
            store: services.store,
            queues: services.queues,
            pictures: services.pictures,
            models: services.models,
            optimizer: Optimizer::new(&config.optimize),
            lane: Lane::start(),
            concurrency: Concurrency::new(config.worker.slots),
            polls: Polls::new(config.worker.model_timeout),
            stopping: CancellationToken::new(),
            started_at: Timestamp::now(),
            counts: Counts::default(),
            config,
        })
    }

    /// Whether it is taking jobs, or would if no operator had paused the fleet: a release can be
    /// rolled out during a pause.
    pub fn is_ready(&self) -> bool {
        !self.is_paused() && (self.polls.queue_answers() || self.is_fleet_paused())
    }

    /// Whether it takes no jobs since an operator paused the fleet.
    pub fn is_fleet_paused(&self) -> bool {
        self.concurrency.is_fleet_paused()
    }

    /// Whether an outage has paused it.
    pub fn is_paused(&self) -> bool {
        self.concurrency.is_paused()
    }

    /// Jobs that it is working on.
    pub fn slots_in_use(&self) -> u32 {
        self.concurrency.in_use()
    }

    /// Whether a poll finished lately.
    pub fn is_alive(&self) -> bool {
        self.polls
            .is_alive(self.is_paused() || self.is_fleet_paused())
    }

    /// Waits until the job may run: at once beside others, or, after too many takeovers, when no
    /// other job runs here; until the guard is dropped none is received.
    ///
    /// # Errors
    /// Where another job is isolated.
    pub(crate) async fn isolation(
        &self,
        assignment: &Assignment,
    ) -> Result<Option<Isolation>, JobError> {
        if assignment.takeovers < ISOLATED_AFTER_TAKEOVERS {
            return if self.concurrency.is_isolated() {
                Err(JobError::Isolated)
            } else {
                Ok(None)
            };
        }
        tracing::warn!(
            takeovers = assignment.takeovers,
            "claims on it expired too often: it runs isolated"
        );
        let alone = self.concurrency.isolate().await;
        alone.map(Some).ok_or(JobError::Isolated)
    }

    pub(crate) fn throttled(&self) {
        self.concurrency.throttled();
        self.counts.throttles.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn called_model(&self) {
        self.counts.model_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn finished(&self) {
        self.counts.finished.fetch_add(1, Ordering::Relaxed);
    }
}
