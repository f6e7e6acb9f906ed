//! The configuration of a worker.

pub(crate) mod options;

use atelier_cloud::config::{BucketConfig, CdnConfig, CloudConfig, QueueConfig};
use atelier_runtime::config::{
    BudgetConfig, ConfigFaults, DrainConfig, Environment, HttpConfig, JobConfig, ModelsConfig,
    Setting,
};
use atelier_runtime::telemetry::TelemetryConfig;
use atelier_store::config::StoreConfig;

pub use options::{OptimizeConfig, Reuse, WorkerConfig};

/// One struct a concern.
#[derive(Clone, Debug)]
pub struct Config {
    /// Region, endpoints, credentials.
    pub cloud: CloudConfig,
    /// The pictures' bucket.
    pub bucket: BucketConfig,
    /// The CDN before it.
    pub cdn: CdnConfig,
    /// The queues.
    pub queue: QueueConfig,
    /// The documents.
    pub store: StoreConfig,
    /// Claims, attempts, giving up.
    pub job: JobConfig,
    /// Slots, models, reuse.
    pub worker: WorkerConfig,
    /// What calls to models may cost a day.
    pub budget: BudgetConfig,
    /// Size, quality, AVIF.
    pub optimize: OptimizeConfig,
    /// Graceful shutdown.
    pub drain: DrainConfig,
    /// The address that serves the health checks, if any.
    pub health: HttpConfig,
    /// Logs, traces, metrics.
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// Every option, for `--help`.
    pub const SETTINGS: &[&[Setting]] = &[
        StoreConfig::SETTINGS,
        QueueConfig::SETTINGS,
        BucketConfig::SETTINGS,
        CdnConfig::SETTINGS,
        WorkerConfig::SETTINGS,
        ModelsConfig::SETTINGS,
        BudgetConfig::SETTINGS,
        OptimizeConfig::SETTINGS,
        JobConfig::SETTINGS,
        DrainConfig::SETTINGS,
        HttpConfig::SETTINGS,
        CloudConfig::SETTINGS,
        TelemetryConfig::SETTINGS,
    ];

    /// Reads every option.
    ///
    /// # Errors
    /// Every option that cannot be used, all at once.
    pub fn read(mut environment: Environment) -> Result<Self, ConfigFaults> {
        let from = &mut environment;
        let config = Self {
            cloud: CloudConfig::read(from),
            bucket: BucketConfig::read(from),
            cdn: CdnConfig::read(from),
            queue: QueueConfig::read(from),
            store: StoreConfig::read(from),
            job: JobConfig::read(from),
            worker: WorkerConfig::read(from),
            budget: BudgetConfig::read(from),
            optimize: OptimizeConfig::read(from),
            drain: DrainConfig::read(from),
            health: HttpConfig::read_worker(from),
            telemetry: TelemetryConfig::read(from),
        };
        environment.finish(config)
    }
}
