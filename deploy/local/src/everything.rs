//! `atelier`: the embedded cloud, the API and the workers in one process.
//!
//! All are configured as on AWS, but with the embedded cloud's endpoints and credentials.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use atelier_api::ApiConfig;
use atelier_api::config::{LimitConfig, ServeConfig, SiteConfig};
use atelier_api::identity::settings::IdentityConfig;
use atelier_cloud::client::Aws;
use atelier_cloud::config::{BucketConfig, CdnConfig, CloudConfig, QueueConfig};
use atelier_embedded::cloud::Cloud;
use atelier_runtime::config::{
    BudgetConfig, ConfigFaults, DrainConfig, Environment, HttpConfig, JobConfig, ModelsConfig,
    Setting,
};
use atelier_runtime::process;
use atelier_runtime::telemetry::{self, TelemetryConfig};
use atelier_store::Indexes;
use atelier_store::config::StoreConfig;
use atelier_worker::config::{OptimizeConfig, WorkerConfig};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cloud;
use crate::environment::credentials_in;
use crate::flags::{Fleet, Here};
use crate::sign_in::{self, IdentityProvider};

/// The options that apply here: those of the cloud are set.
pub(crate) const SETTINGS: &[&[Setting]] = &[
    WorkerConfig::SETTINGS,
    ModelsConfig::SETTINGS,
    BudgetConfig::SETTINGS,
    OptimizeConfig::SETTINGS,
    JobConfig::SETTINGS,
    LimitConfig::SETTINGS,
    ServeConfig::SETTINGS,
    DrainConfig::SETTINGS,
    HttpConfig::API_SETTINGS,
    IdentityConfig::SETTINGS,
    SiteConfig::SETTINGS,
    TelemetryConfig::SETTINGS,
];

/// Defaults that differ here: one person needs no limit, and after a kill of the process the claims
/// of its workers expire soon.
pub(crate) const ON_ONE_MACHINE: [(&str, &str); 2] =
    [("CREATE_LIMIT_PER_MINUTE", "0"), ("CLAIM_SECONDS", "10")];

/// Placeholders for the environment of the cloud, so that every faulty option is reported before
/// anything starts.
const CLOUD_TO_COME: [(&str, &str); 5] = [
    ("AWS_REGION", "us-west-2"),
    ("S3_BUCKET_NAME", "pictures"),
    ("SQS_QUEUE_URL", "http://127.0.0.1/jobs"),
    ("SQS_DEAD_LETTER_QUEUE_URL", "http://127.0.0.1/dead-letters"),
    ("STORE_URL", "sqlite:documents"),
];

pub(crate) fn main(here: &Here, fleet: &Fleet) -> ExitCode {
    process::block_on(run(here, fleet))
}

async fn run(here: &Here, fleet: &Fleet) -> anyhow::Result<()> {
    let to_come = CLOUD_TO_COME.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Configs::read(fleet, &to_come)?.api;
    let telemetry = telemetry::start(&config.telemetry, "atelier")?;
    let stop = process::stop_on_signal();
    let over = process::grace_over(&stop, config.drain.grace);
    let cloud = cloud::start(here).await?;
    let listen = config.http.listen.context("the API has an address")?;
    let outcome = serve(here, fleet, &cloud, listen, stop).await;
    cloud.stop().await;
    telemetry.stop(&over).await;
    outcome
}

/// API and workers, until `stop`; both drain before this returns.
async fn serve(
    here: &Here,
    fleet: &Fleet,
    cloud: &Cloud,
    listen: SocketAddr,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = process::listen(listen)
        .with_context(|| format!("cannot listen on {listen}; --port takes another port"))?;
    let address = listener.local_addr()?;
    let mut environment = cloud.environment().to_vec();
    let public_url = sign_in::public_url(address);
    let provider = match fleet.sign_in {
        true => Some(IdentityProvider::start(&public_url).await?),
        false => None,
    };
    if let Some(provider) = &provider {
        environment.extend(provider.environment(&public_url));
    }
    tell_ignored(fleet, &environment);
    let configs = Configs::read(fleet, &environment)?;
    let aws = Aws::connect(&configs.api.cloud).await;
    let store = atelier_store::open(&configs.api.store, Indexes::Make).await?;
    let services = atelier_api::Services::new(&configs.api, &aws, Arc::clone(&store));

    let mut workers = JoinSet::new();
    for _ in 0..fleet.workers {
        let config = configs.worker.clone();
        let services = atelier_worker::Services::new(&config, Arc::clone(&store), &aws);
        let worker = atelier_worker::Worker::new(config, services);
        workers.spawn(atelier_worker::run(worker, stop.clone()));
    }
    let sign_in = sign_in_line(&configs.api, provider.is_some(), &public_url);
    let api = atelier_server::run(
        configs.api,
        services,
        listener,
        stop.clone().cancelled_owned(),
    );
    let mut api = tokio::spawn(api);
    greet(here, address, &sign_in, cloud)?;
    let early = tokio::select! {
        // First: what ends after the stop did not end by itself.
        biased;
        () = stop.cancelled() => None,
        served = &mut api => Some(served?),
        Some(worked) = workers.join_next() => Some(worked?),
    };
    if let Some(outcome) = early {
        // A part ends before the stop only where something is wrong with it.
        return outcome.and_then(|()| bail!("a part ended by itself"));
    }
    let served = api.await?;
    // Nothing is sent to the queue once the API has drained, so an idle worker need not wait for the
    // end of its long poll.
    cloud.end_long_polls();
    while let Some(worked) = workers.join_next().await {
        worked??;
    }
    served
}

