//! The options of an API process.

use std::time::Duration;

use atelier_cloud::config::{BucketConfig, CdnConfig, CloudConfig, QueueConfig};
use atelier_runtime::config::{
    ConfigFaults, DrainConfig, Environment, HttpConfig, JobConfig, Setting,
};
use atelier_runtime::telemetry::TelemetryConfig;
use atelier_store::config::StoreConfig;

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

/// How much one subject may create.
#[derive(Clone, Debug)]
pub struct LimitConfig {
    /// Assignments a minute; 0 = no limit.
    pub creates_per_minute: u32,
}

const CREATE_LIMIT_PER_MINUTE: Setting = Setting {
    name: "CREATE_LIMIT_PER_MINUTE",
    default: Some("60"),
    help: "Assignments that one subject may create a minute, 0 to 1000000; 0 = no limit.",
};

impl LimitConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[CREATE_LIMIT_PER_MINUTE];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        Self {
            creates_per_minute: environment.number(&CREATE_LIMIT_PER_MINUTE, 0..=1_000_000),
        }
    }
}
