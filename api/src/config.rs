//! The options of an API process.

use std::time::Duration;

use atelier_cloud::config::{BucketConfig, CdnConfig, CloudConfig, QueueConfig};
use atelier_runtime::config::{
    BudgetConfig, ConfigFaults, DrainConfig, Environment, HttpConfig, JobConfig, ModelsConfig,
    Setting, http_url, is_loopback_url,
};
use atelier_runtime::telemetry::TelemetryConfig;
use atelier_store::config::StoreConfig;

use crate::identity::settings::{IdentityConfig, PUBLIC_URL};

/// All options of an API process.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Where it listens.
    pub http: HttpConfig,
    /// Who is trusted to say who calls.
    pub identity: IdentityConfig,
    /// Its limits on connections and requests.
    pub serve: ServeConfig,
    /// The names that it is reached by.
    pub site: SiteConfig,
    /// How much one subject may create.
    pub limit: LimitConfig,
    /// What calls to models may cost a day.
    pub budget: BudgetConfig,
    /// The models, whose prices the budgets are counted in.
    pub models: ModelsConfig,
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
    /// Log lines, traces and metrics: which, and where to.
    pub telemetry: TelemetryConfig,
    /// The embedded cloud's control address; the page of the fleet shows its switches then.
    pub control: Option<String>,
    /// Whether the log has the jobs that wait for each worker as a metric for CloudWatch.
    pub backlog: bool,
    /// Between two samples of the queue and the fleet.
    pub sample: Duration,
}

const ATELIER_CONTROL_URL: Setting = Setting {
    name: "ATELIER_CONTROL_URL",
    default: None,
    help: "Control address of an embedded cloud; /fleet shows its switches then.",
};

const CLOUDWATCH_BACKLOG: Setting = Setting {
    name: "CLOUDWATCH_BACKLOG",
    default: Some("off"),
    help: "`on` writes every 10 s how many jobs wait for each worker into the log, as a line of CloudWatch's embedded metric format: an Auto Scaling group can follow it.",
};

/// Between two samples of the queue: three of them in a row tell a queue that forgot.
const SAMPLE: Duration = Duration::from_secs(5);

impl ApiConfig {
    /// Its options of CloudWatch.
    pub const CLOUDWATCH_SETTINGS: &[Setting] = &[CLOUDWATCH_BACKLOG];
    /// Its options of an embedded cloud.
    pub const CONTROL_SETTINGS: &[Setting] = &[ATELIER_CONTROL_URL];
    /// Its options.
    pub const SETTINGS: &[&[Setting]] = &[
        HttpConfig::API_SETTINGS,
        IdentityConfig::SETTINGS,
        ServeConfig::SETTINGS,
        SiteConfig::SETTINGS,
        LimitConfig::SETTINGS,
        BudgetConfig::SETTINGS,
        ModelsConfig::SETTINGS,
        JobConfig::SETTINGS,
        DrainConfig::SETTINGS,
        CloudConfig::SETTINGS,
        BucketConfig::SETTINGS,
        CdnConfig::API_SETTINGS,
        QueueConfig::SETTINGS,
        StoreConfig::SETTINGS,
        TelemetryConfig::SETTINGS,
        Self::CLOUDWATCH_SETTINGS,
        Self::CONTROL_SETTINGS,
    ];

