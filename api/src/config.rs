//! What an API process is told.

use std::time::Duration;

use atelier_shared::config::{
    BucketConfig, CdnConfig, CloudConfig, ConfigFaults, DrainConfig, Environment, HttpConfig,
    JobConfig, LimitConfig, QueueConfig, Setting, StoreConfig,
};
use atelier_shared::telemetry::TelemetryConfig;

/// All options of an API process.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Where it listens.
    pub http: HttpConfig,
    /// How much one subject may create.
    pub limit: LimitConfig,
    /// How long jobs take and how often they are tried.
    pub job: JobConfig,
    /// How it ends.
    pub drain: DrainConfig,
    /// Region, credentials and endpoints.
    pub cloud: CloudConfig,
    /// The bucket of the pictures.
    pub bucket: BucketConfig,
    /// The CDN before it.
    pub cdn: CdnConfig,
    /// The queues.
    pub queue: QueueConfig,
    /// Where the documents live.
    pub store: StoreConfig,
    /// What is told, and where to.
    pub telemetry: TelemetryConfig,
    /// The embedded cloud's control address; the page of the fleet shows its switches then.
    pub control: Option<String>,
    /// Between two samples of the queue and the fleet.
    pub sample: Duration,
}

const ATELIER_CONTROL_URL: Setting = Setting {
    name: "ATELIER_CONTROL_URL",
    default: None,
    help: "Control address of an embedded cloud; /fleet shows its switches then.",
};
const OWN: &[Setting] = &[ATELIER_CONTROL_URL];

/// Between two samples of the queue: three of them in a row tell a queue that forgot.
const SAMPLE: Duration = Duration::from_secs(5);

impl ApiConfig {
    /// Its options.
    pub const SETTINGS: &[&[Setting]] = &[
        HttpConfig::API_SETTINGS,
        LimitConfig::SETTINGS,
        JobConfig::SETTINGS,
        DrainConfig::SETTINGS,
        CloudConfig::SETTINGS,
        BucketConfig::SETTINGS,
        CdnConfig::SETTINGS,
        QueueConfig::SETTINGS,
        StoreConfig::SETTINGS,
        TelemetryConfig::SETTINGS,
        OWN,
    ];

    /// Reads its options. Every fault is told at once.
    pub fn read(mut environment: Environment) -> Result<Self, ConfigFaults> {
        let it = &mut environment;
        let control = it.text(&ATELIER_CONTROL_URL);
        if control
            .as_ref()
            .is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://"))
        {
            it.fault(&ATELIER_CONTROL_URL, "must start with http:// or https://");
        }
        let config = Self {
            http: HttpConfig::read_api(it),
            limit: LimitConfig::read(it),
            job: JobConfig::read(it),
            drain: DrainConfig::read(it),
            cloud: CloudConfig::read(it),
            bucket: BucketConfig::read(it),
            cdn: CdnConfig::read(it),
            queue: QueueConfig::read(it),
            store: StoreConfig::read(it),
            telemetry: TelemetryConfig::read(it),
            control: control.map(|url| url.trim_end_matches('/').to_owned()),
            sample: SAMPLE,
        };
        environment.finish(config)
    }
}