/// Options that say where the services are: this process has its own.
const OF_THE_CLOUD: &[&[Setting]] = &[
    StoreConfig::SETTINGS,
    QueueConfig::SETTINGS,
    BucketConfig::SETTINGS,
    CdnConfig::API_SETTINGS,
    CloudConfig::SETTINGS,
    ApiConfig::CONTROL_SETTINGS,
];

/// The options of the process's environment that do not count here: what they would set is in
/// `instead`, or comes from a flag.
fn ignored(fleet: &Fleet, instead: &[(String, String)]) -> Vec<String> {
    let of_cloud = OF_THE_CLOUD.iter().copied().flatten();
    let of_cloud = of_cloud.map(|setting| setting.name.to_owned());
    let replaced = instead.iter().map(|(name, _)| name.clone());
    let by_flags = fleet.overrides().into_iter().map(|(name, _)| name);
    let address = fleet.address().map(|_| "LISTEN_ADDR".to_owned());
    let names: BTreeSet<_> = of_cloud
        .chain(replaced)
        .chain(by_flags)
        .chain(address)
        .collect();
    let is_other = |name: &String| {
        let Ok(value) = std::env::var(name) else {
            return false;
        };
        // The environment that this very cloud printed contradicts nothing.
        !value.is_empty() && !instead.contains(&(name.clone(), value))
    };
    names.into_iter().filter(is_other).collect()
}

fn tell_ignored(fleet: &Fleet, instead: &[(String, String)]) {
    let ignored = ignored(fleet, instead);
    if !ignored.is_empty() {
        tracing::warn!(
            options = ignored.join(", "),
            "ignored: `atelier` has its own store, queues, bucket, models and CDN, and flags count before \
             options; `atelier-api` and `atelier-worker` take these"
        );
    }
}

/// Each part's configuration, from the process's environment and the cloud's.
struct Configs {
    api: ApiConfig,
    worker: atelier_worker::Config,
}

impl Configs {
    fn read(fleet: &Fleet, cloud: &[(String, String)]) -> Result<Self, ConfigFaults> {
        let environment = || {
            let of_cloud = OF_THE_CLOUD.iter().copied().flatten();
            let environment = Environment::of(ON_ONE_MACHINE)
                .with_process()
                .with(of_cloud.map(|setting| (setting.name, "")))
                .with(fleet.overrides())
                .with(cloud.iter().cloned());
            match fleet.address() {
                Some(address) => environment.with([("LISTEN_ADDR", address.to_string())]),
                None => environment,
            }
        };
        let (api, worker) = ConfigFaults::both(
            ApiConfig::read(environment()),
            atelier_worker::Config::read(environment()),
        )?;
        let mut configs = Self { api, worker };
        configs.api.cloud.credentials = credentials_in(cloud);
        configs.worker.cloud.credentials = credentials_in(cloud);
        Ok(configs)
    }
}

/// Who may do what here, in a line.
fn sign_in_line(config: &ApiConfig, is_trial: bool, public_url: &str) -> String {
    match &config.identity.sign_in {
        Some(_) if is_trial => format!(
            "{public_url}/auth/sign-in as {}: no passwords",
            sign_in::accounts()
        ),
        Some(sign_in) => format!("by {}", sign_in.issuer),
        None => "off: everybody who reaches the page may do everything; --sign-in tries it".into(),
    }
}

fn greet(here: &Here, address: SocketAddr, sign_in: &str, cloud: &Cloud) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Atelier is ready: http://{address}/")?;
    writeln!(out, "  API reference   http://{address}/docs")?;
    writeln!(out, "  sign-in         {sign_in}")?;
    writeln!(out, "  data            {}", here.data.display())?;
    let shown =
        ["SQS", "S3", "BEDROCK_RUNTIME", "CLOUDFRONT"].map(|it| format!("AWS_ENDPOINT_URL_{it}"));
    for (name, value) in cloud.environment() {
        if shown.contains(name) || name == "ATELIER_CONTROL_URL" {
            let name = name
                .trim_start_matches("AWS_ENDPOINT_URL_")
                .trim_start_matches("ATELIER_");
            writeln!(
                out,
                "  {:<15} {value}",
                name.to_lowercase().replace('_', " ")
            )?;
        }
    }
    out.flush()?;
    Ok(())
}