    /// Reads its options. Every fault is told at once.
    pub fn read(mut environment: Environment) -> Result<Self, ConfigFaults> {
        let it = &mut environment;
        let control = http_url(it, &ATELIER_CONTROL_URL);
        let http = HttpConfig::read_api(it);
        let site = SiteConfig::read(it);
        let cdn = CdnConfig::read_api(it);
        let cdn = match is_for_others(&http, &site) {
            true => cdn.for_other_machines(),
            false => cdn,
        };
        let config = Self {
            identity: IdentityConfig::read(it, &http),
            http,
            serve: ServeConfig::read(it),
            site,
            limit: LimitConfig::read(it),
            budget: BudgetConfig::read(it),
            models: ModelsConfig::read(it),
            job: JobConfig::read(it),
            drain: DrainConfig::read(it),
            cloud: CloudConfig::read(it),
            bucket: BucketConfig::read(it),
            cdn,
            queue: QueueConfig::read(it),
            store: StoreConfig::read(it),
            telemetry: TelemetryConfig::read(it),
            control: control.map(|url| url.trim_end_matches('/').to_owned()),
            backlog: it.one_of(&CLOUDWATCH_BACKLOG, &[("on", true), ("off", false)]),
            sample: SAMPLE,
        };
        environment.finish(config)
    }
}

/// Whether people on other machines reach this API.
fn is_for_others(http: &HttpConfig, site: &SiteConfig) -> bool {
    let listens = http.listen.is_some_and(|it| !it.ip().is_loopback());
    listens
        || site
            .public_url
            .as_deref()
            .is_some_and(|url| !is_loopback_url(url))
}

/// How much one subject may create.
#[derive(Clone, Debug)]
pub struct LimitConfig {
    /// Assignments a minute; 0 = no limit.
    pub creates_per_minute: u32,
    /// Checks of a student's answers a minute, from one address; 0 = no limit.
    pub answers_per_minute: u32,
}

const CREATE_LIMIT_PER_MINUTE: Setting = Setting {
    name: "CREATE_LIMIT_PER_MINUTE",
    default: Some("60"),
    help: "Assignments that one subject may create or retry a minute, 0 to 1000000; 0 = no limit.",
};

const ANSWER_LIMIT_PER_MINUTE: Setting = Setting {
    name: "ANSWER_LIMIT_PER_MINUTE",
    default: Some("300"),
    help: "Checks of students' answers a minute from one address, 0 to 1000000; 0 = no limit. A whole school may have one address.",
};

impl LimitConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[CREATE_LIMIT_PER_MINUTE, ANSWER_LIMIT_PER_MINUTE];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        Self {
            creates_per_minute: environment.number(&CREATE_LIMIT_PER_MINUTE, 0..=1_000_000),
            answers_per_minute: environment.number(&ANSWER_LIMIT_PER_MINUTE, 0..=1_000_000),
        }
    }
}

/// The names that the API is reached by.
#[derive(Clone, Debug)]
pub struct SiteConfig {
    /// Host names of `PUBLIC_URL` and `ALLOWED_HOSTS`, without ports.
    pub hosts: Vec<String>,
    /// `PUBLIC_URL`, without a slash at its end.
    pub public_url: Option<String>,
}

const ALLOWED_HOSTS: Setting = Setting {
    name: "ALLOWED_HOSTS",
    default: None,
    help: "More host names that pages of this API may be loaded from, separated by commas. Loopback and IP addresses always may. A page from any other name may change nothing (DNS rebinding).",
};

impl SiteConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[PUBLIC_URL, ALLOWED_HOSTS];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let mut hosts = Vec::new();
        let public_url = http_url(environment, &PUBLIC_URL);
        if let Some(url) = &public_url {
            let url = url.parse::<http::Uri>().ok();
            hosts.extend(url.and_then(|url| url.host().map(str::to_owned)));
        }
        let listed = environment.text(&ALLOWED_HOSTS).unwrap_or_default();
        for host in listed.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            if host
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '.')
            {
                hosts.push(host.to_owned());
            } else {
                let fault = format!("must list host names without scheme and port, not `{host}`");
                environment.fault(&ALLOWED_HOSTS, &fault);
            }
        }
        Self {
            hosts,
            public_url: public_url.map(|url| url.trim_end_matches('/').to_owned()),
        }
    }
}

/// Limits on connections and requests: beyond them an API refuses instead of slowing down.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Open connections.
    pub max_connections: usize,
    /// How long the head of a request may take to arrive.
    pub head_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// Requests that are worked on at a time.
    pub max_in_flight: usize,
    /// Requests that are held with `?wait=` at a time.
    pub max_long_polls: usize,
}

