//! What all handlers of one API process share; each part owns what it uses.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::cdn::Cdn;
use atelier_cloud::client::Aws;
use atelier_cloud::dead_letters::DeadLetters;
use atelier_cloud::pictures::Pictures;
use atelier_cloud::queue::Queues;
use atelier_domain::history::History;
use atelier_domain::throughput::Throughput;
use atelier_runtime::liveness::Liveness;
use atelier_store::{Indexes, Store};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budgets::BudgetReader;
use crate::config::ApiConfig;
use crate::identity::gate::Gate;
use crate::limit::{Deed, RateLimit};
use crate::locks::IdLocks;
use crate::send::Sender;
use crate::view::Views;
use crate::wait::Waiters;

/// The services behind the API.
#[derive(Clone, Debug)]
pub struct Services {
    /// The documents.
    pub store: Arc<dyn Store>,
    /// The jobs and the dead letters.
    pub queues: Queues,
    /// The bucket.
    pub pictures: Pictures,
    /// The CDN before the bucket.
    pub cdn: Cdn,
}

impl Services {
    /// The services of `config`. Only the store is called; a MongoDB that is away is no error.
    ///
    /// # Errors
    /// Where the store cannot be opened.
    pub async fn connect(config: &ApiConfig) -> anyhow::Result<Self> {
        let aws = Aws::connect(&config.cloud).await;
        let store = atelier_store::open(&config.store, Indexes::Make).await?;
        Ok(Self::new(config, &aws, store))
    }

    /// The services of `config`, with a store that is open already.
    pub fn new(config: &ApiConfig, aws: &Aws, store: Arc<dyn Store>) -> Self {
        Self {
            store,
            queues: Queues::new(aws, &config.queue),
            pictures: Pictures::new(aws, &config.bucket),
            cdn: Cdn::new(aws, &config.cloud, &config.cdn),
        }
    }
}

/// What the keeper of this process finds out, for the API to show.
#[derive(Clone, Debug)]
pub struct Findings {
    /// How fast the fleet is.
    pub throughput: Arc<Throughput>,
    /// What the fleet did in the last 15 minutes.
    pub history: Arc<History>,
    /// The dead letters that wait for an operator.
    pub dead_letters: Arc<DeadLetters>,
    /// The loops without which this process is useless.
    pub loops: Vec<Arc<Liveness>>,
}

impl Findings {
    /// Those of a process without a keeper: nothing is ever found.
    pub fn none(queues: &Queues) -> Self {
        Self {
            throughput: Arc::default(),
            history: Arc::default(),
            dead_letters: Arc::new(DeadLetters::new(queues.clone())),
            loops: Vec::new(),
        }
    }
}

/// One API process.
#[derive(Debug)]
pub struct App {
    pub(crate) config: ApiConfig,
    pub(crate) services: Services,
    pub(crate) findings: Findings,
    pub(crate) gate: Arc<Gate>,
    pub(crate) sender: Sender,
    pub(crate) views: Views,
    pub(crate) waiters: Waiters,
    pub(crate) limit: RateLimit,
    pub(crate) budgets: BudgetReader,
    pub(crate) answer_limit: RateLimit,
    pub(crate) locks: IdLocks,
    /// A permit for each request that is worked on.
    pub(crate) in_flight: Semaphore,
    /// Work that goes on after its answer; the drain waits for it.
    pub(crate) background: TaskTracker,
    /// Cancelled when the process drains.
    pub(crate) draining: CancellationToken,
    /// For the embedded cloud's control address.
    pub(crate) http: reqwest::Client,
}

impl App {
    /// A process that drains when `draining` is cancelled.
    pub fn new(
        config: ApiConfig,
        services: Services,
        findings: Findings,
        draining: CancellationToken,
    ) -> Arc<Self> {
        let background = TaskTracker::new();
        let store = &services.store;
        Arc::new(Self {
            gate: Gate::new(&config.identity, store),
            sender: Sender::new(
                store.clone(),
                services.queues.jobs.clone(),
                config.job.clone(),
                background.clone(),
            ),
            views: Views::new(
                store.clone(),
                findings.throughput.clone(),
                config.cdn.clone(),
            ),
            waiters: Waiters::new(store.clone(), config.serve.max_long_polls, draining.clone()),
            in_flight: Semaphore::new(config.serve.max_in_flight),
            limit: RateLimit::new(store.clone(), config.limit.creates_per_minute, Deed::Create),
            answer_limit: RateLimit::new(
                store.clone(),
                config.limit.answers_per_minute,
                Deed::Answer,
            ),
            budgets: BudgetReader::new(
                store.clone(),
                config.budget.budgets,
                config.models.cheapest(),
            ),
            locks: IdLocks::default(),
            background,
            draining,
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(5))
                .build()
                .expect("the TLS provider was installed first in main"),
            config,
            services,
            findings,
        })
    }

    /// The documents.
    pub(crate) fn store(&self) -> &dyn Store {
        self.services.store.as_ref()
    }
}
