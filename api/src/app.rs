//! What all handlers and loops of one API process share.

use std::sync::Arc;
use std::time::Duration;

use atelier_shared::aws::Aws;
use atelier_shared::cdn::Cdn;
use atelier_shared::pictures::Pictures;
use atelier_shared::queue::Queues;
use atelier_shared::store::{self, Store};
use atelier_shared::timestamp::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ApiConfig;
use crate::fleet::letters::Letters;
use crate::fleet::samples::Samples;
use crate::health::Pulse;
use crate::pace::Pace;
use crate::turns::Turns;
use crate::wait::Waiters;

/// What the API speaks to.
#[derive(Clone, Debug)]
pub struct Services {
    /// The documents.
    pub store: Arc<dyn Store>,
    /// The jobs and the dead letters.
    pub queues: Queues,
    /// The bucket.
    pub pictures: Pictures,
    /// What stands before it.
    pub cdn: Cdn,
}

impl Services {
    /// As configured. Nobody but the store is asked yet, and a MongoDB that is away is no error.
    pub async fn connect(config: &ApiConfig) -> anyhow::Result<Self> {
        let aws = Aws::connect(&config.cloud).await;
        let store = store::open(&config.store.url).await?;
        Ok(Self::new(config, &aws, store))
    }

    /// As configured, with a store that is open already.
    pub fn new(config: &ApiConfig, aws: &Aws, store: Arc<dyn Store>) -> Self {
        Self {
            store,
            queues: Queues::new(aws, &config.queue),
            pictures: Pictures::new(aws, &config.bucket),
            cdn: Cdn::new(aws, &config.cloud, &config.cdn),
        }
    }
}

/// One API process.
#[derive(Debug)]
pub struct App {
    /// Its options.
    pub config: ApiConfig,
    /// What it speaks to.
    pub services: Services,
    /// Who waits for a status to change.
    pub waiters: Waiters,
    /// How fast jobs are done.
    pub pace: Pace,
    /// What the fleet did in the last 15 minutes.
    pub samples: Samples,
    /// The dead letters that an operator has to look at.
    pub letters: Letters,
    /// Creates of one id take turns.
    pub turns: Turns,
    /// Whether its loops go round.
    pub pulse: Pulse,
    /// When it started.
    pub started: Timestamp,
    /// Cancelled when it is told to stop.
    pub draining: CancellationToken,
    /// What goes on behind answers; the drain waits for it.
    pub background: TaskTracker,
    /// For the embedded cloud's control address.
    pub http: reqwest::Client,
}

impl App {
    /// A process that has not started yet.
    pub fn new(config: ApiConfig, services: Services) -> Arc<Self> {
        Arc::new(Self {
            config,
            services,
            waiters: Waiters::default(),
            pace: Pace::default(),
            samples: Samples::default(),
            letters: Letters::default(),
            turns: Turns::default(),
            pulse: Pulse::default(),
            started: Timestamp::now(),
            draining: CancellationToken::new(),
            background: TaskTracker::new(),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(5))
                .build()
                .expect("the TLS provider was installed first in main"),
        })
    }

    /// The documents.
    pub fn store(&self) -> &dyn Store {
        self.services.store.as_ref()
    }
}