const MAX_CONNECTIONS: Setting = Setting {
    name: "MAX_CONNECTIONS",
    default: Some("10000"),
    help: "Open connections of an API, 1 to 1000000. Beyond, the longest idle one is closed for a new one.",
};
const HEAD_TIMEOUT_SECONDS: Setting = Setting {
    name: "HEAD_TIMEOUT_SECONDS",
    default: Some("10"),
    help: "Seconds that the head of a request may take to arrive, 0.1 to 3600.",
};
const BODY_TIMEOUT_SECONDS: Setting = Setting {
    name: "BODY_TIMEOUT_SECONDS",
    default: Some("10"),
    help: "Seconds that the body of a request may take to arrive, 0.1 to 3600.",
};
const MAX_IN_FLIGHT: Setting = Setting {
    name: "MAX_IN_FLIGHT",
    default: Some("128"),
    help: "Requests that an API works on at a time, 1 to 100000; more are answered 503 at once.",
};
const MAX_LONG_POLLS: Setting = Setting {
    name: "MAX_LONG_POLLS",
    default: Some("5000"),
    help: "Requests that an API holds with ?wait= at a time, 0 to 1000000; more are answered at once with the status as it is.",
};

impl ServeConfig {
    /// Its options.
    pub const SETTINGS: &[Setting] = &[
        MAX_CONNECTIONS,
        HEAD_TIMEOUT_SECONDS,
        BODY_TIMEOUT_SECONDS,
        MAX_IN_FLIGHT,
        MAX_LONG_POLLS,
    ];

    /// Reads its options.
    pub fn read(environment: &mut Environment) -> Self {
        let seconds = Duration::from_secs_f64;
        Self {
            max_connections: environment.number::<u32>(&MAX_CONNECTIONS, 1..=1_000_000) as usize,
            head_timeout: seconds(environment.number(&HEAD_TIMEOUT_SECONDS, 0.1..=3600.0)),
            body_timeout: seconds(environment.number(&BODY_TIMEOUT_SECONDS, 0.1..=3600.0)),
            max_in_flight: environment.number::<u32>(&MAX_IN_FLIGHT, 1..=100_000) as usize,
            max_long_polls: environment.number::<u32>(&MAX_LONG_POLLS, 0..=1_000_000) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cdn_on_loopback_is_for_this_machine_alone() {
        let cdn_of = |options: &[(&str, &str)]| {
            let environment = Environment::of([
                ("S3_BUCKET_NAME", "pictures"),
                ("SQS_QUEUE_URL", "http://127.0.0.1/jobs"),
                ("SQS_DEAD_LETTER_QUEUE_URL", "http://127.0.0.1/dead"),
                ("STORE_URL", "sqlite:documents"),
                ("AWS_REGION", "us-west-2"),
                ("AUTH", "off"),
            ]);
            let config = ApiConfig::read(environment.with(options.iter().copied()));
            config.unwrap().cdn.base_url
        };
        let here = ("CLOUDFRONT_DOMAIN", "http://127.0.0.1:9000");
        let others = ("LISTEN_ADDR", "0.0.0.0:8080");
        let public = ("PUBLIC_URL", "https://pictures.example.org");
        assert_eq!(cdn_of(&[here]).as_deref(), Some(here.1));
        assert_eq!(
            cdn_of(&[here, ("PUBLIC_URL", "http://localhost:8080")]).as_deref(),
            Some(here.1)
        );
        assert_eq!(cdn_of(&[here, others]), None);
        assert_eq!(cdn_of(&[here, public]), None);
        let cdn = ("CLOUDFRONT_DOMAIN", "http://10.0.0.2:9000");
        assert_eq!(cdn_of(&[cdn, others]).as_deref(), Some(cdn.1));
    }
}
